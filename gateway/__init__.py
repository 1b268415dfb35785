"""The gateway: bytes in, Signals out, nothing lost."""
