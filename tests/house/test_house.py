"""The house is tidy: rooms, names, sizes, documents. What a machine can look after, nobody needs to remember."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("yijian", "gateway", "devices", "dispatcher", "simulators", "config")
TOP_FOLDERS = {*ROOMS, "docs", "tests"}

#: Words that mean too little, or something else elsewhere: what asks for help is a call, and nothing but a call.
RETIRED = frozenset(
    "alarm base case common helper incident manager notification ticket util".split()  # noqa: SIM905
)
#: The words of other people's tools that we have to call by their names.
THEIRS = frozenset({"test_case"})

LINES_MAX = 500
#: A story, or the stage it stands on, may be longer than what it is about.
TEST_LINES_MAX = 1000
DECISION_LINES_MAX = 40
ROOM_README_LINES_MAX = 150
#: What somebody's own machine is called, and nobody else's.
#: /opt/yijian is where the handbook and the units have it installed.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|work|Users|opt(?!/yijian))/\w")
TODO = re.compile(r"\bTODO\b(?!\(\w+\))")
MADE = {"__pycache__", "node_modules", "dist", "build", "data", "versions"}


@cache
def files() -> tuple[Path, ...]:
    """Every file somebody wrote."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                hidden = path.name.startswith(".") and path.name != ".ci"
                if not hidden and path.name not in MADE and not path.name.endswith(".egg-info"):
                    yield from walk(path)
            elif path.suffix not in {".png", ".lock", ".pyc", ".woff2"} and path.name != ".git":
                yield path

    return tuple(walk(ROOT))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def words(name: str) -> set[str]:
    """The words of a name, however they are put together, without their plural."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {part.lower().removesuffix("s") for part in parts} | {part.lower() for part in parts}


def test_the_top_folders_are_the_rooms_and_no_more() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert {name for name in folders if not name.startswith(".") and name not in MADE} <= TOP_FOLDERS


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_readme_that_can_be_read(room: str) -> None:
    readme = ROOT / room / "README.md"
    assert readme.exists(), "a room says what it promises"
    assert len(text(readme).splitlines()) <= ROOM_README_LINES_MAX


def test_no_file_has_a_retired_word_in_its_name() -> None:
    wrong = [named(path) for path in python() if path.stem not in THEIRS and words(path.stem) & RETIRED]
    assert wrong == []


def test_no_class_has_a_retired_word_in_its_name() -> None:
    wrong = [
        f"{named(path)}: {node.name}"
        for path in python()
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.ClassDef) and words(node.name) & RETIRED
    ]
    assert wrong == []


def test_no_file_is_too_long_to_read() -> None:
    lengths = {named(path): len(text(path).splitlines()) for path in python()}
    limits = {name: TEST_LINES_MAX if name.startswith("tests/") else LINES_MAX for name in lengths}
    assert {name: length for name, length in lengths.items() if length > limits[name]} == {}


def test_whatever_is_left_to_do_carries_a_name() -> None:
    code = [path for path in files() if path.suffix in {".py", ".sh", ".toml", ".js", ".ts", ".css"}]
    wrong = [named(path) for path in code if path != Path(__file__) and TODO.search(text(path))]
    assert wrong == [], "TODO(name): what and why"


def test_nothing_names_a_path_of_one_machine() -> None:
    wrong = {
        named(path): found.group()
        for path in files()
        if path != Path(__file__) and (found := MACHINE_PATH.search(text(path)))
    }
    assert wrong == {}


def test_every_link_between_documents_leads_somewhere() -> None:
    wrong = [
        f"{named(path)}: {target}"
        for path in files()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(path))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert wrong == []


def commands(readme: str) -> list[str]:
    """What a README has a person type: its shell blocks without their comments."""
    blocks = re.findall(r"```(?:sh|text)\n(.*?)```", text(ROOT / readme), re.DOTALL)
    return [line.partition("#")[0].rstrip() for block in blocks for line in block.splitlines() if line]


def test_both_readmes_name_the_same_commands() -> None:
    english, chinese = commands("README.md"), commands("README.zh-CN.md")
    assert english == chinese
    assert "make run" in english
    assert "make test" in english


def test_the_make_targets_that_documents_name_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    for path in files():
        if path.suffix == ".md":
            asked = set(re.findall(r"`make ([a-z-]+)", text(path))) | set(
                re.findall(r"^make ([a-z-]+)", text(path), re.MULTILINE)
            )
            assert asked <= targets, named(path)


def decisions() -> list[Path]:
    return sorted((ROOT / "docs/decisions").glob("0*.md"))


@pytest.mark.parametrize("path", decisions(), ids=lambda path: path.stem)
def test_a_decision_is_short_and_says_what_it_cost(path: Path) -> None:
    content = text(path)
    assert len(content.splitlines()) <= DECISION_LINES_MAX
    assert content.startswith(f"# {path.stem[:4]} ")
    for part in ("Status", "Date", "Question", "Choice", "Because", "Price paid", "Revisit when"):
        assert f"**{part}" in content, part
    assert path.name in text(ROOT / "docs/decisions/README.md"), "the index knows it"


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.stem[:4]) for path in decisions()] == list(range(1, len(decisions()) + 1))


def test_the_changelog_has_an_open_section_on_top() -> None:
    headings = re.findall(r"^## (.*)$", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_the_shell_scripts_stop_at_the_first_error() -> None:
    scripts = [ROOT / ".ci/run", *[path for path in files() if path.suffix == ".sh"]]
    for path in scripts:
        assert "\nset -euo pipefail\n" in text(path), named(path)
        assert path.stat().st_mode & 0o100, named(path)
