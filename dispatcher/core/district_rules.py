"""What each item of a district must be like by itself: ids, texts, hours, places, numbers. No references here.

One function a kind: it reports what is wrong, each with its path, and hands the item back as it is kept (its location
in WGS 84). The limits are generous; they are there so that a slip in a spreadsheet is an error and not a surprise.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from config.reading import web_url
from devices.family import FAMILY_NAMES
from dispatcher.core import geo, hours
from dispatcher.core.district import (
    Area,
    AreaKind,
    Contact,
    Device,
    District,
    Location,
    OnCall,
    Policy,
    Resident,
    Spans,
    Staff,
    Station,
    Webhook,
)
from dispatcher.core.identity import is_identity_number
from dispatcher.core.shapes import Report, join, shown
from dispatcher.core.signing import signing_key

NAME_MAX = 200
ADDRESS_MAX = 500
NOTES_MAX = 4000
PHONE_MAX = 32
DOOR_CODE_MAX = 64
#: The desk a district is given is called `desk-` and the district's code, and that must still be an id.
DISTRICT_CODE_MAX = 59
CAPACITY_MAX = 1_000_000_000
SECONDS_MAX = 10 * 365.25 * 86_400
CONTACTS_MAX = 50
STEPS_MAX = 50
KEYS_MAX = 64
EVENTS_MAX = 100
HOLIDAYS_MAX = 5_000
CONTACT_EVENTS = ("opened", "unanswered", "accepted", "on_scene", "closed")
#: Every fact there is (contract, section 5); `events` of a webhook are facts, `call.*` and the like, or `*`.
FACTS = (
    *(
        "call.opened",
        "call.joined",
        "call.cancel_requested",
        "call.dispatched",
        "call.escalated",
        "call.skipped",
    ),
    *("call.accepted", "call.declined", "call.lapsed", "call.spoke", "call.en_route", "call.on_scene"),
    *("call.overdue", "call.transferred", "call.noted", "call.seen", "call.closed", "call.reopened"),
    "call.followed_up",
    *("alert.sent", "alert.delivered", "alert.failed", "device.fault", "device.restored"),
    *("area.incident", "area.incident_ended", "coverage.lost", "coverage.restored", "test.passed"),
    *("canary.lost", "canary.restored"),  # no facts: nothing of the journal is needed to tell them
)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EVENTS = frozenset({"*", *FACTS, *(f"{fact.partition('.')[0]}.*" for fact in FACTS)})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def id_fault(value: str, characters_max: int = 64) -> str:
    """What is wrong with an id or a code, in words; empty where nothing is."""
    if _ID.fullmatch(value) and len(value) <= characters_max:
        return ""
    return f"must be 1 to {characters_max} of A-Z a-z 0-9 . _ : -"


def _id(value: str, path: str, report: Report) -> None:
    if error := id_fault(value):
        report.add(path, error)


def _text(
    value: str, path: str, report: Report, characters_max: int = NAME_MAX, *, lines: bool = False
) -> None:
    if len(value) > characters_max:
        report.add(path, f"is longer than {characters_max} characters")
    elif not value.isprintable() and (_CONTROL_IN_LINES if lines else _CONTROL).search(value):
        report.add(path, "has control characters in it")


def _phone(value: str, path: str, report: Report) -> None:
    _text(value, path, report, PHONE_MAX)


def _seconds(
    value: float | None, path: str, report: Report, *, zero: bool = False, most: float = SECONDS_MAX
) -> None:
    if value is None:
        return
    if not isfinite(value) or value < 0 or (value == 0 and not zero) or value > most:
        at_most = "10 years" if most == SECONDS_MAX else f"{most:.0f}"
        report.add(path, f"must be {'0 or more' if zero else 'more than 0'} seconds and at most {at_most}")


def _hours(spec: str | Spans, path: str, report: Report) -> None:
    if spec == "always":
        return
    try:
        hours.parse(spec)
    except hours.HoursError as error:
        for below, fault in error.faults:
            day, bracket, place = below.partition("[")
            report.add((join(path, day) if day else path) + bracket + place, fault)


def _location(location: Location | None, path: str, report: Report) -> Location | None:
    if location is None:
        return None
    found = geo.faults(location)
    for below, fault in found:
        report.add(f"{path}.{below}", fault)
    return location if found else geo.to_wgs84(location)


def _language(value: str, path: str, report: Report) -> None:
    if value and not _LOCALE.fullmatch(value):
        report.add(path, f"{shown(value)} is no language such as zh-CN")


def district(item: District, path: str, report: Report) -> District:
    """The district's own settings."""
    if error := id_fault(item.code, DISTRICT_CODE_MAX):
        report.add(f"{path}.code", error)
    _text(item.name, f"{path}.name", report)
    try:
        ZoneInfo(item.timezone)
    except (KeyError, ValueError, OSError):  # what it raises for names that are none, or are paths
        report.add(f"{path}.timezone", f"{shown(item.timezone)} is no time zone such as Asia/Shanghai")
    if not _LOCALE.fullmatch(item.locale):
        report.add(f"{path}.locale", f"{shown(item.locale)} is no locale such as zh-CN")
    if len(item.holidays) > HOLIDAYS_MAX:
        report.add(f"{path}.holidays", f"has more than {HOLIDAYS_MAX} dates")
        return item
    for place, day in enumerate(item.holidays):
        if not _is_date(day):
            report.add(f"{path}.holidays[{place}]", f"{shown(day)} is no date such as 2026-10-01")
    return item


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def area(item: Area, path: str, report: Report) -> Area:
    """A street, community or grid."""
    _id(item.code, f"{path}.code", report)
    _text(item.name, f"{path}.name", report)
    if item.parent and item.kind is AreaKind.DISTRICT:
        report.add(f"{path}.parent", "nothing is above a district")
    elif item.parent == item.code != "":
        report.add(f"{path}.parent", "is the area itself")
    return item


