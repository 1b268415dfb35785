"""Every error the API answers is a Problem: RFC 9457, `application/problem+json`.

    Problem 400  the request is wrong        `field` names what, or `errors` lists all of it
            401  nobody is known by that token
            403  known, but not allowed
            404  not there, or not in your scope: the two are not told apart
            409  does not fit now            `state` is the call's present one
            413  too large
            422  an Idempotency-Key used twice for different things
            503  try again                   `Retry-After`
            500  we are wrong

No answer tells anything about what is outside the asker's scope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

_encode = msgspec.json.Encoder().encode


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """An answer that is an error. What is in it is meant for whoever asked, so nothing of anybody else's."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        field: str = "",
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.errors = errors
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> dict[str, Any]:
        """The JSON."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.field:
            body["field"] = self.field
        if self.errors:
            body["errors"] = list(self.errors)
        return {**body, **self.more}

    def response(self) -> web.Response:
        """The answer."""
        return web.Response(
            status=self.status,
            body=_encode(self.body()),
            content_type="application/problem+json",
            headers=self.headers,
        )


def wrong(field: str, detail: str) -> Problem:
    """400, naming the field."""
    return Problem(400, f"{field}: {detail}" if field else detail, field=field)


def not_found(what: str) -> Problem:
    """404: not there, or not in your scope."""
    return Problem(404, f"no such {what}")


def again_later(detail: str, **more: Any) -> Problem:
    """503: nothing was lost, nothing is decided; ask again."""
    return Problem(503, detail, headers={"Retry-After": "1"}, **more)
