"""Logging in and out, and what a person looks after themselves: password, PIN, sessions.

    POST /login {"login","password","totp"?}  ->  cookie yijian_session, {"user":{…}}
    POST /login/pin {"login","pin"}           ->  the same, on a PC where a colleague of the same station is logged in
    vouched(login)                            ->  the same, by the organisation's provider (single_sign_on.py)

Whoever is unknown, has no login any more, or has a wrong password gets the same words after the same time. Waiting after
failures is in `limits.py`; nobody is ever locked out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dispatcher.console import totp
from dispatcher.console.access import WHOLE, Access, Scope, person_access
from dispatcher.console.audit import Audit, Entry, written
from dispatcher.console.endpoint import PAGING, Act, Answer, Ask, Endpoint
from dispatcher.console.knowing import address, cookie, cookie_header, refuse_foreign
from dispatcher.console.limits import Key, Limits, keys
from dispatcher.console.passwords import (
    NOBODYS,
    Busy,
    Hasher,
    WeakError,
    check_password,
    check_pin,
    typed,
)
from dispatcher.console.people_shapes import (
    Colleagues,
    LoggedIn,
    LoginBody,
    PasswordBody,
    Person,
    PinBody,
    PinLoginBody,
    SessionsPage,
    SessionView,
)
from dispatcher.console.problems import Problem, not_found, wrong
from dispatcher.console.register import paged
from dispatcher.console.sessions import Sessions
from dispatcher.console.users import START, User, Users
from dispatcher.core.district import Staff
from dispatcher.core.roll import Rolls
from dispatcher.store import Do

#: After so many wrong PINs in a row this person's password is asked for, from every browser.
_PINS_WRONG_MAX = 5
_REFUSED = "no such login and password"
_CODE_NEEDED = "the code of the authenticator app is needed"


class People:
    """What stands behind the endpoints, of one process."""

    def __init__(self, users: Users, sessions: Sessions, audit: Audit, hasher: Hasher, rolls: Rolls) -> None:
        self.users = users
        self.sessions = sessions
        self.hasher = hasher
        self._audit = audit
        self._rolls = rolls
        self._limits = Limits()
        self._pins_wrong: dict[str, int] = {}

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def login(self, ask: Ask) -> Answer:
        """By password."""
        refuse_foreign(ask.request, header=False)
        body: LoginBody = ask.body
        earlier = await self.sessions.lookup(cookie(ask.request))
        counted = keys(body.login, address(ask.request), earlier.staff if earlier is not None else "")
        await self._patience(ask, counted, body.login)
        user = await self.users.find(body.login)
        right = await self._fits(counted, NOBODYS if user is None else user.password, body.password)
        person = self._person(user)
        if user is None or not right or person is None:
            raise self._refused(ask, user)
        if user.start_until_us is not None and user.start_until_us <= ask.now_us:
            raise self._refused(ask, user)  # it was not used in time: another is to be had
        if user.totp:
            await self._code(ask, user, body.totp or "", counted)
        self._limits.right(counted)
        self._pins_wrong.pop(user.id, None)
        if self.hasher.is_old(user.password):
            await self.users.rehash(user.id, user.password, await self.hashed(body.password))
        if earlier is not None:  # its cookie is written over: nobody could use it any more
            await self.sessions.end(earlier.id, earlier.staff)
        how = "password" if user.start_until_us is None else START
        return await self._begun(ask, user, how)

    async def by_pin(self, ask: Ask) -> Answer:
        """By PIN, where somebody of the same station is logged in. Their session ends within a minute."""
        body: PinLoginBody = ask.body
        counted = keys(body.login, "", ask.access.staff)
        await self._patience(ask, counted, "")
        user = await self.users.find(body.login)
        person = self._person(user)
        may = user is not None and person is not None and self._beside(ask.access, user.id)
        spent = self._pins_wrong.get(body.login, 0) >= _PINS_WRONG_MAX
        kept = user.pin if user is not None and may and not spent else ""
        right = await self._fits(counted, kept or NOBODYS, body.pin)
        if user is None or not (kept and right):
            if kept:
                self._pins_wrong[body.login] = self._pins_wrong.get(body.login, 0) + 1
            raise self._refused(ask, user, "no such login and PIN here: log in with the password")
        self._limits.right(counted)
        self._pins_wrong.pop(user.id, None)
        left = written(self._entry(ask, ask.access.staff, Act.LOGOUT, "sessions/pin"))
        return await self._begun(ask, user, "pin", self.sessions.leaving(ask.access.session), left)

    async def vouched(self, ask: Ask, login: str, earlier: str, whose: str) -> Answer:
        """By the word of the organisation's provider. `earlier`: that browser's session until now, and whose.

        Raises Problem 401 where that login is none, or may not be used: nobody is added by it.
        """
        user = await self.users.find(login)
        if user is None or self._person(user) is None:
            raise self._refused(ask, user)
        if earlier:  # its cookie is written over: nobody could use it any more
            await self.sessions.end(earlier, whose)
        return await self._begun(ask, user, "oidc")

    async def _begun(self, ask: Ask, user: User, how: str, *more: Do) -> Answer:
        told = written(self._entry(ask, user.id, Act.LOGIN, f"sessions/{how}"))
        begun = await self.sessions.begin(user.id, how, *more, told)
        self.sessions.forget()
        roll = self._rolls.roll_of("staff", user.id)
        access = person_access(self._rolls, user.id, begun.id, start=how == START)
        if roll is None or access is None:  # taken out this very moment
            raise self._refused(ask, user)
        shown = LoggedIn(user=_shown(roll.staff[user.id], access), start=access.start)
        return Answer(shown, headers=cookie_header(ask.request, begun.secret))

    async def _patience(self, ask: Ask, counted: tuple[Key, ...], login: str) -> None:
        """Raises Problem 429 where it is too soon."""
        wait_seconds = self._limits.begin(counted, ask.now_us)
        if wait_seconds and login:
            user = await self.users.find(login)
            if user is not None and self._limits.anew(counted, user.changed_us):
                wait_seconds = self._limits.begin(counted, ask.now_us)
        if wait_seconds:
            raise _wait(wait_seconds)

    async def _fits(self, counted: tuple[Key, ...], kept: str, given: str) -> bool:
        try:
            return await self.hasher.fits(kept, given)
        except Busy:
            self._limits.neither(*counted)
            raise _wait(1.0) from None

    async def hashed(self, secret: str) -> str:
        """How a secret is kept. Raises Problem 429."""
        try:
            return await self.hasher.hash(secret)
        except Busy:
            raise _wait(1.0) from None

    async def _code(self, ask: Ask, user: User, code: str, counted: tuple[Key, ...]) -> None:
        if not code:
            self._limits.neither(*counted)
            raise Problem(401, _CODE_NEEDED, field="totp", headers=_CHALLENGE)
        step = totp.fits(user.totp, code, ask.now_us, last=user.totp_step)
        if step is None or not await self.users.use_code(user.id, step):
            self._audit.note(self._entry(ask, user.id, Act.REFUSED, "sessions"))
            raise Problem(401, "this is not the code of just now", field="totp", headers=_CHALLENGE)

    def _person(self, user: User | None) -> Access | None:
        """Who that is, where they may be anybody now."""
        if user is None or user.disabled_us is not None:
            return None
        access = person_access(self._rolls, user.id, "new")
        return access if access is not None and Scope(access, self._rolls).stands() else None

    def _refused(self, ask: Ask, user: User | None, detail: str = _REFUSED) -> Problem:
        """The answer to all that is wrong. What was typed for a login that is none may be a password: not written."""
        if user is not None:
            self._audit.note(self._entry(ask, user.id, Act.REFUSED, "sessions"))
        return Problem(401, detail, headers=_CHALLENGE)

    def _entry(self, ask: Ask, login: str, act: Act, what: str) -> Entry:
        roll = self._rolls.roll_of("staff", login)
        return Entry(
            at_us=ask.now_us,
            by=login,
            act=act,
            what=what,
            id=login,
            district="" if roll is None else roll.district.code,
        )

    # ── whose PC it is ───────────────────────────────────────────────────────────────────────────────────────────

    def _beside(self, access: Access, login: str) -> bool:
        """Whether this person works where the other one is logged in; a PIN never opens the wider sight of a district."""
        roll = self._rolls.roll_of("staff", login)
        mine = self._rolls.roll_of("staff", access.staff)
        if roll is None or roll is not mine:
            return False
        person, here = roll.staff[login], roll.staff[access.staff]
        if (person.station, person.role in WHOLE) != (here.station, here.role in WHOLE):
            return False
        return bool(person.station) or (person.role, person.area) == (here.role, here.area)

    async def colleagues(self, ask: Ask) -> Answer:
        """Whom this PC can be handed to in two clicks."""
        roll = self._rolls.roll_of("staff", ask.access.staff)
        people = {} if roll is None else roll.staff
        found = [
            {"id": user.id, "name": people[user.id].name}
            for user in await self.users.list()
            if user.pin and user.id in people and user.id != ask.access.staff
            if self._person(user) is not None and self._beside(ask.access, user.id)
        ]
        return paged(ask, found)

    # ── one's own ────────────────────────────────────────────────────────────────────────────────────────────────

    async def logout(self, ask: Ask) -> Answer:
        """This session ends."""
        access = ask.access
        told = written(self._entry(ask, access.staff, Act.LOGOUT, "sessions"))
        await self.sessions.end(access.session, access.staff, told)
        return Answer(None, 204, headers=cookie_header(ask.request, ""))

    async def password(self, ask: Ask) -> Answer:
        """Another password: all other sessions end."""
        body: PasswordBody = ask.body
        user = await self.again(ask, body.password)
        try:
            check_password(body.new, user.id)
        except WeakError as error:
            raise wrong("new", str(error)) from None
        if typed(body.new) == typed(body.password):
            raise wrong("new", "is the old one")
        kept = await self.hashed(body.new)
        await self.users.set_password(user.id, kept, ask.access.by, but=ask.access.session)
        self.sessions.forget()
        return Answer(None, 204)

    async def pin(self, ask: Ask) -> Answer:
        """Another PIN, or none."""
        body: PinBody = ask.body
        user = await self.again(ask, body.password)
        kept = ""
        if body.pin:
            try:
                check_pin(body.pin)
            except WeakError as error:
                raise wrong("pin", str(error)) from None
            kept = await self.hashed(body.pin)
        await self.users.set_pin(user.id, kept, ask.access.by)
        return Answer(None, 204)

    async def again(self, ask: Ask, password: str) -> User:
        """Who is logged in, once they have shown their password again: a PC may stand alone for a minute.

        Raises Problem 400 or 429.
        """
        counted = keys(ask.access.staff, "", ask.access.staff)
        await self._patience(ask, counted, "")
        user = await self.users.find(ask.access.staff)
        if user is None:
            raise self._refused(ask, None)
        if not await self._fits(counted, user.password, password):
            self._audit.note(self._entry(ask, user.id, Act.REFUSED, "users"))
            raise wrong("password", "is not yours")
        self._limits.right(counted)
        return user

    async def current(self, ask: Ask, user: User, code: str) -> None:
        """Raises Problem 400 where this is not the code of just now, and 429 where too many were tried."""
        counted = keys(f"{user.id} code", "", user.id)
        await self._patience(ask, counted, "")
        step = totp.fits(user.totp, code, ask.now_us, last=user.totp_step)
        if step is None or not await self.users.use_code(user.id, step):
            self._audit.note(self._entry(ask, user.id, Act.REFUSED, "users"))
            raise wrong("code", "is not the code of just now")
        self._limits.right(counted)

    async def listing(self, ask: Ask) -> Answer:
        """Where one is logged in."""
        found = [
            SessionView.of(one, current=one.id == ask.access.session)
            for one in await self.sessions.of(ask.access.staff)
        ]
        return paged(ask, found)

    async def end(self, ask: Ask) -> Answer:
        """One of one's own sessions ends."""
        access = ask.access
        mine = {one.id for one in await self.sessions.of(access.staff)}
        if ask.path["id"] not in mine:
            raise not_found("session")
        told = written(self._entry(ask, access.staff, Act.LOGOUT, "sessions"))
        if not await self.sessions.end(ask.path["id"], access.staff, told):
            raise not_found("session")
        gone = cookie_header(ask.request, "") if ask.path["id"] == access.session else {}
        return Answer(None, 204, headers=gone)


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="yijian"'}


