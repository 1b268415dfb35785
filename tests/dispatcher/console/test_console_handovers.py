"""Hand-overs through the door: what is on a sheet, who may give and take it, and what of it others see."""

from __future__ import annotations

import msgspec
import pytest
from console_rooms import COMMUNITY, NOW, OTHER_COMMUNITY, STREET, call, held, over

from dispatcher.console.handovers import HandoverView
from dispatcher.core.call import State
from dispatcher.erase import Erasure
from dispatcher.handovers import TAKEN_WITHIN_SECONDS, Handovers


@pytest.fixture(autouse=True)
async def town(world):
    world.board.put(
        call("c-1", state=State.ACCEPTED, accepted=held("st-1")),
        call("c-over", state=State.CLOSED, closed=over()),
        call("c-3", resident="r-3", area=OTHER_COMMUNITY),
    )
    world.put_follow_up("c-over")
    for staff in ("s-2", "s-4"):
        station = "st-1" if staff == "s-2" else "st-3"
        await world.register.put(
            "staff", {"id": staff, "name": f"{staff}人", "role": "station", "station": station}
        )
    await world.register.put("staff", {"id": "d-1", "name": "区里", "role": "district"})


async def given(api, who="station", **body):
    status, one = await api("POST", "/handovers", {"note": "钥匙在柜子里"} | body, who=who)
    assert status == 201, one
    return one


async def test_the_sheet_has_what_the_next_shift_must_know(api):
    status, sheet = await api("GET", "/handovers/sheet", who="station")
    assert status == 200
    msgspec.convert(sheet, HandoverView)
    [one] = sheet["calls"]
    assert (one["id"], one["resident"]["name"], one["name"], one["station_name"]) == (
        "c-1",
        "老人r-1",
        "王护理",
        "站st-1",
    )
    assert one["next"] == "step"
    assert [fault["id"] for fault in sheet["faults"]] == ["f-1"]
    assert [one["id"] for one in sheet["closed"]] == ["c-over"]
    assert [one["id"] for one in sheet["followups"]] == ["c-over"]
    assert sheet["counts"] == {"calls": 1, "closed": 1, "faults": 1, "followups": 1}


@pytest.mark.parametrize(
    ("who", "query", "seen"),
    [
        ("admin", "", {"c-1", "c-3"}),
        ("admin", "?station=st-3", {"c-3"}),
        ("admin", f"?area={STREET}", {"c-1"}),
        ("street", "", {"c-1"}),
        ("community", "?station=st-1", {"c-1"}),
        ("station_3", "", {"c-3"}),
    ],
)
async def test_a_sheet_is_of_its_place(api, who, query, seen):
    status, sheet = await api("GET", f"/handovers/sheet{query}", who=who)
    assert status == 200
    assert {one["id"] for one in sheet["calls"]} == seen


@pytest.mark.parametrize(
    ("who", "query", "status"),
    [
        ("station", "?station=st-3", 404),
        ("station", f"?area={OTHER_COMMUNITY}", 404),
        ("street", "?station=desk", 404),
        ("admin", "?station=nothing", 404),
        ("admin", f"?station=st-1&area={COMMUNITY}", 400),
        ("volunteer", "", 403),
    ],
)
async def test_a_sheet_out_of_sight_is_none(api, who, query, status):
    assert (await api("GET", f"/handovers/sheet{query}", who=who))[0] == status


async def test_it_is_given_and_taken_and_both_names_stand(api, world):
    one = await given(api)
    assert (one["given"]["name"], one["note"], one["taken"]) == ("王护理", "钥匙在柜子里", None)
    path = f"/handovers/{one['id']}/take"
    status, problem = await api("POST", path, {"sound": True}, who="station")
    assert (status, problem["code"]) == (409, "same_person")
    status, problem = await api("POST", path, {"sound": True})
    assert (status, problem["code"]) == (403, "person_needed"), "a program signs for nobody"
    assert (await api("POST", path, {"sound": True}, who="station_3"))[0] == 404
    status, taken = await api("POST", path, {"sound": False}, who="colleague")
    assert status == 200
    assert (taken["taken"]["by"], taken["taken"]["sound"]) == ("s-2", False)
    assert (await api("POST", path, {"sound": True}, who="colleague"))[0] == 200, "said twice is said once"
    status, problem = await api("POST", path, {"sound": True}, who="desk_person")
    assert (status, problem["code"]) == (409, "taken")


