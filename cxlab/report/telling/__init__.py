"""What is told of runs: to those who read, to those who operate."""
