"""Finding somebody in a few keystrokes: by name, pinyin, telephone, address or id, among all that is registered.

    finder = Finder()
    await finder.ready(roll, "residents")
    finder.found(roll, "residents", "wrl 0001")     ids, the best first

What can be searched of an item is made once and kept while the item and what it belongs to are the same; for a question, all of it is one text that
is looked through by the machine's own search. 20,000 residents are asked in about a millisecond, and made anew in
pieces between which the loop gets its turn.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

from dispatcher.core.district import Area, Device, Resident, Staff, Station, Webhook
from dispatcher.core.roll import Item, Roll

#: Sections that can be searched.
SECTIONS = ("residents", "stations", "staff", "devices", "areas", "webhooks")
_ITEMS_A_TURN = 200
_WORDS_MAX = 6
_WAYS_MAX = 8
#: More than so many are no answer: whoever asks types another letter.
_FOUND_MAX = 2_000
#: Less of a number is in everybody's.
_DIGITS_LEAST = 3
#: As family names they are read otherwise than in most words.
_FAMILY = {
    "单": "shan", "仇": "qiu", "曾": "zeng", "解": "xie", "查": "zha", "区": "ou", "盖": "ge", "朴": "piao", "尉": "yu",
    "翟": "zhai", "缪": "miao", "覃": "qin", "黑": "he", "种": "chong", "折": "she", "乜": "nie", "员": "yun", "洗": "xian",
    "冼": "xian", "逄": "pang", "乐": "yue", "重": "chong", "召": "shao", "任": "ren", "华": "hua", "宁": "ning", "牟": "mu",
    "燕": "yan", "应": "ying", "纪": "ji", "葛": "ge", "石": "shi", "贾": "jia", "万": "wan", "薄": "bo", "柏": "bai",
}  # fmt: skip
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_SIGNS = re.compile(r"[\s()+\-.]")
_START, _NAME, _INITIALS, _PINYIN, _PHONE, _ID, _REST = "\n\x01\x02\x03\x04\x05\x06"


def _plain(text: str) -> str:
    return "".join(max(character, " ") for character in unicodedata.normalize("NFKC", text).lower()).strip()


@lru_cache(maxsize=20_000)
def _readings(character: str) -> tuple[str, ...]:
    from pypinyin import Style, pinyin

    [found] = pinyin(character, style=Style.NORMAL, heteronym=True, v_to_u=False)
    return tuple(dict.fromkeys(reading for reading in found if reading.isascii()))[:3]


def readings(name: str) -> Iterator[tuple[str, ...]]:
    """Every way a name may be read, syllable by syllable; the likeliest first, and not many."""
    syllables: list[tuple[str, ...]] = []
    for character in _plain(name):
        if _HAN.match(character):
            known = _readings(character)
            if not syllables and (family := _FAMILY.get(character)):
                known = tuple(dict.fromkeys((family, *known)))
            if known:
                syllables.append(known)
        elif character.isalnum() and character.isascii():
            syllables.append((character,))
    for count, way in enumerate(product(*syllables)):
        if count == _WAYS_MAX or not way:
            return
        yield way


def _digits(phone: str) -> str:
    digits = "".join(character for character in phone if character.isdecimal())
    return digits[2:] if digits.startswith("86") and len(digits) == 13 else digits


def around(roll: Roll, item: Item) -> tuple[str, ...]:
    """The names of what an item belongs to: it is found by them too."""
    match item:
        case Device():
            resident = roll.residents.get(item.resident)
            return (resident.name,) if resident is not None else ()
        case Area():
            return _names(roll, item.parent)
        case Staff() if item.station:
            station = roll.stations.get(item.station)
            return (station.name, *_names(roll, station.area)) if station is not None else ()
    return _names(roll, item.area)


def _names(roll: Roll, code: str) -> tuple[str, ...]:
    """An area's name and those above it, the widest first."""
    areas = [roll.areas.get(one) for one in roll.lineage(code)]
    return tuple(area.name for area in reversed(areas) if area is not None)


def entry_of(item: Any, belongs: tuple[str, ...] = ()) -> str:
    """All that an item is found by, as one text in which each part has its sign before it."""
    item_id, name = (item.code if isinstance(item, Area) else item.id), _plain(getattr(item, "name", ""))
    phones = [getattr(item, "phone", "")]
    rest: list[str] = []
    match item:
        case Resident():
            phones += [contact.phone for contact in item.contacts]
            rest += [item.address]
        case Staff():
            rest += [item.station]
        case Device():
            rest += [item.address, item.resident, item.family]
        case Station():
            rest += [item.area]
        case Webhook():
            rest += [item.url]
    rest += belongs
    ways = list(readings(name))
    parts = [_START, _ID, item_id.lower(), _NAME, name]
    for sign, said in (
        (_INITIALS, {"".join(one[0] for one in way) for way in ways} or {""}),
        (_PINYIN, {"".join(way) for way in ways}),
    ):
        parts += [part for one in sorted(said) for part in (sign, one)]
    parts += [part for phone in phones if phone for part in (_PHONE, _digits(phone))]
    parts += [part for text in rest if text for part in (_REST, _plain(text))]
    return "".join(parts) + _REST


