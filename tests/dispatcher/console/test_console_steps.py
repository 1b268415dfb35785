"""The steps: what is asked of the desk for each, and how its answers are told."""

from __future__ import annotations

import pytest
from console_rooms import NOW, call, held, offered

from devices.family import Result
from devices.signal import Key, SignalType
from dispatcher.core import commands as c
from dispatcher.core.call import Evidence, Outcome, State
from dispatcher.inbox import Decided, KeyReused, Undecided
from dispatcher.store import StoreUnavailable


@pytest.fixture(autouse=True)
def one_call(world):
    world.board.put(call(), call("c-2"), call("c-service", key=Key.SERVICE), call("c-test", test=True))


@pytest.mark.parametrize(
    ("step", "body", "command"),
    [
        ("accept", {}, c.Accept(by="admin")),
        ("accept", {"station": "st-2"}, c.Accept(by="admin", station="st-2")),
        (
            "decline",
            {"station": "st-1", "reason": "full"},
            c.Decline(by="admin", station="st-1", text="full"),
        ),
        ("release", {"reason": "ill"}, c.Release(by="admin", text="ill")),
        ("spoke", {"result": "no_answer"}, c.Speak(by="admin", result="no_answer")),
        ("en-route", {"at": "2026-11-24T09:15:00+08:00"}, c.SetOut(by="admin", at_us=NOW)),
        ("on-scene", {"proof": "photo"}, c.Arrive(by="admin", proof="photo")),
        (
            "close",
            {"outcome": "duplicate", "evidence": "on_site", "of": "c-2", "note": "twice"},
            c.Close(by="admin", outcome=Outcome.DUPLICATE, evidence=Evidence.ON_SITE, of="c-2", text="twice"),
        ),
        ("reopen", {"reason": "again"}, c.Reopen(by="admin", text="again")),
        ("transfer", {"station": "st-3"}, c.Transfer(by="admin", to="st-3")),
        ("note", {"text": "door code 12"}, c.Note(by="admin", text="door code 12")),
        ("seen", {}, c.See(by="admin")),
    ],
)
async def test_each_step_is_one_command(api, world, step, body, command):
    status, answer = await api("POST", f"/calls/c-1/{step}", body, headers={"Idempotency-Key": "k-1"})
    assert status == 200
    assert answer["id"] == "c-1"
    [(asked, how)] = world.inbox.asked
    assert asked == command
    assert how == {"call": "c-1", "district": "411002", "source": "api/admin", "ref": "k-1"}


async def test_a_body_may_be_left_out_where_nothing_is_needed(api, client, world):
    for step in ("accept", "release", "en-route", "on-scene", "reopen", "seen"):
        async with client.post(
            f"/api/v1/calls/c-1/{step}", headers={"Authorization": "Bearer secret-admin"}
        ) as response:
            assert response.status == 200, step
    refs = [how["ref"] for _, how in world.inbox.asked]
    assert len(set(refs)) == 6


async def test_a_station_acts_for_itself(api, world):
    for step, body in (
        ("accept", {}),
        ("decline", {}),
        ("en-route", {}),
        ("note", {"text": "x"}),
        ("seen", {}),
    ):
        assert (await api("POST", f"/calls/c-1/{step}", body, who="station"))[0] == 200
        command = world.inbox.asked[-1][0]
        assert (command.by, command.station) == ("s-1", "st-1"), step
    for step in ("accept", "decline", "seen"):
        status, problem = await api("POST", f"/calls/c-1/{step}", {"station": "st-2"}, who="station")
        assert (status, problem["field"]) == (403, "station")
    assert (await api("POST", "/calls/c-1/transfer", {"station": "st-3"}, who="station"))[0] == 200


