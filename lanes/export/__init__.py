"""Export checkpoints to the files that backends run."""
