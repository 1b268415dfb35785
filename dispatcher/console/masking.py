"""Telephone numbers and door codes, masked for people who have logged in until they ask for them.

How a masked number looks: `dispatcher.core.masks`. Whoever has an open call in hand must telephone now: it comes to them
whole, and that is written down once. Everybody else asks (`unmasking.py`, `GET /residents/{id}?unmask=phone`), and each
time is a line. Programs with a token see them as they are. What comes back masked with a `PUT` is left as it was.

An identity number is masked for everybody, programs too, and shown in one way: `POST /residents/{id}/unmask`, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from dispatcher.console.access import Access
from dispatcher.console.endpoint import Ask
from dispatcher.console.problems import wrong
from dispatcher.core.call import Call
from dispatcher.core.district import Resident
from dispatcher.core.masks import STARS, masked, masked_code, masked_identity, number_behind


def masks(access: Access) -> bool:
    """Whether this asker sees numbers masked: a person, not a program."""
    return bool(access.session)


def shown_resident(access: Access, members: Mapping[str, Any], but: str = "") -> dict[str, Any]:
    """A resident's members as this asker sees them; `but`: what was asked for, `phone` or `door_code`."""
    return _mask_resident(members, but) if masks(access) else _mask_identity(members)


def _mask_resident(members: Mapping[str, Any], but: str = "") -> dict[str, Any]:
    shown = _mask_identity(members)
    if shown.get("door_code") and but != "door_code":
        shown["door_code"] = masked_code(shown["door_code"])
    if but == "phone":
        return shown
    if shown.get("phone"):
        shown["phone"] = masked(shown["phone"])
    if shown.get("contacts"):
        shown["contacts"] = [_contact(contact) for contact in shown["contacts"]]
    return shown


def _mask_identity(members: Mapping[str, Any]) -> dict[str, Any]:
    """A resident's members with the identity number masked, as everybody sees it."""
    number = members.get("identity_number")
    return {**members, "identity_number": masked_identity(number)} if number else dict(members)


def _contact(contact: Any) -> Any:
    """Of a contact's members; a list of the register holds them as they are kept."""
    if isinstance(contact, Mapping):
        return {**contact, "phone": masked(contact["phone"])} if contact.get("phone") else contact
    return replace(contact, phone=masked(contact.phone))


def mask_call(view: Mapping[str, Any]) -> dict[str, Any]:
    """The view of a call with every number and the door's code masked."""
    shown = dict(view)
    if isinstance(resident := shown.get("resident"), Mapping):
        shown["resident"] = _mask_resident(resident)
    if isinstance(caller := shown.get("caller"), Mapping):
        shown["caller"] = {**caller, "phone": masked(caller.get("phone") or "")}
    return shown


def shown_call(ask: Ask, call: Call, view: dict[str, Any]) -> dict[str, Any]:
    """The view as this asker may see it."""
    return view if shows_whole(ask, call) else mask_call(view)


def shows_whole(ask: Ask, call: Call) -> bool:
    """Whether this asker sees the call with its numbers; for a person that is written down."""
    if not masks(ask.access):
        return True
    if not ask.scope.has_in_hand(call):
        return False
    ask.unmasked(ask, call)
    return True


def put_back(access: Access, members: Mapping[str, Any], kept: Resident | None) -> dict[str, Any]:
    """A resident's members as somebody sent them who saw them masked: what was masked is as it was.

    Raises Problem 400 on what has stars and is none of theirs.
    """
    given = _put_back_identity(members, kept)
    return _put_back_numbers(given, kept) if masks(access) else given


def _put_back_identity(members: Mapping[str, Any], kept: Resident | None) -> dict[str, Any]:
    given = members.get("identity_number")
    if not isinstance(given, str) or STARS not in given:
        return dict(members)
    known = "" if kept is None else kept.identity_number
    if not known or masked_identity(known) != given:
        raise wrong("identity_number", "is masked: write the whole number, or leave it out")
    return {**members, "identity_number": known}


def _put_back_numbers(members: Mapping[str, Any], kept: Resident | None) -> dict[str, Any]:
    given = dict(members)
    known = kept if kept is not None else Resident(id="")
    if isinstance(given.get("phone"), str):
        given["phone"] = _real("phone", given["phone"], [known.phone])
    if given.get("door_code") == STARS:
        if not known.door_code:
            raise wrong("door_code", "is masked: ask for it first (unmask=door_code)")
        given["door_code"] = known.door_code
    if isinstance(given.get("contacts"), list):
        contacts: list[Any] = []
        for place, contact in enumerate(given["contacts"]):
            if isinstance(contact, Mapping) and isinstance(contact.get("phone"), str):
                path = f"contacts[{place}].phone"
                of = [one for one in known.contacts if one.name == contact.get("name", "")]
                # Of this name; where the name was changed too, of this place.
                numbers = [one.phone for one in (*of, *known.contacts[place : place + 1])]
                contacts.append({**contact, "phone": _real(path, contact["phone"], numbers)})
            else:
                contacts.append(contact)
        given["contacts"] = contacts
    return given


def _real(path: str, phone: str, numbers: list[str]) -> str:
    if STARS not in phone:
        return phone
    if (number := number_behind(phone, numbers)) is not None:
        return number
    raise wrong(path, "is masked: ask for it first (unmask=phone)")
