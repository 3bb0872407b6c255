"""A report for each segment, and the run that compares them."""
