"""What goes out: rows written in the desk's own transaction, claimed with a lease on the row, gone once carried.

Today what the wearer is told; SMS and webhooks will stand in the same rows. A claim moves `due_us` on, so that a
process that dies with a message in its hands gives it back by itself, and nobody sends it twice meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, delete, exists, func, select, update

from config.doors import Clock, Ids
from dispatcher.core.call import (
    Accepted,
    Call,
    Closed,
    EnRoute,
    Entry,
    Joined,
    Lapsed,
    OnScene,
    Opened,
    Reopened,
)
from dispatcher.core.district import District
from dispatcher.core.patience import TwoClocks
from dispatcher.core.roll import Rolls
from dispatcher.store import Do, Prepared, Store, StoreUnavailable, insert
from dispatcher.tables import outbox

#: Who claimed a message and died gives it back after this.
LEASE_SECONDS = 15
#: A message to a device that cannot be reached is tried again after 2, 4, 8 … seconds, at most this.
RETRY_SECONDS_MAX = 60
#: A word of progress older than this helps nobody.
STALE_SECONDS = 6 * 3600
BATCH = 200
#: Messages in hand before they are read from the table instead.
FRESH_MAX = 10_000
#: What was carried is struck out in one commit for so many, or after so long.
DONE_MAX = 200
LINGER_SECONDS = 0.2
#: The poll behind the wake: leases that ran out, retries that are due.
POLL_SECONDS = 1.0
#: So long after the clock was put back, what it has left ahead is looked for: a commit that was slow may set something by
#: the clock as it was.
WATCH_SECONDS = 600.0

_PUT = Prepared(
    insert(outbox)
    .values(
        {
            name: bindparam(name)
            for name in (
                "id",
                "district",
                "call",
                "channel",
                "address",
                "body",
                "created_us",
                "due_us",
                "tries",
            )
        }
    )
    .returning(outbox.c.seq)
)
_FREE = Prepared(update(outbox).values(due_us=bindparam("now_us")))
_DUE = Prepared(
    select(
        outbox.c.seq,
        outbox.c.id,
        outbox.c.call,
        outbox.c.address,
        outbox.c.body,
        outbox.c.created_us,
        outbox.c.tries,
    )
    .where(outbox.c.channel == bindparam("channel"), outbox.c.due_us <= bindparam("now_us"))
    .order_by(outbox.c.seq)
    .limit(BATCH)
)
#: Farther ahead than anybody waits: set before the clock was put back.
_FAR = Prepared(
    select(outbox.c.id, outbox.c.due_us)
    .where(outbox.c.channel == bindparam("channel"), outbox.c.due_us > bindparam("far_us"))
    .order_by(outbox.c.seq)
    .limit(FRESH_MAX)
)
_NEAR = Prepared(
    update(outbox)
    .where(outbox.c.id == bindparam("b_id"), outbox.c.due_us == bindparam("b_due_us"))
    .values(due_us=bindparam("now_us"))
)
_LEASE = Prepared(update(outbox).where(outbox.c.id == bindparam("b_id")).values(due_us=bindparam("until_us")))
_GONE = Prepared(delete(outbox).where(outbox.c.id == bindparam("id")))
_LATER = Prepared(
    update(outbox)
    .where(outbox.c.id == bindparam("b_id"))
    .values(due_us=bindparam("until_us"), tries=outbox.c.tries + 1)
)
_newer = outbox.alias("newer")
#: A newer word to the same device about the same call makes an older one that waits superfluous.
_OVERTAKEN = Prepared(
    delete(outbox).where(
        outbox.c.channel == bindparam("channel"),
        outbox.c.address == bindparam("address"),
        outbox.c.call == bindparam("call"),
        outbox.c.seq < bindparam("seq"),
        outbox.c.tries > 0,
    )
)

#: The same once the newer one has arrived: "received" after "on the way" would frighten her.
_OLDER = Prepared(
    delete(outbox).where(
        exists()
        .where(
            _newer.c.id == bindparam("id"),
            _newer.c.channel == outbox.c.channel,
            _newer.c.address == outbox.c.address,
            _newer.c.call == outbox.c.call,
            _newer.c.seq > outbox.c.seq,
        )
        .correlate(outbox)
    )
)

WORDS: dict[str, dict[str, str]] = {
    "zh": {
        "received": "已收到您的求助，正在联系工作人员",
        "accepted": "工作人员已受理",
        "en_route": "工作人员已出发",
        "on_scene": "工作人员已到达",
        "closed": "本次呼叫已办结",
    },
    "en": {
        "received": "We have your call and are finding somebody to come",
        "accepted": "Somebody has taken your call",
        "en_route": "They are on the way to you",
        "on_scene": "They have arrived",
        "closed": "Your call is closed",
    },
}


class DeviceNews(Struct, frozen=True):
    """What a wearer is told."""

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed message to a device: `address` is family/address."""

    id: str
    seq: int
    call: str
    address: str
    news: DeviceNews
    tries: int


