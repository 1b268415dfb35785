"""The hub on its pseudo terminal, against the real translator of its dialect and a gateway that opens the port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from sim_tools import Gateway, running, until

from devices import yj_line
from devices.family import Frame, Heard
from devices.signal import Signal, SignalType
from simulators.hubs import HubLine, PtyHub


def heard_in(data: bytes) -> list[Signal]:
    session = yj_line.FAMILY.session({})
    return [s for item in session.receive(Frame(data)) if isinstance(item, Heard) for s in item.signals]


def answer(*fields: str) -> bytes:
    return yj_line.frame(*fields)


def started(queue_max: int = 256) -> HubLine:
    line = HubLine("hub-01", boot=7, seq=100, queue_max=queue_max)
    line.plugged(0.0)
    return line


def test_hello_and_heartbeat_first() -> None:
    line = started()
    signals = heard_in(line.due(0.0))
    assert [s.type for s in signals] == [SignalType.ONLINE, SignalType.HEARTBEAT]
    assert signals[0].details["boot"] == 7
    assert line.due(10.0) == b""
    assert line.next_due(10.0) == 30.0
    assert [s.type for s in heard_in(line.due(30.0))] == [SignalType.HEARTBEAT]


def test_repeats_until_a_with_growing_pauses_and_age() -> None:
    line = started()
    event = line.say(0.0, "btn-010007")
    times: list[float] = []
    ages: list[float] = []
    now = 0.0
    while now < 100:
        for signal in heard_in(line.due(now)):
            if signal.type is SignalType.PRESS:
                times.append(now)
                ages.append(signal.age_seconds or 0)
                assert signal.id == "hub-01/100/press/emergency"
        now = line.next_due(now)
    assert times == [0, 1, 3, 7, 15, 31, 61, 91]
    assert ages == times
    line.hear(answer("A", "100"), now)
    assert event.acknowledged
    assert len(line) == 0


def test_the_newest_press_goes_first_one_at_a_time() -> None:
    line = started()
    line.due(0.0)
    for number, type_ in enumerate(("battery_low", "press", "tamper", "press")):
        line.say(float(number), f"btn-{number}", type_)
    order = []
    for _ in range(4):
        (signal,) = heard_in(line.due(5.0))
        order.append(signal.device)
        line.hear(answer("A", signal.id.split("/")[1]), 5.0)
    assert order == ["btn-3", "btn-1", "btn-0", "btn-2"]
    assert heard_in(line.due(5.0)) == []


def test_n_is_honoured() -> None:
    line = started()
    line.due(0.0)
    event = line.say(0.0, "btn-1")
    line.due(0.0)
    line.hear(answer("N", "100", "crc"), 0.2)
    assert line.next_due(0.2) < 0.5
    line.due(0.4)
    line.hear(answer("N", "100", "busy"), 0.5)
    assert not event.dead
    assert line.next_due(0.5) > 1.0
    line.hear(answer("N", "100", "format"), 0.6)
    assert event.dead
    assert len(line) == 0
    assert list(line.dead) == [event]


def test_a_full_flash_drops_what_asks_for_no_help() -> None:
    line = started(queue_max=3)
    tamper = line.say(0.0, "btn-0", "tamper")
    for number in range(1, 4):
        line.say(0.0, f"btn-{number}")
    assert tamper.dropped
    assert line.dropped == 1
    line.say(0.0, "btn-4")
    assert len(line) == 3


def test_noise_and_half_lines_do_no_harm() -> None:
    line = started()
    event = line.say(0.0, "btn-1")
    whole = answer("A", "100")
    line.hear(b"\x00\xff$A,100*0000\r\n$A,1", 0.0)
    assert not event.acknowledged
    line.hear(b"\r\nxx" + whole[:4], 0.0)
    line.hear(whole[4:], 0.0)
    assert event.acknowledged
    line.hear(b"x" * 5000, 0.0)


def test_states_of_the_call_are_shown() -> None:
    line = started()
    event = line.say(0.0, "btn-1")
    line.hear(answer("S", "0", "btn-1", "c-07", "accepted"), 0.0)
    assert event.states == ["accepted"]
    assert event.call == "c-07"


def presses(signals: Sequence[Signal]) -> list[Signal]:
    return [signal for signal in signals if signal.type is SignalType.PRESS]


async def test_a_press_over_a_pty(tmp_path: Path) -> None:
    hub = PtyHub("hub-01", tmp_path / "port" / "hub-01", boot=7, seq=5)
    async with running(hub.run()):
        await until(hub.path.exists)
        gateway = Gateway(hub.path)
        async with running(gateway.run()):
            event = hub.say("btn-010007", key="service")
            async with asyncio.timeout(8):
                await event.stored()
        assert event.acknowledged
        (press,) = presses(gateway.signals)[:1]
        assert press.device == "btn-010007"
        assert press.key == "service"
        assert press.details["via"] == "hub-01"
        gateway.port.close()
    assert not os.path.lexists(hub.path)


async def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    hub = PtyHub("hub-01", tmp_path / "hub-01", boot=7, seq=5)
    async with running(hub.run()):
        await until(hub.path.exists)
        gateway = Gateway(hub.path)
        hub.unplug()
        assert not os.path.lexists(hub.path)
        assert not hub.plugged
        event = hub.say("btn-1")
        await asyncio.sleep(0.1)
        gateway.port.close()
        hub.replug()
        again = Gateway(hub.path)
        async with running(again.run()), asyncio.timeout(8):
            await event.stored()
        assert event.acknowledged
        assert presses(again.signals)
        again.port.close()


async def test_nobody_reads_and_nothing_breaks(tmp_path: Path) -> None:
    hub = PtyHub("hub-01", tmp_path / "hub-01", boot=7, seq=5)
    async with running(hub.run()):
        await until(hub.path.exists)
        for number in range(400):
            hub._write(answer("H", "0", "hub-01", str(number), "0", "0"))
        event = hub.say("btn-1")
        gateway = Gateway(hub.path)
        async with running(gateway.run()), asyncio.timeout(8):
            await event.stored()
        assert event.acknowledged
        gateway.port.close()
