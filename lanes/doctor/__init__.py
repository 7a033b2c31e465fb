"""A look at the machine and at what is installed: `lanes doctor`."""
