"""The steps of a call's life, as somebody takes them: each becomes one command, the desk decides it.

    the district desk          for anyone
    street, community, grid    for the stations of their area; else in person
    station                    for itself only
    volunteer                  in person, of a call they were asked to

Who accepts in person comes in the desk's name, and holds it in person. What can be known at the door is refused at the door (400, naming the field); whether the step fits is the desk's to
say (409, with the present state), because only there is nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.doors import to_us
from devices.signal import Key
from dispatcher.console import shapes
from dispatcher.console.access import AREA, WHOLE, Access
from dispatcher.console.bare import without_person
from dispatcher.console.endpoint import Answer, Ask, Endpoint
from dispatcher.console.masking import shown_call
from dispatcher.console.problems import Problem, again_later, not_found, wrong
from dispatcher.console.rooms import Decided, KeyReused, Undecided
from dispatcher.core import commands, geo
from dispatcher.core.call import Call, Evidence, Outcome
from dispatcher.core.commands import AnyCommand
from dispatcher.core.district import Location, Role, StationKind
from dispatcher.core.roll import Roll


async def decision(ask: Ask, command: AnyCommand, call_id: str | None, district: str) -> Decided:
    """Ask the desk under the request's key. Raises Problem where it has not decided in time, or the key was used."""
    try:
        return await ask.rooms.inbox.ask(
            command, call=call_id, district=district, source=ask.access.source, ref=ask.key
        )
    except Undecided:
        detail = "it is stored, and the desk has not decided yet: ask again with the same Idempotency-Key"
        raise again_later(detail, idempotency_key=ask.key) from None
    except KeyReused:
        raise Problem(
            422, "this Idempotency-Key was used for something else", field="Idempotency-Key"
        ) from None


async def asked(ask: Ask, command: AnyCommand, call: Call | None, district: str) -> Answer:
    """Ask the desk, and tell its answer: the call as it is now, or why not."""
    call_id = None if call is None else call.id
    decided = await decision(ask, command, call_id, district)
    told = decided.call or call_id
    now = None if told is None else await ask.rooms.board.get(told)
    if decided.status in {200, 201} and now is not None:
        return Answer(await _shown(ask, now), decided.status)
    if decided.status == 400:
        raise wrong(decided.field, decided.why)
    if decided.status == 404:
        raise not_found("call")
    more: dict[str, Any] = {"code": decided.code}
    if now is not None:
        view = await _shown(ask, now)
        more |= {name: view[name] for name in ("state", "accepted", "closed")} | {"call": now.id}
    raise Problem(409, decided.why, **more)


async def _shown(ask: Ask, call: Call) -> dict[str, Any]:
    """The call as the asker may see it: without anything about a person where it is out of their sight by now."""
    view = await ask.rooms.board.view(call)
    return shown_call(ask, call, view) if ask.scope.may_step(call, ask.now_us) else without_person(view)


def placed(location: Location | None) -> Location | None:
    """A place in WGS 84. Raises Problem 400."""
    if location is None:
        return None
    for path, error in geo.faults(location):
        raise wrong(f"location.{path}" if path else "location", error)
    return geo.to_wgs84(location)


