"""How one setting's value is read: text of the environment or a TOML value in, a typed value or ValueError out.

The message of a ValueError never repeats what it was given: it may hold a password.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from config import database

#: The greatest TCP or UDP port.
PORT_MAX = 65_535
#: The longest web address anybody needs.
URL_MAX = 2000
_PUBLIC_URL_MAX = 100
_MAP_HEAD_BYTES = 64
#: What the console's pages read of a GeoJSON file at most (web/src/map/mapping.ts has the same figure).
_GEOJSON_BYTES_MAX = 32_000_000
_TILE_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")

_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
#: The last part of a host that is meant as a number: `2130706433`, `127.1`, `0x7f.1`.
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)")

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """`127.0.0.1:1883`, `[::1]:1883`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine answers to a host, without brackets and port."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def text(value: object) -> str:
    """Some text that is not empty."""
    if not isinstance(value, str):
        raise ValueError(f"is {_kind(value)}; text in quotes is wanted")
    if not value.strip():
        raise ValueError("is empty")
    return value


def token(value: object) -> str:
    """A token that fits into an HTTP header."""
    given = text(value)
    if any(not "!" <= letter <= "~" for letter in given):
        raise ValueError("may hold only printable ASCII letters, without spaces")
    return given


def flag(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError("is neither true nor false")


def number(lowest: float, highest: float) -> Callable[[object], float]:
    """A reader of numbers from `lowest` to `highest`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"is {_kind(value)}; a number is wanted")
        try:
            given = float(value)
        except ValueError:
            raise ValueError("is no number") from None
        if not lowest <= given <= highest:  # also refuses NaN
            raise ValueError(f"must be from {lowest:g} to {highest:g}")
        return given

    return read


def whole(lowest: int, highest: int) -> Callable[[object], int]:
    """A reader of whole numbers from `lowest` to `highest`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"is {_kind(value)}; a whole number is wanted")
        if not lowest <= value <= highest:
            raise ValueError(f"must be from {lowest} to {highest}")
        return value

    return read


def count(lowest: int, highest: int) -> Callable[[object], int]:
    """A reader of whole numbers from `lowest` to `highest`, of the environment too."""
    read = whole(lowest, highest)

    def read_text(value: object) -> int:
        if isinstance(value, str):
            given = value.strip()
            if not (given.isascii() and given.isdigit() and len(given) < 10):
                raise ValueError(f"must be a whole number from {lowest} to {highest}")
            return read(int(given))
        return read(value)

    return read_text


