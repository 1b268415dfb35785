"""The post: takes the messages the desk has written down and sees each of them to its fate.

    desk's commit --handed()--> a lane a call and receiver, in order --> an endpoint's few workers --> sender
                                 the table behind it: what waits, what failed, what a dead process had in hand

Every row is claimed with a lease (`due_us` moved on), looked at again against the call right before it is sent, and
keeps one id for all its tries. An endpoint that is slow or dead has its own few workers and delays no other; when it
has failed a few times in a row it is tried by one message at a time, and what comes for it meanwhile stays in the table.

In short, the rule is: at least once, in order within a call, and never a summons to a call that is taken.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from config.doors import Clock
from dispatcher.alert_rows import LEASE_SECONDS
from dispatcher.alerts import rows
from dispatcher.alerts.letters import Letters, news
from dispatcher.alerts.outcome import Outcome
from dispatcher.alerts.rows import Message
from dispatcher.alerts.throttle import Throttle
from dispatcher.core.alert import Channel, Fate, Kind
from dispatcher.core.call import OfferState
from dispatcher.core.reports import Fate as FateReport
from dispatcher.core.reports import Fates
from dispatcher.core.roll import Roll, Rolls
from dispatcher.feed import Feed, FeedEvent
from dispatcher.inbox import Inbox
from dispatcher.ledger import Ledger
from dispatcher.store import Do, Row, Store, StoreUnavailable

log = structlog.get_logger("post")

SMS = "sms"
#: Workers of one endpoint; of one that keeps failing a single one, that tries it.
WORKERS = 16
ILL_AFTER = 3
#: Messages in hand for one endpoint; further ones are read from the table when their turn comes.
HAND_MAX = 1000
#: The pauses between tries: 5, 10, 20 … seconds, an hour at most, each a fifth shorter or longer by chance.
PAUSE_SECONDS, PAUSE_SECONDS_MAX, JITTER = 5.0, 3600.0, 0.2
#: A summons is of no use in an hour.
SUMMONS_PAUSE_SECONDS_MAX = 60.0
GIVE_UP_SECONDS = 86_400
#: Fates are written in one commit for so many, or after so long. The desk decides such a report in one go, and a press
#: that comes meanwhile waits for it: 200 of them took it 5 to 9 ms.
DONE_MAX, LINGER_SECONDS = 50, 0.2
#: The poll behind the wake.
POLL_SECONDS = 1.0
DRAIN_SECONDS = 2.0

#: A message with the event it tells of, where that is still at hand.
_Hand = tuple[Message, FeedEvent | None]


class Webhooks(Protocol):
    """Carries a webhook's message."""

    async def send(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        """One try."""
        ...


class Texts(Protocol):
    """Carries a text message."""

    async def send(self, *, phone: str, text: str, message_id: str) -> Outcome:
        """One try."""
        ...


@dataclass(slots=True)
class _Endpoint:
    """One receiver: the lanes that are ready for it, and how it does."""

    name: str
    ready: deque[str] = field(default_factory=deque)
    running: int = 0
    in_hand: int = 0
    failures: int = 0
    waiting: set[str] = field(default_factory=set)  #: lanes with messages that stand in the table only
    tabled: bool = False  #: any lane may have such: each new message stays there too

    @property
    def ill(self) -> bool:
        """It keeps failing. Text messages have providers of their own that take over."""
        return self.failures >= ILL_AFTER and self.name != SMS

    @property
    def workers(self) -> int:
        """So many work for it at once."""
        return 1 if self.ill else WORKERS

    def leave(self, lane: str) -> None:
        """Something of this lane stays in the table, and what comes after it too."""
        self.waiting.add(lane)
        if self.ill or len(self.waiting) > rows.LANES_MAX:
            self.tabled = True
            self.waiting.clear()

    def waits(self, lane: str) -> bool:
        """Whether something of this lane may stand in the table only."""
        return self.tabled or lane in self.waiting


class Post:
    """All messages of this process. `handed` by the desk, `run` in a task."""

    def __init__(
        self,
        store: Store,
        feed: Feed,
        ledger: Ledger,
        rolls: Rolls,
        inbox: Inbox,
        clock: Clock,
        *,
        webhooks: Webhooks,
        texts: Texts | None,
        letters: Letters,
        throttle: Throttle,
        chance: random.Random,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._feed = feed
        self._ledger = ledger
        self._rolls = rolls
        self._inbox = inbox
        self._clock = clock
        self._webhooks = webhooks
        self._texts = texts
        self._letters = letters
        self._throttle = throttle
        self._chance = chance
        self._group: asyncio.TaskGroup | None = None
        self._lanes: dict[str, deque[_Hand]] = {}
        self._endpoints: dict[str, _Endpoint] = {}
        self._more: set[str] = set()  #: lanes in hand that got another message in the table
        self._done: list[tuple[Message, dict[str, Any]]] = []
        self._look_us = 0
        self._wake = asyncio.Event()
        self.faults = 0  #: turns and tries that failed inside: each is a bug
        self._idle = asyncio.Event()

    async def open(self) -> None:
        """Whatever a dead process had in hand is free again; what waits stands in the table. Raises StoreUnavailable."""
        now_us = self._clock.now_us()
        until_us = now_us + LEASE_SECONDS * 1_000_000
        now = {"b_now_us": now_us, "b_until_us": until_us}
        await self._store.write([Do(rows.FREE, [now]), Do(rows.PUT_BACK, [now])])
        for (name,) in await self._store.read(rows.WAITING_ENDPOINTS):
            self._endpoint(str(name)).tabled = True
        await self._throttle.open(self._store, now_us)

    def handed(self, written: Sequence[Mapping[str, Any]], events: Sequence[FeedEvent]) -> None:
        """These rows were committed just now: they go out at once, without being read again."""
        by_seq = {(event.entry.district, event.entry.seq): event for event in events}
        for row in written:
            endpoint, lane = self._endpoint(row["endpoint"]), row["lane"]
            if row["due_us"] - row["at_us"] > LEASE_SECONDS * 1_000_000:
                continue  # not before the morning: the table has it until then
            if self._group is None or endpoint.ill or endpoint.waits(lane) or endpoint.in_hand >= HAND_MAX:
                self.left([row])
                continue
            message = rows.handed(row)
            self._take(endpoint, lane, [(message, by_seq.get((message.district, message.fact_seq)))])

    def left(self, written: Sequence[Mapping[str, Any]]) -> None:
        """These rows are in the table since a while: they come from there, and nothing of their lanes before them."""
        for row in written:
            endpoint, lane = self._endpoint(row["endpoint"]), row["lane"]
            endpoint.leave(lane)
            if lane in self._lanes:
                self._more.add(lane)

    async def run(self) -> None:
        """Carry messages, for ever."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    self._wake.clear()
                    await self._turn()
                    try:
                        async with asyncio.timeout(self._poll_seconds):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
                    if 0 < len(self._done) < DONE_MAX:
                        await asyncio.sleep(LINGER_SECONDS)
            finally:
                self._group = None

    async def _turn(self) -> None:
        try:
            await self.flush()
            now_us = self._clock.now_us()
            if 0 < self._look_us - now_us <= self._poll_seconds * 1e6:
                return
            if self._look_us - now_us > self._poll_seconds * 1e6:
                until_us = now_us + LEASE_SECONDS * 1_000_000
                await self._store.write([Do(rows.PUT_BACK, [{"b_now_us": now_us, "b_until_us": until_us}])])
            self._look_us = now_us + round(self._poll_seconds * 1e6)
            for (name,) in await self._store.read(rows.DUE_ENDPOINTS, {"b_now_us": now_us}):
                await self._look(self._endpoint(str(name)))
            for endpoint in list(self._endpoints.values()):  # another may come while the table is read
                if endpoint.tabled and not endpoint.ill:
                    await self._see_clear(endpoint)
        except StoreUnavailable as error:
            log.warning("post_waits", error=str(error))
        except Exception:
            # A bug of ours must not take the desk down with it: the rows are where they were.
            self.faults += 1
            log.exception("post_failed")

    @property
    def depth(self) -> tuple[int, int]:
        """How many messages are in hand for the fullest endpoint, and how many may be."""
        return max((one.in_hand for one in self._endpoints.values()), default=0), HAND_MAX

    async def drain(self) -> None:
        """Those under way have a moment to end, the rest stays in the table; what became of them is written."""
        self._group = None
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(one.running for one in self._endpoints.values()):
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            log.warning("post_left", messages=sum(one.running for one in self._endpoints.values()))
        try:
            await self.flush()
        except StoreUnavailable as error:
            log.warning("post_waits", error=str(error))

    # ── lanes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _endpoint(self, name: str) -> _Endpoint:
        found = self._endpoints.get(name)
        if found is None:
            found = self._endpoints[name] = _Endpoint(name)
        return found

    def _take(self, endpoint: _Endpoint, lane: str, hands: Sequence[_Hand]) -> None:
        endpoint.in_hand += len(hands)
        queue = self._lanes.get(lane)
        if queue is not None:
            queue.extend(hands)
            return
        self._lanes[lane] = deque(hands)
        endpoint.ready.append(lane)
        self._start(endpoint)

    def _start(self, endpoint: _Endpoint) -> None:
        while self._group is not None and endpoint.ready and endpoint.running < endpoint.workers:
            lane = endpoint.ready.popleft()
            endpoint.running += 1
            self._group.create_task(self._work(endpoint, lane), name=f"post {endpoint.name}")

    async def _work(self, endpoint: _Endpoint, lane: str) -> None:
        """One lane, in order, until it is empty or has to wait."""
        queue = self._lanes[lane]
        try:
            while queue and self._group is not None:
                if not await self._carry(endpoint, *queue[0]):
                    break
                queue.popleft()
                endpoint.in_hand -= 1
                if not queue and endpoint.waits(lane):
                    await self._read_on(endpoint, lane, queue)
        except StoreUnavailable as error:
            log.warning("post_waits", error=str(error))
        finally:
            if queue:
                endpoint.leave(lane)
            endpoint.in_hand -= len(queue)
            del self._lanes[lane]
            self._more.discard(lane)
            endpoint.running -= 1
            self._idle.set()
            self._start(endpoint)

    async def _read_on(self, endpoint: _Endpoint, lane: str, queue: deque[_Hand]) -> None:
        """Its turn has come for what stands behind it in the table."""
        await self.flush()  # what has just gone must not be read again
        self._more.discard(lane)
        until_us = self._clock.now_us() + LEASE_SECONDS * 1_000_000
        found = await self._store.read(rows.LANE, {"b_lane": lane, "b_until_us": until_us})
        if found:
            queue.extend((message, None) for message in await self._claimed(found))
            endpoint.in_hand += len(queue)
        elif lane not in self._more:
            endpoint.waiting.discard(lane)

    async def _look(self, endpoint: _Endpoint) -> None:
        """Take from the table what is due: retries, leases that ran out, what was left there."""
        room = endpoint.workers - endpoint.running - len(endpoint.ready)
        if room <= 0:
            return
        asked = {"b_endpoint": endpoint.name, "b_now_us": self._clock.now_us()}
        heads = [
            row for row in await self._store.read(rows.HEADS, asked) if row[rows.LANE_AT] not in self._lanes
        ]
        for message in await self._claimed(heads[:room]):
            if message.lane not in self._lanes:  # it may have come in hand meanwhile
                endpoint.leave(message.lane)
                self._take(endpoint, message.lane, [(message, None)])

    async def _see_clear(self, endpoint: _Endpoint) -> None:
        """Once only few lanes wait, they are known by name, and all others go out at once again."""
        endpoint.waiting.clear()  # what is left while the table is being read comes back into it
        found = await self._store.read(rows.WAITING_LANES, {"b_endpoint": endpoint.name})
        if len(found) < rows.LANES_MAX and not endpoint.ill:
            endpoint.tabled = False
            endpoint.waiting |= {str(lane) for (lane,) in found}

    async def _claimed(self, found: Sequence[Row]) -> list[Message]:
        messages = [rows.message_of(row) for row in found]
        until_us = self._clock.now_us() + LEASE_SECONDS * 1_000_000
        await self._store.write(
            [Do(rows.CLAIM, [{"b_id": message.id, "b_until_us": until_us} for message in messages])]
        )
        return messages

    # ── one message ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _carry(self, endpoint: _Endpoint, message: Message, event: FeedEvent | None) -> bool:
        """One try. True: it has its fate; False: it has to wait, and its lane with it."""
        try:
            if event is None and not self._is_over(message):
                # Read before the last look at the call: while we read, somebody may take it.
                event = await self._feed.event(message.district, message.fact_seq)
            if self._is_over(message):
                self._end(message, Fate.WITHDRAWN, message.tries, Outcome("failed", "the call is taken"))
                return True
            outcome = await self._send(message, event)
        except StoreUnavailable:
            raise
        except Exception:
            self.faults += 1
            log.exception("alert_failed", alert=message.id, call=message.call)
            outcome = Outcome("retry", "our_fault")
        tries = message.tries + 1
        if outcome.fate != "retry":
            endpoint.failures = 0
            self._end(message, Fate(outcome.fate), tries, outcome)
            return True
        endpoint.failures += 1
        now_us = self._clock.now_us()
        until_us = now_us + round(self._pause_seconds(message, tries, outcome) * 1e6)
        if until_us > message.at_us + GIVE_UP_SECONDS * 1_000_000:
            self._end(message, Fate.FAILED, tries, outcome)
            return True
        later = {
            "b_id": message.id,
            "b_until_us": until_us,
            "b_tries": tries,
            "b_last_us": now_us,
            "b_why": outcome.why,
        }
        behind = {"b_lane": message.lane, "b_until_us": until_us}
        await self._store.write([Do(rows.LATER, [later]), Do(rows.BEHIND, [behind])])
        return False

    def _is_over(self, message: Message) -> bool:
        """Looked at again right before the send: nobody is asked to come to a call that is taken."""
        if message.kind is not Kind.SUMMONS:
            return False
        call = self._ledger.open.get(message.call or "")
        offer = call.offer_to(message.asked) if call is not None else None
        return offer is None or offer.state is not OfferState.OFFERED

    async def _send(self, message: Message, event: FeedEvent | None) -> Outcome:
        roll = self._rolls.find(message.district)
        if event is None or roll is None:
            return Outcome("failed", "the fact is gone")
        now_us = self._clock.now_us()
        if message.channel == Channel.WEBHOOK:
            hook = roll.webhooks.get(message.endpoint.partition("/")[2])
            if hook is None:
                return Outcome("failed", "no such webhook")
            return await self._webhooks.send(
                url=hook.url,
                secret=hook.secret,
                message_id=message.id,
                timestamp_seconds=now_us // 1_000_000,
                body=news(message, event, now_us),
            )
        return await self._text(message, event, roll, now_us)

    async def _text(self, message: Message, event: FeedEvent, roll: Roll, now_us: int) -> Outcome:
        if self._texts is None:
            return Outcome("failed", "no provider")
        letter = self._letters.text(message, event, roll, now_us)
        if letter is None:
            return Outcome("failed", "no telephone")
        if message.kind is Kind.NEWS and not self._throttle.allows(message.target, now_us):
            return Outcome("failed", "enough for this hour")
        outcome = await self._texts.send(phone=letter.phone, text=letter.text, message_id=message.id)
        if outcome.fate == "sent" and message.kind is Kind.NEWS:
            self._throttle.count(message.target, now_us)
        return outcome

    def _pause_seconds(self, message: Message, tries: int, outcome: Outcome) -> float:
        longest = SUMMONS_PAUSE_SECONDS_MAX if message.kind is Kind.SUMMONS else PAUSE_SECONDS_MAX
        pause = min(longest, PAUSE_SECONDS * 2.0 ** min(tries - 1, 12))
        pause *= 1 + self._chance.uniform(-JITTER, JITTER)
        return max(pause, outcome.retry_after_seconds or 0.0)

    # ── fates ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _end(self, message: Message, fate: Fate, tries: int, outcome: Outcome) -> None:
        now_us = self._clock.now_us()
        self._done.append((message, rows.end(message, fate, tries, outcome, now_us)))
        if len(self._done) >= DONE_MAX or len(self._done) == 1:
            self._wake.set()

    async def flush(self) -> None:
        """Write what became of messages, and report it to the desk in the same commit. Raises StoreUnavailable."""
        while self._done:
            done, self._done = self._done[:DONE_MAX], self._done[DONE_MAX:]
            try:
                await self._write(done)
            except BaseException:
                self._done = done + self._done
                raise

    async def _write(self, done: list[tuple[Message, dict[str, Any]]]) -> None:
        for district in dict.fromkeys(message.district for message, _ in done):
            ours = [(message, row) for message, row in done if message.district == district]
            ends = Do(rows.END, [row for _, row in ours])
            fates = tuple(
                FateReport(
                    alert=message.id,
                    call=message.call,
                    kind=message.kind.value,
                    channel=message.channel,
                    to=message.target,
                    about=message.fact,
                    fate=row["b_fate"],
                    why=row["b_why"],
                )
                for message, row in ours
                if row["b_fate"] in _TOLD
            )
            if not fates:
                await self._store.write([ends])
                continue
            # Written again after a commit whose outcome is unknown it is still one report.
            ref = f"{ours[0][0].id}:{ours[0][1]['b_last_us']}"
            await self._inbox.report(
                Fates(fates=fates), source="post", ref=ref, district=district, also=[ends]
            )


_TOLD = frozenset({Fate.SENT.value, Fate.DELIVERED.value, Fate.FAILED.value})
