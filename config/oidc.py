"""The login of an organisation, OpenID Connect, as the settings name it: `[oidc]`.

    [oidc]
    issuer = "https://sso.example.cn/realms/care"
    client_id = "yijian"                        its secret: YIJIAN_OIDC_CLIENT_SECRET, or client_secret here

Without `issuer` there is none, and the console's logins are by password alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from config import reading

#: How the errors are told: with the setting's name and a message.
Report = Callable[[str, str], None]

#: What the provider asks of whoever comes: a password each time, which account, or nothing while they are logged in there.
PROMPTS = ("login", "select_account", "any")
_LABEL_MAX = 40
_WORD = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")
_CLAIM = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcClient:
    """What we are to the provider, and what we want of it."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)  #: empty: a public client
    scopes: tuple[str, ...] = ("openid", "profile")
    claim: str = "preferred_username"  #: which claim is the login
    label_zh: str = ""
    label_en: str = ""
    prompt: str = "login"
    acr: tuple[str, ...] = ()  #: one of these is required
    amr: tuple[str, ...] = ()  #: all of these are required


def issuer(value: object) -> str:
    """`https://` and a host, as the provider writes it itself; `http://` for one on this machine."""
    given = reading.web_url(value)
    if "?" in given or "#" in given:
        raise ValueError("must end with the host or a path")
    if given.startswith("http://") and not _at_this_machine(given):
        raise ValueError("must begin with https://; http:// is only for a provider on loopback")
    return given


def words(value: object) -> tuple[str, ...]:
    """Words with spaces between them."""
    found = tuple(reading.text(value).split())
    if len(found) > 20 or not all(_WORD.fullmatch(word) for word in found):
        raise ValueError("must be at most 20 words of printable ASCII letters, with spaces between them")
    return found


def scopes(value: object) -> tuple[str, ...]:
    """Scopes; `openid` among them."""
    found = words(value)
    if "openid" not in found:
        raise ValueError("must hold openid")
    return found


def claim(value: object) -> str:
    """The name of a claim."""
    given = reading.text(value)
    if not _CLAIM.fullmatch(given):
        raise ValueError("is no name of a claim, such as preferred_username")
    return given


def label(value: object) -> str:
    """What stands on a button."""
    given = reading.text(value).strip()
    if len(given) > _LABEL_MAX or not given.isprintable():
        raise ValueError(f"must be a line of at most {_LABEL_MAX} letters")
    return given


def gathered(values: dict[str, Any], told: Collection[str], report: Report) -> OidcClient | None:
    """The settings `oidc_…` taken out of `values` and made one; None where there is none, or one is wrong.

    `told`: the keys of which something wrong is told already.
    """
    given = {name: values.pop(f"oidc_{name}") for name in OidcClient.__dataclass_fields__}
    if given["issuer"] is None or given["client_id"] is None:
        for there, missing in (("client_id", "issuer"), ("issuer", "client_id"), ("client_secret", "issuer")):
            if given[there] is None or given[missing] is not None:
                continue
            if not {f"oidc.{missing}", f"YIJIAN_OIDC_{missing.upper()}"} & set(told):
                report(f"oidc.{missing}", f"is missing, and oidc.{there} is there")
            break
        return None
    optional: dict[str, Any] = {"client_secret": "", "acr": (), "amr": ()}
    read: dict[str, Any] = {
        name: optional.get(name) if value is None else value for name, value in given.items()
    }
    return None if None in read.values() else OidcClient(**read)


def _at_this_machine(url: str) -> bool:
    host = url.partition("://")[2].partition("/")[0]
    return reading.Address(host.rpartition("]")[0].strip("[") or host.partition(":")[0], 0).loopback
