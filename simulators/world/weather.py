"""What goes wrong in a night, drawn from its seed: which faults there are at all, and how hard each blows.

Every night has some of them and not the others, so that one fault does not hide behind another; one in twelve is calm.
A figure is a share of one, or so many a minute, or seconds; 0: that does not happen tonight.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Weather:
    """The faults of one night. They end with `calm()`."""

    kills_a_minute: float = 0.0  #: the process, between any two awaits
    kills_a_commit: float = 0.0  #: and in the middle of a commit, which then happened, or did not
    down_seconds: float = 2.0  #: until it is started again
    commit_seconds: float = 0.002
    slow_commits: float = 0.0  #: those that take up to `slow_seconds`
    slow_seconds: float = 2.0
    failing_commits: float = 0.0  #: refused, and nothing written
    doubtful_commits: float = 0.0  #: the answer is lost: written, or not
    disk_full_a_minute: float = 0.0
    locked_a_minute: float = 0.0  #: nothing can be read or written for a while
    lost: float = 0.0  #: messages between a device, the broker and us
    doubled: float = 0.0
    late: float = 0.0  #: those that come up to `late_seconds` later, behind others
    late_seconds: float = 3.0
    cuts_a_minute: float = 0.0  #: a connection ends
    partitions_a_minute: float = 0.0  #: and nobody can connect for up to half a minute
    broker_restarts_a_minute: float = 0.0  #: with what it acknowledged in the last half second gone
    orderly_restarts: float = 0.0  #: those of it that were stopped, not killed: every last will at once
    power_cuts_a_minute: float = (
        0.0  #: a community is without power for a while; and one of its devices for good
    )
    retained: float = (
        0.0  #: devices that let the broker retain what they say, and old presses that it has kept
    )
    noise: float = 0.0  #: pieces of the serial line that are damaged
    unplugs_a_minute: float = 0.0
    clock_jumps_a_minute: float = 0.0
    drift_ppm: float = 0.0
    endpoints_failing: float = 0.0  #: tries that are answered 500, 429, not at all, or too late
    endpoints_gone: float = 0.0  #: tries that are answered 410
    endpoints_slow: float = 0.0  #: tries that are answered just before anybody loses patience
    register_changes_a_minute: float = 0.0
    console_deaths_a_minute: float = 0.0
    mischief_a_minute: float = 6.0  #: steps that do not fit, come twice, or race

    @classmethod
    def drawn(cls, chance: random.Random) -> Weather:
        """Tonight's."""
        night = cls()
        if chance.random() < 1 / 12:
            return night

        def sometimes(low: float, high: float, share: float = 0.35) -> float:
            return round(chance.uniform(low, high), 4) if chance.random() < share else 0.0

        night.kills_a_minute = sometimes(0.3, 1.5, 0.5)
        night.kills_a_commit = sometimes(0.001, 0.012, 0.4)
        night.down_seconds = chance.choice((0.5, 2.0, 2.0, 20.0))
        night.slow_commits = sometimes(0.01, 0.2)
        night.failing_commits = sometimes(0.005, 0.1)
        night.doubtful_commits = sometimes(0.005, 0.06)
        night.disk_full_a_minute = sometimes(0.2, 0.6)
        night.locked_a_minute = sometimes(0.2, 0.6, 0.25)
        night.lost = sometimes(0.02, 0.25)
        night.doubled = sometimes(0.02, 0.25)
        night.late = sometimes(0.05, 0.3)
        night.cuts_a_minute = sometimes(0.5, 3.0)
        night.partitions_a_minute = sometimes(0.2, 0.8)
        night.broker_restarts_a_minute = sometimes(0.2, 0.8)
        night.noise = sometimes(0.02, 0.2)
        night.unplugs_a_minute = sometimes(0.3, 1.0)
        night.clock_jumps_a_minute = sometimes(0.3, 1.5, 0.25)
        night.drift_ppm = sometimes(-500, 500)
        night.endpoints_failing = sometimes(0.05, 0.6, 0.5)
        night.endpoints_gone = sometimes(0.02, 0.2, 0.25)
        night.register_changes_a_minute = sometimes(0.5, 3.0)
        night.console_deaths_a_minute = sometimes(0.2, 0.8)
        night.mischief_a_minute = chance.uniform(2.0, 12.0)
        night.orderly_restarts = sometimes(0.3, 1.0, 0.5)
        night.power_cuts_a_minute = sometimes(0.2, 0.6)
        night.retained = sometimes(0.2, 0.6)
        night.endpoints_slow = sometimes(0.05, 0.4)
        return night

    def calm(self) -> None:
        """Everything that goes wrong ends; only the disk keeps its pace."""
        for field in fields(self):
            if field.name not in {
                "commit_seconds",
                "slow_seconds",
                "late_seconds",
                "down_seconds",
                "drift_ppm",
            }:
                setattr(self, field.name, 0.0)

    def __str__(self) -> str:
        told = [
            f"{field.name} {getattr(self, field.name):g}"
            for field in fields(self)
            if getattr(self, field.name) and not field.name.endswith("_seconds")
        ]
        return ", ".join(told) or "calm"