async def test_what_was_open_then_stays_on_the_record(api, world):
    one = await given(api)
    world.board.put(call("c-1", state=State.CLOSED, closed=over()))
    _, record = await api("GET", f"/handovers/{one['id']}", who="station")
    assert [(row["id"], row["state"], row["resident"]["name"]) for row in record["calls"]] == [
        ("c-1", "accepted", "老人r-1")
    ]


async def test_others_see_it_without_what_is_not_theirs(api):
    one = await given(api, who="admin", station="desk")
    assert {row["id"] for row in one["calls"]} == {"c-1", "c-3"}
    assert (await api("GET", f"/handovers/{one['id']}", who="station"))[0] == 404
    mine = await given(api)
    assert [row["id"] for row in (await api("GET", "/handovers", who="station"))[1]["items"]] == [mine["id"]]
    assert (await api("GET", "/handovers", who="station_3"))[1]["items"] == []
    assert len((await api("GET", "/handovers"))[1]["items"]) == 2


async def test_nobody_took_it_and_the_district_sees_that(api, world):
    first = await given(api)
    assert (await api("GET", "/handovers?state=late"))[1]["items"] == []
    world.clock.us += (TAKEN_WITHIN_SECONDS + 1) * 1_000_000
    [late] = (await api("GET", "/handovers?state=late"))[1]["items"]
    assert (late["id"], late["late"], late["station_name"]) == (first["id"], True, "站st-1")
    await given(api)
    assert (await api("GET", "/handovers?state=late"))[1]["items"] == [], "a later one has taken its place"
    status, problem = await api("POST", f"/handovers/{first['id']}/take", {"sound": True}, who="colleague")
    assert (status, problem["code"]) == (409, "replaced")


async def test_a_station_that_was_left_with_calls_in_its_hands_is_told_until_it_hands_over(api, world):
    async def told(who="admin"):
        return [
            (one["station"], one["calls"])
            for one in (await api("GET", "/handovers/missing", who=who))[1]["items"]
        ]

    for staff in world.rolls.default.staff_at["st-1"]:
        await world.register.duty(staff, True, "test")
    assert await told() == [], "somebody is there"
    for staff in world.rolls.default.staff_at["st-1"]:
        await world.register.duty(staff, False, "test")
    assert await told() == await told("street") == await told("station") == [("st-1", 1)]
    assert await told("station_3") == []
    await given(api)
    assert await told() == [], "it waits to be taken"
    [one] = (await api("GET", "/handovers"))[1]["items"]
    await api("POST", f"/handovers/{one['id']}/take", {"sound": True}, who="colleague")
    assert await told() == [("st-1", 1)], "who took it has left as well"
    world.board.put(call("c-1", state=State.CLOSED, closed=over()))
    assert await told() == []


async def test_of_two_who_take_it_at_once_one_is_first(api, world):
    one = await given(api)
    rows = Handovers(world.store, world.clock, world.ids)
    found = await rows.get(one["id"])
    assert await rows.take(found, by="s-2", sound=True)
    assert not await rows.take(found, by="d-1", sound=True)
    assert (await rows.get(one["id"])).taken_by == "s-2"


async def test_whoever_is_erased_is_taken_out_of_the_notes(api, world):
    named = await given(api, who="admin", station="st-3", note="老人r-2 家的钥匙在站里")
    listed = await given(api)
    other = await given(api, who="admin", area=OTHER_COMMUNITY, note="nothing of her")
    erasure = Erasure(world.store, world.register, world.clock)
    await erasure.erase("residents", "r-2", by="admin")
    await erasure.erase("residents", "r-1", by="admin")
    notes = {
        one: (await api("GET", f"/handovers/{one}"))[1]["note"]
        for one in (named["id"], listed["id"], other["id"])
    }
    assert notes == {named["id"]: "[erased]", listed["id"]: "[erased]", other["id"]: "nothing of her"}
    record = (await api("GET", f"/handovers/{listed['id']}"))[1]
    assert [row["resident"] for row in record["calls"]] == [None]


async def test_pages_and_a_cursor_that_is_none(api, world):
    made = [(await given(api))["id"] for _ in range(3)]
    _, first = await api("GET", "/handovers?limit=2")
    _, second = await api("GET", f"/handovers?limit=2&cursor={first['next']}")
    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
    assert (await api("GET", "/handovers?cursor=x"))[0] == 400
    assert world.clock.us == NOW
