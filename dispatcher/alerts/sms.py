"""Carries one text message: providers are asked in order, and the next takes over where one fails.

    sender = SmsSender(settings.sms, Targets.NONE)
    outcome = await sender.send(phone="+99913800000001", text="…", message_id="al-0r7x…")   # sent, by sms-1, id 9f3a…
    await sender.close()

A provider that failed three times in a row is asked last for a minute, and then tried again by one message: a first one
that hangs would else delay every summons by its time. Whether a message went out that was never answered nobody can
tell: the next provider is asked all the same, for a message that comes twice is better than none.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from msgspec.structs import replace

from config.sms import WRITERS, Accepted, SmsProvider, fill, url_coded
from dispatcher.alerts.exchange import Answer, Exchange
from dispatcher.alerts.outcome import Outcome, of_error, of_status
from dispatcher.alerts.targets import Targets, connector, target

__all__ = ["SmsProvider", "SmsSender"]

FAILURES_MAX = 3
REST_SECONDS = 60.0
PROVIDER_ID_MAX = 100

_TELEPHONE_GAPS = str.maketrans("", "", " \u00a0-.()")


@dataclass(slots=True)
class _Health:
    """How a provider did lately. Times are those of the event loop."""

    failures: int = 0
    rests_until: float = 0.0


class SmsSender:
    """Sends text messages from inside a running loop, as many at once as are asked for."""

    def __init__(
        self,
        providers: Sequence[SmsProvider],
        targets: Targets,
        *,
        lookup: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._providers = tuple(providers)
        self._targets = targets
        self._health = {provider.name: _Health() for provider in providers}
        # No line is kept: one that the other side just closed would be a message of which nobody knows whether it went.
        made = connector(targets, per_host=0, keep_alive=False, lookup=lookup, tls=tls)
        self._exchange = Exchange(made)

    async def close(self) -> None:
        """Close every connection."""
        await self._exchange.close()

    async def send(self, *, phone: str, text: str, message_id: str) -> Outcome:
        """Ask each provider until one accepts: `sent`, with its name and its id. Never raises for what is out there.

        `failed` where every one refused it for good, else `retry`.
        """
        number = telephone(phone)
        if not number:
            return Outcome("failed", "no telephone number")
        if not self._providers:
            return Outcome("failed", "no provider")
        values = {"phone": number, "text": text, "id": message_id}
        outcomes: list[Outcome] = []
        for provider in self._order():
            outcome = await self._ask(provider, values)
            if outcome.fate == "sent":
                return outcome
            outcomes.append(outcome)
        return _together(outcomes)

    def _order(self) -> list[SmsProvider]:
        """Those that work first, in the order of the settings; then those that rest."""
        now = asyncio.get_running_loop().time()
        return sorted(self._providers, key=lambda provider: self._health[provider.name].rests_until > now)

    async def _ask(self, provider: SmsProvider, values: Mapping[str, str]) -> Outcome:
        health = self._health[provider.name]
        loop = asyncio.get_running_loop()
        if health.failures >= FAILURES_MAX:
            # One message looks whether it works again; those beside it need not wait for that.
            health.rests_until = max(health.rests_until, loop.time() + provider.timeout_seconds)
        try:
            async with asyncio.timeout(provider.timeout_seconds):
                outcome = await self._try(provider, values)
        except (aiohttp.ClientError, OSError) as error:
            outcome = of_error(error)
        if outcome.fate == "retry":
            health.failures += 1
            if health.failures >= FAILURES_MAX:
                health.rests_until = loop.time() + REST_SECONDS
        else:
            # Also a clear no: whoever says it is there, and says it at once.
            health.failures, health.rests_until = 0, 0.0
        return replace(outcome, provider=provider.name)

    async def _try(self, provider: SmsProvider, values: Mapping[str, str]) -> Outcome:
        url = target(fill(provider.url, values, url_coded), self._targets)
        headers = {name: fill(template, values, str) for name, template in provider.headers}
        body = fill(provider.body, values, WRITERS[provider.writing]).encode() if provider.body else None
        answer = await self._exchange.ask(provider.method, url, headers, body, read=True)
        if not provider.accepted.status(answer.status):
            outcome = of_status(answer.status, answer.retry_after, answer.date)
            # Another 2xx than the one that counts: it is no, and it may be yes later.
            return (
                Outcome("retry", f"not accepted: http_{answer.status}")
                if outcome.fate == "delivered"
                else outcome
            )
        said = _said(answer)
        if not _counts(provider.accepted, said):
            return Outcome("retry", "not accepted: answer too long" if answer.cut else "not accepted")
        return Outcome("sent", provider_id=_provider_id(provider, said))


def telephone(phone: str) -> str:
    """The digits of a telephone number, perhaps with + before them; empty where it is none."""
    digits = phone.translate(_TELEPHONE_GAPS)
    bare = digits.removeprefix("+")
    return digits if bare.isascii() and bare.isdigit() and 3 <= len(bare) <= 20 else ""


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """What it means that none accepted: refused by all, or to be tried again."""
    whys = [outcome.why for outcome in outcomes]
    alike = len(set(whys)) == 1
    why = whys[0] if alike else "; ".join(f"{one.provider} {one.why}" for one in outcomes)
    pauses = [one.retry_after_seconds for one in outcomes]
    known = [pause for pause in pauses if pause is not None]
    return Outcome(
        "failed" if all(one.fate == "failed" for one in outcomes) else "retry",
        why,
        provider=outcomes[-1].provider,
        # As soon as one of them may be asked again.
        retry_after_seconds=min(known) if len(known) == len(pauses) else None,
    )


def _said(answer: Answer) -> Any:
    """The answer as JSON; as text where it is none."""
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError):
        try:
            return answer.content.decode(answer.charset, "replace")
        except LookupError:
            return answer.content.decode("utf-8", "replace")


def _counts(accepted: Accepted, said: Any) -> bool:
    return not accepted.answers or any(
        _as_text(_at(said, path)) == wanted for path, wanted in accepted.answers
    )


def _provider_id(provider: SmsProvider, said: Any) -> str:
    if not provider.id_from:
        return ""
    found = _as_text(_at(said, provider.id_from)) or ""
    return "".join(letter for letter in found if letter.isprintable())[:PROVIDER_ID_MAX]


def _at(said: Any, path: Sequence[str]) -> Any:
    """What stands at a dotted path; None where nothing does."""
    for part in path:
        if isinstance(said, dict):
            said = said.get(part)
        elif isinstance(said, list) and part.isascii() and part.isdigit() and int(part) < len(said):
            said = said[int(part)]
        else:
            return None
    return said


def _as_text(value: Any) -> str | None:
    """A value of JSON as it is written in the settings: `OK`, `0`, `true`; None for a list, a table or nothing."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value.strip()
        case int() | float():
            return str(value)
        case _:
            return None
