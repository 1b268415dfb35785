"""The board: calls to look at, open and past. It reads the ledger for what is open and the tables for the rest."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, or_, select

from dispatcher.core.call import Call
from dispatcher.core.commands import Place
from dispatcher.core.roll import Roll, Rolls
from dispatcher.journal import Journal
from dispatcher.ledger import Ledger
from dispatcher.store import Store
from dispatcher.tables import call_stations, calls, places, texts
from dispatcher.view import text_ids, view_call, view_entry

_CALL = msgspec.json.Decoder(Call)
_PLACE = msgspec.json.Decoder(Place)
# Asked for each step of a person: made once.
_BODY = select(calls.c.body).where(calls.c.id == bindparam("b_call"))
_PLACE_OF = select(places.c.body).where(places.c.call == bindparam("b_call"))
_TEXT = select(texts.c.id, texts.c.body).where(texts.c.id == bindparam("b_text"))


def call_of(body: str) -> Call:
    """A call as its row keeps it."""
    return _CALL.decode(body)


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What to list; None = no matter. `state` may be `open`; `area_codes` are areas with all below them.

    `past_codes`: what is over is wanted of these areas only, what is open of all.
    """

    district: str
    state: str | None = None
    key: str | None = None
    station: str | None = None
    area_codes: Sequence[str] | None = None
    resident: str | None = None
    device: str | None = None
    test: bool | None = None
    since_us: int | None = None
    until_us: int | None = None
    past_codes: Sequence[str] | None = None


async def texts_of(store: Store, wanted: set[str]) -> dict[str, str]:
    """What people wrote, by id. Raises StoreUnavailable."""
    if not wanted:
        return {}
    if len(wanted) == 1:
        rows = await store.read(_TEXT, {"b_text": next(iter(wanted))})
    else:
        rows = await store.read(select(texts.c.id, texts.c.body).where(texts.c.id.in_(sorted(wanted))))
    return {str(text_id): str(body) for text_id, body in rows}


class Board:
    """Calls, as committed."""

    def __init__(self, store: Store, ledger: Ledger, journal: Journal, rolls: Rolls) -> None:
        self._store = store
        self._ledger = ledger
        self._journal = journal
        self._rolls = rolls

    async def get(self, call_id: str) -> Call | None:
        """One call, open or past."""
        call = self._ledger.open.get(call_id)
        if call is not None:
            return call
        rows = await self._store.read(_BODY, {"b_call": call_id})
        return call_of(rows[0][0]) if rows else None

    async def page(self, wanted: CallFilter, cursor: str | None, limit: int) -> tuple[list[Call], str | None]:
        """The newest first; the cursor goes on below where the last page ended, whatever arrives above meanwhile.

        Raises ValueError on a cursor that is none.
        """
        query = select(calls.c.body, calls.c.opened_us, calls.c.id).where(calls.c.district == wanted.district)
        if wanted.state == "open":
            query = query.where(calls.c.due_us.is_not(None))
        elif wanted.state is not None:
            query = query.where(calls.c.state == wanted.state)
        for column, value in (
            (calls.c.key, wanted.key),
            (calls.c.resident, wanted.resident),
            (calls.c.device, wanted.device),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.test is not None:
            query = query.where(calls.c.test == int(wanted.test))
        if wanted.since_us is not None:
            query = query.where(calls.c.opened_us >= wanted.since_us)
        if wanted.until_us is not None:
            query = query.where(calls.c.opened_us < wanted.until_us)
        if wanted.area_codes is not None:
            query = query.where(calls.c.area.in_(list(wanted.area_codes)))
        if wanted.past_codes is not None:
            query = query.where(or_(calls.c.due_us.is_not(None), calls.c.area.in_(list(wanted.past_codes))))
        if wanted.station is not None:
            carried = select(call_stations.c.call).where(call_stations.c.station == wanted.station)
            query = query.where(calls.c.id.in_(carried))
        if cursor is not None:
            opened_us, call_id = _cursor(cursor)
            query = query.where(
                or_(calls.c.opened_us < opened_us, and_(calls.c.opened_us == opened_us, calls.c.id < call_id))
            )
        query = query.order_by(calls.c.opened_us.desc(), calls.c.id.desc()).limit(limit + 1)
        rows = await self._store.read(query)
        items = [call_of(row[0]) for row in rows[:limit]]
        more = None
        if len(rows) > limit:
            _, opened_us, call_id = rows[limit - 1]
            more = _cursor_at(opened_us, call_id)
        return items, more

    def held_by(self, district: str, station: str) -> int:
        """How many open calls, tests apart, are in that station's hands: from memory, however many are open."""
        carried = (self._ledger.open[call_id] for call_id in self._ledger.load(station))
        return sum(
            call.accepted is not None
            and call.accepted.station == station
            and call.district == district
            and not call.test
            for call in carried
        )

    def cursor_after(self, call: Call) -> str:
        """Where a list goes on after this call."""
        return _cursor_at(call.opened_us, call.id)

    def cursor_near(self, call: Call) -> str:
        """Where a list goes on about there, without saying which call it was: at the full second above it."""
        return _cursor_at((call.opened_us // 1_000_000 + 1) * 1_000_000, "")

    async def view(self, call: Call) -> dict[str, Any]:
        """The call as the contract shows it."""
        return view_call(call, self._roll(call), await self.place(call.id), await self.texts(text_ids(call)))

    async def history(self, call_id: str) -> list[dict[str, Any]]:
        """Everything that happened to a call, in order."""
        entries = await self._journal.of_call(call_id)
        wanted: set[str] = set()
        for entry in entries:
            wanted |= text_ids(None, entry)
        found = await self.texts(wanted)
        return [view_entry(entry, found) for entry in entries]

    async def place(self, call_id: str) -> Place | None:
        """Where a call is, when the register does not say."""
        known = self._ledger.places.get(call_id)
        if known is not None or call_id in self._ledger.open:
            return known
        rows = await self._store.read(_PLACE_OF, {"b_call": call_id})
        return _PLACE.decode(rows[0][0]) if rows else None

    async def texts(self, wanted: set[str]) -> dict[str, str]:
        """What people wrote, by id."""
        return await texts_of(self._store, wanted)

    def _roll(self, call: Call) -> Roll | None:
        return self._rolls.find(call.district)


def _cursor_at(opened_us: int, call_id: str) -> str:
    return base64.urlsafe_b64encode(f"{opened_us}.{call_id}".encode()).decode().rstrip("=")


def _cursor(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        opened_us, _, call_id = text.partition(".")
        return int(opened_us), call_id
    except (ValueError, UnicodeError) as error:
        raise ValueError("no such cursor") from error
