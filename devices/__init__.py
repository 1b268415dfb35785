"""Pure translation between the dialects of device makers and Signals: no I/O, no clock, one file per family."""
