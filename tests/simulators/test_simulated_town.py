"""The town put together: the demo, one press, and the functions behind the command line."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from fake_api import FakeApi
from sim_tools import Gateway, Mosquitto, free_port, running, until

from config.doors import SystemClock
from simulators import command, demo, town
from simulators.day import Happening
from simulators.district import generate
from simulators.press import press_once
from simulators.temper import DEMO

SMALL = generate(3, communities=2, residents=30, streets=1, hubs=1)


@pytest.fixture(autouse=True)
def _no_log_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process's log is set up once; not by a test, whose standard error ends with it."""
    monkeypatch.setattr(command, "configure", lambda: None)


class Desk:
    """Receipts for what comes by MQTT; each press opens a call at the fake API, offered to the district desk."""

    def __init__(self, port: int, fake: FakeApi) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.ready = asyncio.Event()
        self._port, self._fake = port, fake
        self._calls: dict[str, str] = {}

    async def run(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self._port) as client:
            await client.subscribe("yijian/v1/+/up", qos=1)
            self.ready.set()
            async for message in client.messages:
                device = message.topic.value.split("/")[2]
                body = json.loads(message.payload)
                self.heard.append((device, body))
                receipt = {"type": "receipt", "id": body["id"], "result": "stored"}
                if body["type"] == "press":
                    receipt["call"] = f"c-{body['id']}"
                    if receipt["call"] not in self._fake.calls:
                        self._fake.open(receipt["call"], "st-desk", device=device)
                # QoS 0: waiting for each of the broker's answers takes 40 ms, and this desk has one pair of hands.
                await client.publish(f"yijian/v1/{device}/down", json.dumps(receipt), qos=0)
                if body["type"] == "press":
                    for state in ("received", "closed"):
                        news = {"type": "state", "call": receipt["call"], "state": state, "text": "文字"}
                        await client.publish(f"yijian/v1/{device}/down", json.dumps(news), qos=0)


def test_the_switchboard_knows_hubs_and_buttons() -> None:
    assert len(town.natives(SMALL)) > 5
    ((hub, behind),) = town.hubs(SMALL).items()
    assert hub == "hub-01"
    assert behind
    assert behind[0].startswith("btn-01")
    assert town.ports_at(Path("x"), town.hubs(SMALL)) == {"hub-01": Path("x")}
    assert town.ports_at(None, town.hubs(SMALL)) == {}


def test_brokers_addresses() -> None:
    assert town.Broker.of_url("mqtt://a:b%40@host:1") == town.Broker("host", 1, "a", "b@")
    assert town.Broker.of_url("host") == town.Broker("host", 1883)
    with pytest.raises(ValueError, match="mqtt://host:port"):
        town.Broker.of_url("http://host")


def small_town(port: int, hub: Path | None) -> town.Town:
    """The small district's devices, at a broker of this machine; `hub`: where its first hub's port appears."""
    ports = town.ports_at(hub, town.hubs(SMALL))
    broker = town.Broker("127.0.0.1", port)
    return town.Town(SMALL, broker, ports, chance=random.Random(1), clock=SystemClock())


