"""Finding somebody: by name, pinyin, telephone, address or id; names that are read in more than one way; and quickly."""

from __future__ import annotations

import time

import pytest

from dispatcher.core.district import Area, Contact, Device, District, Resident, Staff, Station, Webhook
from dispatcher.core.roll import Roll
from dispatcher.finding import Finder

PEOPLE = {
    "r-1": ("王瑞兰", "13812340001", "光明路8号院"),
    "r-2": ("单雄信", "+86 139 1234 0002", "古槐巷3号"),
    "r-3": ("仇英", "0374-2345678", "光明路9号"),
    "r-4": ("曾国华", "", ""),
    "r-5": ("解珍", "", ""),
    "r-6": ("查良镛", "", ""),
    "r-7": ("王瑞", "", "西湖 Garden 2"),
    "r-8": ("吕布", "", ""),
}


@pytest.fixture
async def asked():
    roll = Roll(District(code="411002"))
    for item_id, (name, phone, address) in PEOPLE.items():
        roll.put(Resident(id=item_id, name=name, phone=phone, address=address))
    roll.put(Resident(id="r-9", name="李四", contacts=[Contact(name="李娟", phone="13800009999")]))
    roll.put(Device(id="btn-0007", resident="r-1", name="床头按钮"))
    roll.put(Staff(id="s-1", name="赵敏", role="station", station="st-01"))
    finder = Finder()

    async def ask(question: str, section: str = "residents") -> list[str]:
        await finder.ready(roll, section)
        return finder.found(roll, section, question)

    ask.roll = roll
    return ask


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("王瑞兰", "r-1"), ("wrl", "r-1"), ("WRL", "r-1"), ("wangruilan", "r-1"), ("wangruil", "r-1"), ("瑞兰", "r-1"),
        ("0001", "r-1"), ("138 1234 0001", "r-1"), ("+86 138-1234-0001", "r-1"), ("１３８１２３４０００１", "r-1"),
        ("13912340002", "r-2"), ("shan", "r-2"), ("sxx", "r-2"), ("danxiongxin", "r-2"), ("qiu", "r-3"), ("chou", "r-3"), ("qy", "r-3"),
        ("zeng", "r-4"), ("zgh", "r-4"), ("xie", "r-5"), ("xz", "r-5"), ("zha", "r-6"), ("zly", "r-6"), ("lvbu", "r-8"),
        ("光明路 9号", "r-3"), ("garden", "r-7"), ("r-4", "r-4"), ("王瑞", "r-7"), ("9999", "r-9"), ("2345678", "r-3"),
        ("<script>", None), ("12", None),
    ],
)  # fmt: skip
async def test_the_one_who_is_meant_comes_first(asked, question, first):
    hits = await asked(question)
    assert hits[:1] == ([first] if first else []), hits


async def test_what_is_changed_is_found_by_what_it_is_now(asked):
    asked.roll.put(Resident(id="r-1", name="张三"))
    assert await asked("wrl") == []
    assert await asked("zs") == ["r-1"]
    asked.roll.remove("residents", "r-1")
    assert await asked("zs") == []


async def test_devices_and_staff_are_found_too(asked):
    assert await asked("0007", "devices") == ["btn-0007"]
    assert await asked("r-1", "devices") == ["btn-0007"]
    assert await asked("zm", "staff") == ["s-1"]


async def test_what_belongs_to_another_is_found_by_its_name_now(asked):
    roll = asked.roll
    roll.put(Area(code="411002001", name="西关街道", kind="street", parent="411002"))
    roll.put(Area(code="411002001003", name="碾上社区", kind="community", parent="411002001"))
    roll.put(Station(id="st-01", name="碾上助老站", kind="care_station", area="411002001003"))
    roll.put(Resident(id="r-10", name="郑和", area="411002001003"))
    roll.put(Webhook(id="wh-1", url="https://city.example/hook", area="411002001"))
    assert await asked("西关") == ["r-10"]
    assert await asked("碾上 zh") == ["r-10"]
    assert await asked("碾上助老", "staff") == ["s-1"]
    assert await asked("王瑞兰", "devices") == ["btn-0007"]
    assert (await asked("nianshang", "areas"), await asked("411002001003", "areas")) == (
        ["411002001003"],
    ) * 2
    assert await asked("city.example", "webhooks") == await asked("wh-1", "webhooks") == ["wh-1"]
    roll.put(Area(code="411002001", name="东关街道", kind="street", parent="411002"))
    assert (await asked("西关"), await asked("东关")) == ([], ["r-10"])
    roll.put(Resident(id="r-1", name="张三"))
    assert (await asked("王瑞兰", "devices"), await asked("张三", "devices")) == ([], ["btn-0007"])


async def test_twenty_thousand_are_asked_quickly():
    roll = Roll(District(code="411002"))
    for number in range(20_000):
        name = "王李张刘陈杨赵黄周吴"[number % 10] + "瑞秀桂玉淑凤"[number % 6] + "兰英珍华芳香荣"[number % 7]
        roll.put(
            Resident(
                id=f"r-{number:05}", name=name, phone=f"139{number:08}", address=f"光明路{number}号院3号楼"
            )
        )
    finder = Finder()
    await finder.ready(roll, "residents")
    spent = []
    for question in ("wrl", "wangruilan", "19999", "王瑞兰", "光明路 777", "w", "光明路", "no such person"):
        begun = time.process_time()
        finder.found(roll, "residents", question)
        spent.append(time.process_time() - begun)
    assert sorted(spent)[len(spent) // 2] < 0.02, spent
