"""`yijian user …`: who may log in at the console. Works on the database itself, also while a server runs on it.

A password comes on standard input and never in the command line, which other users of the machine can read.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.doors import SystemClock
from config.settings import Settings
from dispatcher import register_rows
from dispatcher.console import totp
from dispatcher.console.audit import AT_COMMAND_LINE
from dispatcher.console.passwords import CHARACTERS_MAX, CHARACTERS_MIN, Hasher, WeakError, check_password
from dispatcher.console.users import UserError, Users
from dispatcher.core.roll import Rolls
from dispatcher.view import when
from yijian.database import opened
from yijian.errors import DONE, CommandError, UsageError
from yijian.words import Say

_INPUT_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class _Open:
    users: Users
    rolls: Rolls


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[_Open]:
    async with opened(settings) as store:
        clock = SystemClock()
        rolls = Rolls()
        rolls.by_code.update((await register_rows.load(store, clock.now_us())).rolls)
        yield _Open(Users(store, clock, rolls), rolls)


def add(settings: Settings, arguments: Namespace, say: Say) -> int:
    """A login for somebody of the register."""
    login: str = arguments.login
    password = _password(arguments, say)

    async def work(house: _Open) -> None:
        if house.rolls.roll_of("staff", login) is None:
            raise CommandError(say("user.not_staff").format(login=login))
        await house.users.add(login, await _hashed(password), AT_COMMAND_LINE)

    _do(settings, say, login, work)
    print(say("user.added").format(login=login))
    return DONE


def passwd(settings: Settings, arguments: Namespace, say: Say) -> int:
    """Another password."""
    login: str = arguments.login
    password = _password(arguments, say)

    async def work(house: _Open) -> None:
        await house.users.set_password(login, await _hashed(password), AT_COMMAND_LINE)

    _do(settings, say, login, work)
    print(say("user.changed").format(login=login))
    return DONE


def disable(settings: Settings, arguments: Namespace, say: Say) -> int:
    """Nobody logs in by that name any more; or they may again."""
    login, disabled = arguments.login, arguments.command == "user.disable"
    _do(settings, say, login, lambda house: house.users.disable(login, AT_COMMAND_LINE, disabled=disabled))
    print(say("user.disabled" if disabled else "user.enabled").format(login=login))
    return DONE


def set_totp(settings: Settings, arguments: Namespace, say: Say) -> int:
    """A new secret for an authenticator app, shown once; or none."""
    login: str = arguments.login
    secret = "" if arguments.off else totp.new_secret()
    _do(settings, say, login, lambda house: house.users.set_totp(login, secret, AT_COMMAND_LINE))
    if secret:
        print(say("user.totp.scan"), file=sys.stderr)
    print(totp.uri(secret, login) if secret else say("user.totp.gone").format(login=login))
    return DONE


def listed(settings: Settings) -> list[dict[str, object]]:
    """The logins, with what the register says of each."""

    async def read() -> list[dict[str, object]]:
        async with _open(settings) as house:
            rows: list[dict[str, object]] = []
            for user in await house.users.list():
                roll = house.rolls.roll_of("staff", user.id)
                person = None if roll is None else roll.staff[user.id]
                rows.append(
                    {
                        "login": user.id,
                        "role": None if person is None else person.role.value,
                        "station": (person.station or None) if person is not None else None,
                        "area": (person.area or None) if person is not None else None,
                        "pin": "yes" if user.pin else None,
                        "totp": "yes" if user.totp else None,
                        "created": when(user.created_us),
                        "disabled": None if user.disabled_us is None else when(user.disabled_us),
                    }
                )
            return rows

    return asyncio.run(read())


def _do(settings: Settings, say: Say, login: str, work: Callable[[_Open], Awaitable[None]]) -> None:
    async def run() -> None:
        async with _open(settings) as house:
            await work(house)

    try:
        asyncio.run(run())
    except UserError as error:
        raise CommandError(say(f"user.{error.why}").format(login=login)) from error


async def _hashed(password: str) -> str:
    hasher = Hasher()
    try:
        return await hasher.hash(password)
    finally:
        hasher.close()


def _password(arguments: Namespace, say: Say) -> str:
    """The first line of standard input. Raises UsageError where there is none, or it is not taken."""
    if not arguments.password_stdin:
        raise UsageError(say("user.stdin"))
    try:
        raw = sys.stdin.buffer.readline(_INPUT_BYTES_MAX + 1)
        password = raw.decode().rstrip("\r\n")
    except (OSError, ValueError, AttributeError):  # closed, or no text
        raise UsageError(say("user.no_text")) from None
    if not password:
        raise UsageError(say("user.no_password"))
    try:
        check_password(password, arguments.login)
    except WeakError as error:
        told = say(f"user.weak.{error.why}").format(least=CHARACTERS_MIN, most=CHARACTERS_MAX)
        raise UsageError(told) from None
    return password
