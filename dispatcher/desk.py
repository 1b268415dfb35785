"""The desk: the one place where calls change.

It takes what is pending in the inbox and what has fallen due, asks the pure core, and commits facts, the calls' new
rows, texts, outgoing messages *and the marks on the inputs* in one transaction. Killed before that commit, nothing
has happened and the input is still pending; killed after it, everything has.

    pending + due --decide()--> a Page of changed calls --one commit--> ledger, feed, waiters, outbox are told
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import select

from config.doors import Clock, Ids
from devices.signal import CALLING, SignalType
from dispatcher import alert_rows, follow_ups
from dispatcher import desk_rows as rows
from dispatcher import outbox as outgoing
from dispatcher.board import Board
from dispatcher.core.call import Call, Cause, Entry, State
from dispatcher.core.commands import EndFault, FollowUp, OpenByHand, Place
from dispatcher.core.decide import Heard, decide_due, decide_signal, decide_unable, key_of, open_by_hand
from dispatcher.core.district import Resident
from dispatcher.core.draft import Draft
from dispatcher.core.geo import GreatCircle, Travel
from dispatcher.core.reports import Fates, Report
from dispatcher.core.roll import Roll, Rolls
from dispatcher.core.route import World
from dispatcher.core.steps import decide_command
from dispatcher.desk_faults import end_fault
from dispatcher.desk_reports import ReportBook, ReportPage, fate_of
from dispatcher.feed import Feed, FeedEvent
from dispatcher.inbox import CommandBody, Decided, Inbox, SignalBody
from dispatcher.journal import append
from dispatcher.ledger import Ledger, Page, Whose, whose
from dispatcher.put_back import PutBack
from dispatcher.sight import Sight
from dispatcher.store import Do, OutcomeUnknown, Store, StoreUnavailable
from dispatcher.tables import calls, places

log = structlog.get_logger("desk")

#: The poll behind the wake: an input whose wake was lost waits no longer, and a clock that jumped is noticed.
POLL_SECONDS = 1.0
#: A call whose deadline could not be decided (a bug of ours) is tried again after this, and holds up nobody meanwhile.
ILL_SECONDS = 5
#: Stations open, close and change shifts by the minute: so often it is checked who was asked and can no longer come.
SWEEP_SECONDS = 60
#: Messages of a commit that was in doubt for longer than this are left to their lease.
IN_HAND_SECONDS = 5

_SIGNAL = msgspec.json.Decoder(SignalBody)
_COMMAND = msgspec.json.Decoder(CommandBody)
_REPORT: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
_PLACE_ROW = msgspec.json.Decoder(Place)


class Desk:
    """The desk of every district of this installation, in this process."""

    def __init__(
        self,
        store: Store,
        rolls: Rolls,
        ledger: Ledger,
        inbox: Inbox,
        board: Board,
        feed: Feed,
        outbox: outgoing.Outbox,
        clock: Clock,
        ids: Ids,
        travel: Travel | None = None,
    ) -> None:
        self._store = store
        self._rolls = rolls
        self._ledger = ledger
        self._inbox = inbox
        self._board = board
        self._feed = feed
        self._outbox = outbox
        self._clock = clock
        self._ids = ids
        self._doubt: rows.Batch | None = None
        self.sight = Sight(ledger, travel or GreatCircle())
        self.reports = ReportBook(ids)
        self._heads: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._swept: tuple[int, int] = (0, -1)
        self._put_back = PutBack(ledger, asyncio.get_running_loop().time)
        self._poll_us = 0
        self._ill: dict[str, int] = {}
        self.healthy = False
        self.turned_us = 0  #: when the loop last came round, by the clock: its heartbeat
        self.faults = 0  #: decisions that failed inside the core: each is a bug, and was still answered
        self.on_told: Callable[[Entry, Call | None], None] = lambda _entry, _call: None
        #: The rows of messages that were committed just now, and the events they tell of.
        self.on_alerts: Callable[[list[dict[str, Any]], list[FeedEvent]], None] = lambda _rows, _events: None
        self.on_left: Callable[[list[dict[str, Any]]], None] = lambda _rows: None
        inbox.wake = self.wake

    def wake(self) -> None:
        """There is something to decide."""
        self._wake.set()

    async def open(self, heads: Mapping[str, int]) -> None:
        """Read the open calls. Raises StoreUnavailable."""
        self._heads = dict(heads)
        self._ledger.fill(await rows.open_calls(self._store))
        query = (
            select(places.c.call, places.c.body)
            .join(calls, calls.c.id == places.c.call)
            .where(calls.c.due_us.is_not(None))
        )
        for call_id, body in await self._store.read(query):
            self._ledger.places[call_id] = _PLACE_ROW.decode(body)
        await self.reports.open(self._store)
        self.healthy = True

    async def run(self) -> None:
        """Decide, for ever."""
        pause = 0.1
        while True:
            try:
                busy = await self.turn()
            except StoreUnavailable as error:
                # Nothing was decided and nothing told; the inputs are where they were.
                self.healthy = False
                log.warning("desk_waits", error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                continue
            self.healthy = True
            pause = 0.1
            if not busy:
                await self._rest()

    async def _rest(self) -> None:
        due_us = self._ledger.next_due_us()
        seconds = POLL_SECONDS
        if due_us is not None:
            floor = 0.25 if self._ill else 0.0
            seconds = min(seconds, max(floor, (due_us - self._clock.now_us()) / 1e6))
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def turn(self) -> bool:
        """One batch: what is pending, what is due, who can no longer come. False when there was nothing to do."""
        self._wake.clear()
        if self._doubt is not None:
            await self._settle(self._doubt)
        now_us = self.turned_us = self._clock.now_us()
        # Before anything is waited for: it holds two clocks against each other.
        waited = self._put_back.due(now_us)
        pending = await self._pending(now_us)
        taken = self._ledger.take_due(now_us, rows.BATCH)
        self._ill = {
            call_id: until_us
            for call_id, until_us in self._ill.items()
            if call_id in self._ledger.open and 0 < until_us - now_us <= ILL_SECONDS * 1_000_000
        }
        due = [call_id for call_id in dict.fromkeys((*taken, *waited)) if call_id not in self._ill]
        lost = self._sweep(now_us)
        if not pending and not due and not lost:
            self._ledger.again_due(taken)
            return False
        batch = rows.Batch(Page(self._ledger), ReportPage(self.reports), now_us, dict(self._heads))
        try:
            for row in pending:
                await self._decide_row(batch, row)
            for call_id in due:
                decide = partial(decide_due, waited=waited.get(call_id))
                self._decide_call(batch, call_id, decide, Cause(kind="deadline"))
            for call_id in lost:
                self._decide_call(batch, call_id, decide_unable, Cause(kind="deadline", id="unable"))
            # Read before the commit: from there to the telling nothing may fail, or the feed would miss facts.
            batch.texts_now = await rows.texts_now(batch, self._board)
            shown = await self._commit(batch)
        except BaseException as error:
            self._doubt = batch if isinstance(error, OutcomeUnknown) else None
            # What was in hand is read from the table again.
            self._poll_us = 0
            self._swept = (0, -1)
            for roll, device, until_us in batch.tests_ended:
                roll.test_until_us[device] = until_us
            raise
        finally:
            self._ledger.again_due(taken)
        self._tell(batch, shown)
        return True

    async def _pending(self, now_us: int) -> list[tuple[Any, ...]]:
        """What waits to be decided: what the inbox has just stored, and, on the poll, whatever else is undecided."""
        # Further off than one poll: the clock was put back, and whoever trusted it would not look for an hour.
        if 0 < self._poll_us - now_us <= POLL_SECONDS * 1e6:
            return self._inbox.take(rows.BATCH)
        [[pending]] = await self._store.write([Do(rows.PENDING, [{}], fetch=True)])
        if len(pending) < rows.BATCH:
            self._poll_us = now_us + round(POLL_SECONDS * 1e6)
        self._inbox.hold(row[0] for row in pending)
        return pending

    # ── one input ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _decide_row(self, batch: rows.Batch, row: tuple[Any, ...]) -> None:
        input_id, source, ref, kind, district, received_us, body = row
        if district not in self._rolls.by_code:
            district = self._rolls.default_code
        call_id, result = None, None
        try:
            if kind == "signal":
                call_id = self._signal(batch, ref, source, district, received_us, _SIGNAL.decode(body))
            elif kind == "command":
                decided = await self._command(batch, input_id, district, _COMMAND.decode(body))
                call_id, result = decided.call, msgspec.json.encode(decided).decode()
            else:
                await self._report(batch, input_id, district, _REPORT.decode(body))
        except StoreUnavailable:
            raise  # the world's fault: the input is where it was, and is decided when the world is back
        except Exception:
            # A bug of ours must cost neither this press nor the ones behind it.
            self.faults += 1
            log.exception("decision_failed", input=input_id, kind=kind)
            call_id, result = self._fallback(batch, ref, source, district, received_us, kind, body)
        batch.marks.append({"b_id": input_id, "now_us": batch.now_us, "b_call": call_id, "b_result": result})

    def _fallback(
        self, batch: rows.Batch, ref: str, source: str, district: str, received_us: int, kind: str, body: str
    ) -> tuple[str | None, str | None]:
        """A decision failed: a press still becomes a call, for the desk; anything else is answered with our fault."""
        if kind != "signal":
            return None, msgspec.json.encode(
                Decided(500, code="our_fault", why="the decision failed; it is logged")
            ).decode()
        try:
            signal = _SIGNAL.decode(body)
            if signal.type not in CALLING:
                return None, None
            plain = SignalBody(type=SignalType.PRESS, key=signal.key)
            return self._signal(batch, ref, f"{source}#", district, received_us, plain), None
        except Exception:
            self.faults += 1
            log.exception("press_without_call", source=source, ref=ref)
            return None, None

    def _signal(
        self, batch: rows.Batch, ref: str, source: str, district: str, received_us: int, body: SignalBody
    ) -> str | None:
        found = self._rolls.device_by_source(source)
        roll = found[0] if found is not None else self._rolls[district]
        device = found[1] if found is not None else None
        heard = Heard(
            id=ref,
            source=source,
            type=body.type,
            received_us=received_us,
            key=body.key,
            at_us=body.at_us,
            age_seconds=body.age_seconds,
            device=device,
        )
        resident = roll.residents.get(device.resident) if device is not None and device.resident else None
        # A test is no call, not even the one that happens to be open.
        call = self._open_call(batch, roll, heard, resident) if body.type is not SignalType.TEST else None
        cause = Cause(kind="signal", id=ref, device=heard.device_id)
        draft = self._draft(batch, roll, call, cause)
        if (measured := rows.measured_place(body)) is not None and body.type in CALLING:
            # Of a further press too: she may be somewhere else by now, and whoever is asked next comes there.
            known = batch.page.place(draft.call_id) or Place()
            batch.page.places[draft.call_id] = replace(known, location=measured)
        world = self.sight.world(batch.page, batch.now_us, roll, draft.call_id, resident)
        in_test = roll is self._rolls.canary
        if device is not None and body.type is SignalType.PRESS and device.id in roll.test_until_us:
            # The first press ends test mode, and so does its time. One that joins an open call is real, and ends it too.
            until_us = roll.test_until_us.pop(device.id)
            batch.tests_ended.append((roll, device.id, until_us))
            in_test = call is None and received_us <= until_us
        decide_signal(heard, draft, world, in_test=in_test)
        self._take(batch, draft)
        return draft.call.id if draft.call is not None else None

    def _open_call(
        self, batch: rows.Batch, roll: Roll, heard: Heard, resident: Resident | None
    ) -> Call | None:
        keys = [key_of(heard)] if heard.type in CALLING else ["emergency", "service", "family"]
        if heard.key is not None and heard.type not in CALLING:
            keys = [heard.key]
        who = f"resident:{resident.id}" if resident is not None else f"source:{heard.source}"
        for key in keys:
            call = batch.page.for_whom((roll.district.code, who, str(key)))
            if call is not None:
                return call
        return None

    async def _command(self, batch: rows.Batch, input_id: str, district: str, body: CommandBody) -> Decided:
        command = body.command
        cause = Cause(kind="command", id=input_id, by=command.by)
        if isinstance(command, EndFault):
            return end_fault(batch, self._rolls[district], input_id, command, cause)
        if isinstance(command, OpenByHand):
            return self._open(batch, input_id, district, command, cause)
        call = batch.page.call(body.call or "") or await self._board.get(body.call or "")
        if call is None:
            return Decided(404, code="unknown_call", why="no such call")
        roll = self._rolls.find(call.district) or self._rolls.default
        draft = self._draft(batch, roll, call, cause)
        place = None if call.open else await self._board.place(call.id)
        if place is not None:
            batch.page.places[call.id] = place
        world = self.sight.world(
            batch.page, batch.now_us, roll, call.id, roll.residents.get(call.resident or "")
        )
        other = batch.page.for_whom(key) if (key := whose(call)) is not None else None
        if isinstance(command, FollowUp):
            refused = await follow_ups.decide(command, draft, batch, roll, self._store)
        else:
            other = other if other is not None and other.id != call.id else None
            refused = decide_command(command, draft, world, other_open=other)
        if refused is not None:
            return rows.refusal(refused, call.id)
        self._take(batch, draft)
        self._keep_text(batch, input_id, call.id, getattr(command, "text", ""))
        noted = (
            bool(draft.told)
            and draft.told[-1].entry.name == "call.noted"
            and command.__struct_config__.tag != "note"
        )
        return Decided(200, call=call.id, noted=noted)

    def _open(
        self, batch: rows.Batch, input_id: str, district: str, command: OpenByHand, cause: Cause
    ) -> Decided:
        roll = self._rolls[district]
        resident = roll.residents.get(command.resident) if command.resident is not None else None
        key: Whose = (district, f"resident:{command.resident}", command.key)
        call = batch.page.for_whom(key) if command.resident is not None else None
        draft = self._draft(batch, roll, call, cause)
        if call is None and command.place is not None:
            batch.page.places[draft.call_id] = command.place
        refused = open_by_hand(
            command, draft, self.sight.world(batch.page, batch.now_us, roll, draft.call_id, resident)
        )
        if refused is not None:
            return rows.refusal(refused, None)
        self._take(batch, draft)
        self._keep_text(batch, input_id, draft.call_id, command.text)
        return Decided(201 if call is None else 200, call=draft.call_id)

    async def _report(self, batch: rows.Batch, input_id: str, district: str, report: Report) -> None:
        roll, cause = self._rolls[district], Cause(kind="report", id=input_id)
        if not isinstance(report, Fates):
            draft = self._draft(batch, roll, None, cause)
            batch.reports.decide(report, draft, roll)
            self._take(batch, draft)
            return
        for fate in report.fates:
            call = None
            if fate.call is not None:
                call = batch.page.call(fate.call) or await self._board.get(fate.call)
            draft = self._draft(batch, roll, call, cause)
            if (fact := fate_of(fate)) is not None and (call is not None or fate.call is None):
                draft.add(fact) if call is not None else draft.aside(fact, device=None)
            self._take(batch, draft)

    def _decide_call(
        self, batch: rows.Batch, call_id: str, decide: Callable[[Draft, World], None], cause: Cause
    ) -> None:
        call = batch.page.call(call_id)
        if call is None or call.state is State.CLOSED:
            return
        roll = self._rolls.find(call.district) or self._rolls.default
        draft = self._draft(batch, roll, call, cause)
        try:
            decide(
                draft,
                self.sight.world(
                    batch.page, batch.now_us, roll, call_id, roll.residents.get(call.resident or "")
                ),
            )
        except Exception:
            self.faults += 1
            self._ill[call_id] = batch.now_us + ILL_SECONDS * 1_000_000
            log.exception("decision_failed", call=call_id, kind=cause.kind)
            return
        self._ill.pop(call_id, None)
        self._take(batch, draft)

    # ── what a decision needs, what it leaves ────────────────────────────────────────────────────────────────────

    def _draft(self, batch: rows.Batch, roll: Roll, call: Call | None, cause: Cause) -> Draft:
        district = call.district if call is not None else roll.district.code
        return Draft(
            district=district,
            call_id=call.id if call is not None else self._ids.new("c"),
            call=call,
            now_us=batch.now_us,
            next_seq=batch.heads.get(district, 0) + 1,
            cause=cause,
        )

    def _take(self, batch: rows.Batch, draft: Draft) -> None:
        batch.heads[draft.district] = draft.next_seq - 1
        batch.told += [(told.entry, told.call) for told in draft.told]
        follow_ups.taken(batch, draft, self._rolls.by_code.get(draft.district))
        if draft.call is not None and draft.moved:
            batch.page.put(draft.call)

    def _keep_text(self, batch: rows.Batch, input_id: str, call_id: str, text: str) -> None:
        if text:
            batch.texts.append({"id": input_id, "call": call_id, "body": text, "at_us": batch.now_us})

    def _sweep(self, now_us: int) -> list[str]:
        """Open offers to stations that can no longer come: looked for when the register changed and every minute."""
        stamp = (
            now_us // (SWEEP_SECONDS * 1_000_000),
            sum(roll.version for roll in self._rolls.by_code.values()),
        )
        if stamp == self._swept:
            return []
        self._swept = stamp
        return self.sight.cannot_come(self._rolls, now_us)

    # ── the commit ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _commit(self, batch: rows.Batch) -> dict[str, Place]:
        batch.news = outgoing.news_of_all(batch.told, self._rolls, self._ids, batch.now_us)
        batch.messages = alert_rows.rows_of_all(
            batch.told, self._rolls, self._ids, batch.now_us, sms=self.sight.sms
        )
        numbers = await self._store.write(
            [
                append(entry for entry, _ in batch.told),
                Do(rows.CALL, [rows.row_of(call) for call in batch.page.changed.values()]),
                Do(rows.CALL_STATION, rows.stations_asked(batch.told)),
                Do(rows.TEXT, batch.texts),
                Do(rows.PLACE, rows.new_places(batch)),
                outgoing.put(batch.news),
                alert_rows.put(batch.messages),
                alert_rows.withdraw(batch.told),
                *batch.reports.work,
                *follow_ups.work(batch),
                Do(rows.TEST_ENDED, [{"device": device} for _, device, _ in batch.tests_ended]),
                Do(rows.DECIDED, batch.marks),
            ]
        )
        return self._happened(batch, [row[0][0] for row in numbers[0]] if batch.news else [])

    def _happened(self, batch: rows.Batch, numbers: Sequence[int]) -> dict[str, Place]:
        """It is on disk: memory follows. `numbers` are those of the messages that are in our hands."""
        self._heads = batch.heads
        changed = batch.page.changed.values()
        shown = {call.id: place for call in changed if (place := batch.page.place(call.id)) is not None}
        batch.page.turn()
        batch.reports.turn()
        if numbers:
            self._outbox.handed(batch.news, numbers)
        return shown

    async def _settle(self, batch: rows.Batch) -> None:
        """Nobody could tell us whether this commit happened: the journal knows. Raises StoreUnavailable."""
        happened, numbers = await rows.look_up(self._store, batch)
        self._doubt = None
        log.warning("desk_settled", happened=happened)
        if not happened:
            return  # its inputs are pending still
        if self._clock.now_us() - batch.now_us > IN_HAND_SECONDS * 1_000_000:
            # Their lease is about to run out, and then they come by themselves; what is behind them must wait for that.
            self.on_left(batch.messages)
            numbers, batch.messages = [], []
        for roll, device, until_us in batch.tests_ended:
            if roll.test_until_us.get(device) == until_us:
                del roll.test_until_us[device]
        self._tell(batch, self._happened(batch, numbers))

    def _tell(self, batch: rows.Batch, shown: Mapping[str, Place]) -> None:
        events = self._feed.publish(batch.told, shown, batch.texts_now)
        if batch.messages:
            self.on_alerts(batch.messages, events)
        for mark in batch.marks:
            self._inbox.decided(mark["b_id"], mark["b_call"], mark["b_result"])
        for entry, call in batch.told:
            self.on_told(entry, call)
            log.debug("fact", fact=entry.name, call=entry.call, device=entry.device, seq=entry.seq)
