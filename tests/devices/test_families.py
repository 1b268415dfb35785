"""Every family of the registry against every frame of its fixture file: a new family is tested by being there."""

from __future__ import annotations

import random

import pytest
from frames import NOW, Example, examples, hear, progresses
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.family import Family, Frame, Heard, Outcome, Replayed, Result, Transport, Unreadable
from devices.registry import UnknownFamilyError, families, family
from devices.signal import CALLING

EXAMPLES = examples()
STREAMS = {Transport.SERIAL, Transport.TCP}

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=str)
each_family = pytest.mark.parametrize("translator", families().values(), ids=families().keys())


def is_stream(name: str) -> bool:
    return bool(family(name).transports & STREAMS)


@each_family
def test_it_is_complete(translator: Family) -> None:
    """A fixture, a docstring of its own, transports, and options that are explained."""
    mine = [example for example in EXAMPLES if example.family == translator.name]
    assert len(mine) >= 5
    assert any(example.given.get("unreadable") for example in mine)
    assert any(signal.type in CALLING for example in mine for signal in example.signals)
    assert translator.transports
    assert all(sentence for sentence in translator.options.values())
    module = __import__(type(translator).__module__, fromlist=["_"])
    assert "Maker" in (module.__doc__ or "")
    assert bool(translator.topics("base")) == (Transport.MQTT in translator.transports)


def test_no_fixture_without_a_family() -> None:
    assert {example.family for example in EXAMPLES} == set(families())


def test_unknown_family() -> None:
    with pytest.raises(UnknownFamilyError, match="native"):
        family("nokia")


@each_family
def test_unknown_option(translator: Family) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        translator.session({"no_such_option": 1})


@each_example
def test_decodes_as_written(example: Example) -> None:
    session = family(example.family).session(example.options)
    hear(session, list(example.before))
    result = Result(example.given.get("result", "stored"))
    signals, answers, pieces = hear(session, [example.frame], result, example.given.get("call"))
    assert signals == example.signals
    if example.answers is not None:
        assert answers == example.answers
    refused = [piece.refused for piece in pieces if isinstance(piece, Heard) and piece.refused]
    unreadable = [piece.error for piece in pieces if isinstance(piece, Unreadable)]
    replayed = [piece.error for piece in pieces if isinstance(piece, Replayed)]
    for said, wanted in ((refused, "refused"), (replayed, "replayed")):
        assert bool(said) == (wanted in example.given)
        assert all(example.given[wanted] in error for error in said)
    if "unreadable" in example.given:
        assert any(example.given["unreadable"] in error for error in unreadable)
    elif not is_stream(example.family):
        assert not unreadable


@each_example
def test_press_comes_first(example: Example) -> None:
    session = family(example.family).session(example.options)
    hear(session, list(example.before))
    for piece in session.receive(example.frame):
        if isinstance(piece, Heard):
            calling = [signal.type in CALLING for signal in piece.signals]
            assert calling == sorted(calling, reverse=True)


@each_example
def test_no_other_family_claims_it(example: Example) -> None:
    mine = family(example.family)
    for other in families().values():
        if other.name == example.family or not other.transports & mine.transports:
            continue
        signals, _, _ = hear(other.session({}), [*example.before, example.frame])
        assert signals == []


@each_example
def test_split_at_every_byte(example: Example) -> None:
    """A stream is cut anywhere; a message is whole or broken, and a broken one never raises."""
    translator = family(example.family)
    data = example.frame.data
    positions = range(1, len(data)) if len(data) < 1000 else (1, len(data) // 2)
    for position in positions:
        session = translator.session(example.options)
        hear(session, list(example.before))
        parts = [data[:position], data[position:]]
        frames = [Frame(part, example.frame.topic, example.frame.retain) for part in parts]
        signals, answers, _ = hear(session, frames, Result(example.given.get("result", "stored")))
        if is_stream(example.family):
            assert signals == example.signals
            if example.answers is not None:
                assert answers == example.answers


@each_example
def test_byte_by_byte(example: Example) -> None:
    if not is_stream(example.family) or len(example.frame.data) > 1000:
        return
    session = family(example.family).session(example.options)
    hear(session, list(example.before))
    signals, _, _ = hear(session, [Frame(bytes([byte])) for byte in example.frame.data])
    assert signals == example.signals


@each_example
def test_broken_bytes_never_raise(example: Example) -> None:
    chance = random.Random(str(example))
    data = example.frame.data[:2000]
    for _ in range(100):
        broken = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        session = family(example.family).session(example.options)
        hear(session, [*example.before, Frame(bytes(broken), example.frame.topic, example.frame.retain)])


@each_example
def test_round_trip(example: Example) -> None:
    """What a device would send for a signal is heard as that signal."""
    if not example.given.get("roundtrip", True):
        return
    translator = family(example.family)
    for signal in example.signals:
        signals, _, _ = hear(translator.session(example.options), [translator.emit(signal)])
        assert signals == [signal]


@each_example
def test_positive_answer_only_when_stored(example: Example) -> None:
    """`busy` must never look like `stored` to a device."""
    answers = {}
    for result in (Result.STORED, Result.BUSY):
        session = family(example.family).session(example.options)
        hear(session, list(example.before))
        signals, answers[result], _ = hear(session, [example.frame], result)
        if not signals:
            return
    assert answers[Result.STORED] != answers[Result.BUSY] or not answers[Result.STORED]


@pytest.mark.parametrize(("name", "before", "news", "answers"), progresses())
def test_progress(name: str, before: tuple[Frame, ...], news: object, answers: list[object]) -> None:
    session = family(name).session({})
    hear(session, list(before))
    assert list(session.progress(news)) == answers


@each_family
@settings(max_examples=300)
@given(pieces=st.lists(st.binary(max_size=300), max_size=4), topic=st.text(max_size=40), retain=st.booleans())
def test_no_bytes_ever_raise(translator: Family, pieces: list[bytes], topic: str, retain: bool) -> None:
    session = translator.session({})
    topics = [topic, *(each.replace("+", "dev-1") for each in translator.topics(""))]
    for each in topics:
        for piece in pieces:
            for heard in session.receive(Frame(piece, each, retain)):
                if isinstance(heard, Heard):
                    session.answer(heard, [Outcome(Result.STORED, NOW) for _ in heard.signals])


def test_a_thousand_devices_at_once() -> None:
    """Item 23: no state of one device leaks into another's."""
    for translator in families().values():
        sample = next(
            example.signals[0]
            for example in EXAMPLES
            if example.family == translator.name and example.signals and example.signals[0].type in CALLING
        )
        frames = []
        for number in range(1000):
            frame = translator.emit(sample)
            device = f"d{number:04}"
            data = frame.data.replace(sample.device.encode(), device.encode())
            if translator.name == "yj_line":
                from devices.yj_line import crc16

                body = data[1 : data.index(b"*")]
                data = b"$%s*%04X\r\n" % (body, crc16(body))
            frames.append(Frame(data, frame.topic.replace(sample.device, device)))
        signals, answers, _ = hear(translator.session({}), frames)
        assert [signal.device for signal in signals] == [f"d{number:04}" for number in range(1000)]
        assert len(answers) == 1000
