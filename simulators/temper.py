"""How the people of the town behave: how quick they are, how often they forget, what they find on site.

Shares are those of the field: four presses of five need nobody (82 % of 9,800 calls of a German region in 2023), three
of a hundred end with an ambulance. `LIFE` has a working day's pace; `DEMO` the same people, seen in fast motion.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Temper:
    """Seconds are drawn between two bounds; shares are of one."""

    look: Span  #: from the offer to the first look at it (`seen`)
    accept: Span  #: from the offer to the accept
    decline: Span
    desk: Span  #: the desk gives the stations a moment
    telephone: Span  #: from the accept to the telephone, and how long it rings
    talk: Span
    set_out: Span
    travel_share: float  #: how much of the reckoned travel time it takes to get there
    travel: Span  #: but never less or more than this
    on_site: Span
    abandoned: float  #: a call that has not moved for so long is the desk's to end
    declines: float = 0.08
    forgets: float = 0.10
    telephones: float = 0.90
    answered: float = 0.85
    never_sets_out: float = 0.03
    gives_back: float = 0.02
    sees_second_press: float = 0.85
    helper_key: float = 0.25
    absent: float = 0.07  #: stations where nobody turned up for the shift


LIFE = Temper(
    look=(2, 20),
    accept=(6, 50),
    decline=(8, 50),
    desk=(10, 45),
    telephone=(5, 40),
    talk=(20, 180),
    set_out=(10, 75),
    travel_share=1.1,
    travel=(60, 1500),
    on_site=(180, 2400),
    abandoned=5400,
)

DEMO = Temper(
    look=(1, 4),
    accept=(3, 20),
    decline=(3, 15),
    desk=(5, 15),
    telephone=(2, 6),
    talk=(4, 14),
    set_out=(3, 12),
    travel_share=0.12,
    travel=(12, 60),
    on_site=(10, 40),
    abandoned=600,
)

REASONS = ("正在另一位老人家中", "人手不足", "车辆不在站内", "送餐途中", "正在处理另一呼叫")


def unneeded(call: Mapping[str, Any], local_hour: int) -> float:
    """How likely it is that nobody needs to come: night presses, falls and repeated presses are more often real."""
    if call.get("cancel_requested"):
        return 0.96
    share = {"fall": 0.45, "inactivity": 0.75, "hazard": 0.9, "manual": 0.3}.get(call.get("kind", ""), 0.84)
    if call.get("key") == "service":
        share = 0.5  # half of what is asked for is settled in words
    if local_hour < 6 or local_hour >= 22:
        share -= 0.2
    return max(0.1, share - 0.1 * (int(call.get("presses", 1)) - 1))


def settled_by_telephone(call: Mapping[str, Any]) -> dict[str, str]:
    """How a call ends that a talk has settled."""
    if call.get("key") == "emergency":
        return {
            "outcome": "false_alarm",
            "evidence": "spoke_to_resident",
            "note": "电话确认，老人误按，一切正常",
        }
    return {"outcome": "service_done", "evidence": "spoke_to_resident", "note": "电话中已安排"}


def settled_on_site(
    call: Mapping[str, Any], chance: random.Random, *, spoke: str | None, needed: bool
) -> dict[str, str]:
    """How a call ends for whoever stood at the door."""
    if call.get("key") != "emergency":
        return {"outcome": "service_done", "evidence": "on_site", "note": "已上门处理"}
    draw = chance.random()
    if spoke == "no_answer" and draw < 0.06:
        return {"outcome": "no_contact", "evidence": "on_site", "note": "敲门无人应答，邻居称老人外出"}
    if not needed:
        return {"outcome": "false_alarm", "evidence": "on_site", "note": "上门查看，一切正常"}
    if draw < 0.2:
        return {"outcome": "hospital", "evidence": "on_site", "note": "已陪同送医，家属已告知"}
    return {"outcome": "helped", "evidence": "on_site", "note": "已现场协助，老人平稳"}


def abandoned() -> dict[str, str]:
    """How the desk ends a call that everybody else forgot."""
    return {"outcome": "other", "evidence": "relative_confirmed", "note": "值班台回访，家属确认老人平安"}
