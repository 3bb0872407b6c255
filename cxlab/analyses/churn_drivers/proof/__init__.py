"""What could contradict the driver table: sweeps, other methods, negative controls."""
