"""Logins: which people of the register may log in at the console, and with what. Only hashes are kept.

    users = Users(store, clock)
    await users.add("s-01", kept, by="cli")          raises UserError: there is one already
    user = await users.find("s-01")                  None: nobody logs in by that name

The login is a staff id. Who that is and what they may is asked of the register at each request, never kept here. Every
change stands in the audit log, in the same transaction; a new password ends what was open under the old one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from config.doors import Clock
from dispatcher.console.audit import Entry, written
from dispatcher.console.endpoint import Act
from dispatcher.core.roll import Rolls
from dispatcher.store import Do, Prepared, Store
from dispatcher.tables import sessions
from dispatcher.tables import users as table

#: How a session was begun that is good for setting one's own password, and nothing else.
START = "start"
#: More users than any district has staff: a list is read in one go.
LISTED_MAX = 20_000


class Why(StrEnum):
    """Why a login cannot be made or changed."""

    THERE = "there"
    UNKNOWN = "unknown"


class UserError(ValueError):
    """It cannot be done; `why` says for what reason."""

    def __init__(self, why: Why, login: str) -> None:
        super().__init__(f"{login}: {'has a login already' if why is Why.THERE else 'has no login'}")
        self.why = why


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in."""

    id: str
    password: str = field(repr=False)
    pin: str = field(repr=False)
    totp: str = field(repr=False)
    totp_step: int
    created_us: int
    changed_us: int
    disabled_us: int | None
    start_until_us: int | None


def _set(**values: Any) -> Prepared:
    """Changes a login that there is, and tells whether there was one."""
    return Prepared(
        update(table).where(table.c.id == bindparam("who")).values(**values).returning(table.c.id)
    )


_PUT = Prepared(insert(table))
_SET_PASSWORD = _set(
    password=bindparam("new"), changed_us=bindparam("now_us"), start_until_us=bindparam("until_us")
)
_NO_PIN = Prepared(update(table).where(table.c.id == bindparam("who")).values(pin=""))
_SET_PIN = _set(pin=bindparam("new"))
_SET_TOTP = _set(totp=bindparam("new"), totp_step=bindparam("step"))
_SET_DISABLED = _set(disabled_us=bindparam("new"), changed_us=bindparam("now_us"))
_REHASH = Prepared(
    update(table)
    .where(table.c.id == bindparam("who"), table.c.password == bindparam("old"))
    .values(password=bindparam("new"))
)
# The code of a half minute is good once, also for two that come at the same moment.
_USE_CODE = Prepared(
    update(table)
    .where(table.c.id == bindparam("who"), table.c.totp_step < bindparam("step"))
    .values(totp_step=bindparam("now_step"))
    .returning(table.c.id)
)
_END_OTHERS = Prepared(
    update(sessions)
    .where(
        sessions.c.staff == bindparam("who"),
        sessions.c.revoked_us.is_(None),
        sessions.c.id != bindparam("but"),
    )
    .values(revoked_us=bindparam("now_us"))
)
# Whoever has set a password of their own goes on in the session that was begun with the given one.
_OWN = Prepared(
    update(sessions)
    .where(sessions.c.id == bindparam("which"), sessions.c.how == START)
    .values(how="password")
)
_FIND = select(*(table.c[name] for name in User.__slots__)).where(table.c.id == bindparam("who"))


