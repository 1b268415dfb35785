"""The rows of alerts: written in the desk's own transaction with the facts they follow from, kept with their fate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, null, update

from config.doors import Ids
from dispatcher.core.alert import Alert, Channel, Fate, Kind, area_of, planned, silent_until_us
from dispatcher.core.call import Accepted, Call, Closed, Entry
from dispatcher.core.roll import Roll, Rolls
from dispatcher.store import Do, Prepared
from dispatcher.tables import alerts

#: Who claimed a message and died gives it back after this. Longer than any try may take.
LEASE_SECONDS = 45

_PUT = Prepared(insert(alerts))
_WITHDRAW = Prepared(
    update(alerts)
    .where(
        alerts.c.call == bindparam("b_call"),
        alerts.c.due_us.is_not(None),
        alerts.c.kind == Kind.SUMMONS.value,
        alerts.c.fact_seq < bindparam("b_seq"),  # one that follows in the same batch is of the next round
    )
    .values(fate=Fate.WITHDRAWN.value, due_us=null())
)


def rows_of(
    entry: Entry, call: Call | None, roll: Roll, ids: Ids, now_us: int, *, sms: bool
) -> list[dict[str, Any]]:
    """The rows of every message that follows from this fact."""
    rows: list[dict[str, Any]] = []
    for alert in planned(entry, call, roll, sms=sms):
        # Born claimed: this process has it in hand already, and the lease brings it back should we die with it.
        due_us = now_us + LEASE_SECONDS * 1_000_000
        if call is not None and alert.channel is Channel.SMS and alert.wording.startswith("summons."):
            due_us = silent_until_us(call.policy, now_us, roll.zone) or due_us
        rows.append(
            {
                "id": ids.new("a"),
                "district": entry.district,
                "area": area_of(entry, call),
                "call": entry.call,
                "fact": entry.name,
                "fact_seq": entry.seq,
                "at_us": entry.at_us,
                "kind": alert.kind.value,
                "channel": alert.channel.value,
                "target": alert.target,
                "asked": alert.asked,
                "wording": alert.wording,
                "endpoint": endpoint_of(alert),
                "lane": f"{alert.channel}/{alert.target}/{entry.call or entry.device or ''}",
                "fate": Fate.QUEUED.value,
                "due_us": due_us,
                "tries": 0,
                "last_us": None,
                "provider": "",
                "provider_id": "",
                "why": "",
            }
        )
    return rows


def endpoint_of(alert: Alert) -> str:
    """Where a message goes: a webhook by its id, or by the way of all text messages."""
    if alert.channel is Channel.WEBHOOK:
        return f"webhook/{alert.target.rpartition('@')[2]}"
    return "sms"


def rows_of_all(
    told: Iterable[tuple[Entry, Call | None]], rolls: Rolls, ids: Ids, now_us: int, *, sms: bool
) -> list[dict[str, Any]]:
    """The rows of every message that follows from these facts."""
    rows: list[dict[str, Any]] = []
    for entry, call in told:
        roll = rolls.find(entry.district) or rolls.default
        rows += rows_of(entry, call, roll, ids, now_us, sms=sms)
    return rows


def put(rows: Sequence[Mapping[str, Any]]) -> Do:
    """The write that adds them."""
    return Do(_PUT, rows)


def withdraw(told: Iterable[tuple[Entry, Call | None]]) -> Do:
    """Who has been asked to come need not any more: an accept and a close end every summons, in their own transaction."""
    ended = [entry for entry, _ in told if isinstance(entry.fact, Accepted | Closed)]
    return Do(_WITHDRAW, [{"b_call": entry.call, "b_seq": entry.seq} for entry in ended])
