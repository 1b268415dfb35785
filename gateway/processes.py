"""Who holds a port, and what a process runs: read from /proc, for messages that name the culprit."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a port: the process where we may look at it, else nothing but the fact."""

    pid: int | None = None
    program: str = ""


def runs(pid: int, argument: str) -> bool:
    """Whether that process is alive and was started with that argument."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(argument) in words


def holder_of_port(host: str, port: int) -> Holder | None:
    """Who keeps us from listening there, or None when we could. Raises OSError where the address itself is wrong."""
    if not _taken(host, port):
        return None
    inodes = set(_listening(port))
    for process in _PROC.glob("[0-9]*"):  # none where there is no /proc
        if process.name.isdecimal() and inodes & set(_sockets(process)):
            try:
                program = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
            except OSError:
                continue
            return Holder(int(process.name), program)
    return Holder()


def _taken(host: str, port: int) -> bool:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # As Mosquitto does: connections of an earlier broker that linger are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on a port, on whatever address."""
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (_PROC / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                yield words[9]


def _sockets(process: Path) -> Iterator[str]:
    """The inodes of a process's sockets; none where we may not look."""
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]
