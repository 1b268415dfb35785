"""The logins of a district, for those who look after them.

    GET  /users                     who may log in, and how it stands with them
    POST /users {"login":"s-01"}    ->  {"login","password","until"}: a start password, told this once
    POST /users/{id}/password       the same again: who is in is out, their PIN is gone
    POST /users/{id}/disable …/enable …/totp/remove …/logout      GET /users/{id}/sessions

A start password is good for a week and for one thing: setting one's own. Whoever is confined to a district looks after its
people, but not after its administrators: a password that one can set is a role that one can take.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from config.doors import from_us
from dispatcher.console.access import WHOLE
from dispatcher.console.endpoint import DISTRICT, PAGING, Act, Answer, Ask, Endpoint
from dispatcher.console.people import People
from dispatcher.console.people_shapes import SessionsPage, SessionView
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.register import in_sight, paged
from dispatcher.console.shapes import Id, listed
from dispatcher.console.users import User, UserError
from dispatcher.core.district import Role, Staff

START_US = 7 * 86_400_000_000
#: Without what is read wrong from a slip of paper: 0 o, 1 l i.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 3, 5


class AddBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A login for somebody of the register."""

    login: Id


class StartPassword(Struct, frozen=True, kw_only=True):
    """Told this once."""

    login: str
    password: str
    until: datetime


class LoginView(Struct, frozen=True, kw_only=True):
    """A login; `start`: the start password is not replaced yet."""

    id: str
    name: str
    role: Role
    station: str | None
    area: str | None
    pin: bool
    totp: bool
    start: bool
    created: datetime
    changed: datetime
    disabled: datetime | None


def start_password() -> str:
    """Seventy bits of chance, to be read out or written down."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


class Logins:
    """What stands behind the endpoints."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._users = people.users
        self._one_at_a_time = asyncio.Lock()

    async def listing(self, ask: Ask) -> Answer:
        """Who may log in, of the district asked for."""
        roll = ask.roll()
        found = [
            _view(user, roll.staff[user.id]) for user in await self._users.list() if user.id in roll.staff
        ]
        return paged(ask, found)

    async def add(self, ask: Ask) -> Answer:
        """A login and its start password."""
        body: AddBody = ask.body
        roll = ask.scope.rolls.roll_of("staff", body.login)
        if roll is None or not ask.scope.sees_item(roll, roll.staff[body.login]):
            raise wrong("login", "is no staff id of the register")
        person = roll.staff[body.login]
        _may(ask, person)
        password = start_password()
        kept = await self._people.hashed(password)
        until_us = ask.now_us + START_US
        try:
            await self._users.add(body.login, kept, ask.access.by, start_until_us=until_us)
        except UserError:
            raise Problem(409, "there is a login already", field="login") from None
        return Answer(StartPassword(login=body.login, password=password, until=from_us(until_us)), 201)

    async def password(self, ask: Ask) -> Answer:
        """Another start password."""
        user = await self._looked_after(ask, "use “my account” for your own password")
        password = start_password()
        kept = await self._people.hashed(password)
        until_us = ask.now_us + START_US
        await self._users.start(user.id, kept, ask.access.by, until_us)
        self._people.sessions.forget()
        return Answer(StartPassword(login=user.id, password=password, until=from_us(until_us)))

    async def disable(self, ask: Ask) -> Answer:
        """Nobody logs in by it. The last administrator stays."""
        async with self._one_at_a_time:
            user = await self._looked_after(ask, "nobody disables themselves")
            if self._is_admin(ask, user) and not await self._other_admins(ask, user):
                raise Problem(409, "this is the last administrator who can log in", code="last_admin")
            await self._users.disable(user.id, ask.access.by)
        self._people.sessions.forget()
        return await self._now(ask)

    async def enable(self, ask: Ask) -> Answer:
        """They may again."""
        user = await self._looked_after(ask)
        await self._users.disable(user.id, ask.access.by, disabled=False)
        return await self._now(ask)

    async def no_totp(self, ask: Ask) -> Answer:
        """The phone is lost: without a code again."""
        user = await self._looked_after(ask, "use “my account” for your own app")
        await self._users.set_totp(user.id, "", ask.access.by)
        return await self._now(ask)

    async def sessions(self, ask: Ask) -> Answer:
        """Where somebody is logged in."""
        user = await self._looked_after(ask)
        found = await self._people.sessions.of(user.id)
        return paged(ask, [SessionView.of(one, current=one.id == ask.access.session) for one in found])

    async def end_sessions(self, ask: Ask) -> Answer:
        """Out, everywhere."""
        user = await self._looked_after(ask)
        await self._users.end_sessions(user.id, ask.access.by)
        self._people.sessions.forget()
        return Answer(None, 204)

    async def _looked_after(self, ask: Ask, not_ones_own: str = "") -> User:
        """The login asked for, where this asker looks after it. Raises Problem 403, 404 or 409."""
        _roll, person = in_sight(ask, "staff", ask.path["id"])
        _may(ask, person)
        user = await self._users.find(person.id)
        if user is None:
            raise not_found("login")
        if not_ones_own and ask.access.session and ask.access.staff == user.id:
            raise Problem(409, not_ones_own, code="own")
        return user

    async def _now(self, ask: Ask) -> Answer:
        person: Staff = in_sight(ask, "staff", ask.path["id"])[1]
        user = await self._users.find(person.id)
        if user is None:
            raise not_found("login")
        return Answer(_view(user, person))

    def _is_admin(self, ask: Ask, user: User) -> bool:
        roll = ask.scope.rolls.roll_of("staff", user.id)
        return roll is not None and roll.staff[user.id].role is Role.ADMIN and user.disabled_us is None

    async def _other_admins(self, ask: Ask, but: User) -> bool:
        return any(self._is_admin(ask, user) for user in await self._users.list() if user.id != but.id)


