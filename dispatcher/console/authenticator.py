"""One's own authenticator app: a secret as a QR code drawn here, kept once a code of it was shown.

    POST /me/totp/new                          ->  {"secret","uri","picture"}: nothing is kept yet
    POST /me/totp {"password","secret","code"} ->  204: from now on a code is asked for at every login
    POST /me/totp/remove {"password","code"}   ->  204: not any more

Whoever has lost their phone cannot do the last: the district takes it away for them, or `yijian user totp LOGIN --off`.
There are no recovery codes: on paper beside a shared PC they would be one more password.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from typing import Annotated, Any

import segno
from msgspec import Meta, Struct

from config.doors import from_us
from dispatcher.console import totp
from dispatcher.console.endpoint import Answer, Ask, Endpoint
from dispatcher.console.people import People
from dispatcher.console.people_shapes import Code, Secret
from dispatcher.console.problems import Problem, not_found, wrong

_SECRET_BYTES = 20
_LIGHT, _DARK = "#ffffff", "#211c15"


class NewCode(Struct, frozen=True, kw_only=True):
    """A secret to be kept by an app; `picture`: its QR code as SVG."""

    secret: str
    uri: str
    picture: str


class EnrolBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The secret that an app has now, and the code it shows."""

    password: Secret
    secret: Annotated[str, Meta(min_length=32, max_length=32)]
    code: Code


class RemoveBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The code the app shows, for the last time."""

    password: Secret
    code: Code


class OwnLogin(Struct, frozen=True, kw_only=True):
    """What one's login has; `changed`: the password, last."""

    login: str
    pin: bool
    totp: bool
    changed: datetime


def picture(uri: str) -> str:
    """The QR code of an address as SVG, black on white also at night: a camera reads no other."""
    drawn = BytesIO()
    code = segno.make(uri, error="m", micro=False)
    code.save(drawn, kind="svg", scale=6, border=3, dark=_DARK, light=_LIGHT, xmldecl=False, svgclass=None)
    return drawn.getvalue().decode().strip()


class Authenticators:
    """What stands behind the endpoints."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def show(self, ask: Ask) -> Answer:
        """What one's login has."""
        user = await self._people.users.find(ask.access.staff)
        if user is None:
            raise not_found("login")
        return Answer(
            OwnLogin(
                login=user.id, pin=bool(user.pin), totp=bool(user.totp), changed=from_us(user.changed_us)
            )
        )

    async def new(self, ask: Ask) -> Answer:
        """A fresh secret. It is nobody's until it is shown to be in an app."""
        secret = totp.new_secret()
        uri = totp.uri(secret, ask.access.staff)
        return Answer(NewCode(secret=secret, uri=uri, picture=picture(uri)))

    async def enrol(self, ask: Ask) -> Answer:
        """From now on with a code."""
        body: EnrolBody = ask.body
        try:
            secret_bytes = base64.b32decode(body.secret)
        except (binascii.Error, ValueError):
            secret_bytes = b""
        if len(secret_bytes) != _SECRET_BYTES:
            raise wrong("secret", "is none that we gave")
        user = await self._people.again(ask, body.password)
        if user.totp:
            raise Problem(409, "there is an authenticator app already: take it away first")
        step = totp.fits(body.secret, body.code, ask.now_us, last=0)
        if step is None:
            raise wrong("code", "is not the code of just now")
        await self._people.users.set_totp(user.id, body.secret, ask.access.by, step=step)
        return Answer(None, 204)

    async def remove(self, ask: Ask) -> Answer:
        """Without a code again."""
        body: RemoveBody = ask.body
        user = await self._people.again(ask, body.password)
        if not user.totp:
            raise Problem(409, "there is no authenticator app")
        await self._people.current(ask, user, body.code)
        await self._people.users.set_totp(user.id, "", ask.access.by)
        return Answer(None, 204)


def endpoints(people: People | None) -> tuple[Endpoint, ...]:
    """The lines of the table; without `people` only to be described."""
    made = None if people is None else Authenticators(people)

    def by(name: str) -> Callable[[Ask], Any]:
        async def handle(ask: Ask) -> Answer:
            assert made is not None
            answer: Answer = await getattr(made, name)(ask)
            return answer

        return handle

    own: dict[str, Any] = {"tag": "people", "session": True}
    too_soon = "Too soon: Retry-After says when"
    return (
        Endpoint(
            method="GET",
            path="/me/login",
            name="getOwnLogin",
            en="What one's login has: a PIN, an authenticator app",
            zh="自己的登录设置：是否有 PIN、验证器",
            handle=by("show"),
            answer=OwnLogin,
            statuses={404: "There is no login any more"},
            **own,
        ),
        Endpoint(
            method="POST",
            path="/me/totp/new",
            name="newTotp",
            en="A fresh secret for an authenticator app, with its QR code; nothing is kept yet",
            zh="生成验证器密钥和二维码（尚未启用）",
            handle=by("new"),
            answer=NewCode,
            **own,
        ),
        Endpoint(
            method="POST",
            path="/me/totp",
            name="setTotp",
            en="Ask for this app's code at every login from now on",
            zh="启用验证器：以后登录须输入动态码",
            handle=by("enrol"),
            body=EnrolBody,
            bytes_max=65_536,
            statuses={204: "Kept", 409: "There is one already", 429: too_soon},
            **own,
        ),
        Endpoint(
            method="POST",
            path="/me/totp/remove",
            name="removeTotp",
            en="Take one's authenticator app away",
            zh="停用自己的验证器",
            handle=by("remove"),
            body=RemoveBody,
            bytes_max=65_536,
            statuses={204: "Taken away", 409: "There is none", 429: too_soon},
            **own,
        ),
    )
