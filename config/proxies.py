"""Which proxies are believed about who stands behind them: addresses and networks, separated by commas."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NETWORKS_MAX = 64
LOOPBACK = "127.0.0.0/8, ::1"


def networks(value: object) -> tuple[Network, ...]:
    """`10.0.0.5, 192.0.2.0/24`. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - whatever is wrong with a setting, its reader says ValueError
            "is no text: addresses or networks, separated by commas, are wanted"
        )
    given = [one.strip() for one in value.split(",") if one.strip()]
    if len(given) > NETWORKS_MAX:
        raise ValueError(f"names more than {NETWORKS_MAX}")
    try:
        found = tuple(ipaddress.ip_network(one) for one in given)
    except ValueError:
        raise ValueError(
            "has one that is neither an address nor a network, such as 10.0.0.5 or 192.0.2.0/24"
        ) from None
    if any(one.prefixlen == 0 for one in found):
        raise ValueError("would believe everybody: name the proxies")
    return found
