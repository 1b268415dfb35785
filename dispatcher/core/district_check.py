"""A district file, or one item of it, read and checked: all of it, or every error with its path.

    file, problems = check(raw, known)        Problem("stations[3].hours.mon[0]", "25:00 is no time of day")

Three steps: the shape of each item (`shapes`), the rules about it (`district_rules`), and here what hangs together:
ids, references, areas that lie in each other. References may point into the file or to what is `Known` already; an id
of another district is an error. What is given back is as it is kept: locations in WGS 84, policies complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from config.policies import POLICIES
from dispatcher.core import district_rules, json_text
from dispatcher.core.district import (
    Area,
    AreaKind,
    Device,
    District,
    DistrictFile,
    Policy,
    Resident,
    Staff,
    Station,
    Webhook,
)
from dispatcher.core.shapes import Enough, Problem, Report, join, read, read_list, shown

#: The sections with ids, in the order in which they lean on each other.
SECTIONS = ("areas", "stations", "webhooks", "residents", "devices", "staff")
_KEYS_OF_FILE = frozenset(DistrictFile.__struct_fields__)
_ROADS_MAX = 1000
#: What `Known` says of an owner who is not to be named to whoever asks.
ELSEWHERE = "?"
#: As far up as a roll looks for what an area lies in.
LEVELS_MAX = 8

Item = Area | Station | Resident | Device | Staff | Webhook


class Known(Protocol):
    """What is registered already. Sections as in the district file."""

    @property
    def within(self) -> str:
        """The only district a file may be of; empty: any."""
        ...

    @property
    def default_district(self) -> str:
        """The code of the district that a file or an item without one belongs to; empty: there is none."""
        ...

    def owner(self, section: str, item_id: str) -> str | None:
        """The code of the district that has this id (`districts`: itself); None: nobody. Empty: whoever asks may.

        `ELSEWHERE`: another district, that is not to be named.
        """
        ...

    def parent(self, area: str) -> str:
        """What a registered area lies in; empty where it is not registered, or on top."""
        ...

    def device_of(self, source: str) -> str | None:
        """The id of the device that speaks as `family/address`."""
        ...


class _Nothing:
    """An empty register."""

    within = ""
    default_district = ""

    def owner(self, _section: str, _item_id: str) -> str | None:
        return None

    def parent(self, _area: str) -> str:
        return ""

    def device_of(self, _source: str) -> str | None:
        return None


NOTHING: Known = _Nothing()


def check(raw: bytes, known: Known = NOTHING) -> tuple[DistrictFile | None, list[Problem]]:
    """The file, or everything that is wrong with it; one of the two is empty. Never raises on any bytes."""
    try:
        content = json_text.loads(raw)
    except json_text.NotJsonError as error:
        return None, [Problem("", str(error))]
    if not isinstance(content, dict):
        return None, [Problem("", "must be an object")]
    return check_content(content, known)


def check_content(
    content: dict[str, Any], known: Known = NOTHING
) -> tuple[DistrictFile | None, list[Problem]]:
    """As `check`, of JSON that is already read."""
    report = Report()
    try:
        file = _read_file(content, report)
        check_together(file, known, report)
    except Enough:
        return None, report.problems
    return (None, report.problems) if report.problems else (file, [])


def check_item(
    section: str, raw: bytes, id_from_path: str, known: Known = NOTHING, district: str = ""
) -> tuple[Item | Policy | None, list[Problem]]:
    """One item of a section (`areas` … `webhooks`, `policies`), as `check` would; its id may be left out.

    `district` is the code of the one it is put into; empty: the default one. ValueError on an unknown section.
    """
    try:
        content = json_text.loads(raw)
    except json_text.NotJsonError as error:
        return None, [Problem("", str(error))]
    if not isinstance(content, dict):
        return None, [Problem("", "must be an object")]
    return check_members(section, content, id_from_path, known, district)


def check_members(
    section: str, members: Mapping[str, Any], id_from_path: str, known: Known = NOTHING, district: str = ""
) -> tuple[Item | Policy | None, list[Problem]]:
    """As `check_item`, of JSON that is already read."""
    report = Report()
    try:
        if section == "policies":
            policy = _read_policy(id_from_path, dict(members), "", report)
            return (None, report.problems) if report.problems or policy is None else (policy, [])
        if section not in district_rules.RULES:
            raise ValueError(section)
        shape, rule = district_rules.RULES[section]
        name = _id_name(section)
        given = {name: id_from_path, **members}
        item = rule(read(given, shape, "", report), "", report)
        if given[name] != id_from_path:
            report.add(name, f"is not the one in the path, {shown(id_from_path)}")
        _Together({section: [item]}, None, known, report, district, alone=True).check()
    except Enough:
        return None, report.problems
    return (None, report.problems) if report.problems else (item, [])


def check_together(file: DistrictFile, known: Known, report: Report) -> None:
    """What hangs together in a file whose items are right by themselves. Raises Enough."""
    _Together({section: getattr(file, section) for section in SECTIONS}, file.district, known, report).check()


def dump(file: DistrictFile) -> bytes:
    """The file as people read it: indented, UTF-8, one order of keys; `check` reads it back equal."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _read_file(content: dict[str, Any], report: Report) -> DistrictFile:
    for key in (key for key in content if key not in _KEYS_OF_FILE):
        report.add(
            join("", key), f"unknown key; a district file has {', '.join(DistrictFile.__struct_fields__)}"
        )
    sections: dict[str, Any] = {}
    if "district" in content:
        district = read(content["district"], District, "district", report)
        sections["district"] = district_rules.district(district, "district", report)
    for section in SECTIONS:
        rows = content.get(section, [])
        if not isinstance(rows, list):
            report.add(section, "must be a list")
            continue
        shape, rule = district_rules.RULES[section]
        items = read_list(rows, shape, section, report)
        sections[section] = [rule(item, f"{section}[{place}]", report) for place, item in enumerate(items)]
    sections["policies"] = _read_policies(content.get("policies", {}), report)
    roads = content.get("roads", "")
    if not isinstance(roads, str) or len(roads) > _ROADS_MAX or not roads.isprintable():
        report.add("roads", "must be the name of a file")
    else:
        sections["roads"] = roads
    return DistrictFile(**sections)


