"""What is done to a file that somebody sent: read, check, compare. All of it on values, for a process of its own or a command.

done = look(content, "老人.xlsx", Registered(rolls…))      done.file or done.faults; done.changes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from dispatcher.core import district_check
from dispatcher.core.district import DistrictFile
from dispatcher.core.district_check import ELSEWHERE
from dispatcher.core.roll import DEFAULT_POLICIES
from dispatcher.core.shapes import PROBLEMS_MAX, Problem
from dispatcher.core.written import NAMES, name_fault, phone_fault
from dispatcher.sheets import opening, reading
from dispatcher.sheets.changes import Changes, changes
from dispatcher.sheets.wording import Fault, in_both


class Registered:
    """What is registered, as a look at a file needs it; made of districts' files. `within` as in `Known`."""

    def __init__(self, files: Mapping[str, DistrictFile], default: str = "", within: str = "") -> None:
        self._default = default
        self._within = within
        self._files = files
        self._owners: dict[str, dict[str, str]] = {}
        self._items: dict[str, dict[str, Any]] = {}
        self._sources: dict[str, str] = {}
        for code, file in files.items():
            for section in district_check.SECTIONS:
                owners = self._owners.setdefault(section, {})
                items = self._items.setdefault(section, {})
                for item in getattr(file, section):
                    item_id = item.code if section == "areas" else item.id
                    owners[item_id] = code
                    items[item_id] = item
            self._sources |= {device.source: device.id for device in file.devices}

    # ── district_check.Known ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def within(self) -> str:
        """The only district that may be spoken of."""
        return self._within

    @property
    def default_district(self) -> str:
        """The district of a file that names none."""
        return self._within or self._default

    def owner(self, section: str, item_id: str) -> str | None:
        """Whose it is; see `Known`."""
        if section == "districts":
            return item_id if item_id in self._files else None
        owner = self._owners.get(section, {}).get(item_id)
        if owner is None:
            return None
        if self._files[owner].district is None and owner == self._default:
            return ""  # of the placeholder: whichever district is loaded first takes it
        return owner if self._within in {"", owner} else ELSEWHERE

    def parent(self, area: str) -> str:
        """What a registered area lies in."""
        found = self._items.get("areas", {}).get(area)
        return found.parent if found is not None else ""

    def device_of(self, source: str) -> str | None:
        """The device that speaks so."""
        device = self._sources.get(source)
        if device is None:
            return None
        return device if self._within in {"", self._owners["devices"][device]} else ELSEWHERE

    # ── for the sheets, and for comparing ───────────────────────────────────────────────────────────────────────────

    def item(self, section: str, item_id: str) -> Any:
        """What is registered under an id where whoever asks sees it, as a Struct; None: nothing."""
        code = self.default_district
        if section == "district":
            file = self._files.get(item_id or code)
            return file.district if file is not None and self._within in {"", item_id or code} else None
        if section == "policies":
            file = self._files.get(code)
            return (file.policies.get(item_id) if file is not None else None) or DEFAULT_POLICIES.get(item_id)
        owner = self._owners.get(section, {}).get(item_id)
        if owner is None or self._within not in {"", owner}:
            return None
        return self._items[section][item_id]

    def kept(self, section: str, item_id: str) -> dict[str, Any] | None:
        """The same as JSON values."""
        found = self.item(section, item_id)
        if found is None:
            return None
        members: dict[str, Any] = msgspec.to_builtins(found)
        return members


#: The rule of each field that people write, wherever it stands.
_WRITTEN = dict.fromkeys(NAMES, name_fault) | {"phone": phone_fault}

NOTHING = Registered({})


class Looked(Struct):
    """What came of it. `file` is None where there are faults that stand in the way."""

    kind: str
    file: DistrictFile | None = None
    faults: list[Fault] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    changes: Changes | None = None

    @property
    def errors(self) -> list[Fault]:
        """What stands in the way."""
        return [fault for fault in self.faults if not fault.warning]


def look(
    content: bytes, name: str = "", registered: Registered = NOTHING, *, section: str = "", mask: bool = False
) -> Looked:
    """Read it, check it, compare it with what is registered. Raises Unreadable; nothing else on any bytes."""
    kind = opening.kind_of(content, name)
    if kind == "json":
        return _look_at_json(content, registered, mask=mask)
    sheets = reading.read(content, name, registered.kept, section)
    done = Looked(kind, faults=list(sheets.faults), rows=sheets.rows, names=sheets.names)
    file, problems = district_check.check_content(sheets.content, registered)
    told = {(fault.sheet, fault.cell) for fault in done.errors}
    for problem in problems:
        fault = sheets.fault_at(problem.path, in_both(problem.error))
        if (fault.sheet, fault.cell) not in told or not fault.cell:
            done.faults.append(fault)
    if file is not None and not done.errors:
        done.file = file
        done.changes = changes(file, registered.item, mask=mask)
    return done


def _look_at_json(content: bytes, registered: Registered, *, mask: bool) -> Looked:
    file, problems = district_check.check(content, registered)
    done = Looked("json", file, [_fault(problem) for problem in problems])
    if file is not None:
        done.faults += _odd(file, registered)
        done.changes = changes(file, registered.item, mask=mask)
        done.rows = {
            section: len(getattr(file, section))
            for section in district_check.SECTIONS
            if getattr(file, section)
        }
    return done


def _odd(file: DistrictFile, registered: Registered) -> list[Fault]:
    """What a form or a sheet would not take. A district file may hold it: somebody should look, and it is loaded."""
    found: list[Fault] = []
    for section in ("areas", "stations", "residents", "devices", "staff"):
        for place, item in enumerate(getattr(file, section)):
            if registered.item(section, item.code if section == "areas" else item.id) == item:
                continue
            path = f"{section}[{place}]"
            parts = [(path, item)]
            parts += [(f"{path}.contacts[{at}]", one) for at, one in enumerate(getattr(item, "contacts", ()))]
            if getattr(item, "on_call", None) is not None:
                parts.append((f"{path}.on_call", item.on_call))
            for at, part in parts:
                for name, rule in _WRITTEN.items():
                    if error := rule(getattr(part, name, "")):
                        told = in_both(error)
                        found.append(Fault(path=f"{at}.{name}", zh=told.zh, en=told.en, warning=True))
            if len(found) >= PROBLEMS_MAX:
                return found[:PROBLEMS_MAX]
    return found


def _fault(problem: Problem) -> Fault:
    told = in_both(problem.error)
    return Fault(path=problem.path, zh=told.zh, en=told.en)
