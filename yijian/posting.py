"""The post office, put together: the senders by the settings, and the desk told that there is one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from config.settings import Settings
from dispatcher.alerts.letters import Letters
from dispatcher.alerts.own import WithOwn
from dispatcher.alerts.post import Post, Texts, Webhooks
from dispatcher.alerts.sms import SmsSender
from dispatcher.alerts.targets import Targets
from dispatcher.alerts.throttle import Throttle
from dispatcher.alerts.webhook import WebhookSender
from dispatcher.alerts.wording import TextError, Wording
from yijian.errors import UsageError

if TYPE_CHECKING:
    from yijian.house import House


def wording(settings: Settings) -> Wording:
    """The texts. Raises UsageError, a line for everything that is wrong with them."""
    try:
        return Wording.load(settings.templates)
    except TextError as error:
        raise UsageError(*[f"alerts.templates: {one}" for one in error.errors]) from error


@asynccontextmanager
async def post_office(
    settings: Settings, rooms: House, said: Wording, *, demo: bool, own_url: str
) -> AsyncIterator[Post]:
    """The post on the desk's rows; its senders are closed in the end. `own_url`: the canary's webhook."""
    targets = Targets.ALL if settings.private_targets else Targets.LOOPBACK if demo else Targets.NONE
    webhooks = WithOwn(WebhookSender(targets), own_url)
    texts = SmsSender(settings.sms, targets) if settings.sms else None
    try:
        post = post_with(
            rooms,
            webhooks=webhooks,
            texts=texts,
            letters=Letters(said, settings.public_url),
            throttle=Throttle(settings.news_per_hour),
            chance=random.Random(),
        )
        await post.open()
        yield post
    finally:
        await webhooks.close()
        if texts is not None:
            await texts.close()


def post_with(
    rooms: House,
    *,
    webhooks: Webhooks,
    texts: Texts | None,
    letters: Letters,
    throttle: Throttle,
    chance: random.Random,
) -> Post:
    """The post with these senders, known to the desk; not open yet."""
    post = Post(
        rooms.store,
        rooms.feed,
        rooms.ledger,
        rooms.register.rolls,
        rooms.inbox,
        rooms.clock,
        webhooks=webhooks,
        texts=texts,
        letters=letters,
        throttle=throttle,
        chance=chance,
    )
    rooms.desk.sight.sms = texts is not None
    rooms.desk.on_alerts = post.handed
    rooms.desk.on_left = post.left
    return post