@dataclass(slots=True)
class _Shelf:
    """One section of one district."""

    version: int = -1
    entries: dict[str, tuple[Any, tuple[str, ...], str]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    text: str = ""


class Finder:
    """What can be searched, by district and section."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._lock = asyncio.Lock()

    async def ready(self, roll: Roll, section: str) -> None:
        """See that everything that is registered now can be found."""
        shelf = self._shelves.setdefault((roll.district.code, section), _Shelf())
        async with self._lock:
            while shelf.version != roll.version:
                version, items = roll.version, dict(getattr(roll, section))
                entries: dict[str, tuple[Any, tuple[str, ...], str]] = {}
                made = 0
                for place, (item_id, item) in enumerate(items.items(), 1):
                    known, belongs = shelf.entries.get(item_id), around(roll, item)
                    if known is None or known[0] is not item or known[1] != belongs:
                        known = (item, belongs, entry_of(item, belongs))
                        made += 1
                        if made % _ITEMS_A_TURN == 0:
                            await asyncio.sleep(0)
                    entries[item_id] = known
                    if place % 5_000 == 0:
                        await asyncio.sleep(0)
                starts, at = [], 0
                for *_, text in entries.values():
                    starts.append(at)
                    at += len(text)
                shelf.entries, shelf.ids, shelf.starts = entries, list(entries), starts
                shelf.text = "".join(text for *_, text in entries.values())
                shelf.version = version

    def found(self, roll: Roll, section: str, question: str) -> list[str]:
        """The ids of what fits every word, the best first."""
        shelf = self._shelves[roll.district.code, section]
        words = [word for word in _words(question) if word][:_WORDS_MAX]
        if not words:
            return []
        asked = sorted((_needles(word) for word in words), key=lambda needles: _hits(shelf, needles))
        scores = _fits(shelf, asked[0])
        for needles in asked[1:]:
            scores = {
                place: score + more
                for place, score in scores.items()
                if (more := _fit(shelf.entries[shelf.ids[place]][2], needles))
            }
        return [shelf.ids[place] for place in sorted(scores, key=lambda place: (-scores[place], place))]


def _words(question: str) -> list[str]:
    plain = _plain(question)
    # A telephone number is one word, however it is written.
    if re.fullmatch(r"\+?[\d\s()\-]+", plain):
        return [_SIGNS.sub("", plain)]
    return plain.split()


def _needles(word: str) -> list[tuple[str, int]]:
    """What is looked for to find a word, with how well that fits, the best first."""
    digits = _digits(_SIGNS.sub("", word))
    asked = [
        (f"{_ID}{word}{_NAME}", 100), (f"{_NAME}{word}{_INITIALS}", 100), (f"{_NAME}{word}", 80), (f"{_ID}{word}", 40),
        (f"{_REST}{word}", 22),
    ]  # fmt: skip
    if word.isascii() and word.isalpha():
        asked += [(f"{_INITIALS}{word}{sign}", 75) for sign in (_INITIALS, _PINYIN)]
        asked += [(f"{_PINYIN}{word}", 65), (f"{_INITIALS}{word}", 60)]
    if digits.isdecimal() and len(digits) >= _DIGITS_LEAST:
        asked += [(f"{digits}{sign}", 45) for sign in (_PHONE, _REST)] + [(digits, 30)]
    if not word.isdecimal() or len(word) >= _DIGITS_LEAST:
        asked.append((word, 15))
    return sorted(asked, key=lambda one: -one[1])


def _hits(shelf: _Shelf, needles: list[tuple[str, int]]) -> int:
    """How often the loosest of them is found."""
    return shelf.text.count(needles[-1][0])


def _fit(text: str, needles: list[tuple[str, int]]) -> int:
    """How well one item fits a word; 0: not at all."""
    return next((score for needle, score in needles if needle in text), 0)


def _fits(shelf: _Shelf, needles: list[tuple[str, int]]) -> dict[int, int]:
    """How well the items fit a word, by their places; of more than anybody would look at, the best."""
    scores: dict[int, int] = {}
    loose = [needle for needle, _score in needles if needle[0] >= " "]
    loose = [one for one in loose if not any(other in one and other != one for other in loose)]
    if sum(shelf.text.count(one) for one in loose) <= _FOUND_MAX:
        # Whatever fits has one of these in it: one look at the whole, the rest at the few that are left.
        for place in {place for one in loose for place in _places(shelf, one)}:
            if score := _fit(shelf.entries[shelf.ids[place]][2], needles):
                scores[place] = score
        return scores
    for needle, score in needles:
        for place in _places(shelf, needle):
            scores.setdefault(place, score)
            if len(scores) == _FOUND_MAX:
                return scores
    return scores


def _places(shelf: _Shelf, needle: str) -> Iterator[int]:
    """The items whose text has it; each once."""
    at = shelf.text.find(needle)
    while at >= 0:
        place = bisect_right(shelf.starts, at) - 1
        yield place
        if place + 1 == len(shelf.starts):
            return
        at = shelf.text.find(needle, shelf.starts[place + 1])
