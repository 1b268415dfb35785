"""What people read: short, exact, in their language; and a wrong file is one clear line before anything is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dispatcher.alerts.wording import LANGUAGES, MESSAGES, TEXT_MAX, WORDS, TextError, Wording

CONFIG = Path(__file__).resolve().parents[3] / "config"
CHINESE = {
    "name": "王秀英",
    "address": "魏都区西关街道文峰社区3号楼2单元501室",
    "phone": "13800000001",
    "key": "emergency",
    "time": "09:15",
    "station": "西关社区托老站",
    "outcome": "false_alarm",
    "minutes": 17,
}
ENGLISH = CHINESE | {
    "name": "Wang Xiuying",
    "address": "Building 3, unit 2, room 501, Wenfeng community",
    "station": "Xiguan care station",
}
LINK = "https://yijian.example.cn/r/c-0r7x2m9k4bq8t3nv5w"


@pytest.fixture(scope="module")
def wording() -> Wording:
    return Wording.load(None)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_text_fits_one_message_and_says_what_it_must(wording: Wording, message: str) -> None:
    chinese = wording.text(message, "zh-CN", **CHINESE)
    english = wording.text(message, "en", **ENGLISH)
    assert len(chinese) <= 70
    assert len(english) <= 160
    assert english.isascii()  # one letter outside halves what fits
    for said, values in ((chinese, CHINESE), (english, ENGLISH)):
        assert not re.search(r"[{}<>]", said)
        assert "  " not in said
        for need in MESSAGES[message].needs - {"outcome"}:
            assert str(values[need]) in said
    # With a link it is two messages, and the link is whole and last, where telephones find it.
    if message != "late":
        for language, values in (("zh-CN", CHINESE), ("en", ENGLISH)):
            assert wording.text(message, language, **values, link=LINK).endswith(LINK)
        assert len(wording.text(message, "zh-CN", **CHINESE, link=LINK)) <= 134
        assert len(wording.text(message, "en", **ENGLISH, link=LINK)) <= 306


def test_texts_as_people_get_them(wording: Wording) -> None:
    assert wording.text("summons.emergency", "zh-CN", **CHINESE) == (
        "紧急求救：王秀英，魏都区西关街道文峰社区3号楼2单元501室。请立即受理并前往。电话13800000001。"
    )
    assert wording.text("closed", "en-GB", **ENGLISH) == (
        "Wang Xiuying: the emergency call was closed at 09:15. Outcome: false alarm, all is well."
    )
    assert wording.text("accepted", "zh-CN", late_minutes=12, **CHINESE) == (
        "[迟到 12 分钟]王秀英的紧急求救已由西关社区托老站于09:15受理，会与老人联系或上门。"
    )
    assert wording.text("on_scene", "en", late_minutes=1, **ENGLISH).startswith("[1 min late] Wang Xiuying: ")


def test_the_language_is_chinese_for_zh_and_english_for_all_else(wording: Wording) -> None:
    for language in ("zh-CN", "zh", "zh-Hans-CN", "ZH-tw"):
        assert "紧急求救" in wording.text("opened", language, **CHINESE)
    for language in ("en", "en-US", "de", "", "uyghur"):
        assert "emergency call" in wording.text("opened", language, **ENGLISH)


def test_what_is_not_known_is_left_out_or_has_a_word(wording: Wording) -> None:
    said = wording.text("summons.emergency", "zh-CN", name="", address="", phone="", link="")
    assert said == "紧急求救：未登记的呼叫人，地址不详。请立即受理并前往。"
    said = wording.text("accepted", "en", key="service", time="09:15")
    assert said.startswith("Somebody not in the register: a responder has taken the service request at 09:15")
    for code in WORDS["key"]:
        for language in LANGUAGES:
            assert code not in wording.text("on_scene", language, **(CHINESE | {"key": code}))
    for code in WORDS["outcome"]:
        assert wording.text("closed", "zh-CN", **(CHINESE | {"outcome": code})).isprintable()
        assert code not in wording.text("closed", "zh-CN", **(CHINESE | {"outcome": code}))
    assert "quux" in wording.text("closed", "en", **(ENGLISH | {"outcome": "quux"}))


def test_values_are_one_line_bounded_and_never_filled_in_again(wording: Wording) -> None:
    said = wording.text(
        "summons.emergency",
        "en",
        name="Wang\r\nXiu\u202eying\x00\u200b {phone} <b>",
        address="a" * 500,
        phone="1",
        link="https://x.example/" + "p" * 500,
    )
    assert "Wang Xiuying {phone} <b>" in said
    assert "a" * 79 + "…" in said
    assert "a" * 80 not in said
    assert "https" not in said  # half a link leads nowhere
    assert said.isprintable()
    assert "n" * 39 + "…" in wording.text("opened", "en", name="n" * 41, key="emergency", time="09:15")
    assert "n" * 40 + ":" in wording.text("opened", "en", name="n" * 40, key="emergency", time="09:15")
    assert "\ud800" not in wording.text("opened", "en", name="a\ud800b")


# ── files of one's own ────────────────────────────────────────────────────────────────────────────────────────────────


def own(folder: Path, language: str = "en", *changes: tuple[str, str]) -> Path:
    """A copy of our file with something changed."""
    text = (CONFIG / "texts" / f"sms.{language}.toml").read_text("utf-8")
    for before, after in changes:
        assert text.count(before) >= 1, before
        text = text.replace(before, after)
    (folder / f"sms.{language}.toml").write_text(text, "utf-8")
    return folder


def fault(folder: Path) -> str:
    with pytest.raises(TextError) as caught:
        Wording.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_of_ones_own_counts_and_the_missing_one_is_ours(tmp_path: Path) -> None:
    wording = Wording.load(own(tmp_path, "en", ("Help wanted:", "Please help:")))
    assert wording.text("summons.service", "en", **ENGLISH).startswith("Please help: Wang")
    assert wording.text("summons.service", "zh-CN", **CHINESE).startswith("服务求助：王秀英")
    with_mark = (tmp_path / "sms.en.toml").read_bytes()
    (tmp_path / "sms.en.toml").write_bytes(b"\xef\xbb\xbf" + with_mark)  # as some editors write it
    assert Wording.load(tmp_path).text("late", "en", minutes=3) == "[3 min late] "


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("EMERGENCY: {name}", "EMERGENCY: {nmae}"), "sms.en.toml: summons.emergency: has the unknown placeholder {nmae}"),
        (("EMERGENCY: {name}, ", "EMERGENCY: "), "sms.en.toml: summons.emergency: must say {name}, outside of < and >"),
        (("EMERGENCY: {name}, {address}", "EMERGENCY: {name}<, {address}>"), "summons.emergency: must say {address}"),
        (("EMERGENCY: {name}", "EMERGENCY: {outcome} {name}"), "summons.emergency: cannot know {outcome}; it can say {name}"),
        (("[{minutes} min late]", "[late]"), "late: must say {minutes}"),
        (("[{minutes} min late]", "[{minutes} min late, {name}]"), "late: cannot know {name}; it can say {minutes}"),
        (("Outcome: {outcome}", "Over"), "closed: must say {outcome}"),
        (("arrived at {time}", "arrived at {time"), "sms.en.toml: on_scene: has a lone {"),
        (("arrived at {time}", "arrived at time}"), "on_scene: has a lone }"),
        (("arrived at {time}.<", "arrived at {time}.<<"), "on_scene: has a < without its >"),
        (("arrived at {time}.< {link}>", "arrived at {time}.< {link}"), "on_scene: has a < without its >"),
        (("arrived at {time}.< {link}>", "arrived at {time}. {link}>"), "on_scene: has a > without its <"),
        (("arrived at {time}.< {link}>", "arrived at {time}.< soon>"), "on_scene: has no placeholder between < and >"),
        (('on_scene = "', 'on_seen = "'), "sms.en.toml: on_scene: is missing; sms.en.toml: on_seen: no message of this name"),
        (('late = "[{minutes} min late] "', "late = 7"), "late: is no text in quotes"),
        (('late = "[{minutes} min late] "', 'late = " "'), "late: is no text in quotes, or an empty one"),
        (('late = "', 'late = "' + "x" * 300), "late: is longer than 250 characters"),
        (("[{minutes} min late] ", "[{minutes} min\\n late]"), "late: is longer than 250 characters, or of more than one line"),
        (('hospital = "taken to hospital"', ""), "sms.en.toml: outcome.hospital: is missing"),
        (('hospital = "taken', 'hospital = "{name} taken'), "outcome.hospital: is a word: no placeholder stands in it"),
        (("[key]", "[key"), "sms.en.toml: is no TOML: "),
    ],
)  # fmt: skip
def test_a_wrong_text_is_one_line_that_names_it(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert message in fault(own(tmp_path, "en", change))


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    own(tmp_path, "en", ("EMERGENCY: {name}", "EMERGENCY: {nmae}"))
    own(tmp_path, "zh-CN", ("结果：{outcome}", "完"))
    with pytest.raises(TextError) as caught:
        Wording.load(tmp_path)
    assert [error.partition(":")[0] for error in caught.value.errors] == [
        "sms.zh-CN.toml",
        "sms.en.toml",
        "sms.en.toml",
    ]


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in fault(tmp_path / "nowhere")
    assert "holds none of sms.en.toml, sms.zh-CN.toml" in fault(tmp_path)
    (tmp_path / "sms.zh.toml").write_text("")
    assert "sms.zh.toml: no file of ours" in fault(tmp_path)
    (tmp_path / "sms.zh.toml").unlink()
    (tmp_path / "sms.zh-CN.toml").write_bytes('opened = "王秀英"'.encode("gbk"))
    assert "sms.zh-CN.toml: is not UTF-8 text (byte 10)" in fault(tmp_path)
    (tmp_path / "sms.zh-CN.toml").write_bytes(b"#" * 300_000)
    assert "is over 200000 bytes" in fault(tmp_path)
    (tmp_path / "sms.zh-CN.toml").unlink()
    (tmp_path / "sms.zh-CN.toml").mkdir()
    assert "sms.zh-CN.toml: cannot be read: Is a directory" in fault(tmp_path)


def test_the_longest_values_never_make_more_than_the_bound(wording: Wording) -> None:
    names = ("name", "address", "phone", "key", "time", "station", "outcome", "minutes")
    longest = dict.fromkeys(names, "x" * 1000)
    for message in MESSAGES:
        for language in LANGUAGES:
            said = wording.text(
                message, language, late_minutes=10**30, **longest, link="https://" + "x" * 192
            )
            assert len(said) <= TEXT_MAX
