"""A small stand-in for the dispatcher's API: calls with a life, a stream of facts that resumes, and tempers of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

Row = dict[str, Any]
_AFTER = {"accept": "accepted", "en-route": "en_route", "on-scene": "on_scene", "close": "closed"}
_FROM = {
    "accept": {"received"},
    "en-route": {"accepted"},
    "on-scene": {"accepted", "en_route"},
    "close": {"accepted", "en_route", "on_scene"},
    "release": {"accepted", "en_route", "on_scene"},
}


class FakeApi:
    def __init__(self) -> None:
        self.calls: dict[str, Row] = {}
        self.facts: list[tuple[str, Row]] = []
        self.duty: dict[str, bool] = {}
        self.steps: list[tuple[str, str, Row]] = []
        self.keys: dict[str, Row] = {}
        self.resumed: list[str | None] = []
        #: So many of the next writes are answered 503 after they were done.
        self.away = 0
        self.closings: list[Row] = []
        #: With whose token each step was taken: (call, step, header), and who said they are on duty.
        self.bearers: list[tuple[str, str, str]] = []
        self.bearers_of_duty: dict[str, str] = {}
        #: Nobody may see a call any more.
        self.out_of_sight = False
        #: Every accept comes too late.
        self.somebody_first = False
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""
        self._port = 0

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/api/v1/events", self._events),
                web.get("/api/v1/calls", self._list),
                web.get("/api/v1/calls/{id}", self._get),
                web.post("/api/v1/calls/{id}/{step}", self._step),
                web.post("/api/v1/staff/{id}/duty", self._duty),
                web.post("/api/v1/signals", self._signals),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- the desk, as small as can be -----------------------------------------------------------------------------

    def open(self, id_: str, *stations: str, **fields: Any) -> Row:
        call = {
            "id": id_,
            "state": "received",
            "key": "emergency",
            "kind": "press",
            "test": False,
            "device": "btn-00001",
            "presses": 1,
            "cancel_requested": False,
            "spoke": None,
            "accepted": None,
            "dispatches": [
                {"station": station, "offers": 1, "travel_seconds": 120, "state": "offered"}
                for station in stations
            ],
            **fields,
        }
        self.calls[id_] = call
        self.tell("call.dispatched", call)
        return call

    def tell(self, fact: str, call: Row) -> None:
        call["seq"] = len(self.facts) + 1
        self.facts.append((fact, json.loads(json.dumps(call))))
        self._news.set()
        self._news = asyncio.Event()

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def _events(self, request: web.Request) -> web.StreamResponse:
        after = request.headers.get("Last-Event-ID")
        self.resumed.append(after)
        position = int(after) if after is not None else len(self.facts)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        while True:
            news = self._news
            while position < len(self.facts):
                fact, state = self.facts[position]
                position += 1
                data = json.dumps({"fact": fact, "call": state["id"], "state": state})
                await response.write(f"id: {position}\nevent: {fact}\ndata: {data}\n\n".encode())
            await news.wait()

    async def _list(self, request: web.Request) -> web.Response:
        resident = request.query.get("resident")
        items = [
            call
            for call in self.calls.values()
            if call["state"] != "closed"
            and (resident is None or (call.get("resident") or {}).get("id") == resident)
        ]
        begin = int(request.query.get("cursor", 0))
        page = items[begin : begin + 2]
        more = str(begin + 2) if begin + 2 < len(items) else None
        return web.json_response({"items": page, "next": more})

    async def _get(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["id"])
        return web.json_response(call or {"title": "no such call"}, status=200 if call else 404)

    async def _step(self, request: web.Request) -> web.Response:
        body = await request.json()
        call, step = self.calls[request.match_info["id"]], request.match_info["step"]
        key = request.headers["Idempotency-Key"]
        if self.out_of_sight:
            return web.json_response({"title": "no such call"}, status=404)
        self.bearers.append((call["id"], step, request.headers["Authorization"]))
        if key not in self.keys:
            late = step == "accept" and self.somebody_first
            if late or (step in _FROM and call["state"] not in _FROM[step]):
                problem = {"title": "does not fit", "state": call["state"]}
                return web.json_response(problem, status=409, content_type="application/problem+json")
            self.steps.append((call["id"], step, body))
            self._apply(call, step, body)
            self.keys[key] = json.loads(json.dumps(call))
        if self.away:
            self.away -= 1
            return web.json_response({"title": "desk busy"}, status=503, headers={"Retry-After": "1"})
        return web.json_response(self.keys[key])

    def _apply(self, call: Row, step: str, body: Row) -> None:
        call["state"] = _AFTER.get(step, call["state"])
        if step == "accept":
            call["accepted"] = {"by": body.get("by", "token:1"), "station": body.get("station", "")}
            for dispatch in call["dispatches"]:
                accepted = dispatch.get("station") == body.get("station", "")
                dispatch["state"] = "accepted" if accepted else "withdrawn"
        if step == "decline":
            for dispatch in call["dispatches"]:
                if dispatch["station"] == body["station"]:
                    dispatch["state"] = "declined"
        if step == "spoke":
            call["spoke"] = {"result": body["result"]}
        if step == "release":
            call["state"], call["accepted"] = "received", None
        if step == "close":
            before = [name for id_, name, _ in self.steps if id_ == call["id"]]
            self.closings.append(body | {"from": before[-2] if len(before) > 1 else "", "id": call["id"]})
        self.tell(f"call.{step.replace('-', '_')}", call)

    async def _duty(self, request: web.Request) -> web.Response:
        if request.match_info["id"] == "s-unknown":
            return web.json_response({"title": "no such person"}, status=404)
        self.duty[request.match_info["id"]] = (await request.json())["on"]
        self.bearers_of_duty[request.match_info["id"]] = request.headers["Authorization"]
        return web.json_response({})

    async def _signals(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.open("c-http", device=body["device"])
        return web.json_response({"signal": "s-1", "result": "stored", "call": "c-http"}, status=201)
