"""Whom a fact tells, and how: the plan of the messages that follow from it. Who carries them is another room's matter.

    call.dispatched to st-03   ->  a summons by SMS to each of st-03 who is on duty
    call.accepted              ->  news to the daughter, who asked to hear of it, and to the district's webhooks

A *summons* asks somebody to come: an accept withdraws it. *News* is never withdrawn. People are named by id only:
`r-01/0` is the first contact of r-01, `s-04` one of the staff, `st-03` the telephone of a station.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.doors import from_us, to_us
from dispatcher.core.call import (
    Accepted,
    AlertFact,
    AreaStruck,
    AreaWell,
    Asked,
    Call,
    Closed,
    CoverageLost,
    CoverageRestored,
    DeviceFault,
    DeviceRestored,
    Dispatched,
    Entry,
    Escalated,
    Joined,
    OfferState,
    OnScene,
    Opened,
    Overdue,
)
from dispatcher.core.district import Contact, Policy, Target
from dispatcher.core.reach import webhook_hears
from dispatcher.core.roll import Roll

#: Of one station at most so many people are rung out of what they are doing.
STAFF_MAX = 10
#: While it rings again and again, people are written to at every third ringing; once it rings slowly, at each.
_EVERY_OFFERS, _QUICK_OFFERS = 3, 10


class Channel(StrEnum):
    """By what a message goes."""

    WEBHOOK = "webhook"
    SMS = "sms"


class Kind(StrEnum):
    """What a message is for."""

    NEWS = "news"
    SUMMONS = "summons"


class Fate(StrEnum):
    """What became of a message (contract, section 6)."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


class Alert(NamedTuple):
    """One message to be sent: `target` is an id, `wording` names the text (none for a webhook)."""

    kind: Kind
    channel: Channel
    target: str
    wording: str = ""
    asked: str = ""  #: of a summons: who was asked, as the call's offers name them


def planned(entry: Entry, call: Call | None, roll: Roll, *, sms: bool) -> list[Alert]:
    """Every message that follows from this fact; `call` is the call right after it, `sms` whether texts can be sent."""
    feeds = _feeds(entry, call, roll)
    alerts = [Alert(Kind.NEWS, Channel.WEBHOOK, webhook) for webhook in feeds]
    if call is None or call.test or isinstance(entry.fact, AlertFact):
        return alerts
    fact = entry.fact
    match fact:
        case Dispatched():
            for asked in fact.asked:
                alerts += _summons(asked, call, roll, feeds, sms=sms)
        case Joined() | Overdue() if sms:
            word = "again" if isinstance(fact, Joined) else "overdue"
            for station in fact.rings:
                alerts += [Alert(Kind.NEWS, Channel.SMS, one, word) for one in staff_of(station, roll)]
    heard = _heard(entry, call)
    if heard is not None:
        for target, contact in contacts_of(call, roll):
            if heard in contact.on:
                alerts += _to_contact(Kind.NEWS, target, contact, heard, roll, feeds, sms=sms)
    return alerts


def area_of(entry: Entry, call: Call | None) -> str:
    """The area a fact belongs to; empty: the district."""
    if call is not None:
        return call.area
    match entry.fact:
        case DeviceFault() | DeviceRestored() | AreaStruck() | AreaWell() as fact:
            return fact.area
        case CoverageLost() | CoverageRestored() as fact:
            return fact.area
        case _:
            return ""


def _feeds(entry: Entry, call: Call | None, roll: Roll) -> list[str]:
    if not roll.webhooks:
        return []
    fact = entry.fact
    # What became of a webhook's message is not told by webhook, or each message would make another one.
    if isinstance(fact, AlertFact) and fact.channel == Channel.WEBHOOK:
        return []
    area = area_of(entry, call)
    return [hook.id for hook in roll.webhooks.values() if webhook_hears(hook, entry.name, area, roll)]


def contacts_of(call: Call, roll: Roll) -> Iterator[tuple[str, Contact]]:
    """The resident's contacts with the ids they are told by."""
    resident = roll.residents.get(call.resident or "")
    if resident is not None:
        for index, contact in enumerate(resident.contacts):
            yield f"{resident.id}/{index}", contact


def reachable(contact: Contact, roll: Roll, *, sms: bool) -> bool:
    """Whether there is any way to this contact."""
    return bool(sms and contact.phone) or contact.webhook in roll.webhooks


