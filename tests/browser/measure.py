"""The console's figures in a real browser: parts of `make bench` (`--only painted crowd`).

    painted   50 facts a second for `seconds`, of them five presses: how long from the press until its row is painted;
              and how long a page takes on loopback until somebody can work with it
    crowd     1,000 open calls and 50 facts a second, while somebody scrolls: the longest task, and how the memory grows

What is measured shares the machine with the server, the presses and the browser, as on a station's own PC.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from outside.harness import Server
from playwright.async_api import async_playwright, expect

from browser.screens import ARGUMENTS, House, chromium
from browser.town import COMMUNITY, at, district

FACTS_PER_SECOND = 50
PRESSES_PER_SECOND = 5
Tell = Callable[..., None]

#: When a row was painted, by the clock of the machine: the frame after the one in which it was put in has begun.
_WATCH = """
window.painted = {};
new MutationObserver((changes) => {
    const fresh = new Set();
    for (const change of changes) for (const node of change.addedNodes)
        if (node instanceof HTMLElement && node.matches("[data-lane] [data-call]")) fresh.add(node.dataset.call);
    if (fresh.size === 0) return;
    requestAnimationFrame(() => {
        const port = new MessageChannel();
        port.port1.onmessage = () => { for (const call of fresh) window.painted[call] ??= performance.timeOrigin + performance.now(); };
        port.port2.postMessage(0);
    });
}).observe(document, { childList: true, subtree: true });
"""
#: When it can be worked with: the shift can be started, and the lists have been read.
_READY = """
const look = () => {
    const calls = document.querySelector("#calls");
    if (document.querySelector("[data-action=start-shift]") && calls?.querySelector("[data-lane]") && document.querySelector(".link.live"))
        window.interactive = performance.now();
    else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
_LONG = """
window.long = [];
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.long.push([one.startTime, one.duration]); }).observe({ entryTypes: ["longtask"] });
"""


def percentile(took: list[float], part: float) -> float:
    """That quantile."""
    return sorted(took)[int(part * (len(took) - 1))]


def crowded(people: int) -> dict[str, Any]:
    """The stories' town with so many more residents, each with a button."""
    town = district()
    for number in range(people):
        person = f"m-{number:04d}"
        town["residents"].append(
            {
                "id": person,
                "name": f"老人{number}",
                "address": f"古槐路{number}号",
                "area": COMMUNITY,
                "location": at(number % 400),
            }
        )
        town["devices"].append({"id": f"b-{number:04d}", "family": "native", "resident": person})
    for station in town["stations"]:
        station["capacity"] = 1000
    return town


@asynccontextmanager
async def house(folder: Path, people: int) -> AsyncIterator[House]:
    """The town of the stories, larger, with a browser before it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=[*ARGUMENTS, "--enable-precise-memory-info"]
        )
        async with House.opened(Server(folder, district=crowded(people)), browser) as made:
            yield made
            await made.leave()
        await browser.close()


async def _signal(here: House, device: str, number: str) -> str:
    body = {"device": device, "id": number, "type": "press"}
    call: str = (await here.desk.post("/signals", body)).ok(201)["call"]
    return call


async def _at_rate(rate: float, seconds: float, do: Callable[[int], Any]) -> None:
    """`do(0)`, `do(1)`, … so many a second; a slow one holds up none of the others."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            group.create_task(do(number))


async def painted(folder: Path, seconds: float, tell: Tell) -> None:
    """Press → painted, and how soon a page can be worked with."""
    async with house(folder, 200) as here:
        await painted_at(here, seconds, tell)


async def painted_at(here: House, seconds: float, tell: Tell, pages: int = 5) -> None:
    """The same in a house that stands."""
    console = await here.console("d-01", before=_WATCH)
    kept = [await _signal(here, f"b-{number:04d}", f"k-{number}") for number in range(3)]
    sent: dict[str, float] = {}

    async def press(number: int) -> None:
        began = time.time()
        call = await _signal(here, f"b-{3 + number % 190:04d}", f"p-{number}")
        sent[call] = began * 1000
        with suppress(TimeoutError):  # a row that is not painted in time is found missing below
            async with asyncio.timeout(5):
                await console.row(call).wait_for()
        await here.desk.step(call, "accept", station="st-01")
        await here.desk.step(call, "close", outcome="helped", evidence="on_site")

    async def note(number: int) -> None:
        await here.desk.step(kept[number % 3], "note", text="记一笔")

    facts_of_a_press = 4  # opened, dispatched, accepted, closed
    notes = FACTS_PER_SECOND - PRESSES_PER_SECOND * facts_of_a_press
    await asyncio.gather(_at_rate(PRESSES_PER_SECOND, seconds, press), _at_rate(notes, seconds, note))
    seen: dict[str, float] = await console.page.evaluate("window.painted")
    missing = [call for call in sent if call not in seen]
    assert not missing, f"{len(missing)} of {len(sent)} rows were never painted"
    took = [seen[call] - began for call, began in sent.items()]
    tell("press to painted, 50 facts/s, p50", percentile(took, 0.5), "ms")
    tell("press to painted, 50 facts/s, p99", percentile(took, 0.99), "ms", target=300)
    await console.context.close()
    ready = []
    for _ in range(pages):
        fresh = await here.console("s-01", before=_READY)
        await fresh.page.wait_for_function("window.interactive !== undefined")
        ready.append(await fresh.page.evaluate("window.interactive"))
        await fresh.context.close()
    tell("page interactive on loopback", statistics.median(ready), "ms", target=1000)


async def crowd(folder: Path, seconds: float, tell: Tell, calls: int = 1000) -> None:
    """Long tasks and memory with many open calls."""
    async with house(folder, calls) as here:
        await crowd_at(here, seconds, tell, calls)


async def crowd_at(here: House, seconds: float, tell: Tell, calls: int) -> None:
    """The same in a house that stands, and where nothing is open."""
    dice = random.Random(7)
    numbers = itertools.count()
    open_calls = []
    for first in range(0, calls, 20):
        batch = [
            _signal(here, f"b-{number:04d}", f"c-{number}") for number in range(first, min(first + 20, calls))
        ]
        open_calls += await asyncio.gather(*batch)
    console = await here.console("d-01", before=_LONG)
    await expect(console.lane("emergency").locator("h2 .number")).to_have_text(str(calls))
    debugger = await console.context.new_cdp_session(console.page)
    await debugger.send("Performance.enable")
    await console.page.evaluate("window.long.length = 0")
    stop = asyncio.Event()

    async def fact(_: int) -> None:
        await here.desk.step(dice.choice(open_calls), "note", text=f"记 {next(numbers)}")

    async def scroll() -> None:
        while not stop.is_set():
            await console.page.evaluate(
                "(to) => document.querySelector('#calls').scrollTo(0, to)", dice.randrange(90_000)
            )
            await asyncio.sleep(0.2)

    memory: list[tuple[float, float]] = []
    weighed: list[tuple[float, float]] = []

    async def weigh() -> None:
        """What is alive: all that is not is collected first, at once, which no page does to itself."""
        pause = max(1.0, seconds / 20)
        while not stop.is_set():
            began = await console.page.evaluate("performance.now()")
            await debugger.send("HeapProfiler.collectGarbage")
            weighed.append((began, await console.page.evaluate("performance.now()")))
            metrics = (await debugger.send("Performance.getMetrics"))["metrics"]
            used = next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize")
            memory.append((time.monotonic(), used / 2**20))
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        group.create_task(scroll())
        group.create_task(weigh())
        await _at_rate(FACTS_PER_SECOND, seconds, fact)
        stop.set()
    tasks: list[tuple[float, float]] = await console.page.evaluate("window.long")
    long = [took for at, took in tasks if not any(begin <= at + took and at <= end for begin, end in weighed)]
    tell(
        f"longest task, {calls} open calls, 50 facts/s",
        max(long, default=0),
        "ms",
        target=50,
        note="0: none over 50 ms",
    )
    tell(f"tasks over 50 ms in {seconds:g} s", len(long), "")
    times, used = zip(*memory[len(memory) // 4 :], strict=True)
    if len(times) > 2:
        slope = statistics.linear_regression(times, used).slope * 60
        tell("memory of the page", used[-1], "MB")
        tell(f"memory slope over {seconds:g} s", slope, "MB/min")
