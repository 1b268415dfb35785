"""What docs/guarantees.md names is there: no promise is shown by a test that is gone, or kept by a file that moved."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from simulators.world.mistakes import MUTANTS
from simulators.world.promises import CHECKS
from simulators.world.run import kept

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
CHAPTERS = re.findall(r"^## (\d+)\. .+?\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_ten_each_with_who_keeps_it_and_what_shows_it():
    assert [int(number) for number, _ in CHAPTERS] == list(range(1, 11))
    for number, chapter in CHAPTERS:
        kept, _, shown = chapter.partition("Shown by")
        assert "Kept by `" in kept, number
        assert shown.count("::test_") >= 2, number


def test_every_test_it_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) > 30
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }, f"{path}::{name}"


def test_every_file_and_function_it_names_exists():
    for path, names in re.findall(r"`([a-z]+/[\w/]+\.py)`(?: \(([^)]*)\))?", TEXT):
        content = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"(?:def|class) {name}\b|^{name} = ", content, re.MULTILINE), f"{path}: {name}"


WORDS = ("^ ?", "broken on purpose by", "found broken once by nights?")


@pytest.mark.parametrize("promise", range(11))
def test_each_names_who_watches_it_what_breaks_it_and_the_nights_that_did(promise):
    """No more and no fewer than the simulated world has. 0: what all of them stand on."""
    chapter = dict(CHAPTERS).get(str(promise)) or TEXT[TEXT.index("## What all of them stand on") :]
    [told] = re.findall(r"^In the simulated world watched by (.+?)\.$", chapter, re.MULTILINE | re.DOTALL)
    watched, broken, nights = (re.search(words + r" ?([^;]+)", " ".join(told.split())) for words in WORDS)
    assert watched is not None
    assert names_in(watched) == [check.name for check in CHECKS.values() if check.promise == promise]
    assert names_in(broken) == [mutant.name for mutant in MUTANTS if mutant.promise == promise]
    assert names_in(nights) == [str(one.seed) for one in kept() if one.promise == promise]


def names_in(found: re.Match[str] | None) -> list[str]:
    return re.findall(r"[\w]+", found[1].replace("`", "")) if found is not None else []
