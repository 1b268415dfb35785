"""Sessions: who is logged in in which browser. The cookie holds 256 bits of chance, the database only their SHA-256.

    begun = await sessions.begin("s-01", "password")      begun.secret goes into the cookie, once
    session = await sessions.lookup(secret)               None: unknown, ended, or run out

A session runs out fourteen hours after it was last used, so never within a shift: an open page uses it. As a token is
believed for a second and while the database is away, so is a session.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from sqlalchemy import bindparam, delete, insert, select, update

from config.doors import Clock, Ids
from dispatcher.store import Do, Prepared, Store, StoreUnavailable
from dispatcher.tables import sessions as table

LASTS_US = 14 * 3_600_000_000
#: How often it is written down that a session is in use.
_SEEN_EVERY_US = 300_000_000
_BELIEVED_US = 1_000_000
_KNOWN_MAX = 4096
_SECRET_CHARACTERS_MAX = 128
#: So long a browser's former session stays when a colleague has taken the PC over.
_LEFT_US = 60_000_000
#: Of one person: the oldest goes when one more begins.
_OF_ONE_MAX = 100

_PUT = Prepared(insert(table))
_SEEN = Prepared(
    update(table)
    .where(table.c.id == bindparam("which"), table.c.revoked_us.is_(None))
    .values(seen_us=bindparam("now_us"), expires_us=bindparam("then_us"))
)
_END = Prepared(
    update(table)
    .where(
        table.c.id == bindparam("which"), table.c.staff == bindparam("whose"), table.c.revoked_us.is_(None)
    )
    .values(revoked_us=bindparam("now_us"))
    .returning(table.c.id)
)
# A little while longer, for an answer that was lost on its way: whoever goes on by it asks again.
_LEAVE = Prepared(
    update(table)
    .where(table.c.id == bindparam("which"), table.c.revoked_us.is_(None))
    .values(seen_us=bindparam("now_us"), expires_us=bindparam("then_us"))
)
_newest = (
    select(table.c.id)
    .where(table.c.staff == bindparam("of"))
    .order_by(table.c.created_us.desc(), table.c.id.desc())
    .limit(_OF_ONE_MAX)
)
_TOO_MANY = Prepared(delete(table).where(table.c.staff == bindparam("whose"), table.c.id.not_in(_newest)))
_LISTED = ("id", "how", "created_us", "seen_us", "expires_us")
_FIND = select(table.c.id, table.c.staff, table.c.seen_us, table.c.expires_us, table.c.how).where(
    table.c.hash == bindparam("digest"), table.c.revoked_us.is_(None)
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A fresh session. `secret` is what the cookie holds; nobody can find it again."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody is logged in."""

    id: str
    staff: str
    seen_us: int
    expires_us: int
    how: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A session as its owner sees it."""

    id: str
    how: str
    created_us: int
    seen_us: int
    expires_us: int


class Sessions:
    """The sessions of an installation."""

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._known: OrderedDict[str, tuple[Session | None, int]] = OrderedDict()

    async def begin(self, staff: str, how: str, *more: Do) -> Begun:
        """Log somebody in. `more` is written in the same transaction. Raises StoreUnavailable."""
        begun = Begun(self._ids.new("s"), secrets.token_urlsafe(32))
        now_us = self._clock.now_us()
        row = {
            "id": begun.id,
            "hash": _digest(begun.secret),
            "staff": staff,
            "how": how,
            "created_us": now_us,
            "seen_us": now_us,
            "expires_us": now_us + LASTS_US,
            "revoked_us": None,
        }
        await self._store.write([Do(_PUT, [row]), Do(_TOO_MANY, [{"whose": staff, "of": staff}]), *more])
        return begun

    async def lookup(self, secret: str) -> Session | None:
        """Whose session this is; looking is using. Raises StoreUnavailable where that cannot be known."""
        if not 0 < len(secret) <= _SECRET_CHARACTERS_MAX or not secret.isascii():
            return None
        digest = _digest(secret)
        now_us = self._clock.now_us()
        session, looked_us = self._known.get(digest, (None, 0))
        if not looked_us or abs(now_us - looked_us) >= _BELIEVED_US:
            try:
                rows = await self._store.read(_FIND, {"digest": digest})
            except StoreUnavailable:
                if session is None:
                    raise
            else:
                session = Session(*rows[0]) if rows else None
                self._remember(digest, session, now_us)
        if session is None or session.expires_us <= now_us:
            return None
        if now_us - session.seen_us >= _SEEN_EVERY_US:
            await self._use(digest, session, now_us)
        return session

    async def end(self, session_id: str, staff: str, *more: Do) -> bool:
        """This person's session ends now. False where there is none. Raises StoreUnavailable."""
        row = {"which": session_id, "whose": staff, "now_us": self._clock.now_us()}
        [[ended]] = await self._store.write([Do(_END, [row], fetch=True), *more])
        self._known.clear()
        return bool(ended)

    def leaving(self, session_id: str) -> Do:
        """That session ends within a minute; to be written with the one that follows it in the same browser."""
        now_us = self._clock.now_us()
        self._known.clear()
        return Do(_LEAVE, [{"which": session_id, "now_us": now_us, "then_us": now_us + _LEFT_US}])

    def forget(self) -> None:
        """Look all of them up again: some were ended."""
        self._known.clear()

    async def of(self, staff: str) -> list[Listed]:
        """The live ones of a person, the newest first. Raises StoreUnavailable."""
        query = (
            select(*(table.c[name] for name in _LISTED))
            .where(
                table.c.staff == staff,
                table.c.revoked_us.is_(None),
                table.c.expires_us > self._clock.now_us(),
            )
            .order_by(table.c.created_us.desc(), table.c.id.desc())
            .limit(_OF_ONE_MAX)
        )
        return [Listed(*row) for row in await self._store.read(query)]

    def _remember(self, digest: str, session: Session | None, now_us: int) -> None:
        self._known[digest] = (session, now_us)
        self._known.move_to_end(digest)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)

    async def _use(self, digest: str, session: Session, now_us: int) -> None:
        """Write down that it is in use, so that it goes on; where that cannot be written now, soon."""
        used = replace(session, seen_us=now_us, expires_us=now_us + LASTS_US)
        self._remember(digest, used, now_us)
        row = {"which": session.id, "now_us": now_us, "then_us": used.expires_us}
        try:
            await self._store.write([Do(_SEEN, [row])])
        except StoreUnavailable:
            self._known.pop(digest, None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
