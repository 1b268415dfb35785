"""`[[gateway.lines]]`: each a way in besides the native dialect, checked against the families that exist.

[[gateway.lines]]
family = "yj_line"            which translator
transport = "serial"          which of the ways that family can come by
port = "/dev/ttyUSB0"         what that transport needs, and no other transport's keys
heartbeat = 60                the family's own options; an unlisted one is an error
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config import reading
from devices.family import Family, Line, Transport

#: How the errors are told: with the setting's name and a message.
Report = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class LineKey:
    """A key of a line that belongs to some of the transports, and not to the family."""

    name: str
    transports: frozenset[Transport]
    required: bool
    read: Callable[[object], Any]
    says: str


def _path(value: object) -> str:
    given = reading.text(value)
    if not given.startswith("/") or any(letter.isspace() or letter in "?#" for letter in given):
        raise ValueError("must begin with / and hold no spaces, ? or #")
    return given


def _topic(value: object) -> str:
    given = reading.text(value)
    if any(letter in "+#\0" for letter in given):
        raise ValueError("is a base topic: + and # have no place in it")
    return given


def _listen(value: object) -> str:
    return str(reading.address(value))


LINE_KEYS: tuple[LineKey, ...] = (
    LineKey(
        "listen", frozenset({Transport.TCP, Transport.UDP}), True, _listen, "Where it listens, `host:port`."
    ),
    LineKey(
        "port",
        frozenset({Transport.SERIAL}),
        True,
        reading.text,
        "The serial device; best `/dev/serial/by-id/…`, which survives replugging.",
    ),
    LineKey(
        "baud",
        frozenset({Transport.SERIAL}),
        False,
        reading.whole(50, 4_000_000),
        "Its speed, 9600 by default.",
    ),
    LineKey("topic", frozenset({Transport.MQTT}), True, _topic, "The base topic on the broker."),
    LineKey("path", frozenset({Transport.HTTP}), True, _path, "Where the other side posts to."),
    LineKey(
        "secret", frozenset({Transport.HTTP}), False, reading.text, "What the other side signs or shows."
    ),
)

_GENERAL = frozenset({"family", "transport"})
_TRANSPORT_KEYS = frozenset(key.name for key in LINE_KEYS)


def read_lines(value: object, families: Mapping[str, Family], report: Report) -> tuple[Line, ...]:
    """The lines that can be read; what is wrong with the others is reported, each with its key."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        report("gateway.lines", "is a list of tables: each begins with [[gateway.lines]]")
        return ()
    lines: list[Line] = []
    taken: dict[tuple[Transport, str], int] = {}
    for index, table in enumerate(value):
        line = _read_line(f"gateway.lines[{index}]", table, families, report)
        if line is None:
            continue
        place = (line.transport, line.listen or line.port or line.path or f"{line.family} {line.topic}")
        if place in taken:
            report(f"gateway.lines[{index}]", f"the same place as gateway.lines[{taken[place]}]")
            continue
        taken[place] = index
        lines.append(line)
    return tuple(lines)


def _read_line(
    where: str, table: dict[str, object], families: Mapping[str, Family], report: Report
) -> Line | None:
    """One line, or None after everything that is wrong with it was reported."""
    wrong: list[tuple[str, str]] = []
    family = _family(table, families, wrong)
    transport = _transport(table, family, wrong)
    values: dict[str, Any] = {}
    if transport is not None:
        _transport_keys(table, transport, values, wrong)
    options = {name: given for name, given in table.items() if name not in _GENERAL | _TRANSPORT_KEYS}
    if family is not None:
        _options(options, family, wrong)
    for name, message in wrong:
        report(f"{where}.{name}" if name else where, message)
    if wrong or family is None or transport is None:
        return None
    return Line(family=family.name, transport=transport, options=options, **values)


def _family(
    table: dict[str, object], families: Mapping[str, Family], wrong: list[tuple[str, str]]
) -> Family | None:
    name = table.get("family")
    if name is None:
        wrong.append(("family", "is missing"))
        return None
    family = families.get(name) if isinstance(name, str) else None
    if family is None:
        known = _listed(sorted(families))
        wrong.append(("family", f"this version knows no family {_shown(name)}; it knows {known}"))
    return family


def _transport(
    table: dict[str, object], family: Family | None, wrong: list[tuple[str, str]]
) -> Transport | None:
    name = table.get("transport")
    possible = family.transports if family is not None else frozenset(Transport)
    if name is None and family is not None and len(possible) == 1:
        return next(iter(possible))
    choices = [transport.value for transport in Transport if transport in possible]
    if name is None:
        wrong.append(("transport", f"is missing; it can be {_listed(choices)}"))
        return None
    if name not in choices:
        subject = f"the family {family.name} comes by" if family is not None else "it can be"
        wrong.append(("transport", f"is {_shown(name)}; {subject} {_listed(choices)}"))
        return None
    return Transport(name)


def _transport_keys(
    table: dict[str, object], transport: Transport, values: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    for key in LINE_KEYS:
        given = table.get(key.name)
        fits = transport in key.transports
        if given is None:
            if fits and key.required:
                wrong.append((key.name, f"is missing: a line by {transport} needs it"))
            continue
        if not fits:
            wrong.append((key.name, f"has no meaning for a line by {transport}"))
            continue
        try:
            values[key.name] = key.read(given)
        except ValueError as error:
            wrong.append((key.name, str(error)))


def _options(options: Mapping[str, object], family: Family, wrong: list[tuple[str, str]]) -> None:
    """The family's own keys: unlisted ones by name, wrong values by asking the family for a session."""
    unknown = [name for name in options if name not in family.options]
    for name in unknown:
        known = f"; it has {_listed(sorted(family.options))}" if family.options else "; it has none"
        wrong.append((name, f"no option of the family {family.name}{known}"))
    if unknown:
        return
    try:
        family.session(options)
    except ValueError as error:
        message = str(error)
        for given in options.values():
            # An option can be a decryption key: whatever the family says, its value is not repeated.
            if len(str(given)) > 3:
                message = message.replace(str(given), "…")
        wrong.append(("", message))


def _shown(value: object) -> str:
    """A word that was not understood, as much of it as a word has."""
    return f'"{value[:40]}"' if isinstance(value, str) else "no text"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