class Users:
    """The logins of an installation. All raise StoreUnavailable."""

    def __init__(self, store: Store, clock: Clock, rolls: Rolls) -> None:
        self._store = store
        self._clock = clock
        self._rolls = rolls

    async def find(self, login: str) -> User | None:
        """One login; None where there is none."""
        rows = await self._store.read(_FIND, {"who": login})
        return User(*rows[0]) if rows else None

    async def list(self) -> list[User]:
        """All of them, by id."""
        columns = [table.c[name] for name in User.__slots__]
        query = select(*columns).order_by(table.c.id).limit(LISTED_MAX)
        return [User(*row) for row in await self._store.read(query)]

    async def add(self, login: str, password: str, by: str, *, start_until_us: int | None = None) -> None:
        """A new login; `password` as the hasher made it, good for the first login until then. Raises UserError."""
        if await self.find(login) is not None:
            raise UserError(Why.THERE, login)
        now_us = self._clock.now_us()
        row = {
            "id": login,
            "password": password,
            "pin": "",
            "totp": "",
            "totp_step": 0,
            "created_us": now_us,
            "changed_us": now_us,
            "disabled_us": None,
            "start_until_us": start_until_us,
        }
        await self._store.write([Do(_PUT, [row]), self._told(login, by, Act.ADD, "users")])

    async def set_password(self, login: str, password: str, by: str, *, but: str = "") -> None:
        """Another password; every session ends but that one. Raises UserError."""
        row = {"who": login, "new": password, "now_us": self._clock.now_us(), "but": but, "until_us": None}
        more = [Do(_END_OTHERS, [row])] + ([Do(_OWN, [{"which": but}])] if but else [])
        await self._change(Do(_SET_PASSWORD, [row], fetch=True), login, by, "users/password", *more)

    async def start(self, login: str, password: str, by: str, until_us: int) -> None:
        """A password given by somebody else: who is in is out, the PIN is gone. Raises UserError."""
        row = {"who": login, "new": password, "now_us": self._clock.now_us(), "but": "", "until_us": until_us}
        more = (Do(_END_OTHERS, [row]), Do(_NO_PIN, [{"who": login}]))
        await self._change(Do(_SET_PASSWORD, [row], fetch=True), login, by, "users/start", *more)

    async def end_sessions(self, login: str, by: str) -> None:
        """Whoever is in by that login is out, everywhere. Raises StoreUnavailable."""
        row = {"who": login, "now_us": self._clock.now_us(), "but": ""}
        await self._store.write([Do(_END_OTHERS, [row]), self._told(login, by, Act.CHANGE, "users/sessions")])

    async def rehash(self, login: str, old: str, new: str) -> None:
        """The same password kept at today's cost."""
        await self._store.write([Do(_REHASH, [{"who": login, "old": old, "new": new}])])

    async def set_pin(self, login: str, pin: str, by: str) -> None:
        """Another PIN, as the hasher made it; empty takes it away. Raises UserError."""
        await self._change(Do(_SET_PIN, [{"who": login, "new": pin}], fetch=True), login, by, "users/pin")

    async def set_totp(self, login: str, secret: str, by: str, *, step: int = 0) -> None:
        """Another secret for the codes of an app; empty takes it away. `step`: of the code already used. Raises UserError."""
        row = {"who": login, "new": secret, "step": step}
        await self._change(Do(_SET_TOTP, [row], fetch=True), login, by, "users/totp")

    async def disable(self, login: str, by: str, *, disabled: bool = True) -> None:
        """Nobody logs in by that name, and who is in is out; or they may again. Raises UserError."""
        now_us = self._clock.now_us()
        row = {"who": login, "new": now_us if disabled else None, "now_us": now_us, "but": ""}
        ended = [Do(_END_OTHERS, [row])] if disabled else []
        what = "users/disabled" if disabled else "users/enabled"
        await self._change(Do(_SET_DISABLED, [row], fetch=True), login, by, what, *ended)

    async def use_code(self, login: str, step: int) -> bool:
        """Whether the code of that half minute was good still; it is not any more."""
        row = {"who": login, "step": step, "now_step": step}
        [[used]] = await self._store.write([Do(_USE_CODE, [row], fetch=True)])
        return bool(used)

    async def _change(self, change: Do, login: str, by: str, what: str, *more: Do) -> None:
        if await self.find(login) is None:
            raise UserError(Why.UNKNOWN, login)
        await self._store.write([change, *more, self._told(login, by, Act.CHANGE, what)])

    def _told(self, login: str, by: str, act: Act, what: str) -> Do:
        roll = self._rolls.roll_of("staff", login)
        district = roll.district.code if roll is not None else ""
        entry = Entry(
            at_us=self._clock.now_us(), by=by, act=act, what=what, id=login, district=district, area=""
        )
        return written(entry)
