"""A call as the outside sees it (contract, section 4): times as text, and the person it is about put back in.

The journal and the calls name people by id; only here, for somebody who may see it, does the id become a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import to_builtins

from config.doors import from_us
from dispatcher.core.call import Call, Done, Entry
from dispatcher.core.commands import Place
from dispatcher.core.district import Resident
from dispatcher.core.roll import Roll

#: What of a resident's record comes with a call: what somebody needs who goes there.
_RESIDENT = (
    "id",
    "name",
    "phone",
    "address",
    "door_code",
    "area",
    "notes",
    "language",
    "birth_year",
    "location",
    "contacts",
)


def when(us: int) -> str:
    """RFC 3339, UTC, to the millisecond."""
    second, rest = divmod(us, 1_000_000)
    return f"{_second(second)}.{rest // 1000:03}Z"


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    """A dozen of a call's moments are in the same few seconds, and so are those of all who look at it."""
    return from_us(second * 1_000_000).isoformat()[:19]


def _done(done: Done | None) -> dict[str, Any] | None:
    return None if done is None else {"by": done.by, "at": when(done.at_us), "proof": done.proof or None}


def _staff_name(by: str, roll: Roll | None) -> str | None:
    """Of a person of the register; a token, or the desk's own, has none."""
    person = roll.staff.get(by) if roll is not None else None
    return person.name or None if person is not None else None


def _station_name(station_id: str, roll: Roll | None) -> str | None:
    """A station's name is not about a person: whoever sees the call may read who was asked and who comes."""
    station = roll.stations.get(station_id) if roll is not None else None
    return station.name or None if station is not None else None


def _resident(resident: Resident | None, call: Call) -> dict[str, Any] | None:
    if resident is None:
        return None if call.resident is None else {"id": call.resident}
    full = to_builtins(resident)
    for contact in full.get("contacts", ()):
        contact.pop(
            "webhook", None
        )  # where a relative's programs are is the register's, not whoever goes there
    return {name: full[name] for name in _RESIDENT if name in full}


def without_door_code(view: dict[str, Any]) -> dict[str, Any]:
    """The view of a call for programs elsewhere: they open no door."""
    resident = view["resident"]
    if resident is None or "door_code" not in resident:
        return view
    return view | {"resident": {name: value for name, value in resident.items() if name != "door_code"}}


def view_call(call: Call, roll: Roll | None, place: Place | None, texts: Mapping[str, str]) -> dict[str, Any]:
    """The call as JSON values. `texts` must hold the closing note, if there is one."""
    resident = roll.residents.get(call.resident or "") if roll is not None else None
    location = place.location if place is not None and place.location is not None else None
    if location is None and resident is not None:
        location = resident.location
    due = call.due
    closed = call.closed
    caller = None
    if place is not None and (place.name or place.phone or place.address):
        caller = {"name": place.name, "phone": place.phone, "address": place.address}
    return {
        "id": call.id,
        "district": call.district,
        "state": call.state,
        "key": call.key,
        "kind": call.kind,
        "test": call.test,
        "device": call.device,
        "source": call.source or None,
        "resident": _resident(resident, call),
        "caller": caller,
        "area": call.area or None,
        "location": to_builtins(location) if location is not None else None,
        "pressed_at": when(call.pressed_us),
        "opened_at": when(call.opened_us),
        "late_seconds": round(max(0, call.opened_us - call.pressed_us) / 1e6, 3),
        "presses": call.presses,
        "cancel_requested": call.cancel_requested,
        "step": max(call.step, 0),
        "repeats": call.repeats,
        "dispatches": [
            {
                ("person" if offer.person else "station"): offer.to,
                "at": when(offer.at_us),
                "last_at": when(offer.last_us),
                "offers": offer.offers,
                "travel_seconds": offer.travel_seconds,
                "distance_m": offer.distance_m,
                "reason": offer.reason,
                "state": offer.state,
                "station_name": None if offer.person else _station_name(offer.to, roll),
            }
            for offer in call.offers
        ],
        "passed_over": [
            {
                "station": over.station,
                "reason": over.reason,
                "station_name": _station_name(over.station, roll),
            }
            for over in call.passed_over
        ],
        "seen_by": list(call.seen_by),
        "spoke": None
        if call.spoke is None
        else {"by": call.spoke.by, "at": when(call.spoke.at_us), "result": call.spoke.result},
        "accepted": None
        if call.accepted is None
        else {
            "by": call.accepted.by,
            "station": call.accepted.station,
            "at": when(call.accepted.at_us),
            "name": _staff_name(call.accepted.by, roll),
            "station_name": _station_name(call.accepted.station, roll),
        },
        "en_route": None
        if call.en_route is None
        else {"by": call.en_route.by, "at": when(call.en_route.at_us)},
        "on_scene": _done(call.on_scene),
        "closed": None
        if closed is None
        else {
            "by": closed.by,
            "at": when(closed.at_us),
            "outcome": closed.outcome,
            "evidence": closed.evidence,
            "note": texts.get(closed.text) if closed.text else None,
            "of": closed.of or None,
        },
        "deadline": None if due is None else {"kind": due[0], "at": when(due[1])},
        "deadlines": {
            kind: when(moment) for kind, moment in sorted(call.deadlines.items(), key=lambda item: item[1])
        },
        "seq": call.seq,
    }


#: Fields of facts that are moments: shown as text, under a name without the unit.
_MOMENTS = {
    "pressed_us": "pressed_at",
    "next_us": "next_at",
    "repress_us": "repress_at",
    "within_us": "within",
    "happened_us": "happened_at",
    "due_us": "due_at",
    "since_us": "since",
}


def view_entry(entry: Entry, texts: Mapping[str, str]) -> dict[str, Any]:
    """A fact as JSON values, without the call's state (contract, section 5)."""
    body: dict[str, Any] = to_builtins(entry.fact)
    body.pop("fact")
    body.pop("policy", None)
    for us_name, name in _MOMENTS.items():
        moment = body.pop(us_name, None)
        if moment is not None:
            body[name] = when(moment)
    text = body.pop("text", "")
    if text:
        body["note"] = texts.get(text)
    body.pop("device", None)
    return {
        "seq": entry.seq,
        "at": when(entry.at_us),
        "fact": entry.name,
        "district": entry.district,
        "cause": entry.cause.view(),
        "call": entry.call,
        "device": entry.device,
        **body,
    }


def text_ids(call: Call | None, entry: Entry | None = None) -> set[str]:
    """The ids of the texts that showing these needs."""
    wanted = set()
    if call is not None and call.closed is not None and call.closed.text:
        wanted.add(call.closed.text)
    if entry is not None:
        text = getattr(entry.fact, "text", "")
        if text:
            wanted.add(text)
    return wanted