def _state_of(entry: Entry, call: Call) -> str | None:
    match entry.fact:
        case Opened() | Reopened() | Lapsed():
            return "received"
        case Accepted() | EnRoute() | OnScene() | Closed() | Joined():
            return str(call.state)
        case _:
            return None


def news_of(
    entry: Entry, call: Call | None, district: District, language: str, ids: Ids, now_us: int
) -> list[dict[str, Any]]:
    """The rows that tell the wearers of this fact: every device that pressed; of a further press only that one."""
    if call is None:
        return []
    state = _state_of(entry, call)
    if state is None:
        return []
    told = call.sources
    if isinstance(entry.fact, Joined):
        told = (entry.fact.source,) if entry.fact.source else ()
    words = WORDS["zh" if (language or district.locale).startswith("zh") else "en"]
    body = msgspec.json.encode(DeviceNews(state, words[state])).decode()
    return [
        {
            "id": ids.new("o"),
            "district": call.district,
            "call": call.id,
            "channel": "device",
            "address": source,
            "body": body,
            "created_us": now_us,
            # Born claimed: this process has it in hand already, and the lease brings it back should we die with it.
            "due_us": now_us + LEASE_SECONDS * 1_000_000,
            "tries": 0,
        }
        for source in told
    ]


def news_of_all(
    told: Iterable[tuple[Entry, Call | None]], rolls: Rolls, ids: Ids, now_us: int
) -> list[dict[str, Any]]:
    """The rows that tell the wearers of all these facts."""
    news: list[dict[str, Any]] = []
    for entry, call in told:
        if call is not None and call.sources:
            roll = rolls.find(entry.district) or rolls.default
            resident = roll.residents.get(call.resident or "")
            language = resident.language if resident is not None else ""
            news += news_of(entry, call, roll.district, language, ids, now_us)
    return news


def put(rows: Sequence[Mapping[str, Any]]) -> Do:
    """The write that adds these rows, for the desk's transaction; it fetches the number of each, for `handed`."""
    return Do(_PUT, rows, fetch=True)


