"""Devices that fall silent, run low, are opened, come back; whose task that is, and by when. Presses pass by all of it."""

from __future__ import annotations

import asyncio
import contextlib

from harness import story

from devices.signal import Signal, SignalType
from dispatcher import fault_rounds
from dispatcher.core.commands import EndFault
from dispatcher.core.listening import LineUp
from dispatcher.store import StoreUnavailable
from stories.places import town as places

BEAT = 60


def watched(count=4, *, hubs=0, **more):
    """The town with so many more devices that beat once a minute (b-00 …), of which r-01 has all."""
    made = places(**more)
    made["devices"] = [
        {**device, "heartbeat": BEAT} if device["id"] == "btn-01" else device for device in made["devices"]
    ]
    made["devices"] += [{"id": f"b-{n:02}", "resident": "r-01", "heartbeat": BEAT} for n in range(count)]
    made["devices"] += [{"id": f"hub-{n}", "heartbeat": BEAT} for n in range(hubs)]
    return made


def quiet(**how):
    return story(**{"picture": False, "poll": 60, **how})


async def beat(town, *devices, kind=SignalType.HEARTBEAT, line="story", **details):
    """Each says something of itself, as one batch."""
    now_us = town.clock.now_us()
    said = [
        (Signal("native", one, kind, f"h{next(town._refs)}", details=dict(details)), now_us, line)
        for one in devices
    ]
    await town.inbox.put(said)
    await town.settle()


async def status(town, state, *devices, retained=False):
    details = {"retained": True} if retained else {}
    now_us = town.clock.now_us()
    await town.inbox.put(
        [(Signal("native", one, SignalType(state), "", details=details), now_us, "story") for one in devices]
    )
    await town.settle()


def open_faults(town):
    return {(one.device or source, name) for (source, name), one in town.desk.reports.faults.items()}


@story(district=watched(0))
async def test_three_heartbeats_missed_and_a_tenth_more_is_offline_and_the_nearest_station_has_two_hours(
    town,
):
    await beat(town, "btn-01")
    await town.advance(seconds=3 * BEAT * 1.1 - 1)
    town.expect_silence()
    await town.advance(seconds=10)
    town.expect_fault("btn-01", "offline", "st-01")
    [fault] = town.told("device.fault")
    assert fault.area == "c1"
    assert round((fault.due_us - town.clock.now_us()) / 60e6) == 120
    await town.advance(minutes=125)
    town.expect_fault("btn-01", "offline", "desk", overdue=True)
    await beat(town, "btn-01")
    town.expect_restored("btn-01", fault="offline")
    assert open_faults(town) == set()


@quiet(district=watched(0))
async def test_a_heartbeat_that_jitters_is_no_fault(town):
    for pause in (61, 120, 190, 30, 197, 5, 196):
        await beat(town, "btn-01")
        await town.advance(seconds=pause)


@quiet()
async def test_a_device_without_a_heartbeat_is_not_supervised_by_silence(town):
    await beat(town, "btn-02")
    await town.advance(hours=3)


@quiet(district=watched(0))
async def test_a_device_that_was_never_heard_is_offline_too(town):
    await town.advance(minutes=5)
    town.expect_fault("btn-01", "offline", "st-01")


@story(district=watched(0))
async def test_its_last_will_is_told_after_a_moment_and_a_quick_return_is_not(town):
    await beat(town, "btn-01")
    await status(town, "offline", "btn-01")
    await town.advance(seconds=3)
    await status(town, "online", "btn-01")
    await town.advance(seconds=10)
    town.expect_silence()
    await status(town, "offline", "btn-01")
    await town.advance(seconds=7)
    town.expect_fault("btn-01", "offline", "st-01")
    await status(town, "online", "btn-01")
    town.expect_restored("btn-01")


@quiet(district=watched(0))
async def test_a_status_that_the_broker_kept_is_no_sign_of_life(town):
    await town.advance(minutes=5)
    town.expect_fault("btn-01", "offline", "st-01")
    await status(town, "online", "btn-01", retained=True)
    await town.advance(minutes=1)
    assert open_faults(town) == {("btn-01", "offline")}
    # But what somebody's last will said, it takes back.
    await status(town, "offline", "btn-02", retained=True)
    await town.advance(seconds=10)
    town.expect_fault("btn-02", "offline", "st-01")
    await status(town, "online", "btn-02", retained=True)
    town.expect_restored("btn-02")


