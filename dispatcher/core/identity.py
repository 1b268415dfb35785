"""An identity number (居民身份证号, GB 11643-1999): six digits of a place, a birthday, three of an order, one that checks the rest.

11010519491231002X      11010519491231002X mod 11, by the weights below, is X
"""

from __future__ import annotations

import re
from datetime import date

_SHAPE = re.compile(r"[1-9]\d{5}(\d{4})(\d{2})(\d{2})\d{3}[\dX]", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


def is_identity_number(text: str) -> bool:
    """Whether it is one: its shape, its birthday and its last character."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        return False
    try:
        date(*(int(part) for part in found.groups()))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=False))
    return _CHECKS[total % 11] == text[-1]
