"""Erasing a person: the register's row, and everything about them outside the journal (`dispatcher.erase`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dispatcher.console.access import WHOLE
from dispatcher.console.endpoint import Act, Answer, Ask, Endpoint
from dispatcher.console.problems import not_found
from dispatcher.console.register import in_sight

_ONE = {"residents": "Resident", "staff": "Staff"}
_ZH = {"residents": "老人", "staff": "工作人员"}

_ERASED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "removed": {
            "type": "object",
            "description": "how many of each were removed or emptied; backups made before still hold them",
            "additionalProperties": {"type": "integer"},
        },
    },
    "required": ["id", "removed"],
}


def _erasing(section: str) -> Callable[[Ask], Any]:
    async def erase(ask: Ask) -> Answer:
        person = ask.path["id"]
        known = ask.scope.rolls.roll_of(section, person) is not None
        # Whoever is not registered any more may still have calls: no district is theirs, so only the whole sees them.
        if known or not ask.scope.sees_every_district():
            in_sight(ask, section, person)
        removed = await ask.rooms.erase(section, person, ask.access.by)
        if removed is None:
            raise not_found(_ONE[section].lower())
        return Answer({"id": person, "removed": removed})

    return erase


ENDPOINTS = tuple(
    Endpoint(
        method="POST",
        path=f"/{section}/{{id}}/erase",
        name=f"erase{_ONE[section]}",
        tag=section,
        en="Erase this person: the register's row, what was written about their calls, and where they were",
        zh=f"抹除{_ZH[section]}：登记、其呼叫中的文字与位置",
        handle=_erasing(section),
        roles=WHOLE,
        answer=_ERASED,
        statuses={200: "Erased", 409: "A call of theirs is open: `call` is its id"},
        writes=True,
        audit=Act.ERASE,
    )
    for section in _ONE
)
