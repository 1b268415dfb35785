"""Virtual time, and processes that can die: an event loop that never waits, and forgets whoever was killed.

    loop = WorldLoop()
    process = Process(1)
    loop.inside(process, serve())          # serve() and every task it begins belong to the process
    process.dead = True; loop.bury(process)     # kill -9: no cancellation, no `finally`, not one more line of it runs

Who a task, a timer or a callback belongs to stands in its context, so that whatever a process began dies with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

_T = TypeVar("_T")

#: So many callbacks without time moving on: something turns in a circle.
_TURNS_MAX = 2_000_000


class Process:
    """One life of the server, from a start to a kill."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.dead = False
        self.tasks: list[asyncio.Task[Any]] = []


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class StandsStill(Exception):  # noqa: N818
    """Nobody waits for anything any more, or time no longer moves: the world cannot go on."""


class _Skip(selectors.SelectSelector):
    """Waits for nothing: what would be waited for has passed at once."""

    def __init__(self, skip: Callable[[float | None], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._skip(timeout)
        return []


class WorldLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, begun at 0."""

    def __init__(self) -> None:
        self._now = 0.0
        self._turns = 0
        super().__init__(_Skip(self._advance))
        self._clock_resolution = 1e-9
        self.set_task_factory(self._begin)
        self._graveyard: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        """Seconds since the world began."""
        return self._now

    def _advance(self, timeout: float | None) -> None:
        if timeout is None:
            raise StandsStill("nobody waits for anything")
        self._now += timeout
        self._turns = 0

    # ── who it belongs to ────────────────────────────────────────────────────────────────────────────────────────

    def _begin(
        self, _loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=self, context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks.append(task)
            if len(process.tasks) > 4096:
                process.tasks = [one for one in process.tasks if not one.done()]
        return task

    def call_soon(  # type: ignore[override]  # typeshed names what a callback takes
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As ever; but the dead are not called."""
        self._turns += 1
        if self._turns > _TURNS_MAX:
            raise StandsStill("time no longer moves")
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None and process.dead:
            return asyncio.Handle(callback, args, self, context)
        return super().call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As ever; but the dead are not called."""
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None and process.dead:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, _executor: Any, func: Callable[..., _T], *args: Any
    ) -> asyncio.Future[_T]:
        """What would be done in a thread is done here, a millisecond later: no thread makes the order its own."""
        future: asyncio.Future[_T] = self.create_future()

        def do() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - it is the asker's
                future.set_exception(error)

        self.call_later(0.001, do)
        return future

    def inside(self, process: Process, work: Coroutine[Any, Any, _T], name: str = "") -> asyncio.Task[_T]:
        """Begin something as that process."""
        context = copy_context()
        context.run(PROCESS.set, process)
        task: asyncio.Task[_T] = self.create_task(work, name=name or None, context=context)
        return task

    # ── death ────────────────────────────────────────────────────────────────────────────────────────────────────

    def bury(self, process: Process) -> None:
        """Whatever it still waited for never happens. Its tasks are kept until `rest`, so that nothing closes them."""
        for handle in (*self._ready, *self._scheduled):  # type: ignore[attr-defined]
            owner = handle._context.get(PROCESS)  # noqa: SLF001 - a handle's context is who it belongs to
            if owner is process:
                handle.cancel()
        for task in process.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
                self._graveyard.append(task)
        process.tasks = []

    def dismiss(self) -> None:
        """Everybody who is not dead is cancelled, and has a moment to go."""
        left = [task for task in asyncio.all_tasks(self) if task not in self._graveyard]
        for task in left:
            task.cancel()
        if left:
            with contextlib.suppress(StandsStill):
                self.run_until_complete(asyncio.wait(left, timeout=60))

    def rest(self) -> None:
        """The world has ended: let go of the dead, whatever their `finally` say; it is too late for anybody to hear."""
        for task in self._graveyard:
            coroutine = task.get_coro()
            if coroutine is not None:
                with contextlib.suppress(BaseException):
                    coroutine.close()
        self._graveyard.clear()


def context_of(process: Process | None) -> Context:
    """A context in which what is begun belongs to that process."""
    context = copy_context()
    context.run(PROCESS.set, process)
    return context
