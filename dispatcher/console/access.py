"""Who asks, and what they may see: the contract's scope, in one place.

    admin, district            everything (a district's own token, named by its area: that district)
    street, community, grid    their area and what is below it
    station                    its own area, and every call that is or was offered to or accepted by it, until it is
                               closed or withdrawn
    volunteer                  the calls they were asked to come to

A call without an area belongs to the district: only those who see all of it see such a call. Who is bound to somebody or
something that is no longer in the register is nobody (`stands`). A call in sight may name stations and people by id
who are not: who was asked, who was passed over, who comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatcher.core.call import Call, OfferState
from dispatcher.core.district import Area, Device, Resident, Role, Staff, Station, StationKind
from dispatcher.core.roll import Item, Roll, Rolls

WHOLE = frozenset({Role.ADMIN, Role.DISTRICT})
AREA = frozenset({Role.STREET, Role.COMMUNITY, Role.GRID})
EVERYONE = frozenset(Role)
STAFFED = EVERYONE - {Role.VOLUNTEER}

#: Whoever closed a call may still put that right, though it is out of their sight (contract: `reopen` within 5 min;
#: twice that, so that a repeat of the last step by the same person is still answered).
_PUT_RIGHT_US = 600_000_000
#: For as long, whoever was asked too and answers late is told who was first.
_BEATEN_US = 600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Somebody who is known: a token, with the rights it was given; or a person who has logged in (`session`)."""

    id: str
    role: Role
    area: str = ""
    station: str = ""
    staff: str = ""
    session: str = ""
    start: bool = False  #: with a password that somebody gave them: good for setting their own

    @property
    def by(self) -> str:
        """Who the journal says it was: a person by their staff id, else the token."""
        return self.staff or ("admin" if self.id == "admin" else f"token:{self.id}")

    @property
    def source(self) -> str:
        """Who speaks, as the inbox knows it."""
        return f"api/{self.id}"


#: Whoever asks what needs nobody to be known: for logging in.
NOBODY = Access(id="nobody", role=Role.VOLUNTEER)


