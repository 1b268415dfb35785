"""What a file would change: by section, how many and the first of them; and the mark that says it is still the same.

    found = changes(file, before)      found.sections["residents"].changed == 3      found.mark == "8f0c…"

The mark is made of everything that would be put in the place of what: whoever loads by it loads what was looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from dispatcher.core.district import DistrictFile
from dispatcher.core.masks import masked, masked_code, masked_identity

_SHOWN = 50
_CHANGES_SHOWN = 20
_VALUE_MAX = 200
_SECTIONS = ("areas", "stations", "webhooks", "residents", "devices", "staff")

#: What is registered under an id of a section now, as a Struct; None: nothing.
Before = Callable[[str, str], Any]


class FieldChange(Struct, frozen=True):
    """One field, before and after; null where there was or will be nothing."""

    field: str
    before: Any
    after: Any


class Row(Struct, frozen=True, omit_defaults=True):
    """One item that would be added or changed."""

    act: str  #: `added`, `changed`
    id: str
    name: str = ""
    changes: list[FieldChange] = []


class Section(Struct, omit_defaults=True):
    """One section: how many of each, and the first of those that change something."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    first: list[Row] = []


class Changes(Struct):
    """All of it."""

    sections: dict[str, Section]
    mark: str = ""

    @property
    def anything(self) -> bool:
        """Whether it would change anything at all."""
        return any(one.added or one.changed for one in self.sections.values())


class _Looking(Struct):
    mask: bool
    sections: dict[str, Section] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)

    def take(self, section: str, item_id: str, before: Any, after: Any) -> None:
        found = self.sections.setdefault(section, Section(first=[]))
        if before == after:
            found.unchanged += 1
            return
        was, will = _members(before), _members(after)
        self.digest.update(msgspec.json.encode((section, item_id, was, will)))
        if before is None:
            found.added += 1
        else:
            found.changed += 1
        if len(found.first) < _SHOWN:
            act = "added" if before is None else "changed"
            changes = [] if before is None else fields_changed(was, will)
            shown = [_shown(one, mask=self.mask) for one in changes[:_CHANGES_SHOWN]]
            found.first.append(Row(act, item_id, str(will.get("name", ""))[:_VALUE_MAX], shown))


def changes(file: DistrictFile, before: Before, *, mask: bool = False) -> Changes:
    """What the file would change. `mask`: telephone numbers are shown masked."""
    looking = _Looking(mask)
    if file.district is not None:
        code = file.district.code
        looking.take("district", code, before("district", code), file.district)
    for section in _SECTIONS:
        for item in getattr(file, section):
            item_id = item.code if section == "areas" else item.id
            looking.take(section, item_id, before(section, item_id), item)
    for key, policy in file.policies.items():
        looking.take("policies", key, before("policies", key), policy)
    return Changes(looking.sections, looking.digest.hexdigest()[:32])


def _members(item: Any) -> dict[str, Any]:
    if item is None:
        return {}
    members: dict[str, Any] = msgspec.to_builtins(item)
    return members


def fields_changed(was: dict[str, Any], will: dict[str, Any]) -> list[FieldChange]:
    """Each field that is not the same, in the order of the shape."""
    names = dict.fromkeys((*will, *was))
    return [
        FieldChange(name, was.get(name), will.get(name)) for name in names if was.get(name) != will.get(name)
    ]


def _shown(change: FieldChange, *, mask: bool) -> FieldChange:
    return FieldChange(
        change.field,
        _value(change.field, change.before, mask=mask),
        _value(change.field, change.after, mask=mask),
    )


def _value(name: str, value: Any, *, mask: bool) -> Any:
    """As it can be shown in a cell of a table: short, numbers masked, secrets never."""
    match value:
        case str() if name == "secret":
            return "…" if value else ""
        case str() if name == "phone" and mask:
            return masked(value)
        case str() if name == "identity_number":
            return masked_identity(value)
        case str() if name == "door_code" and mask:
            return masked_code(value)
        case str():
            return value[:_VALUE_MAX]
        case dict():
            return {key: _value(key, inner, mask=mask) for key, inner in value.items()}
        case list():
            return [_value("", inner, mask=mask) for inner in value[:_CHANGES_SHOWN]]
    return value
