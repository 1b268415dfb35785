"""Opening hours as people write them in a cell, and back.

    read("周一至周五 08:00-12:00 14:00-18:00；周六 9:00-12:00；节假日休息")  ->  {"mon": ["08:00-12:00", …], …, "holidays": "closed"}
    read("全天")  ->  "always"           write({"mon": […], …})  ->  "周一至周五 08:00-12:00 14:00-18:00；节假日休息"

`read(write(spec))` means the same as `spec`. What the text does not say in so many words it does not mean: a word that
is not known is an error, never skipped.
"""

from __future__ import annotations

import re
import unicodedata

from dispatcher.core.district import Spans
from dispatcher.core.hours import DAYS, span_fault
from dispatcher.sheets.wording import Said, said

_ZH_DAYS = dict(zip(DAYS, "一二三四五六日", strict=True))
_DAY_OF = {
    **{name: day for day, name in _ZH_DAYS.items()},
    "天": "sun",
    **{str(number): day for number, day in enumerate(DAYS, 1)},
    **{day: day for day in DAYS},
    **dict(
        zip(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), DAYS, strict=True)
    ),
    "tues": "tue",
    "weds": "wed",
    "thur": "thu",
    "thurs": "thu",
}
_GROUPS = {
    **dict.fromkeys(("每天", "每日", "天天", "daily", "every day", "everyday"), DAYS),
    **dict.fromkeys(("工作日", "平日", "weekdays", "weekday"), DAYS[:5]),
    **dict.fromkeys(("周末", "双休日", "weekend", "weekends"), DAYS[5:]),
}
_ALWAYS = (
    "always",
    "全天",
    "全天开放",
    "24小时",
    "全年无休",
    "24h",
    "24/7",
    "24 hours",
    "全天24小时",
    "24小时全天",
)
_NEVER = ("never", "不开放", "从不开放")
CLOSED_ZH = "休息"
NEVER_ZH = "不开放"
ALWAYS_ZH = "全天"
HOLIDAYS_ZH = "节假日休息"

