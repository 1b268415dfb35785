"""The event stream (contract, section 5): Server-Sent Events, resumable, each reader in its own scope.

A reader holds a cursor into the journal and nothing else. What is ready goes out in one write; the next events are
asked for only when that write has drained, so a slow reader costs one batch, and one that stands still is cut off
and resumes by its last id. The bytes of an event are made once for all readers.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import msgspec
import structlog
from aiohttp import web

from dispatcher.console.bare import without_person
from dispatcher.console.endpoint import DISTRICT, Act, Answer, Ask, Endpoint, Query
from dispatcher.console.knowing import Knowing
from dispatcher.console.masking import mask_call, masks, shows_whole
from dispatcher.console.metering import CUT_OFF, EVENTS, READERS
from dispatcher.console.problems import Problem, wrong
from dispatcher.console.rooms import Feed, FeedEvent, PositionUnknown, Reader
from dispatcher.core.call import Call
from dispatcher.core.roll import Roll
from dispatcher.store import StoreUnavailable

_log = structlog.get_logger()

#: One write at most; and what the transport may hold before a write waits.
_BATCH_EVENTS = 64
_BUFFER_BYTES = 64 * 1024
_FRAMES_MAX = 2048
READERS_MAX = 5000
_POSITION_CHARACTERS_MAX = 256
#: After so many events that were not theirs a reader is told how far it has come, so that a resume need not reread them.
_SKIPPED_MAX = 1000
#: How often a write that waits is looked at, and how far behind is far.
_LOOK_SECONDS = 0.1
_FAR_BEHIND_EVENTS = 1000
#: What of a fact somebody wrote, and which people were asked or told.
_SAID = ("note", "asked", "to")
#: For so long it is believed that a closed call is closed still: an event of its own says so when it is opened again.
_CLOSED_SECONDS = 2.0
_RESET = b"event: reset\ndata: {}\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """Seconds of the stream: a comment keeps it alive, a reader may stand still, a token is looked at again.

    A reader that stands still with all buffers full (some hundred events) is cut off: after `behind_seconds` where it
    is a thousand events behind, else after `still_seconds`. It loses nothing by it: it resumes by its last id.
    """

    alive_seconds: float = 15.0
    still_seconds: float = 5.0
    behind_seconds: float = 0.75
    token_seconds: float = 5.0
    retry_ms: int = 2000


class _Shown(Enum):
    """How much of an event: all of it, with telephone numbers masked, or without anything about a person."""

    ALL = auto()
    MASKED = auto()
    BARE = auto()


class Streams:
    """All open streams of this process."""

    def __init__(self, feed: Feed, knowing: Knowing, options: StreamOptions) -> None:
        self._feed = feed
        self._knowing = knowing
        self.options = options
        self._frames: OrderedDict[tuple[str, _Shown, int], bytes] = OrderedDict()
        self._closed: OrderedDict[str, float] = OrderedDict()
        self._closing = asyncio.Event()
        self.readers = 0

    def close(self) -> None:
        """End every stream: we are stopping."""
        self._closing.set()

    def frame(self, event: FeedEvent, shown: _Shown = _Shown.ALL) -> bytes:
        """An event as it goes over the wire, made once."""
        key = (event.id, shown, self._feed.forgotten)
        made = self._frames.get(key)
        if made is None:
            data = _MADE[shown](event.data)
            made = b"id: %s\nevent: %s\ndata: %s\n\n" % (event.id.encode(), event.name.encode(), data)
            self._frames[key] = made
            if len(self._frames) > _FRAMES_MAX:
                self._frames.popitem(last=False)
        return made

    async def seen(self, ask: Ask, roll: Roll, event: FeedEvent) -> bytes | None:
        """What a reader gets of an event: all of it, that it is over for them, or nothing."""
        scope = ask.scope
        if not scope.sees_news_to(roll, event.told):
            return None
        call: Call | None = event.call
        if call is None:
            station = scope.access.station
            mine = bool(station) and station in event.stations
            return self.frame(event) if mine or scope.sees_area(roll, event.area or "") else None
        if scope.sees_place_of(call):
            return self.frame(event, await self._masked(ask, call))
        if scope.sees_call(call):
            # They were asked to it then. Read once more when that is over, it tells nothing of a person any more.
            present = await ask.rooms.board.get(call.id)
            over = present is None or not scope.sees_call(present)
            return self.frame(event, _Shown.BARE if over else await self._masked(ask, call))
        return self.frame(event, _Shown.BARE) if scope.loses(call, event.name) else None

    async def _masked(self, ask: Ask, call: Call) -> _Shown:
        """Numbers are shown to whoever has the call in hand now, also where an event is read again that is older."""
        if not masks(ask.access):
            return _Shown.ALL
        present = await self._open_now(ask, call) if call.open else None
        return _Shown.ALL if present is not None and shows_whole(ask, present) else _Shown.MASKED

    async def _open_now(self, ask: Ask, call: Call) -> Call | None:
        """The call as it is, where it is open. An open one is at hand; of closed ones it is remembered for a while."""
        now = asyncio.get_running_loop().time()
        if now - self._closed.get(call.id, -math.inf) < _CLOSED_SECONDS:
            return None
        present = await ask.rooms.board.get(call.id)
        if present is not None and present.open:
            return present
        self._closed[call.id] = now
        if len(self._closed) > _FRAMES_MAX:
            self._closed.popitem(last=False)
        return None

    async def serve(self, ask: Ask) -> web.StreamResponse:
        """One reader, until it goes, is too slow, its token is revoked, or we stop."""
        if self.readers >= READERS_MAX:
            raise Problem(503, "too many event streams are open", headers={"Retry-After": "5"})
        roll = ask.roll()
        reader, reset = await self._begin(roll, _position(ask))
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # or nginx would collect events into a heap
            }
        )
        await response.prepare(ask.request)
        self.readers += 1
        READERS.inc()
        try:
            one = _One(self, ask, roll, response)
            await one.write(b"retry: %d\n\n" % self.options.retry_ms + (_RESET if reset else b""))
            await one.run(reader)
        except (StoodStill, ConnectionError):
            pass
        finally:
            self.readers -= 1
            READERS.dec()
        return response

    async def reader(self, roll: Roll, after: str | None) -> Reader:
        """A place in the district's journal. Raises PositionUnknown."""
        return await self._feed.reader(roll.district.code, after)

    async def _begin(self, roll: Roll, after: str | None) -> tuple[Reader, bool]:
        try:
            return await self.reader(roll, after), False
        except PositionUnknown:
            return await self.reader(roll, None), True

    async def still_known(self, ask: Ask) -> bool:
        """Whether the token is good still. A database that is away changes nobody's rights."""
        try:
            access = await self._knowing.access(ask.request)
        except StoreUnavailable:
            return True
        return access == ask.access

    @property
    def closing(self) -> asyncio.Event:
        """Set once we are stopping."""
        return self._closing


