"""What the console counts: requests by operation, never by id, token or person."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("yijian_http_requests_total", "Requests answered", ["operation", "status"])
SECONDS = Histogram(
    "yijian_http_seconds",
    "From the request to its answer",
    ["operation"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 3.0, 10.0),
)
READERS = Gauge("yijian_stream_readers", "Event streams that are open")
CUT_OFF = Counter("yijian_stream_cut_off_total", "Event streams cut off because their reader was too slow")
EVENTS = Counter("yijian_stream_events_total", "Events written to all streams together")
