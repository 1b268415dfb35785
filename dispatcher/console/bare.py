"""A call without anything about a person: what somebody is told whose sight of it has ended.

That it is over for them, and by whose doing, they must hear; whose call it was, no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_THE_RESIDENT = ("resident", "caller", "location", "device", "source")


def without_person(view: Mapping[str, Any]) -> dict[str, Any]:
    """The view of a call (contract, section 4) with what is about its resident, and every name and note, left out."""
    bare = {name: None if name in _OF_THE_RESIDENT else value for name, value in view.items()}
    if isinstance(asked := bare.get("dispatches"), list):
        bare["dispatches"] = [one for one in asked if "person" not in one]
    if isinstance(holder := bare.get("accepted"), dict):
        bare["accepted"] = holder | {"name": None}
    if isinstance(closed := bare.get("closed"), dict):
        bare["closed"] = closed | {"note": None}
    return bare