class Outbox:
    """The way from the rows to whoever carries them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._news = asyncio.Event()
        self._fresh: deque[Parcel] = deque(maxlen=FRESH_MAX)
        self._poll_us = 0
        self._done: list[str] = []
        self._flush_us = 0
        self._clocks = TwoClocks()
        self._watch_until = -1.0
        #: Of each message that is too far ahead: its moment, and since when it stands there, by a clock that only goes on.
        self._far: dict[str, tuple[int, float]] = {}
        self.failed = 0  #: given up as too old to help

    async def open(self) -> None:
        """At a start nobody has anything in hand: what a dead process had claimed is free at once."""
        await self._store.write([Do(_FREE, [{"now_us": self._clock.now_us()}])])

    def handed(self, rows: Sequence[Mapping[str, Any]], numbers: Sequence[int]) -> None:
        """These rows were committed just now, with these numbers: they go out at once, without being read again."""
        for row, seq in zip(rows, numbers, strict=True):
            news = msgspec.json.decode(row["body"], type=DeviceNews)
            self._fresh.append(Parcel(row["id"], seq, row["call"], row["address"], news, 0))
        self._news.set()

    async def claim(self) -> AsyncIterator[list[Parcel]]:
        """Batches to carry to devices, for ever; oldest first. A claim is a lease of LEASE_SECONDS."""
        while True:
            self._news.clear()
            while self._fresh:
                yield [self._fresh.popleft() for _ in range(min(BATCH, len(self._fresh)))]
            try:
                if self._is_time(self._flush_us, LINGER_SECONDS):
                    await self.flush()
                if self._is_time(self._poll_us, POLL_SECONDS):
                    await (
                        self.flush()
                    )  # what has just been carried must not be claimed again, behind a newer word
                    parcels = await self._take()
                    if parcels:
                        yield parcels
                        continue
                    self._poll_us = self._clock.now_us() + round(POLL_SECONDS * 1e6)
            except StoreUnavailable:
                await asyncio.sleep(1)
                continue
            try:
                async with asyncio.timeout(LINGER_SECONDS if self._done else POLL_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _is_time(self, moment_us: int, pause_seconds: float) -> bool:
        """Has it come? Further off than the whole pause, the clock was put back: then, too."""
        return not 0 < moment_us - self._clock.now_us() <= pause_seconds * 1e6

    async def _bring_near(self, now_us: int) -> None:
        """What the clock, put back, has left an hour ahead is due once it has stood there for a whole lease.

        By then nobody has it in hand any more, not even another process whose clock is right.
        """
        time = asyncio.get_running_loop().time()
        if self._clocks.put_back(now_us, time):
            self._watch_until = time + WATCH_SECONDS
        if time > self._watch_until and not self._far:
            return
        far_us = now_us + RETRY_SECONDS_MAX * 1_000_000
        asked = Do(_FAR, [{"channel": "device", "far_us": far_us}], fetch=True)
        [[found]] = await self._store.write([asked])
        before, self._far = self._far, {}
        for message_id, due_us in found:
            known = before.get(message_id)
            self._far[message_id] = known if known and known[0] == due_us else (due_us, time)
        near = [
            {"b_id": message_id, "b_due_us": due_us, "now_us": now_us}
            for message_id, (due_us, since) in self._far.items()
            if time - since >= LEASE_SECONDS
        ]
        if near:
            await self._store.write([Do(_NEAR, near)])

    async def _take(self) -> list[Parcel]:
        now_us = self._clock.now_us()
        await self._bring_near(now_us)
        rows = (await self._store.write([Do(_DUE, [{"channel": "device", "now_us": now_us}], fetch=True)]))[
            0
        ][0]
        if not rows:
            return []
        stale = [row for row in rows if now_us - row[5] > STALE_SECONDS * 1_000_000]
        self.failed += len(stale)
        fresh = [row for row in rows if now_us - row[5] <= STALE_SECONDS * 1_000_000]
        until_us = now_us + LEASE_SECONDS * 1_000_000
        await self._store.write(
            [
                Do(_GONE, [{"id": row[1]} for row in stale]),
                Do(_LEASE, [{"b_id": row[1], "until_us": until_us} for row in fresh]),
            ]
        )
        return [
            Parcel(row[1], row[0], row[2], row[3], msgspec.json.decode(row[4], type=DeviceNews), row[6])
            for row in fresh
        ]

    async def carried(self, ids: Sequence[str]) -> None:
        """These have arrived where they should: gone, and with them what older ones still wait."""
        if not self._done:
            self._flush_us = self._clock.now_us() + round(LINGER_SECONDS * 1e6)
        self._done += ids
        if len(self._done) >= DONE_MAX:
            await self.flush()

    async def flush(self) -> None:
        """Strike out what was carried: many in one commit, off the way of the presses. Raises StoreUnavailable."""
        if not self._done:
            return
        done, self._done = self._done, []
        rows = [{"id": one} for one in done]
        try:
            await self._store.write([Do(_OLDER, rows), Do(_GONE, rows)])
        except StoreUnavailable:
            self._done = done + self._done
            raise

    async def returned(self, parcels: Sequence[Parcel]) -> None:
        """These could not be carried now: again later, unless a newer word to the same device has overtaken them."""
        now_us = self._clock.now_us()
        newest = {
            (parcel.address, parcel.call): parcel.seq for parcel in sorted(parcels, key=lambda one: one.seq)
        }
        await self._store.write(
            [
                Do(
                    _LATER,
                    [
                        {
                            "b_id": parcel.id,
                            "until_us": now_us
                            + min(RETRY_SECONDS_MAX, 2 ** min(parcel.tries + 1, 6)) * 1_000_000,
                        }
                        for parcel in parcels
                    ],
                ),
                Do(
                    _OVERTAKEN,
                    [
                        {"channel": "device", "address": address, "call": call, "seq": seq}
                        for (address, call), seq in newest.items()
                    ],
                ),
            ]
        )

    async def depth(self) -> int:
        """How many wait."""
        return int((await self._store.read(select(func.count()).select_from(outbox)))[0][0])
