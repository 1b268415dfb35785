"""Which news a webhook hears: by the facts it asked for, and by its area."""

from __future__ import annotations

from typing import get_args

import pytest

from dispatcher.core.call import AnyFact
from dispatcher.core.district import Area, AreaKind, District, Webhook
from dispatcher.core.district_check import check
from dispatcher.core.district_rules import FACTS
from dispatcher.core.reach import webhook_hears
from dispatcher.core.roll import Roll


@pytest.fixture
def roll() -> Roll:
    """A district with two streets, and a community in the first."""
    made = Roll(District(code="d"))
    for code, kind, parent in (
        ("s1", AreaKind.STREET, "d"),
        ("c1", AreaKind.COMMUNITY, "s1"),
        ("s2", AreaKind.STREET, "d"),
    ):
        made.put(Area(code=code, kind=kind, parent=parent))
    return made


def hears(roll: Roll, fact: str, area: str, *, events: tuple[str, ...] = ("call.*",), of: str = "") -> bool:
    hook = Webhook(id="wh-1", url="https://example.org/", events=list(events), area=of)
    return webhook_hears(hook, fact, area, roll)


@pytest.mark.parametrize(
    ("events", "heard", "not_heard"),
    [
        (("call.opened",), ("call.opened",), ("call.closed", "call.opened_again", "call")),
        (("call.*",), ("call.opened", "call.closed"), ("alert.sent", "callback.opened")),
        (("*",), ("call.opened", "coverage.lost", "test.passed"), ()),
        (("call.closed", "device.*"), ("call.closed", "device.fault"), ("call.opened",)),
        ((), (), ("call.opened",)),
    ],
)
def test_by_the_facts_it_asked_for(roll, events, heard, not_heard):
    assert all(hears(roll, fact, "c1", events=events) for fact in heard)
    assert not any(hears(roll, fact, "c1", events=events) for fact in not_heard)


@pytest.mark.parametrize(
    ("of", "heard", "not_heard"),
    [
        ("", ("c1", "s1", "s2", "d", ""), ()),
        ("d", ("c1", "s1", "s2", "d", ""), ()),
        ("s1", ("c1", "s1"), ("s2", "d", "")),
        ("c1", ("c1",), ("s1", "s2", "d", "")),
        ("gone", (), ("c1", "s1", "s2", "d", "")),
    ],
)
def test_by_its_area_and_what_has_none_is_the_districts(roll, of, heard, not_heard):
    assert all(hears(roll, "call.opened", area, of=of) for area in heard)
    assert not any(hears(roll, "call.opened", area, of=of) for area in not_heard)


def test_every_fact_of_the_journal_can_be_asked_for():
    told = {fact.__struct_config__.tag for fact in get_args(AnyFact)}
    assert told <= set(FACTS), f"not in FACTS: {told - set(FACTS)}"
    assert len(FACTS) == len(set(FACTS))


@pytest.mark.parametrize(
    "event", ["call.open", "calls.*", "call.", "call.*.*", "device", "**", "", "Call.opened"]
)
def test_a_fact_that_there_is_not_is_named(event):
    file = b'{"district":{"code":"d"},"webhooks":[{"id":"w","url":"https://a.example/","events":["call.*","%s"]}]}'
    _file, [problem] = check(file % event.encode())
    assert problem.path == "webhooks[0].events[1]"
    assert "call.opened" in problem.error


def test_every_fact_and_every_family_of_facts_is_taken():
    families = sorted({f"{fact.partition('.')[0]}.*" for fact in FACTS})
    events = ",".join(f'"{event}"' for event in [*FACTS, *families, "*"])
    file = f'{{"webhooks":[{{"id":"w","url":"https://a.example/","events":[{events}]}}]}}'
    assert check(file.encode())[1] == []
