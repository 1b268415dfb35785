"""The HTTP API as a player uses it: a few calls, patient with a server that restarts, and the stream of facts.

    async with Api("http://127.0.0.1:12349", token) as api:
        async for event in api.events():                 # never ends; resumes by itself, nothing missed or twice
            if event.fact == "call.dispatched":
                await api.step(event.data["call"], "accept", station="st-01")

Errors, all of them `ApiError`:
    ApiError
    ├── Away       no answer, or 502/503/504: the server restarts, or the desk is busy; ask again later
    └── Refused    an answer that says no: `status` and the problem document
        └── Conflict   409: the step does not fit the present state, or another was first. Part of life
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import structlog

log = structlog.get_logger(__name__)

#: What `Api.events` says when the stream starts afresh: read the lists, for facts before this moment are not coming.
STARTED = "stream.started"

#: A comment comes every 15 s; three missed, and the connection is dead whatever TCP thinks.
_SILENCE_SECONDS = 45.0
_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
#: A fact with its call is some kilobytes; a line of the stream may be as long as this.
_LINE_BYTES = 1 << 20


class ApiError(Exception):
    """Something the API did not do."""


class Away(ApiError):  # noqa: N818 - the house names errors for what is the matter
    """Nobody answers just now; ask again later."""


class Refused(ApiError):  # noqa: N818 - as above
    """The server says no."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('title', '')} {problem.get('detail', '')}".strip())
        self.status = status
        self.problem = problem


class Conflict(Refused):
    """The step does not fit, or another was first."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fact of the stream, or `STARTED`, or `reset` (then the next is `STARTED`)."""

    id: str
    fact: str
    data: Mapping[str, Any]


class Api:
    """A client of `/api/v1` with one token, and with those of persons who act under their own names.

    `persons` are tokens by staff id: what is asked `by` one of them goes with their token, by anybody else with the
    one token. `new_key` makes idempotency keys, which must differ in every run.
    """

    def __init__(
        self,
        base: str,
        token: str,
        *,
        persons: Mapping[str, str] | None = None,
        timeout_seconds: float = 10.0,
        new_key: Callable[[], str] = lambda: secrets.token_hex(12),
    ) -> None:
        self._base = base.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._persons = {
            person: {"Authorization": f"Bearer {secret}"} for person, secret in (persons or {}).items()
        }
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._new_key = new_key
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers, connector=aiohttp.TCPConnector(limit=64), read_bufsize=_LINE_BYTES
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("use the Api inside `async with`")
        return self._session

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """One request; its status and JSON, or what went wrong as an ApiError."""
        try:
            async with self._open.request(
                method, self._base + path, timeout=self._timeout, **options
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(f"{method} {path}: {type(error).__name__}") from error
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = {"title": text[:200]}
        if answer.status < 400:
            return answer.status, body
        if answer.status in {429, 502, 503, 504}:
            raise Away(f"{method} {path}: {answer.status}")
        problem = body if isinstance(body, dict) else {"title": str(body)[:200]}
        raise (Conflict if answer.status == 409 else Refused)(answer.status, problem)

    async def get(self, path: str, **query: str | int) -> Any:
        """What is at the path, e.g. `get("/calls", state="open")`."""
        return (await self._ask("GET", path, params=query))[1]

    async def items(self, path: str, **query: str | int) -> AsyncIterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, limit=500, **query, **cursor)
            for item in page["items"]:
                yield item
            if not page.get("next"):
                return
            cursor = {"cursor": page["next"]}

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, by: str = "", tries: int = 4
    ) -> Any:
        """Write once, however often it takes: the same idempotency key goes with every try."""
        key = {"Idempotency-Key": self._new_key(), **self._persons.get(by, {})}
        for attempt in range(tries):
            try:
                return (await self._ask("POST", path, json=dict(body or {}), headers=key))[1]
            except Away:
                if attempt == tries - 1:
                    raise
                await asyncio.sleep(_PAUSES_SECONDS[min(attempt, len(_PAUSES_SECONDS) - 1)])
        raise AssertionError("unreachable")

    async def step(self, call: str, step: str, *, by: str = "", **fields: Any) -> dict[str, Any]:
        """One step of a call (`accept`, `spoke`, `close` …), taken by somebody; the call after it."""
        answer: dict[str, Any] = await self.post(f"/calls/{call}/{step}", fields, by=by)
        return answer

    async def duty(self, staff: str, *, on: bool) -> None:
        """Somebody says that they go on duty, or off."""
        await self.post(f"/staff/{staff}/duty", {"on": on}, by=staff)

    async def signal(self, device: str, id_: str, type_: str, **fields: Any) -> dict[str, Any]:
        """What a device says, over HTTP: `{"signal","result","call"}`."""
        answer: dict[str, Any] = await self.post(
            "/signals", {"device": device, "id": id_, "type": type_, **fields}
        )
        return answer

    async def events(self, after: str | None = None) -> AsyncIterator[Event]:
        """The stream of facts, for ever: after a break it resumes where it stopped, pausing longer each time."""
        failures = 0
        while True:
            try:
                async for event in self._stream(after):
                    if event.id:
                        failures = 0
                    yield event
                    after = event.id or after
                    if event.fact == "reset":
                        after = None
                        break
            except (Away, Refused) as error:
                log.info("stream.away", why=str(error))
            await asyncio.sleep(_PAUSES_SECONDS[min(failures, len(_PAUSES_SECONDS) - 1)])
            failures += 1

    async def _stream(self, after: str | None) -> AsyncIterator[Event]:
        """One connection's events. Ends when the server ends it."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        try:
            async with self._open.get(self._base + "/events", headers=headers, timeout=timeout) as answer:
                if answer.status != 200:
                    raise Refused(answer.status, {"title": "no stream of events"})
                if after is None:
                    yield Event("", STARTED, {})
                fields: dict[str, list[str]] = {}
                async for raw in answer.content:
                    line = raw.decode("utf-8", "replace").rstrip("\r\n")
                    if line:
                        name, _, value = line.partition(":")
                        fields.setdefault(name, []).append(value.removeprefix(" "))
                        continue
                    if (event := _event(fields)) is not None:
                        yield event
                    fields = {}
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # ValueError: a line longer than the buffer.
            raise Away(f"events: {type(error).__name__}") from error


def _event(fields: Mapping[str, list[str]]) -> Event | None:
    """A block of the stream as an event; None for a comment or a block without a name."""
    if not fields.get("event"):
        return None
    try:
        data = json.loads("\n".join(fields.get("data", [])) or "{}")
    except ValueError:
        data = {}
    return Event(fields.get("id", [""])[-1], fields["event"][-1], data if isinstance(data, dict) else {})
