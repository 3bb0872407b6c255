"""One analysis for each notebook: a dataset in, a Result out."""
