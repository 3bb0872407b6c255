"""The statistics, on plain arrays and frames."""
