"""Tells systemd how we are: sd_notify(3), a datagram to the socket it names in NOTIFY_SOCKET; without one, nothing.

    EXTEND_TIMEOUT_USEC  the database is being brought up to date, that may take long
    READY=1              we serve
    WATCHDOG=1           from the loop's own beat, only while every part moves: never from a timer that would beat on
    STATUS=…             a line for `systemctl status`: figures, nobody's name
    STOPPING=1           we drain

A library would be sixty lines around these ten, and the ones there are have not been kept for years.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

#: How long bringing the database up to date may take.
MIGRATION_SECONDS = 1800


class Notifier:
    """The way to systemd; `environ` names the socket and how often it wants to hear."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog(environ)
        self._socket: socket.socket | None = None
        self._next_at = 0.0
        self._status = ""

    def upgrading(self) -> None:
        """Bringing the database up to date begins."""
        self._send(f"EXTEND_TIMEOUT_USEC={MIGRATION_SECONDS * 1_000_000}\nSTATUS=opening the database")

    def ready(self) -> None:
        """We serve."""
        self._send("READY=1\nSTATUS=serving")

    def stopping(self) -> None:
        """We drain."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def alive(self, now: float) -> None:
        """Every part moves. Told four times in the time that systemd waits."""
        if self.watchdog_seconds and now >= self._next_at:
            self._next_at = now + self.watchdog_seconds / 4
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for whoever looks."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def close(self) -> None:
        """Nothing more is said."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        # systemd may be starting anew: what is said once too seldom must not take us down.
        with contextlib.suppress(OSError):
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto(text.encode(), self._address)


def _address(named: str) -> str | None:
    if named.startswith("@"):
        return "\0" + named[1:]  # an abstract one
    return named if named.startswith("/") else None


def _watchdog(environ: Mapping[str, str]) -> float:
    wanted, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not wanted.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(wanted) / 1e6
