"""Who looked at whose record, and who changed what: a row each, ids only.

    audit.note(entry)          a look: written within a second, off everybody's way
    await audit.keep(entry)    a change, an export, something unmasked: on disk before it is answered

Calls are not in here: their journal says who did what. What cannot be written waits, at most so many; what is dropped
then is counted and told, never silent. A process that is killed loses the looks of its last second, and no change.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import bindparam, insert

from config.doors import Clock
from dispatcher.console.endpoint import Act, Ask, Endpoint
from dispatcher.core.call import Call
from dispatcher.store import Do, Prepared, Store, StoreUnavailable
from dispatcher.tables import audit as table

log = structlog.get_logger("audit")

#: Who it was where somebody works on the database itself.
AT_COMMAND_LINE = "cli"
WAITING_MAX = 10_000
_BATCH = 200
_EVERY_SECONDS = 1.0
#: A list that the same person asks for again within so long is the same look.
_AGAIN_US = 600_000_000
_LISTS_MAX = 4096
#: Who was shown which call whole: beyond so many the oldest is forgotten, and would be written once more.
_IN_HAND_MAX = 20_000

DROPPED = Counter(
    "yijian_audit_dropped_total", "Looks that are not in the audit log: it could not be written"
)
WAITING = Gauge("yijian_audit_waiting", "Entries of the audit log that are not written yet")

_PUT = Prepared(
    insert(table).values(
        {column.name: bindparam(f"n_{column.name}") for column in table.c if column.name != "seq"}
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `what`: which kind of thing; `id`: which one; `district` empty: the installation's."""

    at_us: int
    by: str
    act: Act
    what: str
    id: str = ""
    district: str = ""
    area: str = ""
    why: str = ""


def about(call: Call) -> tuple[str, str]:
    """Whose numbers a call shows: the resident's; where there is none, those of whoever telephoned for it."""
    return ("residents", call.resident) if call.resident else ("calls", call.id)


def written(*entries: Entry) -> Do:
    """The entries as work, to be written in the same transaction as what they tell of."""
    return Do(
        _PUT,
        [
            {
                "n_at_us": entry.at_us,
                "n_by": entry.by,
                "n_act": entry.act.value,
                "n_what": entry.what,
                "n_id": entry.id,
                "n_district": entry.district,
                "n_area": entry.area,
                "n_why": entry.why,
            }
            for entry in entries
        ],
    )


async def told(store: Store, clock: Clock, act: Act, what: str, one: str = "", district: str = "") -> None:
    """What was done at the command line. Raises StoreUnavailable."""
    entry = Entry(at_us=clock.now_us(), by=AT_COMMAND_LINE, act=act, what=what, id=one, district=district)
    await store.write([written(entry)])


class Audit:
    """The log of one process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[Entry] = deque()
        self._lists: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._in_hand: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._dropped = 0

    def note(self, entry: Entry) -> None:
        """To be written soon."""
        if entry.act is Act.LIST and self._asked_again(entry):
            return
        if len(self._waiting) >= WAITING_MAX:
            self._dropped += 1
            DROPPED.inc()
            return
        self._waiting.append(entry)
        WAITING.set(len(self._waiting))

    def in_hand(self, ask: Ask, call: Call) -> None:
        """Somebody who has this call in hand is shown its numbers: written once for each of them and call."""
        key = (ask.access.by, call.id)
        if key in self._in_hand:
            return
        self._in_hand[key] = None
        if len(self._in_hand) > _IN_HAND_MAX:
            self._in_hand.popitem(last=False)
        what, one = about(call)
        self.note(
            Entry(
                at_us=ask.now_us,
                by=ask.access.by,
                act=Act.UNMASK,
                what=what,
                id=one,
                district=call.district,
                area=call.area,
                why=call.id,
            )
        )

    async def keep(self, entry: Entry) -> None:
        """On disk now; where the database is away, as soon as it is back: what it tells of has happened."""
        try:
            await self._store.write([written(entry)])
        except StoreUnavailable:
            self.note(entry)

    async def run(self, stop: asyncio.Event) -> None:
        """Write what waits, until we stop and the last of it is written."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await stop.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; what cannot be written waits on."""
        while self._waiting:
            batch = [self._waiting[place] for place in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._store.write([written(*batch)])
            except StoreUnavailable as error:
                log.warning("audit_waits", entries=len(self._waiting), error=type(error).__name__)
                break
            for _ in batch:
                self._waiting.popleft()
        WAITING.set(len(self._waiting))
        if self._dropped:
            log.error("audit_dropped", entries=self._dropped)
            self._dropped = 0

    def _asked_again(self, entry: Entry) -> bool:
        key = (entry.by, entry.what, entry.id, entry.district, entry.area)
        last_us = self._lists.get(key)
        if last_us is not None and 0 <= entry.at_us - last_us < _AGAIN_US:
            return True
        self._lists[key] = entry.at_us
        self._lists.move_to_end(key)
        if len(self._lists) > _LISTS_MAX:
            self._lists.popitem(last=False)
        return False


# ── what an endpoint's answer tells ───────────────────────────────────────────────────────────────────────────────────

#: Looks may be written a moment later; everything else is on disk before it is answered.
SOON = frozenset({Act.LOOK, Act.LIST, Act.LISTEN, Act.REFUSED})


def what_of(endpoint: Endpoint) -> str:
    """`residents`, `residents/routing`, `staff/duty`: the address without ids."""
    parts = [part for part in endpoint.path.split("/") if part and not part.startswith("{")]
    return "/".join(parts[:1] if endpoint.audit is Act.ERASE else parts)


def entry_of(endpoint: Endpoint, ask: Ask, act: Act) -> Entry:
    """The line for this request."""
    one = next(iter(ask.path.values()), "")
    district, area = ask.where or ("", "")
    if ask.where is None and not one:
        district, area = ask.roll().district.code, ask.query.get("area", "")
    resident = ask.query.get("resident", "")
    home = ask.scope.rolls.roll_of("residents", resident) if resident else None
    if home is None or home.district.code != district:
        resident = ""  # asked for, and not there: a district's log names nobody of another
    what, one = ask.of or (what_of(endpoint), one)
    return Entry(
        at_us=ask.now_us,
        by=ask.access.by,
        act=act,
        what=what,
        id=one or resident or ask.about or ask.query.get("section", ""),
        district=district,
        area=area,
        why=ask.why,
    )
