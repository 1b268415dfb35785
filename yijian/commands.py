"""What each command does: read the settings, ask the room whose work it is, tell the outcome.

Rooms are imported inside their command, so that `decode` does not wait for a database library.
Nothing is decided here: that is the rooms' work, and `compose.py` is where they are put together.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yijian.cli import MQTT
from yijian.errors import DONE, FAILED, CommandError, UsageError
from yijian.words import Say, is_chinese

if TYPE_CHECKING:
    from config.settings import Address, Settings

#: A district file may be that large (contract, section 4); frames to decode are far smaller.
_INPUT_BYTES_MAX = 64 * 1024 * 1024


def execute(arguments: Namespace, say: Say) -> int:
    """The command that was asked for; its exit code."""
    if arguments.command != "run":
        # Also so that no library's line strays to standard output, where `token create` prints the token alone.
        _logs("console", quiet=True)
    return COMMANDS[arguments.command](arguments, say)


def run(arguments: Namespace, _say: Say) -> int:
    """Everything in one process, until SIGTERM."""
    settings = _settings(arguments)
    speed = settings.speed if arguments.speed is None else _positive("--speed", arguments.speed)
    sink_at = None if arguments.sink is None else _address("--sink", arguments.sink)
    from config.doors import SystemClock
    from yijian import clock, compose, lock, serving

    serving.hold_the_collector()
    clock.check(SystemClock().now_us())
    with lock.hold(settings.data):
        _logs(settings.log)
        try:
            return asyncio.run(compose.serve(settings, demo=arguments.demo, speed=speed, sink_at=sink_at))
        except CommandError:
            raise
        except Exception:
            import structlog

            structlog.get_logger().exception("stopped by an unexpected error")
            raise


def district_load(arguments: Namespace, _say: Say) -> int:
    """Merge a district file into the register."""
    settings = _settings(arguments)
    content = _read(arguments.file)
    from yijian import district

    print(asyncio.run(district.load(settings, content, arguments.file, chinese=is_chinese(os.environ))))
    return DONE


def district_export(arguments: Namespace, _say: Say) -> int:
    """Write the register as a district file."""
    settings = _with_folder(arguments)
    from yijian import district

    form, section = district.form_of(arguments.file, arguments.section)
    _write(arguments.file, asyncio.run(district.export(settings, form, section)))
    return DONE


def district_check(arguments: Namespace, say: Say) -> int:
    """Say everything that is wrong with a district file."""
    content = _read(arguments.file)
    from yijian import district

    errors = district.check(content, arguments.file, chinese=is_chinese(os.environ))
    for error in errors:
        print(error)
    if not errors:
        print(say("district.fine"))
    return FAILED if errors else DONE


def token_create(arguments: Namespace, say: Say) -> int:
    """Make a token; it alone is printed."""
    settings = _with_folder(arguments)
    from yijian import compose

    asked = {name: getattr(arguments, name) for name in ("role", "area", "station", "staff")}
    secret, not_there = asyncio.run(compose.token_create(settings, **asked))
    if not_there:
        print(f"{', '.join(not_there)}: {say('token.not_there')}", file=sys.stderr)
    print(secret)
    return DONE


def token_revoke(arguments: Namespace, say: Say) -> int:
    """End a token."""
    settings = _with_folder(arguments)
    from yijian import compose

    if not asyncio.run(compose.token_revoke(settings, arguments.id)):
        raise CommandError(say("token.unknown"))
    print(say("token.revoked"))
    return DONE


def token_list(arguments: Namespace, _say: Say) -> int:
    """List the tokens."""
    settings = _with_folder(arguments)
    from yijian import compose

    _table(asyncio.run(compose.token_list(settings)))
    return DONE


def user_add(arguments: Namespace, say: Say) -> int:
    """A login for somebody of the register."""
    from yijian import people

    return people.add(_with_folder(arguments), arguments, say)


def user_passwd(arguments: Namespace, say: Say) -> int:
    """Another password for a login."""
    from yijian import people

    return people.passwd(_with_folder(arguments), arguments, say)


def user_disable(arguments: Namespace, say: Say) -> int:
    """End a login, or let it be used again."""
    from yijian import people

    return people.disable(_with_folder(arguments), arguments, say)


def user_totp(arguments: Namespace, say: Say) -> int:
    """A new secret for an authenticator app."""
    from yijian import people

    return people.set_totp(_with_folder(arguments), arguments, say)


def user_list(arguments: Namespace, _say: Say) -> int:
    """List the logins."""
    from yijian import people

    _table(people.listed(_with_folder(arguments)))
    return DONE


def decode(arguments: Namespace, _say: Say) -> int:
    """Show what frames say."""
    options = _key_option(arguments.key)
    _family(arguments.family)
    content = _read(arguments.file)
    from gateway.decode import Form
    from gateway.decode import decode as lines_of

    form = Form.HEX if arguments.hex else Form.MQTT if arguments.mqtt else Form.RAW
    try:
        lines = lines_of(arguments.family, content, form, now=_now(), options=options)
    except ValueError as error:
        raise UsageError(f"--key: {error}" if options else str(error)) from None
    for line in lines:
        print(line)
    return DONE


def listen(arguments: Namespace, _say: Say) -> int:
    """Show what comes in, until Ctrl-C."""
    options = _key_option(arguments.key)
    _family(arguments.family)
    if arguments.port is None and arguments.baud is not None:
        raise UsageError("--baud goes with --port")
    if arguments.topic is None and arguments.mqtt is not None:
        raise UsageError("--mqtt goes with --topic")
    from devices.family import Line, Transport
    from gateway.listen import listen as listening

    if arguments.port is not None:
        baud = arguments.baud or 9600
        line = Line(arguments.family, Transport.SERIAL, port=arguments.port, baud=baud, options=options)
    else:
        line = Line(arguments.family, Transport.MQTT, topic=arguments.topic, options=options)
    try:
        asyncio.run(listening(line, arguments.mqtt or MQTT, lambda text: print(text, flush=True), _now))
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise CommandError(str(error)) from error
    return DONE


def db_upgrade(arguments: Namespace, say: Say) -> int:
    """Bring the schema up to date."""
    settings = _with_folder(arguments)
    from yijian import compose

    asyncio.run(compose.db_upgrade(settings))
    print(say("db.upgraded"))
    return DONE


def db_verify(arguments: Namespace, say: Say) -> int:
    """Fold the journal again and compare."""
    settings = _with_folder(arguments)
    from yijian import compose

    differences = asyncio.run(compose.db_verify(settings))
    for difference in differences:
        print(difference)
    if not differences:
        print(say("db.verified"))
    return FAILED if differences else DONE


def db_backup(arguments: Namespace, say: Say) -> int:
    """Back up the database, also while a server runs."""
    from yijian import upkeep

    return upkeep.db_backup(_settings(arguments), arguments, say)


def db_restore(arguments: Namespace, say: Say) -> int:
    """Put a backup in the place of the database."""
    from yijian import upkeep

    return upkeep.db_restore(_settings(arguments), arguments, say)


def person_erase(arguments: Namespace, say: Say) -> int:
    """Erase a resident or one of the staff."""
    from yijian import upkeep

    return upkeep.person_erase(_with_folder(arguments), arguments, say)


def doctor(arguments: Namespace, say: Say) -> int:
    """Look for what is wrong; 1 where something is bad."""
    from yijian import upkeep

    return upkeep.doctor(_settings(arguments), arguments, say)


def canary(arguments: Namespace, say: Say) -> int:
    """One press of the canary, by hand."""
    from yijian import asking

    url = arguments.url or asking.url_of(_settings(arguments))
    return asyncio.run(asking.canary(url, _token(), say, json=arguments.json))


def simulate_district(arguments: Namespace, _say: Say) -> int:
    """Make a district file."""
    from simulators import command

    return command.simulate_district(
        seed=arguments.seed,
        communities=arguments.communities,
        residents=arguments.residents,
        streets=arguments.streets,
        output=arguments.out,
    )


def simulate_day(arguments: Namespace, _say: Say) -> int:
    """Drive a system like a town's day, or week; or only say what would happen."""
    from simulators import command

    if arguments.days is None:
        seconds = _positive("--hours", arguments.hours) * 3600
    else:
        seconds = _positive("--days", arguments.days) * 86_400
    begin = None if arguments.date is None else _date("--date", arguments.date)
    if arguments.plan:
        return command.simulate_plan(
            district=arguments.district,
            port=arguments.port,
            seed=arguments.seed,
            seconds=seconds,
            begin=begin,
            start_hour=arguments.start_hour,
            chinese=is_chinese(os.environ),
        )
    return command.simulate_day(
        http=arguments.http,
        token=_token(),
        mqtt=arguments.mqtt,
        district=arguments.district,
        port=arguments.port,
        seed=arguments.seed,
        speed=_positive("--speed", arguments.speed),
        seconds=seconds,
        begin=begin,
        start_hour=arguments.start_hour,
    )


