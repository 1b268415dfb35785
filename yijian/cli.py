"""The command line: what can be asked. What each command does is in `commands.py`, loaded when one runs.

    yijian run --demo  →  parser().parse_args()  →  commands.execute(arguments)  →  exit code

Errors are a line each on standard error, never a traceback: 1 failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from yijian.errors import DONE, FAILED, INTERRUPTED, WRONG_USAGE, CommandError
from yijian.words import ARGPARSE_CHINESE, Say, is_chinese, speaker

#: The words of `dispatcher.core.district.Role`, here because importing it would slow --help down (a test compares).
ROLES = ("admin", "district", "street", "community", "station", "grid", "volunteer")
#: The words of `devices.signal.Key`.
KEYS = ("emergency", "service", "family")
#: The words of `simulators.storm.KINDS`.
STORMS = ("reconnect", "power", "broker", "overload")
#: Where a system on this machine listens, unless its settings say otherwise.
_HTTP = "http://127.0.0.1:12349"
MQTT = "mqtt://127.0.0.1:1883"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        code = _main(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _main(argv: Sequence[str] | None) -> int:
    say = speaker(os.environ)
    try:
        arguments = parser(say, chinese=is_chinese(os.environ)).parse_args(argv)
        if arguments.version:
            from importlib.metadata import version

            print(f"yijian {version('yijian')}")
            return DONE
        from yijian.commands import execute

        return execute(arguments, say)
    except SystemExit as ended:  # argparse, after --help or a wrong usage
        return ended.code if isinstance(ended.code, int) else DONE
    except CommandError as error:
        for message in error.messages:
            _tell(message)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the edge of the program: a person reads a line, not a traceback
        _unexpected(error, say)
        return FAILED


def _tell(message: str) -> None:
    sys.stderr.write(f"yijian: {message}\n")


def _unexpected(error: Exception, say: Say) -> None:
    if os.environ.get("YIJIAN_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    # Without its message, which may quote what people typed.
    from config.logs import where

    _tell(f"{say('unexpected')}: {where(error)}")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's help with our word for `usage`."""

    usage_word = "usage: "

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, self.usage_word if prefix is None else prefix)


class _ChineseFormatter(_Formatter):
    """The same in Chinese."""

    usage_word = "用法："


class _Parser(argparse.ArgumentParser):
    """argparse in our words: one line for a wrong usage, exit code 2, no abbreviated options."""

    def __init__(self, *, say: Say, chinese: bool, **settings: Any) -> None:
        settings |= {"add_help": False, "allow_abbrev": False}
        super().__init__(formatter_class=_ChineseFormatter if chinese else _Formatter, **settings)
        self._say = say
        self._chinese = chinese
        self._positionals.title = say("arguments")
        self._optionals.title = say("options")
        self.add_argument("-h", "--help", action="help", help=say("help"))

    def error(self, message: str) -> NoReturn:
        """One line, and where to read more."""
        if self._chinese:
            for english, chinese in ARGPARSE_CHINESE:
                message = message.replace(english, chinese)
        line = f"{self.prog}: {self._say('error')}: {message}; {self._say('see')} {self.prog} --help\n"
        self.exit(WRONG_USAGE, line)


def parser(say: Say, *, chinese: bool = False) -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        say=say, chinese=chinese, prog="yijian", description=say("yijian"), epilog=say("yijian.more")
    )
    top.add_argument("--version", action="store_true", help=say("version"))
    menu = _Menu(top, say, chinese=chinese, required=False)
    _run(menu)
    simulate = menu.menu("simulate")
    _simulate(simulate)
    _storm(simulate)
    _district(menu.menu("district"))
    _token(menu.menu("token"))
    _user(menu.menu("user"))
    _decode(menu)
    _listen(menu)
    _db(menu.menu("db"))
    _person(menu.menu("person"))
    _doctor(menu)
    _canary(menu)
    return top


class _Menu:
    """A parser's commands: each with its line of help, and the key by which `commands.COMMANDS` knows it."""

    def __init__(
        self, above: _Parser, say: Say, *, chinese: bool, prefix: str = "", required: bool = True
    ) -> None:
        self.say = say
        self._chinese = chinese
        self._prefix = prefix
        settings: Mapping[str, Any] = {"title": say("commands"), "metavar": "COMMAND", "dest": "command"}
        self._commands = above.add_subparsers(parser_class=_Parser, required=required, **settings)
        if not required:
            above.set_defaults(command="")

    def command(self, name: str, *, more: str = "") -> _Parser:
        key = self._prefix + name
        text = self.say(key)
        made: _Parser = self._commands.add_parser(
            name,
            help=text,
            description=text + (f"\n{self.say(more)}" if more else ""),
            say=self.say,
            chinese=self._chinese,
        )
        made.set_defaults(command=key, version=False)
        return made

    def menu(self, name: str) -> _Menu:
        return _Menu(self.command(name), self.say, chinese=self._chinese, prefix=f"{name}.")


