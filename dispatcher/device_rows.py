"""What is stored of each device: how it was when it was last heard of, to go on from after a start."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec
from sqlalchemy import select

from devices.signal import SignalType
from dispatcher.store import Store
from dispatcher.tables import device_states


class _Body(msgspec.Struct):
    type: SignalType
    line: str = ""
    via: str = ""
    dark: bool = False


_BODY = msgspec.json.Decoder(_Body)


class Known(NamedTuple):
    """One device: `off`, it was said to be offline; `silent` for so many seconds while we listened; `dark`, without mains."""

    heard_us: int
    line: str
    via: str
    off: bool
    silent: float
    dark: bool


async def known_devices(store: Store) -> Mapping[str, Known]:
    """All of them, by source. Raises StoreUnavailable."""
    columns = device_states.c
    rows = await store.read(select(columns.source, columns.heard_us, columns.body))
    read: list[tuple[str, int, _Body]] = []
    for source, heard_us, body in rows:
        with suppress(msgspec.MsgspecError):  # of another version: it is heard again soon
            read.append((source, heard_us, _BODY.decode(body)))
    # Until somebody was last heard on a line we listened to it: so long the others on it have been silent.
    last_us: dict[str, int] = {}
    for _, heard_us, body in read:
        last_us[body.line] = max(heard_us, last_us.get(body.line, 0))
    return {
        source: Known(
            heard_us,
            body.line,
            body.via,
            body.type is SignalType.OFFLINE,
            (last_us[body.line] - heard_us) / 1e6 if heard_us else 0.0,
            body.dark,
        )
        for source, heard_us, body in read
    }
