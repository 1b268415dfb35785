"""Stories of messages: who is told what, in which order, how often, and what is never sent."""

from __future__ import annotations

import itertools
import json

from harness import story
from sqlalchemy import select

from dispatcher.alert_board import AlertBoard, AlertFilter
from dispatcher.alerts.outcome import Outcome
from dispatcher.tables import journal
from stories import places
from stories.office import Office

HOOK, OTHER, SLOW = "http://feed.example/a", "http://other.example/b", "http://slow.example/c"
DAUGHTER, NURSE, SECOND = "13800000009", "13700000001", "13700000002"
GONE = Outcome("failed", "http_410")
DOWN = Outcome("retry", "http_500")


DOOR_CODE = "#77*13579"


def hook(hook_id: str, url: str, *events: str, area: str = "") -> dict:
    return {"id": hook_id, "url": url, "events": list(events), "area": area, "secret": ""}


def staffed(*, webhooks: list | None = None, contacts: list | None = None, **more) -> dict:
    """The town with a nurse on duty at st-01 and a daughter who wants to hear everything of r-01."""
    district = places.town(
        webhooks=webhooks or [],
        staff=[
            {"id": "s-01", "name": "赵护士", "phone": NURSE, "role": "station", "station": "st-01"},
            {"id": "s-02", "name": "钱护士", "phone": SECOND, "role": "station", "station": "st-02"},
        ],
        **more,
    )
    everything = ["opened", "unanswered", "accepted", "on_scene", "closed"]
    daughter = {"name": "王芳", "relation": "daughter", "phone": DAUGHTER, "on": everything}
    for resident in district["residents"]:
        if resident["id"] == "r-01":
            resident["address"] = "3号楼501室"
            resident["door_code"] = DOOR_CODE
            resident["contacts"] = contacts if contacts is not None else [daughter]
    return district


async def on_duty(town, *staff: str) -> None:
    for one in staff or ("s-01", "s-02"):
        await town.register.duty(one, True, "story")


