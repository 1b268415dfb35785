"""What was decided: past-tense facts, one gapless sequence per district. Only the desk appends; everybody else reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import func, insert, select

from config.doors import Ids
from dispatcher.core.call import AnyFact, Call, Cause, Entry
from dispatcher.core.fold import fold
from dispatcher.store import Do, Prepared, Row, Store
from dispatcher.tables import journal, meta

_APPEND = Prepared(insert(journal))
_FACT: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)
_CAUSE = msgspec.json.Decoder(Cause)
_COLUMNS = (
    journal.c.district,
    journal.c.seq,
    journal.c.at_us,
    journal.c.call,
    journal.c.device,
    journal.c.cause,
    journal.c.body,
)


def append(entries: Iterable[Entry]) -> Do:
    """The write that appends these entries; the primary key refuses a number that is taken."""
    encode = msgspec.json.encode
    return Do(
        _APPEND,
        [
            {
                "district": entry.district,
                "seq": entry.seq,
                "at_us": entry.at_us,
                "fact": entry.name,
                "call": entry.call,
                "device": entry.device,
                "cause": encode(entry.cause).decode(),
                "body": encode(entry.fact).decode(),
            }
            for entry in entries
        ],
    )


def entry_of(row: Row) -> Entry:
    """A row of the journal, read. Raises msgspec.ValidationError where it is damaged."""
    district, seq, at_us, call, device, cause, body = row
    return Entry(
        district=district,
        seq=seq,
        at_us=at_us,
        call=call,
        device=device,
        cause=_CAUSE.decode(cause),
        fact=_FACT.decode(body),
    )


class Journal:
    """Reading the journal. `id` names this very journal: a restored one is another, and readers must start again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.id = ""

    async def open(self, ids: Ids) -> Mapping[str, int]:
        """Learn the journal's id (giving it one at its first start) and each district's last number."""
        rows = await self._store.read(select(meta.c.value).where(meta.c.key == "journal"))
        if not rows:
            # Random as well as of the clock: a journal made anew in the same second is still another one.
            await self._store.write([Do(Prepared(insert(meta)), [{"key": "journal", "value": ids.new("j")}])])
            rows = await self._store.read(select(meta.c.value).where(meta.c.key == "journal"))
        self.id = str(rows[0][0])
        heads = await self._store.read(
            select(journal.c.district, func.max(journal.c.seq)).group_by(journal.c.district)
        )
        found = {str(district): int(seq) for district, seq in heads}
        # A number is given once, also when the entry that had it was let go since.
        for key, seq in await self._store.read(
            select(meta.c.key, meta.c.value).where(meta.c.key.like("pruned:%"))
        ):
            district = str(key).partition(":")[2]
            found[district] = max(int(seq), found.get(district, 0))
        return found

    async def after(self, district: str, seq: int, limit: int) -> list[Entry]:
        """The entries after this number, in order."""
        query = (
            select(*_COLUMNS)
            .where(journal.c.district == district, journal.c.seq > seq)
            .order_by(journal.c.seq)
            .limit(limit)
        )
        return [entry_of(row) for row in await self._store.read(query)]

    async def head(self, district: str) -> int:
        """The last number of the district, as committed; 0 before the first."""
        rows = await self._store.read(select(func.max(journal.c.seq)).where(journal.c.district == district))
        return int(rows[0][0] or 0)

    async def of_call(self, call_id: str) -> list[Entry]:
        """Everything that happened to one call."""
        query = select(*_COLUMNS).where(journal.c.call == call_id).order_by(journal.c.seq)
        return [entry_of(row) for row in await self._store.read(query)]

    async def states_before(self, district: str, calls: Sequence[str], seq: int) -> dict[str, Call]:
        """These calls as they stood right before this number of the journal."""
        states: dict[str, Call] = {}
        for start in range(0, len(calls), 200):
            query = (
                select(*_COLUMNS)
                .where(
                    journal.c.call.in_(list(calls[start : start + 200])),
                    journal.c.district == district,
                    journal.c.seq < seq,
                )
                .order_by(journal.c.seq)
            )
            for row in await self._store.read(query):
                entry = entry_of(row)
                if entry.call is not None:
                    states[entry.call] = fold(states.get(entry.call), entry)
        return states


def told_after(entries: Iterable[Entry], states: dict[str, Call]) -> list[tuple[Entry, Call | None]]:
    """Each entry with its call right after it; `states` is carried along."""
    told: list[tuple[Entry, Call | None]] = []
    for entry in entries:
        call = None
        if entry.call is not None:
            call = states[entry.call] = fold(states.get(entry.call), entry)
        told.append((entry, call))
    return told


def position(journal_id: str, district: str, seq: int) -> str:
    """The opaque position of an event: good in this journal and district only."""
    return f"{journal_id}.{district}.{seq}"


def parse_position(text: str) -> tuple[str, str, int] | None:
    """(journal id, district, seq), or None where it is no position."""
    journal_id, _, rest = text.partition(".")
    district, _, number = rest.rpartition(".")
    if not journal_id or not district or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    return journal_id, district, int(number)


__all__ = ["Journal", "append", "entry_of", "parse_position", "position", "told_after"]
