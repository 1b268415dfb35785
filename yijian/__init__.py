"""The front door: the command line and the composition root."""
