"""API tokens: who may do what. Made once, shown once; only their SHA-256 is kept.

    issued = await tokens.create(Role.STATION, station="st-01")       issued.secret: print it, it is gone afterwards
    access = await tokens.lookup(secret)                              None: unknown, or revoked

A token has 256 bits of chance, so a plain hash is enough: there is nothing to guess. What was looked up is believed for
a second, because another process may revoke it; when the database is away it is believed on, because a press must be
acceptable then too.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from config.doors import Clock, Ids
from dispatcher.console.access import AREA, Access
from dispatcher.console.audit import AT_COMMAND_LINE, Entry, written
from dispatcher.console.endpoint import Act
from dispatcher.core.district import Role
from dispatcher.core.roll import Rolls
from dispatcher.store import Do, Prepared, Store, StoreUnavailable
from dispatcher.tables import tokens as table

_BELIEVED_US = 1_000_000
_KNOWN_MAX = 4096
_SECRET_CHARACTERS_MAX = 512

ADMIN = Access(id="admin", role=Role.ADMIN)

_PUT = Prepared(insert(table))
_REVOKE = Prepared(
    update(table)
    .where(table.c.id == bindparam("which"), table.c.revoked_us.is_(None))
    .values(revoked_us=bindparam("now_us"))
    .returning(table.c.id)
)
_LIVE = select(table.c.id).where(table.c.id == bindparam("which"), table.c.revoked_us.is_(None))
_FIND = select(table.c.id, table.c.role, table.c.area, table.c.station, table.c.staff, table.c.hash).where(
    table.c.hash == bindparam("digest"), table.c.revoked_us.is_(None)
)


class TokenError(ValueError):
    """A token cannot be made like that. `field` says what is missing."""

    def __init__(self, field: str, error: str) -> None:
        super().__init__(f"{field}: {error}")
        self.field = field
        self.error = error


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh token. `secret` is what its bearer shows; nobody can find it again."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Issued(id={self.id!r})"


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as a list shows it."""

    id: str
    role: str
    area: str
    station: str
    staff: str
    created_us: int
    revoked_us: int | None


class Tokens:
    """The tokens of an installation. `fixed` are those of the settings, by their secret: the administrator's, the demo's."""

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, *, fixed: Mapping[str, Access] | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._fixed = {_digest(secret): access for secret, access in (fixed or {}).items() if secret}
        self._known: OrderedDict[str, tuple[Access | None, int]] = OrderedDict()

    async def create(
        self, role: Role, *, area: str = "", station: str = "", staff: str = "", rolls: Rolls | None = None
    ) -> Issued:
        """Make a token. `rolls`: what is registered, to ask what its area is. Raises TokenError, StoreUnavailable."""
        if role in AREA and not area:
            raise TokenError("area", f"a {role} token needs its area")
        if role is Role.STATION and not station:
            raise TokenError("station", "a station token needs its station")
        if role is Role.VOLUNTEER and not staff:
            raise TokenError("staff", "a volunteer's token needs their staff id")
        if role is Role.ADMIN and (area or station):
            raise TokenError("area" if area else "station", "an admin token sees everything: it takes none")
        if role is Role.DISTRICT and area and rolls is not None and rolls.roll_of("areas", area) is not None:
            raise TokenError("area", f"a district token needs a district's code: {area} is an area in one")
        issued = Issued(self._ids.new("t"), f"yj_{secrets.token_urlsafe(32)}")
        row = {
            "id": issued.id,
            "hash": _digest(issued.secret),
            "role": role.value,
            "area": area,
            "station": station,
            "staff": staff,
            "created_us": self._clock.now_us(),
            "revoked_us": None,
        }
        await self._store.write([Do(_PUT, [row]), self._told(issued.id, Act.ADD)])
        return issued

    async def revoke(self, token_id: str) -> bool:
        """It is good for nothing from now on. False where there is no such token, or it was revoked before."""
        if not await self._store.read(_LIVE, {"which": token_id}):
            return False
        row = {"which": token_id, "now_us": self._clock.now_us()}
        [[revoked]] = await self._store.write(
            [Do(_REVOKE, [row], fetch=True), self._told(token_id, Act.REMOVE)]
        )
        self._known.clear()
        return bool(revoked)

    async def list(self) -> list[Listed]:
        """All tokens, the oldest first; never their secrets."""
        columns = [table.c[name] for name in Listed.__slots__]
        return [
            Listed(*row)
            for row in await self._store.read(select(*columns).order_by(table.c.created_us, table.c.id))
        ]

    def _told(self, token_id: str, act: Act) -> Do:
        """The line of the audit log: tokens are made and ended at the command line."""
        entry = Entry(at_us=self._clock.now_us(), by=AT_COMMAND_LINE, act=act, what="tokens", id=token_id)
        return written(entry)

    async def lookup(self, secret: str) -> Access | None:
        """Whose token this is. Raises StoreUnavailable where that cannot be known."""
        if not 0 < len(secret) <= _SECRET_CHARACTERS_MAX or not secret.isascii():
            return None
        digest = _digest(secret)
        if (fixed := self._fixed.get(digest)) is not None:
            return fixed
        now_us = self._clock.now_us()
        remembered = self._known.get(digest)
        if remembered is not None and abs(now_us - remembered[1]) < _BELIEVED_US:
            return remembered[0]
        try:
            rows = await self._store.read(_FIND, {"digest": digest})
        except StoreUnavailable:
            if remembered is not None and remembered[0] is not None:
                return remembered[0]
            raise
        found: Access | None = None
        if rows and hmac.compare_digest(rows[0][5], digest):
            token_id, role, area, station, staff, _hash = rows[0]
            found = Access(id=token_id, role=Role(role), area=area, station=station, staff=staff)
        self._known[digest] = (found, now_us)
        self._known.move_to_end(digest)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return found


def not_there(rolls: Rolls, *, area: str = "", station: str = "", staff: str = "") -> list[str]:
    """What a token would be bound to and the register does not have: until it has, the token opens nothing."""
    found = [
        item_id
        for section, item_id in (("stations", station), ("staff", staff))
        if item_id and rolls.roll_of(section, item_id) is None
    ]
    if area and area not in rolls.by_code and rolls.roll_of("areas", area) is None:
        found.append(area)
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
