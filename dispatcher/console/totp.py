"""The six digits of an authenticator app: RFC 6238, SHA-1, half a minute each, as every app has it.

secret = new_secret()                            "JBSWY3DPEHPK3PXP…": 160 bits, base32
uri(secret, "s-01")                              what the app reads as a QR code
step = fits(secret, "287082", now_us, last=0)    which half minute it is of; None: wrong, or used already
"""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
import unicodedata
from urllib.parse import quote

_STEP_US = 30_000_000
#: A phone's clock may be half a minute off, either way.
_OFF_STEPS = 1
DIGITS = 6
ISSUER = "Yijian"


def new_secret() -> str:
    """160 bits, as base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def uri(secret: str, login: str) -> str:
    """`otpauth://…`, to be shown once and scanned."""
    return f"otpauth://totp/{quote(f'{ISSUER}:{login}')}?secret={secret}&issuer={ISSUER}"


def code(secret: str, step: int) -> str:
    """The digits of a half minute."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def fits(secret: str, given: str, now_us: int, *, last: int) -> int | None:
    """The half minute whose code it is, later than `last` (a code is good once); None: it is not."""
    given = unicodedata.normalize("NFKC", given).replace(" ", "")
    now = now_us // _STEP_US
    found: int | None = None
    for step in range(max(now - _OFF_STEPS, 0), now + _OFF_STEPS + 1):
        if hmac.compare_digest(code(secret, step).encode(), given.encode()) and step > last:
            found = step
    return found