def simulate_press(arguments: Namespace, _say: Say) -> int:
    """Press one button."""
    from simulators import command

    _family(arguments.family)
    somewhere = arguments.mqtt or arguments.http or arguments.port or arguments.to
    return command.simulate_press(
        family=arguments.family,
        device=arguments.device,
        key=arguments.key,
        mqtt=arguments.mqtt if somewhere else MQTT,
        http=arguments.http,
        token=_token(),
        port=arguments.port,
        to=arguments.to,
        wait_seconds=_positive("--wait", arguments.wait),
    )


def simulate_storm(arguments: Namespace, _say: Say) -> int:
    """A storm of devices against a running system."""
    from simulators import command

    names = ("kind", "mqtt", "devices", "seconds", "presses", "seed", "really")
    asked: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    return command.simulate_storm(http=arguments.url, token=_token(), chinese=is_chinese(os.environ), **asked)


def nothing(_arguments: Namespace, _say: Say) -> int:
    """`yijian` alone."""
    raise UsageError("no command: see yijian --help")


#: By the names the command line gives them.
COMMANDS: dict[str, Callable[[Namespace, Say], int]] = {
    "": nothing,
    "run": run,
    "simulate.district": simulate_district,
    "simulate.day": simulate_day,
    "simulate.press": simulate_press,
    "simulate.storm": simulate_storm,
    "simulate.world": lambda arguments, say: int(import_module("yijian.world").command(arguments, say)),
    "district.load": district_load,
    "district.export": district_export,
    "district.check": district_check,
    "token.create": token_create,
    "token.revoke": token_revoke,
    "token.list": token_list,
    "user.add": user_add,
    "user.passwd": user_passwd,
    "user.disable": user_disable,
    "user.enable": user_disable,
    "user.totp": user_totp,
    "user.list": user_list,
    "decode": decode,
    "listen": listen,
    "db.upgrade": db_upgrade,
    "db.verify": db_verify,
    "db.backup": db_backup,
    "db.restore": db_restore,
    "person.erase": person_erase,
    "doctor": doctor,
    "canary": canary,
}


