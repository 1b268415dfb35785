"""A telephone number with its middle hidden; a door's code hidden whole, an identity number but for its ends.

138****0001        a mobile number: its first three and last four digits
02****45           a shorter one
****               one of six digits or fewer, or one without digits
"""

from __future__ import annotations

STARS = "****"


def masked(phone: str) -> str:
    """The number with its middle hidden; what is empty stays so."""
    digits = "".join(character for character in phone if character.isdecimal())
    if not phone.strip():
        return ""
    if len(digits) >= 11:
        # A country code in front of a number is nobody's secret.
        lead = digits[: len(digits) - 8]
        plus = "+" if phone.strip().startswith("+") else ""
        return f"{plus}{lead}{STARS}{digits[-4:]}"
    if len(digits) > 6:
        return f"{digits[:2]}{STARS}{digits[-2:]}"
    return STARS


def masked_code(code: str) -> str:
    """Stars, whatever the code is: also how long it is would help somebody. What is empty stays so."""
    return STARS if code else ""


def masked_identity(number: str) -> str:
    """An identity number but for its ends: enough to see that there is one. What is empty stays so."""
    return f"{number[0]}{'*' * 16}{number[-1]}" if number else ""


def number_behind(shown: str, numbers: list[str]) -> str | None:
    """The one of these that is shown so; None: none of them."""
    return next((number for number in numbers if number and masked(number) == shown), None)
