"""Who vouches for people at the console beside their password: the provider of the settings."""

from __future__ import annotations

from config.doors import Clock
from config.settings import Settings
from dispatcher.alerts.targets import Targets, connector
from dispatcher.console.oidc import Provider

_PER_HOST = 8


def provider(settings: Settings, clock: Clock) -> Provider | None:
    """The provider, asked only at addresses that webhooks may go to as well; None: there is none."""
    if settings.oidc is None:
        return None
    targets = Targets.ALL if settings.private_targets else Targets.NONE
    return Provider(
        settings.oidc,
        clock,
        lambda: connector(targets, per_host=_PER_HOST),
        private=settings.private_targets,
    )
