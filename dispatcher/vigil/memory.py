"""How near our memory is to its bound: that of the cgroup (`MemoryMax=` of the unit), else that of a setting.

    0::/system.slice/yijian.service     ─> /sys/fs/cgroup/system.slice/yijian.service/memory.{max,current,stat}
    4:memory:/system.slice/…            ─> /sys/fs/cgroup/memory/system.slice/…/memory.{limit,usage}_in_bytes      (version 1)

Every level above is looked at too: the kernel kills at the first that is full. Of what is used the cached files do not count:
they are let go before anybody is killed, and beside a database the cache fills whatever is left. The embedded broker is in
our cgroup and counts; where there is none with a bound, only this process does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

PROC, CGROUPS = Path("/proc/self"), Path("/sys/fs/cgroup")
#: From here on version 1 means that there is none.
_NO_BOUND = 1 << 62
_V1, _V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")


def ratio(bound_bytes: int, *, proc: Path = PROC, cgroups: Path = CGROUPS) -> float | None:
    """Memory in use, of what there may be; None: it cannot be told. `bound_bytes`: where no cgroup has one."""
    found = list(_levels(proc, cgroups))
    if found:
        return max(found)
    try:
        pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / bound_bytes if bound_bytes else None


def _levels(proc: Path, cgroups: Path) -> Iterator[float]:
    """The ratio of each cgroup we are in that has a bound."""
    try:
        lines = (proc / "cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top, names = cgroups, _V2
        elif "memory" in controllers.split(","):
            top, names = cgroups / "memory", _V1
        else:
            continue
        own = PurePosixPath("/") / path
        for level in (own, *own.parents):
            one = _ratio_of(top / str(level).lstrip("/"), *names)
            if one is not None:
                yield one


def _ratio_of(folder: Path, most: str, used: str) -> float | None:
    try:
        bound = int((folder / most).read_text(encoding="ascii"))  # "max": there is none
        current = int((folder / used).read_text(encoding="ascii"))
        cached = _cached(folder)
    except (OSError, ValueError):
        return None
    return max(0, current - cached) / bound if 0 < bound < _NO_BOUND else None


def _cached(folder: Path) -> int:
    """Bytes of files that are only kept in case somebody reads them again. Raises OSError, ValueError."""
    rows = (line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    stat: Mapping[str, int] = {row[0]: int(row[1]) for row in rows if len(row) == 2}
    total = "total_" if "total_active_file" in stat else ""  # version 1: with those of the levels below
    return sum(stat.get(f"{total}{name}", 0) for name in ("active_file", "inactive_file"))
