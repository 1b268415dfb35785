"""Power cuts and dead networks: one fault of the area with its list, and never a press that waits for it."""

from __future__ import annotations

import pytest
from harness import story

from devices.signal import SignalType
from dispatcher.core.commands import EndFault
from dispatcher.core.listening import LineUp
from dispatcher.store import StoreUnavailable
from stories.office import Office
from stories.places import town as places
from stories.test_faults import beat, open_faults, status

LOST, RESTORED = SignalType.MAINS_LOST, SignalType.MAINS_RESTORED


def homes(area, count, **device):
    """So many homes of an area with a device each: `c1-00` is that of the resident `h-c1-00`."""
    names = [f"{area}-{n:02}" for n in range(count)]
    return (
        [{"id": f"h-{name}", "name": name, "area": area} for name in names],
        [{"id": name, "resident": f"h-{name}", **device} for name in names],
    )


def many_homes(c1=20, c2=20, c3=20, streets=0, **more):
    """The town with so many homes in each community, and further streets with a community of ten homes each."""
    made = places(**more)
    for number in range(streets):
        made["areas"] += [
            {"code": f"s9{number}", "kind": "street", "parent": "d1"},
            {"code": f"c9{number}", "kind": "community", "parent": f"s9{number}"},
        ]
    for area, count in [("c1", c1), ("c2", c2), ("c3", c3), *((f"c9{n}", 10) for n in range(streets))]:
        residents, devices = homes(area, count)
        made["residents"] += residents
        made["devices"] += devices
    return made


def named(area, count, start=0):
    return [f"{area}-{n:02}" for n in range(start, count)]


def quiet(**how):
    return story(picture=False, **how)


def singles(town):
    return list(town.told("device.fault"))


@story(district=many_homes())
async def test_a_community_without_power_is_one_fault_with_its_list_and_its_owner(town):
    await beat(town, *named("c1", 15), kind=LOST)
    town.expect_silence()
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 15)
    [struck] = town.told("area.incident")
    assert struck.devices == tuple(named("c1", 15))
    assert struck.residents == tuple(f"h-{name}" for name in named("c1", 15))
    assert round((struck.due_us - town.clock.now_us()) / 60e6) == 120
    # A press out of the dark is a call at once, of its own, whatever else is told.
    first = await town.press("c1-03")
    second = await town.press("c1-04")
    assert first != second
    town.expect_offer("st-01", times=2)
    town.expect_wearer("c1-03", "received")
    town.expect_wearer("c1-04", "received")
    # Who goes dark later joins; it is told again once a minute at most.
    await beat(town, *named("c1", 18, 15), kind=LOST)
    await town.advance(seconds=30)
    town.expect_silence()
    await town.advance(seconds=40)
    town.expect_struck("c1", "power", "st-01", 18)
    assert open_faults(town) == {("area/c1", "area_incident")}
    await town.advance(seconds=60)
    for call in town.calls:
        await town.accept("st-01", call)
    town.out.clear()
    await beat(town, *named("c1", 17), kind=RESTORED)
    await town.advance(seconds=50)
    town.expect_silence()
    await town.advance(seconds=20)
    town.expect_well("c1")
    town.expect_fault("c1-17", "mains", "st-01")
    assert singles(town)[0].source == "native/c1-17"
    assert len(singles(town)) == 1
    await beat(town, "c1-17", kind=RESTORED)
    town.expect_restored("c1-17", fault="mains")
    town.out.clear()


@quiet(district=many_homes())
async def test_their_silence_is_the_networks_and_joins_what_the_mains_began(town):
    await status(town, "offline", *named("c2", 12))
    await town.advance(seconds=7)
    town.expect_struck("c2", "network", "st-03", 12)
    await status(town, "online", *named("c2", 12))
    await town.advance(seconds=70)
    town.expect_well("c2")
    # Some say that their mains are gone, the others cannot say anything any more.
    await beat(town, *named("c1", 5), kind=LOST)
    await status(town, "offline", *named("c1", 14, 5))
    await town.advance(seconds=2)
    await status(town, "offline", *named("c1", 3))
    await town.advance(seconds=8)
    town.expect_struck("c1", "power", "st-01", 14)
    assert open_faults(town) == {("area/c1", "area_incident")}
    # Heard again and lit again are two things.
    await status(town, "online", *named("c1", 14))
    await town.advance(minutes=10)
    town.expect_silence()
    await beat(town, *named("c1", 5), kind=RESTORED)
    await town.advance(seconds=70)
    town.expect_well("c1")
    assert singles(town) == []


@quiet(district=many_homes())
async def test_power_that_comes_and_goes_is_one_fault_and_not_ten(town):
    dark = named("c1", 20)
    await beat(town, *dark, kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 20)
    for _ in range(10):
        await beat(town, *dark, kind=RESTORED)
        await town.advance(seconds=45)
        await beat(town, *dark, kind=LOST)
        await town.advance(seconds=65)
    assert len({fault.id for fault in town.told("area.incident")}) == 1
    town.out.clear()
    await beat(town, *dark, kind=RESTORED)
    await town.advance(minutes=4)
    town.expect_silence()  # it came and went: this time it has to last
    await town.advance(minutes=2)
    town.expect_well("c1")
    assert len(town.told("area.incident_ended")) == 1
    assert singles(town) == []


