"""Settings: a TOML file, and environment variables that beat it; every wrong one is told at once, by its key.

    load(path, environ, families) -> Settings        or SettingsError with all that is wrong

Nothing is read by itself: the file is the one `--config` names. No message repeats a value that may be a secret.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from config.keys import KEYS, OTHER_ENVIRONMENT, Key
from config.lines import read_lines
from config.oidc import OidcClient, gathered
from config.proxies import Network
from config.reading import Address
from config.sms import SmsProvider, read_sms, variables
from devices.family import Family, Line

__all__ = ["Address", "Settings", "SettingsError", "Wrong", "load"]

_PREFIX = "YIJIAN_"
#: A settings file is a page or two; more is a wrong file.
_FILE_BYTES_MAX = 1_000_000
#: How alike an unknown variable must be to a known one to be a typing mistake, and not somebody else's variable
#: (container platforms set names such as YIJIAN_PORT by themselves).
_ALIKE = 0.74


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this installation is told. Secrets are kept out of its repr."""

    data: Path
    database: str = field(repr=False)
    http: Address
    mqtt: str | None = field(repr=False)
    mqtt_listen: Address
    mqtt_anonymous: bool
    admin_token: str | None = field(repr=False)
    district: Path | None
    log: str
    private_targets: bool
    speed: float
    keep_closed_days: int  #: 0 = for ever
    public_url: str  #: what links begin with, without the last slash; empty: no links
    templates: Path | None
    news_per_hour: int
    map_file: Path | None
    map_tiles: str | None
    map_datum: str
    map_attribution: str | None
    proxies: tuple[Network, ...] = ()
    canary_seconds: float = 300.0  #: 0 = off
    canary_ping_url: str | None = field(default=None, repr=False)
    canary_fail_url: str | None = field(default=None, repr=False)
    memory_mb: int = 2048  #: 0 = not looked at
    lines: tuple[Line, ...] = field(default=(), repr=False)
    sms: tuple[SmsProvider, ...] = field(default=(), repr=False)
    oidc: OidcClient | None = None


class Wrong(NamedTuple):
    """One wrong setting: its key (in the file, or the environment variable) and what is wrong with it."""

    key: str
    message: str


class SettingsError(Exception):
    """The settings are wrong."""

    def __init__(self, errors: list[Wrong]) -> None:
        super().__init__("; ".join(f"{error.key}: {error.message}" for error in errors))
        self.errors = errors


def load(path: Path | None, environ: Mapping[str, str], families: Mapping[str, Family]) -> Settings:
    """Read the file (None = no file) and the environment. Raises SettingsError with everything that is wrong."""
    errors: list[Wrong] = []

    def report(key: str, message: str) -> None:
        errors.append(Wrong(key, message))

    table = _flat(_read_file(path, errors), errors) if path is not None else {}
    values: dict[str, Any] = {key.field: _value(key, table, environ, errors) for key in KEYS}
    values["lines"] = read_lines(table.pop("gateway.lines", []), families, report)
    values["public_url"] = values["public_url"] or ""
    values["oidc"] = gathered(values, [error.key for error in errors], report)
    sms = table.pop("alerts.sms", [])
    values["sms"] = read_sms(sms, environ, report)
    _unknown_names(table, environ, variables(sms), errors)
    _together(values, environ, errors)
    if errors:
        raise SettingsError(errors)
    if values["database"] is None:
        values["database"] = f"sqlite:///{values['data'].absolute() / 'yijian.sqlite'}"
    return Settings(**values)


def _read_file(path: Path, errors: list[Wrong]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
        if len(content) > _FILE_BYTES_MAX:
            errors.append(Wrong(str(path), f"is over {_FILE_BYTES_MAX} bytes: no settings file"))
            return {}
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        errors.append(Wrong(str(path), f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        errors.append(Wrong(str(path), f"is not UTF-8 text (byte {error.start})"))
    except tomllib.TOMLDecodeError as error:
        errors.append(Wrong(str(path), f"is no TOML: {error}"))
    return {}


def _flat(table: Mapping[str, Any], errors: list[Wrong]) -> dict[str, Any]:
    """The file as dotted names, one section deep: no setting has more dots."""
    sections = {key.name.partition(".")[0] for key in KEYS if "." in key.name} | {"gateway", "alerts"}
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if name not in sections:
            flat[name] = value
        elif isinstance(value, dict):
            flat |= {f"{name}.{inner}": given for inner, given in value.items()}
        else:
            errors.append(Wrong(name, f"is a section: [{name}]"))
    return flat


def _value(key: Key, table: dict[str, Any], environ: Mapping[str, str], errors: list[Wrong]) -> Any:
    """The value of the environment, else the file's, else the default. A wrong one is reported, and is None."""
    in_file = table.pop(key.name, None)
    from_env = environ.get(key.env, "")
    # An empty variable is how shells and unit files say "not set".
    source, raw = (key.env, from_env) if from_env else (key.name, in_file)
    if in_file is not None and from_env:
        _try(key, key.name, in_file, errors)  # beaten, but a wrong line in the file is still a wrong line
    if raw is None:
        raw = key.default or None
    return None if raw is None else _try(key, source, raw, errors)


def _try(key: Key, source: str, raw: object, errors: list[Wrong]) -> Any:
    try:
        return key.read(raw)
    except ValueError as error:
        errors.append(Wrong(source, str(error)))
        return None


def _unknown_names(
    table: Mapping[str, Any], environ: Mapping[str, str], named: set[str], errors: list[Wrong]
) -> None:
    """Names that are none; `named` are variables that the file itself asks for."""
    names = [key.name for key in KEYS] + ["gateway.lines", "alerts.sms"]
    errors.extend(Wrong(name, f"no such setting{_like(name, names)}") for name in table)
    known = [key.env for key in KEYS] + list(OTHER_ENVIRONMENT)
    strangers = [
        name for name in sorted(environ) if name.startswith(_PREFIX) and name not in {*known, *named}
    ]
    errors.extend(Wrong(name, f"no such setting{like}") for name in strangers if (like := _like(name, known)))


def _like(name: str, names: list[str]) -> str:
    bare = name.removeprefix(_PREFIX)
    found = difflib.get_close_matches(bare, [known.removeprefix(_PREFIX) for known in names], 1, _ALIKE)
    prefix = _PREFIX if name.startswith(_PREFIX) else ""
    return f"; is {prefix}{found[0]} meant?" if found else ""


def _together(values: Mapping[str, Any], environ: Mapping[str, str], errors: list[Wrong]) -> None:
    """What is right alone and wrong together."""
    listen = values["mqtt_listen"]
    if values["mqtt_anonymous"] and listen is not None and not listen.loopback:
        key = "YIJIAN_MQTT_ANONYMOUS" if environ.get("YIJIAN_MQTT_ANONYMOUS") else "mqtt_anonymous"
        errors.append(Wrong(key, "true is only for a broker on loopback: anybody could press for anybody"))
    listens: list[tuple[str, Address | None]] = [("http", values["http"])]
    if values["mqtt"] is None:
        listens.append(("mqtt_listen", listen))
    listens += [
        (f"gateway.lines ({line.family})", _address_of(line))
        for line in values["lines"]
        if line.transport == "tcp"
    ]
    seen: dict[Address, str] = {}
    for name, address in listens:
        if address is None or not address.port:
            continue
        if address in seen:
            errors.append(Wrong(name, f"the same address as {seen[address]}"))
        seen.setdefault(address, name)


def _address_of(line: Line) -> Address:
    host, _, port = line.listen.rpartition(":")
    return Address(host.strip("[]"), int(port))
