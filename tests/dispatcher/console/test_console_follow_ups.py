"""Follow-ups through the door: who sees whose, what is due when, and whose numbers are masked."""

from __future__ import annotations

import msgspec
import pytest
from console_rooms import COMMUNITY, NEXT_COMMUNITY, NOW, OTHER_COMMUNITY, call, over

from dispatcher.console.follow_ups import FollowUpView
from dispatcher.core.call import State
from dispatcher.core.commands import FollowUp
from dispatcher.core.follow_up import Try
from dispatcher.inbox import Decided

#: The district's clock shows 09:15 on 24 November.
HOUR_US = 3_600_000_000
TODAY_18 = NOW + 8 * HOUR_US + 45 * 60_000_000
YESTERDAY_18 = TODAY_18 - 24 * HOUR_US

ROWS = {
    "c-today": {"resident": "r-1", "area": COMMUNITY, "station": "st-1", "due_us": TODAY_18},
    "c-late": {"resident": "r-2", "area": NEXT_COMMUNITY, "station": "st-2", "due_us": YESTERDAY_18},
    "c-coming": {"resident": "r-3", "area": OTHER_COMMUNITY, "station": "st-3", "due_us": TODAY_18 + 24 * HOUR_US},
    "c-nobodys": {"resident": None, "area": "", "station": "desk", "due_us": TODAY_18},
    "c-done": {
        "resident": "r-1", "area": COMMUNITY, "station": "st-1", "due_us": YESTERDAY_18,
        "state": "done", "done_us": NOW - HOUR_US, "result": "well",
    },
}  # fmt: skip
WAITING = set(ROWS) - {"c-done"}
SEEN = {
    "admin": WAITING,
    "this_district": WAITING,
    "desk": WAITING,
    "street": {"c-today", "c-late"},
    "community": {"c-today"},
    "grid": set(),
    "station": {"c-today"},
    "station_3": {"c-coming"},
}


@pytest.fixture(autouse=True)
def rows(world):
    world.inbox.decide = lambda _command, _call: Decided(200)
    tries = msgspec.json.encode([Try(by="s-1", at_us=NOW - HOUR_US, result="well")]).decode()
    for call_id, changes in ROWS.items():
        world.put_follow_up(call_id, body=tries if "done" in call_id else "[]", **changes)
        who = {name: changes[name] for name in ("resident", "area")}
        world.board.put(call(call_id, state=State.CLOSED, closed=over(), **who))


async def ids(api, who="admin", **query):
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    status, page = await api("GET", f"/followups?{asked}", who=who)
    assert status == 200, page
    return [one["id"] for one in page["items"]]


@pytest.mark.parametrize("who", SEEN)
async def test_follow_ups_in_sight(api, world, who):
    assert set(await ids(api, who)) == SEEN[who]
    for call_id in WAITING:
        status = 200 if call_id in SEEN[who] else 404
        assert (await api("GET", f"/followups/{call_id}", who=who))[0] == status
        told = await api("POST", f"/followups/{call_id}/done", {"result": "well"}, who=who)
        assert told[0] == status
    assert {how["call"] for _, how in world.inbox.asked} == SEEN[who]


async def test_a_volunteer_sees_none(api):
    assert (await api("GET", "/followups", who="volunteer"))[0] == 403


async def test_what_is_due_when(api):
    assert await ids(api) == ["c-late", "c-nobodys", "c-today", "c-coming"], "what waits longest above"
    assert await ids(api, state="overdue") == ["c-late"]
    assert await ids(api, state="today") == ["c-nobodys", "c-today"]
    assert await ids(api, state="coming") == ["c-coming"]
    assert await ids(api, state="done") == ["c-done"]
    assert await ids(api, due="2026-11-23") == ["c-late"]
    assert await ids(api, state="overdue", due="2026-11-24") == []
    assert await ids(api, station="st-1") == ["c-today"]
    assert await ids(api, area=OTHER_COMMUNITY) == ["c-coming"]
    status, problem = await api("GET", "/followups?due=tomorrow")
    assert (status, problem["field"]) == (400, "due")


async def test_pages_go_on_where_the_last_ended(api):
    _, first = await api("GET", "/followups?limit=3")
    _, second = await api("GET", f"/followups?limit=3&cursor={first['next']}")
    assert [one["id"] for one in second["items"]] == ["c-coming"]
    assert second["next"] is None
    status, problem = await api("GET", "/followups?cursor=nonsense")
    assert (status, problem["field"]) == (400, "cursor")


async def test_who_must_telephone_sees_the_number_and_afterwards_it_is_masked(api):
    _, waiting = await api("GET", "/followups/c-today", who="person")
    assert waiting["resident"]["phone"] == "0374-1"
    _, done = await api("GET", "/followups/c-done", who="person")
    assert done["resident"]["phone"] == "****"
    [past] = done["tries"]
    assert (past["by"], past["name"], past["result"]) == ("s-1", "王护理", "well")
    for body in (waiting, done):
        assert msgspec.convert(body, FollowUpView).call == body["id"]
    assert (waiting["overdue"], waiting["station_name"]) == (False, "站st-1")
    assert (await api("GET", "/followups/c-late"))[1]["overdue"] is True


async def test_what_somebody_says_goes_to_the_desk_with_their_name(api, world):
    body = {"result": "needs_care", "note": "cannot walk"}
    assert (await api("POST", "/followups/c-today/done", body, who="station"))[0] == 200
    [(command, how)] = world.inbox.asked
    assert command == FollowUp(by="s-1", station="st-1", result="needs_care", text="cannot walk")
    assert how["call"] == "c-today"
    status, problem = await api("POST", "/followups/c-today/done", {"result": "fine"}, who="station")
    assert status == 400, problem


async def test_the_same_word_twice_is_one_and_another_too_late_is_refused(api, world):
    assert (await api("POST", "/followups/c-done/done", {"result": "well"}, who="station"))[0] == 200
    assert world.inbox.asked == [], "it is what was said already"
    world.inbox.decide = lambda _command, _call: Decided(409, code="no_follow_up", why="it is done")
    status, problem = await api("POST", "/followups/c-done/done", {"result": "moved"}, who="station")
    assert (status, problem["code"]) == (409, "no_follow_up")
