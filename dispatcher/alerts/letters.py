"""What a message says, made at the moment of sending from the fact it is about and the register as it is now."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from config.doors import from_us
from dispatcher.alerts.rows import Message
from dispatcher.alerts.wording import Wording
from dispatcher.core.alert import phone_of
from dispatcher.core.call import Call
from dispatcher.core.roll import Roll
from dispatcher.feed import FeedEvent

#: News that is older than this when it goes out says so.
LATE_SECONDS = 120

#: The same news goes to every webhook that hears of it, and to nearly all in the same moment.
_for_all = lru_cache(64)(FeedEvent.news)

#: Texts for people who work with the console: only these hold a link to a call.
_FOR_STAFF = ("summons.", "again", "overdue")


class Letter(NamedTuple):
    """A text message ready to go."""

    phone: str
    text: str


class Letters:
    """Writes the texts; `public_url` is where the responders' pages are found, empty = no links."""

    def __init__(self, wording: Wording, public_url: str = "") -> None:
        self._wording = wording
        self._public_url = public_url.rstrip("/")

    def text(self, message: Message, event: FeedEvent, roll: Roll, now_us: int) -> Letter | None:
        """The text of an SMS; None where there is no telephone (any more) to send it to."""
        phone, language = phone_of(message.target, roll)
        call = event.call
        if not phone or call is None:
            return None
        staff = message.wording.startswith(_FOR_STAFF)
        resident = roll.residents.get(call.resident or "")
        place = event.place
        values = {
            "name": (resident.name if resident is not None else "")
            or (place.name if place is not None else ""),
            "address": (place.address if place is not None else "")
            or (resident.address if resident is not None else ""),
            "phone": (resident.phone if resident is not None else "")
            or (place.phone if place is not None else ""),
            "key": call.key,
            "time": f"{from_us(message.at_us).astimezone(roll.zone):%H:%M}",
            "minutes": str(max(1, (now_us - call.opened_us) // 60_000_000)),
            "station": _station(call, roll),
            "outcome": call.closed.outcome.value if call.closed is not None else "",
            "link": f"{self._public_url}/r/{quote(call.id, safe='')}" if staff and self._public_url else "",
        }
        late = late_seconds(message, now_us)
        return Letter(
            phone,
            self._wording.text(
                message.wording,
                language or roll.district.locale,
                late_minutes=round(late / 60) if late else 0,
                **values,
            ),
        )


def news(message: Message, event: FeedEvent, now_us: int) -> bytes:
    """The body of a webhook's message."""
    late = late_seconds(message, now_us)
    more: dict[str, object] = {"late_seconds": round(late, 1)} if late else {}
    if message.target != message.endpoint.partition("/")[2]:
        more["contact"] = message.target.partition("@")[0]  # it is for this contact of the resident
    return event.news(**more) if more else _for_all(event)


def late_seconds(message: Message, now_us: int) -> float:
    """How late it goes out; 0 where it is in time."""
    late = (now_us - message.at_us) / 1e6
    return late if late > LATE_SECONDS else 0.0


def _station(call: Call, roll: Roll) -> str:
    holder = call.accepted or call.former
    station = roll.stations.get(holder.station) if holder is not None else None
    return station.name if station is not None else ""