class StoodStill(Exception):  # noqa: N818 - nobody's fault but the line's
    """The reader read nothing for too long. It is cut off, and resumes by its last id."""


class _One:
    """One open stream."""

    def __init__(self, streams: Streams, ask: Ask, roll: Roll, response: web.StreamResponse) -> None:
        self._streams = streams
        self._options = streams.options
        self._ask = ask
        self._roll = roll
        self._response = response
        self._transport = ask.request.transport
        self._skipped = 0
        self._position = ""
        self._writing = False
        loop = asyncio.get_running_loop()
        self._time = loop.time
        self._wrote_at = self._looked_at = loop.time()
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=_BUFFER_BYTES)
            # The system's own buffer grows to megabytes a reader otherwise, and hides that one does not read.
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)

    async def run(self, reader: Reader) -> None:
        """Write what comes, for ever: one task writes events, here it is seen to what only time brings."""
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._pump(reader), name="stream-events"),
            asyncio.create_task(self._streams.closing.wait(), name="stream-closing"),
        ]
        pump, stop = tasks
        try:
            while True:
                wait = max(
                    0.0,
                    min(
                        self._wrote_at + self._options.alive_seconds,
                        self._looked_at + self._options.token_seconds,
                    )
                    - self._time(),
                )
                # While it is writing nothing is said in between, and what it waits for is looked at again soon.
                wait = max(wait, _LOOK_SECONDS) if self._writing else wait
                await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    return
                if pump.done():
                    pump.result()
                    return
                if not await self._allowed():
                    return
                if not self._writing and self._time() >= self._wrote_at + self._options.alive_seconds:
                    await self.write(b": alive\n\n")
        except StoreUnavailable:
            return  # it cannot be read just now; the reader comes again and resumes
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, reader: Reader) -> None:
        """Events, until they are not theirs to see any more. Nothing here is made for each of them: no task, no timer."""
        while True:
            try:
                events = await reader.next(_BATCH_EVENTS)
                if not await self._allowed():
                    return
                self._writing = True
                await self._events(events)
            except PositionUnknown:
                reader = await self._streams.reader(self._roll, None)
                await self.write(_RESET)
            finally:
                self._writing = False

    async def _events(self, events: Sequence[FeedEvent]) -> None:
        if events:
            self._position = events[-1].id
        frames = [await self._streams.seen(self._ask, self._roll, event) for event in events]
        wanted = [frame for frame in frames if frame is not None]
        if wanted:
            self._skipped = 0
            EVENTS.inc(len(wanted))
            await self.write(b"".join(wanted))
        elif events:
            self._skipped += len(events)
            if self._skipped >= _SKIPPED_MAX:
                self._skipped = 0
                # An id alone moves the reader's position on, and is no event.
                await self.write(b"id: %s\n\n" % events[-1].id.encode())

    async def _allowed(self) -> bool:
        if not self._ask.scope.stands():
            return False
        if self._time() < self._looked_at + self._options.token_seconds:
            return True
        self._looked_at = self._time()
        return await self._streams.still_known(self._ask)

    async def write(self, data: bytes) -> None:
        """Write, and wait until it is on its way. Raises StoodStill, the connection cut, where the reader reads nothing.

        Slow is not still: over a bad line a batch may take its time, as long as it moves.
        """
        if self._unsent() + len(data) < _BUFFER_BYTES:  # nothing to wait for, as nearly always
            await self._response.write(data)
            self._wrote_at = self._time()
            return
        sending = asyncio.create_task(self._send(data), name="stream-send")
        left, moved_at = self._unsent(), self._time()
        try:
            while not sending.done():
                await asyncio.wait({sending}, timeout=_LOOK_SECONDS)
                if self._unsent() < left:
                    moved_at = self._time()
                left = self._unsent()
                if not sending.done() and await self._given_up(self._time() - moved_at):
                    self._cut_off()
            sending.result()
        finally:
            sending.cancel()
        self._wrote_at = self._time()

    async def _send(self, data: bytes) -> None:
        await self._response.write(data)
        await self._ask.request.writer.drain()

    async def _given_up(self, still_seconds: float) -> bool:
        """Whether it stood still for too long: at once where it is far behind already, later where it is not."""
        if still_seconds >= self._options.still_seconds:
            return True
        return still_seconds >= self._options.behind_seconds and await self._far_behind()

    async def _far_behind(self) -> bool:
        """Whether there are so many events after the last one written that it would only fall back further."""
        if not self._position:
            return False
        count = 0
        try:
            ahead = await self._streams.reader(self._roll, self._position)
            async with asyncio.timeout(_LOOK_SECONDS):
                while count < _FAR_BEHIND_EVENTS:
                    count += len(await ahead.next(_FAR_BEHIND_EVENTS))
        except (TimeoutError, PositionUnknown, StoreUnavailable):
            return False
        return True

    def _cut_off(self) -> None:
        CUT_OFF.inc()
        _log.info("stream_cut_off", token=self._ask.access.id, district=self._roll.district.code)
        if self._transport is not None:
            self._transport.abort()
        raise StoodStill

    def _unsent(self) -> int:
        """How many bytes the transport still has of ours."""
        transport = self._transport
        return transport.get_write_buffer_size() if isinstance(transport, asyncio.WriteTransport) else 0


