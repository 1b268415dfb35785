"""The checkers, second half: what goes over the wires is held against the disk; and how all of it must stand in the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from dispatcher.alerts.outcome import Outcome
from dispatcher.board import call_of
from dispatcher.core.call import Call, Due, OfferState, State
from dispatcher.verify import verify
from simulators.api import Event
from simulators.world.broker import Message
from simulators.world.loop import context_of
from simulators.world.machine import Machine
from simulators.world.place import CODE, HUB
from simulators.world.watching import NAMES, Facts, Wrong, asks

#: What is due this long ago, and the machine is well, does not happen any more.
LATE_SECONDS = 6.0
#: So long after the last trouble the machine counts as well.
WELL_SECONDS = 12.0
_ALERT = "SELECT kind, channel, target, call, asked, fact_seq, endpoint, lane, seq FROM alerts WHERE id = ?"
#: By number, not by time: a clock that was put back moves no message past another. Of summonses it says nothing: one may be
#: over without its row saying so, its offer has expired; and one for a service call waits for the morning and holds up nobody.
_AHEAD = "SELECT id FROM alerts WHERE lane = ? AND seq < ? AND fate = 'queued' AND kind = 'news'"


class Wires:
    """Hears everything that goes out."""

    def __init__(self, machine: Machine, facts: Facts, wrong: Wrong) -> None:
        self._machine, self._facts, self._wrong = machine, facts, wrong
        self._disk, self._loop = machine.disk, machine.loop
        self.said: dict[tuple[str, str], str] = {}  #: (source, id) -> type, of all that was said
        self.receipted: dict[tuple[str, str], str] = {}
        self.hub_said: dict[int, str] = {}
        self.busy: set[tuple[str, str]] = set()
        self.words: dict[tuple[str, str], str] = {}
        self.under_way: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()
        self.final: set[str] = set()
        self.trouble_at = 0.0
        self._far: dict[tuple[str, str, int], float] = {}
        self.armed = facts.armed

    # ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _stored(self, source: str, ref: str) -> list[tuple[Any, ...]]:
        return self._disk.ask(
            "SELECT id, call, decided_us FROM inbox WHERE source = ? AND ref = ?", source, ref
        )

    def down(self, topic: str, payload: bytes) -> None:
        """The gateway says something to a native device."""
        device = topic.split("/")[2]
        text = payload.decode()
        if any(name in text for name in NAMES):
            self._wrong("nobody_named", f"down to {device}: {text}")
        message = json.loads(text)
        source = f"native/{device}"
        if message["type"] == "state":
            self.words[source, message["call"]] = message["state"]
            return
        ref, result = message["id"], message["result"]
        if result == "busy":
            self.busy.add((source, ref))
        if result in {"busy", "rejected"} or not asks(self.said.get((source, ref), "")):
            return
        self._receipt(source, ref, message.get("call"))

    def _receipt(self, source: str, ref: str, call: str | None) -> None:
        found = self._stored(source, ref)
        if not found:
            self._wrong("receipt_after_commit", f"{source} {ref} has its receipt, and is not on disk")
            return
        if call is not None:
            self._names(source, ref, call)
            if found[0][1] != call:
                self._wrong("receipt_names_its_call", f"{source} {ref}: {call}, and on disk {found[0][1]}")

    def _names(self, source: str, ref: str, call: str) -> None:
        before = self.receipted.setdefault((source, ref), call)
        if before != call:
            self._wrong("receipt_names_its_call", f"{source} {ref}: first {before}, then {call}")

    def hub_down(self, data: bytes) -> None:
        """The gateway says something to the hub."""
        for line in data.split(b"\r\n"):
            fields = line.lstrip(b"$").partition(b"*")[0].decode("ascii", "replace").split(",")
            if any(name in line.decode("utf-8", "replace") for name in NAMES):
                self._wrong("nobody_named", f"down to {HUB}: {line!r}")
            if fields[0] == "S" and len(fields) >= 5:
                self.words[f"yj_line/{fields[2]}", fields[3]] = fields[4]
            elif fields[0] == "A" and fields[1].isdecimal() and asks(self.hub_said.get(int(fields[1]), "")):
                rows = self._disk.ask("SELECT id FROM inbox WHERE ref LIKE ?", f"{HUB}/{fields[1]}/%")
                if not rows:
                    self._wrong(
                        "receipt_after_commit", f"hub event {fields[1]} has its A, and is not on disk"
                    )

    def acknowledged(self, message: Message) -> None:
        """The gateway tells the broker that it has a message."""
        levels = message.topic.split("/")
        if levels[-1] != "up":
            return
        body = json.loads(message.payload)
        source, ref = f"native/{levels[2]}", str(body.get("id"))
        if asks(body.get("type", "")) and not self._stored(source, ref):
            # Its sender may be told `busy` in the same breath, right after.
            self._loop.call_soon(self._was_told_busy, source, ref, context=context_of(None))

    def _was_told_busy(self, source: str, ref: str) -> None:
        if (source, ref) not in self.busy:
            self._wrong("puback_after_commit", f"{source} {ref} is acknowledged, and not on disk")

    # ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def answered(
        self, method: str, path: str, headers: Mapping[str, str], asked: Any, status: int, answer: Any
    ) -> None:
        """An answer of the API."""
        parts = path.strip("/").split("/")
        who = headers.get("Authorization", "").removeprefix("Bearer token-")
        if status == 500:
            self._wrong("no_bug_inside", f"{method} {path}: {answer}")
        if parts == ["signals"] and status in {200, 201} and asks(asked["type"]):
            self._receipt(f"native/{asked['device']}", asked["id"], answer["call"])
        if (
            method == "GET"
            and parts == ["calls"]
            and status == 200
            and who.startswith(("s-st", "s-cen", "s-far"))
        ):
            self._scope(who.removeprefix("s-").rpartition("-")[0], answer["items"])
        if len(parts) == 3 and parts[0] == "calls" and parts[2] == "accept":
            if status == 200:
                station = asked.get("station") or "desk"
                by = {who, "admin"}
                if not any((parts[1], one, station) in self._facts.accepts for one in by):
                    self._wrong(
                        "done_means_done",
                        f"{who} accepted {self._facts.name(parts[1])} for {station}: no fact",
                    )
            elif status == 409 and answer.get("code") == "accepted_already":
                held = answer["state"] in {"accepted", "en_route", "on_scene"}
                if " was first" not in answer["detail"] or (held and not answer["accepted"]):
                    self._wrong("loser_is_told_who", f"{self._facts.name(parts[1])}: {answer}")

    def _scope(self, station: str, calls: list[dict[str, Any]]) -> None:
        home = {"st-01": "c1", "st-02": "c1", "st-03": "c2", "cen-1": "s1", "far-1": "c3"}[station]
        areas = {"s1": {"s1", "c1", "c2"}}.get(home, {home})
        for call in calls:
            asked = {one.get("station") for one in call["dispatches"]}
            holder = (call["accepted"] or {}).get("station")
            if call["area"] not in areas and station not in asked | {holder}:
                self._wrong("scope_kept", f"{station} sees {self._facts.name(call['id'])} of {call['area']}")

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────

    def tried(self, channel: str, to: str, message_id: str, content: str) -> None:
        """A try of a message begins."""
        rows = self._disk.ask(_ALERT, message_id)
        if not rows:
            self._wrong("alert_one_id", f"{channel} to {to}: {message_id} is no message of ours")
            return
        kind, kept_channel, target, call, asked, fact_seq, endpoint, lane, seq = rows[0]
        if kept_channel != channel or (channel == "webhook" and endpoint != f"webhook/{to}"):
            self._wrong("alert_one_id", f"{message_id} is for {endpoint}, and goes to {to}")
        if channel == "webhook" and json.loads(content)["data"]["seq"] != fact_seq:
            self._wrong("alert_one_id", f"{message_id} tells of another fact than #{fact_seq}")
        if kind == "summons" and self._facts.told_at < self._loop.time():
            # What is on disk and not heard of yet (an answer that was lost) may count already, and need not.
            states = [
                one for one in (self._facts.told.get(call), self._facts.calls.get(call)) if one is not None
            ]
            offers = [one.offer_to(asked) for one in states]
            if not any(offer is not None and offer.state is OfferState.OFFERED for offer in offers):
                self._wrong(
                    "no_summons_after_accept",
                    f"{target} is asked to come to {self._facts.name(call)}, which is {states[-1].state}",
                )
        for (ahead,) in self._disk.ask(_AHEAD, lane, seq):
            if ahead not in self.final:
                self._wrong("alert_in_order", f"{message_id} goes to {to} before {ahead}, which it is behind")
        self.under_way[message_id] += 1
        if self.under_way[message_id] > 1:
            self._wrong("alert_not_twice_at_once", f"{message_id} to {to}")

    def ended(self, message_id: str, outcome: Outcome) -> None:
        """That try has ended."""
        self.under_way[message_id] -= 1
        if outcome.fate != "retry":
            self.final.add(message_id)  # also where nobody lives to write it down

    def came(self, message_id: str) -> None:
        """A message has arrived."""
        self.arrived[message_id] += 1

    def troubled(self) -> None:
        """The machine does not do what it is told at once."""
        self.trouble_at = self._loop.time()

    # ── now and then ─────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """What was due some time ago, and nothing hinders."""
        server, now = self._machine.server, self._loop.time()
        if self._machine.clock.was_put_back:
            self._look_far(now, excused=server is None or self._disk.full or self._disk.away)
        if server is None or now - max(self.trouble_at, self._machine.up_since) < WELL_SECONDS:
            return
        if server.faults:
            self._wrong("no_bug_inside", f"{server.faults} decisions or messages failed")
        late_us = self._machine.clock.now_us() - round(LATE_SECONDS * 1e6)
        for call_id, due_us in self._disk.ask("SELECT id, due_us FROM calls WHERE due_us < ?", late_us):
            self._wrong(
                "due_on_time", f"{self._facts.name(call_id)} was due {(late_us - due_us) / 1e6 + 6:.1f} s ago"
            )

    def _look_far(self, now: float, *, excused: bool) -> None:
        """What lies farther ahead than it is long is waited for no longer than that. `excused`: this second does not count."""
        now_us, before = self._machine.clock.now_us(), self._far
        self._far = {}
        for call in self._facts.calls.values():
            for kind, moment in call.deadlines.items():
                whole = _whole_seconds(call, kind)
                if (moment - now_us) / 1e6 <= whole + 3:
                    continue
                key = call.id, str(kind), moment
                since = self._far[key] = max(before.get(key, now) + excused, self._machine.up_since)
                if now - since > whole + WELL_SECONDS:
                    self._wrong(
                        "put_back_puts_nothing_off",
                        f"{self._facts.name(call.id)}: {kind} of {whole:g} s is waited for since {now - since:.1f} s",
                    )


def _whole_seconds(call: Call, kind: str) -> float:
    """How long that deadline is, by the policy alone."""
    policy = call.policy
    if kind != Due.STEP:
        whole: float = getattr(policy, kind)
        return max(whole, 300.0) if kind == Due.EN_ROUTE_WITHIN and call.spoke is not None else whole
    if call.step + 1 >= len(policy.steps):
        return policy.repeat * (5 if call.repeats >= 10 else 1)
    return max(later.after - step.after for step, later in pairwise(policy.steps))


class Reader:
    """One console's ear: every fact once, in order."""

    def __init__(self, name: str, facts: Facts, wrong: Wrong) -> None:
        self.name, self._facts, self._wrong = name, facts, wrong
        self.seq: int | None = None

    def hear(self, event: Event) -> None:
        """An event of the stream."""
        if event.fact == "stream.started":
            self.seq = None
            return
        if event.fact == "reset":
            self._wrong("readers_hear_all", f"{self.name} was told to read the lists again")
            return
        seq = event.data["seq"]
        if self.seq is not None and seq != self.seq + 1:
            self._wrong("readers_hear_all", f"{self.name} hears #{seq} after #{self.seq}")
        self.seq = seq


class Ending:
    """How it must stand when the faults are over and everything has settled."""

    def __init__(self, machine: Machine, facts: Facts, wires: Wires, wrong: Wrong) -> None:
        self._machine, self._facts, self._wires, self._wrong = machine, facts, wires, wrong
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


__all__ = ["CODE", "Ending", "Reader", "Wires"]