def acting_for(access: Access) -> str:
    """The station somebody acts for: a station's people for theirs, everybody else for the desk (empty)."""
    return access.station if access.role is Role.STATION else ""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A step somebody takes: who, of which call, really when."""

    ask: Ask
    call: Call
    at_us: int | None

    @property
    def common(self) -> dict[str, Any]:
        """What every command says."""
        return {"by": self.ask.access.by, "at_us": self.at_us, "station": self.standing_for()}

    def standing_for(self) -> str:
        """Whom they act for where they name no station: empty for the desk, which acts for anyone."""
        access, roll = self.ask.access, self._roll()
        if access.role in WHOLE or (
            access.role in AREA and roll is not None and self.ask.scope.sees_all(roll)
        ):
            return ""
        if access.role is Role.STATION:
            return access.station
        holder = self.call.accepted or self.call.former
        if holder is not None and access.role in AREA and self._is_theirs(holder.station):
            return holder.station
        return access.by

    def own_station(self, named: str | None, *, desk: bool = False) -> str:
        """The station they act for: the one named, else their own. `desk`: the desk may be named by anybody of an area.

        Raises Problem where they may not; whether there is such a station is told to those who see the whole district.
        """
        access, roll = self.ask.access, self._roll()
        if not named:
            return access.station
        if access.role is Role.STATION and named != access.station:
            raise Problem(403, "this token acts for its own station only", field="station")
        if access.role is Role.VOLUNTEER:
            raise Problem(403, "a volunteer acts for no station", field="station")
        if roll is not None and self.ask.scope.sees_all(roll):
            if named not in roll.stations:
                raise wrong("station", "no such station in the call's district")
        elif not self._is_theirs(named) and not (desk and roll is not None and named == roll.desk().id):
            raise Problem(403, "this station is outside your scope", field="station")
        return named

    def _roll(self) -> Roll | None:
        return self.ask.scope.rolls.by_code.get(self.call.district)

    def _is_theirs(self, station_id: str) -> bool:
        """A station in sight; the desk is nobody's but the district's."""
        roll = self._roll()
        station = None if roll is None else roll.stations.get(station_id)
        if roll is None or station is None or not self.ask.scope.sees_station(roll, station_id):
            return False
        return station.kind is not StationKind.DISTRICT_DESK or station_id == self.ask.access.station


def _accept(taken: _Taken, body: shapes.AcceptBody) -> AnyCommand:
    return commands.Accept(**{**taken.common, "station": taken.own_station(body.station, desk=True)})


def _decline(taken: _Taken, body: shapes.DeclineBody) -> AnyCommand:
    # A volunteer was asked in person, and declines in person.
    person = taken.ask.access.staff if taken.ask.access.role is Role.VOLUNTEER else ""
    station = taken.own_station(body.station) or person
    if not station:
        raise wrong("station", "is needed: this token is of no station")
    return commands.Decline(**{**taken.common, "station": station}, text=body.reason or "")


def _release(taken: _Taken, body: shapes.ReleaseBody) -> AnyCommand:
    return commands.Release(**taken.common, text=body.reason or "")


def _spoke(taken: _Taken, body: shapes.SpokeBody) -> AnyCommand:
    return commands.Speak(**taken.common, result=body.result)


def _en_route(taken: _Taken, _body: shapes.StepBody) -> AnyCommand:
    return commands.SetOut(**taken.common)


def _on_scene(taken: _Taken, body: shapes.OnSceneBody) -> AnyCommand:
    return commands.Arrive(**taken.common, proof=body.proof or "")


def _close(taken: _Taken, body: shapes.CloseBody) -> AnyCommand:
    call = taken.call
    if body.outcome is Outcome.NO_CONTACT and body.evidence is not Evidence.ON_SITE:
        raise wrong("evidence", "no_contact needs on_site: somebody must have been there")
    if call.key == Key.EMERGENCY and not call.test and body.evidence is None:
        raise wrong("evidence", f"an emergency needs one of {', '.join(Evidence)}")
    if body.outcome is Outcome.DUPLICATE and not body.of:
        raise wrong("of", "a duplicate needs the call it is one of")
    if body.of and body.outcome is not Outcome.DUPLICATE:
        raise wrong("of", "goes with the outcome duplicate only")
    if body.of == call.id:
        raise wrong("of", "a call is no duplicate of itself")
    return commands.Close(
        **taken.common,
        outcome=body.outcome,
        evidence=body.evidence,
        text=body.note or "",
        of=body.of or "",
    )


def _reopen(taken: _Taken, body: shapes.ReopenBody) -> AnyCommand:
    return commands.Reopen(**taken.common, text=body.reason or "")


def _transfer(taken: _Taken, body: shapes.TransferBody) -> AnyCommand:
    if taken.ask.access.role is Role.VOLUNTEER:
        raise Problem(403, "a volunteer sends nobody")
    roll = taken.ask.scope.rolls.by_code.get(taken.call.district)
    if roll is None or body.station not in roll.stations:
        raise wrong("station", "no such station in the call's district")
    return commands.Transfer(**taken.common, to=body.station)


def _note(taken: _Taken, body: shapes.NoteBody) -> AnyCommand:
    return commands.Note(**taken.common, text=body.text)


def _seen(taken: _Taken, body: shapes.SeenBody) -> AnyCommand:
    station = taken.own_station(body.station)
    if not station and taken.standing_for():
        station = taken.ask.access.by  # on a screen of theirs, which is not the holder's
    return commands.See(**{**taken.common, "station": station})


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: its name in the path, its body, the command it becomes."""

    name: str
    body: Any
    command: Callable[[_Taken, Any], AnyCommand]
    en: str
    zh: str
    body_optional: bool = True


STEPS = (
    _Step("accept", shapes.AcceptBody, _accept, "Take the call", "受理"),
    _Step("decline", shapes.DeclineBody, _decline, "This station cannot come", "拒单"),
    _Step("release", shapes.ReleaseBody, _release, "The holder gives it back", "退回"),
    _Step("spoke", shapes.SpokeBody, _spoke, "Telephoned the resident", "与老人通话", body_optional=False),
    _Step("en-route", shapes.StepBody, _en_route, "On the way", "出发"),
    _Step("on-scene", shapes.OnSceneBody, _on_scene, "There", "到达"),
    _Step("close", shapes.CloseBody, _close, "Over", "办结", body_optional=False),
    _Step("reopen", shapes.ReopenBody, _reopen, "It was not over (within 5 min)", "重新打开（5 分钟内）"),
    _Step(
        "transfer", shapes.TransferBody, _transfer, "Send it to another station", "转派", body_optional=False
    ),
    _Step("note", shapes.NoteBody, _note, "Write something down", "备注", body_optional=False),
    _Step("seen", shapes.SeenBody, _seen, "It was on a screen somebody looks at", "已阅"),
)


def _may(ask: Ask, step: _Step, call: Call) -> bool:
    """Whether they may say this of the call at all. An answer to an offer that somebody beat them to is heard too."""
    if ask.scope.may_step(call, ask.now_us):
        return True
    return step.name in {"accept", "decline"} and ask.scope.beaten(call, ask.now_us)


def _endpoint(step: _Step) -> Endpoint:
    async def take(ask: Ask) -> Answer:
        call = await ask.rooms.board.get(ask.path["id"])
        if call is None or not _may(ask, step, call):
            raise not_found("call")
        taken = _Taken(ask, call, None if ask.body.at is None else to_us(ask.body.at))
        command = step.command(taken, ask.body)
        if isinstance(command, commands.Close) and command.of:
            of = await ask.rooms.board.get(command.of)
            if of is None or of.district != call.district or not ask.scope.sees_call(of):
                raise wrong("of", "no such call")
        return await asked(ask, command, call, call.district)

    return Endpoint(
        method="POST",
        path=f"/calls/{{id}}/{step.name}",
        name=f"step{step.name.title().replace('-', '')}",
        tag="steps",
        en=step.en,
        zh=step.zh,
        handle=take,
        body=step.body,
        body_optional=step.body_optional,
        answer=shapes.CallView,
        statuses={200: "The call as it is now", 409: "Does not fit now: `state` is the present one"},
        writes=True,
    )


ENDPOINTS = tuple(_endpoint(step) for step in STEPS)
