"""Somebody who is notified of calls by webhook: which calls, how often, and every signature held against the secret.

What should not be is kept in `wrong`: said here, an error would only be an answer 500, and the next try a good one.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Self

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + base64.b64encode(b"whoever is notified here").decode()


class Notified:
    """A receiver of `call.opened`, on a port of its own: `async with Notified() as notified`."""

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.ids: dict[str, str] = {}  #: the message's id by its call
        self.wrong: list[str] = []
        self.port = 0  #: where it is found; another one where there is a proxy in between
        self._check = Webhook(SECRET)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def hook(self) -> dict[str, object]:
        """The webhook, as the register wants it."""
        url = f"http://127.0.0.1:{self.port}/hook"
        return {"url": url, "secret": SECRET, "events": ["call.opened"]}

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._check.verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self.wrong.append(f"a message that is not signed: {error}")
            return web.Response(status=400)
        told = json.loads(body)
        call, name = told["data"]["call"]["id"], request.headers["webhook-id"]
        if told["type"] != "call.opened":
            self.wrong.append(f"a message that nobody wanted: {told['type']} of {call}")
        elif self.ids.setdefault(call, name) != name:
            self.wrong.append(
                f"another id for the same message of {call}: {name}, and {self.ids[call]} before"
            )
        self.opened[call] += 1
        return web.Response(status=204)
