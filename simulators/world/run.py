"""Many nights: side by side in processes, each from its seed; the kept ones; and one told line by line."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from simulators.world.machine import Build
from simulators.world.night import DAY_SECONDS, Night, play

_KEPT = Path(__file__).parent / "seeds.toml"


class Kept(NamedTuple):
    """A seed that once found something, and what."""

    seed: int
    why: str
    day_seconds: float
    promise: int


class Result(NamedTuple):
    """A night in short."""

    seed: int
    found: str
    check: str
    digest: str
    facts: int
    presses: int
    kills: int
    virtual_seconds: float
    seconds: float


def kept() -> list[Kept]:
    """The seeds that are played for ever."""
    read = tomllib.loads(_KEPT.read_text("utf-8"))["seeds"]
    return [
        Kept(one["seed"], one["why"], one.get("day_seconds", DAY_SECONDS), one["promise"]) for one in read
    ]


def of(night: Night, seconds: float) -> Result:
    """In short."""
    figures = night.figures
    return Result(
        seed=night.seed,
        found=str(night.found or ""),
        check=night.found.check if night.found is not None else "",
        digest=night.digest,
        facts=figures["facts"],
        presses=figures["presses"],
        kills=figures["kills"],
        virtual_seconds=night.virtual_seconds,
        seconds=seconds,
    )


def one(seed: int, build: Build, day_seconds: float = DAY_SECONDS) -> Result:
    """Play a night."""
    began = time.perf_counter()
    return of(play(seed, build, day_seconds), time.perf_counter() - began)


def many(
    seeds: Sequence[int], build: Build, jobs: int = 0, day_seconds: float = DAY_SECONDS
) -> Iterator[Result]:
    """Play them, in their order; `jobs` at once, 0: one for each core."""
    jobs = min(jobs or os.cpu_count() or 1, len(seeds))
    if jobs <= 1:
        yield from (one(seed, build, day_seconds) for seed in seeds)
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(partial(one, build=build, day_seconds=day_seconds), seeds, chunksize=4)


def tell(night: Night) -> Iterable[str]:
    """A night's chronicle for people: what broke first, then all that happened."""
    yield f"seed {night.seed}: {night.weather}"
    yield from night.chronicle
    yield ""
    yield f"digest {night.digest}"
    yield str(night.found or "all promises were kept")
