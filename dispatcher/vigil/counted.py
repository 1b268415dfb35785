"""What the canary counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import Counter, Gauge, Histogram

STAGE_SECONDS = Histogram(
    "yijian_canary_stage_seconds",
    "From a press of the canary to each stage it reached",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
FAILURES = Counter(
    "yijian_canary_failures", "Presses of the canary that did not go all the way, by stage", ["stage"]
)
AGE = Gauge("yijian_canary_age_seconds", "Since a press of the canary last went all the way")
LOST = Gauge("yijian_canary_lost", "1 while the canary does not come through")
PINGS = Counter("yijian_canary_pings", "Pings of the outside dead man's switch, by result", ["result"])
NEWS_FAILED = Counter("yijian_canary_news_failed", "Webhooks that could not be told of the canary")

LAG = Histogram(
    "yijian_loop_lag_seconds",
    "How late the event loop comes round",
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0),
)
ASLEEP = Gauge("yijian_calls_asleep", "Open calls that are due and that no clock will wake")
RATIO = Gauge("yijian_bound_ratio", "How near everything that grows is to its bound", ["what"])
STALLED = Gauge("yijian_part_stalled", "1 while a part of the process does not move", ["part"])


def round_done(took: Mapping[str, float], failed: str | None) -> None:
    """One round more."""
    for stage, seconds in took.items():
        STAGE_SECONDS.labels(stage).observe(seconds)
    if failed is not None:
        FAILURES.labels(failed).inc()


def read_off(age_seconds: Callable[[], float], lost: Callable[[], bool]) -> None:
    """Let the gauges be read off this canary."""
    AGE.set_function(age_seconds)
    LOST.set_function(lambda: float(lost()))
