"""What the dispatcher counts, for Prometheus. No ids as labels: numbers of people are few enough to be people."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from config.doors import Clock
from devices.signal import CALLING, Signal
from dispatcher.core.call import Accepted, Call, Dispatched, Entry, State
from dispatcher.core.canary import CODE as CANARY
from dispatcher.desk import Desk
from dispatcher.inbox import Inbox
from dispatcher.ledger import Ledger

#: Seconds: from a commit on a quick disk to a call nobody has taken for a day.
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SLOW = (1, 5, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 14400, 86400)


class Metrics(Collector):
    """Counters fed by the rooms, and gauges read off them when somebody asks."""

    def __init__(
        self, desk: Desk, inbox: Inbox, ledger: Ledger, clock: Clock, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._desk = desk
        self._inbox = inbox
        self._ledger = ledger
        self._clock = clock
        self._presses = Counter("yijian_presses_total", "Presses stored, by key", ["key"], registry=registry)
        self._stored = Histogram(
            "yijian_press_stored_seconds",
            "From reaching us to being on disk",
            buckets=_QUICK,
            registry=registry,
        )
        self._dispatched = Histogram(
            "yijian_press_dispatched_seconds",
            "From opening a call to its first offer",
            buckets=_QUICK,
            registry=registry,
        )
        self._accepted = Histogram(
            "yijian_call_accepted_seconds",
            "From opening a call to its first accept",
            buckets=_SLOW,
            registry=registry,
        )
        facts = Counter("yijian_facts_total", "Facts of the journal", ["fact"], registry=registry)
        self._facts = cache(facts.labels)  # to find the counter of a name takes longer than to count
        self.offline: Callable[[], int] = lambda: 0  #: how many devices are offline just now
        inbox.on_stored = self.stored
        desk.on_told = self.told
        registry.register(self)

    def stored(self, signal: Signal, seconds: float) -> None:
        """A signal is on disk."""
        if signal.type in CALLING:
            self._presses.labels(signal.key or "emergency").inc()
            self._stored.observe(seconds)

    def told(self, entry: Entry, call: Call | None) -> None:
        """A fact is on disk."""
        if entry.district == CANARY:
            return  # nobody's
        self._facts(entry.name).inc()
        if call is None:
            return
        if isinstance(entry.fact, Dispatched) and entry.fact.step == 0:
            self._dispatched.observe((entry.at_us - call.opened_us) / 1e6)
        elif isinstance(entry.fact, Accepted):
            self._accepted.observe((entry.at_us - call.opened_us) / 1e6)

    def collect(self) -> Iterable[Metric]:
        """The gauges, as they are now."""
        now_us = self._clock.now_us()
        states = Tally(call.state for call in self._ledger.open.values())
        open_calls = GaugeMetricFamily("yijian_open_calls", "Open calls, by state", labels=["state"])
        for state in State:
            if state is not State.CLOSED:
                open_calls.add_metric([state.value], states.get(state, 0))
        yield open_calls
        due_us = self._ledger.next_due_us()
        late = max(0.0, (now_us - due_us) / 1e6) if due_us is not None else 0.0
        yield GaugeMetricFamily(
            "yijian_oldest_overdue_deadline_seconds", "How late the latest deadline is", value=late
        )
        book = self._desk.reports
        for name, text, value in (
            ("yijian_open_faults", "Open faults of devices", len(book.faults)),
            ("yijian_devices_offline", "Devices known to be offline", self.offline()),
            (
                "yijian_uncovered_communities",
                "Communities nobody below the desk can come to",
                len(book.uncovered),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        yield GaugeMetricFamily(
            "yijian_inbox_depth", "Inputs stored and not decided yet", value=self._inbox.waiting
        )
        age = (now_us - self._desk.turned_us) / 1e6 if self._desk.turned_us else -1.0
        yield GaugeMetricFamily(
            "yijian_desk_heartbeat_seconds", "Since the desk's loop last came round", value=age
        )
        yield GaugeMetricFamily(
            "yijian_desk_faults", "Decisions that failed inside: each is a bug", value=self._desk.faults
        )
