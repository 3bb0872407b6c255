"""A run's pages as one document on paper."""
