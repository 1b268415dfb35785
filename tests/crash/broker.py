"""A Mosquitto of the tests' own, as an installation would have one: with a memory, on a port and folder that stay.

with outside_broker(folder) as broker:
    server = Server(..., env={"YIJIAN_MQTT": broker.url})
    broker.kill(); broker.start()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from outside.harness import free_port

#: Its memory is what design and operations ask of an outside broker.
_CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
autosave_interval 1
max_queued_messages 0
max_inflight_messages 1000
queue_qos0_messages true
set_tcp_nodelay true
log_type error
"""


class Broker:
    """One Mosquitto; `start` as often as wanted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(_CONFIG.format(port=self.port, folder=folder))
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the present one."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
        assert program is not None, "no Mosquitto here: apt-get install mosquitto"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program, "-c", self._config], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, self._log.read_text()[-1000:]
            assert time.monotonic() < deadline, "Mosquitto does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def signal(self, sign: signal.Signals) -> None:
        """Any other signal."""
        os.kill(self.pid, sign)


@contextlib.contextmanager
def outside_broker(folder: Path) -> Iterator[Broker]:
    """A broker, started, and gone at the end."""
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
