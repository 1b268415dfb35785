"""Passwords and PINs: which are taken, and how they are kept: argon2id, in threads of their own.

    hasher = Hasher()
    kept = await hasher.hash("correct horse battery")      "$argon2id$v=19$m=47104,t=1,p=1$…"
    await hasher.fits(kept, "correct horse battery")       True

One look costs 46 MiB and tens of milliseconds on purpose. So one goes on at a time, in a thread that gives way to
everybody else, and a bounded number waits: a press never does. Errors: `WeakError` with a reason, `Busy`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

CHARACTERS_MIN = 10
#: What may be typed: more is no password, and costs us time.
CHARACTERS_MAX = 256
PIN_DIGITS = range(4, 9)

#: OWASP's first choice for argon2id: 46 MiB, one pass, one lane (so that one look is one thread).
_HASHING = PasswordHasher(
    time_cost=1, memory_cost=47_104, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
#: Fits nothing, and takes as long to find that out as any other: what an unknown login is compared with.
NOBODYS = f"$argon2id$v=19$m=47104,t=1,p=1${'Ab0' * 7}A${'Cd1' * 14}A"

_AT_ONCE = 1
_WAITING_MAX = 32
_NICE = 10

#: The commonest of ten characters and more in published lists of leaked passwords; compared in lower case.
_COMMON_TEXT = """
1234567890 0123456789 12345678910 123456789a a123456789 1234567891 123456789q 123456789z 987654321a 9876543210
0987654321 1111111111 0000000000 1122334455 1212121212 1231231231 123123123a 147258369a 1472583690 1357924680
qwertyuiop qwerty12345 qwerty123456 1qaz2wsx3edc qazwsxedcrfv 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4t5 q1w2e3r4t5y6
asdfghjkl1 asdfghjkl; zxcvbnm123 zxcvbnm1234 abcdefghij abcd123456 abc1234567 abc123456789 aa12345678
password12 password123 password1234 password12345 passw0rd123 p@ssw0rd123 p@ssword123 administrator admin12345
admin123456 administrator1 welcome123 welcome1234 iloveyou123 iloveyou12 letmein123 changeme123 default123
qwerasdfzxcv qweasdzxc123 woaini1314 woaini1314520 woaini520 woaini520520 woaini521 woaini5201314 5201314520
1314520520 5201314woaini wodemima123 mima123456 zhang123456 wang123456 li123456789 woshishui1 taobao123456
yijian12345 yijian123456 yijianhujiao 1234512345 5555555555 6666666666 8888888888 9999999999 1123581321
football123 baseball123 superman123 sunshine123 princess123 computer123 internet123 samsung123 michael123
"""
_COMMON = frozenset(_COMMON_TEXT.split())


class Why(StrEnum):
    """Why a password or a PIN is not taken."""

    SHORT = "short"
    LONG = "long"
    COMMON = "common"
    LOGIN = "login"
    PIN = "pin"
    PLAIN_PIN = "plain_pin"


_TOLD = {
    Why.SHORT: f"needs at least {CHARACTERS_MIN} characters",
    Why.LONG: f"at most {CHARACTERS_MAX} characters",
    Why.COMMON: "is one of the commonest: whoever guesses tries it first",
    Why.LOGIN: "is much like the login",
    Why.PIN: f"{PIN_DIGITS[0]} to {PIN_DIGITS[-1]} digits are needed",
    Why.PLAIN_PIN: "is too plain: not all the same, not counting up or down",
}


class WeakError(ValueError):
    """It is not taken; `why` says for what reason."""

    def __init__(self, why: Why) -> None:
        super().__init__(_TOLD[why])
        self.why = why


class Busy(Exception):  # noqa: N818 - nobody's fault
    """So many are being looked at that this one is not even queued: again in a second."""


def typed(secret: str) -> str:
    """The same characters however a keyboard makes them: a Chinese input method gives full-width digits."""
    return unicodedata.normalize("NFKC", secret)


def check_password(password: str, login: str) -> None:
    """Raises WeakError where it is not taken."""
    password = typed(password)
    if len(password) < CHARACTERS_MIN:
        raise WeakError(Why.SHORT)
    if len(password) > CHARACTERS_MAX:
        raise WeakError(Why.LONG)
    plain = password.lower()
    if plain in _COMMON or len(set(plain)) < 4:
        raise WeakError(Why.COMMON)
    if login and plain.replace(login.lower(), "").strip("0123456789!.-_ ") == "" and login.lower() in plain:
        raise WeakError(Why.LOGIN)


def check_pin(pin: str) -> None:
    """Raises WeakError where it is not taken."""
    pin = typed(pin)
    if not (pin.isascii() and pin.isdigit() and len(pin) in PIN_DIGITS):
        raise WeakError(Why.PIN)
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if steps in ({0}, {1}, {9}):
        raise WeakError(Why.PLAIN_PIN)


class Hasher:
    """Threads that hash. `hashing`: what it costs; tests take less."""

    def __init__(self, hashing: PasswordHasher = _HASHING) -> None:
        self._hashing = hashing
        self._threads = ThreadPoolExecutor(_AT_ONCE, "argon2", initializer=_give_way)
        self._at_work = 0

    async def hash(self, secret: str) -> str:
        """How it is kept. Raises Busy."""
        return await self._in_thread(self._hashing.hash, typed(secret))

    async def fits(self, kept: str, secret: str) -> bool:
        """Whether it is the one. Raises Busy."""
        return await self._in_thread(self._fits, kept, typed(secret))

    def is_old(self, kept: str) -> bool:
        """Whether it was kept at another cost than today's."""
        return self._hashing.check_needs_rehash(kept)

    def close(self) -> None:
        """No more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fits(self, kept: str, secret: str) -> bool:
        try:
            return self._hashing.verify(kept, secret)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[..., T], *values: str) -> T:
        if self._at_work >= _AT_ONCE + _WAITING_MAX:
            raise Busy
        self._at_work += 1
        doing = asyncio.get_running_loop().run_in_executor(self._threads, work, *values)
        doing.add_done_callback(self._done)
        # Whoever asked may go away; the thread goes on, and is counted until it has ended.
        return await asyncio.shield(doing)

    def _done(self, doing: asyncio.Future[T]) -> None:
        self._at_work -= 1
        if not doing.cancelled():
            doing.exception()  # looked at, also when nobody waits for it any more


def _give_way() -> None:
    """Linux counts niceness by the thread: whoever presses comes first."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
