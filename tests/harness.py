"""Stories: the production desk, inbox, feed and outbox on virtual time, and a town that writes down all it hears.

    @story
    async def test_the_nearest_station_is_asked_first(town):
        await town.press("btn-01")
        town.expect_offer("st-01")
        town.expect_wearer("btn-01", "received")

Whatever goes out must be expected: an offer, a ring, a word to a wearer that no line of the story asked for fails it, and
so does an open call without a next moment, a gap in the feed, a call that is not the fold of its journal. Each story
leaves its journal as text in tests/snapshots; `YIJIAN_SNAPSHOTS=write` writes them anew, a person reads the difference.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import looptime
import msgspec
import structlog
from stories import pictures, places
from stories.process import LINGER, Killed, MortalStore, Out, Process

from devices.signal import Key, Signal, SignalType
from dispatcher import coverage as coverage_room
from dispatcher import desk as desk_room
from dispatcher import outbox as outbox_room
from dispatcher.board import call_of
from dispatcher.core.call import Call, Entry
from dispatcher.core.commands import (
    Accept,
    AnyCommand,
    Arrive,
    Close,
    Decline,
    Note,
    OpenByHand,
    Place,
    Release,
    Reopen,
    See,
    SetOut,
    Speak,
    Transfer,
)
from dispatcher.core.fold import refold
from dispatcher.inbox import Decided
from dispatcher.ledger import stations_of
from dispatcher.verify import verify

#: A working day's morning, when everything is open. Winter, so that evenings are dark.
MORNING = "2026-11-24T10:00:00+08:00"


class Town(Process):
    """A small district, and everything that happens in it. Times are seconds since the story began."""

    # ── what people and devices do ───────────────────────────────────────────────────────────────────────────────

    async def send(self, device: str, kind: SignalType = SignalType.PRESS, **more: Any) -> Any:
        """A device says something; what the inbox kept of it. `id` makes a repeat, `late` is how long ago it was received."""
        signal_id = more.pop("id", f"n{next(self._refs)}")
        received_us = self.clock.now_us() - round(more.pop("late", 0) * 1e6)
        signal = Signal("native", device, kind, signal_id, **more)
        [kept] = await self.inbox.put([(signal, received_us, "story")])
        await self.settle()
        return kept

    async def press(self, device: str, key: str | None = None, **more: Any) -> str:
        """A press; the id of the call it is in, as the receipt names it."""
        kept = await self.send(device, SignalType.PRESS, key=None if key is None else Key(key), **more)
        call = await self.inbox.call_of(kept.id)
        assert call is not None, "a receipt without a call"
        return call

    async def ask(
        self, command: AnyCommand, call: str | None = None, *, refused: str = "", ref: str = ""
    ) -> Decided:
        """A command, and its outcome: done, or refused with that code."""
        call_id = None if isinstance(command, OpenByHand) else (call or self.calls[-1])
        ref = ref or f"k{next(self._refs)}"
        decided = await self.inbox.ask(
            command, call=call_id, district=self.roll.district.code, source="api/story", ref=ref
        )
        await self.settle()
        assert decided.code == refused, f"{decided.code or 'done'}: {decided.why}"
        return decided

    async def telephone(
        self, key: str = "emergency", *, by: str = "op", place: Place | None = None, **more: Any
    ) -> str:
        """Somebody rang 12349: a call opened by hand."""
        decided = await self.ask(OpenByHand(by=by, key=key, place=place, **more))
        assert decided.call is not None
        return decided.call

    def _step(
        self, make: Callable[..., AnyCommand], station: str, call: str | None, more: dict[str, Any]
    ) -> Awaitable[Decided]:
        how = {name: more.pop(name) for name in ("refused", "ref") if name in more}
        more.setdefault("by", f"nurse of {station}" if station else "op")
        return self.ask(make(station=station, **more), call, **how)

    def accept(self, station: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """The station takes it."""
        return self._step(Accept, station, call, more)

    def decline(self, station: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """The station cannot."""
        return self._step(Decline, station, call, more)

    def release(self, station: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """The holder gives it back."""
        return self._step(Release, station, call, more)

    def spoke(self, station: str, result: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """Somebody telephoned her."""
        return self._step(Speak, station, call, {"result": result, **more})

    def set_out(self, station: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """On the way."""
        return self._step(SetOut, station, call, more)

    def arrive(self, station: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """There."""
        return self._step(Arrive, station, call, more)

    def close(
        self, station: str, outcome: str = "helped", call: str | None = None, **more: Any
    ) -> Awaitable[Decided]:
        """Over; `evidence` is `on_site` where the story does not say otherwise."""
        return self._step(Close, station, call, {"outcome": outcome, "evidence": "on_site", **more})

    def reopen(self, station: str = "", call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """Not over after all."""
        return self._step(Reopen, station, call, more)

    def transfer(self, to: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """The desk sends it to that station."""
        return self._step(Transfer, "", call, {"to": to, **more})

    def note(self, text: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """Somebody writes something down."""
        return self._step(Note, "", call, {"text": text, **more})

    def see(self, station: str, call: str | None = None, **more: Any) -> Awaitable[Decided]:
        """It is on a screen there."""
        return self._step(See, station, call, more)

    async def change(self, section: str, item_id: str, **fields: Any) -> None:
        """The register is changed: fields of one item."""
        item = msgspec.to_builtins(getattr(self.roll, section)[item_id])
        await self.register.put(section, {**item, **fields})
        await self.advance(seconds=1)  # a change does not wake the desk: its poll sees it

    async def load(self, **sections: Any) -> None:
        """A district file with these sections is loaded over what is there."""
        await self.register.merge(msgspec.json.encode(sections))
        await self.advance(seconds=1)

    async def policy(self, key: str, **changed: Any) -> None:
        """The district has its own policy of this key from now on; without anything changed: the default one again."""
        if changed:
            await self.register.put_policy(key, changed)
        else:
            await self.register.delete_policy(key)

    # ── what must be so ──────────────────────────────────────────────────────────────────────────────────────────

    def _expect(self, kind: str, to: str, what: str, times: int) -> None:
        for _ in range(times):
            found = next(
                (out for out in self.out if (out.kind, out.to) == (kind, to) and what in out.what), None
            )
            told = "\n  ".join(str(out) for out in self.out) or "nothing"
            assert found is not None, f"expected: {kind} to {to} {what}; what went out:\n  {told}"
            self.out.remove(found)

    def expect_offer(self, *stations: str, why: str = "", times: int = 1) -> None:
        """Each was asked (so many times)."""
        for station in stations:
            self._expect("offer", station, why, times)

    def expect_ring(self, *stations: str, why: str = "", times: int = 1) -> None:
        """It rang there."""
        for station in stations:
            self._expect("ring", station, why, times)

    def expect_wearer(self, device: str, *states: str) -> None:
        """She was told, in this order."""
        for state in states:
            self._expect("wearer", device, state, 1)

    def expect_fault(self, device: str, fault: str, station: str = "", *, overdue: bool = False) -> None:
        """That fault of the device (or of a source) was told, and whose task it is."""
        self._expect("fault", device, f"{fault} for {station}" + " overdue" * overdue, 1)

    def expect_restored(self, *devices: str, fault: str = "") -> None:
        """Each is well again, or its fault is over."""
        for device in devices:
            self._expect("restored", device, fault, 1)

    def expect_struck(self, area: str, kind: str, station: str, count: int) -> None:
        """That area's devices are in trouble together, so many, and whose task that is."""
        self._expect("struck", area, f"{kind} for {station}, {count}", 1)

    def expect_well(self, area: str, because: str = "") -> None:
        """That area is well again, or its trouble over."""
        self._expect("well", area, because, 1)

    def expect_lost(self, *communities: str) -> None:
        """Nobody below the desk can come there."""
        for community in communities:
            self._expect("lost", community, "", 1)

    def expect_covered(self, *communities: str) -> None:
        """Somebody can come there again."""
        for community in communities:
            self._expect("covered", community, "", 1)

    def expect_silence(self) -> None:
        """Nothing else went out."""
        assert not self.out, "unexpected:\n  " + "\n  ".join(str(out) for out in self.out)

    def expect_state(self, state: str, call: str | None = None) -> Call:
        """The call is there in its life; the call."""
        found = self.look(call)
        assert found.state == state, f"the call is {found.state}, not {state}"
        return found

    def expect_next(self, kind: str, within: float, call: str | None = None) -> None:
        """Its nearest deadline is this one, so many seconds from now."""
        due = self.look(call).due
        assert due is not None, "it has no deadline"
        left = (due[1] - self.clock.now_us()) / 1e6
        assert (due[0], round(left, 1)) == (kind, round(within, 1)), f"next is {due[0]} in {left} s"

    def look(self, call: str | None = None) -> Call:
        """A call as committed."""
        rows = self.store.connection.execute(
            "SELECT body FROM calls WHERE id = ?", (call or self.calls[-1],)
        ).fetchall()
        assert rows, "no such call"
        return call_of(rows[0][0])

    def offers(self, call: str | None = None) -> dict[str, str]:
        """Who was asked, and what became of it."""
        return {offer.to: str(offer.state) for offer in self.look(call).offers}

    def passed_over(self, call: str | None = None) -> dict[str, str]:
        """Who was not asked, and why."""
        return {over.station: over.reason for over in self.look(call).passed_over}

    def told(self, *names: str, call: str | None = None) -> list[Any]:
        """The facts of these names, in order."""
        return [e.entry.fact for e in self.events if e.name in names and call in (None, e.entry.call)]

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def end(self) -> list[Entry]:
        """Everything that must hold at the end of any story; its journal."""
        await self.settle()
        await self.kill()
        self.expect_silence()
        entries = await self.journal.after(self.roll.district.code, 0, 100_000)
        self._check_calls(entries)
        assert [e.entry for e in self.events] == entries, "the feed missed something, or told it twice"
        assert [line async for line in verify(self.store)] == []
        assert self.desk.faults == 0, "a decision failed inside"
        assert not self.inbox.waiting, "somebody still waits for a decision"
        return entries

    def _check_calls(self, entries: list[Entry]) -> None:
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1)), "the journal has a gap"
        rows = self.store.connection.execute("SELECT body, due_us FROM calls").fetchall()
        stored = {call.id: call for call in (call_of(row[0]) for row in rows)}
        assert stored == refold(entries), "a call is not the fold of its journal"
        for body, due_us in rows:
            call = call_of(body)
            assert call.open == (due_us is not None) == (call.due is not None), f"{call.id} fell asleep"
        opened = {call.id: call for call in stored.values() if call.open}
        assert self.ledger.open == opened, "the ledger shows other calls than the tables"
        load = Counter(station for call in opened.values() for station in stations_of(call))
        assert {station: len(self.ledger.load(station)) for station in self.ledger.loaded()} == dict(load)
        pending = self.store.connection.execute(
            "SELECT count(*) FROM inbox WHERE decided_us IS NULL"
        ).fetchone()
        assert pending == (0,), "an input was left lying"


