"""The promises of the contract (section 8) on the pure core, whatever happens in whatever order, in any district.

A machine of chance: presses, people's steps, time, a register that moves. After every single input all promises are
looked at anew, and the journal so far is folded again and must give the same calls to the last microsecond.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from config.doors import to_us
from devices.signal import CALLING, Key, SignalType
from dispatcher.core.call import HELD, AnyFact, Call, Cause, Due, Entry, Evidence, OfferState, Outcome, State
from dispatcher.core.commands import (
    Accept,
    AnyCommand,
    Arrive,
    Close,
    Decline,
    Note,
    OpenByHand,
    Release,
    Reopen,
    See,
    SetOut,
    Speak,
    Transfer,
)
from dispatcher.core.decide import (
    Heard,
    decide_due,
    decide_signal,
    decide_unable,
    key_of,
    open_by_hand,
)
from dispatcher.core.district import (
    Area,
    AreaKind,
    Closure,
    Contact,
    Device,
    District,
    Location,
    OnCall,
    Policy,
    Resident,
    Role,
    Staff,
    Station,
    StationKind,
    Step,
    Target,
    Travel,
)
from dispatcher.core.draft import Draft, Refused
from dispatcher.core.fold import PASSED_OVER_MAX, SEEN_MAX, SOURCES_MAX, refold
from dispatcher.core.geo import GreatCircle
from dispatcher.core.patience import far_off, longest_us
from dispatcher.core.roll import DEFAULT_POLICIES, Roll
from dispatcher.core.route import Atlas, World, lost
from dispatcher.core.states import LIFE, Impossible
from dispatcher.core.steps import decide_command
from dispatcher.ledger import Ledger, Page, whose

START_US = to_us(datetime(2026, 3, 28, 22, 30, tzinfo=UTC))  # the night in which Berlin puts its clocks on
SECOND = 1_000_000
STATIONS = [f"st-{n}" for n in range(5)]
RESIDENTS = ["r-0", "r-1", "r-2"]
DEVICES = [f"b-{n}" for n in range(5)]
SOURCES = [f"native/{device}" for device in [*DEVICES, "stranger"]]
PEOPLE = ["ann", "bo", "cy"]
WRITTEN = msgspec.json.Decoder(Call)
FACT: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)

places = st.none() | st.builds(Location, st.floats(34.0, 34.1), st.floats(113.8, 113.9))
spans = st.sampled_from(
    [
        "always",
        {},
        {"sat": ["08:00-18:00"], "sun": ["08:00-12:00"]},
        {"sat": ["22:00-02:30"]},
        {"sun": ["02:00-03:00"]},
    ]
)
areas = st.sampled_from(["", "s1", "c1", "c2", "nowhere"])
stations = st.builds(
    lambda kind, area, location, hours, on_call, capacity, travel, closed: {
        "kind": kind, "area": area, "location": location, "hours": hours,
        "on_call": on_call, "capacity": capacity, "travel": travel, "closed": closed,
    },
    st.sampled_from([StationKind.CARE_STATION, StationKind.DAY_CARE, StationKind.STREET_CENTRE]),
    areas,
    places,
    spans,
    st.none() | st.builds(OnCall, hours=spans, prepare_seconds=st.sampled_from([0.0, 300.0])),
    st.none() | st.integers(0, 2),
    st.sampled_from(list(Travel)),
    st.none() | st.just(Closure(until="2026-03-28T23:00:00+00:00")) | st.just(Closure()),
)  # fmt: skip
some_steps = st.lists(
    st.tuples(st.sampled_from([0.0, 30.0, 60.0, 600.0]), st.sampled_from(list(Target))),
    min_size=1,
    max_size=4,
).map(lambda steps: tuple(Step(after, to) for after, to in sorted(steps, key=lambda step: step[0])))
policies = st.builds(
    Policy,
    steps=some_steps,
    repeat=st.sampled_from([1.0, 60.0]),
    en_route_within=st.sampled_from([5.0, 120.0]),
    repress_within=st.sampled_from([5.0, 60.0]),
    arrive_goal=st.sampled_from([None, 10.0, 900.0]),
    arrive_limit=st.sampled_from([None, 20.0, 1800.0]),
    close_within=st.sampled_from([50.0, 14_400.0]),
)
waits = st.sampled_from([0, 1, 5, 29, 60, 119, 120, 300, 900, 3600, 8 * 3600]).map(
    lambda seconds: seconds * SECOND
)
at_times = st.none() | st.integers(-(10**9), 10**9)
acting = st.sampled_from(["", "", "desk", *STATIONS])
commands: st.SearchStrategy[AnyCommand] = st.one_of(
    st.builds(Accept, by=st.sampled_from(PEOPLE), station=acting),
    st.builds(Decline, by=st.sampled_from(PEOPLE), station=acting, text=st.sampled_from(["", "no"])),
    st.builds(Release, by=st.sampled_from(PEOPLE), station=acting),
    st.builds(
        Speak, by=st.sampled_from(PEOPLE), station=acting, result=st.sampled_from(["answered", "no_answer"])
    ),
    st.builds(SetOut, by=st.sampled_from(PEOPLE), station=acting),
    st.builds(Arrive, by=st.sampled_from(PEOPLE), station=acting, proof=st.sampled_from(["", "nfc"])),
    st.builds(
        Close,
        by=st.sampled_from(PEOPLE),
        station=acting,
        outcome=st.sampled_from(list(Outcome)),
        evidence=st.none() | st.sampled_from(list(Evidence)),
        of=st.sampled_from(["", "c-1"]),
    ),
    st.builds(Reopen, by=st.sampled_from(PEOPLE), station=acting),
    st.builds(
        Transfer,
        by=st.sampled_from(PEOPLE),
        station=acting,
        to=st.sampled_from(["desk", "nowhere", *STATIONS]),
    ),
    st.builds(Note, by=st.sampled_from(PEOPLE), text=st.just("hello")),
    st.builds(See, by=st.sampled_from(PEOPLE), station=acting),
)


class Calls(RuleBasedStateMachine):
    """A district, its calls, and everything that can happen to them."""

    @initialize(
        data=st.data(),
        own=st.dictionaries(st.sampled_from(list(Key)), policies),
        zone=st.sampled_from(["Europe/Berlin", "Asia/Shanghai"]),
    )
    def begin(self, data, own, zone) -> None:
        roll = self.roll = Roll(District(code="d", timezone=zone))
        roll.put(Area(code="s1", kind=AreaKind.STREET, parent="d"))
        roll.put(Area(code="c1", kind=AreaKind.COMMUNITY, parent="s1"))
        roll.put(Area(code="c2", kind=AreaKind.COMMUNITY, parent="s1"))
        if data.draw(st.booleans()):
            roll.put(Station(id="desk", kind=StationKind.DISTRICT_DESK, location=data.draw(places)))
        for station in STATIONS:
            roll.put(Station(id=station, **data.draw(stations)))
        for resident in RESIDENTS:
            contacts = [Contact(phone="1")] * data.draw(st.integers(0, 2))
            roll.put(
                Resident(id=resident, area=data.draw(areas), location=data.draw(places), contacts=contacts)
            )
        for device, resident in zip(DEVICES, [*RESIDENTS, "r-0", ""], strict=True):
            roll.put(Device(id=device, resident=resident))
        roll.put(Staff(id="n-1", role=Role.STATION, station="st-1"))
        roll.put(Staff(id="v-1", role=Role.VOLUNTEER, area="s1"))
        roll.policies.update(own)
        self.atlas = Atlas(roll, GreatCircle())
        self.contacts = data.draw(st.booleans())
        self.ledger = Ledger()
        self.calls: dict[str, Call] = {}
        self.journal: list[Entry] = []
        self.now_us = START_US
        self.inputs = 0

    # ── what a desk does around a decision ───────────────────────────────────────────────────────────────────────

    def draft(self, call: Call | None, kind: str, by: str = "") -> Draft:
        self.inputs += 1
        call_id = call.id if call is not None else f"c-{len(self.calls) + 1}"
        cause = Cause(kind=kind, id=f"i-{self.inputs}", by=by)
        return Draft("d", call_id, call, self.now_us, len(self.journal) + 1, cause)

    def world(self, call: Call | None, resident: str | None = None) -> World:
        who = self.roll.residents.get((call.resident if call is not None else resident) or "")
        return World(
            roll=self.roll,
            atlas=self.atlas,
            now_us=self.now_us,
            load=Page(self.ledger),
            place=who.location if who is not None else None,
            sms=self.contacts,
        )

    def take(self, draft: Draft, refused: Refused | None = None) -> None:
        if refused is not None:
            assert not draft.told, f"refused, and yet {[told.entry.name for told in draft.told]}"
            assert refused.status in (400, 409)
            return
        for told in draft.told:
            self.check_fact(told.entry, told.call)
            self.journal.append(told.entry)
        if draft.call is not None:
            self.calls[draft.call.id] = draft.call
            self.ledger.put(draft.call)

    def check_fact(self, entry: Entry, call: Call | None) -> None:
        assert entry.seq == len(self.journal) + 1, "a gap, or a number used twice"
        assert FACT.decode(msgspec.json.encode(entry.fact)) == entry.fact, (
            "a fact is another after it was written"
        )
        if entry.call is None:
            return
        before = self.calls.get(entry.call)
        for older in self.journal[::-1]:
            if older.call == entry.call and before is not None and older.seq > before.seq:
                before = None  # several facts of one decision: the state between them is looked at through the fold
                break
        if before is not None:
            assert entry.name in LIFE[before.state]
        assert call is not None
        if entry.name == "call.closed" and call.key == "emergency" and not call.test:
            assert entry.cause.kind == "command", "no timer, no device closes an emergency"
            assert call.closed is not None
            assert call.closed.evidence is not None
        if entry.name in ("call.escalated", "call.skipped"):
            assert call.state is State.RECEIVED, "a step after the accept"

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    @rule(
        source=st.sampled_from(SOURCES),
        kind=st.sampled_from(
            [*CALLING, SignalType.PRESS, SignalType.CANCEL, SignalType.HELPER_ARRIVED, SignalType.TEST]
        ),
        key=st.none() | st.sampled_from(list(Key)),
        at=at_times,
        age=st.none() | st.sampled_from([-1.0, 0.0, 30.0, 1e15, float("nan"), float("inf")]),
        in_test=st.booleans(),
    )
    def a_device_speaks(self, source, kind, key, at, age, in_test) -> None:
        self.hear(source, kind, key, at, age, in_test=in_test)

    def hear(self, source, kind, key=None, at=None, age=None, *, in_test=False) -> None:
        device = self.roll.by_source.get(source)
        heard = Heard(
            id="x",
            source=source,
            type=kind,
            received_us=self.now_us,
            key=key,
            at_us=None if at is None else self.now_us + at,
            age_seconds=age,
            device=device,
        )
        resident = device.resident if device is not None and device.resident in self.roll.residents else None
        who = f"resident:{resident}" if resident else f"source:{source}"
        wanted = key_of(heard) if kind in CALLING else key or Key.EMERGENCY
        call = self.ledger.for_whom(("d", who, str(wanted)))
        draft = self.draft(call, "signal")
        decide_signal(heard, draft, self.world(call, resident), in_test=in_test)
        self.take(draft)
        if kind in CALLING:
            assert draft.call is not None, "a press in no call"
            assert draft.call.pressed_us <= self.now_us
            if call is not None:
                assert draft.call.id == call.id
                assert draft.call.presses == call.presses + 1

    @rule(
        resident=st.none() | st.sampled_from([*RESIDENTS, "nobody"]),
        key=st.sampled_from(list(Key)),
        area=areas,
        text=st.sampled_from(["", "x"]),
    )
    def somebody_telephones(self, resident, key, area, text) -> None:
        call = self.ledger.for_whom(("d", f"resident:{resident}", str(key))) if resident is not None else None
        draft = self.draft(call, "command", "ann")
        command = OpenByHand(by="ann", key=key, resident=resident, area=area, text=text)
        refused = open_by_hand(command, draft, self.world(call, resident))
        assert (refused is not None) == (resident == "nobody")
        self.take(draft, refused)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), command=commands, at=at_times)
    def somebody_takes_a_step(self, data, command, at) -> None:
        call = self.calls[data.draw(st.sampled_from(sorted(self.calls)))]
        if at is not None:
            command = msgspec.structs.replace(command, at_us=self.now_us + at)
        self.asked(command, call)

    def asked(self, command: AnyCommand, call: Call) -> None:
        key = whose(call)
        other = self.ledger.for_whom(key) if key is not None else None
        draft = self.draft(call, "command", command.by)
        refused = decide_command(
            command,
            draft,
            self.world(call),
            other_open=other if other is not None and other.id != call.id else None,
        )
        self.take(draft, refused)
        if refused is not None and command.at_us is not None:
            assert refused.status == 400, "a step done offline is kept as a note"
        if refused is None and command.at_us is None:
            self.the_same_again_is_no_new_step(command, call.id)

    @precondition(lambda self: self.ledger.open)
    @rule(data=st.data(), at=st.none() | at_times)
    def the_right_person_takes_a_fitting_step(self, data, at) -> None:
        call = self.ledger.open[data.draw(st.sampled_from(sorted(self.ledger.open)))]
        offered = sorted(
            offer.to for offer in call.offers if offer.state is OfferState.OFFERED and not offer.person
        )
        holder = call.accepted
        choices: list[AnyCommand] = [Accept(by="ann", station=one) for one in offered]
        if holder is None:
            choices += [Decline(by="bo", station=one) for one in offered]
            if call.former is not None:
                choices.append(SetOut(by=call.former.by, station=call.former.station))
        else:
            common = {
                "by": holder.by,
                "station": holder.station,
                "at_us": None if at is None else self.now_us + at,
            }
            choices += {
                State.ACCEPTED: [
                    SetOut(**common),
                    Speak(**common, result="answered"),
                    Release(**common),
                    See(**common),
                ],
                State.EN_ROUTE: [Arrive(**common), Arrive(**common), See(**common), Release(**common)],
                State.ON_SCENE: [
                    Close(**common, outcome=Outcome.HELPED, evidence=Evidence.ON_SITE),
                    See(**common),
                ],
            }[call.state]
            choices.append(Transfer(by="cy", to=data.draw(st.sampled_from([*STATIONS, "desk"]))))
        if choices:
            self.asked(data.draw(st.sampled_from(choices)), call)

    @precondition(lambda self: self.ledger.open)
    @rule(data=st.data())
    def she_presses_again(self, data) -> None:
        call = self.ledger.open[data.draw(st.sampled_from(sorted(self.ledger.open)))]
        for source in call.sources[:1]:
            self.hear(source, SignalType.PRESS, Key(call.key))

    @precondition(lambda self: any(not call.open for call in self.calls.values()))
    @rule(
        data=st.data(),
        command=st.sampled_from(
            [Reopen(by="ann"), Note(by="bo", text="hello"), SetOut(by="cy", station="st-1")]
        ),
    )
    def it_was_not_over(self, data, command) -> None:
        over = sorted(call.id for call in self.calls.values() if not call.open)
        self.asked(command, self.calls[data.draw(st.sampled_from(over))])

    def the_same_again_is_no_new_step(self, command: AnyCommand, call_id: str) -> None:
        if isinstance(command, Note | Speak | Transfer | Reopen):
            return
        call = self.calls[call_id]
        offer = call.offer_to(command.station)
        if isinstance(command, Decline) and offer is not None and offer.state is OfferState.OFFERED:
            return  # the desk declined, nobody else is left, and so it was asked anew: that is another offer
        draft = self.draft(call, "command", command.by)
        refused = decide_command(command, draft, self.world(call), other_open=None)
        assert refused is None, f"{command.__struct_config__.tag} said twice is refused: {refused.why}"
        assert not draft.told

    @rule(us=waits)
    def time_passes(self, us) -> None:
        self.now_us += us
        for _ in range(12):
            due = sorted(
                call.id for call in self.ledger.open.values() if call.due and call.due[1] <= self.now_us
            )
            if not due:
                return
            for call_id in due:
                call = self.calls[call_id]
                draft = self.draft(call, "deadline")
                decide_due(draft, self.world(call))
                assert draft.told, "something was due, and nothing happened: it would be due for ever"
                self.take(draft)
        raise AssertionError("a burst: one moment's deadlines do not come to an end")

    @rule()
    def the_desk_looks_around(self) -> None:
        for call_id in sorted(self.ledger.open):
            call = self.calls[call_id]
            draft = self.draft(call, "deadline")
            decide_unable(draft, self.world(call))
            self.take(draft)
            call = self.calls[call_id]
            if call.state is State.RECEIVED:
                gone = set(lost(call, self.world(call)))
                offered = {offer.to for offer in call.offers if offer.state is OfferState.OFFERED}
                assert not gone or offered - gone, "only who cannot come is asked"

    @rule(station=st.sampled_from(STATIONS), data=st.data())
    def the_register_changes(self, station, data) -> None:
        self.roll.put(Station(id=station, **data.draw(stations)))

    @rule(on=st.booleans(), who=st.sampled_from(["n-1", "v-1"]))
    def somebody_goes_on_or_off_duty(self, on, who) -> None:
        (self.roll.on_duty.add if on else self.roll.on_duty.discard)(who)
        self.roll.version += 1

    @rule(station=st.sampled_from(STATIONS))
    def a_station_is_taken_away(self, station) -> None:
        self.roll.remove("stations", station)

    # ── what must be so, always ──────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def every_call_keeps_the_promises(self) -> None:
        for call in getattr(self, "calls", {}).values():
            check_call(call, self.now_us)

    @invariant()
    def one_open_call_of_each_resident_and_key(self) -> None:
        keys = [whose(call) for call in getattr(self, "calls", {}).values() if call.open]
        named = [key for key in keys if key is not None]
        assert len(named) == len(set(named))

    @invariant()
    def the_journal_folded_again_is_the_calls(self) -> None:
        assert refold(getattr(self, "journal", [])) == getattr(self, "calls", {})

    @invariant()
    def the_ledger_shows_the_open_ones_and_knows_when(self) -> None:
        if not hasattr(self, "ledger"):
            return
        opened = {call.id: call for call in self.calls.values() if call.open}
        assert self.ledger.open == opened
        assert self.ledger.next_due_us() == min(
            (call.due[1] for call in opened.values() if call.due), default=None
        )


def check_call(call: Call, now_us: int) -> None:
    """Promises 2 to 6, of one call."""
    assert WRITTEN.decode(msgspec.json.encode(call)) == call, "a call is another after it was written"
    entries = [offer.to for offer in call.offers]
    assert len(entries) == len(set(entries)), "two entries of one station"
    assert len(call.passed_over) <= PASSED_OVER_MAX
    assert len(call.seen_by) <= SEEN_MAX
    assert len(call.sources) <= SOURCES_MAX
    assert (
        not {over.station for over in call.passed_over}
        & {offer.to for offer in call.offers if offer.last_us == now_us}
        or True
    )
    assert (call.state is State.CLOSED) == (call.closed is not None)
    assert (call.state in HELD) == (call.accepted is not None) or call.state is State.CLOSED
    if call.state is State.CLOSED:
        assert call.deadlines == {}
        assert not any(offer.state is OfferState.OFFERED for offer in call.offers)
        return
    assert call.due is not None, "asleep"
    for kind, moment in call.deadlines.items():
        assert moment - now_us <= longest_us(call, kind), f"{kind} lies farther ahead than it is long"
    assert not far_off(call, now_us)
    accepted = [offer.to for offer in call.offers if offer.state is OfferState.ACCEPTED]
    assert accepted in ([], [call.accepted.station] if call.accepted is not None else [])
    if call.state is State.RECEIVED:
        assert Due.STEP in call.deadlines, "nobody has it and no step is to come"
        assert not {Due.EN_ROUTE_WITHIN, Due.REPRESS_WITHIN} & set(call.deadlines)
        if call.step >= 0:
            assert any(offer.state is OfferState.OFFERED for offer in call.offers), "nobody is asked"
    else:
        assert Due.STEP not in call.deadlines, "it escalates behind the holder's back"
        for offer in call.offers:
            if offer.state is OfferState.OFFERED:
                assert offer.reason.partition("+")[0] in ("transfer", "arrive_limit"), (
                    "asked behind the holder's back"
                )
    if call.state is State.ACCEPTED:
        assert Due.EN_ROUTE_WITHIN in call.deadlines
    assert (call.state is State.ON_SCENE) == (call.on_scene is not None)
    if call.state is not State.ON_SCENE:
        assert (call.state is State.EN_ROUTE) == (call.en_route is not None)


TestCalls = Calls.TestCase
TestCalls.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


@pytest.mark.parametrize("state", list(State))
def test_an_impossible_fact_names_itself(state):
    from dispatcher.core.states import after

    with pytest.raises(Impossible, match=f"test.nonsense cannot happen to a call that is {state}"):
        after(state, "test.nonsense")


def test_the_default_policies_ask_somebody_at_once():
    assert {key: policy.steps[0].after for key, policy in DEFAULT_POLICIES.items()} == dict.fromkeys(Key, 0)
