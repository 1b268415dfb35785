"""What was asked: every signal that may matter to a call, every operator's command, each a row before it is answered.

A batch is one commit. A repeat is recognised by (source, ref), whoever brings it, for as long as rows are kept. What
only says how a device is (a heartbeat, a battery) goes to the device's row in the same commit and asks nothing.

In short, the rule is: when `put` returns, it is on disk; when the desk is away, it still is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import bindparam, select

from config.doors import Clock, Ids, to_us
from devices.family import Result
from devices.signal import CALLING, Key, Signal, SignalType
from dispatcher.core.canary import CODE as CANARY
from dispatcher.core.commands import AnyCommand
from dispatcher.core.district import Device
from dispatcher.core.reports import Report
from dispatcher.core.roll import Rolls
from dispatcher.store import Do, Prepared, Row, Store, insert
from dispatcher.tables import device_states, inbox

log = structlog.get_logger("inbox")

#: What asks something of the desk; everything else is the state of a device.
ASKING = CALLING | {SignalType.CANCEL, SignalType.HELPER_ARRIVED, SignalType.TEST}

#: In this order the desk takes what waits. What people do is first: there is little of it, and an accept is what stops
#: the escalation of an emergency; then emergencies, and nothing else before them.
LANE_COMMAND, LANE_EMERGENCY, LANE_OTHER, LANE_REPORT = 0, 1, 2, 3

#: How many stored inputs wait for the desk in memory; further ones it reads from the table.
FRESH_MAX = 20_000
#: How many inputs are waited for in memory; what became of further ones is read from the table by whoever asks.
WAITING_MAX = 50_000
#: How many decided inputs are remembered for a repeat that comes right after.
DECIDED_MAX = 8192

_PUT = Prepared(
    insert(inbox)
    .values(
        {
            name: bindparam(name)
            for name in ("id", "source", "ref", "kind", "lane", "district", "received_us", "body")
        }
    )
    .on_conflict_do_nothing()
)
_KNOWN = Prepared(
    select(inbox.c.id, inbox.c.decided_us, inbox.c.call, inbox.c.result, inbox.c.body).where(
        inbox.c.source == bindparam("source"), inbox.c.ref == bindparam("ref")
    )
)
_upsert = insert(device_states).values({name: bindparam(name) for name in ("source", "heard_us", "body")})
_HEARD = Prepared(
    _upsert.on_conflict_do_update(
        index_elements=["source"], set_={"heard_us": _upsert.excluded.heard_us, "body": _upsert.excluded.body}
    )
)


class SignalBody(Struct, frozen=True, omit_defaults=True):
    """A signal as its inbox row keeps it. `details` may hold where it was measured: rows are kept 30 days, no longer."""

    type: SignalType
    key: Key | None = None
    at_us: int | None = None
    age_seconds: float | None = None
    details: dict[str, Any] = {}


class CommandBody(Struct, frozen=True, omit_defaults=True):
    """A command as its inbox row keeps it."""

    command: AnyCommand
    call: str | None = None


class Decided(Struct, frozen=True, omit_defaults=True):
    """What the desk made of a command: `status` as in HTTP; of a refusal `code`, `why` and the `field` that is wrong."""

    status: int
    call: str | None = None
    code: str = ""
    why: str = ""
    field: str = ""
    noted: bool = False  #: a step done offline that no longer fitted: kept as a note


class Undecided(Exception):  # noqa: N818
    """The desk has not decided in time. It is stored: the same key asked again gives the outcome."""


class KeyReused(Exception):  # noqa: N818
    """The same Idempotency-Key came with another request."""


class Kept(Struct, frozen=True, gc=False):
    """What became of one signal: `id` of the stored one (the first, of a duplicate)."""

    id: str
    result: Result


class Watch(Protocol):
    """Who watches over the devices: hears every signal of a registered one, and says what that changes."""

    def heard(
        self, device: Device, source: str, signal: Signal, received_us: int, line: str
    ) -> Sequence[Report]:
        """What is to be reported, in the same transaction as the signal."""
        ...

    def heard_us(self, source: str) -> int:
        """When the device itself was last heard."""
        ...

    def is_dark(self, source: str) -> bool:
        """Whether its mains are gone and that is not reported yet, or in common with others."""
        ...

    def failed(self, reports: Sequence[Report]) -> None:
        """These are not on disk: it is as if they had never been made."""
        ...


class _Outcome(Struct, frozen=True, gc=False):
    call: str | None
    result: str | None


class Inbox:
    """The inbox of one process: it commits, wakes the desk, and tells who waits what was decided."""

    def __init__(self, store: Store, rolls: Rolls, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._rolls = rolls
        self._clock = clock
        self._ids = ids
        self._waiting: dict[str, asyncio.Future[_Outcome]] = {}
        self._decided: OrderedDict[str, _Outcome] = OrderedDict()
        self._fresh: list[tuple[int, Row]] = []
        self._held: set[str] = set()
        self.watch: Watch | None = None
        self.wake: Callable[[], None] = lambda: None
        self.on_stored: Callable[[Signal, float], None] = lambda _signal, _seconds: None

    async def put(self, arrivals: Sequence[tuple[Signal, int, str]]) -> list[Kept]:
        """Store (signal, received_us, line) in order; returns after the commit. Raises StoreUnavailable."""
        rows: list[Mapping[str, Any]] = []
        states: dict[str, Mapping[str, Any]] = {}
        unknown: set[str] = set()
        reports: list[Report] = []
        noticed: list[Mapping[str, Any]] = []
        for signal, received_us, line in arrivals:
            source = f"{signal.family}/{signal.device}"
            found = self._rolls.device_by_source(source)
            if found is None:
                unknown.add(source)
            if signal.type in ASKING:
                rows.append(self._row(signal, source, received_us, found[0].district.code if found else None))
            if found is not None:
                # Only devices of the register have a row: strangers must not grow a table.
                heard_us, dark = received_us, False
                if self.watch is not None:
                    for report in self._watched(found[1], source, signal, received_us, line):
                        reports.append(report)
                        noticed.append(self._report_row(report, source, "", found[0].district.code))
                    if not signal.id:
                        heard_us = self.watch.heard_us(source)
                    dark = self.watch.is_dark(source)
                states[source] = {
                    "source": source,
                    "heard_us": heard_us,
                    "body": _state(signal, line, dark=dark),
                }
        work = [Do(_HEARD, list(states.values()))]
        if noticed:
            work.append(Do(_PUT, noticed))
        if rows:
            work = [Do(_PUT, rows), Do(_KNOWN, rows, fetch=True), *work]
        try:
            fetched = await self._store.write(work)
        except BaseException:
            if self.watch is not None and reports:
                self.watch.failed(reports)
            raise
        for row in noticed:
            self._hand_on(row)
        known = iter(zip(rows, fetched[0], strict=True)) if rows else iter(())
        kept: list[Kept] = []
        for signal, received_us, _line in arrivals:
            new = Result.UNKNOWN_DEVICE if f"{signal.family}/{signal.device}" in unknown else Result.STORED
            if signal.type not in ASKING:
                kept.append(Kept("", new))
                continue
            row, found_rows = next(known)
            kept.append(self._kept(row, found_rows[0], new))
            if kept[-1].result is not Result.DUPLICATE and row["district"] != CANARY:
                self.on_stored(signal, (self._clock.now_us() - received_us) / 1e6)
        if rows or noticed:
            self.wake()
        return kept

    def _watched(
        self, device: Device, source: str, signal: Signal, received_us: int, line: str
    ) -> Sequence[Report]:
        """What the watch has to say. A bug of ours there must not cost a press."""
        assert self.watch is not None
        try:
            return self.watch.heard(device, source, signal, received_us, line)
        except Exception:
            log.exception("watch_failed", kind=signal.type)
            return ()

    def _row(self, signal: Signal, source: str, received_us: int, district: str | None) -> Mapping[str, Any]:
        emergency = signal.type in CALLING and signal.key in (None, Key.EMERGENCY)
        body = SignalBody(
            type=signal.type,
            key=signal.key,
            at_us=to_us(signal.at) if signal.at is not None else None,
            age_seconds=signal.age_seconds,
            details=signal.details,
        )
        return {
            "id": self._ids.new("s"),
            "source": source,
            "ref": signal.id,
            "kind": "signal",
            "lane": LANE_EMERGENCY if emergency else LANE_OTHER,
            "district": district or self._rolls.default_code,
            "received_us": received_us,
            "body": msgspec.json.encode(body).decode(),
        }

    def _kept(self, row: Mapping[str, Any], found: tuple[Any, ...], new: Result) -> Kept:
        stored_id, decided_us, call, result, _body = found
        if stored_id == row["id"]:
            self._hand_on(row)
            self._expect(stored_id)
            return Kept(stored_id, new)
        if decided_us is not None:
            self._remember(stored_id, _Outcome(call, result))
        else:
            self._expect(stored_id)
        return Kept(stored_id, Result.DUPLICATE)

    async def call_of(self, stored_id: str, within_seconds: float = 2.0) -> str | None:
        """The call a stored signal is in, waiting that long for the desk; None: not known by then, or none."""
        if not stored_id:
            return None
        try:
            return (await self._outcome(stored_id, within_seconds)).call
        except Undecided:
            return None

    async def ask(
        self,
        command: AnyCommand,
        *,
        call: str | None,
        district: str,
        source: str,
        ref: str,
        within_seconds: float = 3.0,
    ) -> Decided:
        """Store a command and wait for its decision. Raises Undecided, KeyReused, StoreUnavailable."""
        body = msgspec.json.encode(CommandBody(command, call)).decode()
        row = {
            "id": self._ids.new("k"),
            "source": source,
            "ref": ref,
            "kind": "command",
            "lane": LANE_COMMAND,
            "district": district,
            "received_us": self._clock.now_us(),
            "body": body,
        }
        [[(stored_id, decided_us, decided_call, result, stored_body)]] = (
            await self._store.write([Do(_PUT, [row]), Do(_KNOWN, [row], fetch=True)])
        )[0]
        if stored_body != body:
            raise KeyReused
        if decided_us is not None:
            outcome = _Outcome(decided_call, result)
        else:
            if stored_id == row["id"]:
                self._hand_on(row)
            self._expect(stored_id)
            self.wake()
            outcome = await self._outcome(stored_id, within_seconds)
        return msgspec.json.decode(outcome.result or '{"status":200}', type=Decided)

    async def report(
        self, report: Report, *, source: str, ref: str = "", district: str = "", also: Sequence[Do] = ()
    ) -> None:
        """What a room noticed, once per (source, ref), and in one transaction `also` what it writes itself.

        Without a `ref` none like it was made before; without a `district` that of the device `source`. Raises
        StoreUnavailable.
        """
        found = self._rolls.device_by_source(source) if not district else None
        code = district or (found[0].district.code if found else self._rolls.default_code)
        row = self._report_row(report, source, ref, code)
        known = await self._store.write([Do(_PUT, [row]), Do(_KNOWN, [row], fetch=True), *also])
        if known[0][0][0][0] == row["id"]:
            self._hand_on(row)
        self.wake()

    async def report_all(self, reports: Sequence[tuple[Report, str, str]], *, source: str) -> None:
        """Many at once, each with its ref (empty: none like it was made before) and its district.

        Raises StoreUnavailable.
        """
        rows = [self._report_row(report, source, ref, code) for report, ref, code in reports]
        await self._store.write([Do(_PUT, rows)])
        for row in rows:
            if row["ref"] == row["id"]:  # the others may have been there already: the table knows
                self._hand_on(row)
        self.wake()

    def _report_row(self, report: Report, source: str, ref: str, district: str) -> Mapping[str, Any]:
        row_id = self._ids.new("r")
        return {
            "id": row_id,
            "source": f"report/{source}",
            "ref": ref or row_id,
            "kind": "report",
            "lane": LANE_REPORT,
            "district": district,
            "received_us": self._clock.now_us(),
            "body": msgspec.json.encode(report).decode(),
        }

    # ── what the desk takes ───────────────────────────────────────────────────────────────────────────────────────

    def take(self, limit: int) -> list[Row]:
        """What has just been stored: id, source, ref, kind, district, received_us, body; emergencies first.

        Only a short cut past the table, in which every one of them stands undecided until the desk's commit.
        """
        self._fresh.sort(key=itemgetter(0))  # stable: within a lane as stored
        rows = [row for _, row in self._fresh[:limit]]
        del self._fresh[:limit]
        self._held.update(row[0] for row in rows)
        return rows

    def hold(self, ids: Iterable[str]) -> None:
        """The desk has read these from the table: they are in its hands, and must not come by the short cut too."""
        self._held.update(ids)
        self._fresh = [(lane, row) for lane, row in self._fresh if row[0] not in self._held]

    def _hand_on(self, row: Mapping[str, Any]) -> None:
        if row["id"] in self._decided or row["id"] in self._held or len(self._fresh) >= FRESH_MAX:
            return
        values = tuple(
            row[name] for name in ("id", "source", "ref", "kind", "district", "received_us", "body")
        )
        self._fresh.append((row["lane"], values))

    # ── what the desk tells ──────────────────────────────────────────────────────────────────────────────────────

    def decided(self, stored_id: str, call: str | None, result: str | None) -> None:
        """The desk has decided this input, and it is on disk."""
        outcome = _Outcome(call, result)
        self._held.discard(stored_id)
        self._remember(stored_id, outcome)
        future = self._waiting.pop(stored_id, None)
        if future is not None and not future.done():
            future.set_result(outcome)

    def _expect(self, stored_id: str) -> None:
        if len(self._waiting) >= WAITING_MAX:
            return
        if stored_id not in self._decided and stored_id not in self._waiting:
            self._waiting[stored_id] = asyncio.get_running_loop().create_future()

    def _remember(self, stored_id: str, outcome: _Outcome) -> None:
        self._decided[stored_id] = outcome
        if len(self._decided) > DECIDED_MAX:
            self._decided.popitem(last=False)

    async def _outcome(self, stored_id: str, within_seconds: float) -> _Outcome:
        if (known := self._decided.get(stored_id)) is not None:
            return known
        future = self._waiting.get(stored_id)
        if future is not None:
            try:
                async with asyncio.timeout(within_seconds):
                    return await asyncio.shield(future)
            except TimeoutError:
                raise Undecided from None
        rows = await self._store.read(
            select(inbox.c.decided_us, inbox.c.call, inbox.c.result).where(inbox.c.id == stored_id)
        )
        if not rows or rows[0][0] is None:
            raise Undecided
        return _Outcome(rows[0][1], rows[0][2])

    @property
    def depth(self) -> tuple[int, int]:
        """How many stored inputs wait in memory for the desk, and how many may."""
        return len(self._fresh), FRESH_MAX

    @property
    def waiting(self) -> int:
        """How many inputs stored by this process the desk has not decided yet."""
        return len(self._waiting)


def _state(signal: Signal, line: str, *, dark: bool) -> str:
    told: dict[str, Any] = {
        name: signal.details[name] for name in ("battery", "rssi", "via") if name in signal.details
    }
    if dark:
        told["dark"] = True
    return msgspec.json.encode({"type": signal.type, "line": line, **told}).decode()
