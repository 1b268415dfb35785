"""The HTTP interface: signals, errors, replays, pages, documents."""

from __future__ import annotations

import uuid

import pytest

from outside.harness import ADMIN_TOKEN, Desk
from outside.places import Town, offers, station

#: Every path of the contract's section 4 that this version has.
PATHS = {
    "/signals": {"post"},
    "/calls": {"get", "post"},
    "/calls/{}": {"get"},
    "/calls/{}/journal": {"get"},
    "/calls/{}/accept": {"post"},
    "/calls/{}/decline": {"post"},
    "/calls/{}/release": {"post"},
    "/calls/{}/spoke": {"post"},
    "/calls/{}/en-route": {"post"},
    "/calls/{}/on-scene": {"post"},
    "/calls/{}/close": {"post"},
    "/calls/{}/reopen": {"post"},
    "/calls/{}/transfer": {"post"},
    "/calls/{}/note": {"post"},
    "/calls/{}/seen": {"post"},
    "/events": {"get"},
    "/stations": {"get"},
    "/stations/{}": {"get", "put", "delete"},
    "/residents": {"get"},
    "/residents/{}": {"get", "put", "delete"},
    "/residents/{}/routing": {"get"},
    "/devices": {"get"},
    "/devices/{}": {"get", "put", "delete"},
    "/devices/{}/test": {"post"},
    "/staff": {"get"},
    "/staff/{}": {"get", "put", "delete"},
    "/staff/{}/duty": {"post"},
    "/areas": {"get"},
    "/areas/{}": {"get", "put", "delete"},
    "/areas/{}/test": {"post"},
    "/policies": {"get"},
    "/policies/{}": {"get", "put", "delete"},
    "/district": {"post"},
}


async def test_a_signal_over_http_is_201_with_its_call_and_a_duplicate_is_200(town: Town) -> None:
    place = await town.village(near=station(600))
    signal = {"device": place.device, "id": "web-1", "type": "press", "key": "service"}
    first = (await town.desk.post("/signals", signal)).ok(201)
    assert first["result"] == "stored"
    assert first["signal"]
    assert (await town.desk.call(first["call"]))["key"] == "service"
    second = (await town.desk.post("/signals", signal)).ok(200)
    assert (second["result"], second["call"]) == ("duplicate", first["call"])


async def test_a_press_over_mqtt_is_a_duplicate_over_http(town: Town) -> None:
    place = await town.village(near=station(600))
    button = await town.button(place)
    receipt = await button.press(id="both-ways-1")
    again = await town.desk.post("/signals", {"device": place.device, "id": "both-ways-1", "type": "press"})
    assert again.ok(200, 201)["call"] == receipt["call"]
    assert (await town.desk.call(receipt["call"]))["presses"] == 1


async def test_a_signal_of_an_unknown_device_over_http_is_a_call_for_the_district(town: Town) -> None:
    device = f"stranger-{uuid.uuid4().hex[:6]}"
    answer = (await town.desk.post("/signals", {"device": device, "id": "1", "type": "press"})).ok(201)
    assert answer["result"] == "unknown_device"
    call = await town.desk.call(answer["call"])
    assert call["resident"] is None
    (await town.desk.step(call["id"], "accept", station="desk-1")).ok()
    (await town.desk.step(call["id"], "close", outcome="other", evidence="relative_confirmed")).ok()


async def test_without_a_token_nothing_is_shown_and_nothing_is_done(town: Town) -> None:
    for token in (None, "wrong-token", ADMIN_TOKEN[:-1]):
        async with Desk(town.server, token) as stranger:
            for method, path in [
                ("GET", "/calls"),
                ("GET", "/events"),
                ("GET", "/residents"),
                ("POST", "/district"),
            ]:
                reply = await stranger.ask(method, path, json={} if method == "POST" else None)
                assert reply.status == 401, (token, method, path)
                assert reply.headers["content-type"].startswith("application/problem+json")


