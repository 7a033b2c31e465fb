"""From data sets and a configuration to a checkpoint."""
