"""Logins, sessions and the audit log on both databases, and how long they are kept."""

from __future__ import annotations

import asyncio

import databases
import pytest

from config.doors import ClockIds
from dispatcher import bounds
from dispatcher.console.audit import Audit, Entry
from dispatcher.console.endpoint import Act
from dispatcher.console.sessions import LASTS_US, Sessions
from dispatcher.console.users import UserError, Users, Why
from dispatcher.housekeeping import Housekeeping
from dispatcher.register import Register
from dispatcher.tables import audit, sessions, users

NOW_US = 1_795_000_000_000_000
DAY_US = 86_400_000_000


class Clock:
    def __init__(self) -> None:
        self.us = NOW_US

    def now_us(self) -> int:
        return self.us


class House:
    def __init__(self) -> None:
        self.store, self.clock = databases.inline(), Clock()
        self.register = Register(self.store, self.clock)
        self.users = Users(self.store, self.clock, self.register.rolls)
        self.sessions = Sessions(self.store, self.clock, ClockIds(self.clock))

    async def open(self) -> House:
        await self.register.load()
        for login in ("s-1", "s-2"):
            await self.register.put("staff", {"id": login, "role": "district"})
        return self

    async def count(self, table) -> int:
        return len(await self.store.read(table.select()))


@pytest.fixture
async def house(database) -> House:
    return await House().open()


async def test_a_login_is_made_changed_and_ended_each_with_its_line(house):
    await house.users.add("s-1", "kept", "cli")
    with pytest.raises(UserError) as error:
        await house.users.add("s-1", "other", "cli")
    assert error.value.why is Why.THERE
    with pytest.raises(UserError) as error:
        await house.users.set_password("s-2", "other", "cli")
    assert error.value.why is Why.UNKNOWN
    user = await house.users.find("s-1")
    assert (user.password, user.pin, user.totp, user.disabled_us) == ("kept", "", "", None)
    assert "kept" not in repr(user)
    house.clock.us += 5
    await house.users.set_password("s-1", "new", "s-1")
    await house.users.set_pin("s-1", "pin", "s-1")
    await house.users.set_totp("s-1", "secret", "cli")
    await house.users.rehash("s-1", "old one", "never")
    await house.users.rehash("s-1", "new", "newer")
    await house.users.disable("s-1", "cli")
    user = await house.users.find("s-1")
    assert (user.password, user.pin, user.totp, user.disabled_us) == ("newer", "pin", "secret", NOW_US + 5)
    assert (user.created_us, user.changed_us) == (NOW_US, NOW_US + 5)
    await house.users.disable("s-1", "cli", disabled=False)
    assert (await house.users.find("s-1")).disabled_us is None
    rows = await house.store.read(audit.select().order_by(audit.c.seq))
    assert [(row[2], row[3], row[4], row[5]) for row in rows] == [
        ("cli", "add", "users", "s-1"),
        ("s-1", "change", "users/password", "s-1"),
        ("s-1", "change", "users/pin", "s-1"),
        ("cli", "change", "users/totp", "s-1"),
        ("cli", "change", "users/disabled", "s-1"),
        ("cli", "change", "users/enabled", "s-1"),
    ]
    assert {row[6] for row in rows} == {"default"}


async def test_a_code_is_good_once(house):
    await house.users.add("s-1", "kept", "cli")
    await house.users.set_totp("s-1", "secret", "cli")
    used = await asyncio.gather(*(house.users.use_code("s-1", 7) for _ in range(3)))
    assert sorted(used) == [False, False, True]
    assert not await house.users.use_code("s-1", 6)
    assert await house.users.use_code("s-1", 8)


async def test_sessions_begin_go_on_and_end(house):
    first = await house.sessions.begin("s-1", "password")
    house.clock.us += 1000
    second = await house.sessions.begin("s-1", "pin")
    assert first.secret not in repr(first)
    assert (await house.sessions.lookup(first.secret)).staff == "s-1"
    assert await house.sessions.lookup(second.secret + "x") is None
    assert [one.how for one in await house.sessions.of("s-1")] == ["pin", "password"]
    assert not await house.sessions.end(first.id, "s-2"), "somebody else's"
    assert await house.sessions.end(first.id, "s-1")
    assert await house.sessions.lookup(first.secret) is None
    house.clock.us += LASTS_US - 1
    assert await house.sessions.lookup(second.secret) is not None
    house.clock.us += LASTS_US - 1
    other = Sessions(house.store, house.clock, ClockIds(house.clock))
    assert await other.lookup(second.secret) is not None, "another process knows that it was used"
    house.clock.us += LASTS_US
    assert await other.lookup(second.secret) is None
    assert await house.sessions.of("s-1") == []


async def test_another_password_and_a_disabled_login_end_sessions_in_every_process(house):
    await house.users.add("s-1", "kept", "cli")
    mine, other = [await house.sessions.begin("s-1", "password") for _ in range(2)]
    for begun in (mine, other):
        assert await house.sessions.lookup(begun.secret) is not None
    await house.users.set_password("s-1", "new", "s-1", but=mine.id)
    house.clock.us += 1_000_000
    assert await house.sessions.lookup(other.secret) is None
    assert await house.sessions.lookup(mine.secret) is not None
    await house.users.disable("s-1", "cli")
    house.clock.us += 1_000_000
    assert await house.sessions.lookup(mine.secret) is None


async def test_one_person_has_a_hundred_at_most(house):
    begun = []
    for _ in range(105):
        house.clock.us += 1000
        begun.append(await house.sessions.begin("s-1", "password"))
    assert await house.count(sessions) == 100
    assert await house.sessions.lookup(begun[0].secret) is None
    assert await house.sessions.lookup(begun[-1].secret) is not None


async def test_a_login_goes_with_its_person(house):
    await house.users.add("s-1", "kept", "cli")
    await house.users.add("s-2", "kept", "cli")
    begun = await house.sessions.begin("s-1", "password")
    await house.register.delete("staff", "s-1")
    assert [user.id for user in await house.users.list()] == ["s-2"]
    assert await house.count(sessions) == 0
    house.clock.us += 1_000_000
    assert await house.sessions.lookup(begun.secret) is None


async def test_what_is_past_its_time_is_let_go(house):
    assert bounds.BOUNDS["audit"].days == 1095
    log = Audit(house.store, house.clock)
    for days in (0, 1090, 1096):
        await log.keep(
            Entry(at_us=NOW_US - days * DAY_US, by="s-1", act=Act.LOOK, what="residents", id=f"{days}")
        )
    await house.users.add("s-1", "kept", "cli")
    await house.users.add("ghost", "kept", "cli")
    await house.sessions.begin("s-1", "password")
    house.clock.us += 2 * DAY_US
    await Housekeeping(house.store, house.clock).once()
    rows = await house.store.read(audit.select().where(audit.c.what == "residents").order_by(audit.c.seq))
    assert [row[5] for row in rows] == ["0", "1090"]
    assert [row[0] for row in await house.store.read(users.select())] == ["s-1"]
    assert await house.count(sessions) == 1
    house.clock.us += 31 * DAY_US
    await Housekeeping(house.store, house.clock).once()
    assert await house.count(sessions) == 0
