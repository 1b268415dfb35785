"""A serial line, against the other end of a pseudo-terminal: answers, noise, unplugging, a hub that does not read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from pathlib import Path

import pytest
import serial_asyncio_fast
from ears import a_gateway, until

from devices.family import Answer, Line, Progress, Transport
from devices.yj_line import frame
from gateway.fakes import FakeDownlink, FakeInbox
from gateway.gateway import Gateway
from gateway.ports import Down
from gateway.transports.serial import _Link

PRESS = b"$E,1042,hubA1,btn-000317,press,emergency,12,-61*5DB4\r\n"


class Hub:
    """The hub's end of a serial line: a pty, under a name that stays the same over replugging."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = -1
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        fresh = self.path.with_suffix(".new")
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self.path)
        os.close(slave)

    def unplug(self) -> None:
        os.close(self.master)
        self.master = -1
        self.path.unlink()

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    async def hears(self, wanted: bytes) -> None:
        heard = b""
        async with asyncio.timeout(5):
            while wanted not in heard:
                with contextlib.suppress(BlockingIOError, OSError):
                    heard += os.read(self.master, 65536)
                await asyncio.sleep(0.01)


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub")


def line(hub: Hub, **options: object) -> Line:
    return Line("yj_line", Transport.SERIAL, port=str(hub.path), baud=115200, options=options)


def is_open(gateway: Gateway) -> bool:
    return gateway.lines[1].open


async def test_press_commit_answer(tmp_path: Path, port: int, hub: Hub) -> None:
    inbox = FakeInbox(commit_seconds=0.05)
    async with a_gateway(tmp_path, port, inbox, lines=(line(hub),)) as (gateway, _):
        await until(lambda: is_open(gateway))
        hub.say(b"boot noise\r\n" + PRESS)
        await hub.hears(b"$A,1042*E287\r\n")
        assert inbox.arrivals[0].signal.id == "hubA1/1042/press/emergency"
        assert inbox.arrivals[0].line == f"yj_line {hub.path}"
        hub.say(PRESS)
        await hub.hears(b"$A,1042*E287\r\n")
        assert len(inbox.arrivals) == 1
        inbox.busy = True
        hub.say(frame("E", "1043", "hubA1", "btn-000317", "press", "-"))
        await hub.hears(frame("N", "1043", "busy"))
        hub.say(PRESS.replace(b"5DB4", b"5DB5"))
        await hub.hears(b"$N,1042,crc*0940\r\n")


async def test_a_frame_in_pieces_and_garbage_between(tmp_path: Path, port: int, hub: Hub) -> None:
    async with a_gateway(tmp_path, port, lines=(line(hub),)) as (gateway, inbox):
        await until(lambda: is_open(gateway))
        for byte in PRESS:
            hub.say(bytes([byte]))
            await asyncio.sleep(0.001)
        await hub.hears(b"$A,1042")
        for _ in range(20):
            hub.say(os.urandom(500).replace(b"$", b"x"))
            await asyncio.sleep(0.005)
        hub.say(frame("E", "2", "hubA1", "b", "press", "-"))
        await hub.hears(b"$A,2*")
        assert len(inbox.arrivals) == 2


async def test_unplugged_and_plugged_in_again(tmp_path: Path, port: int, hub: Hub) -> None:
    async with a_gateway(tmp_path, port, lines=(line(hub),)) as (gateway, inbox):
        for number in range(3):
            await until(lambda: is_open(gateway))
            assert gateway.lines[1].problem == ""
            hub.say(frame("E", str(number), "hubA1", "b", "press", "-"))
            await hub.hears(b"$A,%d*" % number)
            hub.say(PRESS[:20])  # half a frame, never to be joined to what comes after
            hub.unplug()
            await until(lambda: not is_open(gateway))
            await until(lambda: gateway.lines[1].problem)
            hub.plug()
        await inbox.wait_for(3)


async def test_absent_at_first(tmp_path: Path, port: int) -> None:
    absent = Line("yj_line", Transport.SERIAL, port=str(tmp_path / "hub"))
    async with a_gateway(tmp_path, port, lines=(absent,)) as (gateway, _):
        await until(lambda: "hub" in gateway.lines[1].problem)
        hub = Hub(tmp_path / "hub")
        await until(lambda: is_open(gateway))
        hub.say(PRESS)
        await hub.hears(b"$A,1042*E287\r\n")


