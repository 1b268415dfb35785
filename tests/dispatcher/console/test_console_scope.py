"""Who sees what: the contract's scope, role by role, on every way a call or a resident can be reached."""

from __future__ import annotations

import pytest
from console_rooms import (
    COMMUNITY,
    DISTRICT,
    GRID,
    NEXT_COMMUNITY,
    NOW,
    OTHER_COMMUNITY,
    OTHER_STREET,
    STREET,
    call,
    held,
    offered,
    over,
)

from dispatcher.core.call import OfferState, PassedOver, State
from dispatcher.core.district import District, Station, StationKind
from dispatcher.core.roll import Roll

AREAS = {
    "c-own": COMMUNITY,
    "c-next": NEXT_COMMUNITY,
    "c-other": OTHER_COMMUNITY,
    "c-grid": GRID,
    "c-none": "",
}

SEEN = {
    "admin": set(AREAS),
    "district": set(AREAS),
    "this_district": set(AREAS),
    "desk": set(AREAS),
    "street": {"c-own", "c-next", "c-grid"},
    "community": {"c-own", "c-grid"},
    "grid": {"c-grid"},
    "station": {"c-own", "c-grid"},
    "station_3": {"c-other"},
    "volunteer": set(),
}


@pytest.fixture(autouse=True)
def calls(world):
    world.board.put(*(call(name, area=area, resident=None) for name, area in AREAS.items()))


@pytest.mark.parametrize("who", SEEN)
async def test_calls_in_sight(api, who, world):
    status, page = await api("GET", "/calls", who=who)
    assert status == 200
    assert {one["id"] for one in page["items"]} == SEEN[who]
    for name in AREAS:
        for method, path, body in (
            ("GET", f"/calls/{name}", None),
            ("GET", f"/calls/{name}/journal", None),
            ("POST", f"/calls/{name}/note", {"text": "x"}),
        ):
            status, _ = await api(method, path, body, who=who)
            assert status == (200 if name in SEEN[who] else 404), (name, path)
    assert {how["call"] for _, how in world.inbox.asked} == SEEN[who]


@pytest.mark.parametrize(
    ("changes", "sees"),
    [
        ({"offers": (offered("st-3"),)}, True),
        ({"offers": (offered("st-3", OfferState.DECLINED),)}, True),
        ({"offers": (offered("st-3", OfferState.EXPIRED),)}, True),
        ({"offers": (offered("st-3", OfferState.WITHDRAWN),)}, False),
        ({"offers": (offered("st-2"),)}, False),
        ({"state": State.ACCEPTED, "accepted": held("st-3")}, True),
        ({"former": held("st-3")}, True),
        ({"state": State.CLOSED, "accepted": held("st-3"), "closed": over(), "deadlines": {}}, False),
        ({"state": State.CLOSED, "offers": (offered("st-3"),), "closed": over(), "deadlines": {}}, False),
        ({"offers": (offered("st-3", person=True),)}, True),
    ],
)
async def test_a_station_sees_what_it_was_asked(api, world, changes, sees):
    world.board.put(call("c-far", area=COMMUNITY, **changes))
    status, _ = await api("GET", "/calls/c-far", who="station_3")
    assert status == (200 if sees else 404)
    _, page = await api("GET", "/calls", who="station_3")
    assert ("c-far" in {one["id"] for one in page["items"]}) is sees


async def test_a_volunteer_sees_what_they_were_asked(api, world):
    world.board.put(call("c-asked", offers=(offered("v-1", person=True),)))
    _, page = await api("GET", "/calls", who="volunteer")
    assert [one["id"] for one in page["items"]] == ["c-asked"]
    assert (await api("POST", "/calls/c-asked/decline", {}, who="volunteer"))[0] == 200
    assert world.inbox.asked[-1][0].station == "v-1"
    assert (await api("POST", "/calls/c-asked/accept", {"station": "st-1"}, who="volunteer"))[0] == 403


async def test_who_closed_a_call_may_put_that_right_for_a_while(api, world):
    far = call("c-far", state=State.CLOSED, accepted=held("st-3", "s-3"), closed=over("s-3"), deadlines={})
    world.board.put(far)
    assert (await api("POST", "/calls/c-far/reopen", who="station_3"))[0] == 200
    assert (await api("POST", "/calls/c-far/reopen", who="grid"))[0] == 404
    world.clock.us += 601_000_000
    assert (await api("POST", "/calls/c-far/reopen", who="station_3"))[0] == 404


@pytest.mark.parametrize("who", SEEN)
async def test_the_register_in_sight(api, who):
    residents = {"c-own": "r-1", "c-next": "r-2", "c-other": "r-3", "c-grid": "r-g"}
    wanted = {residents[name] for name in SEEN[who] & set(residents)}
    status, page = await api("GET", "/residents", who=who)
    if who == "volunteer":
        assert status == 403
        return
    assert {one["id"] for one in page["items"]} == wanted
    _, page = await api("GET", "/devices?limit=500", who=who)
    assert {one["resident"] for one in page["items"] if "resident" in one} == wanted
    assert ("nobodys" in {one["id"] for one in page["items"]}) is ("c-none" in SEEN[who])
    for resident in residents.values():
        for path in (f"/residents/{resident}", f"/devices/btn-{resident}", f"/residents/{resident}/routing"):
            status, _ = await api("GET", path, who=who)
            assert status == (200 if resident in wanted else 404), path
        status, _ = await api("POST", f"/devices/btn-{resident}/test", who=who)
        assert status == (200 if resident in wanted else 404)
        status, problem = await api("POST", "/calls", {"resident": resident}, who=who)
        assert status == (200 if resident in wanted else 400), problem


