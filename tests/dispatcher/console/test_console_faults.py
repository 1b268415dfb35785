"""Faults and coverage through the door: who sees what, and who may say that a fault has been seen to."""

from __future__ import annotations

import msgspec
import pytest
from console_rooms import COMMUNITY, NEXT_COMMUNITY, NOW, OTHER_COMMUNITY

from dispatcher.console.coverage import CoverView
from dispatcher.console.faults import FaultView
from dispatcher.core.commands import EndFault
from dispatcher.inbox import Decided

FAULTS = {
    "f-1": {},
    "f-next": {"area": NEXT_COMMUNITY, "device": "btn-r-2", "station": "st-2", "body": '{"resident":"r-2"}'},
    "f-other": {
        "area": OTHER_COMMUNITY,
        "device": "btn-r-3",
        "station": "st-3",
        "body": '{"resident":"r-3"}',
    },
    "f-asked": {"area": NEXT_COMMUNITY, "device": "btn-r-2", "station": "st-1", "body": '{"resident":"r-2"}'},
    "f-many": {
        "area": "",
        "device": None,
        "source": "district/411002",
        "fault": "offline_many",
        "station": "desk",
        "body": '{"devices":["btn-r-1","btn-r-2"],"count":2}',
    },
}
SEEN = {
    "admin": set(FAULTS),
    "district": set(FAULTS),
    "this_district": set(FAULTS),
    "desk": set(FAULTS),
    "street": {"f-1", "f-next", "f-asked"},
    "community": {"f-1"},
    "grid": set(),
    "station": {"f-1", "f-asked"},
    "station_3": {"f-other"},
}


@pytest.fixture(autouse=True)
def willing(world):
    world.inbox.decide = lambda _command, _call: Decided(200)


@pytest.fixture
def rows(world):
    for number, (fault_id, changes) in enumerate(FAULTS.items()):
        if changes:
            world.put_fault(fault_id, since_us=NOW + number, **changes)


@pytest.mark.parametrize("who", SEEN)
async def test_faults_in_sight(api, world, rows, who):
    status, page = await api("GET", "/faults", who=who)
    assert status == 200
    assert {one["id"] for one in page["items"]} == SEEN[who]
    for fault_id in FAULTS:
        seen = fault_id in SEEN[who]
        status, _ = await api("GET", f"/faults/{fault_id}", who=who)
        assert status == (200 if seen else 404), fault_id
        status, _ = await api("POST", f"/faults/{fault_id}/end", {"note": "seen to"}, who=who)
        assert status == (200 if seen else 404), fault_id
    assert {command.fault for command, _ in world.inbox.asked} == SEEN[who]


async def test_a_volunteer_sees_none(api, rows):
    assert (await api("GET", "/faults", who="volunteer"))[0] == 403
    assert (await api("GET", "/coverage", who="volunteer"))[0] == 403


async def test_a_fault_says_all_that_is_known_of_it(api, rows):
    _, page = await api("GET", "/faults", who="admin")
    for item in page["items"]:
        msgspec.convert(item, FaultView)
    many, one = page["items"][0], page["items"][-1]
    assert (many["id"], many["devices"], many["count"], many["area"]) == (
        "f-many",
        ["btn-r-1", "btn-r-2"],
        2,
        None,
    )
    assert one == {
        "id": "f-1",
        "district": "411002",
        "device": "btn-r-1",
        "source": "native/btn-r-1",
        "resident": "r-1",
        "area": COMMUNITY,
        "fault": "tamper",
        "detail": None,
        "station": "st-1",
        "since": "2026-11-24T01:15:00.000Z",
        "deadline": "2026-11-24T02:15:00.000Z",
        "overdue": False,
        "ended": None,
        "because": None,
        "by": None,
        "note": None,
        "devices": [],
        "count": 0,
        "residents": [],
    }
    # Whose task it is sees it; who lives there is another matter.
    _, page = await api("GET", "/faults?area=411002001002", who="station")
    assert [(item["id"], item["resident"]) for item in page["items"]] == [("f-asked", None)]


