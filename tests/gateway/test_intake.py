"""The intake by itself: stored, then acknowledged; presses before everything; nothing that grows without bound."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from ears import Ear, running, until

from config.doors import SystemClock
from devices.family import Frame, Result
from devices.native import parse
from devices.signal import SignalType
from gateway.fakes import FakeInbox
from gateway.intake import Intake, Limits
from gateway.ports import Busy


def receipts(ear: Ear) -> list[tuple[str, str, str | None]]:
    said = [msgspec.json.decode(answer.data) for answer in ear.said]
    return [(each["id"], each["result"], each.get("call")) for each in said]


async def test_stored_then_acknowledged(intake: Intake, inbox: FakeInbox) -> None:
    inbox.commit_seconds = 0.1
    ear = Ear(intake)
    async with running(intake.run()):
        ear.press("1")
        await asyncio.sleep(0.05)
        assert not ear.acked
        assert not ear.said
        await until(lambda: ear.said)
        assert ear.acked == ["1"]
        assert receipts(ear) == [("1", "stored", "c-1")]


async def test_a_repeat_is_told_the_same_call(intake: Intake, inbox: FakeInbox) -> None:
    ear = Ear(intake)
    async with running(intake.run()):
        for _ in range(3):
            ear.press("1")
        await until(lambda: len(ear.said) == 3)
        assert receipts(ear) == [("1", "stored", "c-1"), ("1", "duplicate", "c-1"), ("1", "duplicate", "c-1")]
        assert len(inbox.arrivals) == 1


async def test_one_commit_for_all_that_wait(intake: Intake, inbox: FakeInbox) -> None:
    inbox.commit_seconds = 0.05
    ear = Ear(intake)
    async with running(intake.run()):
        ear.press("first")
        await asyncio.sleep(0.01)
        for number in range(300):
            ear.press(str(number))
        await until(lambda: len(ear.acked) == 301)
        assert inbox.batches == [1, 300]


async def test_a_batch_is_bounded(inbox: FakeInbox) -> None:
    intake = Intake(inbox, SystemClock(), limits=Limits(batch_signals_max=100))
    ear = Ear(intake)
    for number in range(250):
        ear.press(str(number))
    async with running(intake.run()):
        await until(lambda: len(ear.acked) == 250)
        assert inbox.batches == [100, 100, 50]


async def test_presses_go_before_heartbeats_and_keep_their_order(intake: Intake, inbox: FakeInbox) -> None:
    ear = Ear(intake)
    for number in range(600):
        ear.press(f"h{number}", "heartbeat")
    ear.press("1", "cancel")
    ear.press("2")
    ear.press("3", "cancel")
    async with running(intake.run()):
        await until(lambda: len(ear.acked) == 603)
        assert [arrival.signal.id for arrival in inbox.arrivals[:4]] == ["1", "2", "3", "h0"]


async def test_heartbeats_are_shed_and_presses_never(inbox: FakeInbox) -> None:
    intake = Intake(inbox, SystemClock(), limits=Limits(beats_max=10, others_max=12, urgent_max=20))
    ear = Ear(intake)
    for number in range(15):
        ear.press(f"h{number}", "heartbeat")
    assert receipts(ear) == [(f"h{number}", "busy", None) for number in range(10, 15)]
    assert ear.acked == [f"h{number}" for number in range(10, 15)]
    assert intake.refused == {ear.line.name: 5}
    for number in range(25):
        ear.press(f"p{number}")
    assert ear.paused == [True]
    async with running(intake.run()):
        await until(lambda: len(ear.acked) == 40)
        assert ear.paused == [True, False]
        stored = [arrival.signal.id for arrival in inbox.arrivals if arrival.signal.type is SignalType.PRESS]
        assert stored == [f"p{number}" for number in range(25)]


async def test_what_changes_something_waits_longer_than_a_heartbeat(inbox: FakeInbox) -> None:
    intake = Intake(inbox, SystemClock(), limits=Limits(beats_max=10, others_max=13))
    ear = Ear(intake)
    for number in range(11):
        ear.press(f"h{number}", "heartbeat")
    for kind in ("mains_lost", "battery_low", "tamper", "location"):
        ear.press(kind, kind)
    assert receipts(ear) == [("h10", "busy", None), ("location", "busy", None)]
    async with running(intake.run()):
        await until(lambda: len(ear.acked) == 15)
    assert [arrival.signal.id for arrival in inbox.arrivals[10:]] == ["mains_lost", "battery_low", "tamper"]


async def test_in_a_flood_only_a_plain_heartbeat_is_shed_unread(inbox: FakeInbox) -> None:
    intake = Intake(inbox, SystemClock(), limits=Limits(beats_max=0))
    ear = Ear(intake)
    read = []
    receive = ear.line.session.receive
    ear.line.session.receive = lambda frame: read.append(frame.data) or receive(frame)
    ear.press("h", "heartbeat")
    assert not read
    for kind in ("press", "fall", "cancel", "test", "mains_lost"):
        ear.press(kind, kind)
    assert len(read) == 5
    async with running(intake.run()):
        await until(lambda: len(ear.acked) == 6)
    assert len(inbox.arrivals) == 5


async def test_in_a_flood_a_commit_takes_all_presses_and_few_heartbeats(inbox: FakeInbox) -> None:
    intake = Intake(inbox, SystemClock(), limits=Limits(beats_max=20, flood_signals_max=8))
    ear = Ear(intake)
    for number in range(20):
        ear.press(f"h{number}", "heartbeat")
    ear.press("shed", "heartbeat")
    for number in range(3):
        ear.press(f"p{number}")
    async with running(intake.run()):
        await until(lambda: len(ear.acked) == 24)
    assert inbox.batches == [8, 15], (
        "three presses and five heartbeats; and once nothing is shed any more all the rest"
    )
    assert [arrival.signal.id for arrival in inbox.arrivals[:4]] == ["p0", "p1", "p2", "h0"]


async def test_a_late_line_is_paused_too(inbox: FakeInbox) -> None:
    intake = Intake(inbox, SystemClock(), limits=Limits(urgent_max=1))
    Ear(intake, "one").press("1")
    assert Ear(intake, "two").paused == [True]


async def test_a_desk_that_is_away_costs_the_call_and_not_the_receipt(
    intake: Intake, inbox: FakeInbox
) -> None:
    inbox.desk_seconds = None
    ear = Ear(intake)
    async with running(intake.run()):
        ear.press("p")
        ear.press("h", "heartbeat")
        await until(lambda: ear.said, 0.2)
        assert receipts(ear) == [("h", "stored", None)]
        assert sorted(ear.acked) == ["h", "p"]
        await until(lambda: len(ear.said) == 2)
        assert receipts(ear)[1] == ("p", "stored", None)


async def test_waiting_receipts_are_bounded(inbox: FakeInbox) -> None:
    inbox.desk_seconds = None
    intake = Intake(inbox, SystemClock(), limits=Limits(receipts_waiting_max=5))
    ear = Ear(intake)
    async with running(intake.run()):
        for number in range(8):
            ear.press(str(number))
        await until(lambda: len(ear.said) == 3, 1.0)


async def test_unknown_devices_are_stored_and_told(intake: Intake, inbox: FakeInbox) -> None:
    inbox.known = frozenset()
    ear = Ear(intake)
    async with running(intake.run()):
        ear.press("1")
        await until(lambda: ear.said)
        assert receipts(ear) == [("1", "unknown_device", "c-1")]


async def test_refused_and_unreadable_are_acknowledged_and_not_stored(
    intake: Intake, inbox: FakeInbox
) -> None:
    ear = Ear(intake)
    acked: list[int] = []
    async with running(intake.run()):
        ear.press("1", "sos")
        intake.take(ear.line, Frame(b"\xff", "yijian/v1/b/up"), lambda: acked.append(1))
        intake.take(ear.line, Frame(b"", "yijian/v1/b/up"), lambda: acked.append(2))
        await asyncio.sleep(0.02)
        assert receipts(ear) == [("1", "rejected", None)]
        assert ear.acked == ["1"]
        assert acked == [1, 2]
        assert not inbox.arrivals


async def test_a_replay_is_a_fault_and_is_cleared(intake: Intake, inbox: FakeInbox) -> None:
    ear = Ear(intake)
    async with running(intake.run()):
        intake.take(ear.line, Frame(b'{"id":"1","type":"press"}', "yijian/v1/b/up", retain=True))
        await until(lambda: inbox.faults)
        assert inbox.faults[0].device == "b"
        assert (ear.said[0].data, ear.said[0].topic, ear.said[0].retain) == (b"", "yijian/v1/b/up", True)
        assert not inbox.arrivals


async def test_a_replay_is_cleared_only_once_its_fault_is_on_disk(intake: Intake, inbox: FakeInbox) -> None:
    ear = Ear(intake)
    inbox.busy = True
    async with running(intake.run()):
        intake.take(ear.line, Frame(b'{"id":"1","type":"press"}', "yijian/v1/b/up", retain=True))
        await asyncio.sleep(0.05)
        assert not ear.said, "cleared, and never shown"
        inbox.busy = False
        await until(lambda: inbox.faults)
        await until(lambda: ear.said)
        assert (ear.said[0].data, ear.said[0].retain) == (b"", True)


async def test_busy_is_told_once_and_the_press_is_kept_unacknowledged(
    intake: Intake, inbox: FakeInbox
) -> None:
    inbox.busy = True
    ear = Ear(intake)
    async with running(intake.run()):
        ear.press("p")
        ear.press("h", "heartbeat")
        await until(lambda: len(ear.said) == 2)
        await asyncio.sleep(0.3)
        assert receipts(ear) == [("p", "busy", None), ("h", "busy", None)]
        assert ear.acked == ["h"]
        inbox.busy = False
        await until(lambda: ear.acked == ["h", "p"])
        await until(lambda: len(ear.said) == 3)
        assert receipts(ear)[2] == ("p", "stored", "c-1")
        assert [arrival.signal.id for arrival in inbox.arrivals] == ["p"]


async def test_what_is_kept_is_bounded(inbox: FakeInbox) -> None:
    inbox.busy = True
    intake = Intake(inbox, SystemClock(), limits=Limits(held_max=3, again_seconds_min=0.05))
    ear = Ear(intake)
    async with running(intake.run()):
        for number in range(5):
            ear.press(str(number))
        await until(lambda: len(ear.said) == 5)
        assert ear.acked == ["3", "4"]
        assert {result for _, result, _ in receipts(ear)} == {"busy"}


async def test_a_signal_that_breaks_the_inbox_takes_no_other_with_it(
    intake: Intake, inbox: FakeInbox
) -> None:
    inbox.fails_on = frozenset({"bad"})
    ear = Ear(intake)
    async with running(intake.run()):
        for signal_id in ("1", "bad", "2"):
            ear.press(signal_id)
        await until(lambda: len(ear.said) == 3)
        assert sorted(receipts(ear)) == [
            ("1", "stored", "c-1"),
            ("2", "stored", "c-2"),
            ("bad", "busy", None),
        ]


async def test_a_family_that_raises_does_not_end_the_line(
    intake: Intake, inbox: FakeInbox, monkeypatch
) -> None:
    ear = Ear(intake)
    receive = type(ear.line.session).receive

    def broken(self, frame: Frame):
        if b"boom" in frame.data:
            raise ZeroDivisionError
        return receive(self, frame)

    monkeypatch.setattr(type(ear.line.session), "receive", broken)
    async with running(intake.run()):
        ear.press("boom")
        ear.press("1")
        await until(lambda: ear.said)
        assert ear.acked == ["boom", "1"]


async def test_a_sender_that_raises_does_not_end_the_intake(intake: Intake, inbox: FakeInbox) -> None:
    ear = Ear(intake)

    def broken(_answers: object) -> None:
        raise OSError("gone")

    ear.line.send = broken
    async with running(intake.run()) as tasks:
        ear.press("1")
        await inbox.wait_for(1)
        await asyncio.sleep(0.05)
        assert not tasks[0].done()


async def test_two_frames_in_one_read_are_acknowledged_once(intake: Intake) -> None:
    ear = Ear(intake, family_name="yj_line")
    acked: list[int] = []
    from devices.yj_line import frame

    both = frame("E", "1", "h", "b", "press", "-") + frame("E", "2", "h", "b", "battery_low", "-")
    async with running(intake.run()):
        intake.take(ear.line, Frame(both), lambda: acked.append(1))
        await until(lambda: len(ear.said) == 2)
        assert acked == [1]


async def test_deliver_shares_the_commit_and_names_the_call(intake: Intake, inbox: FakeInbox) -> None:
    async with running(intake.run()):
        signal = parse("btn-01", {"id": "1", "type": "press"})
        receptions = await asyncio.gather(intake.deliver(signal, "http"), intake.deliver(signal, "http"))
        assert [(one.stored.result, one.call) for one in receptions] == [
            (Result.STORED, "c-1"),
            (Result.DUPLICATE, "c-1"),
        ]
        assert inbox.batches == [2]
        inbox.busy = True
        with pytest.raises(Busy):
            await intake.deliver(signal, "http")


async def test_deliver_is_told_when_we_stop(intake: Intake, inbox: FakeInbox) -> None:
    inbox.commit_seconds = 60
    async with running(intake.run()):
        signal = parse("btn-01", {"id": "1", "type": "press"})
        waiting = asyncio.ensure_future(intake.deliver(signal, "http"))
        await asyncio.sleep(0.02)
    with pytest.raises(Busy):
        await waiting


async def test_draining_stores_and_answers_what_was_read(intake: Intake, inbox: FakeInbox) -> None:
    inbox.commit_seconds = inbox.desk_seconds = 0.1
    ear = Ear(intake)
    async with running(intake.run()):
        ear.press("1")
        ear.press("h", "heartbeat")
        await intake.drain(2.0)
        assert ear.paused == [True]
        assert sorted(receipts(ear)) == [("1", "stored", "c-1"), ("h", "stored", None)]
        inbox.commit_seconds = 60
        ear.press("2")
        await intake.drain(0.1)


async def test_the_beat_goes_on_while_nothing_happens(intake: Intake) -> None:
    async with running(intake.run()):
        await asyncio.sleep(0.01)
        before = intake.beat
        await asyncio.sleep(1.1)
        assert intake.beat > before