@quiet(district=many_homes())
async def test_a_flicker_of_two_seconds_is_nothing(town):
    await beat(town, *named("c1", 20), kind=LOST)
    await town.advance(seconds=2)
    await beat(town, *named("c1", 20), kind=RESTORED)
    await town.advance(minutes=5)


@quiet(district=many_homes())
async def test_single_faults_that_were_told_before_end_in_the_areas(town):
    for number in range(4):
        await beat(town, f"c1-{number:02}", kind=LOST)
        await town.advance(seconds=20)
        town.expect_fault(f"c1-{number:02}", "mains", "st-01")
    await beat(town, *named("c1", 10, 4), kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 10)
    town.expect_restored(*named("c1", 4), fault="mains area_incident")
    assert open_faults(town) == {("area/c1", "area_incident")}


@quiet(district=many_homes())
async def test_a_few_in_a_large_community_are_a_few(town):
    await beat(town, *named("c1", 4), kind=LOST)
    await town.advance(seconds=5)
    for device in named("c1", 4):
        town.expect_fault(device, "mains", "st-01")
    await beat(town, *named("c1", 4), kind=RESTORED)
    town.expect_restored(*named("c1", 4), fault="mains")


@quiet(district=many_homes())
async def test_a_community_that_grows_into_its_street_is_the_streets_fault(town):
    await beat(town, *named("c1", 20), kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 20)
    await beat(town, *named("c2", 15), kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("s1", "power", "cen-1", 35)
    town.expect_well("c1", "area_incident")
    assert open_faults(town) == {("area/s1", "area_incident")}
    await beat(town, *named("c1", 20), *named("c2", 15), kind=RESTORED)
    await town.advance(seconds=70)
    town.expect_well("s1")
    assert singles(town) == []


@quiet(district=many_homes())
async def test_the_whole_district_without_power_is_one_fault_and_the_desks(town):
    everybody = [*named("c1", 20), *named("c2", 20), *named("c3", 20)]
    await beat(town, *everybody, kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("d1", "power", "desk", 60)
    await beat(town, *everybody, kind=RESTORED)
    await town.advance(seconds=70)
    town.expect_well("d1")


@quiet(district=many_homes(streets=84))
async def test_every_last_will_at_once_is_no_fault_of_eighty_six_communities(town):
    devices = [*named("c1", 20), *named("c2", 20), *named("c3", 20)]
    devices += [one for n in range(84) for one in named(f"c9{n}", 10)]
    await status(town, "offline", *devices)
    await town.advance(seconds=10)
    town.expect_fault("district/d1", "offline_many", "desk")
    await status(town, "online", *devices)
    await town.advance(seconds=10)
    town.expect_restored("district/d1", fault="offline_many")
    assert town.told("area.incident") == []


@quiet(district=many_homes(streets=84))
async def test_after_a_restart_of_our_broker_its_last_wills_are_forgiven_until_they_had_time_to_come_back(
    town,
):
    devices = [*named("c1", 20), *named("c2", 20), *named("c3", 20)]
    devices += [one for n in range(84) for one in named(f"c9{n}", 10)]
    town.lines = [LineUp("mqtt", "native", True, 1)]
    await town.advance(minutes=1)
    await beat(town, *devices, line="mqtt")
    # It is away for less than a look takes; what it had kept of everybody it says when it is there again.
    town.lines = [LineUp("mqtt", "native", True, 2)]
    await status(town, "offline", *devices)
    await town.advance(seconds=30)
    await status(town, "online", *devices[:-2])
    await town.advance(seconds=50)
    town.expect_silence()
    await town.advance(seconds=30)
    for device in devices[-2:]:  # those two really are gone
        town.expect_fault(device, "offline", "desk")


@quiet(district=many_homes())
async def test_a_person_ends_it_and_who_is_dark_still_has_a_fault_of_their_own(town):
    await beat(town, *named("c1", 12), kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 12)
    await beat(town, *named("c1", 10), kind=RESTORED)
    [fault] = town.desk.reports.faults.values()
    await town.ask(EndFault(by="s-1", fault=fault.id, text="the grid company was here"), call="-")
    await town.advance(seconds=5)
    town.expect_well("c1", "by_hand")
    [ended] = town.told("area.incident_ended")
    assert ended.by == "s-1"
    for device in named("c1", 12, 10):
        town.expect_fault(device, "mains", "st-01")


@quiet(district=many_homes())
async def test_it_goes_on_after_a_power_cut_of_our_own(town):
    await beat(town, *named("c1", 12), kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 12)
    await beat(town, *named("c1", 6), kind=RESTORED)
    await beat(town, *named("c1", 12, 6))
    await town.dark(minutes=1)
    await town.advance(minutes=2)
    town.expect_silence()
    await beat(town, *named("c1", 12, 6), kind=RESTORED)
    await town.advance(seconds=70)
    town.expect_well("c1")
    assert open_faults(town) == set()


@quiet(district=many_homes())
async def test_whoever_has_a_receipt_for_lost_mains_is_told_of_though_we_die_in_that_moment(town):
    await town.kill()
    from devices.signal import Signal

    now_us = town.clock.now_us()
    await town.inbox.put(
        [(Signal("native", name, LOST, f"m{name}"), now_us, "story") for name in named("c1", 12)]
    )
    await town.boot()
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 12)


@quiet(district=many_homes())
async def test_what_could_not_be_written_is_told_once_it_can(town):
    await beat(town, *named("c1", 12), kind=LOST)
    town.store.fail = lambda work: StoreUnavailable("disk full")
    await town.advance(seconds=20)
    town.expect_silence()
    town.store.fail = lambda work: None
    await town.advance(seconds=10)
    town.expect_struck("c1", "power", "st-01", 12)
    await beat(town, *named("c1", 12), kind=RESTORED)
    await town.advance(seconds=50)
    town.store.fail = lambda work: StoreUnavailable("disk full")
    await town.advance(seconds=20)
    town.store.fail = lambda work: None
    await town.advance(seconds=10)
    town.expect_well("c1")
    assert open_faults(town) == set()


@quiet(district=many_homes())
async def test_who_had_a_fault_of_its_own_is_still_known_to_when_the_shared_one_could_not_be_written(town):
    """Night 98 of the simulated world: it came back, and was called offline for ever."""
    await status(town, SignalType.OFFLINE, "c1-00")
    await town.advance(seconds=10)
    town.expect_fault("c1-00", "offline", "st-01")
    await status(town, SignalType.OFFLINE, *named("c1", 12, 1))
    town.store.fail = lambda work: StoreUnavailable("disk full")
    await town.advance(seconds=10)
    town.store.fail = lambda work: None
    await beat(town, "c1-00")
    await town.advance(seconds=1)
    town.expect_restored("c1-00", fault="offline")
    await town.advance(seconds=10)
    town.expect_struck("c1", "network", "st-01", 11)


@quiet(district=many_homes())
async def test_nobody_sees_to_it_and_it_is_the_desks(town):
    await beat(town, *named("c1", 12), kind=LOST)
    await town.advance(minutes=130)
    town.expect_struck("c1", "power", "st-01", 12)
    town.expect_struck("c1", "power", "desk", 12)
    assert [fault.overdue for fault in town.told("area.incident")] == [False, True]


@quiet(district=many_homes())
async def test_the_register_changes_under_it(town):
    await beat(town, *named("c1", 12), kind=LOST)
    await town.advance(seconds=5)
    town.expect_struck("c1", "power", "st-01", 12)
    await town.register.delete("stations", "st-01")
    await town.advance(seconds=10)
    town.expect_struck("c1", "power", "st-02", 12)
    for device in named("c1", 12, 1):
        await town.register.delete("devices", device)
    await town.advance(seconds=80)
    town.expect_silence()  # one of one is dark still
    await beat(town, "c1-00", kind=RESTORED)
    await town.advance(seconds=70)
    town.expect_well("c1")


HOOK = "http://hooks.example/areas"


@quiet(
    district=many_homes(
        webhooks=[{"id": "wh-1", "url": HOOK, "secret": "whsec_YWJj", "events": ["device.*", "area.*"]}]
    )
)
async def test_a_webhook_hears_of_the_area_and_not_of_each_of_them(town):
    office = await Office.at(town)
    await beat(town, *named("c1", 12), kind=LOST)
    await town.advance(seconds=20)
    town.expect_struck("c1", "power", "st-01", 12)
    await beat(town, *named("c1", 12), kind=RESTORED)
    await town.advance(seconds=80)
    town.expect_well("c1")
    assert office.types(HOOK) == ["area.incident", "area.incident_ended"]
    data = office.news[0][3]
    assert (data["area"], data["kind"], data["count"]) == ("c1", "power", 12)
    assert data["devices"] == named("c1", 12)


@pytest.mark.parametrize("devices", [1, 3])
def test_a_home_with_many_devices_is_one_home(devices):
    from harness import MORNING, play

    residents, _ = homes("c1", 30)
    made = places(
        residents=residents,
        devices=[{"id": f"x{n}-{d}", "resident": f"h-c1-{n:02}"} for n in range(30) for d in range(devices)],
    )

    async def tell(town):
        await beat(town, *(f"x{n}-{d}" for n in range(4) for d in range(devices)), kind=LOST)
        await town.advance(seconds=10)
        assert len(singles(town)) == 4 * devices
        assert town.told("area.incident") == []
        town.out.clear()

    play(tell, MORNING, made, 5.0)
