"""The gateway's fixtures; what tests call by name is in ears.py."""

from __future__ import annotations

from ears import inbox, intake, port

__all__ = ["inbox", "intake", "port"]
