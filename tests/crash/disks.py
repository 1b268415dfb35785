"""A small disk of so many megabytes, where it may be mounted. Else the test is skipped, and says why.

    with small_disk(folder, megabytes=24) as disk:         a tmpfs
        disk.fill(); disk.empty()          no space left; and space again
    with failing_disk(folder, megabytes=24) as disk:       an ext4 in a file
        disk.fail(); disk.repair()         an error, and it is read-only; unmounted, checked and mounted again

A limit on the size of a file is not the same: it knows nothing of what others write, of folders, and of a log that can
neither grow nor be copied. A tmpfs gives ENOSPC as a real disk does; what it cannot show is a slow fsync. A `remount,ro` is
refused as long as anybody has a file open for writing, which a running server always has: only the kernel itself makes a disk
read-only under it, when an error is found (`errors=remount-ro`, Debian's default for ext4). ext4 has a way to be told of one.
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
        if not _unmounted(folder):
            subprocess.run(["umount", "-l", str(folder)], check=False)


def _unmounted(folder: Path) -> bool:
    for _ in range(40):  # whoever was killed is still letting go
        if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.25)
    return False


class FailingDisk:
    """A mounted ext4."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder, self._image = folder, image

    def mount(self) -> None:
        """Raises OSError where that may not be done here."""
        _mount("-o", "loop,errors=remount-ro", str(self._image), str(self.folder))

    @property
    def _told(self) -> Path:
        device = self.folder.stat().st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        return Path("/sys/fs/ext4") / name / "trigger_fs_error"

    def fail(self) -> None:
        """An error is found: from now on nothing can be written."""
        self._told.write_text("1")

    def repair(self) -> None:
        """As somebody called at night would; nobody may have a file open."""
        assert _unmounted(self.folder), "somebody still has a file open"
        checked = subprocess.run(
            ["e2fsck", "-fp", str(self._image)], capture_output=True, text=True, check=False
        )
        assert checked.returncode in {0, 1}, checked.stdout + checked.stderr
        self.mount()


@contextlib.contextmanager
def failing_disk(folder: Path, *, megabytes: int) -> Iterator[FailingDisk]:
    """Mounted at `folder`, and gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    disk = FailingDisk(folder, image)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True, check=True)
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no ext4 in a file may be mounted here: {error}")
    try:
        if not disk._told.exists():
            pytest.skip("this kernel's ext4 cannot be told of an error")
        yield disk
    finally:
        if not _unmounted(folder):
            subprocess.run(["umount", "-l", str(folder)], check=False)
        image.unlink()