def play(
    tell: Callable[[Town], Awaitable[None]], start: str, district: Mapping[str, Any], poll_seconds: float
) -> list[Entry]:
    """Run one story on a virtual loop; its journal."""
    # Nothing here waits for a thread or a socket, so time need not stand still for 42 empty rounds before it goes on.
    loop = looptime.patch_event_loop(asyncio.new_event_loop(), start=0, noop_cycles=2)
    poll, logs = desk_room.POLL_SECONDS, structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    desk_room.POLL_SECONDS = outbox_room.POLL_SECONDS = coverage_room.LOOK_SECONDS = poll_seconds

    async def run() -> tuple[Town, list[Entry]]:
        town = Town(start, district)
        await town.begin()
        try:
            await tell(town)
            return town, await town.end()
        finally:
            await town.kill()
            await town.store.close()

    try:
        asyncio.set_event_loop(loop)
        town, entries = loop.run_until_complete(run())
    finally:
        desk_room.POLL_SECONDS = outbox_room.POLL_SECONDS = coverage_room.LOOK_SECONDS = poll
        structlog.configure(**logs)
        asyncio.set_event_loop(None)
        loop.close()
    play.picture = pictures.journal(entries, town.start_us, town.name_of)  # type: ignore[attr-defined]
    return entries


def story(
    told: Any = None,
    *,
    at: str = MORNING,
    district: Mapping[str, Any] | None = None,
    poll: float = 5.0,
    picture: bool = True,
) -> Any:
    """Makes a test of a story: `at` is when it begins, `district` where, `poll` how often an idle desk looks."""

    def make(tell: Callable[[Town], Awaitable[None]]) -> Callable[[], None]:
        def test() -> None:
            play(tell, at, district or places.town(), poll)
            if picture:
                pictures.compare(tell.__name__.removeprefix("test_"), play.picture)  # type: ignore[attr-defined]

        test.__name__ = test.__qualname__ = tell.__name__
        test.__doc__, test.__module__ = tell.__doc__, tell.__module__
        return test

    return make if told is None else make(told)


__all__ = ["LINGER", "MORNING", "Killed", "MortalStore", "Out", "Town", "play", "story"]
