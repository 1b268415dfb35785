"""The dispatcher's rooms, put together on an open database: the same ones in production and in the simulated world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.doors import Clock, ClockIds, Ids, SystemClock
from config.settings import Settings
from dispatcher.board import Board
from dispatcher.desk import Desk
from dispatcher.feed import Feed
from dispatcher.housekeeping import pruned
from dispatcher.inbox import Inbox
from dispatcher.journal import Journal
from dispatcher.ledger import Ledger
from dispatcher.outbox import Outbox
from dispatcher.register import Register
from dispatcher.store import Store
from yijian.database import opened


@dataclass(slots=True)
class House:
    """The rooms of the dispatcher, built and connected, on an open database."""

    store: Store
    clock: Clock
    ids: Ids
    register: Register
    journal: Journal
    ledger: Ledger
    board: Board
    feed: Feed
    inbox: Inbox
    outbox: Outbox
    desk: Desk


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    """The dispatcher's rooms, with everything read that they need to decide."""
    async with opened(settings, desk=True) as store:
        clock = SystemClock()
        yield await furnish(store, clock, ClockIds(clock))


async def furnish(store: Store, clock: Clock, ids: Ids) -> House:
    """The same on a database that is open. Raises StoreUnavailable."""
    ledger = Ledger()
    register = Register(
        store, clock, needed_by=lambda kind, item_id: needed_by(ledger, register, kind, item_id)
    )
    await register.load()
    journal = Journal(store)
    heads = await journal.open(ids)
    board = Board(store, ledger, journal, register.rolls)
    feed = Feed(journal, board, register.rolls)
    feed.start(heads)
    feed.archived(await pruned(store))
    inbox = Inbox(store, register.rolls, clock, ids)
    outbox = Outbox(store, clock)
    desk = Desk(store, register.rolls, ledger, inbox, board, feed, outbox, clock, ids)
    await desk.open(heads)
    await outbox.open()
    return House(store, clock, ids, register, journal, ledger, board, feed, inbox, outbox, desk)


def needed_by(ledger: Ledger, register: Register, kind: str, item_id: str) -> str | None:
    """The open call that needs this item of the register; None where none does."""
    stations = set(ledger.load(item_id)) if kind == "stations" else set()
    if stations:
        return min(stations)
    for call in ledger.open.values():
        if kind == "residents" and call.resident == item_id:
            return call.id
        if kind == "devices" and call.device == item_id:
            return call.id
        if kind == "areas" and item_id in (
            register.rolls.find(call.district) or register.rolls.default
        ).lineage(call.area):
            return call.id
        if kind == "staff" and call.accepted is not None and call.accepted.by == item_id:
            return call.id
    return None
