"""One change of the register: what is to be written, and what memory is to look like once it is.

Nothing here waits or writes: a Change is filled, its rows are committed by the register, then `apply` lets the rolls
see it, in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from devices.signal import Key
from dispatcher import register_rows as rows
from dispatcher.core.district import District, Policy, Station, StationKind
from dispatcher.core.district_check import ELSEWHERE
from dispatcher.core.roll import DEFAULT_POLICIES, Item, Roll, Rolls
from dispatcher.store import Do, Row

#: The code of the district that is there before any was loaded.
DEFAULT = "default"


def placeholder() -> District:
    """The district of an installation into which none was loaded yet."""
    return District(code=DEFAULT)


def is_placeholder(roll: Roll) -> bool:
    """Whether it is that district, and nobody has made it their own."""
    return roll.district == placeholder()


def generated_desk(roll: Roll) -> Station:
    """The desk that a district is given which names none."""
    return Station(id=f"desk-{roll.district.code}", kind=StationKind.DISTRICT_DESK)


class KnownRolls:
    """What is registered, as a check wants to know it (`district_check.Known`).

    `within`: for somebody who sees this district only.
    """

    def __init__(self, rolls: Rolls, within: str = "") -> None:
        self._rolls = rolls
        self.within = within

    @property
    def default_district(self) -> str:
        """The default district's code."""
        return self.within or self._rolls.default_code

    def owner(self, section: str, item_id: str) -> str | None:
        """The district that has it; empty: it is in the placeholder, so whichever district is loaded first takes it."""
        if section == "districts":
            return item_id if item_id in self._rolls.by_code else None
        roll = self._rolls.roll_of(section, item_id)
        if roll is None:
            return None
        if is_placeholder(roll) and roll is self._rolls.default:
            return ""
        return roll.district.code if self.within in {"", roll.district.code} else ELSEWHERE

    def parent(self, area: str) -> str:
        """What a registered area lies in."""
        roll = self._rolls.roll_of("areas", area)
        return roll.areas[area].parent if roll is not None else ""

    def device_of(self, source: str) -> str | None:
        """The device that speaks so."""
        found = self._rolls.device_by_source(source)
        if found is None:
            return None
        return found[1].id if self.within in {"", found[0].district.code} else ELSEWHERE


def lifted(roll: Roll, section: str, item_id: str) -> tuple[list[Item], list[str]]:
    """What refers to an item that goes: the items as they are without it, and those that cannot be (in words)."""
    match section:
        case "areas":
            above = roll.areas[item_id].parent
            inside: list[Item] = [
                replace(area, parent=above) for area in roll.areas.values() if area.parent == item_id
            ]
            inside += [
                replace(station, area=above) for station in roll.stations.values() if station.area == item_id
            ]
            inside += [
                replace(person, area=above) for person in roll.residents.values() if person.area == item_id
            ]
            bound = [f"staff {person.id}" for person in roll.staff.values() if person.area == item_id]
            bound += [f"webhook {hook.id}" for hook in roll.webhooks.values() if hook.area == item_id]
            return inside, bound
        case "stations":
            return [
                replace(person, station="") for person in roll.staff.values() if person.station == item_id
            ], []
        case "residents":
            return [
                replace(device, resident="") for device in roll.devices.values() if device.resident == item_id
            ], []
        case "webhooks":
            return [
                replace(
                    person,
                    contacts=[
                        replace(contact, webhook="") if contact.webhook == item_id else contact
                        for contact in person.contacts
                    ],
                )
                for person in roll.residents.values()
                if any(contact.webhook == item_id for contact in person.contacts)
            ], []
        case _:
            return [], []