@story(district=watched(0))
async def test_a_press_of_a_device_in_every_kind_of_fault_is_a_press_at_once(town):
    await beat(town, "btn-01", kind=SignalType.BATTERY_LOW)
    await beat(town, "btn-01", kind=SignalType.TAMPER)
    await beat(town, "btn-01", kind=SignalType.MAINS_LOST)
    await status(town, "offline", "btn-01")
    await town.advance(seconds=10)
    for fault in ("battery", "tamper", "mains", "offline"):
        town.expect_fault("btn-01", fault, "st-01")
    await town.press("btn-01")
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
    town.expect_restored("btn-01", fault="offline")
    opened = next(event.entry for event in town.events if event.name == "call.opened")
    assert opened.at_us == town.clock.now_us()


@quiet()
async def test_whoever_has_a_receipt_has_the_fault_on_disk(town):
    await town.kill()
    await town.inbox.put(
        [(Signal("native", "btn-01", SignalType.BATTERY_LOW, "b1"), town.clock.now_us(), "story")]
    )
    await town.boot()
    town.expect_fault("btn-01", "battery", "st-01")


@quiet()
async def test_a_fault_that_could_not_be_stored_is_told_by_the_next_word(town):
    town.store.fail = lambda work: StoreUnavailable("disk full")
    for _ in range(2):
        with contextlib.suppress(StoreUnavailable):
            await beat(town, "btn-01", battery=9)
    town.store.fail = lambda work: None
    await town.advance(seconds=10)
    town.expect_silence()
    await beat(town, "btn-01", battery=9)
    town.expect_fault("btn-01", "battery", "st-01")


@quiet()
async def test_a_battery_by_its_figure_has_two_marks_and_nothing_between_them_changes_it(town):
    for level in (80, 15, 14, 20, 14.9, 25, 26, 40):
        await beat(town, "btn-01", battery=level)
    town.expect_fault("btn-01", "battery", "st-01")
    town.expect_restored("btn-01", fault="battery")
    [fault] = town.told("device.fault")
    assert fault.detail == "14 %"
    assert round((fault.due_us - town.clock.now_us()) / 3600e6) == 24
    # Called low by the device itself at a higher figure, it must have gained on that.
    await beat(town, "btn-01", kind=SignalType.BATTERY_LOW, battery=30)
    await beat(town, "btn-01", battery=31)
    town.expect_fault("btn-01", "battery", "st-01")
    await beat(town, "btn-01", battery=41)
    town.expect_restored("btn-01")
    await beat(town, "btn-01", kind=SignalType.BATTERY_LOW)
    await beat(town, "btn-01", kind=SignalType.BATTERY_OK)
    town.expect_fault("btn-01", "battery", "st-01")
    town.expect_restored("btn-01")


@quiet(district=watched(30))
async def test_many_last_wills_at_once_are_one_fault_and_it_ends_when_nearly_all_are_back(town):
    everybody = [f"b-{n:02}" for n in range(30)]
    await beat(town, *everybody, "btn-01")
    await status(town, "offline", *everybody)
    await town.advance(seconds=10)
    town.expect_fault("district/d1", "offline_many", "desk")
    [fault] = town.told("device.fault")
    assert (len(fault.devices), fault.count) == (30, 30)
    assert town.supervision.offline == 30
    await town.press("b-07")
    town.expect_offer("st-01")
    await town.accept("st-01")
    town.expect_wearer("b-07", "received", "accepted")
    await status(town, "online", *everybody[:26])
    await beat(town, "btn-01")
    await town.advance(seconds=10)
    town.expect_silence()
    await status(town, "online", everybody[26])
    await beat(town, "btn-01")
    await town.advance(seconds=10)
    town.expect_restored("district/d1", fault="offline_many")
    for device in everybody[27:]:
        town.expect_fault(device, "offline", "st-01")
    await beat(town, *everybody, "btn-01")
    town.expect_restored(*everybody[27:])