def one_of(choices: Sequence[str]) -> Callable[[object], str]:
    """A reader of one word out of a few."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return str(value)

    return read


def address(value: object, *, port_min: int = 1) -> Address:
    """`host:port`; an IPv6 address in brackets. `port_min` 0 lets the system choose a free port."""
    given = text(value)
    host, colon, port_text = given.rpartition(":")
    if not colon or not host or not (port_text.isascii() and port_text.isdigit()):
        raise ValueError("must be host:port, for example 127.0.0.1:12349")
    port = int(port_text)
    if not port_min <= port <= PORT_MAX:
        raise ValueError(f"port {port} is out of range, {port_min} to {PORT_MAX}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("holds no IPv6 address between the brackets") from None
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets, for example [::1]:12349")
    if any(letter.isspace() or letter in "/@?#" for letter in host):
        raise ValueError("must be host:port without a scheme or a path, for example 127.0.0.1:12349")
    return Address(host, port)


def address_or_free_port(value: object) -> Address:
    """`host:port`, where port 0 means any free one."""
    return address(value, port_min=0)


def mqtt_url(value: object) -> str:
    """`mqtt://` or `mqtts://`, perhaps with a user and a password."""
    given = text(value)
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL: mqtt://host:port is wanted, the port from 1 to 65535") from None
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise ValueError("must begin with mqtt:// or mqtts://")
    if not parts.hostname:
        raise ValueError("names no host: mqtt://host:port is wanted")
    if port == 0:
        raise ValueError(f"port 0 is out of range, 1 to {PORT_MAX}")
    if parts.path.strip("/") or parts.fragment or (parts.query and not parts.query.startswith("ca=")):
        raise ValueError("must end after the host and port, or with ?ca=/path/of/ca.pem")
    return given


def web_url(value: object) -> str:
    """`http://` or `https://` and a host, without a user and a password. Where it may lead is asked when it is used."""
    given = text(value)
    if len(given) > URL_MAX:
        raise ValueError(f"is longer than {URL_MAX} characters")
    if _NOT_IN_URL.search(given):
        raise ValueError("has spaces, backslashes or control characters in it")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL: http://host:port/path or https://… is wanted") from None
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ValueError("must be an http:// or https:// URL with a host")
    if "@" in parts.netloc:
        raise ValueError("has a user or a password before the host: a URL is shown and kept, secrets are not")
    if ":" not in host and _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError("has a number for a host: an address has four parts such as 192.0.2.1") from None
    return given


def public_url(value: object) -> str:
    """What links begin with, without the last slash; empty: no links."""
    if value == "":
        return ""
    given = web_url(value)
    if len(given) > _PUBLIC_URL_MAX:
        raise ValueError(f"is longer than {_PUBLIC_URL_MAX} characters: it stands in text messages")
    if "?" in given or "#" in given:
        raise ValueError("must end with the host or a path: links go on from there")
    return given.rstrip("/")


def database_url(value: object) -> str:
    """`sqlite:///file`, three slashes and a relative path or four and an absolute one; or a PostgreSQL URL."""
    given = text(value)
    scheme, separator, rest = given.partition("://")
    if not separator:
        raise ValueError("is no URL: sqlite:///file or postgresql://user:password@host:port/name is wanted")
    if scheme in database.SCHEMES:
        database.postgres(given)
    elif scheme != "sqlite":
        raise ValueError("must begin with sqlite:/// or postgresql://")
    elif not rest.startswith("/") or rest == "/":
        raise ValueError("must be sqlite:///file, three slashes and the path of the file")
    return given


def folder(value: object) -> Path:
    """A folder's path; it is made when it is first needed."""
    path = Path(text(value)).expanduser()
    if path.exists() and not path.is_dir():
        raise ValueError("is there, but is no folder")
    return path


def readable_folder(value: object) -> Path:
    """A folder that is there and can be read."""
    path = Path(text(value)).expanduser()
    if not path.is_dir():
        raise ValueError("there is no such folder")
    if not os.access(path, os.R_OK | os.X_OK):
        raise ValueError("the folder cannot be read by this user")
    return path


def readable_file(value: object) -> Path:
    """A file that is there and can be read."""
    path = Path(text(value)).expanduser()
    if path.is_dir():
        raise ValueError("is a folder; a file is wanted")
    if not path.is_file():
        raise ValueError("there is no such file")
    if not os.access(path, os.R_OK):
        raise ValueError("the file cannot be read by this user")
    return path


def map_file(value: object) -> Path:
    """A base map: PMTiles, told by its first bytes, or GeoJSON of at most 32 MB, which browsers read whole."""
    path = readable_file(value)
    with path.open("rb") as file:
        first = file.read(_MAP_HEAD_BYTES)
    match path.suffix.lower():
        case ".pmtiles":
            if first[:7] != b"PMTiles" or first[7:8] != b"\x03":
                raise ValueError("is no PMTiles file of version 3")
        case ".geojson" | ".json":
            if path.stat().st_size > _GEOJSON_BYTES_MAX:
                raise ValueError(f"is over {_GEOJSON_BYTES_MAX} bytes; make PMTiles of it")
            if not first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                raise ValueError("is no GeoJSON: it does not begin with {")
        case _:
            raise ValueError("must end with .pmtiles or .geojson")
    return path


def tile_url(value: object) -> str:
    """Where map tiles are: an address with `{z}`, `{x}` and `{y}`; a fixed host, since pages may load from it."""
    given = text(value)
    bare = given
    for part in ("{z}", "{x}", "{y}"):
        if given.count(part) != 1:
            raise ValueError(f"must hold {part} once, as in https://tiles.example.cn/{{z}}/{{x}}/{{y}}.png")
        bare = bare.replace(part, "0")
    web_url(bare)
    host = urlsplit(given).netloc
    if not _TILE_HOST.fullmatch(host):
        raise ValueError("must name one host, and no user: the page's rules allow pictures from there alone")
    return given


def _kind(value: object) -> str:
    """What a TOML value is, in words."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
