"""The pure core: values in, facts out. No I/O, no clock, no chance."""