def _config(command: _Parser, say: Say) -> None:
    command.add_argument("--config", metavar="FILE", type=Path, help=say("config"))


def _run(menu: _Menu) -> None:
    run = menu.command("run")
    run.add_argument("--demo", action="store_true", help=menu.say("run.demo"))
    _config(run, menu.say)
    run.add_argument("--speed", metavar="X", type=float, help=menu.say("run.speed"))
    run.add_argument("--sink", metavar="HOST:PORT", help=menu.say("run.sink"))


def _simulate(menu: _Menu) -> None:
    say = menu.say
    district = menu.command("district")
    district.add_argument("--seed", metavar="N", type=int, default=411002, help=say("simulate.seed"))
    district.add_argument("--residents", metavar="N", type=int, default=3000, help=say("simulate.residents"))
    district.add_argument(
        "--communities", metavar="N", type=int, default=86, help=say("simulate.communities")
    )
    district.add_argument("--streets", metavar="N", type=int, default=13, help=say("simulate.streets"))
    district.add_argument("--out", metavar="FILE", default="-", help=say("simulate.out"))
    day = menu.command("day")
    day.add_argument("--http", metavar="URL", default=_HTTP, help=say("simulate.http"))
    day.add_argument("--mqtt", metavar="URL", default=MQTT, help=say("simulate.mqtt"))
    day.add_argument("--district", metavar="FILE", help=say("simulate.file"))
    day.add_argument("--port", metavar="DEV", help=say("simulate.port"))
    day.add_argument("--seed", metavar="N", type=int, default=1, help=say("simulate.seed"))
    length = day.add_mutually_exclusive_group()
    length.add_argument("--hours", metavar="N", type=float, default=24.0, help=say("simulate.hours"))
    length.add_argument("--days", metavar="N", type=float, help=say("simulate.days"))
    day.add_argument("--date", metavar="YYYY-MM-DD", help=say("simulate.date"))
    day.add_argument("--start-hour", metavar="H", type=float, default=0.0, help=say("simulate.start_hour"))
    day.add_argument("--speed", metavar="X", type=float, default=1.0, help=say("simulate.speed"))
    day.add_argument("--plan", action="store_true", help=say("simulate.plan"))
    press = menu.command("press")
    press.add_argument("--family", metavar="NAME", default="native", help=say("family"))
    press.add_argument("--device", metavar="ID", required=True, help=say("simulate.device"))
    press.add_argument("--key", choices=KEYS, default="emergency", help=say("simulate.key"))
    way = press.add_mutually_exclusive_group()
    way.add_argument("--mqtt", metavar="URL", help=say("simulate.mqtt"))
    way.add_argument("--http", metavar="URL", help=say("simulate.http"))
    way.add_argument("--port", metavar="DEV", help=say("simulate.port"))
    way.add_argument("--to", metavar="PLACE", help=say("simulate.to"))
    press.add_argument("--wait", metavar="SECONDS", type=float, default=30.0, help=say("simulate.wait"))
    world = menu.command("world")
    which = world.add_mutually_exclusive_group()
    which.add_argument("--seed", metavar="N", type=int, help=say("simulate.replay"))
    which.add_argument("--seeds", metavar="N", type=int, default=1000, help=say("simulate.seeds"))
    which.add_argument("--checkers", action="store_true", help=say("simulate.checkers"))
    which.add_argument("--mutants", action="store_true", help=say("simulate.mutants"))
    world.add_argument(
        "--day", metavar="SECONDS", type=float, default=240.0, help=say("simulate.night_seconds")
    )
    world.add_argument("--out", metavar="FILE", help=say("simulate.table"))
    world.add_argument("--from", metavar="N", type=int, default=1, dest="first", help=say("simulate.from"))
    world.add_argument("--jobs", metavar="N", type=int, default=0, help=say("simulate.jobs"))


def _storm(menu: _Menu) -> None:
    say = menu.say
    storm = menu.command("storm", more="simulate.storm.more")
    storm.add_argument("--kind", choices=STORMS, default="reconnect", help=say("simulate.storm.kind"))
    storm.add_argument("--devices", metavar="N", type=int, default=1000, help=say("simulate.storm.devices"))
    storm.add_argument("--seconds", metavar="S", type=float, default=60.0, help=say("simulate.storm.seconds"))
    storm.add_argument("--presses", metavar="N", type=int, default=50, help=say("simulate.storm.presses"))
    storm.add_argument("--url", metavar="URL", default=_HTTP, help=say("simulate.http"))
    storm.add_argument("--mqtt", metavar="URL", default=MQTT, help=say("simulate.mqtt"))
    storm.add_argument("--seed", metavar="N", type=int, default=1, help=say("simulate.seed"))
    storm.add_argument("--really", action="store_true", help=say("simulate.storm.really"))


