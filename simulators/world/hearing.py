"""The checkers, second half: what goes over the wires is held against the disk and the ledger."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec

from dispatcher.alerts.outcome import Outcome
from dispatcher.core.call import Call, Due, OfferState
from simulators.api import Event
from simulators.world.broker import Message
from simulators.world.loop import context_of
from simulators.world.machine import Machine
from simulators.world.place import CODE, HUB, NUMBERS
from simulators.world.watching import NAMES, Facts, Wrong, asks

#: What is due this long ago, and the machine is well, does not happen any more.
LATE_SECONDS = 6.0
#: Presses that a broker has kept since long ago have ids that begin so.
OLD = "old"
#: So long after the last trouble the machine counts as well.
WELL_SECONDS = 12.0
_ALERT = "SELECT kind, channel, target, call, asked, fact_seq, endpoint, lane, seq, wording FROM alerts WHERE id = ?"
#: Of which facts a text may tell, by the name of its wording.
_TELLS = {
    "opened": "call.opened",
    "unanswered": "call.escalated",
    "accepted": "call.accepted",
    "on_scene": "call.on_scene",
    "closed": "call.closed",
    "again": "call.joined",
    "overdue": "call.overdue",
    "summons": "call.dispatched",
    "asked": "call.dispatched",
}
_NAMED = re.compile(r"老人(\d+)号|幸福路(\d+)号院")
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
        self.replayed: set[str] = set()  #: whose retained press was delivered, and acknowledged
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
        if topic.endswith("/up"):
            # What a broker had kept is cleared. There may be no second chance to show it.
            if not self._disk.ask(
                "SELECT 1 FROM inbox WHERE source = ? AND ref LIKE 'replayed:%'", f"report/native/{device}"
            ):
                self._wrong("replay_rings_nobody", f"{topic} is cleared, and its fault is not on disk")
            return
        text = payload.decode()
        if any(name in text for name in NAMES):
            self._wrong("nobody_named", f"down to {device}: {text}")
        message = msgspec.json.decode(text)
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
        if levels[-1] != "up" or not message.payload:
            return
        if message.retain:
            self.replayed.add(f"native/{levels[2]}")
            return
        body = msgspec.json.decode(message.payload)
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
        if (
            len(parts) == 3
            and parts[0] == "calls"
            and method == "POST"
            and status == 200
            and parts[1] in self._facts.calls
            and who.startswith(("s-st", "s-cen", "s-far"))
        ):
            self._may(who.removeprefix("s-").rpartition("-")[0], self._facts.calls[parts[1]], path)
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

    def _may(self, station: str, call: Call, path: str) -> None:
        """A step by somebody of a station that the call is no business of, and it was taken."""
        if call.area not in _sees(station) and call.offer_to(station) is None:
            self._wrong(
                "scope_kept", f"{station} was let do {path}: {self._facts.name(call.id)} of {call.area}"
            )

    def _scope(self, station: str, calls: list[dict[str, Any]]) -> None:
        areas = _sees(station)
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
        kind, kept_channel, target, call, asked, fact_seq, endpoint, lane, seq, wording = rows[0]
        if kept_channel != channel or (channel == "webhook" and endpoint != f"webhook/{to}"):
            self._wrong("alert_one_id", f"{message_id} is for {endpoint}, and goes to {to}")
        if channel == "webhook":
            self._told_as_it_was(message_id, msgspec.json.decode(content), fact_seq)
        else:
            self._text(message_id, to, target, content, wording, fact_seq)
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

    def _told_as_it_was(self, message_id: str, body: dict[str, Any], fact_seq: int) -> None:
        """A webhook's message says what the ledger says, of that fact and of how the call stood right after it."""
        data = body["data"]
        if data["seq"] != fact_seq:
            self._wrong("alert_one_id", f"{message_id} tells of another fact than #{fact_seq}")
            return
        name, call, state = self._facts.past[fact_seq]
        shown = data.get("call") or {}
        if (body["type"], shown.get("id", ""), shown.get("state", "")) != (name, call, state):
            self._wrong(
                "told_as_it_was",
                f"{message_id} says {body['type']} {shown.get('state')}, it was {name} {state}",
            )

    def _text(self, message_id: str, to: str, target: str, content: str, wording: str, fact_seq: int) -> None:
        """A text tells of its fact, of nobody but the one who called, and goes to the telephone of whom it is for."""
        name, call, _ = self._facts.past[fact_seq]
        if _TELLS.get(wording.partition(".")[0]) != name:
            self._wrong("told_as_it_was", f"{message_id} says {wording} of {name}")
        resident = self._facts.calls[call].resident if call in self._facts.calls else None
        number = NUMBERS.get(resident or "")
        named = {found[0] or found[1] for found in _NAMED.findall(content)}
        if named - {str(number)}:
            self._wrong("told_as_it_was", f"{message_id} of {resident} tells of {sorted(named)}")
        if target == f"{resident}/0" and to != f"+99920{number}":
            self._wrong("told_as_it_was", f"{message_id} for {target} goes to another telephone")

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
            # A second in which the disk was slow or refused does not count either.
            troubled = self._disk.full or self._disk.away or now - self.trouble_at < 1.0
            self._look_far(now, excused=server is None or troubled)
        if server is None or now - max(self.trouble_at, self._machine.up_since) < WELL_SECONDS:
            return
        if server.faults:
            self._wrong("no_bug_inside", f"{server.faults} decisions or messages failed")
        late_us = self._machine.clock.now_us() - round(LATE_SECONDS * 1e6)
        put_back = self._machine.clock.was_put_back  # then `put_back_puts_nothing_off` watches
        for call_id, (gone_us, _) in () if put_back else self._facts.ghosts.items():
            if now * 1e6 > gone_us + WELL_SECONDS * 1e6:
                self._wrong(
                    "vanished_gives_back", f"{self._facts.name(call_id)} is held by a console that is gone"
                )
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


def _sees(station: str) -> set[str]:
    """The areas of a station's people."""
    home = {"st-01": "c1", "st-02": "c1", "st-03": "c2", "cen-1": "s1", "far-1": "c3"}[station]
    return {"s1", "c1", "c2"} if home == "s1" else {home}


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


__all__ = ["CODE", "OLD", "Reader", "Wires"]
