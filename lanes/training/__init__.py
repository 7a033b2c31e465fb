"""Training: from data sets and a configuration to a checkpoint."""