def _settings(arguments: Namespace) -> Settings:
    """The settings, or every error of them as a line."""
    from config.settings import SettingsError, load
    from devices.registry import families

    try:
        return load(arguments.config, os.environ, families())
    except SettingsError as error:
        raise UsageError(*[f"{wrong.key}: {wrong.message}" for wrong in error.errors]) from None


def _with_folder(arguments: Namespace) -> Settings:
    """The settings, with the data folder there."""
    from yijian.lock import make_folder

    settings = _settings(arguments)
    make_folder(settings.data)
    return settings


def _logs(kind: str, *, quiet: bool = False) -> None:
    from config import logs

    logs.configure(kind, debug=os.environ.get("YIJIAN_DEBUG") == "1", quiet=quiet)


def _family(name: str) -> None:
    """Raises UsageError where there is no such family."""
    from devices.registry import UnknownFamilyError, family

    try:
        family(name)
    except UnknownFamilyError as error:
        raise UsageError(str(error)) from None


def _key_option(key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    try:
        bytes.fromhex(key)
    except ValueError:
        raise UsageError("--key is no hex") from None
    return {"key": key}


def _now() -> datetime:
    from config.doors import SystemClock, from_us

    return from_us(SystemClock().now_us())


def _token() -> str:
    """The token of whoever runs this. Not an option: other users of the machine can read command lines."""
    return os.environ.get("YIJIAN_ADMIN_TOKEN", "")


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be greater than 0")
    return value


def _address(name: str, value: str) -> Address:
    from config import reading

    try:
        return reading.address_or_free_port(value)
    except ValueError as error:
        raise UsageError(f"{name} {error}") from None


def _date(name: str, value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UsageError(f"{name} is no date such as 2026-11-24") from None


def _read(name: str) -> bytes:
    """A file's content, or standard input's for `-`."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_INPUT_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(_INPUT_BYTES_MAX + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
    if len(content) > _INPUT_BYTES_MAX:
        raise CommandError(f"{name} is over {_INPUT_BYTES_MAX // 1024 // 1024} MB")
    return content


def _write(name: str, content: bytes) -> None:
    """Write a file, for our eyes only: a district file is full of people. `-` is standard output."""
    if name == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        with open(name, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
    except OSError as error:
        raise CommandError(f"{name} cannot be written: {error.strerror}") from error


def _table(rows: Iterable[Mapping[str, object]]) -> None:
    """Rows under their names, in columns."""
    rows = list(rows)
    if not rows:
        return
    names = list(rows[0])
    cells = [names, *[["-" if row[name] is None else str(row[name]) for name in names] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