@quiet(district=watched(12))
async def test_silence_that_spreads_over_a_minute_is_one_fault_and_takes_in_the_first_of_them(town):
    devices = [f"b-{n:02}" for n in range(12)]
    for device in devices:
        await beat(town, device)
        await town.advance(seconds=5)
    for _ in range(60):
        await beat(town, "btn-01")
        await town.advance(seconds=5)
    faults = [fault.fault for fault in town.told("device.fault")]
    assert faults.count("offline_many") in {1, 2}  # it may have grown once
    assert open_faults(town) == {("district/d1", "offline_many")}
    assert town.supervision.offline == 12
    town.out.clear()


@quiet(district=watched(9))
async def test_nine_are_nine_faults(town):
    devices = [f"b-{n:02}" for n in range(9)]
    await status(town, "offline", *devices)
    await town.advance(seconds=10)
    for device in devices:
        town.expect_fault(device, "offline", "st-01")
    await beat(town, "btn-01")


@quiet(district=watched(20, hubs=5))
async def test_a_hub_that_is_gone_is_one_fault_with_all_that_speak_through_it(town):
    hubs = [f"hub-{n}" for n in range(5)]
    behind = [f"b-{n:02}" for n in range(20)]
    for _ in range(4):
        await beat(town, "btn-01", *hubs)
        await beat(town, *behind, via="hub-0")
        await town.advance(seconds=50)
    await status(town, "offline", "hub-0")
    for _ in range(10):
        await beat(town, "btn-01", *hubs[1:])
        await town.advance(seconds=50)
    town.expect_fault("hub-0", "offline", "desk")
    [fault] = town.told("device.fault")
    assert fault.count == 20
    told_us = next(event.entry.at_us for event in town.events if event.name == "device.fault")
    assert fault.due_us - told_us == 2 * 3600_000_000  # a resident's buttons speak through it
    # It is back: all behind it have time to be heard before they are called silent.
    await status(town, "online", "hub-0")
    town.expect_restored("hub-0")
    for _ in range(3):
        await beat(town, "btn-01", *hubs)
        await town.advance(seconds=50)
    town.expect_silence()
    await beat(town, *behind, via="hub-0")


@quiet(district=watched(0, hubs=5))
async def test_five_hubs_are_many(town):
    hubs = [f"hub-{n}" for n in range(5)]
    for hub in hubs:
        await beat(town, "btn-02", via=hub)
        await beat(town, "btn-03", via=hub)
    # Only who somebody speaks through is a hub.
    assert len(town.supervision._behind) == 1
    for number, hub in enumerate(hubs):
        await beat(town, f"btn-0{min(number + 1, 4)}" if number < 4 else "belt-01", via=hub)
    await status(town, "offline", *hubs)
    await town.advance(seconds=10)
    town.expect_fault("district/d1", "offline_many", "desk")
    await status(town, "online", *hubs)
    await beat(town, "btn-01")
    await town.advance(seconds=10)
    town.expect_restored("district/d1")


@quiet(district=watched(20))
async def test_while_our_own_line_is_down_nobody_is_silent(town):
    devices = [f"b-{n:02}" for n in range(20)] + ["btn-01"]
    town.lines = [LineUp("mqtt", "native", True)]
    await town.advance(seconds=6)
    await beat(town, *devices, line="mqtt")
    await town.advance(seconds=170)
    town.lines = [LineUp("mqtt", "native", False)]
    await town.advance(hours=3)
    town.expect_fault("line/mqtt", "line_closed", "desk")
    town.expect_fault("line/mqtt", "line_closed", "desk", overdue=True)
    town.lines = [LineUp("mqtt", "native", True)]
    await town.advance(seconds=100)
    town.expect_restored("line/mqtt")
    await beat(town, *devices[1:], line="mqtt")
    await town.advance(seconds=100)
    town.expect_fault("b-00", "offline", "st-01")