def station(item: Station, path: str, report: Report) -> Station:
    """An anchor."""
    _id(item.id, f"{path}.id", report)
    _text(item.name, f"{path}.name", report)
    _phone(item.phone, f"{path}.phone", report)
    _hours(item.hours, f"{path}.hours", report)
    if item.on_call is not None:
        _on_call(item.on_call, f"{path}.on_call", report)
    if item.capacity is not None and not 0 <= item.capacity <= CAPACITY_MAX:
        report.add(f"{path}.capacity", f"must be between 0 and {CAPACITY_MAX}, or left out for no bound")
    if item.closed is not None:
        _text(item.closed.reason, f"{path}.closed.reason", report)
        if item.closed.until is not None and not _is_moment(item.closed.until):
            report.add(
                f"{path}.closed.until", "must be a time with an offset such as 2026-10-01T08:00:00+08:00"
            )
    kept = _location(item.location, f"{path}.location", report)
    return item if kept is item.location else replace(item, location=kept)


def _on_call(item: OnCall, path: str, report: Report) -> None:
    _hours(item.hours, f"{path}.hours", report)
    _phone(item.phone, f"{path}.phone", report)
    _seconds(item.prepare_seconds, f"{path}.prepare_seconds", report, zero=True, most=86_400)


def _is_moment(text: str) -> bool:
    try:
        moment = msgspec.convert(text, datetime)
        moment.timestamp()
    except (msgspec.ValidationError, ValueError, OverflowError):
        return False
    return moment.tzinfo is not None


def resident(item: Resident, path: str, report: Report) -> Resident:
    """An elderly person, and whom they want told."""
    _id(item.id, f"{path}.id", report)
    _text(item.name, f"{path}.name", report)
    _phone(item.phone, f"{path}.phone", report)
    _text(item.address, f"{path}.address", report, ADDRESS_MAX, lines=True)
    _text(item.door_code, f"{path}.door_code", report, DOOR_CODE_MAX)
    if item.identity_number and not is_identity_number(item.identity_number):
        # Without what stands there: an error may end up where the number must not.
        report.add(
            f"{path}.identity_number",
            "must be an identity number of 18 characters whose last one checks the rest",
        )
    _text(item.notes, f"{path}.notes", report, NOTES_MAX, lines=True)
    _language(item.language, f"{path}.language", report)
    if item.birth_year is not None and not 1850 <= item.birth_year <= 2200:
        report.add(f"{path}.birth_year", "must be a year between 1850 and 2200")
    if len(item.contacts) > CONTACTS_MAX:
        report.add(f"{path}.contacts", f"has more than {CONTACTS_MAX} contacts")
    else:
        for place, contact in enumerate(item.contacts):
            _contact(contact, f"{path}.contacts[{place}]", report)
    kept = _location(item.location, f"{path}.location", report)
    return item if kept is item.location else replace(item, location=kept)


