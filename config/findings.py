"""What `yijian doctor` finds: a level, a name, and a sentence in both languages. Each room looks after its own.

Names of people, stations and devices are ids only, a count and the first few: the output may be sent to whoever helps.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

_IDS_SHOWN = 5


class Level(StrEnum):
    """`bad`: somebody may go unheard, see to it now; `warn`: see to it."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """One line."""

    level: Level
    name: str
    en: str
    zh: str


def few(ids: Iterable[str]) -> str:
    """How many, and the first of them: `12 (r-01, r-02, r-03, r-04, r-05 …)`."""
    known = sorted(ids)
    more = " …" if len(known) > _IDS_SHOWN else ""
    return f"{len(known)} ({', '.join(known[:_IDS_SHOWN])}{more})"


def of(level: Level, name: str, ids: Iterable[str], en: str, zh: str, *, fine: tuple[str, str]) -> Finding:
    """A finding about these; none of them: all is well, in the words of `fine`."""
    known = list(ids)
    if not known:
        return Finding(Level.OK, name, *fine)
    return Finding(level, name, f"{en}: {few(known)}", f"{zh}：{few(known)}")
