"""What comes in: the data contract, datasets read by it, and simulated ones."""
