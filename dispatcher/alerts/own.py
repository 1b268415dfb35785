"""A webhook sender that also goes to one address of our own: where the canary's webhook listens.

Loopback and private addresses are closed to webhooks, because whoever writes the register must not reach what only this
machine can (`targets.py`). This one is written by ourselves, at each start, with a path nobody can guess; it is compared
whole, and opens nothing else.
"""

from __future__ import annotations

from dispatcher.alerts.outcome import Outcome
from dispatcher.alerts.targets import Targets
from dispatcher.alerts.webhook import WebhookSender


class WithOwn:
    """`outer` for everybody else's addresses."""

    def __init__(self, outer: WebhookSender, own_url: str) -> None:
        self._outer = outer
        self._own = WebhookSender(Targets.ALL)
        self._own_url = own_url

    async def close(self) -> None:
        """Close every connection."""
        await self._outer.close()
        await self._own.close()

    async def send(
        self, *, url: str, secret: str, message_id: str, timestamp_seconds: int, body: bytes
    ) -> Outcome:
        """One try."""
        sender = self._own if url == self._own_url != "" else self._outer
        return await sender.send(
            url=url, secret=secret, message_id=message_id, timestamp_seconds=timestamp_seconds, body=body
        )
