"""The small parts of logging in: which passwords are taken, an app's codes, how long one waits, what a mask hides."""

from __future__ import annotations

import asyncio

import pytest
from conftest import QUICK

from dispatcher.console import totp
from dispatcher.console.access import Access
from dispatcher.console.limits import Limits, keys
from dispatcher.console.masking import masked, put_back
from dispatcher.console.passwords import (
    NOBODYS,
    PIN_DIGITS,
    Busy,
    Hasher,
    WeakError,
    Why,
    check_password,
    check_pin,
)
from dispatcher.console.problems import Problem
from dispatcher.core.district import Contact, Resident, Role

SECOND = 1_000_000
#: Somebody who has logged in: they see numbers masked.
PERSON = Access(id="s-1", role=Role.STATION, session="s")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", Why.SHORT),
        ("ninechars", Why.SHORT),
        ("短密码不够长", Why.SHORT),
        ("x" * 257, Why.LONG),
        ("1234567890", Why.COMMON),
        ("Password1234", Why.COMMON),
        ("woaini1314520", Why.COMMON),
        ("１２３４５６７８９０", Why.COMMON),
        ("abababababab", Why.COMMON),
        ("s-wang-001!2024", Why.LOGIN),
    ],
)
def test_a_weak_password_is_not_taken(password, why):
    with pytest.raises(WeakError) as error:
        check_password(password, "s-wang-001")
    assert error.value.why is why


@pytest.mark.parametrize(
    "password", ["correct horse", "红烧肉要慢慢炖才好吃", "tr0ub4dor&3x", "   spaces too   "]
)
def test_others_are(password):
    check_password(password, "s-1")


@pytest.mark.parametrize(
    "pin", ["", "123", "4711x", "0000", "99999", "1234", "8765", "7890", "1" * 9, "٤٧١١"]
)
def test_a_plain_pin_is_not_taken(pin):
    with pytest.raises(WeakError) as error:
        check_pin(pin)
    digits = pin.isascii() and pin.isdigit() and len(pin) in PIN_DIGITS
    assert error.value.why is (Why.PLAIN_PIN if digits else Why.PIN)


@pytest.mark.parametrize("pin", ["4711", "10293847", "１９８４"])
def test_other_pins_are(pin):
    check_pin(pin)


async def test_a_password_fits_itself_however_it_was_typed():
    hasher = Hasher(QUICK)
    kept = await hasher.hash("密码 ABC１２３")
    assert kept.startswith("$argon2id$")
    assert "ABC" not in kept
    assert await hasher.fits(kept, "密码 ABC123")
    assert not await hasher.fits(kept, "密码 ABC124")
    assert not await hasher.fits("no hash at all", "密码 ABC123")
    assert not await hasher.fits(NOBODYS, "密码 ABC123")
    assert await hasher.hash("x") != await hasher.hash("x"), "each has its own salt"


async def test_an_unknown_login_costs_what_a_known_one_does():
    assert Hasher().is_old(await Hasher(QUICK).hash("x"))
    assert not Hasher().is_old(NOBODYS), "it is compared at the same cost"


async def test_so_many_wait_and_no_more():
    hasher = Hasher(QUICK)
    hashing = [asyncio.create_task(hasher.hash(str(number))) for number in range(60)]
    done = await asyncio.gather(*hashing, return_exceptions=True)
    assert sum(isinstance(one, Busy) for one in done) == 60 - 33
    assert (await hasher.hash("afterwards")).startswith("$argon2id$")


async def test_whoever_goes_away_is_counted_until_their_look_has_ended():
    hasher = Hasher()
    looking = [asyncio.create_task(hasher.fits(NOBODYS, "x")) for _ in range(4)]
    await asyncio.sleep(0)
    for task in looking:
        task.cancel()
    await asyncio.gather(*looking, return_exceptions=True)
    assert hasher._at_work == 4
    while hasher._at_work:
        await asyncio.sleep(0.01)


