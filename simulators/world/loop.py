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
import heapq
import itertools
from collections import deque
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


class _Soon(asyncio.Handle):
    """A callback for the next turn. A night has tens of thousands: only what is needed of one is done."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., Any], args: Any, loop: asyncio.AbstractEventLoop, context: Context
    ) -> None:
        self._context = context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class _Later(_Soon, asyncio.TimerHandle):
    """A callback for a moment of virtual time."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., Any],
        args: Any,
        loop: asyncio.AbstractEventLoop,
        context: Context,
    ) -> None:
        _Soon.__init__(self, callback, args, loop, context)
        self._when = when
        self._scheduled = True


class WorldLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, begun at 0: what would be waited for has passed at once."""

    def __init__(self) -> None:
        self._now = 0.0
        self._turns = 0
        super().__init__()
        self.set_task_factory(self._begin)
        self._graveyard: list[asyncio.Task[Any]] = []
        #: What is called when: of two for one moment, the one that was asked for first.
        self._timers: list[tuple[float, int, _Later]] = []
        self._number = itertools.count()
        self._ready: deque[asyncio.Handle]

    def time(self) -> float:
        """Seconds since the world began."""
        return self._now

    def _run_once(self) -> None:
        """One turn: what asyncio's own does, but for waiting, sockets and watching itself."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:  # noqa: SLF001 - a handle of ours
            heapq.heappop(timers)
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not timers:
                raise StandsStill("nobody waits for anything")
            self._now = max(self._now, timers[0][0])
            self._turns = 0
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001
                handle._run()  # noqa: SLF001

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its moment comes."""

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
        if context is None:
            context = copy_context()
        handle = _Soon(callback, args, self, context)
        process = context.get(PROCESS)
        if process is None or not process.dead:
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As ever; but the dead are not called."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As ever; but the dead are not called."""
        if context is None:
            context = copy_context()
        handle = _Later(when, callback, args, self, context)
        process = context.get(PROCESS)
        if process is None or not process.dead:
            heapq.heappush(self._timers, (when, next(self._number), handle))
        return handle

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
        for handle in (*self._ready, *(timer for _, _, timer in self._timers)):
            owner = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001 - whose it is
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