def _wait(seconds: float) -> Problem:
    whole = max(1, math.ceil(seconds))
    return Problem(429, f"too many wrong ones: again in {whole} s", headers={"Retry-After": str(whole)})


def _shown(person: Staff, access: Access) -> Person:
    return Person(
        id=person.id,
        name=person.name,
        role=access.role,
        station=access.station or None,
        area=access.area or None,
    )


def endpoints(people: People | None) -> tuple[Endpoint, ...]:
    """The lines of the table; without `people` only to be described."""

    def by(name: str) -> Callable[[Ask], Any]:
        async def handle(ask: Ask) -> Answer:
            assert people is not None
            answer: Answer = await getattr(people, name)(ask)
            return answer

        return handle

    own: dict[str, Any] = {"tag": "people", "session": True}
    refusing = {
        401: "Not known, or wrong: the two are not told apart",
        429: "Too soon: Retry-After says when",
    }
    return (
        Endpoint(
            method="POST",
            path="/login",
            name="login",
            tag="people",
            en="Log in: sets the session's cookie",
            zh="登录：设置会话 Cookie",
            handle=by("login"),
            body=LoginBody,
            answer=LoggedIn,
            bytes_max=65_536,
            statuses={200: "In", **refusing, 403: "Asked from a page that is not ours"},
            public=True,
        ),
        Endpoint(
            method="POST",
            path="/login/pin",
            name="loginByPin",
            en="Change of person on a shared PC: a colleague of the same station, by PIN",
            zh="共用电脑换人：同站同事用 PIN 登录",
            handle=by("by_pin"),
            body=PinLoginBody,
            answer=LoggedIn,
            bytes_max=65_536,
            statuses={200: "In", **refusing},
            **own,
        ),
        Endpoint(
            method="GET",
            path="/login/pin",
            name="listColleagues",
            en="Whom this PC can be handed to by PIN",
            zh="可用 PIN 在本机换班的同事",
            handle=by("colleagues"),
            query=PAGING,
            answer=Colleagues,
            **own,
        ),
        Endpoint(
            method="POST",
            path="/logout",
            name="logout",
            en="Log out",
            zh="退出登录",
            handle=by("logout"),
            statuses={204: "Out"},
            **own,
        ),
        Endpoint(
            method="POST",
            path="/me/password",
            name="setPassword",
            en="Change one's password; all other sessions end",
            zh="修改自己的密码，其他会话随即结束",
            handle=by("password"),
            body=PasswordBody,
            bytes_max=65_536,
            statuses={204: "Changed", 429: refusing[429]},
            **own,
        ),
        Endpoint(
            method="POST",
            path="/me/pin",
            name="setPin",
            en="Set one's PIN for shared PCs, or take it away",
            zh="设置或取消共用电脑的 PIN",
            handle=by("pin"),
            body=PinBody,
            bytes_max=65_536,
            statuses={204: "Changed", 429: refusing[429]},
            **own,
        ),
        Endpoint(
            method="GET",
            path="/me/sessions",
            name="listSessions",
            en="Where one is logged in",
            zh="自己的登录会话",
            handle=by("listing"),
            query=PAGING,
            answer=SessionsPage,
            **own,
        ),
        Endpoint(
            method="DELETE",
            path="/me/sessions/{id}",
            name="endSession",
            en="End one of one's sessions; its event streams end within seconds",
            zh="结束自己的一个会话，其事件流数秒内断开",
            handle=by("end"),
            statuses={204: "Ended"},
            **own,
        ),
    )
