"""The process: one on a folder, stopped politely or killed, its broker killed, its disk full. Nothing receipted is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from outside.harness import Button, Desk, Server, eventually, free_port
from outside.mqtt import Mqtt
from outside.places import Village, district, offers, policy, station, steps, village


def a_town(folder: Path, **settings: str) -> tuple[Server, Village]:
    """A server of its own with one village in its district file."""
    place = village(near=station(600), far=station(2000))
    document = district(**{key: place.document[key] for key in ("areas", "residents", "devices")})
    document["stations"] += place.document["stations"]
    document["policies"]["service"] = policy(steps=steps((0, "nearest"), (1.5, "next"), (60, "everyone")))
    return Server(folder, district=document, env=settings), place


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Village]]:
    """A server that these tests may kill: each leaves it running."""
    server, place = a_town(tmp_path_factory.mktemp("lonely"))
    try:
        server.start()
        yield server, place
    finally:
        server.end()


@pytest.fixture
async def desk(lonely: tuple[Server, Village]) -> AsyncIterator[Desk]:
    """An operator there; calls left open are closed."""
    async with Desk(lonely[0]) as desk:
        yield desk
        for call in await desk.all("/calls", state="open"):
            await desk.step(call["id"], "accept", station="desk-1")
            await desk.step(call["id"], "close", outcome="false_alarm", evidence="relative_confirmed")


async def test_a_second_process_on_the_same_folder_exits_2(
    lonely: tuple[Server, Village], desk: Desk
) -> None:
    server, place = lonely
    second = server.cli(
        "run", YIJIAN_HTTP=f"127.0.0.1:{free_port()}", YIJIAN_MQTT_LISTEN=f"127.0.0.1:{free_port()}"
    )
    assert second.code == 2, second.said
    assert str(server.data) in second.said
    assert "Traceback" not in second.said
    button = await Button.on(server, place.device)
    assert (await button.press())["result"] == "stored"
    await button.close()


async def test_stopped_and_started_it_goes_on_with_the_same_journal(
    lonely: tuple[Server, Village], desk: Desk
) -> None:
    server, place = lonely
    button = await Button.on(server, place.device)
    call = (await button.press())["call"]
    stream = await desk.events(after="0")
    dispatched = await stream.fact("call.dispatched", call)
    before = [event.id for event in stream.seen[: dispatched.place + 1]]
    shown = await desk.call(call)

    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 10 * PATIENCE
    await eventually(lambda: stream.ended, "the stream to end with the server")
    server.start()

    assert await desk.call(call) == shown
    again = await desk.events(after="0")
    await again.until(lambda e: e.id == before[-1], "the same journal after the restart")
    assert [event.id for event in again.seen][: len(before)] == before
    resumed = await desk.events(last_event_id=before[-1])
    await button.connect(server)
    assert (await button.press())["call"] == call
    joined = await resumed.fact("call.joined", call)
    assert joined.place == 0, "resumed over the restart with nothing missed and nothing twice"
    await button.close()


async def test_killed_it_starts_again_at_once_and_a_step_that_came_due_meanwhile_happens_once(
    lonely: tuple[Server, Village], desk: Desk
) -> None:
    server, place = lonely
    button = await Button.on(server, place.device)
    receipt = await button.press("service", id="before-the-kill")
    opened = time.monotonic()
    server.kill()
    await eventually(lambda: time.monotonic() - opened > 1.6, "the second step to come due while nobody runs")

    server.start()

    stream = await desk.events(after="0")
    escalated = await stream.fact("call.escalated", receipt["call"], within=3)
    assert escalated.state["step"] == 1
    dispatched = await stream.fact("call.dispatched", receipt["call"], after=escalated)
    assert offers(dispatched.state) == [place.station("near"), place.station("far")]
    await button.connect(server)
    again = await button.press("service", id="before-the-kill")
    assert again["call"] == receipt["call"], "known again after the kill"
    assert (await desk.call(receipt["call"]))["presses"] == 1
    names = [fact["fact"] for fact in await desk.journal(receipt["call"])]
    assert names.count("call.escalated") == 1, names
    assert names.count("call.opened") == 1, names
    await button.close()


async def test_killed_its_broker_is_gone_or_taken_over(lonely: tuple[Server, Village]) -> None:
    server, place = lonely
    assert server.brokers(), "an embedded broker listens"
    server.kill()
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 10 * PATIENCE
    brokers = server.brokers()
    assert len(brokers) == 1, brokers
    button = await Button.on(server, place.device)
    assert (await button.say("heartbeat"))["result"] == "stored"
    await button.close()


async def test_left_alone_after_a_kill_the_broker_goes_too(lonely: tuple[Server, Village]) -> None:
    server, _ = lonely
    server.kill()
    try:
        await eventually(
            lambda: not server.brokers(), "the broker to go when its parent was killed", within=5
        )
    finally:
        server.start()


async def test_a_killed_broker_is_restarted_and_the_press_gets_its_receipt(
    lonely: tuple[Server, Village], desk: Desk
) -> None:
    server, place = lonely
    (broker,) = server.brokers()
    os.kill(broker, signal.SIGKILL)

    button = Button(place.device)
    await button.connect(server, within=15)
    receipt = await button.press(within=20)

    assert receipt["result"] == "stored"
    assert server.brokers() != [broker]
    ready = await desk.ask("GET", "//readyz")
    assert ready.status == 200
    await eventually(
        lambda: _not_degraded(desk), "/readyz to call nothing degraded once the broker is back", within=10
    )
    await button.close()


async def _not_degraded(desk: Desk) -> bool:
    ready = await desk.ask("GET", "//readyz")
    return ready.status == 200 and "broker" not in str(
        ready.body if isinstance(ready.body, str) else ready.body.get("degraded")
    )


async def test_while_nothing_can_be_stored_nothing_is_receipted_as_stored(
    lonely: tuple[Server, Village], desk: Desk
) -> None:
    server, place = lonely
    button = await Button.on(server, place.device)
    await button.say("heartbeat")
    server.limit_file_size(1)
    try:
        message = {"id": "disk-full-1", "type": "press"}
        button.send(message)
        reply = await desk.post("/signals", {"device": place.device, "id": "disk-full-2", "type": "press"})
        assert reply.status >= 500, reply.body
        await eventually(
            lambda: any(r["id"] == "disk-full-1" for r in button.receipts), "an answer", within=4
        )
    finally:
        server.limit_file_size(None)
    assert {r["result"] for r in button.receipts if r["id"] == "disk-full-1"} == {"busy"}
    while not (stored := await button.say(id="disk-full-1", within=15)).get("call"):
        pass  # a `busy` that was still on its way
    # A gateway that said `busy` also goes on trying by itself, so the repeat may find the press stored already.
    assert stored["result"] in {"stored", "duplicate"}
    assert (await desk.call(stored["call"]))["presses"] == 1
    await button.close()


async def test_the_folder_is_verified_by_the_command_line(lonely: tuple[Server, Village]) -> None:
    server, _ = lonely
    running = server.cli("db", "verify")
    assert running.code == 0, running.said
    assert server.stop() == 0
    stopped = server.cli("db", "verify")
    assert stopped.code == 0, stopped.said
    server.start()


async def test_a_retained_press_from_before_never_rings_and_is_cleared(tmp_path: Path) -> None:
    """On an outside broker that held it before we came: delivered with the RETAIN flag, so a replay."""
    port = free_port()
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen(["mosquitto", "-c", str(conf)], stderr=subprocess.DEVNULL) as broker:
        server, place = a_town(tmp_path / "town", YIJIAN_MQTT=f"mqtt://127.0.0.1:{port}")
        server.mqtt_port = port
        try:
            button = Button(place.device)
            await button.connect(server)
            topic = f"yijian/v1/{place.device}/up"
            await button.mqtt.publish_and_wait(topic, b'{"id":"old-1","type":"press"}', retain=True)
            server.start()
            assert not server.brokers() or server.brokers() == [broker.pid], "no broker of its own"

            receipt = await button.press()

            async with Desk(server) as desk:
                calls = await desk.all("/calls")
                assert [call["id"] for call in calls] == [receipt["call"]]
                assert calls[0]["presses"] == 1

            async def retained() -> list[str]:
                heard: list[str] = []
                ear = await Mqtt.connect(port, "ear", lambda t, _, kept: heard.append(t) if kept else None)
                await ear.subscribe("yijian/v1/+/up")
                await asyncio.sleep(0.1)  # retained messages come right behind the SUBACK
                await ear.close()
                return heard

            async def cleared() -> bool:
                return topic not in await retained()

            await eventually(cleared, "the retained press to be cleared")
            await button.close()
        finally:
            server.end()
            broker.terminate()


async def test_without_an_outside_broker_it_serves_and_says_so(tmp_path: Path) -> None:
    port = free_port()
    server, place = a_town(tmp_path / "town", YIJIAN_MQTT=f"mqtt://127.0.0.1:{port}")
    try:
        server.start()
        async with Desk(server) as desk:
            ready = await desk.ask("GET", "//readyz")
            assert ready.status == 200
            assert ready.body["degraded"] == ["broker"]
            answer = (await desk.post("/signals", {"device": place.device, "id": "1", "type": "press"})).ok(
                201
            )
            assert (await desk.call(answer["call"]))["state"] == "received"
        assert server.stop() == 0
    finally:
        server.end()


async def test_started_in_an_empty_folder_there_is_a_desk_for_everybody(tmp_path: Path) -> None:
    server = Server(tmp_path / "empty")
    try:
        server.start()
        button = await Button.on(server, "first-button")
        receipt = await button.press()
        assert receipt["result"] == "unknown_device"
        async with Desk(server) as desk:
            call = await desk.call(receipt["call"])
            (entry,) = call["dispatches"]
            station_ = await desk.get(f"/stations/{entry['station']}")
            assert station_["kind"] == "district_desk"
        await button.close()
        assert server.stop() == 0
    finally:
        server.end()
