"""Takes a person out: the register's row, and everything about them that stands outside the journal.

    await erasure.erase("residents", "r-17", by="admin")   ->  {"calls": 3, "texts": 5, "places": 1, …}

The journal is untouched: it names people by ids only, and still folds to the same calls. What was written about their
calls becomes `[erased]`, where they were and what was measured is gone, and `secure_delete` sees to it that nothing of
it is left in free pages. Backups that were made before still hold them.

In short, the rule is: everything else first and the register last, so that whoever was interrupted only asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import bindparam, delete, or_, select, update

from config.doors import Clock
from dispatcher import register_history as history
from dispatcher.board import call_of
from dispatcher.core.call import Call
from dispatcher.core.commands import OpenByHand
from dispatcher.inbox import CommandBody, SignalBody
from dispatcher.register import InUse, Register
from dispatcher.store import Do, Prepared, Row, SqliteStore, Store, insert
from dispatcher.tables import audit, calls, handovers, inbox, meta, places, replies, texts, tokens

log = structlog.get_logger("erase")

#: What stands where something was written.
ERASED = "[erased]"
#: Rows looked at in one go, and written in one transaction: presses come in between.
PAGE = 500
PAUSE_SECONDS = 0.005

_TEXTS = Prepared(
    update(texts)
    .where(texts.c.call == bindparam("of"), texts.c.body != ERASED)
    .values(body=ERASED)
    .returning(texts.c.id)
)
#: Why somebody asked to see their numbers may say more about them than that.
_REASONS = Prepared(
    update(audit)
    .where(audit.c.what == bindparam("section"), audit.c.id == bindparam("of"), audit.c.why != "")
    .values(why=ERASED)
)
_PLACES = Prepared(delete(places).where(places.c.call == bindparam("of")).returning(places.c.call))
_INPUT = Prepared(update(inbox).where(inbox.c.seq == bindparam("of")).values(body=bindparam("new_body")))
_REPLY = Prepared(
    delete(replies).where(replies.c.token == bindparam("of"), replies.c.key == bindparam("named"))
)
_TOKENS = Prepared(
    update(tokens)
    .where(tokens.c.staff == bindparam("of"), tokens.c.revoked_us.is_(None))
    .values(revoked_us=bindparam("now_us"))
    .returning(tokens.c.id)
)
_mark = insert(meta).values(key=bindparam("key"), value=bindparam("value"))
_MARK = Prepared(_mark.on_conflict_do_update(index_elements=["key"], set_={"value": _mark.excluded.value}))

_SIGNAL = msgspec.json.Decoder(SignalBody)
_COMMAND = msgspec.json.Decoder(CommandBody)


Forget = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """A database that forgets by itself."""


def forgetting(store: Store) -> Forget:
    """How this database lets go of what was written over; PostgreSQL does so by itself, when it tidies up (VACUUM)."""
    return store.forget if isinstance(store, SqliteStore) else nothing


class Erasure:
    """`forget`: lets the database let go of what it wrote over; `on_erased`: what is kept in memory is to be made anew."""

    def __init__(
        self,
        store: Store,
        register: Register,
        clock: Clock,
        forget: Forget = nothing,
        on_erased: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._register = register
        self._clock = clock
        self._forget = forget
        self._on_erased = on_erased

    async def erase(self, section: str, person_id: str, by: str) -> dict[str, int] | None:
        """Erase one of the `residents` or the `staff`; how many of each were erased, None where nobody has that id.

        Raises InUse while a call of theirs is open, StoreUnavailable (ask again).
        """
        roll = self._register.rolls.roll_of(section, person_id)
        theirs = await self._calls(person_id) if section == "residents" else []
        if roll is None and not theirs and not await history.of_person(self._store, section, person_id):
            return None
        await self._refuse_open(section, person_id)
        counts = {"calls": len(theirs)}
        sources: set[str] = set()
        if roll is not None and section == "residents":
            sources = {device.source for device in roll.devices.values() if device.resident == person_id}
        counts |= await self._written(theirs)
        counts["texts"] += await self._handed_over(section, person_id)
        counts["inputs"] = await self._inputs(frozenset(theirs), sources, person_id)
        counts["replies"] = await self._replies(person_id)
        if section == "staff":
            row = {"of": person_id, "now_us": self._clock.now_us()}
            [[revoked]] = await self._store.write([Do(_TOKENS, [row], fetch=True)])
            counts["tokens"] = len(revoked)
        devices = await self._register_row(section, person_id, by)
        counts["devices"] = len(devices)
        # After the register, whose last change has what they and their devices were called.
        about = {*await history.of_person(self._store, section, person_id)}
        about |= {("devices", device) for device in devices}
        counts["history"] = await history.forget(self._store, sorted(about))
        await self._store.write([Do(_REASONS, [{"section": section, "of": person_id}])])
        value = f"{self._clock.now_us()} {by}"
        await self._store.write([Do(_MARK, [{"key": f"erased:{section}:{person_id}", "value": value}])])
        self._on_erased()
        await self._forget()
        log.info("erased", section=section, id=person_id, by=by, **counts)
        return counts

    async def _calls(self, resident: str) -> list[str]:
        rows = await self._store.read(select(calls.c.id).where(calls.c.resident == resident))
        return [str(row[0]) for row in rows]

    async def _refuse_open(self, section: str, person_id: str) -> None:
        for (body,) in await self._store.read(select(calls.c.body).where(calls.c.due_us.is_not(None))):
            call = call_of(body)
            if _concerns(call, section, person_id):
                raise InUse(call.id)

    async def _written(self, theirs: Sequence[str]) -> Mapping[str, int]:
        counts = {"texts": 0, "places": 0}
        for start in range(0, len(theirs), PAGE):
            rows = [{"of": call} for call in theirs[start : start + PAGE]]
            emptied, gone = await self._store.write(
                [Do(_TEXTS, rows, fetch=True), Do(_PLACES, rows, fetch=True)]
            )
            counts["texts"] += sum(map(len, emptied))
            counts["places"] += sum(map(len, gone))
            await asyncio.sleep(PAUSE_SECONDS)
        return counts

    async def _handed_over(self, section: str, person_id: str) -> int:
        """Notes of hand-overs that name them, or that went with a sheet on which they were. How many."""
        roll = self._register.rolls.roll_of(section, person_id)
        name = getattr(roll, section)[person_id].name if roll is not None else ""
        quoted = msgspec.json.encode(person_id).decode()
        found = [handovers.c.body.contains(quoted, autoescape=True)] if section == "residents" else []
        if name:
            found.append(texts.c.body.contains(name, autoescape=True))
        if not found:
            return 0
        query = select(handovers.c.id).join(texts, texts.c.call == handovers.c.id).where(or_(*found))
        rows = [{"of": row[0]} for row in await self._store.read(query.where(handovers.c.act == "given"))]
        emptied = await self._store.write([Do(_TEXTS, rows, fetch=True)]) if rows else []
        return sum(len(texts_of_one) for one in emptied for texts_of_one in one)

    async def _inputs(self, theirs: frozenset[str], sources: set[str], person_id: str) -> int:
        """What was asked about them in the last days: where a device was, what was typed."""
        last = emptied = 0
        while True:
            query = (
                select(inbox.c.seq, inbox.c.kind, inbox.c.source, inbox.c.call, inbox.c.body)
                .where(
                    inbox.c.seq > last,
                    inbox.c.decided_us.is_not(None),
                    inbox.c.kind.in_(("signal", "command")),
                )
                .order_by(inbox.c.seq)
                .limit(PAGE)
            )
            rows = await self._store.read(query)
            if not rows:
                return emptied
            last = int(rows[-1][0])
            changes = [
                {"of": row[0], "new_body": body}
                for row in rows
                if (body := _emptied(row, theirs, sources, person_id)) is not None
            ]
            if changes:
                await self._store.write([Do(_INPUT, changes)])
                emptied += len(changes)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _replies(self, person_id: str) -> int:
        """Answers that are kept for a day by their Idempotency-Key."""
        quoted = msgspec.json.encode(person_id).decode()
        query = select(replies.c.token, replies.c.key).where(replies.c.body.contains(quoted, autoescape=True))
        rows = await self._store.read(query)
        await self._store.write([Do(_REPLY, [{"of": token, "named": key} for token, key in rows])])
        return len(rows)

    async def _register_row(self, section: str, person_id: str, by: str) -> list[str]:
        """The register's row goes, and what their devices are called, which may be a name. The ids of those devices."""
        roll = self._register.rolls.roll_of(section, person_id)
        if roll is None:
            return []
        district = roll.district.code
        devices = [
            device
            for device in roll.devices.values()
            if section == "residents" and device.resident == person_id
        ]
        for device in devices:
            if device.name:
                await self._register.put("devices", replace(device, name=""), district, by=by)
        await self._register.delete(section, person_id, district, by=by)
        return [device.id for device in devices]


