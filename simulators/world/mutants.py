"""Deliberate mistakes in the production code, to see that the world finds them. In this process only, never in a file.

A mutant replaces a piece of a function's source and compiles it anew; the function keeps its identity, so that whoever has
it by whatever name has the mutant. Where the source has changed and the piece is not there, that is an error: a mutant that
changes nothing would prove nothing.
"""

from __future__ import annotations
import __future__

import contextlib
import importlib
import inspect
import multiprocessing
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from simulators.world.machine import Build
from simulators.world.night import DAY_SECONDS, play

#: In so many nights every mutant must be found.
SEEDS_MAX = 60


class Edit(NamedTuple):
    """`at` is `module:function` or `module:Class.method`; `old` stands in its source once."""

    at: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A mistake: its name, the promise it breaks, what it is."""

    name: str
    promise: int
    says: str
    edits: tuple[Edit, ...]


class Hunt(NamedTuple):
    """How a mutant was found: by which checker, in the how-manieth night; no checker: it was not."""

    mutant: Mutant
    check: str
    nights: int


class NoSuchPlace(Exception):  # noqa: N818
    """The source is not what the mutant changes: mend the mutant."""


@contextlib.contextmanager
def at_large(mutant: Mutant) -> Iterator[None]:
    """The production code has this mistake, for as long as this lasts. Raises NoSuchPlace."""
    sources: dict[FunctionType, str] = {}
    for edit in mutant.edits:
        function = found(edit.at)
        source = sources.get(function) or textwrap.dedent(inspect.getsource(function))
        if source.count(edit.old) != 1:
            raise NoSuchPlace(f"{edit.at}: {edit.old!r} stands there {source.count(edit.old)} times")
        sources[function] = source.replace(edit.old, edit.new)
    before = {function: function.__code__ for function in sources}
    try:
        for function, source in sources.items():
            function.__code__ = _compiled(function, source)
        yield
    finally:
        for function, code in before.items():
            function.__code__ = code


def found(at: str) -> FunctionType:
    """The function itself. Raises NoSuchPlace where there is none."""
    module, _, path = at.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = inspect.getattr_static(found, name)
    if not isinstance(found, FunctionType):
        raise NoSuchPlace(f"{at} is no function")
    return found


def _compiled(function: FunctionType, source: str) -> CodeType:
    space: dict[str, object] = {}
    flag = __future__.annotations.compiler_flag
    code = compile(source, f"<mutant of {function.__qualname__}>", "exec", flags=flag, dont_inherit=True)
    exec(code, dict(function.__globals__), space)  # noqa: S102 - that is what a mutant is
    made = space[function.__name__]
    assert isinstance(made, FunctionType)
    return made.__code__


def all_of(mutants: Sequence[Mutant], build: Build, jobs: int = 0) -> Iterator[Hunt]:
    """Hunt them all, in their order; `jobs` at once, 0: one for each core."""
    jobs = jobs or os.cpu_count() or 1
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(partial(hunt, build=build), mutants)


def table(hunts: Iterable[Hunt]) -> str:
    """What was found by which checker, as Markdown."""
    lines = [
        "# Deliberate mistakes, and who found them",
        "",
        "Written by `make sim-mutants`: each mistake is put into the production code of one process, and nights of the simulated",
        f"world are played from seed 1 until a checker speaks, {SEEDS_MAX} at most.",
        "",
        "| mistake | promise | what it does | found by | nights |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{one.mutant.name}` | {one.mutant.promise or '-'} | {one.mutant.says} | "
        f"{f'`{one.check}`' if one.check else '**nobody**'} | {one.nights} |"
        for one in hunts
    ]
    return "\n".join(lines) + "\n"


def hunt(mutant: Mutant, build: Build, nights: int = SEEDS_MAX, day_seconds: float = DAY_SECONDS) -> Hunt:
    """Play nights until one of them finds it."""
    with at_large(mutant):
        for seed in range(1, nights + 1):
            night = play(seed, build, day_seconds)
            if night.found is not None:
                return Hunt(mutant, night.found.check, seed)
    return Hunt(mutant, "", nights)