def _contact(item: Contact, path: str, report: Report) -> None:
    _text(item.name, f"{path}.name", report)
    _text(item.relation, f"{path}.relation", report)
    _phone(item.phone, f"{path}.phone", report)
    _language(item.language, f"{path}.language", report)
    for place, wish in enumerate(item.on[: len(CONTACT_EVENTS) * 2]):
        if wish not in CONTACT_EVENTS:
            report.add(f"{path}.on[{place}]", f"{shown(wish)} is none of {', '.join(CONTACT_EVENTS)}")
    if len(item.on) > len(CONTACT_EVENTS) * 2:
        report.add(f"{path}.on", f"has more than {len(CONTACT_EVENTS) * 2} entries")


def device(item: Device, path: str, report: Report) -> Device:
    """A button or hub."""
    _id(item.id, f"{path}.id", report)
    _text(item.name, f"{path}.name", report)
    if item.family not in FAMILY_NAMES:
        report.add(f"{path}.family", f"{shown(item.family)} is no device family such as native")
    _text(item.address, f"{path}.address", report)
    _seconds(item.heartbeat, f"{path}.heartbeat", report)
    if len(item.keys) > KEYS_MAX:
        report.add(f"{path}.keys", f"has more than {KEYS_MAX} codes")
    else:
        for code in item.keys:
            _text(code, join(f"{path}.keys", code), report, 64)
    return item


def staff(item: Staff, path: str, report: Report) -> Staff:
    """Somebody who works."""
    _id(item.id, f"{path}.id", report)
    _text(item.name, f"{path}.name", report)
    _phone(item.phone, f"{path}.phone", report)
    return item


def webhook(item: Webhook, path: str, report: Report) -> Webhook:
    """Where news goes. Whether it may point at a private address is a setting, and asked when it is sent."""
    _id(item.id, f"{path}.id", report)
    if error := _url_fault(item.url):
        report.add(f"{path}.url", error)
    if error := _secret_fault(item.secret):
        report.add(f"{path}.secret", error)
    if len(item.events) > EVENTS_MAX:
        report.add(f"{path}.events", f"has more than {EVENTS_MAX} entries")
    else:
        for place, event in enumerate(item.events):
            if event not in _EVENTS:
                report.add(
                    f"{path}.events[{place}]", f"{shown(event)} is no fact such as call.opened, nor call.*"
                )
    return item


def _url_fault(url: str) -> str:
    if not url:
        return "is empty"
    try:
        web_url(url)
    except ValueError as error:
        return str(error)
    return ""


def _secret_fault(secret: str) -> str:
    """An empty one is allowed: that webhook is sent unsigned."""
    try:
        signing_key(secret)
    except ValueError as error:
        return str(error)
    return ""


def policy(item: Policy, path: str, report: Report) -> Policy:
    """How a call of one key escalates."""
    if not item.steps:
        report.add(f"{path}.steps", "must have at least one step: nobody would be asked")
    if len(item.steps) > STEPS_MAX:
        report.add(f"{path}.steps", f"has more than {STEPS_MAX} steps")
    else:
        before = 0.0
        for place, step in enumerate(item.steps):
            at = f"{path}.steps[{place}].after"
            _seconds(step.after, at, report, zero=True)
            if step.after < before:
                report.add(at, f"is earlier than the step before it ({before:g})")
            before = max(before, step.after)
    for name in (
        "repeat",
        "en_route_within",
        "repress_within",
        "arrive_goal",
        "arrive_limit",
        "close_within",
    ):
        _seconds(getattr(item, name), join(path, name), report)
    if item.silent and (error := hours.span_fault(item.silent)):
        report.add(join(path, "silent"), error)
    return item


#: The rule of every kind, by its section in the district file.
RULES: dict[str, tuple[type[Any], Any]] = {
    "areas": (Area, area),
    "stations": (Station, station),
    "residents": (Resident, resident),
    "devices": (Device, device),
    "staff": (Staff, staff),
    "webhooks": (Webhook, webhook),
}
