"""The open calls in memory: who is due, who carries what, and nothing kept of what is over."""

from __future__ import annotations

import random

from msgspec.structs import replace

from dispatcher.core.call import Call, Closing, Offer, OfferState, Outcome, State
from dispatcher.core.commands import Place
from dispatcher.core.roll import DEFAULT_POLICIES
from dispatcher.ledger import STALE_MAX, Ledger, Page, stations_of, whose


def call(name="c-1", due=100, resident="r-1", **more) -> Call:
    fields = {
        "id": name, "district": "d", "seq": 1, "state": State.RECEIVED, "key": "emergency", "kind": "press",
        "test": False, "device": None, "source": "native/b", "sources": ("native/b",), "resident": resident, "area": "",
        "by": "", "pressed_us": 0, "opened_us": 0, "policy": DEFAULT_POLICIES["emergency"], "deadlines": {"step": due},
    }  # fmt: skip
    return Call(**{**fields, **more})


def closed(one: Call) -> Call:
    return replace(
        one, state=State.CLOSED, deadlines={}, closed=Closing(by="n", at_us=1, outcome=Outcome.HELPED)
    )


def test_the_longest_due_come_first_and_only_what_is_due():
    ledger = Ledger()
    for name, due in (("a", 30), ("b", 10), ("c", 20), ("d", 99)):
        ledger.put(call(name, due, resident=name))
    assert ledger.next_due_us() == 10
    assert ledger.take_due(30, 10) == ["b", "c", "a"]
    assert ledger.next_due_us() == 99


def test_what_was_taken_and_not_moved_is_due_still():
    ledger = Ledger()
    ledger.put(call("a", 10))
    taken = ledger.take_due(10, 5)
    ledger.again_due(taken)
    assert ledger.take_due(10, 5) == ["a"]


def test_what_was_taken_and_moved_is_due_once():
    ledger = Ledger()
    ledger.put(call("a", 10))
    for due in range(20, 2000, 10):  # a whole night of ringing
        taken = ledger.take_due(due - 10, 5)
        assert taken == ["a"]
        ledger.put(call("a", due))
        ledger.again_due(taken)
    assert len(ledger._due) == 1


def test_a_deadline_moved_forward_and_back_is_found():
    ledger = Ledger()
    for due in (100, 50, 100, 50):
        ledger.put(call("a", due))
    assert ledger.take_due(60, 5) == ["a"]
    assert ledger.next_due_us() is None


def test_the_heap_is_as_large_as_its_calls_whatever_moved():
    ledger, chance = Ledger(), random.Random(1)
    for _ in range(20_000):
        name = f"c-{chance.randrange(50)}"
        one = call(name, chance.randrange(10**6, 10**9), resident=name)
        ledger.put(closed(one) if chance.random() < 0.1 else one)
    assert len(ledger._due) <= 2 * len(ledger.open) + STALE_MAX + 1
    left = {one.due[1] for one in ledger.open.values()}
    assert ledger.next_due_us() == min(left)


def test_of_a_closed_call_nothing_is_kept():
    ledger = Ledger()
    offered = call(offers=(Offer("st-1", 0, 0, "nearest"),))
    ledger.put(offered)
    ledger.places["c-1"] = Place(name="x")
    assert ledger.load("st-1") == {"c-1"}
    ledger.put(closed(offered))
    assert (ledger.open, ledger.places, ledger.load("st-1"), list(ledger.loaded())) == ({}, {}, set(), [])
    assert (ledger._armed, ledger._by_whose) == ({}, {})
    assert ledger.for_whom(whose(offered)) is None


def test_a_page_shows_its_changes_and_the_ledger_does_not_until_it_is_turned():
    ledger = Ledger()
    ledger.put(call("a", offers=(Offer("st-1", 0, 0, "nearest"),)))
    page = Page(ledger)
    page.put(replace(call("a"), offers=(Offer("st-2", 0, 0, "next"),)))
    assert (page.get("st-1"), page.get("st-2")) == (set(), {"a"})
    assert (ledger.load("st-1"), ledger.load("st-2")) == ({"a"}, set())
    page.turn()
    assert (ledger.load("st-1"), ledger.load("st-2")) == (set(), {"a"})


def test_in_one_batch_a_call_is_closed_a_new_one_opened_and_each_is_found():
    ledger = Ledger()
    first = call("a")
    ledger.put(first)
    page = Page(ledger)
    page.put(closed(first))
    assert page.for_whom(whose(first)) is None
    page.put(call("b"))
    assert page.for_whom(whose(first)).id == "b"
    page.turn()
    assert ledger.for_whom(whose(first)).id == "b"
    assert set(ledger.open) == {"b"}


def test_places_of_calls_that_came_to_nothing_are_not_kept():
    ledger = Ledger()
    page = Page(ledger)
    page.places.update({"a": Place(name="x"), "refused": Place(name="y"), "over": Place(name="z")})
    page.put(call("a"))
    page.put(closed(call("over", resident="r-2")))
    page.turn()
    assert set(ledger.places) == {"a"}


def test_persons_are_no_stations_and_a_holder_carries_it_too():
    offers = (
        Offer("r-1/0", 0, 0, "contacts", person=True),
        Offer("st-1", 0, 0, "x", state=OfferState.DECLINED),
    )
    assert stations_of(call(offers=offers)) == set()