def quiet_town(town) -> None:
    """These stories look at messages; offers and words to the wearer are told elsewhere."""
    town.out.clear()


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_a_call_is_told_to_the_feed_the_daughter_and_the_nurse(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01")
    await town.advance(seconds=2)
    [summons] = office.said(NURSE)
    assert summons.startswith("紧急求救：王秀英，3号楼501室")
    assert f"https://yj.example/r/{town.calls[0]}" in summons
    assert "王秀英10:00发出紧急求救" in office.said(DAUGHTER)[0]
    await town.accept("st-01", by="s-01")
    await town.set_out("st-01", by="s-01")
    await town.arrive("st-01", by="s-01")
    await town.close("st-01", by="s-01")
    await town.advance(seconds=2)
    assert office.types(HOOK) == [
        "call.opened",
        "call.dispatched",
        "call.accepted",
        "call.en_route",
        "call.on_scene",
        "call.closed",
    ]
    sent = json.dumps([office.news, office.texts], ensure_ascii=False, default=bytes.decode)
    assert "3号楼501室" in sent
    assert DOOR_CODE not in sent, "whoever comes sees it in the call; it is told to nobody"
    assert DOOR_CODE not in repr(await town.store.read(select(journal)))
    assert (await town.board.view(town.look()))["resident"]["door_code"] == DOOR_CODE
    assert [data["call"]["state"] for _, _, _, data in office.news] == [
        "received",
        "received",
        "accepted",
        "en_route",
        "on_scene",
        "closed",
    ]
    assert len(office.said(DAUGHTER)) == 4
    assert office.said(NURSE) == [summons]
    assert {fate for _, _, fate in await office.fates()} == {"sent", "delivered"}
    assert len(town.told("alert.sent")) == 5
    quiet_town(town)


@story(picture=False, district=staffed())
async def test_who_was_asked_and_not_needed_any_more_is_not_woken(town):
    """The provider hangs; meanwhile somebody accepts: the summons is withdrawn in that very transaction."""
    office = await Office.at(town)
    await on_duty(town)
    office.answers[NURSE] = [DOWN] * 2
    await town.press("btn-01")
    await town.advance(seconds=1)
    await town.accept("st-02", by="s-02")
    [fate] = [fate for fact, to, fate in await office.fates() if to == "s-01"]
    assert fate == "withdrawn"
    await town.advance(minutes=2)
    assert office.said(NURSE) == []
    assert len([where for _, where, _ in office.tries if where == NURSE]) == 1
    quiet_town(town)


@story(picture=False, district=staffed())
async def test_a_lapsed_call_asks_the_next_by_text_although_the_first_accept_withdrew_summonses(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01")
    await town.accept("st-01", by="s-01")
    await town.advance(seconds=121)
    town.expect_state("received")
    assert [text[:6] for text in office.said(SECOND)] == ["紧急求救：王"]
    quiet_town(town)


@story(
    picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*"), hook("wh-2", OTHER, "call.*")])
)
async def test_a_dead_endpoint_delays_no_other_and_gets_everything_in_order_when_it_is_back(town):
    office = await Office.at(town, sms=False)
    office.hangs.add(HOOK)
    await town.press("btn-01")
    await town.accept("st-01")
    await town.set_out("st-01")
    await town.advance(seconds=1)
    assert office.types(OTHER) == ["call.opened", "call.dispatched", "call.accepted", "call.en_route"]
    assert office.types(HOOK) == []
    await town.advance(minutes=3)
    office.hangs.clear()
    await town.advance(minutes=30)
    assert office.types(HOOK)[:4] == ["call.opened", "call.dispatched", "call.accepted", "call.en_route"]
    ids = [message for _, where, message in office.tries if where == HOOK]
    first = ids[0]
    assert ids.count(first) > 2, "one id for all tries"
    late = next(data for url, _, _, data in office.news if url == HOOK)
    assert late["late_seconds"] > 120
    quiet_town(town)


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_the_first_retry_comes_within_ten_seconds_and_the_pauses_grow(town):
    office = await Office.at(town, sms=False)
    office.answers[HOOK] = [DOWN] * 5
    await town.press("btn-01")
    await town.accept("st-01")
    await town.advance(minutes=10)
    message = office.tries[0][2]
    moments = [at for at, _, one in office.tries if one == message]
    pauses = [after - before for before, after in itertools.pairwise(moments)]
    assert 3.9 <= pauses[0] <= 10
    assert all(after > before * 1.2 for before, after in itertools.pairwise(pauses))
    assert office.types(HOOK)[:3] == ["call.opened", "call.dispatched", "call.accepted"]
    quiet_town(town)


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_parking_lets_go_what_waits_behind_and_it_can_be_sent_again(town):
    office = await Office.at(town, sms=False)
    office.answers[HOOK] = [GONE]
    await town.press("btn-01")
    await town.advance(seconds=2)
    assert (await office.fates())[0] == ("call.opened", "wh-1", "failed")
    assert office.types(HOOK) == ["call.dispatched"]
    [failed] = town.told("alert.failed")
    assert failed.why == "http_410"
    board = AlertBoard(town.store, town.clock)
    rows, _ = await board.page(AlertFilter(district=places.CODE, fate="failed"), None, 10)
    assert await board.again(rows[0].id)
    await town.advance(seconds=2)
    assert office.types(HOOK) == ["call.dispatched", "call.opened"]
    assert rows[0].id in {message for _, _, message, _ in office.news}
    assert not await board.again("nonsense")
    quiet_town(town)


@story(picture=False, poll=120, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_after_a_day_it_is_given_up_and_said(town):
    office = await Office.at(town, sms=False, poll=120)
    office.answers[HOOK] = [DOWN] * 1000
    await town.press("btn-01")
    await town.accept("st-01")
    await town.close("st-01")
    await town.advance(hours=26)
    assert {fate for _, _, fate in await office.fates()} == {"failed"}
    assert len(town.told("alert.failed")) == 4
    assert len(office.tries) < 400
    assert not office.post._more, "nothing is remembered of lanes that are in nobody's hands"
    quiet_town(town)


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "call.*")]))
async def test_killed_with_messages_in_hand_they_are_sent_by_the_next_process(town):
    office = await Office.at(town)
    await on_duty(town)
    office.hangs |= {HOOK, NURSE}
    await town.press("btn-01")
    await town.advance(seconds=1)
    await town.kill()
    await town.boot()
    office.hangs.clear()
    await office.open()
    await town.advance(seconds=3)
    assert office.types(HOOK)[:2] == ["call.opened", "call.dispatched"]
    assert len(office.said(NURSE)) == 1
    first = next(message for _, where, message in office.tries if where == HOOK)
    assert next(message for url, _, message, _ in office.news if url == HOOK) == first
    quiet_town(town)


