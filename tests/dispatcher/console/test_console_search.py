"""Searching the register through the door: what fits best comes first, page by page, and nothing outside the scope."""

from __future__ import annotations


async def test_somebody_is_found_by_pinyin_page_by_page_and_only_in_scope(api, world):
    area = world.rolls.default.stations["st-1"].area
    people = [("r-61", "单雄信", area), ("r-62", "单国华", area), ("r-63", "单瑞兰", "")]
    for person, name, where in people:
        await world.register.put(
            "residents", {"id": person, "name": name, "area": where, "phone": "13912340061"}
        )
    status, found = await api("GET", "/residents?search=shan&limit=2")
    assert status == 200
    assert [one["id"] for one in found["items"]] == ["r-61", "r-62"]
    _, rest = await api("GET", f"/residents?search=shan&limit=2&cursor={found['next']}")
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["r-63"], None)
    _, theirs = await api("GET", "/residents?search=shan", who="station")
    assert [one["id"] for one in theirs["items"]] == ["r-61", "r-62"]
    _, by_number = await api("GET", "/residents?search=139-1234%200061", who="station")
    assert len(by_number["items"]) == 2
    assert (await api("GET", "/residents?search=nobody-at-all"))[1] == {"items": [], "next": None}


async def test_areas_and_webhooks_are_found_too_and_webhooks_by_the_district_alone(api, world):
    await world.register.put("webhooks", {"id": "wh-61", "url": "https://city.example/hook"})
    _, found = await api("GET", "/webhooks?search=city.example")
    assert [one["id"] for one in found["items"]] == ["wh-61"]
    assert (await api("GET", "/webhooks?search=city.example", who="station"))[0] == 403
    code = world.rolls.default.stations["st-1"].area
    _, found = await api("GET", f"/areas?search={code}")
    assert found["items"][0]["code"] == code


async def test_what_is_new_replaces_nothing_that_is_there(api, world):
    before = (await api("GET", "/residents/r-1"))[1]
    new = {"If-None-Match": "*"}
    status, problem = await api("PUT", "/residents/r-1", {"name": "别人"}, headers=new)
    assert (status, problem["field"]) == (412, "id")
    assert (await api("GET", "/residents/r-1"))[1] == before
    assert (await api("PUT", "/residents/r-62", {"name": "新来"}, headers=new))[0] == 201
    assert (await api("PUT", "/residents/r-62", {"name": "新来的"}))[0] == 200
