"""One rule for what people write: the form's own tests read the same cases."""

from __future__ import annotations

import json
from pathlib import Path

from dispatcher.core.written import name_fault, phone_fault

CASES = json.loads((Path(__file__).parents[1] / "written.json").read_text())


def test_names_and_telephone_numbers_are_what_the_form_says_they_are() -> None:
    assert {name: not name_fault(name) for name in CASES["names"]} == CASES["names"]
    assert {phone: not phone_fault(phone) for phone in CASES["phones"]} == CASES["phones"]
