"""Results as pictures: the style, and pictures that travel into a report."""
