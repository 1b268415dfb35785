"""What a simulated device remembers of what it said: which tries, which receipt, which progress.

Bounded: what has been receipted is kept for a while, the newest first; what has no receipt yet is repeated for ever.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.signal import CALLING


@dataclass(slots=True, eq=False)
class Said:
    """One thing a device said. Times are the event loop's seconds."""

    device: str
    id: str
    type: str
    key: str
    happened: float
    fields: Mapping[str, Any] = field(default_factory=dict)
    tries: int = 0
    receipt: Mapping[str, Any] | None = None
    receipted_at: float | None = None
    call: str | None = None
    states: list[str] = field(default_factory=list)
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def settled(self) -> bool:
        """Whether it need not be repeated any more."""
        return self.receipted_at is not None

    @property
    def waited_seconds(self) -> float | None:
        """From the press to its receipt."""
        return None if self.receipted_at is None else self.receipted_at - self.happened

    def take(self, receipt: Mapping[str, Any], now: float) -> bool:
        """Note a receipt; False for `busy`, which asks for a repeat."""
        if call := receipt.get("call"):
            self.call = str(call)
        if receipt.get("result") == "busy":
            return False
        if self.receipted_at is None:
            self.receipt, self.receipted_at = receipt, now
            self._done.set()
        return True

    async def receipted(self) -> Said:
        """Wait for the receipt."""
        await self._done.wait()
        return self


class Memory:
    """What was said lately, to be found by device and id, and by call."""

    def __init__(self, remembered_max: int) -> None:
        self._max = remembered_max
        #: Never forgotten: without it here no receipt could end its repeats. Whoever adds bounds it.
        self._pending: dict[tuple[str, str], Said] = {}
        self._settled: OrderedDict[tuple[str, str], Said] = OrderedDict()
        #: (device, call): progress comes to a device and names the call.
        self._calls: OrderedDict[tuple[str, str], Said] = OrderedDict()
        self._latest: OrderedDict[str, Said] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending) + len(self._settled)

    @property
    def pending(self) -> int:
        """How much has no receipt yet."""
        return len(self._pending)

    def unreceipted(self) -> list[Said]:
        """What has no receipt yet, the oldest first."""
        return list(self._pending.values())

    def add(self, said: Said) -> None:
        """Remember something just said."""
        self._pending[said.device, said.id] = said
        if said.type in CALLING:
            self._latest[said.device] = said
            self._latest.move_to_end(said.device)
            self._bound(self._latest)

    def receipt(self, device: str, receipt: Mapping[str, Any], now: float) -> Said | None:
        """Note a receipt, and say whose it is: what was said before our time, or a heartbeat, is nobody's."""
        key = (device, str(receipt.get("id")))
        said = self._pending.get(key) or self._settled.get(key)
        if said is None:
            return None
        if said.take(receipt, now) and self._pending.pop(key, None) is not None:
            self._settled[key] = said
            self._bound(self._settled)
        if said.call is not None:
            self._of_call(said, said.call)
        return said

    def progress(self, device: str, call: str, state: str) -> Said | None:
        """Note a progress message, and say whose call it is; a call nobody remembers is none of ours."""
        said = self._calls.get((device, call))
        if said is None:
            # The receipt went out before the desk had decided: the newest press is meant, unless it has its call.
            said = self._latest.get(device)
            if said is None or said.call is not None:
                return None
            said.call = call
            self._of_call(said, call)
        said.states.append(state)
        return said

    def _of_call(self, said: Said, call: str) -> None:
        self._calls[said.device, call] = said
        self._bound(self._calls)

    def _bound(self, book: OrderedDict[Any, Said]) -> None:
        while len(book) > self._max:
            book.popitem(last=False)