_TOKEN = re.compile(
    r"""
    (?P<holidays>(?:法定)?节假日(?:休息|不开放|关闭|关门|除外)?|holidays?(?:[ ]*(?:closed|excepted))?)
  | (?P<span>(?P<h1>\d{1,2})(?:[:点时](?P<m1>\d{2})?)?分?\s*(?:-|~|至|到|to)\s*(?P<h2>\d{1,2})[:点时](?P<m2>\d{2})?分?)
  | (?P<group>每天|每日|天天|daily|every[ ]?day|工作日|平日|weekdays?|周末|双休日|weekends?)
  | (?P<day>(?:周|星期|礼拜)[一二三四五六日天1-7]|(?:mon|tues?|wed(?:nes)?s?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?(?![a-z]))
  | (?P<more>[一二三四五六日天](?![小时点]))
  | (?P<to>至|到|-|~|to(?![a-z]))
  | (?P<closed>休息|不开放|关闭|关门|closed)
  | (?P<gap>[\s,;、和及&与:()。.]+|and(?![a-z]))
    """,
    re.VERBOSE,
)
_SIGNS = str.maketrans(
    {"－": "-", "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "―": "-", "〜": "~", "～": "~", "∶": ":", "︓": ":", "，": ",", "；": ";", "\n": ";"}
)  # fmt: skip


def narrow(text: str) -> str:
    """Without full-width digits, letters and signs."""
    return unicodedata.normalize("NFKC", text).translate(_SIGNS).strip()


def plain(text: str) -> str:
    """The same in small letters: words are compared so."""
    return narrow(text).lower()


def read(text: str) -> str | Spans | Said:
    """The hours a text means; a Said where it cannot be read."""
    plainly = plain(text)
    if plainly.rstrip(";,.。") in _ALWAYS:
        return "always"
    if plainly in _NEVER:
        return {}
    reader = _Reader(text)
    place = 0
    while place < len(plainly):
        found = _TOKEN.match(plainly, place)
        if found is None:
            return said(
                "看不懂“{rest}”：写成“周一至周五 08:00-12:00 14:00-18:00”，或“全天”",
                "cannot read {rest!r}: write Mon-Fri 08:00-12:00 14:00-18:00, or always",
                rest=plainly[place : place + 12],
            )
        if (wrong := reader.take(found)) is not None:
            return wrong
        place = found.end()
    return reader.done()


class _Reader:
    """What has been read so far: some days, then their spans."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans: Spans = {}
        self._days: list[str] = []
        self._range = False
        self._told = False  #: spans were told for these days

    def take(self, found: re.Match[str]) -> Said | None:
        """One more token."""
        kind = found.lastgroup
        if kind in {"day", "more", "group"}:
            return self._take_days(found, kind)
        if kind == "to":
            self._range = True
        elif kind == "closed":
            for day in self._days:
                self._spans[day] = []
            self._told = True
        elif kind == "holidays":
            self._spans["holidays"] = "closed"
        elif kind != "gap":
            return self._take_span(found)
        return None

    def _take_days(self, found: re.Match[str], kind: str) -> Said | None:
        if self._told:
            self._days, self._told = [], False
        if kind == "group":
            self._days += [day for day in _GROUPS[found[0].strip()] if day not in self._days]
            return None
        day = _day(found[0])
        if kind == "more" and not self._days:
            return said("看不懂“{word}”", "cannot read {word!r}", word=found[0])
        if self._range and self._days:
            first, last = DAYS.index(self._days[-1]), DAYS.index(day)
            run = [DAYS[place % 7] for place in range(first, last + (8 if last < first else 1))]
            self._days += [one for one in run if one not in self._days]
        elif day not in self._days:
            self._days.append(day)
        self._range = False
        return None

    def _take_span(self, found: re.Match[str]) -> Said | None:
        start = f"{int(found['h1']):02}:{found['m1'] or '00'}"
        end = f"{int(found['h2']):02}:{found['m2'] or '00'}"
        span = f"{start}-{end}"
        if fault := span_fault(span):
            return said("{span} 不是时间段，应写成 08:00-12:00 这样", "{fault}", span=span, fault=fault)
        for day in self._days or DAYS:
            kept = self._spans.setdefault(day, [])
            if isinstance(kept, list):
                kept.append(span)
        self._told = True
        self._range = False
        return None

    def done(self) -> str | Spans | Said:
        """All of it, in the order of the week; a day that is closed is left out."""
        if (self._days and not self._told) or self._range:
            return said(
                "“{text}”没有写几点到几点", "{text!r} does not say from when to when", text=self._text[:40]
            )
        if not self._spans:
            return said("没有写开放时间", "says no hours")
        return {day: spans for day in (*DAYS, "holidays") if (spans := self._spans.get(day))}


def _day(word: str) -> str:
    word = re.sub(r"^(周|星期|礼拜)", "", word)
    return _DAY_OF.get(word) or _DAY_OF[word[:3]]


def write(spec: str | Spans) -> str:
    """The hours as people write them."""
    if isinstance(spec, str):
        return ALWAYS_ZH if spec == "always" else spec
    runs: list[tuple[list[str], str]] = []
    for day in DAYS:
        spans = spec.get(day)
        told = " ".join(spans) if spans else ""
        if told and runs and runs[-1][1] == told and DAYS.index(runs[-1][0][-1]) + 1 == DAYS.index(day):
            runs[-1][0].append(day)
        elif told:
            runs.append(([day], told))
    parts = [f"{_days(days)} {told}" for days, told in runs] or [NEVER_ZH]
    if spec.get("holidays") == "closed" and runs:
        parts.append(HOLIDAYS_ZH)
    return "；".join(parts)


def _days(days: list[str]) -> str:
    if len(days) == 7:
        return "每天"
    first, last = _ZH_DAYS[days[0]], _ZH_DAYS[days[-1]]
    return f"周{first}" if len(days) == 1 else f"周{first}{'、' if len(days) == 2 else '至'}周{last}"
