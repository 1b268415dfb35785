"""The canary's own district: a device whose every press is a test, and the webhook that hears it.

It is a district because everything people see, hear, count and are measured by is a district's: queues, rings, coverage,
capacity, reports, the wall, the relatives, the webhooks of a 12349 desk. Its code is none that can be registered, and it
stands apart from the others in `Rolls`: only what a press itself walks through ever finds it.

In short, the rule is: the same way as any press, and nobody at its end.
"""

from __future__ import annotations

from dispatcher.core.district import Device, District, Webhook
from dispatcher.core.roll import Roll

#: `~` is in no code of the register (`district_rules`), so nobody's district is called that.
CODE = "~canary"
#: The fact that ends a press of the canary: what the stream and the webhook have to bring.
LAST_FACT = "call.closed"


def canary_roll(address: str) -> Roll:
    """The district, with the device of that address."""
    roll = Roll(District(code=CODE))
    roll.put(Device(id=CODE, family="native", address=address))
    return roll


def hears(roll: Roll, url: str, secret: str) -> None:
    """Send the webhook of the canary there."""
    roll.put(Webhook(id=CODE, url=url, secret=secret, events=[LAST_FACT]))
