"""The figures of `make bench`, each beside its target and the floor of the same run, and `bench-report.json`.

    .venv/bin/python tests/bench/run.py [--quick] [--report FILE] [--residents N] [--only NAME …] [--strict]
                                  [--database postgresql|URL]

Parts: floor, start, hundred (100 presses a second), hook (the same to one webhook), hooks (to ten, one of which hangs),
fixed (800 new calls a second), most (as many as it takes), painted and crowd (the console in a browser: browser/measure.py);
of very many (`storms.py`): cold_calls, deadlines, readers, beats, storm.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from outside.harness import Desk, Server

from bench import floor, storms
from bench.database import Databases, databases
from bench.floor import percentile
from bench.hooks import Hooks
from bench.load import Load, Quiet, cpu_seconds, family, machine, resident_mb
from bench.storms import QUICK_SCALE, Scale
from bench.town import generated

#: Of the webhooks that are measured.
SECRET = "whsec_" + base64.b64encode(b"a secret for the bench").decode()

MANY_PARTS = ("cold_calls", "deadlines", "readers", "beats", "storm")
PARTS = ("floor", "start", "hundred", "hook", "hooks", "fixed", "most", "painted", "crowd", *MANY_PARTS)


@dataclass(frozen=True)
class Plan:
    """How long and how much."""

    residents: int = 20_000
    hundred_seconds: float = 60
    fixed_rate: float = 800
    fixed_seconds: float = 25
    most_seconds: float = 25
    painted_seconds: float = 60
    crowd_seconds: float = 600
    samples: int = 2000
    starts: int = 3
    quick: bool = False


QUICK = Plan(
    hundred_seconds=5,
    fixed_seconds=4,
    most_seconds=4,
    painted_seconds=6,
    crowd_seconds=10,
    samples=300,
    starts=1,
    quick=True,
)


@dataclass
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is within its target, where it has one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def say(text: str) -> None:
    """A line for whoever waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Bench:
    """All parts, on one folder."""

    def __init__(self, plan: Plan, folder: Path, databases: Databases | None) -> None:
        self.plan = plan
        self.databases = databases
        self.folder = folder
        self.figures: list[Figure] = []
        self.say = say
        self.document = generated(plan.residents)
        #: One button of each resident: each press of a round is then a call of its own.
        own = {device["resident"]: device for device in self.document["devices"] if device.get("resident")}
        self.addresses = [device.get("address") or device["id"] for device in own.values()]
        self._devices = len(self.document["devices"])
        self._loaded: Server | None = None

    def figure(self, name: str, value: float, unit: str, **more: Any) -> None:
        """Note a figure, and say it."""
        made = Figure(name, round(value, 3), unit, **more)
        self.figures.append(made)
        say(f"  {name}: {made.value:g} {unit}")

    async def painted(self) -> None:
        """From the press to the row that somebody sees."""
        from browser import measure

        await measure.painted(self.folder / "painted", self.plan.painted_seconds, self.figure)

    async def crowd(self) -> None:
        """A page with a thousand open calls."""
        from browser import measure

        await measure.crowd(self.folder / "crowd", self.plan.crowd_seconds, self.figure)

    async def floor(self) -> None:
        """What the machine gives at best."""
        times = self.plan.samples
        syncs = floor.sync_ms(self.folder, times)
        commits = floor.commit_ms(self.folder, times)
        trips = await floor.round_trip_ms(self.folder, times)
        for name, took in [
            ("fdatasync", syncs),
            ("SQLite commit of one row", commits),
            ("broker round trip", trips),
        ]:
            self.figure(f"floor: {name} p50", percentile(took, 0.5), "ms")
            self.figure(f"floor: {name} p99", percentile(took, 0.99), "ms")
        rows = floor.rows_per_second(self.folder, min(2.0, times / 500))
        self.figure("floor: SQLite rows in commits of 100", rows, "/s")
        if self.databases is not None:
            commits = await self.databases.commit_ms(times)
            self.figure("floor: PostgreSQL commit of one row p50", percentile(commits, 0.5), "ms")
            self.figure("floor: PostgreSQL commit of one row p99", percentile(commits, 0.99), "ms")

    async def _server(self, name: str, *, district: bool = False, like: str = "") -> Server:
        env = {} if self.databases is None else {"YIJIAN_DATABASE": await self.databases.fresh(like)}
        return Server(self.folder / name, district=self.document if district else None, env=env)

    async def _load_district(self) -> None:
        if self._loaded is not None:
            return
        server = await self._server("loaded", district=True)
        try:
            took = server.start(within=120)
            self.figure(f"first start, loading {self._devices} devices", took, "s")
            server.stop()
        finally:
            server.end()
        self._loaded = server

    async def fresh(self, name: str) -> Server:
        """A server on a copy of the loaded folder and database."""
        await self._load_district()
        assert self._loaded is not None
        server = await self._server(name, like=self._loaded.env.get("YIJIAN_DATABASE", ""))
        shutil.copytree(self._loaded.data, server.data)
        return server

    async def start(self) -> None:
        """Cold starts and memory."""
        empty = []
        for number in range(self.plan.starts):
            server = await self._server(f"empty-{number}")
            try:
                empty.append(server.start())
                server.stop()
            finally:
                server.end()
        each = "each: " + ", ".join(f"{took:.2f}" for took in empty)
        self.figure("cold start, empty folder", statistics.median(empty), "s", target=3, note=each)
        server = await self.fresh("start")
        try:
            full = []
            for _ in range(self.plan.starts):
                full.append(server.start(within=60))
                memory = resident_mb(server.pid)
                server.stop()
            self.figure(f"cold start, {self._devices} devices", statistics.median(full), "s", target=5)
            self.figure(f"memory, {self._devices} devices", memory, "MB", target=250)
        finally:
            server.end()

    async def hundred(self) -> None:
        """100 presses a second, durable: how soon the button and the console know."""
        server = await self.fresh("hundred")
        try:
            server.start(within=60)
            load = Load(server, self.addresses, run="h")
            await load.connect(stream=True)
            await load.at_rate(20, 1)  # warm
            await load.settle(10)
            first = len(load.sent)
            ours = family(server.pid)
            before = cpu_seconds(ours)
            with Quiet():
                late = await load.at_rate(100, self.plan.hundred_seconds)
                complete = await load.settle(10)
            used = cpu_seconds(ours) - before
            count = len(load.sent) - first
            receipt, stream = load.receipt_ms()[first:], load.stream_ms()[first:]
            await load.close()
            self.figure("100/s: lost", count - len(receipt), "presses", target=0)
            self.figure("100/s: press to receipt p50", percentile(receipt, 0.5), "ms")
            self.figure("100/s: press to receipt p99", percentile(receipt, 0.99), "ms", target=15)
            self.figure("100/s: press to stream p50", percentile(stream, 0.5), "ms")
            self.figure("100/s: press to stream p99", percentile(stream, 0.99), "ms", target=25)
            self.figure("100/s: missing on the stream", count - len(stream), "presses", target=0)
            self.figure("100/s: CPU a press, our processes", used / count * 1000, "ms")
            self.figure("100/s: memory after it", resident_mb(server.pid), "MB", target=250)
            self.figure(
                "100/s: the generator's own worst lateness", late, "ms", note="" if complete else "incomplete"
            )
            server.stop()
        finally:
            server.end()

    async def hook(self) -> None:
        """100 presses a second: how soon a webhook knows."""
        await self._hooks("hook", "webhook", endpoints=1, hanging=0, target=20)

    async def hooks(self) -> None:
        """The same to ten webhooks, one of which never answers."""
        await self._hooks("hooks", "10 webhooks, 1 hangs", endpoints=10, hanging=1, target=40)

    async def _hooks(self, name: str, words: str, *, endpoints: int, hanging: int, target: float) -> None:
        server = await self.fresh(name)
        server.env["YIJIAN_PRIVATE_TARGETS"] = "true"
        hooks = Hooks(run="w", endpoints=endpoints, hanging=hanging)
        await hooks.start()
        try:
            server.start(within=60)
            async with Desk(server) as desk:
                for number, port in enumerate(hooks.ports):
                    hook = {
                        "url": f"http://127.0.0.1:{port}/hook",
                        "secret": SECRET,
                        "events": ["call.opened"],
                    }
                    await desk.put(f"/webhooks/bench-{number}", hook)
            load = Load(server, self.addresses, run="w")
            await load.connect(stream=False)
            await load.at_rate(20, 2)  # warm
            await load.settle(10)
            first = len(load.sent)
            before = cpu_seconds(ours := family(server.pid))
            with Quiet():
                await load.at_rate(100, self.plan.hundred_seconds)
                await load.settle(10)
                await asyncio.sleep(1)
            used = cpu_seconds(ours) - before
            count = len(load.sent) - first
            took = [
                (at - load.sent[number]) * 1000
                for arrived in hooks.answering
                for number, at in arrived.items()
                if number >= first
            ]
            expected = count * len(hooks.answering)
            await load.close()
            self.figure(f"100/s, {words}: never came", expected - len(took), "messages", target=0)
            self.figure(f"100/s, {words}: came twice", hooks.twice, "messages")
            self.figure(f"100/s, {words}: press to webhook p50", percentile(took, 0.5), "ms")
            self.figure(f"100/s, {words}: press to webhook p99", percentile(took, 0.99), "ms", target=target)
            receipt = load.receipt_ms()[first:]
            self.figure(f"100/s, {words}: press to receipt p99", percentile(receipt, 0.99), "ms", target=15)
            self.figure(f"100/s, {words}: CPU a press, our processes", used / count * 1000, "ms")
            server.stop()
        finally:
            await hooks.stop()
            server.end()

    async def _calls(self, name: str, load: Load, server: Server, took: float) -> None:
        """The calls there are, against the receipts there were."""
        receipted = sum(1 for got in load.receipted if got)
        named = [call for call in load.calls if call]
        self.figure(f"{name}: lost", len(load.sent) - receipted, "presses", target=0)
        self.figure(f"{name}: receipts without their call", receipted - len(named), "presses")
        self.figure(
            f"{name}: presses that are no call of their own",
            len(named) - len(set(named)),
            "presses",
            target=0,
        )
        async with Desk(server) as desk:
            step = max(1, len(named) // 100)
            for call in named[::step]:
                shown = await desk.call(call)
                assert shown["dispatches"], f"{call} was offered to nobody"
                assert shown["deadline"], f"{call} has no next step"
        receipt = load.receipt_ms()
        self.figure(
            f"{name}: new calls", receipted / took, "/s", at_least=True, target=self.plan.fixed_rate * 0.99
        )
        self.figure(f"{name}: press to receipt p50", percentile(receipt, 0.5), "ms")
        self.figure(f"{name}: press to receipt p99", percentile(receipt, 0.99), "ms")
        self.figure(f"{name}: memory after it", resident_mb(server.pid), "MB", target=250)

    async def fixed(self) -> None:
        """800 new calls a second of distinct residents, none lost."""
        server = await self.fresh("fixed")
        try:
            server.start(within=60)
            load = Load(server, self.addresses, run="f", keys=("emergency", "service", "family"))
            await load.connect(stream=False)
            ours = family(server.pid)
            before = cpu_seconds(ours)
            with Quiet():
                await load.at_rate(self.plan.fixed_rate, self.plan.fixed_seconds)
                await load.settle(30)
            took = max(max(load.receipted) - load.sent[0], self.plan.fixed_seconds)
            used = cpu_seconds(ours) - before
            name = f"{self.plan.fixed_rate:g} new calls/s"
            await self._calls(name, load, server, took)
            self.figure(f"{name}: CPU a press, our processes", used / len(load.sent) * 1000, "ms")
            await load.close()
            server.stop()
        finally:
            server.end()

    async def most(self) -> None:
        """As many new calls as it takes, with a bounded number under way."""
        server = await self.fresh("most")
        try:
            server.start(within=60)
            load = Load(server, self.addresses, run="m", keys=("emergency", "service", "family"))
            await load.connect(stream=False)
            with Quiet():
                await load.at_most(600, 3 * len(self.addresses), self.plan.most_seconds)
                await load.settle(30)
            await self._calls("at most", load, server, max(load.receipted) - load.sent[0])
            await load.close()
            server.stop()
        finally:
            server.end()

    def table(self) -> str:
        """All figures as a table."""
        width = max(len(figure.name) for figure in self.figures)
        rows = []
        for figure in self.figures:
            target = ""
            if figure.target is not None:
                sign = "≥" if figure.at_least else "≤"
                target = f"{sign} {figure.target:g} {'ok' if figure.met else 'MISSED'}"
            rows.append(
                f"{figure.name:<{width}}  {figure.value:>12,.2f} {figure.unit:<8} {target} {figure.note}".rstrip()
            )
        return "\n".join(rows)


async def run(plan: Plan, parts: list[str], report: Path, database: str) -> bool:
    """The parts, the table and the report; whether every target was met."""
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="yijian-bench-") as folder, databases(database) as made:
        bench = Bench(plan, Path(folder), made)
        for part in parts:
            say(f"{part}:")
            if part in MANY_PARTS:
                await getattr(storms, part)(bench, QUICK_SCALE if plan.quick else Scale())
            else:
                await getattr(bench, part)()
        if made is not None:
            await made.end()
    say("\n" + bench.table())
    report.write_text(
        json.dumps(
            {
                "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
                "seconds": round(time.time() - began, 1),
                "machine": machine(),
                "database": "sqlite" if made is None else "postgresql",
                "plan": asdict(plan),
                "figures": [{**asdict(figure), "met": figure.met} for figure in bench.figures],
            },
            ensure_ascii=False,
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )
    return all(figure.met is not False for figure in bench.figures)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="some twenty seconds instead of minutes")
    parser.add_argument("--residents", type=int, help="how many residents with a device each")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--report", type=Path, default=Path("bench-report.json"))
    parser.add_argument(
        "--database", default="", help="postgresql: a server of its own; or a URL; else SQLite"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    asked = parser.parse_args()
    plan = QUICK if asked.quick else Plan()
    if asked.residents:
        plan = Plan(**{**asdict(plan), "residents": asked.residents})
    met = asyncio.run(run(plan, asked.only, asked.report, asked.database))
    if asked.strict and not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