async def test_the_demo_lives_at_once_survives_and_stops(
    mosquitto: Mosquitto, fake_api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DEMO", dataclasses.replace(DEMO, helper_key=0, never_sets_out=0, gives_back=0))
    desk = Desk(mosquitto.port, fake_api)
    stop = asyncio.Event()
    playing = demo.play(
        http=fake_api.url,
        token="t",
        town=small_town(mosquitto.port, tmp_path / "hub"),
        district=SMALL,
        seed=1,
        speed=60.0,
        stop=stop,
    )
    async with running(desk.run()):
        await desk.ready.wait()
        task = asyncio.create_task(playing)
        begin = asyncio.get_running_loop().time()
        await until(lambda: any(body["type"] == "press" for _, body in desk.heard), 5)
        assert asyncio.get_running_loop().time() - begin < 4
        await until(lambda: len(fake_api.closings) > 8, 15)
        await fake_api.stop()
        await asyncio.sleep(0.5)
        await fake_api.start()
        closed = len(fake_api.closings)
        await until(lambda: len(fake_api.closings) > closed + 5, 20)
        assert (tmp_path / "hub").exists()
        stop.set()
        async with asyncio.timeout(5):
            await task
    assert Counter(body["type"] for _, body in desk.heard)["press"] > 10


async def test_the_demo_waits_for_a_broker_and_a_server_that_are_not_there(tmp_path: Path) -> None:
    stop = asyncio.Event()
    nowhere = free_port()
    task = asyncio.create_task(
        demo.play(
            http=f"http://127.0.0.1:{nowhere}",
            token="t",
            town=small_town(nowhere, None),
            district=SMALL,
            seed=1,
            speed=100.0,
            stop=stop,
        )
    )
    await asyncio.sleep(0.8)
    assert not task.done()
    stop.set()
    async with asyncio.timeout(5):
        await task


async def test_a_part_that_fails_while_it_is_cancelled_ends_all_the_same() -> None:
    begun: list[int] = []

    async def fails_at_the_end() -> None:
        async def stubborn() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise RuntimeError("the line was cut")

        begun.append(1)
        async with asyncio.TaskGroup() as group:
            group.create_task(stubborn())

    task = asyncio.create_task(demo.keep("stubborn", fails_at_the_end, random.Random(1)))
    await until(lambda: begun)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()
    assert begun == [1]


async def test_everything_a_town_says_reaches_a_device(mosquitto: Mosquitto, tmp_path: Path) -> None:
    from config.doors import SystemClock

    ports = town.ports_at(tmp_path / "hub", town.hubs(SMALL))
    broker = town.Broker("127.0.0.1", mosquitto.port)
    place = town.Town(SMALL, broker, ports, chance=random.Random(1), clock=SystemClock())
    native, radio = town.natives(SMALL)[0], town.hubs(SMALL)["hub-01"][0]
    for type_ in ("press", "fall", "hazard", "battery_low", "battery_ok", "cancel", "mains_lost"):
        place.do(Happening(0.0, native, type_))
    assert place.fleet.pending == 7
    place.do(Happening(0.0, radio, "press", "emergency"))
    assert place.say("yj-01-001", "helper_arrived")  # the system names it by its id
    assert len(place.hubs["hub-01"].line) == 2
    assert not place.say("somebody else's", "press")


async def test_one_native_press_over_mqtt(mosquitto: Mosquitto, fake_api: FakeApi) -> None:
    desk = Desk(mosquitto.port, fake_api)
    lines: list[str] = []
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    async with running(desk.run()):
        await desk.ready.wait()
        assert await press_once(device="btn-1", mqtt=url, wait_seconds=5, say=lines.append)
    assert [line.split()[0] for line in lines] == ["press", "receipt", "state", "state"]
    assert "stored call=c-" in lines[1]
    assert "closed 文字" in lines[3]


async def test_one_press_without_an_answer_says_so(mosquitto: Mosquitto) -> None:
    lines: list[str] = []
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    assert not await press_once(device="btn-1", mqtt=url, wait_seconds=0.5, say=lines.append)
    assert lines[-1].startswith("nothing")


async def test_one_press_over_http(fake_api: FakeApi) -> None:
    lines: list[str] = []

    async def close_soon() -> None:
        await until(lambda: "c-http" in fake_api.calls)
        fake_api.calls["c-http"]["state"] = "closed"

    async with running(close_soon()):
        assert await press_once(
            device="btn-1", http=fake_api.url, token="t", wait_seconds=4, say=lines.append
        )
    assert [line.split()[0] for line in lines] == ["press", "receipt", "state"]


async def test_one_press_of_a_hub_that_makes_its_port(tmp_path: Path) -> None:
    lines: list[str] = []
    path = tmp_path / "hub"
    pressing = asyncio.create_task(
        press_once(family="yj_line", device="btn-1", port=str(path), wait_seconds=1.6, say=lines.append)
    )
    await until(path.exists)
    gateway = Gateway(path)
    async with running(gateway.run()):
        assert await pressing
    gateway.port.close()
    assert lines[-1] == "receipt   stored (A)"


async def test_one_press_of_a_hub_on_a_port_that_is_there(tmp_path: Path) -> None:
    import os
    import tty

    from devices import yj_line
    from devices.family import Frame, Heard

    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    session = yj_line.FAMILY.session({})

    async def gateway() -> None:
        while True:
            await asyncio.sleep(0.01)
            try:
                data = os.read(master, 4096)
            except BlockingIOError:
                continue
            for item in session.receive(Frame(data)):
                if isinstance(item, Heard) and item.token:
                    os.write(master, yj_line.frame("A", item.token))

    lines: list[str] = []
    async with running(gateway()):
        assert await press_once(
            family="yj_line", device="b", port=os.ttyname(slave), wait_seconds=0.7, say=lines.append
        )
    os.close(master)
    os.close(slave)


async def test_one_press_of_a_hub_on_a_port_somebody_has(tmp_path: Path) -> None:
    import os

    import serial

    master, slave = os.openpty()
    lines: list[str] = []
    with serial.Serial(os.ttyname(slave), exclusive=True):
        assert not await press_once(
            family="yj_line", device="b", port=os.ttyname(slave), wait_seconds=2, say=lines.append
        )
    assert "lock" in lines[-1]
    os.close(master)
    os.close(slave)


async def test_any_other_family_sends_a_frame_of_its_own(mosquitto: Mosquitto) -> None:
    families = pytest.importorskip("devices.zigbee2mqtt")
    lines: list[str] = []
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    assert await press_once(family=families.FAMILY.name, device="0x1", mqtt=url, say=lines.append)
    with pytest.raises(ValueError, match="say where to"):
        await press_once(family=families.FAMILY.name, device="0x1", say=lines.append)


async def test_a_press_needs_somewhere_to_go() -> None:
    with pytest.raises(ValueError, match="broker's URL"):
        await press_once(device="x")
    with pytest.raises(ValueError, match="serial port"):
        await press_once(family="yj_line", device="x")


def test_a_district_file_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "district.json"
    assert command.simulate_district(seed=4, residents=50, output=str(path)) == 0
    assert json.loads(path.read_text()) == generate(4, residents=50)
    assert command.simulate_district(seed=4, residents=50, output="-") == 0
    assert json.loads(capsys.readouterr().out) == generate(4, residents=50)
    assert command.simulate_district(communities=0) == 2
    assert command.simulate_district(residents=1, output=str(tmp_path / "no" / "folder")) == 2


async def test_a_day_is_played_and_counted(
    mosquitto: Mosquitto, fake_api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "district.json"
    path.write_text(json.dumps(SMALL))
    desk = Desk(mosquitto.port, fake_api)
    async with running(desk.run()):
        await desk.ready.wait()
        code = await asyncio.to_thread(
            command.simulate_day,
            http=fake_api.url,
            token="t",
            mqtt=f"mqtt://127.0.0.1:{mosquitto.port}",
            district=str(path),
            speed=6000,
            seconds=12_000,
            start_hour=9,
            a_month=300,
        )
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0, figures
    assert figures["said"] > 20
    assert figures["unreceipted"] == 0
    assert figures["closed"] > 0


def test_wrong_usage_of_a_day_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.simulate_day(http="x", token="", mqtt="http://x") == 2
    assert command.simulate_day(http="x", token="", mqtt="mqtt://x", speed=0) == 2
    assert command.simulate_press(family="no_such", device="x") == 2
    assert "no_such" in capsys.readouterr().err
