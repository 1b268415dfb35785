"""What is said of a sheet, in Chinese and in English: the same thing, for whoever reads which."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct


class Said(Struct, frozen=True):
    """One sentence in both languages."""

    zh: str
    en: str


class Unreadable(Exception):  # noqa: N818 - a sentence about what somebody sent, not an error of ours
    """The file as a whole cannot be read; `said` is why, in one sentence."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.en)
        self.said = said


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something about a cell, a heading or a whole sheet. `cell` as people name it, `B7`; `path` as in the district file.

    `warning`: it does not stand in the way, but somebody should look.
    """

    sheet: str = ""
    cell: str = ""
    heading: str = ""
    path: str = ""
    zh: str
    en: str
    warning: bool = False


def _fixed(zh: str) -> Callable[[re.Match[str]], str]:
    return lambda found: zh.format(*found.groups())


_SECTIONS = {
    "areas": "区域",
    "stations": "站点",
    "residents": "老人",
    "devices": "设备",
    "staff": "人员",
    "webhooks": "推送",
}


def _named(said: str) -> str:
    """What the checker says as 'r-9', with the quotes of Chinese."""
    inner = re.fullmatch(r"'(.*)'", said, re.DOTALL)
    return f"“{inner[1]}”" if inner else said


def _not_in(found: re.Match[str]) -> str:
    return f"{_named(found[1])} 在“{_SECTIONS.get(found[2], found[2])}”里没有"


def _twice(found: re.Match[str]) -> str:
    return f"{_named(found[1])} 在“{_SECTIONS.get(found[2], found[2])}”里出现了两次"


#: The checker's English sentences (`dispatcher.core.district_check` and the rules), and ours. The first that fits.
_SAID: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), say if callable(say) else _fixed(say))
    for pattern, say in (
        (r"(.+) is in (\w+) twice", _twice),
        (r"(.+) is not in (\w+)", _not_in),
        (r"(.+) is of another district, (.+)", "{0} 属于另一个区（{1}）"),
        (r"(.+) is of another district", "{0} 属于另一个区"),
        (r"(.+) is another district", "{0} 是另一个区的编码"),
        (r"is the code of the district itself", "这是本区自己的编码"),
        (r"is outside your scope", "不在可管理的范围内"),
        (r"lies in itself, by way of what it lies in", "上级绕了一圈又回到自己"),
        (r"is the area itself", "上级不能是自己"),
        (r"is more than (\d+) levels deep, or never ends", "上级超过 {0} 层，或没有尽头"),
        (r"nothing is above a district", "区没有上级"),
        (r"(.+) is also (.+)", "{0} 与 {1} 重复"),
        (r"(.+) is already the device (.+)", "{0} 已经是设备 {1}"),
        (r"(.+) is already another district's device", "{0} 已经是另一个区的设备"),
        (r"must be 1 to (\d+) of .*", "只能用字母、数字和 . _ : -，最多 {0} 个"),
        (r"may not hold < or >", "不能有 < 或 > 符号"),
        (r"needs a letter or a digit", "至少要有一个字"),
        (r"is no telephone number: .*", "不像电话号码：只用数字、空格、横线、括号，可以 + 开头"),
        (r"is longer than (\d+) characters", "太长：最多 {0} 个字"),
        (r"has control characters in it", "里面有看不见的控制字符，请重新输入"),
        (r"must be (0 or more|more than 0) seconds and at most 10 years", "要写秒数，大于 0，最多 10 年"),
        (r"must be (0 or more|more than 0) seconds and at most (\d+)", "要写秒数，最多 {1}"),
        (r"(.+) is no language such as zh-CN", "没有 {0} 这种语言，应写成 zh-CN 这样"),
        (r"(.+) is no locale such as zh-CN", "没有 {0} 这种语言，应写成 zh-CN 这样"),
        (r"(.+) is no time zone such as Asia/Shanghai", "没有 {0} 这个时区，应写成 Asia/Shanghai 这样"),
        (r"(.+) is no date such as .*", "{0} 不是日期，应写成 2026-10-01 这样"),
        (r"has more than (\d+) (dates|contacts|codes|entries|steps|spans)", "太多了：最多 {0} 个"),
        (r"must be between 0 and (\d+), or left out for no bound", "应在 0 到 {0} 之间，不填就是不限"),
        (r"must be a time with an offset such as .*", "应写成 2026-10-01 08:00 这样的时间"),
        (r"must be an identity number of 18 .*", "不是有效的身份证号：18 位，请核对每一位"),
        (r"must be a year between (\d+) and (\d+)", "应是 {0} 到 {1} 之间的年份"),
        (r"must be between (-?\d+) and (\d+) degrees", "应在 {0} 到 {1} 度之间"),
        (r"must be one of (.+)", "应是以下之一：{0}"),
        (r"(.+) is none of (.+)", "{0} 不在可选范围：{1}"),
        (r"(.+) is no device family such as native", "没有 {0} 这种设备类型"),
        (r"(.+) is no fact such as .*", "没有 {0} 这种事件"),
        (r"is earlier than the step before it \((.+)\)", "比上一级（{0} 秒）还早"),
        (r"must have at least one step: .*", "至少要有一级，否则没有人会被派到"),
        (r"is no key: (.+)", "没有这种按键，只有 {0}"),
        (r"is missing", "这一项要填"),
        (r"is empty", "这一项要填"),
        (r"(.+) is no span such as .*", "{0} 不是时间段，应写成 08:00-12:00 这样"),
        (r"(.+) is no time of day", "{0} 不是钟点"),
        (r"24:00 can only be an end", "24:00 只能作结束时间"),
        (r"(\S+) begins and ends at the same time.*", "{0} 开始和结束相同；整天写 00:00-24:00"),
        (
            r"must be (text|a number|a whole number|an object|a list|true or false), not .*",
            "填的不是该填的内容",
        ),
        (r"only who sees every district makes an admin", "只有管理员能设管理员"),
        (r"more than (\d+) problems: .*", "错误超过 {0} 处，后面的没有再看"),
        (r".*whsec_.*", "签名密钥应以 whsec_ 开头"),
        (r".*\b(URL|url|http)\b.*", "不是可用的网址，应以 https:// 开头"),
    )
)


def in_both(error: str) -> Said:
    """An English sentence of the checker, with ours beside it; one that nobody has translated stays as it is."""
    for pattern, say in _SAID:
        found = pattern.fullmatch(error)
        if found is not None:
            return Said(say(found), error)
    return Said(f"不对：{error}", error)


def translated(error: str) -> bool:
    """Whether there is a Chinese sentence for this one."""
    return any(pattern.fullmatch(error) for pattern, _say in _SAID)


def said(zh: str, en: str, /, **values: Any) -> Said:
    """Both sentences with the same values in them."""
    return Said(zh.format(**values), en.format(**values))