async def test_tokens_are_made_listed_and_revoked_by_the_command_line(town: Town) -> None:
    place = await town.village(near=station(600))
    made = town.server.cli("token", "create", "--role", "station", "--station", place.station("near"))
    assert made.code == 0, made.said
    token = made.out.strip()
    assert token, "create prints the token"
    assert len(made.out.split()) == 1, f"create prints the token alone: {made.out!r}"

    async with Desk(town.server, token) as near:
        _, call = await town.open_call(place)
        assert (await near.step(call, "accept", station=place.station("near"))).status == 200
        forbidden = await near.post("/district", place.document)
        assert forbidden.status == 403
        assert forbidden.headers["content-type"].startswith("application/problem+json")
        assert (await near.put("/policies/emergency", {})).status == 403

        listed = town.server.cli("token", "list")
        assert listed.code == 0, listed.said
        assert token not in listed.out, "a list shows no secret"
        row = next(line for line in listed.out.splitlines() if place.station("near") in line)
        name = next(word for word in row.replace("|", " ").split() if word)
        revoked = town.server.cli("token", "revoke", name)
        assert revoked.code == 0, revoked.said

        reply = await near.ask("GET", "/calls")
        assert reply.status == 401, "a revoked token opens nothing"


async def test_what_is_not_there_is_404_and_the_wrong_method_405(town: Town) -> None:
    for path in ("/calls/no-such-call", "/stations/no-such", "/residents/no-such/routing", "/nothing"):
        reply = await town.desk.ask("GET", path)
        assert reply.status == 404, path
        assert reply.headers["content-type"].startswith("application/problem+json"), path
        assert reply.body["status"] == 404
    assert (await town.desk.step("no-such-call", "accept", station="desk-1")).status == 404
    assert (await town.desk.ask("PATCH", "/calls")).status == 405


async def test_an_idempotency_key_gives_the_first_outcome_again(town: Town) -> None:
    place = await town.village(near=station(600))
    key = uuid.uuid4().hex
    body = {"resident": place.resident, "key": "service", "note": "想喝水"}
    first = await town.desk.post("/calls", body, Idempotency_Key=key)
    second = await town.desk.post("/calls", body, Idempotency_Key=key)
    assert first.ok(200, 201)["id"] == second.ok(200, 201)["id"]
    assert len(await town.desk.all("/calls", resident=place.resident)) == 1

    call = first.body["id"]
    before = [fact["fact"] for fact in await town.desk.journal(call)].count("call.noted")
    key = uuid.uuid4().hex
    for _ in range(3):
        reply = await town.desk.post(f"/calls/{call}/note", {"text": "一次"}, Idempotency_Key=key)
        assert reply.status == 200
    noted = [fact["fact"] for fact in await town.desk.journal(call)].count("call.noted")
    assert noted == before + 1


async def test_a_refused_step_is_refused_again_under_its_key_even_when_it_would_fit_by_now(
    town: Town,
) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    key = uuid.uuid4().hex
    assert (await town.desk.post(f"/calls/{call}/en-route", {}, Idempotency_Key=key)).status == 409
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    assert (await town.desk.post(f"/calls/{call}/en-route", {}, Idempotency_Key=key)).status == 409
    assert (await town.desk.step(call, "en-route")).status == 200