async def test_the_port_is_ours_alone(tmp_path: Path, port: int, hub: Hub) -> None:
    import serial

    async with a_gateway(tmp_path, port, lines=(line(hub),)) as (gateway, _):
        await until(lambda: is_open(gateway))
        with pytest.raises(serial.SerialException):
            serial.Serial(str(hub.path), exclusive=True)


async def test_a_hub_that_does_not_read_stops_nobody(tmp_path: Path, port: int, hub: Hub) -> None:
    async with a_gateway(tmp_path, port, lines=(line(hub),)) as (gateway, inbox):
        await until(lambda: is_open(gateway))
        for number in range(12_000):
            with contextlib.suppress(BlockingIOError):
                hub.say(frame("E", str(number), "hubA1", "b", "press", "-"))
            if number % 20 == 0:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.3)
        assert len(inbox.arrivals) > 8000
        await hub.hears(b"$A,0*")
        hub.say(frame("E", "5000", "hubA1", "b", "press", "-"))
        await hub.hears(b"$A,5000*")


async def test_a_port_that_is_exactly_full(hub: Hub) -> None:
    """pyserial spins for ever in the write of a full port, and everything would hang with it."""
    link = _Link(asyncio.get_running_loop())
    transport, _ = await serial_asyncio_fast.create_serial_connection(
        asyncio.get_running_loop(), lambda: link, str(hub.path)
    )
    await asyncio.sleep(0.01)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(transport.serial.fileno(), b"x")
    assert not await link.carry([Answer(b"$A,1*")])
    os.read(hub.master, 65536)
    await asyncio.sleep(0.05)
    assert await link.carry([Answer(b"$A,1*")])
    transport.abort()
    await asyncio.wait((link.lost,))
    assert not await link.carry([Answer(b"$A,1*")])


async def test_a_wiped_hub_over_our_restart(tmp_path: Path, port: int, hub: Hub) -> None:
    first = frame("E", "3", "hubA1", "b", "press", "-")
    async with a_gateway(tmp_path, port, lines=(line(hub),)) as (gateway, inbox):
        await until(lambda: is_open(gateway))
        for hello in ("7", "1"):
            hub.say(frame("Y", "0", "hubA1", hello, "v1") + first)
            await hub.hears(b"$A,3*")
        assert [arrival.signal.id for arrival in inbox.arrivals] == ["hubA1/3/press/-", "hubA1/3/press/-/1"]
    async with a_gateway(tmp_path, port, inbox, lines=(line(hub),)) as (gateway, _):
        await until(lambda: is_open(gateway))
        hub.say(first)
        await hub.hears(b"$A,3*")
        assert len(inbox.arrivals) == 2


async def test_states_go_to_the_hub_that_shows_them(tmp_path: Path, port: int, hub: Hub) -> None:
    downlink = FakeDownlink()
    news = Progress("btn-000317", "c-07", "accepted", "已受理", via="hubA1")
    async with a_gateway(tmp_path, port, downlink=downlink, lines=(line(hub),)) as (gateway, _):
        await until(lambda: is_open(gateway))
        downlink.push(Down("before", "yj_line", news))
        await until(lambda: downlink.returned_ids == ["before"])
        hub.say(frame("Y", "0", "hubA1", "9", "v1+state") + PRESS)
        await hub.hears(b"$A,1042")
        downlink.push(Down("after", "yj_line", news))
        await hub.hears(b"$S,0,btn-000317,c-07,accepted*E36B\r\n")
        await until(lambda: downlink.carried_ids == ["after"])
        hub.unplug()
        await until(lambda: not is_open(gateway))
        downlink.push(Down("gone", "yj_line", news))
        await until(lambda: downlink.returned_ids == ["before", "gone"])


async def test_a_wrong_line_is_told_at_once(tmp_path: Path, port: int, hub: Hub) -> None:
    for wrong, told in (
        (line(hub, shows_state="perhaps"), "shows_state"),
        (Line("yj_line", Transport.UDP), "does not come by udp"),
        (Line("nokia", Transport.SERIAL), "nokia"),
    ):
        with pytest.raises((ValueError, LookupError), match=told):
            async with a_gateway(tmp_path, port, lines=(wrong,)):
                pass
