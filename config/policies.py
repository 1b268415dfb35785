"""The default policies of the three keys, where a district names none (contract, section 7). Plain values."""

from __future__ import annotations

from typing import Any

POLICIES: dict[str, dict[str, Any]] = {
    "emergency": {
        # 60 s: the yardstick of answered alarm calls in the UK (97.5 % within it); the wider circles follow by the minute.
        "steps": [
            {"after": 0, "to": "nearest"},
            {"after": 60, "to": "next"},
            {"after": 120, "to": "next_tier"},
            {"after": 180, "to": "everyone"},
        ],
        "repeat": 60,
        "en_route_within": 120,
        "repress_within": 60,
        "arrive_goal": 900,
        "arrive_limit": 1800,
        "close_within": 14400,
    },
    "service": {
        "steps": [
            {"after": 0, "to": "nearest"},
            {"after": 600, "to": "next"},
            {"after": 1800, "to": "district"},
        ],
        "repeat": 1800,
        # A service call may be planned for the afternoon: setting out is expected within half an hour, not two minutes.
        "en_route_within": 1800,
        "repress_within": 600,
        "arrive_goal": None,
        "arrive_limit": None,
        "close_within": 86400,
        "silent": "21:00-07:00",
    },
    "family": {
        "steps": [
            {"after": 0, "to": "contacts"},
            {"after": 120, "to": "nearest"},
            {"after": 600, "to": "next"},
            {"after": 1800, "to": "district"},
        ],
        "repeat": 1800,
        "en_route_within": 1800,
        "repress_within": 600,
        "arrive_goal": None,
        "arrive_limit": None,
        "close_within": 86400,
        "silent": "21:00-07:00",
    },
}
