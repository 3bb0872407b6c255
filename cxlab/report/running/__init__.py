"""Notebooks, each in a process and a kernel of its own."""