def _concerns(call: Call, section: str, person_id: str) -> bool:
    if section == "residents":
        return call.resident == person_id
    if call.accepted is not None and call.accepted.by == person_id:
        return True
    return any(offer.person and offer.to == person_id and offer.state == "offered" for offer in call.offers)


def _emptied(row: Row, theirs: frozenset[str], sources: set[str], person_id: str) -> str | None:
    """The input's body without what is personal; None where it has none, or is not theirs."""
    _seq, kind, source, call, body = row
    emptied: Any
    if kind == "signal":
        if call not in theirs and source not in sources:
            return None
        signal = _SIGNAL.decode(body)
        if not signal.details:
            return None
        emptied = replace(signal, details={})
    else:
        command = _COMMAND.decode(body)
        asked = command.command
        by_hand = asked if isinstance(asked, OpenByHand) else None
        about = by_hand is not None and by_hand.resident == person_id
        if not ({call, command.call} & theirs or about):
            return None
        changes: dict[str, Any] = {}
        if getattr(asked, "text", "") not in ("", ERASED):
            changes["text"] = ERASED
        if by_hand is not None and by_hand.place is not None:
            changes["place"] = None
        if not changes:
            return None
        emptied = replace(command, command=replace(asked, **changes))
    return msgspec.json.encode(emptied).decode()


async def erased_since(store: Store, moment_us: int) -> list[tuple[str, str]]:
    """Who was erased after that moment: (section, id)."""
    rows = await store.read(select(meta.c.key, meta.c.value).where(meta.c.key.like("erased:%")))
    found: list[tuple[str, str]] = []
    for key, value in rows:
        _, section, person_id = str(key).split(":", 2)
        if int(str(value).partition(" ")[0]) > moment_us:
            found.append((section, person_id))
    return sorted(found)


__all__ = ["ERASED", "Erasure", "Forget", "erased_since", "forgetting", "nothing"]
