"""Excel and CSV: what goes out comes back the same, what is wrong is told by its cell, and what is no such file says so."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from dispatcher.core import district_check
from dispatcher.core.district import (
    Contact,
    Device,
    District,
    DistrictFile,
    Location,
    Resident,
    Staff,
    Station,
)
from dispatcher.core.hours import DAYS, parse
from dispatcher.sheets import week, writing
from dispatcher.sheets.wording import Unreadable
from dispatcher.sheets.work import Looked, Registered, look

STREET = {"code": "411002001", "name": "西关街道", "kind": "street", "parent": "411002"}
FILE, _ = district_check.check_content(
    {
        "district": {"code": "411002", "name": "魏都区", "holidays": ["2026-10-01", "2026-10-02"]},
        "areas": [STREET],
        "stations": [
            {
                "id": "st-01",
                "name": "西关社区托老站",
                "kind": "care_station",
                "area": "411002001",
                "location": {"lat": 34.020812345678901, "lon": 113.83},
                "hours": {day: ["08:00-12:00", "14:00-18:00"] for day in DAYS[:5]} | {"holidays": "closed"},
                "on_call": {"hours": {day: ["18:00-08:00"] for day in DAYS}, "phone": "037412345"},
                "capacity": 2,
                "closed": {"until": "2026-12-01T08:00:00+08:00", "reason": "停电"},
            },
            {"id": "st-02", "kind": "day_care", "hours": "always", "closed": {}},
        ],
        "residents": [
            {
                "id": "r-01",
                "name": "王瑞兰",
                "phone": "13800000001",
                "address": "=HYPERLINK(1)",
                "door_code": "0123#",
                "area": "411002001",
                "notes": "听力不好\n敲门要重",
                "birth_year": 1941,
                "contacts": [
                    {
                        "name": "王强",
                        "relation": "儿子",
                        "phone": "+8613900000002",
                        "on": ["opened", "closed"],
                    },
                    {"name": "李娟", "phone": "0371-6666"},
                ],
            },
            {"id": "r-02", "name": "-李", "phone": "+8612345", "address": "@x", "notes": "'=already"},
        ],
        "devices": [
            {
                "id": "btn-01",
                "resident": "r-01",
                "heartbeat": 900,
                "keys": {"1": "emergency", "a=b": "service"},
            }
        ],
        "staff": [{"id": "s-01", "name": "赵敏", "role": "station", "station": "st-01"}],
        "webhooks": [{"id": "wh-1", "url": "https://example.org/hook", "events": ["call.*", "test.passed"]}],
        "policies": {"emergency": {"repeat": 45.5, "arrive_goal": None}},
    }
)
assert FILE is not None
HERE = Registered({"411002": FILE}, "411002")


def book(**sheets: list[list[object]]) -> bytes:
    """A workbook as somebody would type it."""
    made = Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        page = made.create_sheet(name)
        for row in rows:
            page.append(row)
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


def places(looked: Looked) -> dict[str, str]:
    return {f"{fault.sheet}!{fault.cell}": fault.zh for fault in looked.errors}


def test_what_goes_out_comes_back_the_same_into_an_empty_register_and_into_its_own() -> None:
    content = writing.workbook(FILE)
    fresh = look(content, "登记.xlsx")
    assert fresh.errors == []
    assert writing.workbook(fresh.file)  # it can go out again
    assert fresh.file.residents == FILE.residents
    assert fresh.file.devices == FILE.devices
    assert fresh.file.district == FILE.district
    assert fresh.file.policies == FILE.policies
    assert [one.hours for one in fresh.file.stations] == [one.hours for one in FILE.stations]
    again = look(content, "登记.xlsx", HERE)
    assert again.file == FILE
    assert not again.changes.anything


@pytest.mark.parametrize(
    "section", ["areas", "stations", "residents", "contacts", "devices", "staff", "webhooks", "policies"]
)
def test_a_section_goes_out_as_csv_and_comes_back_without_a_change(section: str) -> None:
    content = writing.table(FILE, section)
    for encoding in ("utf-8-sig", "utf-8", "gb18030", "utf-16"):
        looked = look(content.decode("utf-8-sig").encode(encoding), f"{section}.csv", HERE)
        assert looked.errors == [], encoding
        assert not looked.changes.anything, encoding


def test_no_cell_that_goes_out_is_a_formula() -> None:
    pages = load_workbook(io.BytesIO(writing.workbook(FILE)))
    assert all(cell.data_type != "f" for page in pages for row in page.iter_rows() for cell in row)
    for section in ("residents", "contacts"):
        for row in csv.reader(io.StringIO(writing.table(FILE, section).decode("utf-8-sig"))):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


text = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc", "Zl", "Zp")),
    max_size=12,
)
clean = text.map(str.strip)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            clean, st.from_regex(r"\+?[0-9]{3,11}", fullmatch=True), clean, st.lists(clean, max_size=2)
        ),
        max_size=6,
    )
)
def test_any_names_addresses_and_numbers_come_back(people: list[tuple[str, str, str, list[str]]]) -> None:
    residents = [
        Resident(
            id=f"r-{number}",
            name=name,
            phone=phone,
            address=address,
            location=Location(lat=34.5, lon=-113.25) if number % 2 else None,
            contacts=[Contact(name=one, phone=phone) for one in contacts],
        )
        for number, (name, phone, address, contacts) in enumerate(people)
    ]
    file = DistrictFile(district=District(code="411002"), residents=residents)
    looked = look(writing.workbook(file), "x.xlsx", Registered({"411002": file}, "411002"))
    assert looked.errors == []
    assert (looked.file.residents if people else []) == residents


spans = st.sampled_from(["08:00-12:00", "14:00-18:00", "20:00-08:00", "00:00-24:00"])
weeks = st.dictionaries(st.sampled_from(DAYS), st.lists(spans, min_size=1, max_size=2), min_size=1)


@given(weeks, st.booleans())
def test_hours_read_back_as_they_were_written(spec: dict[str, list[str]], closed: bool) -> None:
    whole = spec | ({"holidays": "closed"} if closed else {})
    assert parse(week.read(week.write(whole))) == parse(whole)


@pytest.mark.parametrize(
    ("written", "days", "spans"),
    [
        ("周一到周五8：00～12：00、14:00-18:00", DAYS[:5], ["08:00-12:00", "14:00-18:00"]),
        ("星期六 9点-17点", ("sat",), ["09:00-17:00"]),
        ("Mon-Fri 08:00-12:00", DAYS[:5], ["08:00-12:00"]),
        ("每天 20:00-08:00", DAYS, ["20:00-08:00"]),
        ("周五至周一 08:00-20:00", ("mon", "fri", "sat", "sun"), ["08:00-20:00"]),
    ],
)
def test_hours_as_people_write_them(written: str, days: tuple[str, ...], spans: list[str]) -> None:
    assert week.read(written) == {day: spans for day in DAYS if day in days}
    assert week.read("全天") == week.read("Always") == week.read("24小时") == "always"
    for odd in ("周一至周五", "早上八点", "25:00-26:00", "周一至 08:00-12:00 再说"):
        assert not isinstance(week.read(odd), (dict, str)), odd


def test_every_error_is_told_by_its_cell_all_at_once() -> None:
    content = book(
        老人=[
            ["魏都区老人名单"],
            ["姓名", "编号", "手机号码", "所属社区", "出生日期", "备注2", "纬度", "经度"],
            ["王一", "r-91", "1.38E+10", "411002001", datetime(1941, 5, 1), "x", 34.0, None],
            ["王二", "r-92", 13800000000, "nowhere", "一九四一", None, "东经", 113.8],
            [None, None, None, None, None, None, None, None],
            ["王三", "r-92", "０１２３ 45", "", 3000, None, 134.0, 113.8],
            ["王四", None, "1", "", None, None, None, None],
        ],
        站点=[
            ["编号", "类型", "开放时间"],
            ["st-9", "宫殿", "随便"],
            ["st-10", "托老站", "周一至周五 08:00-12:00"],
        ],
    )
    looked = look(content, "名单.xlsx", HERE)
    assert looked.file is None
    told = places(looked)
    assert set(told) == {
        "老人!C3",
        "老人!H3",
        "老人!D4",
        "老人!E4",
        "老人!G4",
        "老人!B6",
        "老人!E6",
        "老人!G6",
        "老人!B7",
        "站点!B2",
        "站点!C2",
    }
    assert "1.38E+10" in told["老人!C3"]
    assert "两次" in told["老人!B6"]
    assert [(fault.cell, fault.heading) for fault in looked.faults if fault.warning] == [("F2", "备注2")]


def test_what_the_form_would_refuse_is_told_by_its_cell_unless_it_is_registered_so() -> None:
    rows = [
        ["编号", "姓名", "电话", "住址"],
        ["r-91", "<b>王</b>", "abc", "西关街 1 号"],
        ["r-92", "--", "138/139", "<i>"],
    ]
    kin = [["老人编号", "姓名", "关系", "电话"], ["r-01", "女儿", "<女>", "无"]]
    looked = look(book(老人=rows, 紧急联系人=kin), "名单.xlsx", HERE)
    assert looked.file is None
    told = places(looked)
    assert set(told) == {
        *("老人!B2", "老人!C2", "老人!B3", "老人!C3", "老人!D3"),
        *("紧急联系人!C2", "紧急联系人!D2"),
    }
    assert (told["老人!B2"], told["老人!B3"]) == ("不能有 < 或 > 符号", "至少要有一个字")
    assert "不像电话号码" in told["老人!C2"]

    odd = DistrictFile(
        district=District(code="411002"), residents=[Resident(id="r-91", name="<b>王</b>", phone="abc")]
    )
    registered = Registered({"411002": odd}, "411002")
    back = look(writing.table(odd, "residents"), "residents.csv", registered)
    assert (back.errors, back.file.residents) == ([], odd.residents)

    # A district file is loaded as ever, and says what to look at.
    content = district_check.dump(odd)
    new = look(content, "district.json")
    assert (new.errors, new.file) == ([], odd)
    assert {fault.path for fault in new.faults if fault.warning} == {
        "residents[0].name",
        "residents[0].phone",
    }
    assert look(content, "district.json", registered).faults == []


def test_a_file_of_two_columns_changes_nothing_else() -> None:
    looked = look(book(老人=[["编号", "电话"], ["r-01", 13911112222]]), "新号码.xlsx", HERE)
    assert looked.errors == []
    [after] = looked.file.residents
    assert after.phone == "13911112222"
    assert (after.name, after.contacts) == ("王瑞兰", FILE.residents[0].contacts)
    [row] = looked.changes.sections["residents"].first
    assert [(one.field, one.before, one.after) for one in row.changes] == [
        ("phone", "13800000001", "13911112222")
    ]


def test_a_masked_number_that_comes_back_is_left_as_it_was() -> None:
    kept = look(book(老人=[["编号", "电话"], ["r-01", "138****0001"]]), "x.xlsx", HERE)
    assert not kept.changes.anything
    strange = look(book(老人=[["编号", "电话"], ["r-01", "139****0001"]]), "x.xlsx", HERE)
    assert list(places(strange)) == ["老人!B2"]


def test_a_masked_door_code_that_comes_back_is_left_as_it_was() -> None:
    kept = look(book(老人=[["编号", "门禁密码"], ["r-01", "****"]]), "x.xlsx", HERE)
    assert not kept.changes.anything
    strange = look(book(老人=[["编号", "门禁密码"], ["r-02", "****"]]), "x.xlsx", HERE)
    assert list(places(strange)) == ["老人!B2"]
    changed = look(book(老人=[["编号", "开门密码"], ["r-01", "99*8#"]]), "x.xlsx", HERE)
    assert [one.door_code for one in changed.file.residents if one.id == "r-01"] == ["99*8#"]


def test_an_identity_number_is_checked_by_its_cell_and_never_shown() -> None:
    new = look(book(老人=[["编号", "身份证号码"], ["r-01", "11010519491231002x"]]), "x.xlsx", HERE)
    assert [one.identity_number for one in new.file.residents if one.id == "r-01"] == ["11010519491231002X"]
    [item] = [one for section in new.changes.sections.values() for one in section.first]
    assert [change.after for change in item.changes] == ["1****************X"]
    wrong = look(book(老人=[["编号", "身份证"], ["r-01", "110105194912310021"]]), "x.xlsx", HERE)
    assert list(places(wrong)) == ["老人!B2"]
    assert "1949" not in str(wrong.faults), "an error is written to lists and files"
    number = look(book(老人=[["编号", "身份证号"], ["r-01", 110105194912310021]]), "x.xlsx", HERE)
    assert list(places(number)) == ["老人!B2"], "Excel has made a number of it, and lost its end"
    strange = look(book(老人=[["编号", "身份证号"], ["r-01", "1****************X"]]), "x.xlsx", HERE)
    assert list(places(strange)) == ["老人!B2"]


def test_cells_that_are_merged_downwards_count_for_each_row() -> None:
    made = Workbook()
    page = made.active
    page.title = "人员"
    for row in (
        ["编号", "姓名", "角色", "站点"],
        ["s-1", "甲", "站点", "st-01"],
        ["s-2", "乙", "护理员", None],
    ):
        page.append(row)
    page.merge_cells("D2:D3")
    content = io.BytesIO()
    made.save(content)
    looked = look(content.getvalue(), "人员.xlsx", HERE)
    assert [one.station for one in looked.file.staff] == ["st-01", "st-01"]


def test_the_template_is_read_as_empty_and_says_that_its_example_is_not_read() -> None:
    looked = look(writing.template(), "登记模板.xlsx", HERE)
    assert looked.errors == []
    assert not looked.changes.anything
    assert any("示例" in fault.zh for fault in looked.faults)


def _zipped(**parts: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name.replace("__", "/"), part)
    return content.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "空"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "PNG"),
        (b"%PDF-1.7", "PDF"),
        (OLE + "Workbook".encode("utf-16-le"), ".xls"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "密码"),
        (writing.template()[:4000], "损坏"),
        (b"<html><table><tr><td>x</td></tr></table></html>", "网页"),
        (_zipped(word__document=b"x"), "Word"),
        (_zipped(a=b"x"), "压缩包"),
        (_zipped(**{"xl__workbook.xml": b"<", "big": b"0" * (513 * 1_048_576)}), "太大"),
        (_zipped(**{"xl__workbook.xml": b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"}), "损坏"),
        (b"just some words", "Excel"),
        (b"\0\1\2\3", "Excel"),
    ],
    ids=[
        "empty",
        "png",
        "pdf",
        "xls",
        "password",
        "cut",
        "html",
        "docx",
        "zip",
        "bomb",
        "entities",
        "words",
        "bytes",
    ],
)
def test_what_is_no_workbook_says_so_in_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        look(content, "老人.xlsx")
    assert said in caught.value.said.zh
    assert "\n" not in caught.value.said.zh


def test_the_mark_is_of_what_would_change() -> None:
    first = look(book(老人=[["编号", "电话"], ["r-01", "1391"]]), "a.xlsx", HERE).changes.mark
    same = look(b"id,phone\r\nr-01,1391\r\n", "residents.csv", HERE).changes.mark
    other = look(book(老人=[["编号", "电话"], ["r-01", "1392"]]), "a.xlsx", HERE).changes.mark
    assert first == same != other


def test_shapes_of_every_section_have_a_column_for_every_field() -> None:
    from dispatcher.sheets.columns import BY_SECTION

    for section, shape in (
        ("stations", Station),
        ("residents", Resident),
        ("devices", Device),
        ("staff", Staff),
    ):
        columns = {column.name.partition(".")[0] for column in BY_SECTION[section].columns}
        assert set(shape.__struct_fields__) - {"contacts"} <= columns, section
