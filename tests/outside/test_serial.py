"""The same press over a serial line: a hub with YJ-LINE/1 at a pty, its frames split, joined, wrong and repeated."""

from __future__ import annotations

import asyncio

from outside.harness import Hub, eventually, yj_line
from outside.places import DESK, Town, offers, station


async def call_of(town: Town, device: str, presses: int = 1) -> dict:
    """The one open call of a device, once the desk has come to so many presses: `$A` says stored, no more."""

    async def there() -> dict | None:
        calls = await town.desk.all("/calls", device=device, state="open")
        assert len(calls) <= 1, [call["id"] for call in calls]
        return calls[0] if calls and calls[0]["presses"] >= presses else None

    return await eventually(there, f"a call of {device} with {presses} presses")


async def test_a_press_over_serial_is_answered_once_stored_and_becomes_a_call(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))

    await hub.say(place.device)

    call = await call_of(town, place.device)
    opened = await town.events.fact("call.opened", call["id"])
    assert opened.data["cause"]["kind"] == "signal"
    dispatched = await town.events.fact("call.dispatched", call["id"])
    assert offers(dispatched.state) == [place.station("near")]
    (await town.desk.step(call["id"], "accept", station=place.station("near"))).ok()
    closed = await town.desk.step(call["id"], "close", outcome="helped", evidence="spoke_to_resident")
    assert closed.ok()["state"] == "closed"


async def test_a_repeated_frame_is_answered_again_and_counts_once(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    seq = await hub.say(place.device)
    hub.write(hub.event(place.device, seq=seq, age=2))
    await hub.answer("A", seq, number=2)
    assert (await call_of(town, place.device))["presses"] == 1


async def test_the_age_of_a_buffered_press_counts(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    seq = hub.next_seq()
    hub.write(hub.event(place.device, age=90, seq=seq))
    await hub.answer("A", seq)
    call = await call_of(town, place.device)
    assert 89 < call["late_seconds"] < 100


async def test_keys_and_kinds_over_serial(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    await hub.say(place.device, key="service")
    await hub.say(place.device, kind="fall")

    async def kinds() -> bool:
        calls = await town.desk.all("/calls", device=place.device)
        return sorted((call["kind"], call["key"]) for call in calls) == [
            ("fall", "emergency"),
            ("press", "service"),
        ]

    await eventually(kinds, "a call for the service key and one for the fall")


async def test_a_frame_in_many_pieces_and_two_frames_in_one(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", people=2, near=station(600))
    one, two = hub.next_seq(), hub.next_seq()
    frame = hub.event(place.device, seq=one)
    for at in range(0, len(frame), 7):
        hub.write(frame[at : at + 7])
        await asyncio.sleep(0.005)  # so that they arrive as reads of their own
    await hub.answer("A", one)
    three = hub.next_seq()
    hub.write(
        hub.event(f"{place.name}-b2", seq=two) + hub.event(place.device, kind="heartbeat", key="", seq=three)
    )
    await hub.answer("A", two)
    assert (await call_of(town, f"{place.name}-b2"))["presses"] == 1


async def test_a_frame_with_a_wrong_check_is_never_taken_and_its_repeat_is(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    seq = hub.next_seq()
    good = hub.event(place.device, seq=seq)
    hub.write(good.replace(b",emergency,", b",emergencx,"))
    await hub.answer("N", seq)
    assert await town.desk.all("/calls", device=place.device) == []
    assert ["A", str(seq)] not in [frame[:2] for frame in hub.frames]
    hub.write(good)
    await hub.answer("A", seq)
    await call_of(town, place.device)


async def test_garbage_on_the_line_disturbs_nothing(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    for garbage in [
        b"\x00\xff\xfe" * 500,
        b"$" * 300,
        b"$E,*0000\r\n",
        b"$E,x,y,z*ZZZZ\r\n",
        b"$" + b"A" * 5000 + b"\r\n",
        yj_line("E", -1, "hubA1", place.device, "press", "emergency", 0, 0),
        yj_line("E", 10**40, "hubA1", place.device, "press", "emergency", "NaN", "x"),
        yj_line("E", 5),
        yj_line("Q", 5, "what"),
        yj_line("E", "%zz", "%", "%ff%fe", "press", "%", "", ""),
        b"half a frame, and then nothing: $E,77,hubA1,",
        b"\r\n",
    ]:
        hub.write(garbage)
        await asyncio.sleep(0.01)  # a read of its own
    await hub.say(place.device)
    assert (await call_of(town, place.device))["state"] == "received"


async def test_hello_and_heartbeat_disturb_nothing(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    hub.write(yj_line("Y", 0, hub.hub, 7, "v1") + yj_line("H", 0, hub.hub, 3600, 2, 0))
    await hub.say(place.device)
    assert await town.desk.all("/calls", device=hub.hub, state="open") == []


async def test_a_button_nobody_knows_behind_the_hub_opens_a_call_for_the_district(
    town: Town, hub: Hub
) -> None:
    await hub.say("radio-button-9")
    opened = await town.events.fact("call.opened", where=lambda e: "radio-button-9" in str(e.data["cause"]))
    call = await town.desk.call(opened.call or "")
    assert call["resident"] is None
    (await town.desk.step(call["id"], "accept", station=DESK)).ok()
    (await town.desk.step(call["id"], "close", outcome="other", evidence="relative_confirmed")).ok()


async def test_pulled_out_and_put_back_the_line_works_again(town: Town, hub: Hub) -> None:
    place = await town.village(family="yj_line", near=station(600))
    await hub.say(place.device)
    hub.unplug()
    await asyncio.sleep(0.2)  # long enough that the gateway has seen it go
    hub.plug()
    hub.listen()
    await hub.say(place.device, within=20)
    assert (await call_of(town, place.device, presses=2))["presses"] == 2
