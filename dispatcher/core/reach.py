"""How far a webhook hears: by the facts it asked for, and by its area."""

from __future__ import annotations

from dispatcher.core.district import Webhook
from dispatcher.core.roll import Roll


def webhook_hears(webhook: Webhook, fact: str, area: str, roll: Roll) -> bool:
    """Whether this fact, in this area (empty: of the whole district), goes to the webhook.

    `events` are facts, `call.*` for all of a kind, or `*`; a webhook without an area hears the whole district.
    """
    if not any(_matches(pattern, fact) for pattern in webhook.events):
        return False
    if not webhook.area or webhook.area == roll.district.code:
        return True
    return bool(area) and roll.within(area, webhook.area)


def _matches(pattern: str, fact: str) -> bool:
    return pattern in ("*", fact) or (pattern.endswith(".*") and fact.startswith(pattern[:-1]))