@quiet(district=watched(20))
async def test_while_a_flood_of_heartbeats_is_refused_nobody_is_silent(town):
    devices = [f"b-{n:02}" for n in range(20)] + ["btn-01"]
    town.lines = [LineUp("mqtt", "native", True)]
    await town.advance(seconds=6)
    await beat(town, *devices, line="mqtt")
    for refused in range(1, 121):  # ten minutes of it, where three heartbeats and a tenth are 198 s
        town.lines = [LineUp("mqtt", "native", True, refused=refused)]
        await town.advance(seconds=5)
    town.expect_silence()
    await town.advance(seconds=100)
    await beat(town, *devices[1:], line="mqtt")
    await town.advance(seconds=110)
    town.expect_fault("b-00", "offline", "st-01")


@quiet(district=watched(20))
async def test_after_a_power_cut_of_our_own_everybody_has_time_to_come_back(town):
    devices = [f"b-{n:02}" for n in range(20)] + ["btn-01"]
    await beat(town, *devices)
    await town.dark(hours=9)
    await town.advance(seconds=100)
    town.expect_silence()
    await beat(town, *devices[1:])
    await town.advance(seconds=110)
    town.expect_fault("b-00", "offline", "st-01")
    # What is open is open after the next one too, is not told again, and ends by the first word.
    await beat(town, *devices[1:])
    await town.dark(minutes=2)
    assert open_faults(town) == {("b-00", "offline")}
    await beat(town, *devices)
    town.expect_restored("b-00")


@quiet(district=watched(0))
async def test_a_device_that_beats_once_a_day_is_found_out_though_we_restart_every_night(town):
    await town.register.put("devices", {"id": "slow", "resident": "r-01", "heartbeat": 86_400})
    await town.advance(seconds=10)
    await beat(town, "slow", "btn-01")
    for _day in range(5):
        for _hour in range(8):
            await beat(town, "btn-01")
            await town.advance(minutes=3)
            await beat(town, "btn-01")
            await town.dark(hours=3)
    await town.advance(minutes=2)
    await beat(town, "btn-01")
    for _ in range(30):
        await town.advance(minutes=3)
        await beat(town, "btn-01")
    town.expect_fault("slow", "offline", "st-01")


@quiet(district=watched(25))
async def test_what_many_share_goes_on_after_a_power_cut(town):
    devices = [f"b-{n:02}" for n in range(25)]
    await status(town, "offline", *devices)
    await town.advance(seconds=10)
    town.expect_fault("district/d1", "offline_many", "desk")
    await status(town, "online", *devices[:10])
    await beat(town, "btn-01")
    await town.dark(seconds=30)
    await beat(town, "btn-01")
    await town.advance(seconds=20)
    assert town.supervision.offline == 15
    await status(town, "online", *devices[10:])
    await town.advance(seconds=10)
    town.expect_restored("district/d1")
    assert open_faults(town) == set()


@quiet()
async def test_an_opened_case_is_seen_to_by_a_person_and_it_says_who(town):
    await beat(town, "btn-01", kind=SignalType.TAMPER)
    town.expect_fault("btn-01", "tamper", "st-01")
    [fault] = town.desk.reports.faults.values()
    await beat(town, "btn-01")
    await status(town, "online", "btn-01")
    town.expect_silence()
    await town.ask(EndFault(by="s-1", fault=fault.id, text="the lid was open, closed it"), call="-")
    town.expect_restored("btn-01", fault="tamper by_hand")
    [restored] = town.told("device.restored")
    assert restored.by == "s-1"
    assert b"the lid was open" in next(e.data for e in town.events if e.name == "device.restored")
    await town.ask(EndFault(by="s-1", fault=fault.id), call="-", refused="fault_over")
    # Opened once more it is a fault once more.
    await beat(town, "btn-01", kind=SignalType.TAMPER)
    town.expect_fault("btn-01", "tamper", "st-01")


@quiet()
async def test_silence_is_not_ended_by_a_word(town):
    await status(town, "offline", "btn-01")
    await town.advance(seconds=10)
    town.expect_fault("btn-01", "offline", "st-01")
    [fault] = town.desk.reports.faults.values()
    await town.ask(EndFault(by="s-1", fault=fault.id), call="-", refused="ends_by_itself")