async def test_an_area_acts_for_the_stations_in_it(api, world):
    assert (await api("POST", "/calls/c-1/accept", {"station": "st-1"}, who="community"))[0] == 200
    assert (await api("POST", "/calls/c-1/accept", {}, who="community"))[0] == 200
    assert world.inbox.asked[-1][0].by == "token:t-community"
    status, problem = await api("POST", "/calls/c-1/accept", {"station": "st-3"}, who="community")
    assert (status, problem["field"]) == (403, "station")
    status, problem = await api("POST", "/calls/c-1/decline", {}, who="community")
    assert (status, problem["field"]) == (400, "station")


@pytest.mark.parametrize(
    ("which", "body", "field"),
    [
        ("c-1", {}, "outcome"),
        ("c-1", {"outcome": "fine"}, "outcome"),
        ("c-1", {"outcome": "helped"}, "evidence"),
        ("c-1", {"outcome": "helped", "evidence": "heard"}, "evidence"),
        ("c-1", {"outcome": "test"}, "evidence"),
        ("c-1", {"outcome": "no_contact", "evidence": "spoke_to_resident"}, "evidence"),
        ("c-service", {"outcome": "no_contact"}, "evidence"),
        ("c-1", {"outcome": "duplicate", "evidence": "on_site"}, "of"),
        ("c-1", {"outcome": "duplicate", "evidence": "on_site", "of": "c-1"}, "of"),
        ("c-1", {"outcome": "duplicate", "evidence": "on_site", "of": "c-none"}, "of"),
        ("c-1", {"outcome": "helped", "evidence": "on_site", "of": "c-2"}, "of"),
    ],
)
async def test_how_a_call_may_not_be_closed(api, world, which, body, field):
    status, problem = await api("POST", f"/calls/{which}/close", body)
    assert (status, problem["field"]) == (400, field)
    assert not world.inbox.asked


@pytest.mark.parametrize(
    ("which", "body"), [("c-service", {"outcome": "service_done"}), ("c-test", {"outcome": "test"})]
)
async def test_what_needs_no_evidence(api, which, body):
    assert (await api("POST", f"/calls/{which}/close", body))[0] == 200


@pytest.mark.parametrize("step", ["transfer", "accept"])
async def test_an_unknown_station(api, step):
    status, problem = await api("POST", f"/calls/c-1/{step}", {"station": "st-99"})
    assert (status, problem["field"]) == (400, "station")


async def test_a_conflict_tells_the_present_state_and_who_was_first(api, world):
    def decide(_command, call_id):
        world.board.put(
            call("c-1", state=State.ACCEPTED, accepted=held("st-2", "s-9"), offers=(offered("st-2"),))
        )
        return Decided(status=409, call=call_id, code="accepted_already", why="s-9 of st-2 was first")

    world.inbox.decide = decide
    status, problem = await api("POST", "/calls/c-1/accept")
    assert status == 409
    assert problem["state"] == "accepted"
    assert problem["accepted"]["station"] == "st-2"
    assert problem["code"] == "accepted_already"
    assert "s-9" in problem["detail"]


@pytest.mark.parametrize(
    ("decided", "status", "field"),
    [
        (Decided(status=400, call="c-1", why="no such station", field="station"), 400, "station"),
        (Decided(status=404, why="no such call"), 404, None),
    ],
)
async def test_the_desk_may_refuse_too(api, world, decided, status, field):
    world.inbox.decide = lambda *_: decided
    found, problem = await api("POST", "/calls/c-1/accept")
    assert (found, problem.get("field")) == (status, field)


async def test_an_undecided_step_is_asked_again_with_its_key(api, client, world):
    world.inbox.fail = Undecided()
    async with client.post(
        "/api/v1/calls/c-1/accept", headers={"Authorization": "Bearer secret-admin"}
    ) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        key = (await response.json())["idempotency_key"]
    world.inbox.fail = None
    assert (await api("POST", "/calls/c-1/accept", headers={"Idempotency-Key": key}))[0] == 200
    assert [how["ref"] for _, how in world.inbox.asked] == [key, key]


