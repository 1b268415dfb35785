"""What a hand-over looks like from outside."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Wanted(StrEnum):
    """What a list is asked for."""

    ALL = "all"
    WAITING = "waiting"
    LATE = "late"
    TAKEN = "taken"


class Signed(Struct, frozen=True):
    """Who, and when. `sound`: whether the next call is heard where it was taken."""

    by: str
    name: str | None
    at: datetime
    sound: bool | None = None


class HandoverView(Struct, frozen=True, kw_only=True):
    """A hand-over, or what would be on one now (`id` null). `late`: nobody has taken it in time."""

    id: str | None
    district: str
    area: str | None
    station: str | None
    station_name: str | None
    at: datetime
    since: datetime
    given: Signed | None
    taken: Signed | None
    late: bool
    replaced: bool
    note: str | None
    counts: dict[str, int]
    calls: list[dict[str, Any]]
    closed: list[dict[str, Any]]
    faults: list[dict[str, Any]]
    followups: list[dict[str, Any]]