def person_access(rolls: Rolls, staff_id: str, session: str, *, start: bool = False) -> Access | None:
    """What a person may who has logged in, as the register has them now; None: they are not in it any more.

    Whoever is of a district sees that one, not others: so does a token that is named by it. An admin sees all.
    """
    roll = rolls.roll_of("staff", staff_id)
    if roll is None:
        return None
    person = roll.staff[staff_id]
    area = {Role.ADMIN: "", Role.DISTRICT: roll.district.code}.get(person.role, person.area)
    return Access(
        id=f"user:{staff_id}",
        role=person.role,
        area=area,
        station="" if person.role in WHOLE else person.station,
        staff=staff_id,
        session=session,
        start=start,
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """What one asker sees, looked up in the register as it is now: a moved resident is out of sight at once."""

    access: Access
    rolls: Rolls

    def stands(self) -> bool:
        """Whether the register still has what this asker is bound to: the person, the station, the area."""
        access, rolls = self.access, self.rolls
        if (
            access.session
            and person_access(rolls, access.staff, access.session, start=access.start) != access
        ):
            return False  # they are somebody else by now: who asks again is known as that
        if access.staff and rolls.roll_of("staff", access.staff) is None:
            return False
        if access.station and rolls.roll_of("stations", access.station) is None:
            return False
        if not access.area or access.role in {Role.ADMIN, Role.STATION}:
            return True
        if access.role is Role.DISTRICT:
            return rolls.find(access.area) is not None
        return access.area in rolls.by_code or rolls.roll_of("areas", access.area) is not None

    def home(self) -> Roll | None:
        """The one district this asker is confined to; None = none, or bound to what is gone."""
        access, rolls = self.access, self.rolls
        match access.role:
            case Role.ADMIN:
                return None
            case Role.STATION:
                return rolls.roll_of("stations", access.station)
            case Role.VOLUNTEER:
                return rolls.roll_of("staff", access.staff)
        if access.area:
            return rolls.find(access.area) or rolls.roll_of("areas", access.area)
        return rolls.roll_of("stations", access.station) if access.station else None

    def sees_district(self, roll: Roll) -> bool:
        """Whether this asker may look into the district at all."""
        home = self.home()
        if home is not None:
            return home is roll
        return self.access.role in WHOLE and self.stands()

    def sees_every_district(self) -> bool:
        """The whole installation."""
        return self.access.role in WHOLE and self.home() is None and self.stands()

    def sees_all(self, roll: Roll) -> bool:
        """The whole district, also what has no area."""
        if not self.sees_district(roll):
            return False
        return self.access.role in WHOLE or self._own_area(roll) == roll.district.code

    def sees_area(self, roll: Roll, area: str) -> bool:
        """Whether this area is inside the asker's own."""
        if self.sees_all(roll):
            return True
        own = self._own_area(roll)
        return bool(own) and self.sees_district(roll) and roll.within(area, own)

    def areas(self, roll: Roll) -> frozenset[str] | None:
        """The codes of every area in sight; None = all of them, and what has none."""
        if self.sees_all(roll):
            return None
        return frozenset(code for code in roll.areas if self.sees_area(roll, code))

    def sees_call(self, call: Call) -> bool:
        """Whether they may see this call, now."""
        return self.sees_place_of(call) or (call.open and self._asked(call))

    def sees_place_of(self, call: Call) -> bool:
        """Whether it is in their area; else they see a call only while they are asked to it."""
        roll = self.rolls.find(call.district)
        return roll is not None and self.sees_area(roll, call.area)

    def may_step(self, call: Call, now_us: int) -> bool:
        """Whether they may take a step of this call: of what they see, and of what they closed a moment ago."""
        if self.sees_call(call):
            return True
        closed = call.closed
        if closed is None or now_us - closed.at_us > _PUT_RIGHT_US:
            return False
        station = self.access.station
        return closed.by == self.access.by or bool(
            station and call.accepted and call.accepted.station == station
        )

    def has_in_hand(self, call: Call) -> bool:
        """Whether it is theirs to act on now: offered to them or their station and not declined, or accepted by either.

        A district's people stand at its desk. Whoever only sees it, in their area or their district, does not have it.
        """
        roll = self.rolls.find(call.district)
        if roll is None or not call.open or not self.sees_call(call):
            return False
        own = roll.desk().id if self.access.role in WHOLE else self._offered_as
        if call.accepted is not None:
            return call.accepted.by == self.access.by or call.accepted.station == own != ""
        offer = call.offer_to(own) if own else None
        return offer is not None and offer.state not in {OfferState.DECLINED, OfferState.WITHDRAWN}

    def beaten(self, call: Call, now_us: int) -> bool:
        """Whether they were asked too and somebody else was first a moment ago: an answer to that is told who."""
        if call.accepted is None or now_us - call.accepted.at_us > _BEATEN_US:
            return False
        offer = call.offer_to(self._offered_as)
        return offer is not None and offer.state is OfferState.WITHDRAWN

    def loses(self, call: Call, name: str) -> bool:
        """Whether this very fact ended their sight of the call: they must hear that it is over for them, and no more."""
        if name == "call.closed":
            if call.accepted is not None and call.accepted.station == self.access.station != "":
                return True
        elif name != "call.accepted":
            return False
        offer = call.offer_to(self._offered_as)
        if offer is None or offer.state is not OfferState.WITHDRAWN:
            return False
        # Withdrawn by this fact, or by an earlier accept? Then it was over for them already.
        earlier = call.accepted if name == "call.closed" else call.former
        return earlier is None or offer.last_us > earlier.at_us

    def sees_news_to(self, roll: Roll, target: str) -> bool:
        """Whether it is theirs to know that a message went there: what a district's webhooks hear is the district's."""
        return target not in roll.webhooks or self.sees_all(roll)

    def sees_station(self, roll: Roll, station_id: str) -> bool:
        """Their own station, or one in their area."""
        if station_id and station_id == self.access.station:
            return True
        station = roll.stations.get(station_id)
        return station is not None and self.sees_area(roll, station.area)

    def sees_resident(self, roll: Roll, resident: Resident) -> bool:
        """A resident of their area."""
        return self.sees_area(roll, resident.area)

    def sees_device(self, roll: Roll, device: Device) -> bool:
        """A device of a resident of their area; one that is nobody's is the district's."""
        resident = roll.residents.get(device.resident)
        return self.sees_all(roll) if resident is None else self.sees_area(roll, resident.area)

    def sees_item(self, roll: Roll, item: Item) -> bool:
        """Anything of the register."""
        if self.sees_all(roll):
            return True
        match item:
            case Area():
                return self.sees_area(roll, item.code)
            case Station():
                return self.sees_station(roll, item.id)
            case Resident():
                return self.sees_resident(roll, item)
            case Device():
                return self.sees_device(roll, item)
            case Staff():
                if item.id == self.access.staff != "":
                    return True
                return self.sees_station(roll, item.station) or (
                    bool(item.area) and self.sees_area(roll, item.area)
                )
        return False

    @property
    def _offered_as(self) -> str:
        """How offers name this asker: by station, a volunteer in person."""
        return self.access.staff if self.access.role is Role.VOLUNTEER else self.access.station

    def _asked(self, call: Call) -> bool:
        name = self._offered_as
        if not name or self.access.role not in {Role.STATION, Role.VOLUNTEER}:
            return False
        offer = call.offer_to(name)
        if offer is not None and offer.state is not OfferState.WITHDRAWN:
            return True
        held = {holder.station for holder in (call.accepted, call.former) if holder is not None}
        held |= {holder.by for holder in (call.accepted, call.former) if holder is not None}
        return name in held

    def _own_area(self, roll: Roll) -> str:
        access = self.access
        if access.role is not Role.STATION:
            return "" if access.role is Role.VOLUNTEER else access.area
        station = roll.stations.get(access.station)
        if station is None:
            return ""
        if station.kind is StationKind.DISTRICT_DESK and not station.area:
            return roll.district.code
        return station.area