@story(
    picture=False,
    district=staffed(webhooks=[hook("wh-1", HOOK, "call.opened", area="c2"), hook("wh-2", OTHER, "*")]),
)
async def test_a_webhook_hears_its_area_and_its_facts_only(town):
    office = await Office.at(town, sms=False)
    await town.press("btn-01")
    await town.press("btn-03")
    await town.advance(seconds=2)
    assert [data["call"]["resident"]["id"] for url, _, _, data in office.news if url == HOOK] == ["r-03"]
    assert office.types(OTHER).count("call.opened") == 2
    quiet_town(town)


@story(
    picture=False,
    poll=60,
    district=staffed(
        contacts=[{"name": "儿子", "phone": DAUGHTER, "on": ["unanswered"], "language": "en"}],
    ),
)
async def test_unanswered_is_said_once_however_long_it_rings(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01")
    await town.advance(seconds=59)
    assert office.said(DAUGHTER) == []
    await town.advance(minutes=20)
    [said] = office.said(DAUGHTER)
    assert "nobody has taken the emergency call yet" in said
    quiet_town(town)


@story(picture=False, district=staffed())
async def test_while_it_rings_on_the_nurse_is_written_to_now_and_then(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01")
    await town.advance(minutes=10)
    assert 3 <= len(office.said(NURSE)) <= 5
    quiet_town(town)


@story(picture=False, district=staffed())
async def test_pressed_again_on_the_way_the_nurse_reads_it_at_once(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01")
    await town.accept("st-01", by="s-01")
    await town.press("btn-01")
    await town.advance(seconds=1)
    assert "再次" in office.said(NURSE)[-1]
    quiet_town(town)


@story(picture=False, poll=60, district=staffed())
async def test_a_stuck_button_does_not_flood_the_daughter(town):
    office = await Office.at(town, per_hour=5)
    await on_duty(town)
    for _ in range(6):
        await town.press("btn-01")
        await town.accept("st-01", by="s-01")
        await town.close("st-01", by="s-01", outcome="false_alarm", evidence="spoke_to_resident")
        await town.advance(minutes=6)
    assert len(office.said(DAUGHTER)) == 5
    assert len(office.said(NURSE)) == 6, "who must come is asked every time"
    quiet_town(town)


@story(picture=False, district=staffed())
async def test_the_yellow_key_asks_the_daughter_to_ring_back(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01", "family")
    await town.advance(seconds=1)
    [asked] = office.said(DAUGHTER)
    assert "王秀英" in asked
    assert town.offers() == {"r-01/0": "offered"}
    quiet_town(town)


@story(picture=False, district=staffed(contacts=[{"name": "女儿", "phone": DAUGHTER}]))
async def test_without_a_way_to_send_texts_nobody_waits_for_the_relatives(town):
    await Office.at(town, sms=False)
    await town.press("btn-01", "family")
    [skipped] = town.told("call.skipped")
    assert skipped.reason == "no_channel"
    assert list(town.offers()) == ["st-03"], "no nurse is on duty at the nearer ones"
    quiet_town(town)


@story(picture=False, poll=60, district=staffed(), at="2026-11-24T06:00:00+08:00")
async def test_a_service_call_by_night_wakes_nobody_before_the_morning(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01", "service")
    await town.advance(minutes=59)
    assert office.said(NURSE) == []
    await town.advance(minutes=3)
    assert len(office.said(NURSE)) >= 1
    quiet_town(town)


@story(picture=False, district=staffed())
async def test_a_test_press_tells_nobody(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.register.test_mode(["btn-01"], town.clock.now_us() + 600_000_000, "story")
    await town.press("btn-01")
    await town.advance(seconds=5)
    assert office.texts == []
    quiet_town(town)


@story(picture=False, district=staffed(webhooks=[hook("wh-1", HOOK, "alert.*")]))
async def test_messages_about_messages_come_to_an_end(town):
    office = await Office.at(town)
    await on_duty(town)
    await town.press("btn-01")
    await town.advance(minutes=2)
    kinds = office.types(HOOK)
    assert kinds.count("alert.sent") == len(office.texts)
    assert len(town.told("alert.delivered")) == len(kinds)
    quiet_town(town)
