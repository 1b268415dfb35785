"""Where the gateway and the dispatcher, who do not know each other, are put in touch: each one's shapes in the other's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import structlog

from config.doors import to_us
from devices.family import Progress
from dispatcher.core.roll import Rolls
from dispatcher.inbox import Inbox
from dispatcher.outbox import Outbox, Parcel
from dispatcher.store import StoreUnavailable
from dispatcher.supervision import Supervision
from gateway.ports import Arrival, Busy, Down, Stored

log = structlog.get_logger()


class InboxPort:
    """The dispatcher's inbox as the gateway sees it."""

    def __init__(self, inbox: Inbox, supervision: Supervision) -> None:
        self._inbox = inbox
        self._supervision = supervision

    async def put(self, arrivals: Sequence[Arrival]) -> Sequence[Stored]:
        """Store a batch; Busy where nothing can be stored just now."""
        try:
            kept = await self._inbox.put(
                [(arrival.signal, to_us(arrival.received_at), arrival.line) for arrival in arrivals]
            )
        except StoreUnavailable as error:
            raise Busy(str(error)) from error
        return [Stored(one.id, one.result) for one in kept]

    async def call_of(self, stored_id: str, within_seconds: float) -> str | None:
        """The call of a stored signal."""
        try:
            return await self._inbox.call_of(stored_id, within_seconds)
        except StoreUnavailable:
            return None

    async def replayed(self, family: str, device: str, error: str, received_at: datetime) -> bool:  # noqa: ARG002
        """A fault to show, once an hour for a device however often it is replayed."""
        try:
            await self._supervision.replayed(f"{family}/{device}", error)
        except StoreUnavailable as unavailable:
            log.warning("fault not written down", error=str(unavailable))
            return False
        return True


class DownlinkPort:
    """The dispatcher's outbox as the gateway sees it."""

    def __init__(self, outbox: Outbox, rolls: Rolls) -> None:
        self._outbox = outbox
        self._rolls = rolls
        self._out: dict[str, Parcel] = {}

    async def claim(self) -> AsyncIterator[Sequence[Down]]:
        """Batches to carry."""
        async for parcels in self._outbox.claim():
            self._out.update({parcel.id: parcel for parcel in parcels})
            yield [_down(parcel) for parcel in parcels]

    async def carried(self, ids: Sequence[str]) -> None:
        """Done."""
        await self._settled(ids, carried=True)

    async def returned(self, ids: Sequence[str]) -> None:
        """Not now."""
        await self._settled(ids, carried=False)

    async def _settled(self, ids: Sequence[str], *, carried: bool) -> None:
        parcels = [self._out.pop(one) for one in ids if one in self._out]
        try:
            if carried:
                await self._outbox.carried([parcel.id for parcel in parcels])
            else:
                await self._outbox.returned(parcels)
        except StoreUnavailable as error:
            # The lease runs out by itself and they are carried again: a wearer told twice, not never.
            log.warning("outbox not written", error=str(error))


def _down(parcel: Parcel) -> Down:
    family, _, device = parcel.address.partition("/")
    news = Progress(device=device, call=parcel.call, state=parcel.news.state, text=parcel.news.text)
    return Down(parcel.id, family, news)
