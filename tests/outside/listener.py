"""A console that stays open over all stories: it must be kept alive, lose nothing and get nothing twice."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time

from outside.harness import ADMIN_TOKEN, BASE, Server


class Listener:
    """Reads `GET /events` in a thread, and keeps the ids and the times of the comment lines."""

    def __init__(self, server: Server) -> None:
        self.began = time.monotonic()
        self.ids: list[str] = []
        self.pauses: list[float] = []
        """The seconds of silence before each line."""
        self.comments = 0
        self.alive = True
        self._connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
        self._connection.request("GET", f"{BASE}/events", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.status
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        last = time.monotonic()
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := self._answer.readline():
                now = time.monotonic()
                self.pauses.append(now - last)
                last = now
                if line.startswith(b":"):
                    self.comments += 1
                elif line.startswith(b"id:"):
                    self.ids.append(line[3:].strip().decode())
        self.alive = False

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError, AttributeError):
            self._connection.sock.shutdown(2)
