"""Where a PostgreSQL database is: its URL taken apart. No message repeats the URL, for it holds a password.

postgres("postgresql://yijian:p%40ss@db.example:5432/yijian?sslmode=require") -> Postgres
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("postgresql", "postgres")

_WANTED = "postgresql://user:password@host:port/name"
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
#: What may stand after the question mark.
_OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]")
_LONE_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_NOT_IN_TEXT = re.compile(r"[\x00-\x1f\x7f]")
_PORT = 5432
_PORT_MAX = 65_535


@dataclass(frozen=True, slots=True)
class Postgres:
    """A database: `host` a name, an address, or the folder of a Unix socket. `user` and `password` None: not given."""

    host: str
    port: int
    name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str], ...] = ()  #: sslmode, sslrootcert, sslcert, sslkey

    def __str__(self) -> str:
        """For people: where it is, without who we are there."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name} at {host}:{self.port}"


def postgres(given: str) -> Postgres:
    """Take a URL apart. Raises ValueError that says what is wrong with it."""
    if _NOT_IN_URL.search(given):
        raise ValueError("has spaces or control characters in it; in a URL they are written %20 and so on")
    if _LONE_PERCENT.search(given):
        raise ValueError("has a % that begins no %XX; a percent sign itself is written %25")
    try:
        parts = urlsplit(given)
    except ValueError:
        raise ValueError(f"is no URL: {_WANTED} is wanted") from None
    if parts.scheme not in SCHEMES:
        raise ValueError("must begin with postgresql://")
    if parts.fragment or "#" in given:
        raise ValueError("has a # in it; in a password it is written %23")
    options = _options(parts.query)
    who, _, where = parts.netloc.rpartition("@")
    user, colon, password = who.partition(":")
    host, port = _host(where)
    host = options.pop("host", "") or host
    if not host:
        raise ValueError(f"names no host: {_WANTED} is wanted, or ?host=/folder of a Unix socket")
    name = _text(parts.path.removeprefix("/"), "the name of the database")
    if not name or "/" in parts.path.removeprefix("/"):
        raise ValueError(f"must name one database after the host: {_WANTED}")
    return Postgres(
        host=host,
        port=port,
        name=name,
        user=_text(user, "the user") or None,
        password=_text(password, "the password") if colon else None,
        tls=tuple(options.items()),
    )


def _text(quoted: str, what: str) -> str:
    try:
        found = unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        found = "\0"
    if _NOT_IN_TEXT.search(found):
        raise ValueError(f"has something in {what} that is no text")
    return found


def _host(where: str) -> tuple[str, int]:
    if "," in where:
        raise ValueError("names several hosts; one is wanted")
    if where.startswith("["):
        host, bracket, rest = where[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("holds no IPv6 address between the brackets")
        port = rest[1:]
    else:
        host, _, port = where.partition(":")
        if ":" in port:
            raise ValueError("has more than one colon after the host; an IPv6 address stands in brackets")
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _PORT_MAX):
        # What stands there may be half of a password with a slash in it.
        raise ValueError(
            f"has no port from 1 to {_PORT_MAX} after the host; a : / ? # or @ in a password is written %3A %2F %3F %23 %40"
        )
    return _text(host, "the host"), int(port) if port else _PORT


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError("has something after the ? that is not name=value") from None
    options = dict(pairs)
    if len(options) != len(pairs):
        raise ValueError("says something twice after the ?")
    for name, value in options.items():
        if name not in _OPTIONS:
            raise ValueError(f"has something after the ? that is none of {', '.join(_OPTIONS)}")
        if not value or _NOT_IN_TEXT.search(value):
            raise ValueError(f"has nothing good after {name}=")
    if options.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(_SSL_MODES)}")
    if "host" in options and not options["host"].startswith("/"):
        raise ValueError("has after host= no folder of a Unix socket; another host stands before the port")
    return options
