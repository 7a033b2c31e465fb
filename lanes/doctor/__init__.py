"""Checks the machine and the installation: `lanes doctor`."""