def _read_policies(content: Any, report: Report) -> dict[str, Policy]:
    if not isinstance(content, dict):
        report.add("policies", "must be an object")
        return {}
    policies = {
        key: _read_policy(key, given, join("policies", key), report) for key, given in content.items()
    }
    return {key: policy for key, policy in policies.items() if policy is not None}


def _read_policy(key: str, given: Any, path: str, report: Report) -> Policy | None:
    """A policy; what it leaves out is as in the default one of its key."""
    if key not in POLICIES:
        report.add(path, f"is no key: {', '.join(POLICIES)}")
        return None
    if not isinstance(given, dict):
        report.add(path, "must be an object")
        return None
    return district_rules.policy(read(POLICIES[key] | given, Policy, path, report), path, report)


def _id_name(section: str) -> str:
    return "code" if section == "areas" else "id"


def _named(owner: str) -> str:
    return "" if owner == ELSEWHERE else f", {owner}"


class _Together:
    """One look at everything that hangs together in some items of one district."""

    def __init__(
        self,
        sections: Mapping[str, list[Any]],
        settings: District | None,
        known: Known,
        report: Report,
        district: str = "",
        *,
        alone: bool = False,
    ) -> None:
        self._sections = sections
        self._settings = settings
        self._known = known
        self._report = report
        self._alone = alone
        self._district = settings.code if settings is not None else district or known.default_district
        self._ids: dict[str, set[str]] = {section: set() for section in SECTIONS}
        # What could not be read cannot be referred to: one error for it is enough.
        self._unreadable = {section for section in SECTIONS if not alone and report.has(section)}
        if settings is not None and (report.has("district") or report.has("district.code")):
            self._unreadable.add("areas")

    def check(self) -> None:
        """Report everything. Ids first, so that references can be looked up."""
        if self._settings is not None:
            if self._known.within not in {"", self._district}:
                self._report.add("district.code", "is outside your scope")
                raise Enough
            self._own("areas", self._district, "district.code")
        for section in self._sections:
            self._check_ids(section)
        self._check_areas()
        self._check_sources()
        for section in self._sections:
            for path, item in self._items(section):
                self._check_references(path, item)

    def _items(self, section: str) -> Iterator[tuple[str, Any]]:
        for place, item in enumerate(self._sections.get(section, ())):
            yield "" if self._alone else f"{section}[{place}]", item

    def _check_ids(self, section: str) -> None:
        name = _id_name(section)
        ids = self._ids[section]
        for path, item in self._items(section):
            item_id = getattr(item, name)
            if item_id in ids:
                self._report.add(f"{path}.{name}", f"{shown(item_id)} is in {section} twice")
            elif not district_rules.id_fault(item_id):
                ids.add(item_id)
                self._own(section, item_id, f"{path}.{name}")

    def _own(self, section: str, item_id: str, path: str) -> None:
        owner = self._known.owner(section, item_id)
        if owner and owner != self._district:
            self._report.add(path, f"{item_id} is of another district{_named(owner)}")

    def _check_areas(self) -> None:
        parents = {item.code: item.parent for _path, item in self._items("areas")}
        for path, item in self._items("areas"):
            if item.code == self._district and item.kind is not AreaKind.DISTRICT:
                self._report.add(f"{path}.code", "is the code of the district itself")
            elif (other := self._known.owner("districts", item.code)) and other != self._district:
                self._report.add(f"{path}.code", f"{item.code} is another district")
            above, levels = item.parent, 1
            while above and above not in {item.code, self._district} and levels <= LEVELS_MAX:
                above = parents[above] if above in parents else self._known.parent(above)
                levels += 1
            if above == item.code != "":
                self._report.add(f"{path}.parent", "lies in itself, by way of what it lies in")
            elif levels > LEVELS_MAX:
                self._report.add(f"{path}.parent", f"is more than {LEVELS_MAX} levels deep, or never ends")

    def _check_sources(self) -> None:
        """One source, one device: else nobody could say who pressed."""
        seen: dict[str, tuple[str, str]] = {}
        for path, item in self._items("devices"):
            if item.id not in self._ids["devices"]:
                continue  # its id is an error already
            first, first_id = seen.setdefault(item.source, (path, item.id))
            # A registered device that is in the file too speaks as the file says, not as before.
            before = self._known.device_of(item.source)
            if first_id != item.id:
                self._report.add(f"{path}.address", f"{shown(item.source)} is also {first}")
            elif before is not None and before not in self._ids["devices"]:
                device = "another district's device" if before == ELSEWHERE else f"the device {before}"
                self._report.add(f"{path}.address", f"{shown(item.source)} is already {device}")

    def _check_references(self, path: str, item: Any) -> None:
        match item:
            case Area():
                self._refer("areas", item.parent, f"{path}.parent")
            case Station():
                self._refer("areas", item.area, f"{path}.area")
            case Resident():
                self._refer("areas", item.area, f"{path}.area")
                for place, contact in enumerate(item.contacts):
                    self._refer("webhooks", contact.webhook, f"{path}.contacts[{place}].webhook")
            case Device():
                self._refer("residents", item.resident, f"{path}.resident")
            case Staff():
                self._refer("areas", item.area, f"{path}.area")
                self._refer("stations", item.station, f"{path}.station")
            case Webhook():
                self._refer("areas", item.area, f"{path}.area")

    def _refer(self, section: str, item_id: str, path: str) -> None:
        if not item_id or item_id in self._ids[section] or section in self._unreadable:
            return
        if section == "areas" and item_id == self._district:
            return
        owner = self._known.owner(section, item_id)
        if owner is None:
            self._report.add(path, f"{shown(item_id)} is not in {section}")
        elif owner not in {"", self._district}:
            self._report.add(path, f"{shown(item_id)} is of another district{_named(owner)}")
