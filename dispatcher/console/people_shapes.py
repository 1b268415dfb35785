"""The bodies and answers of logging in and of what a person looks after themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from config.doors import from_us
from dispatcher.console.sessions import Listed
from dispatcher.console.shapes import Id
from dispatcher.core.district import Role

Secret = Annotated[str, Meta(min_length=1, max_length=1024)]
Pin = Annotated[str, Meta(min_length=1, max_length=16)]
Code = Annotated[str, Meta(max_length=16)]


class _Body(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Common to all bodies: unknown members are refused."""


class LoginBody(_Body, frozen=True, kw_only=True):
    """Somebody comes in; `totp` where they have an authenticator app."""

    login: Id
    password: Secret
    totp: Code | None = None


class PinLoginBody(_Body, frozen=True, kw_only=True):
    """Somebody takes over a PC."""

    login: Id
    pin: Pin


class PasswordBody(_Body, frozen=True, kw_only=True):
    """The password of now, and the one to come."""

    password: Secret
    new: Secret


class PinBody(_Body, frozen=True, kw_only=True):
    """The password, and the PIN to come; without one it is taken away."""

    password: Secret
    pin: Pin | None = None


class Person(Struct, frozen=True):
    """Who has logged in, as the register has them."""

    id: str
    name: str
    role: Role
    station: str | None
    area: str | None


class LoggedIn(Struct, frozen=True, omit_defaults=True):
    """In; `start`: a password of their own is to be set first."""

    user: Person
    start: bool = False


class Colleague(Struct, frozen=True):
    """Somebody who can take this PC over by PIN."""

    id: str
    name: str


class Colleagues(Struct, frozen=True):
    """A page of them."""

    items: list[Colleague]
    next: str | None


class SessionView(Struct, frozen=True):
    """One session; `how`: password, start, pin or oidc; `current`: the one that asks."""

    id: str
    how: str
    created: datetime
    seen: datetime
    expires: datetime
    current: bool

    @classmethod
    def of(cls, one: Listed, *, current: bool) -> SessionView:
        """As its owner sees it."""
        return cls(
            id=one.id,
            how=one.how,
            created=from_us(one.created_us),
            seen=from_us(one.seen_us),
            expires=from_us(one.expires_us),
            current=current,
        )


class SessionsPage(Struct, frozen=True):
    """A page of them."""

    items: list[SessionView]
    next: str | None
