"""`make crash`: the long forms of everything here, one after the other, and a table of what was measured.

    .venv/bin/python tests/crash/series.py [pytest's own arguments, e.g. -k disk]

The exit code is that of pytest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run, and show."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "figures"
        code = subprocess.run(
            [sys.executable, "-m", "pytest", "-v", "-rs", str(HERE), *sys.argv[1:]],
            cwd=HERE.parents[1],
            env={**os.environ, "CRASH_HARD": "1", "CRASH_REPORT": str(report)},
            check=False,
        ).returncode
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    print("\n| what | figures |\n| --- | --- |")  # noqa: T201
    for line in lines:
        figures = json.loads(line)
        what = figures.pop("what")
        print(f"| {what} | {', '.join(f'{name} {value}' for name, value in figures.items())} |")  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
