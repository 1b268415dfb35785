"""Tokens: shown once, kept as a hash, scoped, revocable, and believed when the database is away."""

from __future__ import annotations

import pytest
from console_rooms import World

from dispatcher.console.tokens import ADMIN, TokenError, Tokens
from dispatcher.core.district import Role
from dispatcher.store import StoreUnavailable
from dispatcher.tables import tokens as table


@pytest.fixture
def own(world: World) -> Tokens:
    return Tokens(world.store, world.clock, world.ids, fixed={"the-administrators": ADMIN})


async def test_made_once_and_kept_as_a_hash(own, world):
    issued = await own.create(Role.STATION, station="st-1", staff="s-1")
    assert issued.secret.startswith("yj_")
    assert len(issued.secret) >= 35
    assert issued.secret not in repr(issued)
    rows = await world.store.read(table.select())
    assert issued.secret not in str(rows)
    access = await own.lookup(issued.secret)
    assert (access.id, access.role, access.station, access.staff) == (issued.id, Role.STATION, "st-1", "s-1")
    assert access.by == "s-1"
    assert len({(await own.create(Role.DISTRICT)).secret for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("role", "field"),
    [
        (Role.STREET, "area"),
        (Role.COMMUNITY, "area"),
        (Role.GRID, "area"),
        (Role.STATION, "station"),
        (Role.VOLUNTEER, "staff"),
    ],
)
async def test_a_narrow_role_needs_its_bounds(own, role, field):
    with pytest.raises(TokenError) as error:
        await own.create(role)
    assert error.value.field == field


@pytest.mark.parametrize("secret", ["", "x", "yj_", "a" * 10_000, "一", "\x00", "the-administrator"])
async def test_nobody_is_known_by_nonsense(own, secret):
    assert await own.lookup(secret) is None


async def test_the_administrator_of_the_settings(own):
    assert await own.lookup("the-administrators") is ADMIN
    assert ADMIN.by == "admin"
    assert await Tokens(own._store, own._clock, own._ids, fixed={"": ADMIN}).lookup("") is None


async def test_revoked_is_good_for_nothing(own, world):
    issued = await own.create(Role.DISTRICT)
    assert await own.lookup(issued.secret) is not None
    assert await own.revoke(issued.id)
    assert await own.lookup(issued.secret) is None
    assert not await own.revoke(issued.id)
    assert not await own.revoke("t-nothing")
    [listed] = await own.list()
    assert (listed.id, listed.revoked_us) == (issued.id, world.clock.us)


async def test_another_process_may_revoke(own, world):
    issued = await own.create(Role.DISTRICT)
    await own.lookup(issued.secret)
    await Tokens(world.store, world.clock, world.ids).revoke(issued.id)
    world.clock.us += 1_000_001
    assert await own.lookup(issued.secret) is None


async def test_a_database_that_is_away_changes_nobodys_rights(own, world, monkeypatch):
    issued = await own.create(Role.DISTRICT)
    await own.lookup(issued.secret)
    world.clock.us += 60_000_000

    async def away(*_):
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "read", away)
    assert (await own.lookup(issued.secret)).id == issued.id
    with pytest.raises(StoreUnavailable):
        await own.lookup("yj_somebody-never-seen")


async def test_it_remembers_no_more_than_so_many(own):
    for number in range(5000):
        await own.lookup(f"yj_{number}")
    assert len(own._known) <= 4096


async def test_a_key_made_by_hand_over_http(own, api, client, tokens):
    issued = await tokens.create(Role.COMMUNITY, area="411002001001")
    async with client.get("/api/v1/me", headers={"Authorization": f"Bearer {issued.secret}"}) as response:
        me = await response.json()
    assert (me["id"], me["role"], me["area"]) == (issued.id, "community", "411002001001")