def _position(ask: Ask) -> str | None:
    """Where to begin. The header of a reader that comes again is newer than what its address says."""
    after: str | None = ask.request.headers.get("Last-Event-ID") or ask.query.get("after")
    if after is not None and (
        len(after) > _POSITION_CHARACTERS_MAX or not after.isascii() or not after.isprintable()
    ):
        raise wrong("after", "is no position that we gave")
    return after


def _without_person(data: bytes) -> bytes:
    """An event without anything about a person: the call is over for this reader, that is all they need to know."""
    body = without_person(msgspec.json.decode(data))
    for name in _SAID:
        body.pop(name, None)
    if isinstance(body.get("state"), dict):
        body["state"] = without_person(body["state"])
    if isinstance(cause := body.get("cause"), dict):
        body["cause"] = cause | {"device": None}
    return msgspec.json.encode(body)


def _with_masks(data: bytes) -> bytes:
    """An event with the telephone numbers of its call masked."""
    body = msgspec.json.decode(data)
    if isinstance(body.get("state"), dict):
        body["state"] = mask_call(body["state"])
    return msgspec.json.encode(body)


_MADE: dict[_Shown, Callable[[bytes], bytes]] = {
    _Shown.ALL: lambda data: data,
    _Shown.MASKED: _with_masks,
    _Shown.BARE: _without_person,
}


def endpoints(streams: Streams) -> tuple[Endpoint, ...]:
    """The stream's line of the table."""

    async def events(ask: Ask) -> Answer | web.StreamResponse:
        return await streams.serve(ask)

    return (
        Endpoint(
            method="GET",
            path="/events",
            name="streamEvents",
            tag="events",
            en="Everything that happens, as it happens (Server-Sent Events)",
            zh="实时事件流（SSE），可断点续传",
            handle=events,
            query=(
                Query("after", "resume after this event id; `0`: from the beginning; none: from now"),
                DISTRICT,
            ),
            answer={"type": "string"},
            answer_type="text/event-stream",
            statuses={200: "The stream"},
            audit=Act.LISTEN,
        ),
    )
