"""Training: the one loop, its data and its gate."""
