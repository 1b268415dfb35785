"""How a serving process stands up: its listener, its address, its memory, and the word that it is ready."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

from config.settings import Address
from gateway.gateway import Gateway
from gateway.processes import holder_of_port
from yijian.errors import CommandError

#: How long the start waits for the broker before it says it is ready without it.
BROKER_WAIT_SECONDS = 5.0
#: How long a thread keeps Python's lock where another waits for it.
TURN_SECONDS = 0.0005


def hold_the_collector() -> None:
    """Until all is loaded nothing is let go, and to look for it would be a fifth of the start.

    A hundred thousand open calls are millions of objects without cycles.
    """
    gc.disable()


def spare_the_collector() -> None:
    """Take what has been loaded out of the cyclic collector's rounds, and let it come round less often.

    A town of 20,000 and its open calls are a million small objects without cycles. Looking through them all took 0.2 s
    at a time, every few seconds under load, and longer the more calls were open: presses waited for that. It is not even
    looked through once, here: what a start leaves of cycles is about a megabyte, and that look took 0.4 s. A
    round of the young is small: one of 20,000 took 4 to 10 ms, in which no press is read.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 200)
    gc.enable()


def take_short_turns() -> None:
    """Let the database's thread and the loop change places ten times as often as Python would have them.

    A commit of some twenty statements asks for Python's lock after each of them, and beside a loop that always has
    something to do it waits for it a whole turn each time: with turns of 5 ms a press waited tens of milliseconds.
    """
    sys.setswitchinterval(TURN_SECONDS)


def bound(address: Address) -> socket.socket:
    """The HTTP listener, or one line that says who holds the port."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        holder = holder_of_port(address.host, address.port)
        who = f", held by {holder.program} (pid {holder.pid})" if holder is not None else ""
        raise CommandError(
            f"HTTP cannot listen on {address.host}:{address.port}: {error.strerror}{who}; see YIJIAN_HTTP"
        ) from error
    return listener


def shown(address: Address) -> str:
    """Where this machine finds what listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address.host, address.host)  # noqa: S104 - compared, not bound
    return f"{host}:{address.port}"


async def ready(gateway: Gateway, stop: asyncio.Event) -> None:
    """Wait for the broker a moment: whoever reads `ready` may press at once."""
    deadline = asyncio.get_running_loop().time() + BROKER_WAIT_SECONDS
    while not gateway.broker_up and not stop.is_set() and asyncio.get_running_loop().time() < deadline:
        if gateway.broker_problem:
            return
        await asyncio.sleep(0.02)


def url_of(address: Address, listener: socket.socket) -> str:
    """Where this machine finds that listener: port 0 has become a real one."""
    return f"http://{shown(Address(address.host, listener.getsockname()[1]))}"
