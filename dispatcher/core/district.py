"""The shapes of a district: what the district file and the register hold (contract, section 7).

Immutable values; JSON in, JSON out by msgspec. Nothing here asks whether references hold: `district_check` does.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from devices.signal import Key


class AreaKind(StrEnum):
    """The network's levels below the district."""

    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    GRID = "grid"


class StationKind(StrEnum):
    """Who can be asked to come; the first two are the first tier, then the street, then the district desk."""

    CARE_STATION = "care_station"
    DAY_CARE = "day_care"
    STREET_CENTRE = "street_centre"
    DISTRICT_DESK = "district_desk"


class Travel(StrEnum):
    """How a station's people travel."""

    WALK = "walk"
    E_BIKE = "e_bike"
    CAR = "car"


class Role(StrEnum):
    """What a person or a token may see and do."""

    ADMIN = "admin"
    DISTRICT = "district"
    STREET = "street"
    COMMUNITY = "community"
    STATION = "station"
    GRID = "grid"
    VOLUNTEER = "volunteer"


class Target(StrEnum):
    """Whom a step of a policy asks."""

    NEAREST = "nearest"
    NEXT = "next"
    NEXT_TIER = "next_tier"
    DISTRICT = "district"
    CONTACTS = "contacts"
    VOLUNTEERS = "volunteers"
    EVERYONE = "everyone"


#: `"always"`, or spans by day (`mon` … `sun`) and `holidays: "closed"`; `hours.parse` reads it.
Spans = dict[str, list[str] | str]


class Location(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A place in degrees. Past the door it is always WGS 84; `datum` `gcj02` or `bd09` is converted there, once."""

    lat: float
    lon: float
    datum: str = "wgs84"


class District(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A district: its time zone decides what "open" means, its locale what the wearer reads."""

    code: str
    name: str = ""
    timezone: str = "Asia/Shanghai"
    locale: str = "zh-CN"
    holidays: list[str] = field(
        default_factory=list
    )  #: dates, YYYY-MM-DD, on which `"holidays":"closed"` counts


class Area(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A street, community or grid; `parent` is the code above it (the district's for a street)."""

    code: str
    name: str = ""
    kind: AreaKind
    parent: str = ""


class OnCall(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody has the phone at home: `prepare_seconds` is added to the travel time. No hours = whenever closed."""

    hours: str | Spans = "always"
    phone: str = ""
    prepare_seconds: float = 300.0


class Closure(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Temporarily closed, until an RFC 3339 time, or until somebody says otherwise."""

    until: str | None = None
    reason: str = ""


class Station(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """An anchor: street centre, day-care centre, care station or the district desk.

    `capacity` is how many open calls it can be offered or hold; None = no bound. `closed` = temporarily closed.
    """

    id: str
    name: str = ""
    kind: StationKind
    area: str = ""
    location: Location | None = None
    travel: Travel = Travel.WALK
    hours: str | Spans = "always"
    on_call: OnCall | None = None
    capacity: int | None = None
    phone: str = ""
    closed: Closure | None = None


class Contact(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A relative, and what they asked to hear of: `opened|unanswered|accepted|on_scene|closed`."""

    name: str = ""
    relation: str = ""
    phone: str = ""
    webhook: str = ""
    language: str = ""
    on: list[str] = field(default_factory=list)


class Resident(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """An elderly person at home. Everything about them beyond the id is personal data: never in a log or the journal."""

    id: str
    name: str = ""
    phone: str = ""
    address: str = ""
    door_code: str = ""
    identity_number: str = ""
    area: str = ""
    location: Location | None = None
    notes: str = ""
    language: str = ""
    birth_year: int | None = None
    contacts: list[Contact] = field(default_factory=list)


class Device(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A button or hub: `address` is how its family names it (the id where left out); `keys` maps its codes to keys."""

    id: str
    family: str = "native"
    address: str = ""
    resident: str = ""
    heartbeat: float | None = None
    keys: dict[str, Key] = field(default_factory=dict)
    name: str = ""

    @property
    def source(self) -> str:
        """Who speaks, as the inbox knows it: `family/address`."""
        return f"{self.family}/{self.address or self.id}"


class Staff(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who works: at a station, a desk, in a grid, or as a volunteer."""

    id: str
    name: str = ""
    phone: str = ""
    role: Role
    area: str = ""
    station: str = ""


class Webhook(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Where news goes, signed; `events` are facts or `call.*`."""

    id: str
    url: str
    secret: str = ""
    events: list[str] = field(default_factory=lambda: ["call.*"])
    area: str = ""


class Step(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """So many seconds after the opening, ask so-and-so."""

    after: float
    to: Target


class Policy(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """How a call of one key escalates. All durations in seconds; None = no such limit."""

    steps: tuple[Step, ...]
    repeat: float
    en_route_within: float
    repress_within: float
    arrive_goal: float | None
    arrive_limit: float | None
    close_within: float
    silent: str = ""  #: span of the day in which consoles make no sound for it, e.g. `21:00-07:00`


class DistrictFile(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A whole district file; every section is optional."""

    district: District | None = None
    areas: list[Area] = field(default_factory=list)
    stations: list[Station] = field(default_factory=list)
    residents: list[Resident] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    staff: list[Staff] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)
    policies: dict[str, Policy] = field(default_factory=dict)
    roads: str = ""
