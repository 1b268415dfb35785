"""Excel and CSV through the door: a preview that changes nothing, a load that is what was previewed, an export in scope."""

from __future__ import annotations

import io

from openpyxl import Workbook, load_workbook

NEW = "编号,姓名,电话\r\nr-1,改名,13900000000\r\nr-new,新人,13900000001\r\n".encode()


async def test_a_preview_changes_nothing_and_its_mark_loads_just_that(api, world):
    status, seen = await api("POST", "/district/preview?name=residents.csv", data=NEW)
    assert status == 200, seen
    people = seen["sections"]["residents"]
    assert (people["added"], people["changed"], people["unchanged"]) == (1, 1, 0)
    assert "r-new" not in world.rolls.default.residents
    assert not world.register.asked

    status, loaded = await api("POST", f"/district?name=residents.csv&preview={seen['mark']}", data=NEW)
    assert (status, loaded["residents"]) == (200, 2)
    assert world.rolls.default.residents["r-new"].name == "新人"
    # Now it would do something else: nothing.
    status, problem = await api("POST", f"/district?name=residents.csv&preview={seen['mark']}", data=NEW)
    assert (status, problem["field"]) == (409, "preview")


async def test_errors_come_by_cell_and_nothing_is_loaded(api, world):
    wrong = "编号,姓名,所属区域\r\nr-8,甲,nowhere\r\nr-9,乙,\r\n".encode("gb18030")
    status, seen = await api("POST", "/district/preview?name=residents.csv", data=wrong)
    assert (status, seen["mark"]) == (200, None)
    [error] = seen["errors"]
    assert (error["cell"], error["heading"], error["path"]) == ("C2", "所属区域", "residents[0].area")
    assert "没有" in error["zh"]
    status, problem = await api("POST", "/district?name=residents.csv", data=wrong)
    assert (status, problem["errors"][0]["cell"]) == (400, "C2")
    assert "r-9" not in world.rolls.default.residents


async def test_a_file_that_is_no_workbook_is_one_sentence(api):
    status, problem = await api("POST", "/district/preview?name=x.xlsx", data=b"\x89PNG\r\n\x1a\n....")
    assert status == 400
    assert "PNG" in problem["zh"]


async def test_an_export_is_in_scope_and_reads_back(client, world):
    async def export(who, query):
        headers = {"Authorization": f"Bearer secret-{who}"}
        async with client.get(f"/api/v1/district/export?{query}", headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    book = load_workbook(io.BytesIO(await export("admin", "format=xlsx")))
    assert [cell.value for cell in book["老人"][1]][:3] == ["编号", "姓名", "电话"]
    ids = {row[0].value for row in book["老人"].iter_rows(min_row=3)}
    assert ids == set(world.rolls.default.residents)
    theirs = (await export("station", "format=csv&section=residents")).decode("utf-8-sig")
    listed = {line.split(",")[0] for line in theirs.splitlines()[1:]}
    assert listed
    assert listed < ids


async def test_the_template_is_a_workbook(client):
    headers = {"Authorization": "Bearer secret-station"}
    async with client.get("/api/v1/district/template", headers=headers) as answer:
        assert answer.status == 200
        book: Workbook = load_workbook(io.BytesIO(await answer.read()))
    assert book["老人"].data_validations.dataValidation
