"""How a webhook is signed: Standard Webhooks, symmetric (https://www.standardwebhooks.com, version 1).

secret     whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD          the key is what the base64 says
signed     al-0r7x….1764000902.{"type":"call.opened",…}     id, a full stop, seconds since 1970, a full stop, the body
header     v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=
"""

from __future__ import annotations

import base64
import binascii
import hmac

PREFIX = "whsec_"
KEY_BYTES_MAX = 512


def signing_key(secret: str) -> bytes:
    """The key of a secret; empty for an empty one, which means: unsigned. Raises ValueError, without repeating it."""
    if not secret:
        return b""
    if not secret.startswith(PREFIX):
        raise ValueError(
            f"must be {PREFIX} and base64, or empty for no signature; it does not begin with {PREFIX}"
        )
    coded = secret.removeprefix(PREFIX)
    try:
        # Some tools leave the padding out.
        key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(
            f"must be {PREFIX} and base64 (A-Z a-z 0-9 + /); what stands after {PREFIX} is none"
        ) from None
    if not key:
        raise ValueError(f"must be {PREFIX} and base64; nothing stands after {PREFIX}")
    if len(key) > KEY_BYTES_MAX:
        raise ValueError(f"holds a key of more than {KEY_BYTES_MAX} bytes")
    return key


def signature(key: bytes, message_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp_seconds, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
