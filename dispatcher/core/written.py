"""What people may write as a name and as a telephone number: one rule for the console's form and for a sheet that is loaded.

    name_fault("<b>王</b>")      "may not hold < or >"; empty: nothing is wrong
    phone_fault("abc")           "is no telephone number: …"

A district file and the interface take more: programs have their reasons, and what is registered can always go back where it
came from. The form has the same rule in `console/web/src/register/checks.ts`; `tests/dispatcher/written.json` holds both to it.
"""

from __future__ import annotations

import re
import unicodedata

#: What is called so is a name, wherever it stands.
NAMES = ("name", "relation", "address")
_PHONE = re.compile(r"\+?[0-9][0-9 ()-]*")
_DIGITS_MIN = 3


def name_fault(value: str) -> str:
    """Of a name, an address or what somebody is to somebody; an empty one is none."""
    if not value.strip():
        return ""
    if "<" in value or ">" in value:
        return "may not hold < or >"
    if not any(unicodedata.category(one)[0] in "LN" for one in value):
        return "needs a letter or a digit"
    return ""


def phone_fault(value: str) -> str:
    """Of a telephone number; an empty one is none. How long it may be is the rule of every number."""
    number = value.strip()
    if not number:
        return ""
    if _PHONE.fullmatch(number) and sum(one in "0123456789" for one in number) >= _DIGITS_MIN:
        return ""
    return "is no telephone number: digits, spaces, dashes and brackets, with + in front if need be"
