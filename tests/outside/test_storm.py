"""Storms, in short: thousands of things at once, real processes, and red presses in between that nothing holds up.

The long forms are `yijian simulate storm` and `make bench`.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from bench.town import plain
from patience import PATIENCE

from outside.harness import Desk, Ran, Server, eventually
from outside.mqtt import Mqtt

HOMES = 860
ADDRESS = re.compile(r"^(.+?): (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A district of 86 communities with ten homes each."""
    running = Server(tmp_path_factory.mktemp("storm"), district=plain(HOMES))
    try:
        running.start(within=60 * PATIENCE)
        yield running
    finally:
        running.end()


@pytest.fixture
async def desk(server: Server) -> AsyncIterator[Desk]:
    """An operator there."""
    async with Desk(server) as desk:
        yield desk


def storm(server: Server, kind: str, devices: int, seconds: float, *more: str, presses: int = 20) -> Ran:
    """`yijian simulate storm` against it."""
    return server.cli(
        *("simulate", "storm", "--kind", kind, "--devices", str(devices), "--seconds", str(seconds)),
        *("--presses", str(presses), "--url", server.url, "--mqtt", f"mqtt://127.0.0.1:{server.mqtt_port}"),
        *more,
        within=90 * PATIENCE,
        LANG="C.UTF-8",
        LC_ALL="C.UTF-8",
    )


def table(ran: Ran) -> dict[str, str]:
    """What it printed."""
    assert ran.code == 0, ran.said
    return dict(ADDRESS.findall(ran.out))


def longest_ms(row: str) -> float:
    """The last of `p50 / p99 / max ms`."""
    return float(row.removesuffix(" ms").rpartition("/")[2])


def test_all_reconnect_at_once_and_every_press_is_on_the_stream_within_five_seconds(server: Server) -> None:
    said = table(storm(server, "reconnect", 600, 5))
    assert (said["presses"], said["presses lost"], said["presses doubled"]) == ("20", "0", "0")
    assert said["devices that never got in"] == "0"
    assert said["heartbeats sent, not sent for want of time"] == "600, 0"
    assert longest_ms(said["press to stream p50 / p99 / max"]) < 5000 * PATIENCE


async def test_a_community_without_power_off_and_on_and_off_again_is_one_area_with_its_list(
    server: Server, desk: Desk
) -> None:
    said = table(await asyncio.to_thread(storm, server, "power", 200, 16))
    assert (said["presses lost"], said["presses doubled"]) == ("0", "0")
    [fault] = await desk.all("/faults", fault="area_incident", state="all")
    assert (fault["detail"], fault["device"], fault["overdue"]) == ("power", None, False)
    assert fault["count"] == len(fault["devices"]) == len(fault["residents"]) == 10
    assert await desk.all("/faults", fault="mains", state="all") == []
    # Who only knows that list can find the area in it, and nobody else's.
    [again] = await desk.all("/faults", fault="area_incident", state="all", area=fault["area"])
    assert again["id"] == fault["id"]
    assert await desk.all("/faults", fault="area_incident", state="all", area="411002002001") == []


async def test_every_last_will_at_once_is_no_area_and_a_killed_broker_is_no_fault_at_all(
    server: Server, desk: Desk
) -> None:
    before = {fault["id"] for fault in await desk.all("/faults", state="all")}
    said = table(await asyncio.to_thread(storm, server, "broker", 500, 4))
    assert (said["presses lost"], said["presses doubled"]) == ("0", "0")
    wearers = [
        await Mqtt.connect(
            server.mqtt_port, f"w{n}", will=(f"yijian/v1/d{n}/status", b'{"state":"offline"}', True)
        )
        for n in range(300)
    ]
    (broker,) = server.brokers()
    os.kill(broker, signal.SIGKILL)
    await eventually(lambda: server.brokers() not in ([], [broker]), "a new broker", within=15)
    for wearer in wearers:
        wearer.abort()
    await asyncio.sleep(8)
    found = [fault for fault in await desk.all("/faults", state="all") if fault["id"] not in before]
    assert [fault for fault in found if fault["fault"] == "area_incident"] == []
    assert len(found) <= 1, found  # the whole district's, where it was told within those seconds


def test_beats_that_are_too_many_are_told_so_and_presses_go_on(server: Server) -> None:
    said = table(storm(server, "overload", HOMES, 4))
    assert (said["presses lost"], said["presses doubled"]) == ("0", "0")
    assert longest_ms(said["press to receipt p50 / p99 / max"]) < 5000 * PATIENCE
    before, highest, _ = (
        float(part) for part in said["memory before / highest / after"].removesuffix(" MB").split("/")
    )
    assert highest < before + 60


def test_other_machines_only_where_it_is_meant_and_no_more_devices_than_there_are(server: Server) -> None:
    elsewhere = server.cli("simulate", "storm", "--url", "http://192.0.2.7:12349")
    assert elsewhere.code == 2
    assert "--really" in elsewhere.err
    too_many = storm(server, "reconnect", HOMES + 1000, 1)
    assert too_many.code == 2
    assert str(HOMES) in too_many.err
    assert storm(server, "reconnect", 0, 1).code == 2
    assert "Traceback" not in too_many.err + elsewhere.err
