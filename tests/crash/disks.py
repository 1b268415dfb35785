"""A small disk: a tmpfs of so many megabytes, where it may be mounted. Else the test is skipped, and says why.

    with small_disk(folder, megabytes=24) as disk:
        disk.fill(); disk.empty()          no space left; and space again

A limit on the size of a file is not the same: it knows nothing of what others write, of folders, and of a log that can
neither grow nor be copied. A tmpfs gives ENOSPC as a real disk does; what it cannot show is a slow fsync.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free_bytes(self) -> int:
        """What is left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, but: int = 0) -> None:
        """Write until nothing is left, but for so many bytes."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (left := self.free_bytes - but) > 0:
                file.write(bytes(min(left, 1 << 20)))

    def empty(self) -> None:
        """Take away what we wrote."""
        self._ballast.unlink(missing_ok=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Disk]:
    """Mounted at `folder`, and gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder))
    except OSError as error:
        pytest.skip(f"no tmpfs may be mounted here: {error}")
    try:
        yield Disk(folder)
    finally:
        for _ in range(20):  # whoever was killed is still letting go
            if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.25)
        else:
            subprocess.run(["umount", "-l", str(folder)], check=False)