def _district(menu: _Menu) -> None:
    say = menu.say
    for name in ("load", "check"):
        command = menu.command(name)
        command.add_argument("file", metavar="FILE", help=say("district.file"))
        if name == "load":
            _config(command, say)
    export = menu.command("export")
    export.add_argument("file", metavar="FILE", nargs="?", default="-", help=say("district.out"))
    export.add_argument("--section", metavar="SECTION", help=say("district.section"))
    _config(export, say)


def _token(menu: _Menu) -> None:
    say = menu.say
    create = menu.command("create")
    create.add_argument("--role", metavar="ROLE", choices=ROLES, required=True, help=say("token.role"))
    create.add_argument("--area", metavar="CODE", help=say("token.area"))
    create.add_argument("--station", metavar="ID", help=say("token.station"))
    create.add_argument("--staff", metavar="ID", help=say("token.staff"))
    revoke = menu.command("revoke")
    revoke.add_argument("id", metavar="ID", help=say("token.id"))
    for command in (create, revoke, menu.command("list")):
        _config(command, say)


def _user(menu: _Menu) -> None:
    say = menu.say
    for name in ("add", "passwd", "disable", "enable", "totp"):
        command = menu.command(name)
        command.add_argument("login", metavar="LOGIN", help=say("user.login"))
        if name in ("add", "passwd"):
            command.add_argument("--password-stdin", action="store_true", help=say("user.password_stdin"))
        if name == "totp":
            command.add_argument("--off", action="store_true", help=say("user.totp.off"))
        _config(command, say)
    _config(menu.command("list"), say)


def _decode(menu: _Menu) -> None:
    decode = menu.command("decode", more="decode.more")
    decode.add_argument("--family", metavar="NAME", required=True, help=menu.say("family"))
    shape = decode.add_mutually_exclusive_group()
    shape.add_argument("--hex", action="store_true", help=menu.say("decode.hex"))
    shape.add_argument("--mqtt", action="store_true", help=menu.say("decode.mqtt"))
    decode.add_argument("--key", metavar="HEX", help=menu.say("decode.key"))
    decode.add_argument("file", metavar="FILE", help=menu.say("decode.file"))


def _listen(menu: _Menu) -> None:
    listen = menu.command("listen")
    listen.add_argument("--family", metavar="NAME", required=True, help=menu.say("family"))
    way = listen.add_mutually_exclusive_group(required=True)
    way.add_argument("--port", metavar="DEV", help=menu.say("listen.port"))
    way.add_argument("--topic", metavar="T", help=menu.say("listen.topic"))
    listen.add_argument("--baud", metavar="N", type=int, help=menu.say("listen.baud"))
    listen.add_argument("--mqtt", metavar="URL", help=menu.say("listen.mqtt"))
    listen.add_argument("--key", metavar="HEX", help=menu.say("decode.key"))


def _db(menu: _Menu) -> None:
    say = menu.say
    for name in ("upgrade", "verify"):
        _config(menu.command(name), say)
    backup = menu.command("backup", more="db.backup.more")
    backup.add_argument("file", metavar="FILE", help=say("db.backup.file"))
    backup.add_argument("--force", action="store_true", help=say("db.backup.force"))
    restore = menu.command("restore", more="db.restore.more")
    restore.add_argument("file", metavar="FILE", help=say("db.restore.file"))
    restore.add_argument("--yes", action="store_true", help=say("db.restore.yes"))
    restore.add_argument("--anyway", action="store_true", help=say("db.restore.anyway"))
    for command in (backup, restore):
        _config(command, say)


def _doctor(menu: _Menu) -> None:
    doctor = menu.command("doctor", more="doctor.more")
    doctor.add_argument("--json", action="store_true", help=menu.say("doctor.json"))
    _config(doctor, menu.say)


def _canary(menu: _Menu) -> None:
    canary = menu.command("canary", more="canary.more")
    canary.add_argument("--url", metavar="URL", help=menu.say("simulate.http"))
    canary.add_argument("--json", action="store_true", help=menu.say("canary.json"))
    _config(canary, menu.say)


def _person(menu: _Menu) -> None:
    erase = menu.command("erase", more="person.erase.more")
    erase.add_argument("id", metavar="ID", help=menu.say("person.id"))
    erase.add_argument("--kind", choices=("resident", "staff"), help=menu.say("person.kind"))
    erase.add_argument("--yes", action="store_true", help=menu.say("person.yes"))
    _config(erase, menu.say)


if __name__ == "__main__":
    sys.exit(main())