def _heard(entry: Entry, call: Call) -> str | None:
    """What this fact is called in a contact's `on`."""
    match entry.fact:
        case Opened() if call.policy.steps[0].to is Target.CONTACTS and call.policy.steps[0].after == 0:
            return None  # they are asked to come in this same moment: that says it all
        case Opened():
            return "opened"
        case Escalated(because=because) if (
            because != "nobody" and call.repeats == 0 and _first_escalation(call)
        ):
            return "unanswered"
        case Accepted():
            return "accepted"
        case OnScene():
            return "on_scene"
        case Closed():
            return "closed"
        case _:
            return None


def _first_escalation(call: Call) -> bool:
    """Nobody of those who were asked first has taken it: said once, however often it goes on ringing."""
    return call.step == min(len(call.policy.steps) - 1, 1)


def _to_contact(
    kind: Kind, target: str, contact: Contact, wording: str, roll: Roll, feeds: Iterable[str], *, sms: bool
) -> Iterator[Alert]:
    asked = target if kind is Kind.SUMMONS else ""
    if sms and contact.phone:
        yield Alert(kind, Channel.SMS, target, wording, asked)
    # A webhook that hears this fact anyway is not told twice.
    if contact.webhook in roll.webhooks and contact.webhook not in feeds:
        yield Alert(kind, Channel.WEBHOOK, f"{target}@{contact.webhook}", "", asked)


def _summons(asked: Asked, call: Call, roll: Roll, feeds: list[str], *, sms: bool) -> Iterator[Alert]:
    offer = call.offer_to(asked.to)
    if offer is None or offer.state is not OfferState.OFFERED or not _rings_people(offer.offers):
        return
    if asked.person:
        resident_id, slash, _ = asked.to.rpartition("/")
        if slash and resident_id == call.resident:
            contact = dict(contacts_of(call, roll)).get(asked.to)
            if contact is not None:
                word = f"asked.{call.key}"
                yield from _to_contact(Kind.SUMMONS, asked.to, contact, word, roll, feeds, sms=sms)
        elif sms and asked.to in roll.staff and roll.staff[asked.to].phone:
            yield Alert(Kind.SUMMONS, Channel.SMS, asked.to, f"summons.{call.key}", asked.to)
    elif sms:
        on_call = "on_call" in offer.reason.split("+")
        word = "summons.on_call" if on_call else f"summons.{call.key}"
        for target in staff_of(asked.to, roll, on_call=on_call):
            yield Alert(Kind.SUMMONS, Channel.SMS, target, word, asked.to)


def _rings_people(offers: int) -> bool:
    return offers > _QUICK_OFFERS or offers % _EVERY_OFFERS == 1


def staff_of(station_id: str, roll: Roll, *, on_call: bool = False) -> list[str]:
    """Whose telephones ring at a station: who is on duty there; out of hours who has it on call; else its own."""
    station = roll.stations.get(station_id)
    if station is None:
        return []
    if on_call and station.on_call is not None and station.on_call.phone:
        return [f"{station_id}/on_call"]
    there = sorted(
        one for one in roll.staff_at.get(station_id, ()) if one in roll.on_duty and roll.staff[one].phone
    )
    if there:
        return there[:STAFF_MAX]
    return [station_id] if station.phone else []


def phone_of(target: str, roll: Roll) -> tuple[str, str]:
    """The telephone and the language of a target of an SMS; empty where there is none (any more)."""
    if target in roll.staff:
        return roll.staff[target].phone, ""
    if target in roll.stations:
        return roll.stations[target].phone, ""
    left, _, right = target.rpartition("/")
    if right == "on_call" and left in roll.stations:
        duty = roll.stations[left].on_call
        return (duty.phone if duty is not None else ""), ""
    resident = roll.residents.get(left)
    if resident is None or not right.isdigit() or int(right) >= len(resident.contacts):
        return "", ""
    contact = resident.contacts[int(right)]
    return contact.phone, contact.language or resident.language


def silent_until_us(policy: Policy, now_us: int, zone: ZoneInfo) -> int | None:
    """When the night ends in which this policy rings nobody out of bed; None: it is not night, or never silent."""
    start, dash, end = policy.silent.partition("-")
    if not dash:
        return None
    wall = from_us(now_us).astimezone(zone)
    minute = f"{wall:%H:%M}"
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    if not inside:
        return None
    hour, _, minutes = end.partition(":")
    morning = wall.replace(hour=int(hour) % 24, minute=int(minutes), second=0, microsecond=0)
    if morning <= wall:
        morning += timedelta(days=1)
    return to_us(morning)
