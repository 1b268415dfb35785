"""The rooms behind the console, faked: one small district, a desk that answers what it is told to, a journal in a list."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import databases
import msgspec

from config.doors import to_us
from devices.family import Result
from devices.signal import Key, Signal
from dispatcher.alert_board import AlertFilter, AlertRow
from dispatcher.board import CallFilter
from dispatcher.console.rooms import Health, Rooms
from dispatcher.core.call import Call, Cause, Closing, Entry, Holder, Offer, OfferState, Opened, Outcome
from dispatcher.core.commands import AnyCommand
from dispatcher.core.district import (
    Area,
    AreaKind,
    Device,
    District,
    DistrictFile,
    Location,
    Resident,
    Role,
    Staff,
    Station,
    StationKind,
    Webhook,
)
from dispatcher.core.fold import fold
from dispatcher.core.geo import GreatCircle
from dispatcher.core.roll import DEFAULT_POLICIES, Rolls
from dispatcher.coverage import Coverage
from dispatcher.desk_reports import ReportBook
from dispatcher.erase import Erasure
from dispatcher.fault_board import FaultBoard
from dispatcher.feed import PositionUnknown
from dispatcher.inbox import Decided, Kept
from dispatcher.inbox import Inbox as RealInbox
from dispatcher.ledger import Ledger
from dispatcher.register import Register
from dispatcher.sight import Sight
from dispatcher.tables import faults, follow_ups, handovers
from dispatcher.view import view_call

NOW = to_us(datetime(2026, 11, 24, 1, 15, tzinfo=UTC))

DISTRICT = "411002"
STREET, OTHER_STREET = "411002001", "411002002"
COMMUNITY, NEXT_COMMUNITY, OTHER_COMMUNITY = "411002001001", "411002001002", "411002002001"
GRID = "411002001001-1"


class FakeClock:
    def __init__(self) -> None:
        self.us = NOW

    def now_us(self) -> int:
        return self.us


class CountingIds:
    def __init__(self) -> None:
        self._next = itertools.count(1)

    def new(self, kind: str) -> str:
        return f"{kind}-{next(self._next):06}"


def district_file() -> DistrictFile:
    place = Location(lat=34.03, lon=113.82)
    areas = [
        Area(code=code, kind=kind, parent=parent, name=code)
        for code, kind, parent in (
            (STREET, AreaKind.STREET, DISTRICT),
            (OTHER_STREET, AreaKind.STREET, DISTRICT),
            (COMMUNITY, AreaKind.COMMUNITY, STREET),
            (NEXT_COMMUNITY, AreaKind.COMMUNITY, STREET),
            (OTHER_COMMUNITY, AreaKind.COMMUNITY, OTHER_STREET),
            (GRID, AreaKind.GRID, COMMUNITY),
        )
    ]
    stations = [
        Station(id=station, name=f"站{station}", kind=kind, area=area, location=place)
        for station, area, kind in (
            ("st-1", COMMUNITY, StationKind.CARE_STATION),
            ("st-2", NEXT_COMMUNITY, StationKind.DAY_CARE),
            ("st-3", OTHER_COMMUNITY, StationKind.CARE_STATION),
            ("centre", STREET, StationKind.STREET_CENTRE),
            ("desk", "", StationKind.DISTRICT_DESK),
        )
    ]
    homes = (("r-1", COMMUNITY), ("r-2", NEXT_COMMUNITY), ("r-3", OTHER_COMMUNITY), ("r-g", GRID))
    return DistrictFile(
        district=District(code=DISTRICT, name="魏都区"),
        areas=areas,
        stations=stations,
        residents=[
            Resident(
                id=resident,
                name=f"老人{resident}",
                phone="0374-1",
                address="西大街1号",
                area=area,
                location=place,
            )
            for resident, area in homes
        ],
        devices=[
            *(Device(id=f"btn-{resident}", resident=resident) for resident, _ in homes),
            Device(id="panel", family="yj_line", address="0042", resident="r-1"),
            Device(id="nobodys"),
        ],
        staff=[
            Staff(id="s-1", name="王护理", role=Role.STATION, station="st-1"),
            Staff(id="s-3", name="李护理", role=Role.STATION, station="st-3"),
            Staff(id="v-1", name="赵志愿", role=Role.VOLUNTEER, area=COMMUNITY),
        ],
        webhooks=[
            Webhook(id="wh-1", url="https://example.org/hook", secret="whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQh")
        ],
    )


def call(call_id: str = "c-1", **changes: Any) -> Call:
    fact = Opened(
        key=Key.EMERGENCY,
        kind="press",
        pressed_us=NOW,
        policy=DEFAULT_POLICIES["emergency"],
        next_us=NOW + 60_000_000,
        device="btn-r-1",
        source="native/btn-r-1",
        resident="r-1",
        area=COMMUNITY,
    )
    cause = Cause(kind="signal", id="s-1")
    made = fold(
        None,
        Entry(district=DISTRICT, seq=1, at_us=NOW, call=call_id, device="btn-r-1", cause=cause, fact=fact),
    )
    return msgspec.structs.replace(made, **changes)


def offered(
    station: str, state: OfferState = OfferState.OFFERED, *, at_us: int = NOW, person: bool = False
) -> Offer:
    return Offer(
        to=station,
        at_us=at_us,
        last_us=at_us,
        reason="nearest",
        state=state,
        person=person,
        travel_seconds=300.0,
    )


def held(station: str, by: str = "s-1", *, at_us: int = NOW) -> Holder:
    return Holder(by=by, station=station, at_us=at_us)


def over(by: str = "s-1", *, at_us: int = NOW) -> Closing:
    return Closing(by=by, at_us=at_us, outcome=Outcome.HELPED)


@dataclass
class FakeInbox:
    board: FakeBoard
    asked: list[tuple[AnyCommand, dict[str, Any]]] = field(default_factory=list)
    signals: list[tuple[Signal, int, str]] = field(default_factory=list)
    decide: Callable[[AnyCommand, str | None], Decided] | None = None
    result: Result = Result.STORED
    fail: Exception | None = None

    async def ask(self, command: AnyCommand, **how: Any) -> Decided:
        self.asked.append((command, how))
        if self.fail is not None:
            raise self.fail
        if self.decide is not None:
            return self.decide(command, how["call"])
        return Decided(status=200, call=how["call"] or next(iter(self.board.calls)))

    async def put(self, arrivals: Sequence[tuple[Signal, int, str]]) -> list[Kept]:
        if self.fail is not None:
            raise self.fail
        self.signals += arrivals
        return [Kept(f"s-{len(self.signals)}", self.result) for _ in arrivals]

    async def call_of(self, stored_id: str, within_seconds: float = 2.0) -> str | None:
        return "c-1" if stored_id else None


@dataclass
class FakeBoard:
    rolls: Rolls
    calls: dict[str, Call] = field(default_factory=dict)
    pages: int = 0

    def put(self, *calls: Call) -> None:
        self.calls |= {one.id: one for one in calls}

    async def get(self, call_id: str) -> Call | None:
        return self.calls.get(call_id)

    async def page(self, wanted: CallFilter, cursor: str | None, limit: int) -> tuple[list[Call], str | None]:
        self.pages += 1
        self.wanted = wanted
        if cursor is not None and not cursor.startswith("after-"):
            raise ValueError(cursor)
        after = (cursor or "").removeprefix("after-")
        fits = [
            one
            for one in sorted(self.calls.values(), key=lambda one: one.id)
            if one.id > after
            and (wanted.state in (None, one.state) or (wanted.state == "open" and one.open))
            and (wanted.area_codes is None or one.area in wanted.area_codes)
        ]
        return fits[:limit], f"after-{fits[limit - 1].id}" if len(fits) > limit else None

    def held_by(self, district: str, station: str) -> int:
        return sum(
            one.open and one.accepted is not None and one.accepted.station == station and not one.test
            for one in self.calls.values()
            if one.district == district
        )

    def cursor_after(self, one: Call) -> str:
        return f"after-{one.id}"

    def cursor_near(self, one: Call) -> str:
        return f"after-{one.id}"

    async def view(self, one: Call) -> dict[str, Any]:
        return view_call(one, self.rolls.by_code.get(one.district), None, {})

    async def history(self, call_id: str) -> list[dict[str, Any]]:
        return [{"seq": 1, "fact": "call.opened", "call": call_id}]


@dataclass
class FakeEvent:
    id: str
    name: str
    data: bytes
    call: Call | None
    area: str | None = None
    stations: frozenset[str] = frozenset()
    told: str = ""


class FakeFeed:
    def __init__(self, rolls: Rolls) -> None:
        self._rolls = rolls
        self.events: list[FakeEvent] = []
        self.news = asyncio.Event()
        self.readers = 0
        self.forgotten = 0
        self.archived = False

    def tell(self, name: str, one: Call | None, **more: Any) -> FakeEvent:
        seq = len(self.events) + 1
        state = None if one is None else view_call(one, self._rolls.by_code[DISTRICT], None, {})
        body = {
            "seq": seq,
            "fact": name,
            "call": one and one.id,
            "device": "btn-r-1",
            "note": "a note",
            "state": state,
            **more,
        }
        area = one.area if one is not None else more.get("area")
        event = FakeEvent(f"j.{seq}", name, msgspec.json.encode(body), one, area)
        self.events.append(event)
        self.news.set()
        return event

    async def reader(self, district: str, after: str | None) -> FakeReader:
        if after is None:
            return FakeReader(self, len(self.events))
        if after == "0":
            return FakeReader(self, 0)
        if not after.startswith("j.") or int(after[2:]) > len(self.events):
            raise PositionUnknown
        return FakeReader(self, int(after[2:]))


class FakeReader:
    def __init__(self, feed: FakeFeed, at: int) -> None:
        self._feed = feed
        self._at = at
        feed.readers += 1

    async def next(self, max_events: int = 200) -> list[FakeEvent]:
        while self._at >= len(self._feed.events):
            self._feed.news.clear()
            await self._feed.news.wait()
        if self._feed.archived:
            self._feed.archived = False
            raise PositionUnknown
        found = self._feed.events[self._at : self._at + max_events]
        self._at += len(found)
        return found


class WatchedRegister(Register):
    """The real register, with a note of every change that was asked for."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.asked: list[tuple[Any, ...]] = []

    async def put(
        self, section: str, item: Any, district: str = "", within: str = "", *, by: str = ""
    ) -> Any:
        done = await super().put(section, item, district, within, by=by)
        self.asked.append(("put", section))
        return done

    async def put_policy(self, key: str, policy: Any, district: str = "", *, by: str = "") -> Any:
        done = await super().put_policy(key, policy, district, by=by)
        self.asked.append(("put_policy", key))
        return done

    async def delete(self, section: str, item_id: str, district: str = "", *, by: str = "") -> bool:
        done = await super().delete(section, item_id, district, by=by)
        self.asked.append(("delete", section, item_id))
        return done

    async def merge(self, content: Any, within: str = "", *, by: str = "") -> Any:
        done = await super().merge(content, within, by=by)
        self.asked.append(("merge",))
        return done

    async def merge_checked(self, file: Any, seen: int, within: str = "", *, by: str = "") -> Any:
        done = await super().merge_checked(file, seen, within, by=by)
        self.asked.append(("merge",))
        return done

    async def duty(self, staff_id: str, on: bool, by: str) -> None:
        await super().duty(staff_id, on, by)
        self.asked.append(("duty", staff_id, on, by))

    async def test_mode(self, device_ids: Sequence[str], until_us: int, by: str) -> None:
        await super().test_mode(device_ids, until_us, by)
        self.asked.append(("test_mode", list(device_ids), until_us, by))