def _may(ask: Ask, person: Staff) -> None:
    if person.role is Role.ADMIN and not ask.scope.sees_every_district():
        raise Problem(403, "an administrator's login is looked after by administrators")


def _view(user: User, person: Staff) -> LoginView:
    return LoginView(
        id=user.id,
        name=person.name,
        role=person.role,
        station=person.station or None,
        area=person.area or None,
        pin=bool(user.pin),
        totp=bool(user.totp),
        start=user.start_until_us is not None,
        created=from_us(user.created_us),
        changed=from_us(user.changed_us),
        disabled=None if user.disabled_us is None else from_us(user.disabled_us),
    )


def endpoints(people: People | None) -> tuple[Endpoint, ...]:
    """The lines of the table; without `people` only to be described."""
    made = None if people is None else Logins(people)

    def line(method: str, path: str, name: str, handle: str, en: str, zh: str, **more: Any) -> Endpoint:
        async def asked(ask: Ask) -> Answer:
            assert made is not None
            work: Callable[[Ask], Any] = getattr(made, handle)
            answer: Answer = await work(ask)
            return answer

        return Endpoint(
            method=method, path=path, name=name, handle=asked, en=en, zh=zh, tag="people", roles=WHOLE, **more
        )

    item = {"$ref": "#/components/schemas/LoginView"}
    kept = {409: "It would be oneself, or nobody would be left"}
    return (
        line(
            "GET",
            "/users",
            "listLogins",
            "listing",
            "Who may log in",
            "登录账户",
            query=(*PAGING, DISTRICT),
            answer=listed(item),
            audit=Act.LIST,
        ),
        line(
            "POST",
            "/users",
            "addLogin",
            "add",
            "A login for somebody of the register, with a start password that is told once",
            "为在册人员开通登录，初始密码只显示一次",
            body=AddBody,
            answer=StartPassword,
            statuses={201: "Added", 409: "There is one already", 429: "Busy: Retry-After says when"},
        ),
        line(
            "POST",
            "/users/{id}/password",
            "resetLogin",
            "password",
            "Another start password; who is in is out, the PIN is gone",
            "重置为初始密码，并退出其所有登录、清除 PIN",
            answer=StartPassword,
            statuses={**kept, 429: "Busy: Retry-After says when"},
        ),
        line(
            "POST",
            "/users/{id}/disable",
            "disableLogin",
            "disable",
            "Nobody logs in by it any more; who is in is out",
            "停用登录",
            answer=LoginView,
            statuses=kept,
        ),
        line(
            "POST",
            "/users/{id}/enable",
            "enableLogin",
            "enable",
            "They may again",
            "恢复登录",
            answer=LoginView,
        ),
        line(
            "POST",
            "/users/{id}/totp/remove",
            "removeLoginTotp",
            "no_totp",
            "Take somebody's authenticator app away: the phone is lost",
            "停用其验证器（手机丢失）",
            answer=LoginView,
            statuses=kept,
        ),
        line(
            "GET",
            "/users/{id}/sessions",
            "listLoginSessions",
            "sessions",
            "Where somebody is logged in",
            "其登录会话",
            query=PAGING,
            answer=SessionsPage,
            audit=Act.LOOK,
        ),
        line(
            "POST",
            "/users/{id}/logout",
            "endLoginSessions",
            "end_sessions",
            "Log somebody out everywhere",
            "退出其所有登录",
            statuses={204: "Out"},
        ),
    )