async def test_faults_are_asked_for_by_what_they_are(api, world, rows):
    world.put_fault("f-over", due_us=None, ended_us=NOW + 9, since_us=NOW - 9)

    async def found(query):
        status, page = await api("GET", f"/faults?{query}", who="admin")
        assert status == 200
        return {item["id"] for item in page["items"]}

    assert await found("state=all") == {*FAULTS, "f-over"}
    assert await found("state=ended") == {"f-over"}
    assert await found("station=st-1") == {"f-1", "f-asked"}
    assert await found("device=btn-r-2") == {"f-next", "f-asked"}
    assert await found("area=411002001") == {"f-1", "f-next", "f-asked"}
    assert await found("area=411002") == set(FAULTS)
    assert await found("fault=offline_many") == {"f-many"}
    assert await found("since=2026-11-24T01:15:00%2B00:00") == set(FAULTS)
    assert await found("state=all&until=2026-11-24T01:15:00%2B00:00") == {"f-over"}
    assert (await api("GET", "/faults?state=closed", who="admin"))[0] == 400


async def test_pages_go_on_where_they_ended(api, rows):
    got, cursor = [], ""
    while cursor is not None:
        _, page = await api("GET", f"/faults?limit=2{cursor and '&cursor=' + cursor}", who="admin")
        got += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert got == ["f-many", "f-asked", "f-other", "f-next", "f-1"]


async def test_ending_a_fault_asks_the_desk_and_tells_its_refusal(api, world):
    status, fault = await api("POST", "/faults/f-1/end", who="station")
    assert (status, fault["id"]) == (200, "f-1")
    [(command, how)] = world.inbox.asked
    assert command == EndFault(by="s-1", station="st-1", fault="f-1")
    assert how["call"] is None
    world.inbox.decide = lambda _command, _call: Decided(409, code="ends_by_itself", why="it ends by itself")
    status, problem = await api("POST", "/faults/f-1/end", {"note": "x"}, who="station")
    assert (status, problem["code"], problem["detail"]) == (409, "ends_by_itself", "it ends by itself")
    assert (await api("POST", "/faults/f-none/end", {}, who="admin"))[0] == 404


async def test_ending_it_twice_is_ending_it_once(api, world):
    world.put_fault("f-mine", due_us=None, ended_us=NOW, body='{"because":"by_hand","by":"s-1"}')
    status, fault = await api("POST", "/faults/f-mine/end", {}, who="station")
    assert (status, fault["by"]) == (200, "s-1")
    assert not world.inbox.asked


COVERED = {
    "admin": {COMMUNITY, NEXT_COMMUNITY, OTHER_COMMUNITY},
    "street": {COMMUNITY, NEXT_COMMUNITY},
    "community": {COMMUNITY},
    "grid": set(),
    "station": {COMMUNITY},
    "station_3": {OTHER_COMMUNITY},
    "desk": {COMMUNITY, NEXT_COMMUNITY, OTHER_COMMUNITY},
}


@pytest.mark.parametrize("who", COVERED)
async def test_coverage_in_sight(api, who):
    status, page = await api("GET", "/coverage", who=who)
    assert status == 200
    assert {one["area"] for one in page["items"]} == COVERED[who]


async def test_coverage_says_who_could_come_and_who_could_not(api, world):
    await world.register.put(
        "stations",
        {
            "id": "st-1",
            "kind": "care_station",
            "area": COMMUNITY,
            "location": {"lat": 34.03, "lon": 113.82},
            "closed": {"until": "2026-11-24T12:00:00+08:00", "reason": "burst pipe"},
        },
    )
    await world.coverage.reckon()
    _, page = await api("GET", f"/coverage?area={COMMUNITY}", who="admin")
    [item] = page["items"]
    msgspec.convert(item, CoverView)
    assert item["passed_over"] == [
        {"station": "st-1", "reason": "temporarily_closed"},
        {"station": "st-3", "reason": "nobody_on_duty"},
    ]
    assert item["count"] == 2
    assert item["able"][0] == {"station": "centre", "tier": 1, "travel_seconds": 0.0, "on_call": False}
    assert (item["state"], item["next_change"]) == ("covered", "2026-11-24T04:00:00.000Z")
    _, first = await api("GET", "/coverage?limit=2", who="admin")
    _, second = await api("GET", f"/coverage?limit=2&cursor={first['next']}", who="admin")
    assert [one["area"] for one in (*first["items"], *second["items"])] == sorted(COVERED["admin"])
    assert second["next"] is None
