"""Figures of the crash tests: printed, and kept as JSON lines in the file CRASH_REPORT names, for the table of `make crash`."""

from __future__ import annotations

import json
import os
from pathlib import Path


def note(what: str, **figures: object) -> None:
    """One line of figures about one ordeal."""
    print(f"{what}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))  # noqa: T201
    if kept := os.environ.get("CRASH_REPORT"):
        with Path(kept).open("a", encoding="utf-8") as file:  # a line at once: several processes write
            file.write(json.dumps({"what": what, **figures}, ensure_ascii=False) + "\n")
