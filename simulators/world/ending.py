"""The checkers, last part: how all of it must stand when the faults are over and everything has settled."""

from __future__ import annotations

import msgspec

from dispatcher.board import call_of
from dispatcher.core.call import Due, State
from dispatcher.verify import verify
from simulators.world.broker import Broker
from simulators.world.hearing import OLD, Reader, Wires
from simulators.world.machine import Machine
from simulators.world.people import Lamps
from simulators.world.place import LAMPS
from simulators.world.watching import Facts, Wrong

#: Whoever has been gone for so long must be known to be offline: a will that comes late, and the wait for others.
_GONE_SECONDS = 60.0
#: Where its will died with the broker, only its silence tells, and that is counted while we listen: three beats of a minute,
#: what may be wrong by, and the wait for others (`core/supervise.py`).
_SILENT_SECONDS = 3 * 60.0 * 1.1 + _GONE_SECONDS


class Ending:
    """How it must stand when the faults are over and everything has settled."""

    def __init__(
        self, machine: Machine, facts: Facts, wires: Wires, wrong: Wrong, broker: Broker, lamps: Lamps
    ) -> None:
        self._machine, self._facts, self._wires, self._wrong = machine, facts, wires, wrong
        self._broker, self._lamps = broker, lamps
        self._disk = machine.disk

    async def check(self, pending: list[str], readers: list[Reader]) -> None:
        """All of it."""
        ask, facts, wrong = self._disk.ask, self._facts, self._wrong
        now_us = self._machine.clock.now_us()
        if pending:
            wrong("every_press_receipted", f"no receipt: {pending[:5]}")
        for source, ref, kind in ask("SELECT source, ref, kind FROM inbox WHERE decided_us IS NULL"):
            wrong("nothing_left_undecided", f"{kind} {source} {ref}")
        for (source, ref), kind in self._wires.said.items():
            if kind in {"press", "fall", "inactivity", "hazard"} and facts.presses[source, ref] != 1:
                wrong("press_in_one_call", f"{source} {ref} was told {facts.presses[source, ref]} times")
        for (source, ref), call in facts.in_call.items():
            if call not in facts.calls:
                wrong("press_in_one_call", f"{source} {ref} is in {call}, which does not exist")
        self._calls(now_us)
        self._alerts(now_us)
        self._words()
        self._silence()
        self._replays()
        open_faults = {row[0] for row in ask("SELECT id FROM faults WHERE ended_us IS NULL")}
        told = {fault for fault, is_open in facts.faults.items() if is_open}
        if open_faults != told:
            wrong(
                "faults_told", f"open on disk {sorted(open_faults - told)}, told {sorted(told - open_faults)}"
            )
        uncovered = {row[0] for row in ask("SELECT area FROM uncovered")}
        if uncovered != facts.uncovered:
            wrong("faults_told", f"uncovered on disk {sorted(uncovered)}, told {sorted(facts.uncovered)}")
        for reader in readers:
            if reader.seq is not None and reader.seq != facts.head:
                wrong("readers_hear_all", f"a reader heard up to #{reader.seq} of #{facts.head}")
        async for line in verify(self._disk.inline):
            wrong("rows_are_the_fold", line)

    def _calls(self, now_us: int) -> None:
        rows = self._disk.ask("SELECT body FROM calls")
        stored = {call.id: call for call in (call_of(row[0]) for row in rows)}
        open_calls = {call_id: call for call_id, call in stored.items() if call.open}
        if self._machine.server is not None and self._machine.server.ledger.open != open_calls:
            self._wrong("ledger_is_the_rows", "the open calls in memory are others than those on disk")
        for call in open_calls.values():
            name = self._facts.name(call.id)
            if call.due is None or call.due[1] < now_us - 10_000_000:
                self._wrong("due_on_time", f"{name} fell asleep: {call.deadlines}")
            step_us = call.deadlines.get(Due.STEP)
            # After a clock was put back the row may say later, and it rings sooner all the same (`look`).
            late_us = now_us + 6 * round(call.policy.repeat * 1e6)
            put_back = self._machine.clock.was_put_back
            if call.state is State.RECEIVED and (step_us is None or (step_us > late_us and not put_back)):
                self._wrong("rings_on", f"{name} waits, and rings next at {step_us}")

    def _alerts(self, now_us: int) -> None:
        query = "SELECT id, fate, due_us, channel, target, lane FROM alerts ORDER BY seq"
        lanes: set[str] = set()
        for message, fate, due_us, channel, target, lane in self._disk.ask(query):
            if fate == "queued" and lane in lanes:
                continue  # its turn comes with the first of its lane
            if fate == "queued":
                lanes.add(lane)
            # A service call's message may wait for the morning.
            if fate == "queued" and not now_us - 90_000_000 < due_us < now_us + 43_200_000_000:
                self._wrong(
                    "alert_fate_known", f"{message} to {target} waits until {(due_us - now_us) / 1e6:.0f} s"
                )
            if fate in {"sent", "delivered"} and not self._wires.arrived[message]:
                self._wrong(
                    "alert_reaches", f"{message} is {fate} by {channel}, and never arrived at {target}"
                )

    def _words(self) -> None:
        for call in self._facts.calls.values():
            for source in call.sources:
                if not source.startswith("native/"):
                    continue
                told = self._wires.words.get((source, call.id))
                if told != call.state.value:
                    self._wrong(
                        "wearer_is_told",
                        f"{source}: {self._facts.name(call.id)} is {call.state}, told {told}",
                    )

    def _silence(self) -> None:
        """Who is gone is known to be: by a fault of its own or one that it shares. Who is there is not called offline."""
        shared: set[str] = set()
        alone: set[str] = set()
        for source, fault, body in self._disk.ask(
            "SELECT source, fault, body FROM faults WHERE ended_us IS NULL"
        ):
            if fault == "offline":
                alone.add(source)
            elif fault in {"offline_many", "area_incident"}:
                shared.update(msgspec.json.decode(body).get("members", ()))
        now = self._machine.loop.time()
        for lamp in LAMPS:
            source, gone = f"native/{lamp}", self._lamps.dead.get(lamp)
            if gone is None and source in alone:
                self._wrong("silence_is_told", f"{lamp} is there, and called offline")
            known_by = _GONE_SECONDS
            if lamp in self._broker.unwilled:
                known_by = _SILENT_SECONDS + self._machine.away_seconds
            if gone is not None and now - gone > known_by and source not in alone | shared:
                self._wrong("silence_is_told", f"{lamp} is gone since {gone:.0f} s, and nobody knows")
            if source in alone and source in shared:
                self._wrong("silence_is_told", f"{lamp} is offline by itself, and with others too")

    def _replays(self) -> None:
        """What the broker had kept has been shown, and cleared; it rang nowhere (`Facts`)."""
        for message in self._broker.kept.values():
            if message.topic.endswith("/up") and msgspec.json.decode(message.payload)["id"].startswith(
                f"{OLD}-"
            ):
                self._wrong("replay_rings_nobody", f"{message.topic} still has a press of old")
        for source in self._wires.replayed:
            if source not in self._facts.replayed:
                self._wrong("replay_rings_nobody", f"{source} said something old, and nobody is told")
