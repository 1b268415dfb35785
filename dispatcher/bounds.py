"""How every table is bounded: by what people register, or by the time after which its rows are let go.

A table that is not here fails a test: whoever adds one says what keeps it from growing for ever. `docs/operations.md`
has the figures for a district's year.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Select, select

from dispatcher import housekeeping as kept
from dispatcher import tables


@dataclass(frozen=True, slots=True)
class Bound:
    """`days`: rows older than that are let go (None: they have no age). `by`: what bounds them, in words."""

    by: str
    days: float | None = None
    with_call: bool = False  #: goes when its call does, `retention.closed_days` after the close
    oldest: Select[Any] | None = None  #: reads since when the row is old that should go first


def _first(moment: Column[int], *where: Any) -> Select[Any]:
    # Ordered rather than `min`: with a condition only that goes by the index.
    return select(moment).where(moment.is_not(None), *where).order_by(moment).limit(1)


BOUNDS: dict[str, Bound] = {
    # What people register: as many rows as there are things.
    "districts": Bound("one a district"),
    "areas": Bound("one an area of the register"),
    "stations": Bound("one a station of the register"),
    "residents": Bound("one a resident of the register"),
    "devices": Bound("one a device of the register"),
    "staff": Bound("one a person of the register"),
    "webhooks": Bound("one a webhook of the register"),
    "policies": Bound("three a district"),
    "duty": Bound("one a person of the register; goes with them"),
    "uncovered": Bound("one a community, while nobody can come to it"),
    "device_states": Bound("one a device of the register; goes a day after it was last heard", 1.0),
    "test_mode": Bound("one a device of the register, until it ends", 0.0),
    "meta": Bound("a few a district; one a person erased", kept.ERASED_DAYS),
    "tokens": Bound("one a token in use; revoked ones are let go", kept.REST_DAYS),
    "users": Bound("one a person of the register; goes with them", kept.USERS_DAYS),
    "sessions": Bound(
        "by age once they have run out; a hundred a person at most",
        kept.SESSIONS_DAYS,
        oldest=_first(tables.sessions.c.expires_us),
    ),
    "audit": Bound("by age", kept.AUDIT_DAYS, oldest=_first(tables.audit.c.at_us)),
    "history": Bound("by age", kept.HISTORY_DAYS, oldest=_first(tables.history.c.at_us)),
    # What happens: rows with an age.
    "calls": Bound(
        "retention of closed calls; open ones stay",
        with_call=True,
        oldest=_first(tables.calls.c.closed_us),
    ),
    "call_stations": Bound("with their call", with_call=True),
    "texts": Bound("with their call", with_call=True),
    "follow_ups": Bound("one an emergency, with its call", with_call=True),
    "places": Bound("with their call", with_call=True),
    "journal": Bound(
        "with their call; facts of no call by age",
        kept.REST_DAYS,
        with_call=True,
        oldest=select(tables.journal.c.at_us)
        .where(tables.journal.c.call.is_(None))
        .order_by(tables.journal.c.district, tables.journal.c.seq)
        .limit(1),
    ),
    "alerts": Bound(
        "with their call, or by age once their fate is known",
        kept.REST_DAYS,
        with_call=True,
        oldest=_first(tables.alerts.c.at_us, tables.alerts.c.due_us.is_(None)),
    ),
    "handovers": Bound(
        "by age, with what was written", kept.REST_DAYS, oldest=_first(tables.handovers.c.at_us)
    ),
    "faults": Bound(
        "by age once ended; one open fault a device and kind",
        kept.REST_DAYS,
        oldest=_first(tables.faults.c.ended_us),
    ),
    "inbox": Bound("by age once decided", kept.INBOX_DAYS, oldest=_first(tables.inbox.c.received_us)),
    "outbox": Bound(
        "gone once carried, or by age", kept.WORDS_DAYS, oldest=_first(tables.outbox.c.created_us)
    ),
    "replies": Bound("by age, and 20,000 at most", kept.REPLIES_DAYS, oldest=_first(tables.replies.c.at_us)),
}