@quiet()
async def test_a_replayed_message_is_a_fault_until_a_day_has_passed_without_another(town):
    assert fault_rounds.RETAINED_SECONDS == 24 * 3600
    fault_rounds.RETAINED_SECONDS = 4 * 3600.0  # a story of three days takes half a minute to tell
    try:
        for _ in range(3):
            await town.supervision.replayed("native/btn-01", "retained message on the topic up")
            await town.advance(hours=3)
        town.expect_fault("btn-01", "retained", "st-01")
        town.expect_silence()
        await town.advance(hours=1.1)
        town.expect_restored("btn-01", fault="retained")
    finally:
        fault_rounds.RETAINED_SECONDS = 24 * 3600.0


@quiet()
async def test_names_that_anybody_makes_up_do_not_make_faults_without_end(town):
    for number in range(1200):
        await town.supervision.replayed(f"native/x{number}", "retained")
    await beat(town, *(f"y{number}" for number in range(300)), kind=SignalType.BATTERY_LOW)
    await status(town, "offline", *(f"z{number}" for number in range(300)))
    await town.advance(seconds=20)
    assert len(open_faults(town)) == 50
    assert len(town.supervision._health) == 5
    (reports,) = town.store.connection.execute("SELECT count(*) FROM inbox").fetchone()
    assert reports == 1000
    town.out.clear()


@quiet()
async def test_the_owner_and_the_area_of_a_fault_follow_the_register(town):
    await beat(town, "btn-01", kind=SignalType.MAINS_LOST)
    town.expect_fault("btn-01", "mains", "st-01")
    due_us = town.told("device.fault")[-1].due_us
    # Its station is gone: the next nearest has it.
    await town.register.delete("stations", "st-01")
    await town.advance(seconds=10)
    town.expect_fault("btn-01", "mains", "st-02")
    # The resident moves: it ends there and begins here, and its time goes on.
    await town.change("residents", "r-01", area="c3", location=None)
    await town.advance(seconds=10)
    town.expect_restored("btn-01", fault="mains moved")
    town.expect_fault("btn-01", "mains", "far-1")
    assert town.told("device.fault")[-1].due_us == due_us
    # The button goes to somebody else.
    await town.change("devices", "btn-01", resident="r-03")
    await town.advance(seconds=10)
    town.expect_restored("btn-01", fault="mains moved")
    town.expect_fault("btn-01", "mains", "st-03")
    # And is taken off.
    await town.register.delete("devices", "btn-01")
    await town.advance(seconds=10)
    town.expect_restored("btn-01", fault="mains removed")
    assert open_faults(town) == set()


@quiet()
async def test_a_stranger_that_is_registered_brings_its_fault_along(town):
    await town.supervision.replayed("native/new-1", "retained")
    await town.advance(seconds=10)
    town.expect_fault("native/new-1", "retained", "desk")
    await town.register.put("devices", {"id": "new-1", "resident": "r-01"})
    await town.advance(seconds=10)
    town.expect_restored("native/new-1", fault="retained moved")
    town.expect_fault("new-1", "retained", "st-01")
    await town.change("stations", "st-02", name="another name")
    await town.advance(seconds=10)
    town.expect_silence()


@quiet(district=watched(0))
async def test_a_device_off_the_register_is_not_missed(town):
    await beat(town, "btn-01")
    await town.register.delete("devices", "btn-01")
    await town.advance(minutes=10)
    await town.register.put("devices", {"id": "btn-01", "resident": "r-01", "heartbeat": 30})
    await town.advance(seconds=120)
    town.expect_fault("btn-01", "offline", "st-01")
    await town.change("devices", "btn-01", heartbeat=None)
    await beat(town, "btn-01")
    town.expect_restored("btn-01")
    await town.advance(hours=1)


@quiet()
async def test_test_mode_changes_nothing_about_faults(town):
    await town.register.test_mode(["btn-01"], town.clock.now_us() + 600_000_000, "s-1")
    await beat(town, "btn-01", kind=SignalType.TAMPER)
    town.expect_fault("btn-01", "tamper", "st-01")
    await town.advance(minutes=11)
    assert open_faults(town) == {("btn-01", "tamper")}


@quiet(district=watched(0))
async def test_a_bug_of_ours_in_the_watch_costs_no_press(town):
    def broken(*_):
        raise RuntimeError("a bug")

    town.supervision.heard = broken
    await asyncio.gather(town.press("btn-01"))
    town.expect_offer("st-01")
    town.expect_wearer("btn-01", "received")