class Change:
    """What one change does. `puts`: the last item put under an id counts.

    `policies` and `settings` have what was before and what is after, for the register's history.
    """

    def __init__(self, rolls: Rolls) -> None:
        self.puts: dict[tuple[str, str], tuple[Roll, Item]] = {}
        self.first_work: list[Do] = []
        self.last_work: list[Do] = []
        self.drops: list[tuple[Roll, str, str]] = []
        self.policies: list[tuple[Roll, str, Policy, Policy]] = []
        self.settings: list[tuple[Roll, District | None, District]] = []
        self._rolls = rolls
        self._then: list[Callable[[], None]] = []
        self._behind: list[tuple[Roll, Station]] = []
        self._begun: list[Roll] = []
        self._leaving: Roll | None = None

    def put(self, roll: Roll, item: Item) -> None:
        """Add or replace an item."""
        self.puts[rows.SECTION_OF[type(item)], rows.id_of(item)] = roll, item

    def drop(self, roll: Roll, section: str, item_id: str) -> None:
        """Take an item away."""
        self.first_work += rows.drop_item(section, item_id)
        self.drops.append((roll, section, item_id))

    def put_policies(self, roll: Roll, policies: Mapping[str, Policy], now_us: int) -> None:
        """Replace these policies."""
        if policies:
            self.policies += [(roll, key, roll.policy(Key(key)), after) for key, after in policies.items()]
            self.also(
                rows.put_policies(roll.district.code, policies, now_us), lambda: _put_policies(roll, policies)
            )

    def drop_policy(self, roll: Roll, key: str) -> None:
        """Go back to the default one."""
        self.policies.append((roll, key, roll.policy(Key(key)), DEFAULT_POLICIES[key]))
        self.also(rows.drop_policies(roll.district.code, [key]), lambda: _drop_policy(roll, key))

    def settle(self, roll: Roll, district: District, place: int) -> None:
        """Change a district's own settings."""
        self.settings.append((roll, roll.district, district))
        self.also(rows.put_district(district, place), lambda: roll.settle(district))

    def also(self, work: Iterable[Do], then: Callable[[], None] = lambda: None) -> None:
        """Write this too, and afterwards do that in memory."""
        self.first_work += work
        self._then.append(then)

    def add_district(self, district: District, place: int, now_us: int) -> Roll:
        """Begin a district. The first one that is loaded takes over what the placeholder has."""
        roll = Roll(district)
        # Others tell by the sum of all versions whether anything changed: it must not come out the same.
        roll.version = 1 + sum(other.version for other in self._rolls.by_code.values())
        self._begun.append(roll)
        self.settings.append((roll, None, district))
        self.also(rows.put_district(district, place), lambda: self._begin(roll))
        before = self._rolls.by_code.get(self._rolls.default_code)
        if before is not None and is_placeholder(before):
            self._take_over(before, roll, now_us)
        return roll

    def see_to_desks(self, touched: Iterable[Roll], needed_by: Callable[[str, str], str | None]) -> None:
        """Give a desk to each district that would have none, and take it back where a named one comes."""
        rolls = {id(roll): roll for roll in (*touched, *self._begun)}
        rolls |= {id(roll): roll for roll, item in self.puts.values() if isinstance(item, Station)}
        rolls |= {id(roll): roll for roll, section, _id in self.drops if section == "stations"}
        for roll in rolls.values():
            gone = {
                item_id for home, section, item_id in self.drops if home is roll and section == "stations"
            }
            after = {item_id: station for item_id, station in roll.stations.items() if item_id not in gone}
            after |= {
                item.id: item
                for home, item in self.puts.values()
                if home is roll and isinstance(item, Station)
            }
            desk = generated_desk(roll)
            named = any(
                station.kind is StationKind.DISTRICT_DESK and station != desk for station in after.values()
            )
            if after.get(desk.id) == desk and named:
                if needed_by("stations", desk.id) is None:
                    self.puts.pop(("stations", desk.id), None)
                    self.drop(roll, "stations", desk.id)
                else:
                    # It holds an open call: it stays until the next change, behind the named one.
                    self._behind.append((roll, desk))
            elif (
                not named
                and desk.id not in after
                and self._rolls.roll_of("stations", desk.id) in {None, roll}
            ):
                self.put(roll, desk)

    def before(self, section: str, item_id: str, roll: Roll) -> Item | None:
        """The item as it is now, in its district or in the one it is taken over from; None: it is new."""
        homes = (roll,) if self._leaving is None else (roll, self._leaving)
        return next((items[item_id] for home in homes if item_id in (items := getattr(home, section))), None)

    def after(self, section: str, item_id: str, roll: Roll) -> Any:
        """The item as it will be; None where there is none."""
        put = self.puts.get((section, item_id))
        return put[1] if put is not None else getattr(roll, section).get(item_id)

    def apply(self, fetched: list[list[list[Row]]]) -> None:
        """Let memory see it. `fetched` is what the transaction gave back."""
        for roll, section, item_id in self.drops:
            roll.remove(section, item_id)
        for then in self._then:
            then()
        for roll, item in self.puts.values():
            roll.put(item)
        for roll, desk in self._behind:
            put_last(roll, desk)
        if self._leaving is not None and fetched and fetched[-1][0]:
            del self._rolls.by_code[self._leaving.district.code]

    def _begin(self, roll: Roll) -> None:
        first = not self._rolls.by_code or self._leaving is not None
        self._rolls.by_code[roll.district.code] = roll
        if first:
            self._rolls.default_code = roll.district.code

    def _take_over(self, before: Roll, roll: Roll, now_us: int) -> None:
        """All that was registered while there was no district; the placeholder stays only where it has a history."""
        self._leaving = before
        own = generated_desk(before)
        moved: list[tuple[str, str]] = []
        for section in rows.SECTIONS:
            items: dict[str, Item] = getattr(before, section)
            for item_id, item in items.items():
                if item != own:
                    self.put(roll, _rehomed(item, before.district.code, roll.district.code))
                    moved.append((section, item_id))
        policies = dict(before.policies)
        self.put_policies(roll, policies, now_us)
        self.policies.clear()  # they are as they were, in another district
        self.first_work += rows.drop_policies(before.district.code, policies)
        self.last_work += rows.drop_unused_district(before.district.code)

        def follow() -> None:
            roll.on_duty |= before.on_duty
            roll.on_duty_since_us |= before.on_duty_since_us
            roll.test_until_us |= before.test_until_us
            for section, item_id in moved:
                before.remove(section, item_id)
            before.policies.clear()

        self._then.append(follow)


def _rehomed(item: Item, old: str, new: str) -> Item:
    """An item under another district: where it named the old one as its area, it names the new one."""
    changes: dict[str, Any] = {name: new for name in ("area", "parent") if getattr(item, name, "") == old}
    return replace(item, **changes) if changes else item


def _put_policies(roll: Roll, policies: Mapping[str, Policy]) -> None:
    roll.policies.update(policies)
    roll.version += 1


def _drop_policy(roll: Roll, key: str) -> None:
    roll.policies.pop(key, None)
    roll.version += 1


def put_last(roll: Roll, station: Station) -> None:
    """Let a station be the last that is looked at."""
    roll.remove("stations", station.id)
    roll.put(station)
