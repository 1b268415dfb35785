"""Calls to look at: pages that hold still, and what a call shows."""

from __future__ import annotations

import base64

import pytest
from harness import story

from dispatcher.board import CallFilter
from dispatcher.core.commands import Place


def quiet(**how):
    return story(picture=False, **how)


@quiet()
async def test_pages_go_on_where_they_ended_while_calls_arrive(town):
    for _ in range(7):
        await town.telephone(area="c1", place=Place(name="x"))
        await town.advance(seconds=1)
    wanted = CallFilter("d1")
    first, cursor = await town.board.page(wanted, None, 3)
    await town.telephone(area="c1")
    second, cursor = await town.board.page(wanted, cursor, 3)
    third, end = await town.board.page(wanted, cursor, 3)
    assert [call.id for call in first + second + third] == town.calls[6::-1]
    assert end is None
    town.out.clear()


@quiet()
async def test_many_calls_of_one_moment_are_each_on_one_page(town):
    for _ in range(6):
        await town.telephone(area="c1")
    seen, cursor = [], None
    while True:
        page, cursor = await town.board.page(CallFilter("d1"), cursor, 2)
        seen += [call.id for call in page]
        if cursor is None:
            break
    assert sorted(seen) == sorted(town.calls)
    town.out.clear()


@quiet()
async def test_each_filter_keeps_what_it_says(town):
    await town.press("btn-01")
    await town.press("btn-02", "service")
    await town.accept("st-01", town.calls[0])
    await town.close("st-01", call=town.calls[0])

    async def found(**wanted):
        calls, _ = await town.board.page(CallFilter("d1", **wanted), None, 10)
        return [town.name_of(call.id) for call in calls]

    assert await found(state="open") == ["call-2"]
    assert await found(state="closed") == ["call-1"]
    assert await found(key="service") == ["call-2"]
    assert await found(resident="r-01") == ["call-1"]
    assert await found(device="btn-02") == ["call-2"]
    assert await found(station="st-01") == ["call-2", "call-1"]
    assert await found(station="st-02") == []
    assert await found(area_codes=["c1"]) == ["call-2", "call-1"]
    assert await found(area_codes=["c2"]) == []
    assert await found(test=True) == []
    assert await found(since_us=town.clock.now_us() + 1) == []
    town.out.clear()


@pytest.mark.parametrize("cursor", ["", "x", "!!", "MTIz", "é"])
def test_a_cursor_that_is_none_says_so(cursor):
    @quiet()
    async def tell(town):
        with pytest.raises(ValueError, match="cursor"):
            await town.board.page(CallFilter("d1"), cursor, 3)

    if cursor != "MTIz":
        tell()


@quiet()
async def test_a_call_shows_her_and_where_she_is_and_a_caller_nobody_knows(town):
    await town.press("btn-01")
    view = await town.board.view(town.look())
    assert view["resident"]["name"] == "王秀英"
    assert view["location"] == {"lat": 34.0, "lon": 113.8}
    assert view["deadline"]["kind"] == "step"
    await town.telephone(area="c1", place=Place(name="赵", phone="1", address="3号楼"))
    view = await town.board.view(town.look())
    assert (view["resident"], view["caller"]["name"]) == (None, "赵")
    await town.accept("")
    await town.close("", text="was a neighbour")
    view = await town.board.view(await town.board.get(town.calls[-1]))
    assert view["closed"]["note"] == "was a neighbour"
    assert view["caller"]["name"] == "赵", "also when it is over"
    assert view["deadline"] is None
    town.out.clear()


@quiet()
async def test_what_is_in_a_stations_hands_is_counted_from_memory(town):
    first = await town.press("btn-01")
    await town.press("btn-02")
    assert town.board.held_by("d1", "st-01") == 0, "asked is not taken"
    await town.accept("st-01", first)
    assert town.board.held_by("d1", "st-01") == 1
    assert town.board.held_by("d2", "st-01") == town.board.held_by("d1", "st-02") == 0
    await town.close("st-01", call=first)
    assert town.board.held_by("d1", "st-01") == 0
    town.out.clear()


@quiet()
async def test_an_unknown_call_is_none(town):
    assert await town.board.get("c-nothing") is None
    assert await town.board.history("c-nothing") == []


@quiet()
async def test_what_is_over_is_listed_of_ones_own_area_and_what_is_open_of_all(town):
    await town.telephone(area="c1")
    await town.telephone(area="c2")
    await town.telephone(area="c2")
    await town.accept("st-01", town.calls[1])
    await town.close("st-01", call=town.calls[1])
    page, _ = await town.board.page(CallFilter("d1", past_codes=["c1"]), None, 10)
    assert {town.name_of(call.id) for call in page} == {"call-3", "call-1"}
    page, _ = await town.board.page(CallFilter("d1", past_codes=[]), None, 10)
    assert {town.name_of(call.id) for call in page} == {"call-3", "call-1"}
    page, _ = await town.board.page(CallFilter("d1", past_codes=["c2"]), None, 10)
    assert {town.name_of(call.id) for call in page} == {"call-3", "call-2", "call-1"}
    town.out.clear()


@quiet()
async def test_a_place_to_go_on_at_names_a_call_or_only_its_second(town):
    for _ in range(3):
        await town.telephone(area="c1")
        await town.advance(seconds=1)
    wanted = CallFilter("d1")
    page, cursor = await town.board.page(wanted, None, 2)
    assert cursor == town.board.cursor_after(page[-1])
    near = town.board.cursor_near(page[-1])
    assert page[-1].id not in base64.urlsafe_b64decode(near + "==").decode()
    again, _ = await town.board.page(wanted, near, 2)
    assert again[0].id == page[-1].id, "nothing is passed over"
    town.out.clear()
