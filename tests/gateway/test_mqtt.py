"""Against a real Mosquitto: press, commit, PUBACK, receipt; and what is left when one of us dies in between."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiomqtt
import msgspec
import pytest
from ears import ROOT, a_gateway, running, until

from devices.family import Progress
from gateway.broker import BrokerLogin, password_hash
from gateway.fakes import FakeDownlink, FakeInbox
from gateway.intake import Limits
from gateway.ports import Arrival, Down, Stored
from gateway.transports.mqtt import BrokerAddress, MqttTransport
from gateway.transports.packets import matches as matched

PRESS = b'{"id":"1","type":"press"}'


@asynccontextmanager
async def a_device(port: int, name: str = "btn-01"):
    """A device that hears what it is told."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(f"yijian/v1/{name}/down", 1)
        yield client


async def told(client: aiomqtt.Client) -> dict[str, object]:
    async with asyncio.timeout(5):
        return msgspec.json.decode((await anext(aiter(client.messages))).payload)


async def test_press_commit_receipt(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (_, inbox), a_device(port) as device:
        await device.publish("yijian/v1/btn-01/up", PRESS, 1)
        receipt = await told(device)
        assert receipt["type"] == "receipt"
        assert (receipt["id"], receipt["result"], receipt["call"]) == ("1", "stored", "c-1")
        await device.publish("yijian/v1/btn-01/up", PRESS, 1)
        receipt = await told(device)
        assert (receipt["result"], receipt["call"]) == ("duplicate", "c-1")
        assert inbox.arrivals[0].line == "mqtt"
        assert inbox.arrivals[0].received_at.tzinfo is not None


async def test_every_word_of_the_dialect(tmp_path: Path, port: int) -> None:
    downlink = FakeDownlink()
    async with a_gateway(tmp_path, port, downlink=downlink) as (_, inbox), a_device(port) as device:
        await device.publish("yijian/v1/btn-01/up", b'{"id":"h","type":"heartbeat"}', 0)
        assert (await told(device))["result"] == "stored"
        await device.publish("yijian/v1/btn-01/up", b'{"id":"x","type":"sos"}', 1)
        rejected = await told(device)
        assert rejected["result"] == "rejected"
        assert "type" in rejected["why"]
        inbox.busy = True
        await device.publish("yijian/v1/btn-01/up", PRESS, 1)
        assert (await told(device))["result"] == "busy"
        inbox.busy = False
        assert (await told(device))["result"] == "stored"
        await device.publish("yijian/v1/btn-01/status", b'{"state":"online"}', 1, retain=True)
        await inbox.wait_for_states(1)
        downlink.push(Down("d-1", "native", Progress("btn-01", "c-1", "accepted", "已受理")))
        assert await told(device) == {"type": "state", "call": "c-1", "state": "accepted", "text": "已受理"}
        await until(lambda: downlink.carried_ids == ["d-1"])


async def test_garbage_is_dropped_and_the_line_goes_on(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (_, inbox), a_device(port) as device:
        for body in (b"", b"\xff\xfe", b"[" * 50_000, b"{", b'{"type":"press"}', os.urandom(1000)):
            await device.publish("yijian/v1/btn-01/up", body, 1)
        await device.publish(
            "yijian/v1/btn-01/up", b'{"id":"big","type":"press","x":"' + b"x" * 200_000 + b'"}', 1
        )
        await device.publish("yijian/v1/b b/up", PRESS, 1)
        await device.publish("yijian/v1/btn-01/up", PRESS, 1)
        assert (await told(device))["id"] == "1"
        assert [arrival.signal.id for arrival in inbox.arrivals] == ["1"]


async def test_a_retained_press_is_a_fault_and_gone_after(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port, client_id="gw-1") as (gateway, inbox), a_device(port) as device:
        await device.publish("yijian/v1/btn-01/up", PRESS, 1, retain=True)
        assert (await told(device))["result"] == "stored"  # live, it is a press
        outside = f"mqtt://127.0.0.1:{port}"
        second = FakeInbox()
        async with a_gateway(tmp_path, port, second, client_id="gw-2", mqtt_url=outside):
            await until(lambda: second.faults)
            assert second.faults[0].device == "btn-01"
            assert not second.arrivals
        await asyncio.sleep(0.2)
        third = FakeInbox()
        async with a_gateway(tmp_path, port, third, client_id="gw-3", mqtt_url=outside):
            await device.publish("yijian/v1/btn-01/up", b'{"id":"2","type":"press"}', 1)
            await third.wait_for(1)
            assert not third.faults
        assert gateway.broker_up
        assert len(inbox.arrivals) == 2


class Stuck(FakeInbox):
    """An inbox whose commit never ends."""

    async def put(self, arrivals: list[Arrival]) -> list[Stored]:
        self.arrivals.extend(arrivals)
        self._changed.set()
        await asyncio.sleep(3600)
        raise AssertionError


async def test_what_was_not_stored_comes_again(tmp_path: Path, port: int) -> None:
    """Stopped between the message and the commit: the broker was not told that we have it."""
    async with (
        a_gateway(tmp_path / "broker", port, client_id="other") as (_, everything),
        a_device(port) as device,
    ):
        outside = f"mqtt://127.0.0.1:{port}"
        stuck = Stuck()
        async with a_gateway(tmp_path, port, stuck, mqtt_url=outside):
            await device.publish("yijian/v1/btn-01/up", PRESS, 1)
            await until(lambda: stuck.arrivals)
        # While nobody is there at all, another one.
        await device.publish("yijian/v1/btn-01/up", b'{"id":"2","type":"press"}', 1)
        fresh = FakeInbox()
        async with a_gateway(tmp_path, port, fresh, mqtt_url=outside):
            await fresh.wait_for(2)
            assert [arrival.signal.id for arrival in fresh.arrivals] == ["1", "2"]
        # And what was stored does not.
        again = FakeInbox()
        async with a_gateway(tmp_path, port, again, mqtt_url=outside):
            await asyncio.sleep(0.3)
            assert not again.arrivals
        assert len(everything.arrivals) == 2


CHILD = """
import asyncio, structlog, sys
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
sys.path.insert(0, sys.argv[1] + "/tests/gateway")
from test_mqtt import Stuck
from ears import a_gateway
from pathlib import Path
async def main():
    inbox = Stuck()
    async with a_gateway(Path(sys.argv[2]), 0, inbox, mqtt_url=sys.argv[3]):
        print("ready", flush=True)
        while not inbox.arrivals:
            await asyncio.sleep(0.005)
        print("received", flush=True)
        await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_killed_between_receipt_and_commit(tmp_path: Path, port: int) -> None:
    """The test that libraries cannot do for us: kill -9 with the message in memory, and it is delivered again."""
    async with a_gateway(tmp_path / "broker", port, client_id="other"), a_device(port) as device:
        url = f"mqtt://127.0.0.1:{port}"
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CHILD,
            str(ROOT),
            str(tmp_path),
            url,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert await child.stdout.readline() == b"ready\n"
        for number in range(50):
            await device.publish("yijian/v1/btn-01/up", f'{{"id":"{number}","type":"press"}}', 1)
        assert await child.stdout.readline() == b"received\n"
        child.send_signal(signal.SIGKILL)
        await child.wait()
        fresh = FakeInbox()
        async with a_gateway(tmp_path, port, fresh, mqtt_url=url):
            await fresh.wait_for(50)
            assert {arrival.signal.id for arrival in fresh.arrivals} == {str(number) for number in range(50)}


async def test_the_broker_is_killed_and_it_goes_on(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (gateway, inbox):
        async with a_device(port) as device:
            await device.publish("yijian/v1/btn-01/up", PRESS, 1)
            await told(device)
        first = gateway.broker.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: not gateway.broker_up)
        await until(lambda: gateway.broker_up)
        assert gateway.broker.pid != first
        async with a_device(port) as device:
            await device.publish("yijian/v1/btn-01/up", b'{"id":"2","type":"press"}', 1)
            assert (await told(device))["id"] == "2"
        assert len(inbox.arrivals) == 2


async def test_an_ack_of_an_old_connection_is_not_sent(tmp_path: Path, port: int) -> None:
    """Message numbers begin again: a late PUBACK could acknowledge a press that is not stored."""
    inbox = FakeInbox(commit_seconds=0.6)
    async with a_gateway(tmp_path, port, inbox) as (gateway, _), a_device(port) as device:
        await device.publish("yijian/v1/btn-01/up", PRESS, 1)
        await asyncio.sleep(0.1)
        acked: list[bytes] = []
        connection = gateway._mqtt._connection
        connection._put = acked.append
        connection._paho.socket().shutdown(2)
        await until(lambda: gateway._mqtt._connection not in (connection, None))
        await inbox.wait_for(1)
        await asyncio.sleep(0.1)
        assert not acked


async def test_a_connection_that_ends_while_it_is_written_to_is_let_go(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (gateway, _):
        connection = gateway._mqtt._connection
        real, gone = connection._paho, socket.socket()
        sockets = [gone, None]  # paho closes its socket, and still has something to say
        connection._paho = SimpleNamespace(
            socket=lambda: sockets.pop(0), loop_write=gone.close, want_write=lambda: True
        )
        try:
            connection._write()
        finally:
            connection._paho = real
        assert not connection._watching


async def test_a_broker_of_ours_that_is_up_again_is_not_waited_for() -> None:
    loop = asyncio.get_running_loop()
    back = loop.time() + 0.2

    def address() -> BrokerAddress:
        if loop.time() < back:
            raise ConnectionRefusedError("the broker ended with -9")
        return BrokerAddress("127.0.0.1", 1)

    transport = MqttTransport(address, "gateway", None, chance=random.Random(1))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await transport._pause_before(600)
    assert loop.time() >= back
    began = loop.time()
    await transport._pause_before(0.1)  # one that was never away is
    assert loop.time() - began >= 0.1


async def test_reading_stops_and_starts(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (gateway, inbox), a_device(port) as device:
        gateway._mqtt.pause(True)
        for number in range(20):
            await device.publish("yijian/v1/btn-01/up", f'{{"id":"{number}","type":"press"}}', 1)
        await asyncio.sleep(0.2)
        assert not inbox.arrivals
        gateway._mqtt.pause(False)
        await inbox.wait_for(20)
        os.kill(gateway.broker.pid, signal.SIGKILL)  # the end is seen by the reader that took the place, too
        await until(lambda: not gateway.broker_up)
        await until(lambda: gateway.broker_up)


async def test_a_login_is_needed_and_gives_its_own_topics(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port, mqtt_anonymous=False) as (gateway, inbox):
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", port):
                pass
        gateway.broker.set_logins([BrokerLogin("hub-1", password_hash("s3cret"), ("hub-1", "btn-01"))])
        await asyncio.sleep(0.3)
        for topic in ("yijian/v1/stranger/up", "yijian/v1/btn-01/up"):
            # Mosquitto drops whoever says what it may not; so each has its own connection.
            async with aiomqtt.Client("127.0.0.1", port, username="hub-1", password="s3cret") as hub:
                await hub.publish(topic, PRESS, 1)
        await inbox.wait_for(1)
        await asyncio.sleep(0.1)
        assert [arrival.signal.device for arrival in inbox.arrivals] == ["btn-01"]


async def test_without_a_connection_nothing_is_carried(tmp_path: Path, port: int) -> None:
    downlink = FakeDownlink()
    async with a_gateway(tmp_path, port, downlink=downlink) as (gateway, _):
        gateway._mqtt._connection = None
        downlink.push(Down("d-1", "native", Progress("btn-01", "c-1", "accepted", "x")))
        downlink.push(Down("d-2", "yj_line", Progress("btn-02", "c-1", "accepted", "x", via="hub")))
        await until(lambda: downlink.returned_ids == ["d-1", "d-2"])


async def test_health(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (gateway, _):
        assert gateway.broker_up
        assert gateway.broker_problem == ""
        assert [(line.name, line.open, line.problem) for line in gateway.lines] == [("mqtt", True, "")]
        await asyncio.sleep(1.2)
        now = asyncio.get_running_loop().time()
        assert set(gateway.beats) == {"intake", "mqtt", "downlink", "broker"}
        assert all(now - beat < 2 for beat in gateway.beats.values())


async def test_tls(tmp_path: Path, port: int) -> None:
    """A broker outside, by mqtts with its own authority and a login; and none where the authority is not known."""
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "key.pem",
        "-out",
        "ca.pem",
    ]
    made = await asyncio.create_subprocess_exec(
        *make, "-addext", "subjectAltName=DNS:localhost", cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
    )
    assert await made.wait() == 0
    (tmp_path / "passwords").write_text(f"u:{password_hash('p@ss')}\n")
    (tmp_path / "m.conf").write_text(
        f"listener {port} 127.0.0.1\nuser root\npassword_file {tmp_path}/passwords\n"
        f"certfile {tmp_path}/ca.pem\nkeyfile {tmp_path}/key.pem\n"
    )
    broker = await asyncio.create_subprocess_exec(
        "mosquitto", "-c", str(tmp_path / "m.conf"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        url = f"mqtts://u:p%40ss@localhost:{port}?ca={tmp_path}/ca.pem"
        async with a_gateway(tmp_path, port, mqtt_url=url) as (gateway, inbox):
            client = BrokerAddress.parse(url).client("device")
            async with client:
                for number in range(300):
                    await client.publish("yijian/v1/b/up", f'{{"id":"{number}","type":"press"}}', 1)
                await inbox.wait_for(300)
                gateway._mqtt.pause(True)
                await client.publish("yijian/v1/b/up", PRESS.replace(b"1", b"x"), 1)
                await asyncio.sleep(0.1)
                gateway._mqtt.pause(False)
                await inbox.wait_for(301)
        strange = f"mqtts://u:p%40ss@localhost:{port}"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), a_gateway(tmp_path, port, mqtt_url=strange):
                pass
    finally:
        broker.terminate()
        await broker.wait()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("mqtt://broker", BrokerAddress("broker", 1883)),
        ("mqtt://u:p%40ss@broker:1884", BrokerAddress("broker", 1884, "u", "p@ss")),
        ("mqtts://broker?ca=/etc/ca.pem", BrokerAddress("broker", 8883, tls=True, ca_file="/etc/ca.pem")),
    ],
)
def test_urls(url: str, wanted: BrokerAddress) -> None:
    assert BrokerAddress.parse(url) == wanted
    assert "p@ss" not in repr(wanted)


@pytest.mark.parametrize("url", ["broker:1883", "http://broker", "mqtt://", "mqtt://u:secret@"])
def test_wrong_urls(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://") as caught:
        BrokerAddress.parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "topic", "matches"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/c/d", False),
        ("a/+/c", "a/b", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a", "b", False),
        ("#", "x/y", True),
    ],
)
def test_topics(wanted: str, topic: str, matches: bool) -> None:
    assert matched(wanted.split("/"), topic.split("/")) is matches


async def test_a_backlog_at_the_broker_never_holds_the_loop(tmp_path: Path, port: int) -> None:
    async with a_gateway(tmp_path, port) as (_, inbox):
        loop = asyncio.get_running_loop()
        gaps = []

        async def pulse() -> None:
            last = loop.time()
            while True:
                await asyncio.sleep(0.005)
                gaps.append(loop.time() - last)
                last = loop.time()

        async with aiomqtt.Client("127.0.0.1", port, identifier="flood") as client, running(pulse()):
            for number in range(6000):
                client._client.publish("yijian/v1/b/up", f'{{"id":"h{number}","type":"heartbeat"}}', 1)
            await asyncio.sleep(0)
            await until(lambda: len(inbox.arrivals) == 6000, within_seconds=30)
        # On an idle machine 0.02 s. Each look at the socket that began a reading of its own made it seconds.
        assert max(gaps) < 1.5


async def test_a_flood_that_nobody_stores_does_not_keep_a_press_at_the_broker(
    tmp_path: Path, port: int
) -> None:
    """What waits, and what is being stored, must leave room in the broker's window: else nobody could shed the rest."""
    async with (
        a_gateway(tmp_path, port, Stuck()) as (gateway, _),
        aiomqtt.Client("127.0.0.1", port, identifier="flood", max_inflight_messages=500) as client,
    ):
        for number in range(4000):
            client._client.publish("yijian/v1/b/up", f'{{"id":"h{number}","type":"heartbeat"}}', 1)
        await client.publish("yijian/v1/b/up", PRESS, 1)
        await until(lambda: gateway._intake.depths["intake.urgent"][0] == 1, within_seconds=30)
        assert gateway._intake.depths["intake.others"][0] == Limits().beats_max
