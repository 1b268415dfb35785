"""The checkers, first half: whatever is committed is looked at in that very moment, fact by fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from devices.signal import SignalType
from dispatcher.board import call_of
from dispatcher.core.call import (
    HELD,
    Accepted,
    AreaStruck,
    AreaWell,
    Call,
    CancelRequested,
    Closed,
    Declined,
    DeviceFault,
    DeviceRestored,
    Dispatched,
    Due,
    Entry,
    Escalated,
    Joined,
    Lapsed,
    OfferState,
    Opened,
    Overdue,
    SpokeWith,
    State,
    Transferred,
)
from dispatcher.core.fold import fold, us
from dispatcher.core.states import Impossible
from dispatcher.inbox import LANE_REPORT
from dispatcher.journal import entry_of
from dispatcher.ledger import whose
from dispatcher.store import Bound
from simulators.world.loop import Process
from simulators.world.machine import Disk, MachineClock
from simulators.world.place import CODE, GHOST, district

Wrong = Callable[[str, str], None]

_JOURNAL = "SELECT district, seq, at_us, call, device, cause, body FROM journal WHERE seq > ? ORDER BY seq"
_CALLING = ("press", "fall", "inactivity", "hazard")
#: What every relative here wants to hear of.
_TOLD_TO_KIN = frozenset({"call.opened", "call.accepted", "call.on_scene", "call.closed"})
#: The clock drifts against a stopwatch.
_DRIFT_US = 100_000
#: Whoever is found in the journal or on the way to a device is named there.
NAMES = ("老人", "家属", "护理", "幸福路", "+999")


class Facts:
    """Follows the journal as it is committed."""

    def __init__(
        self, disk: Disk, clock: MachineClock, wrong: Wrong, tell: Callable[[str, str], None]
    ) -> None:
        self._disk, self._clock, self._wrong, self._tell = disk, clock, wrong, tell
        self.head = 0
        self.calls: dict[str, Call] = {}
        self.told: dict[str, Call] = {}  #: as the process knows them: of commits it has heard the end of
        self.told_at = 0.0
        self.presses: Counter[tuple[str, str]] = Counter()
        self.in_call: dict[tuple[str, str], str] = {}
        self.accepts: set[tuple[str, str, str]] = set()
        self.steps: Counter[tuple[str, int, int, int]] = Counter()
        self.lives: Counter[str] = Counter()
        self.rang: dict[str, int] = {}
        #: When the next step of each call was last set, by what has gone by, and how far ahead it was then.
        self.stepped: dict[str, tuple[int, int]] = {}
        self.faults: dict[str, bool] = {}
        self.uncovered: set[str] = set()
        #: By when each call that a vanished console holds must move: by what has gone by, and by the clock as it went then.
        self.ghosts: dict[str, tuple[int, int]] = {}
        self.past: dict[
            int, tuple[str, str, str]
        ] = {}  #: of each fact its name, its call, and the call's state then
        self.replayed: set[str] = set()  #: of whom it was told that a broker had kept what they said
        self.names: dict[str, str] = {}
        self.armed: Counter[str] = Counter()  #: how often each device was put into test mode
        self.tests: Counter[str] = Counter()
        self.seen = 0
        self._file = district()
        self._metres = {
            item["id"]: item["location"]["lat"]
            for section in ("stations", "residents")
            for item in self._file[section]
            if "location" in item
        }
        self._tier = {
            item["id"]: {"street_centre": 1, "district_desk": 2}.get(item["kind"], 0)
            for item in self._file["stations"]
        }

    def name(self, call: str | None) -> str:
        """`call-3`: short, and the same in every replay."""
        return self.names.get(call or "", call or "-")

    # ── a commit ─────────────────────────────────────────────────────────────────────────────────────────────────

    def committed(self, _process: Process, work: list[Bound]) -> bool:
        """A transaction is on disk; whether it told facts."""
        self._lanes(work)
        if not any("journal" in sql for sql, _, _ in work):
            return False  # most commits tell nothing
        rows = self._disk.ask(_JOURNAL, self.head)
        if not rows:
            return False
        batch: list[tuple[Entry, Call | None, Call | None]] = []
        for row in rows:
            entry = entry_of(row)
            if entry.seq != self.head + 1:
                self._wrong("journal_gapless", f"{entry.seq} follows {self.head}")
            self.head = entry.seq
            if any(name in str(row[6]) or name in str(row[5]) for name in NAMES):
                self._wrong("nobody_named", f"fact {entry.seq} {entry.name}: {row[6]}")
            before = self.calls.get(entry.call or "")
            after = before
            if entry.call is not None:
                try:
                    after = self.calls[entry.call] = fold(before, entry)
                except Impossible as error:
                    self._wrong("rows_are_the_fold", f"fact {entry.seq}: {error}")
                    return True
            batch.append((entry, before, after))
        for entry, before, after in batch:
            self.past[entry.seq] = entry.name, entry.call or "", after.state if after is not None else ""
            self._say(entry, after)
            self._fact(entry, before, after)
            step_us = after.deadlines.get(Due.STEP) if after is not None else None
            if after is not None and step_us != (before.deadlines.get(Due.STEP) if before else None):
                self.stepped[after.id] = self._clock.gone_by_at(entry.at_us), (step_us or 0) - entry.at_us
        self._follows(batch)
        for call in dict.fromkeys(entry.call for entry, _, _ in batch if entry.call):
            self._row(call)
        self._alerts(batch)
        return True

    def heard(self, now: float) -> None:
        """The process knows of all that is committed."""
        self.told = dict(self.calls)
        self.told_at = now

    def _say(self, entry: Entry, call: Call | None) -> None:
        if entry.name == "call.opened" and entry.call:
            self.names[entry.call] = f"call-{len(self.names) + 1}"
        fact = msgspec.to_builtins(entry.fact)
        fact.pop("policy", None)
        fact.pop("fact", None)
        state = f" [{call.state}]" if call is not None else ""
        cause = f"{entry.cause.kind} {entry.cause.id or entry.cause.device or ''} {entry.cause.by}".strip()
        self._tell("fact", f"#{entry.seq} {entry.name} {self.name(entry.call)}{state} {fact} <- {cause}")

    def _lanes(self, work: list[Bound]) -> None:
        marks = next((rows for sql, rows, _ in work if sql.startswith("UPDATE inbox SET decided_us")), ())
        ids = [next(v for v in row if isinstance(v, str) and v[:2] in ("s-", "k-", "r-")) for row in marks]
        lanes = [self._disk.ask("SELECT lane FROM inbox WHERE id = ?", one)[0][0] for one in ids]
        if lanes != sorted(lanes):
            self._wrong("emergencies_first", f"decided in the order of lanes {lanes}")
        for one, lane in zip(ids, lanes, strict=True):
            if lane != LANE_REPORT:
                self._decided(one)

    def _decided(self, input_id: str) -> None:
        [(source, ref, kind, call, body)] = self._disk.ask(
            "SELECT source, ref, kind, call, body FROM inbox WHERE id = ?", input_id
        )
        if kind == "signal" and msgspec.json.decode(body)["type"] in _CALLING:
            self.seen += 1
            if ref.startswith("old-"):
                self._wrong("replay_rings_nobody", f"{source} {ref} was kept by a broker, and is in {call}")
            if call is None:
                self._wrong("press_in_one_call", f"{source} {ref} is decided, and in no call")
            self.in_call[source, ref] = call

    # ── a fact ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _fact(self, entry: Entry, before: Call | None, after: Call | None) -> None:
        match entry.fact:
            case DeviceFault(id=fault) as told:
                self.faults[fault] = True
                if told.fault == "retained":
                    self.replayed.add(told.source)
            case AreaStruck(id=fault):
                self.faults[fault] = True
            case DeviceRestored(id=fault) | AreaWell(id=fault):
                self.faults[fault] = False
            case _ if entry.name == "coverage.lost":
                self.uncovered.add(getattr(entry.fact, "area", ""))
            case _ if entry.name == "coverage.restored":
                self.uncovered.discard(getattr(entry.fact, "area", ""))
            case _:
                pass
        if after is None or entry.call is None:
            return
        name, fact = self.name(entry.call), entry.fact
        match fact:
            case Opened() | Joined():
                self._press(entry, fact, before, after)
            case Escalated():
                self._escalated(entry, fact, before)
            case Dispatched():
                self._dispatched(entry, fact, before, after)
            case Accepted():
                self._accepted(entry, fact, before, after)
                self.ghosts.pop(entry.call, None)
                if fact.by.endswith(f"-{GHOST}") and after.state is State.ACCEPTED:
                    self._haunt(entry, us(after.policy.en_route_within))
            case SpokeWith() if fact.within_us is not None and entry.call in self.ghosts:
                self._haunt(entry, 300_000_000)
            case Lapsed():
                self._ghost_lapses(name, fact, entry)
                if "step" not in after.deadlines or after.accepted is not None:
                    self._wrong("lapse_steps_on", f"{name} lapsed, and nothing steps on")
                self.lives[entry.call] += 1
                self.rang.pop(entry.call, None)
            case CancelRequested():
                if before is not None and before.deadlines != after.deadlines:
                    self._wrong(
                        "cancel_stops_nothing", f"{name}: {before.deadlines} became {after.deadlines}"
                    )
            case Closed():
                self._closed(entry, fact, before)
            case _:
                pass
        if after.state is not State.ACCEPTED:
            self.ghosts.pop(entry.call, None)
        if entry.name == "call.reopened":
            self.lives[entry.call] += 1
            self.rang.pop(entry.call, None)

    def _haunt(self, entry: Entry, within_us: int) -> None:
        self.ghosts[entry.call or ""] = (
            self._clock.gone_by_at(entry.at_us) + within_us,
            entry.at_us + within_us,
        )

    def _ghost_lapses(self, name: str, fact: Lapsed, entry: Entry) -> None:
        due = self.ghosts.pop(entry.call or "", None)
        if due is None or fact.because != Due.EN_ROUTE_WITHIN:
            return
        early_us = min(due[0] - self._clock.gone_by_at(entry.at_us) - _DRIFT_US, due[1] - entry.at_us)
        if early_us > 1000:
            self._wrong("vanished_gives_back", f"{name} lapses {early_us / 1e6:.1f} s early")

    def _press(self, entry: Entry, fact: Opened | Joined, before: Call | None, after: Call) -> None:
        name = self.name(entry.call)
        if entry.cause.kind == "signal":
            key = (fact.source.rstrip("#"), entry.cause.id)
            self.presses[key] += 1
            if self.presses[key] > 1:
                self._wrong("press_in_one_call", f"{key} is told a second time, in {name}")
        if isinstance(fact, Opened):
            if fact.test and fact.device:
                self.tests[fact.device] += 1
                if self.tests[fact.device] > self.armed[fact.device]:
                    self._wrong(
                        "only_the_first_is_a_test", f"{name}: {fact.device} is in test mode once more"
                    )
            if fact.source == "native/btn-99" and (fact.resident or after.district != CODE):
                self._wrong("stranger_is_heard", f"{name} of a stranger is {fact.resident}'s")
            key2 = whose(after)
            twin = [
                one.id
                for one in self.calls.values()
                # One that opens later in the same batch is asked about when its turn comes.
                if one.open and one.id != after.id and one.id in self.names and whose(one) == key2
            ]
            if key2 is not None and twin and after.open:
                self._wrong("one_open_call_each", f"{name} opens beside {self.name(twin[0])} for {key2}")
            return
        if before is None or not before.open:
            self._wrong("press_in_one_call", f"{name}: a press joins a call that is closed")
        elif before.state in HELD and before.accepted is not None:
            holder = before.accepted.station or "desk"
            if holder not in fact.rings or Due.REPRESS_WITHIN not in after.deadlines:
                self._wrong("repress_is_heard", f"{name}: {holder} is not rung, or need not hear it")
            if before.state is State.ON_SCENE and "desk" not in fact.rings:
                self._wrong("repress_is_heard", f"{name}: the desk is not rung")
        else:
            offered = {o.to for o in before.offers if o.state is OfferState.OFFERED and not o.person}
            if not offered <= set(fact.rings):
                self._wrong("repress_is_heard", f"{name}: {sorted(offered)} are asked, {fact.rings} are rung")

    def _escalated(self, entry: Entry, fact: Escalated, before: Call | None) -> None:
        call, name = entry.call or "", self.name(entry.call)
        key = (call, fact.step, fact.repeat, self.lives[call])
        self.steps[key] += 1
        if self.steps[key] > 1:
            self._wrong("step_once", f"{name}: step {fact.step} repeat {fact.repeat} is taken twice")
        if before is None:
            return
        if before.state is not State.RECEIVED:
            self._wrong("no_step_while_held", f"{name} steps on while it is {before.state}")
        # By the clock or by what has gone by: a clock that was put back does not make anybody wait longer.
        set_us, ahead_us = self.stepped.get(call, (0, 0))
        waited_us = self._clock.gone_by_at(entry.at_us) - set_us + _DRIFT_US
        steps = before.policy.steps
        if fact.repeat and fact.because == "time":
            pause_us = max(entry.at_us - self.rang.get(call, 0), waited_us)
            if pause_us < us(before.policy.repeat) - 1000:
                self._wrong("no_burst", f"{name} rings again after {pause_us / 1e6} s")
        elif fact.because == "time" and fact.step < len(steps):
            due_us = before.steps_from_us + us(steps[fact.step].after) - before.saved_us
            gap_us = us(steps[fact.step].after - (steps[fact.step - 1].after if fact.step else 0))
            if entry.at_us < due_us - 1000 and waited_us < min(gap_us, ahead_us):
                self._wrong(
                    "no_burst", f"{name}: step {fact.step} comes {(due_us - entry.at_us) / 1e6} s early"
                )
        if fact.repeat and fact.next_us - entry.at_us > 5 * us(before.policy.repeat) + 1000:
            self._wrong("rings_on", f"{name} rings again only in {(fact.next_us - entry.at_us) / 1e6} s")
        self.rang[call] = entry.at_us

    def _dispatched(self, entry: Entry, fact: Dispatched, before: Call | None, after: Call) -> None:
        name = self.name(entry.call)
        if before is not None and before.state is not State.RECEIVED and fact.next_us is not None:
            self._wrong("no_step_while_held", f"{name}: a step is dispatched while it is {before.state}")
        for asked in fact.asked:
            offer = before.offer_to(asked.to) if before is not None else None
            left_alone = offer is not None and offer.state is OfferState.DECLINED and asked.to != "desk"
            if left_alone and not asked.reason.startswith("transfer"):
                self._wrong("declined_is_left_alone", f"{name}: {asked.to} has declined, and is asked again")
            if not asked.reason:
                self._wrong("routing_says_why", f"{name}: {asked.to} is asked without a reason")
        home = self._metres.get(after.resident or "")
        if fact.step or home is None or len(fact.asked) != 1 or before is None or before.offers:
            return
        [asked] = fact.asked
        if asked.person or asked.to not in self._metres or self._tier[asked.to]:
            return
        named = {one.station for one in after.passed_over} | {asked.to}
        if asked.travel_seconds is None:
            self._wrong("routing_says_why", f"{name}: {asked.to} is asked, and nobody says how far it is")
        far = abs(self._metres[asked.to] - home)
        for station, metres in self._metres.items():
            nearer = station in self._tier and not self._tier[station] and abs(metres - home) < far - 1e-9
            if nearer and station not in named:
                self._wrong("routing_says_why", f"{name}: {station} is nearer than {asked.to}, and not named")

    def _accepted(self, entry: Entry, fact: Accepted, before: Call | None, after: Call) -> None:
        call, name = entry.call or "", self.name(entry.call)
        self.lives[call] += 1
        self.rang.pop(call, None)
        self.accepts.add((call, fact.by, fact.station))
        if before is not None and before.accepted is not None:
            offer = before.offer_to(fact.station)
            if offer is None or offer.state is not OfferState.OFFERED:
                self._wrong("one_holder", f"{name} is taken by {fact.by} while {before.accepted.by} holds it")
        left = [one.to for one in after.offers if one.state is OfferState.OFFERED]
        if left or Due.STEP in after.deadlines:
            self._wrong("accept_stops_all", f"{name}: still asked {left}, deadlines {after.deadlines}")
        if after.state is State.ACCEPTED and Due.EN_ROUTE_WITHIN not in after.deadlines:
            self._wrong(
                "owned_or_stepping", f"{name} is accepted, and its holder has all the time in the world"
            )

    def _follows(self, batch: Sequence[tuple[Entry, Call | None, Call | None]]) -> None:
        """What must come of a fact in the same transaction."""
        for place, (entry, before, after) in enumerate(batch):
            if before is None or after is None:
                continue
            name, fact = self.name(entry.call), entry.fact
            then = [later.fact for later, _, _ in batch[place + 1 :] if later.call == entry.call]
            match fact:
                case Declined() if after.state is State.RECEIVED:
                    if not any(isinstance(one, Escalated) and one.because == "declined" for one in then):
                        self._wrong(
                            "decline_steps_on", f"{name}: {fact.station} declines, and nothing follows"
                        )
                case Transferred():
                    asked = {one.to for later in then if isinstance(later, Dispatched) for one in later.asked}
                    if fact.station not in asked:
                        self._wrong("transfer_asks", f"{name} goes to {fact.station}, which is not asked")
                    if (before.accepted, before.deadlines) != (after.accepted, after.deadlines):
                        self._wrong("transfer_asks", f"{name}: its holder has lost it before anybody took it")
                case Overdue():
                    holder = before.accepted.station if before.accepted is not None else ""
                    if not {holder or "desk", "desk"} <= set(fact.rings):
                        self._wrong("overdue_is_heard", f"{name}: {fact.limit} rings at {fact.rings} alone")
                    if fact.limit == Due.ARRIVE_LIMIT and not any(
                        isinstance(one, Dispatched) for one in then
                    ):
                        self._wrong("overdue_is_heard", f"{name}: nobody came, and nobody else is asked")
                case _:
                    pass

    def _closed(self, entry: Entry, fact: Closed, before: Call | None) -> None:
        if before is not None and before.key == "emergency" and not before.test:
            if entry.cause.kind != "command" or fact.evidence is None:
                self._wrong(
                    "closed_by_a_person", f"{self.name(entry.call)} by {entry.cause.kind}, {fact.evidence}"
                )
        elif before is not None and not before.test and entry.cause.kind != "command":
            self._wrong("closed_by_a_person", f"{self.name(entry.call)} by {entry.cause.kind}")

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _row(self, call_id: str) -> None:
        folded, name = self.calls[call_id], self.name(call_id)
        rows = self._disk.ask("SELECT body, due_us, state FROM calls WHERE id = ?", call_id)
        if not rows:
            self._wrong("rows_are_the_fold", f"{name} has facts and no row")
            return
        [(body, due_us, state)] = rows
        row = call_of(body)
        if row != folded or state != folded.state:
            self._wrong("rows_are_the_fold", f"{name} is not the fold of its journal")
        moments = row.deadlines
        if row.open and due_us != min(moments.values(), default=None):
            self._wrong("deadline_is_a_row", f"{name}: due {due_us} in the row, {moments} by its facts")
        if not row.open:
            return
        if row.state is State.RECEIVED and Due.STEP not in moments:
            self._wrong("owned_or_stepping", f"{name} waits, and no step is set: {moments}")
        if row.state is not State.RECEIVED and (row.accepted is None or not moments):
            self._wrong("owned_or_stepping", f"{name} is {row.state}: {row.accepted}, {moments}")
        if row.state is State.ACCEPTED and Due.EN_ROUTE_WITHIN not in moments:
            self._wrong("owned_or_stepping", f"{name} is accepted, and nothing says until when: {moments}")
        if row.key == "emergency" and Due.CLOSE_WITHIN not in moments:
            self._wrong("owned_or_stepping", f"{name} need never be closed: {moments}")

    def _alerts(self, batch: Iterable[tuple[Entry, Call | None, Call | None]]) -> None:
        for entry, _, after in batch:
            if not entry.name.startswith("call.") or after is None:
                continue
            rows = self._disk.ask(
                "SELECT kind, channel, target FROM alerts WHERE district = ? AND fact_seq = ?",
                CODE,
                entry.seq,
            )
            if not any(row[1:] == ("webhook", "wh-all") for row in rows):
                self._wrong("alert_with_its_fact", f"{entry.name} #{entry.seq}: nothing for wh-all")
            if entry.name in _TOLD_TO_KIN and not after.test and (after.resident or "r-06") != "r-06":
                # r-06 may have been erased. Who is asked to come is not told in the same breath that she has called.
                asked = entry.name == "call.opened" and after.key == "family"
                if not asked and ("news", "sms", f"{after.resident}/0") not in rows:
                    self._wrong("kin_hear_the_ledger", f"{entry.name} #{entry.seq}: nothing for the relative")
            if isinstance(entry.fact, Dispatched) and not after.test:
                first = {
                    asked.to
                    for asked in entry.fact.asked
                    if not asked.person
                    and (offer := after.offer_to(asked.to)) is not None
                    and offer.offers == 1
                    and offer.state is OfferState.OFFERED
                }
                if first and not any(row[0] == "summons" for row in rows):
                    self._wrong(
                        "alert_with_its_fact", f"{self.name(entry.call)}: {sorted(first)} not summoned"
                    )
            if isinstance(entry.fact, Accepted | Closed):
                left = self._disk.ask(
                    "SELECT id FROM alerts WHERE call = ? AND kind = 'summons' AND fate = 'queued' AND fact_seq < ?",
                    entry.call,
                    entry.seq,
                )
                if left:
                    self._wrong(
                        "accept_stops_all", f"{self.name(entry.call)}: {len(left)} summons still wait"
                    )


def asks(kind: str) -> bool:
    """Whether a signal of that type has a row of its own."""
    return kind in {
        *_CALLING,
        SignalType.CANCEL.value,
        SignalType.HELPER_ARRIVED.value,
        SignalType.TEST.value,
    }
