"""What became of one try to send a message, and the one place that decides it.

2xx                                   delivered
network error, 408, 429, 5xx          retry, after as long as `Retry-After` says, an hour at most
another 4xx, an odd status            failed: the same again would be answered the same
a target we do not go to              failed
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from email.utils import parsedate_to_datetime
from typing import Literal

import aiohttp
from msgspec import Struct

from dispatcher.alerts.targets import TargetRefused

#: `unknown` is for channels that never tell; `sent`: a provider has taken it.
Ends = Literal["delivered", "sent", "failed", "retry", "unknown"]

RETRY_AFTER_SECONDS_MAX = 3600.0
_LATER = frozenset({408, 429})


class Outcome(Struct, frozen=True, gc=False):
    """How one try ended.

    `why` is short and for machines and operators alike (`http_500`, `timeout`, `refused: private address`): never a URL,
    a telephone number, a header or what somebody answered. `provider_id` is the provider's own id of a text message.
    """

    fate: Ends
    why: str = ""
    provider: str = ""
    provider_id: str = ""
    retry_after_seconds: float | None = None


DELIVERED = Outcome("delivered")
TIMEOUT = Outcome("retry", "timeout")


def of_status(status: int, retry_after: str = "", date: str = "") -> Outcome:
    """What an answer's status says; `retry_after` and `date` are its headers of these names."""
    if 200 <= status < 300:
        return DELIVERED
    why = f"http_{status}"
    if status in _LATER or status >= 500:
        return Outcome("retry", why, retry_after_seconds=_pause(retry_after, date))
    return Outcome("failed", why)


def _pause(retry_after: str, date: str) -> float | None:
    """Seconds to wait, from seconds or a moment; a moment counts from the answer's own clock."""
    given = retry_after.strip()
    if not given:
        return None
    if given.isascii() and given.isdigit():
        return min(float(given[:9]), RETRY_AFTER_SECONDS_MAX)
    try:
        seconds = (parsedate_to_datetime(given) - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: one with, one without an offset
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def of_error(error: BaseException) -> Outcome:
    """What an error of the network says. Any other error is ours and is raised again."""
    match error:
        case TargetRefused():
            return Outcome("failed", f"refused: {error.reason}")
        case aiohttp.ConnectionTimeoutError():
            return Outcome("retry", "timeout: connect")
        case TimeoutError():
            return TIMEOUT
        case aiohttp.ClientConnectorCertificateError():
            return Outcome("retry", f"tls: {_certificate(error.certificate_error)}")
        case aiohttp.ClientConnectorError():
            return _of_connecting(error)
        case aiohttp.InvalidURL():
            return Outcome("failed", "refused: no url")
        case aiohttp.ServerDisconnectedError():
            return Outcome("retry", "connection closed")
        case aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return Outcome("retry", "no http answer")
        case OSError():
            return Outcome("retry", f"connection: {_system(error)}")
        case aiohttp.ClientError():
            return Outcome("retry", "network")
    raise error


def _of_connecting(error: aiohttp.ClientConnectorError) -> Outcome:
    inner = error.os_error
    if isinstance(inner, TargetRefused):
        return of_error(inner)
    if isinstance(inner, ssl.SSLError):
        return Outcome("retry", f"tls: {_plain(inner.reason or 'handshake failed')}")
    if isinstance(inner, socket.gaierror):
        # As the number says it: some platforms put the name into the text.
        known = {socket.EAI_NONAME: "no such name", socket.EAI_AGAIN: "no answer from the name server"}
        return Outcome("retry", f"dns: {known.get(inner.errno or 0, 'lookup failed')}")
    return Outcome("retry", f"connect: {_system(inner)}")


def _certificate(error: object) -> str:
    """`certificate verify failed: certificate has expired`, without the names that stand in some messages."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "certificate does not fit"
    said = (error.verify_message or "").partition(",")[0].partition("'")[0].strip().lower()
    return f"certificate verify failed: {said}" if said else "certificate verify failed"


def _system(error: OSError) -> str:
    """`connection refused`, from the number: asyncio's own texts hold the address."""
    number = error.errno or 0
    return os.strerror(number).lower() if number in errno.errorcode else "failed"


def _plain(reason: str) -> str:
    return reason.replace("_", " ").lower()