class FakeAlerts:
    """One message that was given up."""

    def __init__(self, now_us: int) -> None:
        self.row = AlertRow(
            seq=1,
            id="a-1",
            district="411002",
            area="411002001003",
            call="c-1",
            fact="call.opened",
            fact_seq=1,
            at_us=now_us,
            kind="news",
            channel="webhook",
            target="wh-1",
            fate="failed",
            due_us=None,
            tries=3,
            last_us=now_us,
            provider="",
            provider_id="",
            why="http_410",
        )

    async def page(
        self, _wanted: AlertFilter, cursor: str | None, _limit: int
    ) -> tuple[list[AlertRow], str | None]:
        if cursor is not None and not cursor.isdigit():
            raise ValueError("no such cursor")
        return [self.row], None

    async def get(self, alert_id: str) -> AlertRow | None:
        return self.row if alert_id == self.row.id else None

    async def again(self, _alert_id: str) -> bool:
        return True


class FakeProof:
    """A canary that always comes through."""

    def view(self) -> dict[str, Any]:
        return {"state": "proven", "every_seconds": 300.0, "age_seconds": 0.0, "troubles": []}

    async def once(self) -> dict[str, Any]:
        return {"passed": True, "at": "2026-11-24T01:15:00Z", "stages": []}


@dataclass
class World:
    """Everything, at hand for a test."""

    clock: FakeClock = field(default_factory=FakeClock)
    ids: CountingIds = field(default_factory=CountingIds)
    health: Health = field(default_factory=Health)

    def __post_init__(self) -> None:
        self.store = databases.sqlite_again()
        self.needed: dict[str, str] = {}
        self.register = WatchedRegister(
            self.store, self.clock, needed_by=lambda _section, item_id: self.needed.get(item_id)
        )
        self.rolls = self.register.rolls
        self.board = FakeBoard(self.rolls)
        self.inbox = FakeInbox(self.board)
        self.feed = FakeFeed(self.rolls)

    async def open(self) -> World:
        await self.register.load()
        await self.register.merge(district_file())
        self.register.asked.clear()
        ledger, book = Ledger(), ReportBook(self.ids)
        inbox = RealInbox(self.store, self.rolls, self.clock, self.ids)
        self.coverage = Coverage(self.rolls, ledger, Sight(ledger, GreatCircle()), inbox, book, self.clock)
        await self.coverage.reckon()
        self.put_fault("f-1")
        return self

    def put_fault(self, fault_id: str, **changes: Any) -> None:
        """A fault as its row keeps it: somebody opened btn-r-1."""
        row = {
            "id": fault_id,
            "district": DISTRICT,
            "area": COMMUNITY,
            "device": "btn-r-1",
            "source": "native/btn-r-1",
            "fault": "tamper",
            "station": "st-1",
            "since_us": NOW,
            "due_us": NOW + 3_600_000_000,
            "overdue": 0,
            "ended_us": None,
            "body": '{"resident":"r-1"}',
        }
        with self.store._engine.begin() as connection:
            connection.execute(faults.insert().values({**row, **changes}))

    def put_follow_up(self, call_id: str, **changes: Any) -> None:
        """A follow-up as its row keeps it: the nurse of st-1 is to ask how r-1 is, until 18:00 today."""
        row = {
            "call": call_id,
            "district": DISTRICT,
            "area": COMMUNITY,
            "station": "st-1",
            "resident": "r-1",
            "closed_us": NOW - 72_000_000_000,
            "due_us": NOW + 31_500_000_000,
            "state": "waiting",
            "done_us": None,
            "result": "",
            "body": "[]",
            **changes,
        }
        row["from_us"] = row["due_us"] - 28_800_000_000
        with self.store._engine.begin() as connection:
            connection.execute(follow_ups.insert().values(row))

    def put_handover(self, handover_id: str, **changes: Any) -> None:
        """Somebody of st-1 gave their shift over a moment ago."""
        empty = '{"since_us":0,"calls":[],"closed":[],"faults":[],"followups":[],"counts":{}}'
        row = {"id": handover_id, "act": "given", "district": DISTRICT, "area": "", "station": "st-1"}
        row |= {"by": "s-9", "at_us": NOW, "sound": 0, "body": empty, **changes}
        with self.store._engine.begin() as connection:
            connection.execute(handovers.insert().values(row))

    async def routing(self, resident_id: str, at_us: int) -> list[dict[str, Any]]:
        return [
            {
                "station": "st-1",
                "tier": 0,
                "able": True,
                "reason": "able",
                "travel_seconds": 1.0,
                "distance_m": 1.0,
                "at": at_us,
            }
        ]

    @property
    def alerts(self) -> FakeAlerts:
        return FakeAlerts(self.clock.now_us())

    @property
    def rooms(self) -> Rooms:
        return Rooms(
            inbox=self.inbox,
            board=self.board,
            feed=self.feed,
            register=self.register,
            alerts=self.alerts,
            faults=FaultBoard(self.store),
            coverage=self.coverage,
            routing=self.routing,
            erase=Erasure(self.store, self.register, self.clock).erase,
            store=self.store,
            clock=self.clock,
            ids=self.ids,
            health=lambda: self.health,
            proof=FakeProof(),
        )
