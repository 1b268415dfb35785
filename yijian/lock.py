"""One process on a data folder: a lock that dies with its process, so that a crash never leaves one behind.

with hold(settings.data):       LockedError naming the other's pid, or CommandError where the folder cannot be used
    serve()
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yijian.errors import UsageError


class LockedError(UsageError):
    """Another process has the data folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"the data folder {folder} is in use by {who}")
        self.pid = int(pid) if pid else None


def make_folder(folder: Path) -> None:
    """Make the data folder where it is missing, for our eyes only. Raises UsageError where it cannot be used."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the data folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"the data folder {folder} cannot be written to by this user")


def holder(folder: Path) -> str | None:
    """Who holds the lock on a data folder (a pid, or `?` where that cannot be told); None: nobody.

    Looked up, not tried: somebody who starts at this very moment must not be in the way of themselves.
    """
    try:
        found = (folder / "lock").stat()
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        pid = (folder / "lock").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    if not any(row.split()[1] == "FLOCK" and device in row.split() for row in locks):
        return None
    return pid if pid.isdigit() else "?"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the lock on a data folder, making the folder where it is missing."""
    make_folder(folder)
    try:
        # "a+": a loser must be able to read the winner's pid, so the file is emptied only under the lock.
        file = (folder / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise UsageError(f"the data folder {folder} cannot be locked: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            given = file.read(20).strip()
            raise LockedError(folder, given if given.isdigit() else "") from None
        except OSError as error:
            raise UsageError(f"the data folder {folder} cannot be locked: {error.strerror}") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        # The file stays: removing it would let two processes each lock a file of that name.
        yield
