"""`yijian db verify`: folds the journal again and compares it with the tables, and checks the promises on what is stored.

Every difference is one line that names what differs and which promise (contract, section 8) it breaks. It reads only,
page by page, so that a large journal does not fill the memory: calls that have ended are compared and let go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import msgspec
from sqlalchemy import func, select

from devices.signal import CALLING
from dispatcher.board import call_of
from dispatcher.core.call import (
    Accepted,
    Call,
    Closed,
    Dispatched,
    Entry,
    Escalated,
    OfferState,
    Opened,
    Outcome,
    State,
)
from dispatcher.core.fold import fold
from dispatcher.core.states import Impossible
from dispatcher.housekeeping import pruned
from dispatcher.inbox import SignalBody
from dispatcher.journal import entry_of
from dispatcher.ledger import whose
from dispatcher.store import Row, Store
from dispatcher.tables import calls, inbox, journal

PAGE = 2000


async def verify(store: Store) -> AsyncIterator[str]:
    """Every difference, a line each; none: all is well. Raises StoreUnavailable."""
    states: dict[str, Call] = {}
    async for line in _fold_again(store, states):
        yield line
    async for line in _compare(store, states):
        yield line
    async for line in _inputs(store):
        yield line


async def _fold_again(store: Store, states: dict[str, Call]) -> AsyncIterator[str]:
    expected: Counter[str] = Counter()
    steps: Counter[tuple[str, int, int, int]] = Counter()
    reopened: Counter[str] = Counter()
    last: tuple[str, int] = ("", 0)
    gaps = await pruned(store)
    while True:
        query = (
            select(
                journal.c.district,
                journal.c.seq,
                journal.c.at_us,
                journal.c.call,
                journal.c.device,
                journal.c.cause,
                journal.c.body,
            )
            .where(
                (journal.c.district > last[0]) | ((journal.c.district == last[0]) & (journal.c.seq > last[1]))
            )
            .order_by(journal.c.district, journal.c.seq)
            .limit(PAGE)
        )
        rows = await store.read(query)
        if not rows:
            return
        for row in rows:
            district, seq = str(row[0]), int(row[1])
            expected[district] += 1
            if seq != expected[district] and seq - 1 > gaps.get(district, 0):
                yield f"journal {district}: number {seq} follows {expected[district] - 1}: entries are missing"
            expected[district] = seq
            try:
                entry = entry_of(row)
                before = states.get(entry.call or "")
                if entry.call is not None:
                    states[entry.call] = fold(before, entry)
            except (msgspec.DecodeError, Impossible) as error:
                yield f"journal {district} {seq}: {error}"
                continue
            for line in _entry(entry, before, steps, reopened):
                yield line
        last = (str(rows[-1][0]), int(rows[-1][1]))


def _entry(
    entry: Entry, before: Call | None, steps: Counter[tuple[str, int, int, int]], reopened: Counter[str]
) -> list[str]:
    fact, call = entry.fact, entry.call or ""
    found: list[str] = []
    if isinstance(fact, Opened) and before is not None:
        found.append(f"call {call}: opened twice (promise 2)")
    if isinstance(fact, Escalated):
        # Each step once a life, each repeat once a round: a round ends with an accept.
        steps[(call, fact.step, fact.repeat, reopened[call])] += 1
        if steps[(call, fact.step, fact.repeat, reopened[call])] > 1:
            found.append(f"call {call}: step {fact.step} repeat {fact.repeat} taken twice (promise 3)")
    if entry.name in ("call.accepted", "call.reopened", "call.lapsed"):
        reopened[call] += 1
    if isinstance(fact, Accepted) and before is not None and before.accepted is not None:
        offer = before.offer_to(fact.station)
        if offer is None or offer.state is not OfferState.OFFERED:
            found.append(f"call {call}: accepted while held (promise 4)")
    if (
        isinstance(fact, Dispatched)
        and before is not None
        and before.state is not State.RECEIVED
        and fact.next_us is not None
    ):
        found.append(f"call {call}: a step after the accept, number {entry.seq} (promise 4)")
    if isinstance(fact, Closed) and before is not None and before.key == "emergency" and not before.test:
        if fact.evidence is None:
            found.append(f"call {call}: an emergency closed without evidence (promise 5)")
        if entry.cause.kind != "command":
            found.append(f"call {call}: an emergency closed by a {entry.cause.kind} (promise 5)")
        if fact.outcome is Outcome.NO_CONTACT and fact.evidence != "on_site":
            found.append(f"call {call}: closed as no_contact without on_site (promise 5)")
    return found


async def _compare(store: Store, states: dict[str, Call]) -> AsyncIterator[str]:
    seen: set[str] = set()
    open_of: dict[tuple[str, str, str], str] = {}
    last = ""
    while True:
        query = (
            select(calls.c.id, calls.c.body, calls.c.state, calls.c.due_us, calls.c.seq)
            .where(calls.c.id > last)
            .order_by(calls.c.id)
            .limit(PAGE)
        )
        rows = await store.read(query)
        if not rows:
            break
        for row in rows:
            last = str(row[0])
            seen.add(last)
            for line in _call(row, states.get(last), open_of):
                yield line
    for call_id in states.keys() - seen:
        yield f"call {call_id}: in the journal, not in the table"


def _call(row: Row, folded: Call | None, open_of: dict[tuple[str, str, str], str]) -> list[str]:
    call_id, body, state, due_us, seq = row
    try:
        kept = call_of(body)
    except msgspec.DecodeError as error:
        return [f"call {call_id}: its row cannot be read: {error}"]
    if folded is None:
        return [f"call {call_id}: in the table, not in the journal"]
    found = [
        f"call {call_id}: {name} is {getattr(kept, name)!r} in the table, {getattr(folded, name)!r} by the journal"
        for name in Call.__struct_fields__
        if getattr(kept, name) != getattr(folded, name)
    ]
    due = folded.due
    if (state, due_us, seq) != (folded.state, due[1] if due is not None else None, folded.seq):
        found.append(
            f"call {call_id}: its columns (state {state}, due {due_us}, seq {seq}) differ from the journal"
        )
    if folded.open and due is None:
        found.append(f"call {call_id}: open, and nothing due (promise 3)")
    if folded.open and folded.accepted is None and "step" not in folded.deadlines:
        found.append(f"call {call_id}: nobody holds it and no next step is set (promise 3)")
    key = whose(folded)
    if folded.open and key is not None:
        if key in open_of:
            found.append(f"call {call_id}: {open_of[key]} is open for the same person and key (promise 2)")
        open_of[key] = call_id
    return found


async def _inputs(store: Store) -> AsyncIterator[str]:
    """Every decided press is in a call that exists."""
    decoder = msgspec.json.Decoder(SignalBody)
    gaps = await pruned(store)  # calls that were let go leave their inputs behind for 30 days
    last = 0
    while True:
        query = (
            select(inbox.c.seq, inbox.c.id, inbox.c.call, inbox.c.body, calls.c.id)
            .select_from(inbox.outerjoin(calls, calls.c.id == inbox.c.call))
            .where(inbox.c.seq > last, inbox.c.kind == "signal", inbox.c.decided_us.is_not(None))
            .order_by(inbox.c.seq)
            .limit(PAGE)
        )
        rows = await store.read(query)
        if not rows:
            return
        for seq, input_id, call_id, body, found in rows:
            last = int(seq)
            if decoder.decode(body).type not in CALLING:
                continue
            if call_id is None:
                yield f"signal {input_id}: a press in no call (promise 2)"
            elif found is None and not gaps:
                yield f"signal {input_id}: in call {call_id}, which does not exist (promise 2)"


async def counted(store: Store) -> str:
    """One line on what was looked at."""
    entries = (await store.read(select(func.count()).select_from(journal)))[0][0]
    known = (await store.read(select(func.count()).select_from(calls)))[0][0]
    pending = (await store.read(select(func.count()).select_from(inbox).where(inbox.c.decided_us.is_(None))))[
        0
    ][0]
    return f"{entries} entries, {known} calls, {pending} inputs pending"
