"""What the gateway counts, for Prometheus. Lines and kinds are labels, devices and people never are."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

FRAMES = Counter(
    "yijian_frames",
    "Frames received, by line and by what was made of them: heard, refused, unreadable, replayed, broken",
    ["line", "kind"],
)


@cache
def frames(line: str, kind: str) -> Counter:
    """The counter of one line and kind; there are as many lines as the settings name."""
    return FRAMES.labels(line, kind)


PRESSES = Counter(
    "yijian_gateway_presses", "Signals received that ask for help, repeats too, by type", ["type"]
)


@cache
def presses(kind: str) -> Counter:
    """The counter of one type of signal."""
    return PRESSES.labels(kind)


RECEIPTS = Counter("yijian_receipts", "What the senders of signals were told, by result", ["result"])
SHED = Counter(
    "yijian_shed", "Heartbeats and the like that were answered busy because the queue was full", ["line"]
)


@cache
def receipts(result: str) -> Counter:
    """The counter of one result."""
    return RECEIPTS.labels(result)


@cache
def shed(line: str) -> Counter:
    """The counter of one line."""
    return SHED.labels(line)


STORED_SECONDS = Histogram(
    "yijian_gateway_stored_seconds",
    "From the receipt of a signal to its being on disk",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
BATCH_SIGNALS = Histogram(
    "yijian_batch_signals", "Signals in one commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
WAITING = Gauge("yijian_intake_waiting", "Frames that wait for the disk")
HELD = Gauge("yijian_intake_held", "Signals that could not be stored yet and are tried again")
CARRIED = Counter(
    "yijian_carried", "Messages to devices, by family and by what became of them", ["family", "result"]
)


@cache
def carried(family: str, result: str) -> Counter:
    """The counter of one family and result."""
    return CARRIED.labels(family, result)


BROKER_STARTS = Counter("yijian_broker_starts", "Starts of the embedded broker")
BROKER_CONNECTED = Gauge("yijian_broker_connected", "1 while the gateway is connected to its broker")
