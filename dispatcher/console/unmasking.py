"""Asking for what is masked: somebody's telephone numbers and door code, with the reason written down.

    POST /calls/{id}/unmask {"why"}       the numbers of this call
    POST /residents/{id}/unmask {"why"}   the numbers of this resident; {"why","what":"identity_number"} that one alone

Whoever has a call of theirs in hand need not say why: the reason is that call (but of an identity number it is none). Everybody else says it in a few words. The
line in the audit log is on disk before the answer; it names the resident, and what was typed goes with them when they are
erased. In a body, not in the address: addresses end up in logs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from dispatcher.console.access import EVERYONE, STAFFED
from dispatcher.console.audit import about
from dispatcher.console.calls import seen
from dispatcher.console.endpoint import Act, Answer, Ask, Endpoint
from dispatcher.console.problems import wrong
from dispatcher.console.register import in_sight
from dispatcher.console.rooms import CallFilter

WHY_MIN, WHY_MAX = 2, 200
#: A resident has at most so many open calls: one for each key, and some opened by hand.
_CALLS_MAX = 20


class UnmaskBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why, in a few words; nothing where a call of theirs is in one's hands."""

    why: Annotated[str, Meta(max_length=WHY_MAX)] | None = None


class UnmaskResidentBody(UnmaskBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why, and what is asked for: how to reach somebody, or the identity number, which helps nobody who goes there."""

    what: Literal["contact", "identity_number"] = "contact"


class KnownContact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact with their number."""

    name: str = ""
    relation: str = ""
    phone: str = ""


class Unmasked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was masked, in full. `caller`: the number of whoever telephoned, for a call about nobody of the register."""

    phone: str = ""
    door_code: str = ""
    identity_number: str = ""
    contacts: list[KnownContact] = []
    caller: str = ""


async def of_call(ask: Ask) -> Answer:
    """The numbers of a call in sight."""
    call = await seen(ask)
    ask.of = about(call)
    ask.why = _why(ask, call.id if ask.scope.has_in_hand(call) else "")
    view = await ask.rooms.board.view(call)
    resident: Any = view.get("resident") or {}
    caller: Any = view.get("caller") or {}
    return Answer(_unmasked(resident, caller.get("phone") or ""))


async def of_resident(ask: Ask) -> Answer:
    """The numbers of a resident in sight."""
    roll, resident = in_sight(ask, "residents", ask.path["id"])
    ask.of = ("residents", resident.id)
    body: UnmaskResidentBody = ask.body
    if body.what == "identity_number":
        ask.why = f"identity_number: {_why(ask, '')}"
        return Answer(Unmasked(identity_number=resident.identity_number))
    wanted = CallFilter(district=roll.district.code, state="open", resident=resident.id)
    calls, _ = await ask.rooms.board.page(wanted, None, _CALLS_MAX)
    ask.why = _why(ask, next((call.id for call in calls if ask.scope.has_in_hand(call)), ""))
    return Answer(
        Unmasked(
            phone=resident.phone,
            door_code=resident.door_code,
            contacts=[
                KnownContact(name=one.name, relation=one.relation, phone=one.phone)
                for one in resident.contacts
            ],
        )
    )


def _unmasked(resident: Any, caller: str) -> Unmasked:
    return Unmasked(
        phone=resident.get("phone") or "",
        door_code=resident.get("door_code") or "",
        contacts=[
            KnownContact(
                name=one.get("name") or "", relation=one.get("relation") or "", phone=one.get("phone") or ""
            )
            for one in resident.get("contacts") or ()
        ],
        caller=caller,
    )


def _why(ask: Ask, call_in_hand: str) -> str:
    """The reason as it is written down: what was typed, else the call in hand. Raises Problem 400."""
    body: UnmaskBody = ask.body
    typed = (body.why or "").strip()
    if not typed and call_in_hand:
        return call_in_hand
    if len(typed) < WHY_MIN or not typed.isprintable():
        raise wrong("why", "say in a few words why: that is written down")
    return typed


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/calls/{id}/unmask",
        name="unmaskCall",
        tag="calls",
        en="Ask for the masked numbers of a call; that and the reason are written down",
        zh="查看呼叫中被隐藏的电话，连同理由记入审计日志",
        handle=of_call,
        roles=EVERYONE,
        body=UnmaskBody,
        body_optional=True,
        bytes_max=65_536,
        answer=Unmasked,
        audit=Act.UNMASK,
    ),
    Endpoint(
        method="POST",
        path="/residents/{id}/unmask",
        name="unmaskResident",
        tag="residents",
        en="Ask for the masked numbers of a resident; that and the reason are written down",
        zh="查看老人被隐藏的电话，连同理由记入审计日志",
        handle=of_resident,
        roles=STAFFED,
        body=UnmaskResidentBody,
        body_optional=True,
        bytes_max=65_536,
        answer=Unmasked,
        audit=Act.UNMASK,
    ),
)