# ── an app's codes: the vectors of RFC 6238, appendix B, their last six digits ────────────────────────────────────────


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_the_rfc(second, code):
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.code(secret, second // 30) == code
    assert totp.fits(secret, code, second * SECOND, last=0) == second // 30
    assert totp.fits(secret, f"{code[:3]} {code[3:]}", (second + 29) * SECOND, last=0) == second // 30
    assert totp.fits(secret, code, second * SECOND, last=second // 30) is None, "good once"
    assert totp.fits(secret, code, (second + 90) * SECOND, last=0) is None
    for wrong in ("", "000000x", "一二三四五六", code[:5], code + "0"):
        assert totp.fits(secret, wrong, second * SECOND, last=0) is None


# ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def fail(limits: Limits, of, now_us: int, times: int) -> float:
    """So many wrong ones, each as soon as it may be; the wait before the next, in seconds."""
    for _ in range(times):
        wait = limits.begin(of, now_us)
        now_us += round(wait * SECOND)
        assert wait == 0 or limits.begin(of, now_us) == 0
    return limits.begin(of, now_us)


def test_the_wait_grows_and_has_a_longest():
    limits, of = Limits(), keys("s-1", "192.0.2.1")
    assert [fail(limits, of, 0, 5)] == [1.0]
    waits, now_us = [], 0
    for _ in range(12):
        wait = limits.begin(of, now_us)
        waits.append(wait)
        now_us += round(wait * SECOND)
        assert limits.begin(of, now_us) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert limits.begin(of, now_us + 3601 * SECOND) == 0, "an hour later it is forgotten"


def test_waiting_does_not_make_it_longer():
    limits, of = Limits(), keys("s-1", "192.0.2.1")
    fail(limits, of, 0, 5)
    assert {limits.begin(of, 0) for _ in range(1000)} == {1.0}
    assert limits.begin(of, SECOND) == 0


def test_somebody_elsewhere_is_not_kept_waiting():
    limits = Limits()
    fail(limits, keys("s-1", "192.0.2.1"), 0, 5)
    assert limits.begin(keys("s-1", "192.0.2.2"), 0) == 0
    assert limits.begin(keys("s-2", "192.0.2.1"), 0) == 0


def test_many_addresses_slow_a_login_down_by_half_a_minute_at_most_and_a_colleagues_pc_not_at_all():
    limits, now_us = Limits(), 0
    for number in range(300):
        of = keys("s-1", f"192.0.2.{number}")
        now_us += round(limits.begin(of, now_us) * SECOND)
        limits.begin(of, now_us)
    assert limits.begin(keys("s-1", "198.51.100.1"), now_us) == 30
    assert limits.begin(keys("s-1", "198.51.100.1", "s-2"), now_us) == 0


def test_who_is_logged_in_guesses_no_faster_and_a_right_login_of_ones_own_buys_no_more_tries():
    limits = Limits()
    for _ in range(5):
        assert limits.begin(keys("s-1", "192.0.2.1", "s-9"), 0) == 0
        own = keys("s-9", "192.0.2.1", "s-9")
        assert limits.begin(own, 0) == 0
        limits.right(own)
    assert limits.begin(keys("s-1", "192.0.2.1", "s-9"), 0) == 1
    others = [limits.begin(keys(f"s-{number}", "", "s-9"), 0) for number in range(100, 200)]
    assert others.count(0) == 45, "and fifty of all logins together"


def test_a_right_one_begins_anew():
    limits, of = Limits(), keys("s-1", "192.0.2.1")
    fail(limits, of, 0, 4)
    limits.right(of)
    assert fail(limits, of, 0, 4) == 0


def test_a_password_set_at_the_command_line_ends_the_waiting():
    limits, of = Limits(), keys("s-1", "192.0.2.1")
    fail(limits, of, 10 * SECOND, 7)
    assert not limits.anew(of, 9 * SECOND)
    assert limits.begin(of, 14 * SECOND) > 0
    assert limits.anew(of, 15 * SECOND)
    assert limits.begin(of, 15 * SECOND) == 0


def test_a_clock_that_is_put_back_makes_nobody_wait_for_years():
    limits, of = Limits(), keys("s-1", "192.0.2.1")
    fail(limits, of, 10**15, 8)
    assert limits.begin(of, 0) <= 16


def test_it_remembers_no_more_than_so_many():
    limits = Limits()
    for number in range(12_000):
        limits.begin(keys(f"s-{number}", f"{number}"), 0)
    assert len(limits._counts) <= 10_000


# ── masks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("13800000001", "138****0001"),
        ("+86 138 0000 0001", "+86138****0001"),
        ("+999-555-0000-0001", "+999555****0001"),
        ("0374-2345678", "037****5678"),
        ("2345678", "23****78"),
        ("12349", "****"),
        ("老李家", "****"),
        ("", ""),
    ],
)
def test_the_middle_of_a_number_is_hidden(phone, shown):
    assert masked(phone) == shown


def test_a_masked_number_that_comes_back_is_as_it_was():
    kept = Resident(
        id="r-1",
        phone="13800000001",
        contacts=[Contact(name="女儿", phone="13900000002"), Contact(name="儿子", phone="13900000003")],
    )
    came = {
        "phone": "138****0001",
        "contacts": [{"name": "儿子", "phone": "139****0003"}, {"name": "大女儿", "phone": "13711111111"}],
    }
    assert put_back(PERSON, came, kept) == {
        "phone": "13800000001",
        "contacts": [{"name": "儿子", "phone": "13900000003"}, {"name": "大女儿", "phone": "13711111111"}],
    }


@pytest.mark.parametrize(
    ("came", "field"),
    [
        ({"phone": "139****0001"}, "phone"),
        ({"contacts": [{"name": "x", "phone": "****"}]}, "contacts[0].phone"),
    ],
)
def test_a_number_of_stars_is_none(came, field):
    with pytest.raises(Problem) as error:
        put_back(PERSON, came, Resident(id="r-1", phone="13800000001"))
    assert error.value.field == field
    with pytest.raises(Problem):
        put_back(PERSON, came, None)
    assert put_back(PERSON, {"phone": 7, "contacts": "x"}, None) == {"phone": 7, "contacts": "x"}, (
        "others say what"
    )