@pytest.mark.parametrize("who", SEEN)
async def test_only_the_district_writes_the_register(api, who, world):
    for method, path, body in (
        ("PUT", "/residents/r-1", {"name": "x"}),
        ("DELETE", "/residents/r-1", None),
        ("PUT", "/policies/service", {"repeat": 60}),
        ("POST", "/district", {}),
        ("GET", "/district", None),
        ("GET", "/webhooks", None),
        ("GET", "/webhooks/wh-1", None),
    ):
        status, _ = await api(method, path, body, who=who)
        assert (status == 403) is (who not in {"admin", "district", "this_district"}), path


async def test_people_and_stations_in_sight(api):
    _, page = await api("GET", "/staff", who="station")
    assert {one["id"] for one in page["items"]} == {"s-1", "v-1"}
    _, page = await api("GET", "/staff", who="station_3")
    assert {one["id"] for one in page["items"]} == {"s-3"}
    _, page = await api("GET", "/stations", who="street")
    assert {one["id"] for one in page["items"]} == {"st-1", "st-2", "centre"}
    _, page = await api("GET", "/areas", who="street")
    assert {one["code"] for one in page["items"]} == {STREET, COMMUNITY, NEXT_COMMUNITY, GRID}
    assert (await api("GET", f"/areas/{OTHER_STREET}", who="street"))[0] == 404


async def test_a_station_answers_for_its_own_people_only(api, world):
    assert (await api("POST", "/staff/s-1/duty", {"on": True}, who="station"))[0] == 200
    assert (await api("POST", "/staff/v-1/duty", {"on": True}, who="station"))[0] == 403
    assert (await api("POST", "/staff/s-3/duty", {"on": True}, who="station"))[0] == 404
    assert (await api("POST", "/staff/v-1/duty", {"on": False}, who="volunteer"))[0] == 200
    assert (await api("POST", "/staff/s-1/duty", {"on": False}, who="volunteer"))[0] == 404
    assert world.register.asked == [("duty", "s-1", True, "s-1"), ("duty", "v-1", False, "v-1")]


async def test_signals_of_devices_in_sight(api, world):
    press = {"id": "p", "type": "press"}
    assert (await api("POST", "/signals", press | {"device": "btn-r-1"}, who="station"))[0] == 201
    assert (await api("POST", "/signals", press | {"device": "btn-r-3"}, who="station"))[0] == 403
    assert (await api("POST", "/signals", press | {"device": "stranger"}, who="station"))[0] == 403
    assert (await api("POST", "/signals", press | {"device": "stranger"}, who="district"))[0] == 201
    assert [signal.device for signal, _, _ in world.inbox.signals] == ["btn-r-1", "stranger"]


async def test_several_districts(api, world):
    other = Roll(District(code="411003", name="建安区"))
    other.put(Station(id="far-desk", kind=StationKind.DISTRICT_DESK))
    world.rolls.by_code["411003"] = other
    world.board.put(call("c-there", district="411003", area="", resident=None))
    assert (await api("GET", "/calls/c-there", who="district"))[0] == 200
    assert (await api("GET", "/calls/c-there", who="this_district"))[0] == 404
    assert (await api("GET", "/stations?district=411003", who="this_district"))[0] == 403
    assert (await api("GET", "/stations?district=411003", who="station"))[0] == 403
    _, page = await api("GET", "/stations?district=411003", who="admin")
    assert [one["id"] for one in page["items"]] == ["far-desk"]
    assert (await api("PUT", "/stations/far-desk", {"kind": "district_desk"}, who="this_district"))[0] == 403
    assert (await api("GET", f"/calls?district={DISTRICT}", who="street"))[0] == 200


async def test_a_narrow_scope_is_paged_without_gaps(api, world):
    world.board.calls.clear()
    for number in range(60):
        mine = number % 7 == 0
        offers = (offered("st-3"),) if mine else ()
        world.board.put(call(f"c-{number:03}", area=COMMUNITY, offers=offers))
    found, cursor = [], ""
    for _ in range(100):
        _, page = await api("GET", f"/calls?limit=2{cursor}", who="station_3")
        found += [one["id"] for one in page["items"]]
        assert len(page["items"]) <= 2
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == [f"c-{number:03}" for number in range(0, 60, 7)]


async def test_areas_are_asked_of_the_board(api, world):
    await api("GET", "/calls", who="community")
    assert set(world.board.wanted.area_codes) == {COMMUNITY, GRID}
    await api("GET", f"/calls?area={STREET}", who="admin")
    assert set(world.board.wanted.area_codes) == {STREET, COMMUNITY, NEXT_COMMUNITY, GRID}
    await api("GET", "/calls?since=2026-11-24T09:15:00%2B08:00&test=false", who="admin")
    assert (world.board.wanted.since_us, world.board.wanted.test, world.board.wanted.area_codes) == (
        NOW,
        False,
        None,
    )


async def test_a_call_names_the_stations_that_are_part_of_it_for_whoever_sees_it(api, world):
    """A station of another street, which the register does not show to this one."""
    world.board.put(
        call(
            "c-1",
            state=State.ACCEPTED,
            offers=(offered("st-1"), offered("st-3", OfferState.ACCEPTED)),
            accepted=held("st-3"),
            passed_over=(PassedOver(station="st-2", reason="full"),),
        )
    )
    assert (await api("GET", "/stations/st-3", who="station"))[0] == 404
    _, one = await api("GET", "/calls/c-1", who="station")
    assert one["accepted"]["station_name"] == "站st-3"
    assert [offer["station_name"] for offer in one["dispatches"]] == ["站st-1", "站st-3"]
    assert [over["station_name"] for over in one["passed_over"]] == ["站st-2"]
