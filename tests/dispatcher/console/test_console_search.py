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


async def test_a_list_tells_how_many_there_are_in_all_where_that_is_asked_and_within_the_scope(api, world):
    roll = world.rolls.default
    home = roll.stations["st-1"].area
    for number in range(3):
        await world.register.put(
            "residents", {"id": f"r-7{number}", "name": "卜相识", "area": home if number else ""}
        )
    roll = world.rolls.default
    _, page = await api("GET", "/residents?limit=1&total=true")
    assert (len(page["items"]), page["total"]) == (1, len(roll.residents))
    assert "total" not in (await api("GET", "/residents?limit=1"))[1]
    theirs = sum(roll.within(one.area, home) for one in roll.residents.values())
    assert 0 < theirs < len(roll.residents)
    _, page = await api("GET", "/residents?limit=1&total=true", who="station")
    assert page["total"] == theirs
    _, page = await api("GET", f"/residents?limit=1&total=true&area={home}")
    assert page["total"] == theirs
    _, found = await api("GET", "/residents?search=卜相识&limit=1&total=true")
    assert (len(found["items"]), found["total"]) == (1, 3)
    _, found = await api("GET", "/residents?search=卜相识&limit=1&total=true", who="station")
    assert found["total"] == 2
    status, problem = await api("GET", "/residents?total=many")
    assert (status, problem["field"]) == (400, "total")


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