async def test_pages_stay_stable_while_rows_arrive(town: Town) -> None:
    place = await town.village(people=8, near=station(600))

    async def by_hand(number: int, key: str) -> str:
        body = {"resident": f"{place.name}-r{number}", "key": key, "note": "x"}
        return (await town.desk.post("/calls", body)).ok(200, 201)["id"]

    old = [await by_hand(number, "service") for number in range(1, 9)]
    seen: list[str] = []
    cursor = None
    for turn in range(1, 9):
        page = await town.desk.get("/calls", area=place.street, limit=3, cursor=cursor)
        assert len(page["items"]) <= 3
        seen += [call["id"] for call in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        await by_hand(turn, "family")  # somebody presses between two pages
    assert cursor is None
    assert len(seen) == len(set(seen)), "no row twice"
    assert set(old) <= set(seen), "no row missed"


async def test_lists_are_filtered(town: Town) -> None:
    place = await town.village(people=2, near=station(600), far=station(2000))
    first = (await (await town.button(f"{place.name}-b1")).press())["call"]
    second = (await (await town.button(f"{place.name}-b2")).press("service"))["call"]
    (await town.desk.step(first, "accept", station=place.station("far"))).ok()
    (await town.desk.step(first, "close", outcome="helped", evidence="on_site")).ok()

    async def found(**filters: object) -> set[str]:
        return {call["id"] for call in await town.desk.all("/calls", area=place.street, **filters)}

    assert await found() == {first, second}
    assert await found(state="open") == {second}
    assert await found(state="closed") == {first}
    assert await found(key="service") == {second}
    assert await found(resident=f"{place.name}-r1") == {first}
    assert await found(device=f"{place.name}-b2") == {second}
    assert await found(test=True) == set()
    assert first in await found(station=place.station("far"))
    opened = (await town.desk.call(second))["opened_at"]
    assert await found(since=opened) == {second}
    assert second not in await found(until=opened)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/calls", {"limit": "0"}),
        ("/calls", {"limit": "501"}),
        ("/calls", {"limit": "many"}),
        ("/calls", {"cursor": "!!!"}),
        ("/calls", {"state": "sleeping"}),
        ("/calls", {"since": "yesterday"}),
        ("/stations", {"limit": "-1"}),
    ],
)
async def test_a_wrong_query_is_400_and_names_the_field(
    town: Town, path: str, params: dict[str, str]
) -> None:
    reply = await town.desk.ask("GET", path, **params)
    assert reply.status == 400, reply.body
    assert next(iter(params)) in str(reply.body)


async def test_the_openapi_document_names_every_path_and_the_docs_page_is_served(town: Town) -> None:
    document = await town.desk.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"]
    base = "" if any(path.startswith("/api/v1/") for path in document["paths"]) else "/api/v1"
    there: dict[str, set[str]] = {}
    for path, item in document["paths"].items():
        anonymous = "/".join("{}" if part.startswith("{") else part for part in (base + path).split("/"))
        there.setdefault(anonymous.removeprefix("/api/v1"), set()).update(item)
        for method, operation in item.items():
            if method in {"get", "post", "put", "delete"}:
                assert operation["responses"], (method, path)
    missing = {path: methods - there.get(path, set()) for path, methods in PATHS.items()}
    assert not {path: left for path, left in missing.items() if left}
    page = await town.desk.ask("GET", "/docs")
    if page.status in {301, 302, 307, 308}:
        page = await town.desk.ask("GET", "/docs/")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")


async def test_every_reference_in_the_openapi_document_leads_somewhere(town: Town) -> None:
    document = await town.desk.get("/openapi.json")

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for value in node.values() for ref in references(value)]
        return [ref for value in node for ref in references(value)] if isinstance(node, list) else []

    for reference in references(document):
        at = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in at, reference
            at = at[part]


async def test_health_readiness_metrics_and_the_page_need_no_token(town: Town) -> None:
    async with Desk(town.server, None) as anybody:
        assert (await anybody.ask("GET", "//healthz")).status == 200
        assert (await anybody.ask("GET", "//readyz")).status == 200
        metrics = await anybody.ask("GET", "//metrics")
        assert metrics.status == 200
        assert "# TYPE" in metrics.body
        page = await anybody.ask("GET", "//")
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")


async def test_the_metrics_count_a_press(town: Town) -> None:
    place = await town.village(near=station(600))

    async def presses() -> float:
        text = (await town.desk.ask("GET", "//metrics")).body
        rows = [line for line in text.splitlines() if "press" in line and not line.startswith("#")]
        return sum(
            float(line.split()[-1]) for line in rows if "_bucket" not in line and "_created" not in line
        )

    before = await presses()
    await town.open_call(place)
    assert await presses() > before


async def test_what_the_call_shows_is_what_the_stream_showed(town: Town) -> None:
    place = await town.village(near=station(600))
    _, call = await town.open_call(place)
    (await town.desk.step(call, "accept", station=place.station("near"))).ok()
    accepted = await town.events.fact("call.accepted", call)
    shown = await town.desk.call(call)
    for name in ("state", "step", "dispatches", "accepted", "deadline", "presses", "opened_at"):
        assert accepted.state[name] == shown[name], name
    assert offers(shown) == [place.station("near")]