async def test_a_key_for_something_else_and_a_disk_that_is_full(api, world):
    world.inbox.fail = KeyReused()
    assert (await api("POST", "/calls/c-1/accept", headers={"Idempotency-Key": "k"}))[0] == 422
    world.inbox.fail = StoreUnavailable("disk full")
    status, problem = await api("POST", "/calls/c-1/accept")
    assert status == 503
    assert "disk" not in problem["detail"]
    assert (await api("POST", "/signals", {"device": "btn-r-1", "id": "p", "type": "press"}))[0] == 503


async def test_a_call_by_hand(api, world):
    world.inbox.decide = lambda *_: Decided(status=201, call="c-1")
    body = {"resident": "r-1", "key": "service", "note": "wants a plumber"}
    assert (await api("POST", "/calls", body))[0] == 201
    assert world.inbox.asked[-1][0] == c.OpenByHand(
        by="admin", key="service", resident="r-1", text="wants a plumber"
    )
    stranger = {
        "name": "张三",
        "phone": "138",
        "address": "文峰路 2 号",
        "area": "411002001001",
        "location": {"lat": 34.03, "lon": 113.82, "datum": "gcj02"},
    }
    assert (await api("POST", "/calls", stranger))[0] == 201
    command = world.inbox.asked[-1][0]
    assert (command.key, command.area, command.place.name) == ("emergency", "411002001001", "张三")
    assert command.place.location.datum == "wgs84"
    assert command.place.location.lat != 34.03
    assert (await api("POST", "/calls", {"phone": "138"}, who="community"))[0] == 201
    assert world.inbox.asked[-1][0].area == "411002001001"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "resident"),
        ({"key": "emergency"}, "resident"),
        ({"resident": "r-99"}, "resident"),
        ({"resident": "r-1", "key": "purple"}, "key"),
        ({"name": "x", "area": "nowhere"}, "area"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "location": {"lat": 95, "lon": 1}}, "location.lat"),
        ({"name": "x", "location": {"lat": 34}}, "location.lon"),
        ({"name": "x", "location": {"lat": 34, "lon": 113, "datum": "mars"}}, "location.datum"),
        ({"phone": 12349}, "phone"),
    ],
)
async def test_a_call_by_hand_that_is_none(api, body, field, world):
    status, problem = await api("POST", "/calls", body)
    assert (status, problem["field"]) == (400, field)
    assert not world.inbox.asked


async def test_a_signal_of_any_family(api, world):
    press = {"id": "p-1", "type": "press", "key": "service", "battery": 87}
    status, answer = await api("POST", "/signals", press | {"device": "panel"})
    assert (status, answer) == (201, {"signal": "s-1", "result": "stored", "call": "c-1"})
    [(signal, received_us, line)] = world.inbox.signals
    assert (signal.family, signal.device, signal.type, signal.key) == (
        "yj_line",
        "0042",
        SignalType.PRESS,
        Key.SERVICE,
    )
    assert (received_us, line) == (NOW, "api/admin")
    world.inbox.result = Result.DUPLICATE
    assert (await api("POST", "/signals", press | {"device": "panel"}))[0] == 200
    world.inbox.result = Result.UNKNOWN_DEVICE
    status, answer = await api("POST", "/signals", press | {"device": "stranger"})
    assert (status, answer["result"]) == (201, "unknown_device")
    assert world.inbox.signals[-1][0].family == "native"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"device": None}, "device"),
        ({"device": 7}, "device"),
        ({"device": "a b"}, "device"),
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"type": "shout"}, "type"),
        ({"type": None}, "type"),
        ({"battery": "full"}, "battery"),
        ({"age": "old"}, "age"),
        ({"key": {}}, "key"),
    ],
)
async def test_a_signal_that_is_none(api, world, changes, field):
    body = {"device": "btn-r-1", "id": "p-1", "type": "press"} | changes
    status, problem = await api("POST", "/signals", body)
    assert (status, problem["field"]) == (400, field)
    assert not world.inbox.signals
