"""What text messages say, in Chinese and English: read from files, checked before anything is served, then filled in.

    wording = Wording.load(None)                                            or a folder with files of one's own
    wording.text("summons.emergency", "zh-CN", name="王秀英", address="3号楼501室", phone="", link="")
        -> 紧急求救：王秀英，3号楼501室。请立即受理并前往。

In a text `{name}` is a placeholder, and what stands between `<` and `>` is left out where one of its placeholders is
empty. A placeholder elsewhere that is empty becomes the word of `[unknown]`, where there is one.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Self

from devices.signal import Key
from dispatcher.core.call import Outcome as CallOutcome

LANGUAGES = ("zh-CN", "en")
TEXT_MAX = 500
#: So much a file's text may say by itself; with all its values it then stays below TEXT_MAX.
TEMPLATE_MAX = 250
_FILE_BYTES_MAX = 200_000

#: What a value may be at most; what is longer is cut. A link is never cut: half of one leads nowhere.
VALUE_MAX = {
    "name": 40,
    "address": 80,
    "phone": 32,
    "station": 40,
    "time": 20,
    "minutes": 8,
    "outcome": 40,
    "key": 20,
}
LINK_MAX = 200
PLACEHOLDERS = (*VALUE_MAX, "link")


class Message(NamedTuple):
    """What a text can know, and what it must say."""

    knows: frozenset[str]
    needs: frozenset[str]


def _message(*needs: str, knows: tuple[str, ...] = ()) -> Message:
    call = ("name", "address", "phone", "key", "time", "link")
    return Message(frozenset({*call, *knows}), frozenset(needs))


_SUMMONS = _message("name", "address")

MESSAGES: dict[str, Message] = {
    "opened": _message("name"),
    "unanswered": _message("name", knows=("minutes",)),
    "accepted": _message("name", knows=("station",)),
    "on_scene": _message("name", knows=("station",)),
    "closed": _message("name", "outcome", knows=("station", "outcome")),
    "again": _message("name", "address"),
    "overdue": _message("name", "address", "minutes", knows=("minutes",)),
    "late": Message(frozenset({"minutes"}), frozenset({"minutes"})),
    "summons.emergency": _SUMMONS,
    "summons.service": _SUMMONS,
    "summons.family": _SUMMONS,
    "summons.on_call": _SUMMONS,
    "asked.emergency": _message("name"),
    "asked.service": _message("name"),
    "asked.family": _message("name"),
}
#: Words that are put in for what stands in a call.
WORDS: dict[str, tuple[str, ...]] = {
    "key": tuple(key.value for key in Key),
    "outcome": tuple(outcome.value for outcome in CallOutcome),
    "unknown": ("name", "address", "station"),
}

_TOKEN = re.compile(r"(\{[^{}<>]*\}|[{}<>])")
_PLACEHOLDER = re.compile(r"\{([^{}<>]*)\}")
_SPACES = re.compile(r"\s+")


class TextError(Exception):
    """A file of texts is wrong: `errors` says all of it, each with file and message."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class _Slot(NamedTuple):
    name: str


class _Piece(NamedTuple):
    """A part of a text; an optional one is left out where one of its places is empty."""

    optional: bool
    parts: tuple[str | _Slot, ...]


class _Texts(NamedTuple):
    messages: dict[str, tuple[_Piece, ...]]
    words: dict[str, dict[str, str]]


class Wording:
    """Every text in every language."""

    def __init__(self, texts: Mapping[str, _Texts]) -> None:
        self._texts = texts

    @classmethod
    def load(cls, folder: Path | None) -> Self:
        """Our texts, or those of the folder where it has `sms.zh-CN.toml` or `sms.en.toml`. Raises TextError."""
        errors: list[str] = []
        if folder is not None:
            errors += _strangers(folder)
        read = {language: _read(language, folder, errors) for language in LANGUAGES}
        if errors:
            raise TextError(errors)
        return cls(read)

    def text(self, message: str, language: str, *, late_minutes: int = 0, **values: str | int) -> str:
        """One text, at most TEXT_MAX characters of one line; `late_minutes` over 0 puts the late marker before it.

        `key` and `outcome` are the codes of a call; every value that is not given is empty. `language`: Chinese for all
        that begins with zh, else English. Raises KeyError for a message that there is none of.
        """
        texts = self._texts["zh-CN" if language.lower().startswith("zh") else "en"]
        clean = {name: _clean(name, str(value)) for name, value in values.items()}
        for name in ("key", "outcome"):
            if given := clean.get(name):
                clean[name] = texts.words[name].get(given, given)
        said = _fill(texts.messages[message], clean, texts.words["unknown"])
        if late_minutes > 0:
            late = {"minutes": _clean("minutes", str(late_minutes))}
            said = _fill(texts.messages["late"], late, {}) + said
        return said if len(said) <= TEXT_MAX else said[: TEXT_MAX - 1] + "…"


def language_file(language: str) -> str:
    """The name of a language's file."""
    return f"sms.{language}.toml"


def _fill(pieces: tuple[_Piece, ...], values: Mapping[str, str], unknown: Mapping[str, str]) -> str:
    out: list[str] = []
    for piece in pieces:
        if piece.optional and any(
            isinstance(part, _Slot) and not values.get(part.name) for part in piece.parts
        ):
            continue
        out += [
            part if isinstance(part, str) else values.get(part.name) or unknown.get(part.name, "")
            for part in piece.parts
        ]
    return "".join(out)


def _clean(name: str, value: str) -> str:
    """One line without control characters, as long as such a value may be."""
    kept = "".join(" " if letter.isspace() else letter for letter in value if _is_said(letter))
    kept = _SPACES.sub(" ", kept).strip()
    if name == "link":
        return kept if len(kept) <= LINK_MAX else ""
    most = VALUE_MAX.get(name, LINK_MAX)
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def _is_said(letter: str) -> bool:
    """Whether this is more than a control, a direction mark or half a character."""
    return letter.isspace() or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


# ── reading the files ─────────────────────────────────────────────────────────────────────────────────────────────────


def _strangers(folder: Path) -> list[str]:
    """What is wrong with the folder itself: a file with a slip in its name would never be read, and nobody would know."""
    ours = {language_file(language) for language in LANGUAGES}
    try:
        found = {path.name for path in folder.iterdir() if path.name.startswith("sms.")}
    except OSError as error:
        return [f"{folder}: cannot be read: {error.strerror}"]
    errors = [
        f"{name}: no file of ours; there are {' and '.join(sorted(ours))}" for name in sorted(found - ours)
    ]
    return errors or ([] if found else [f"{folder}: holds none of {', '.join(sorted(ours))}"])


def _read(language: str, folder: Path | None, errors: list[str]) -> _Texts:
    name = language_file(language)
    texts = _Texts({}, {table: {} for table in WORDS})
    try:
        table = tomllib.loads(_content(name, folder).decode("utf-8-sig"))
    except OSError as error:
        errors.append(f"{name}: cannot be read: {error.strerror}")
        return texts
    except UnicodeDecodeError as error:
        errors.append(f"{name}: is not UTF-8 text (byte {error.start})")
        return texts
    except tomllib.TOMLDecodeError as error:
        errors.append(f"{name}: is no TOML: {error}")
        return texts
    found = dict(_flat(table))
    words = {f"{kind}.{word}": kind for kind, all_words in WORDS.items() for word in all_words}
    for message in [*MESSAGES, *words]:
        where = f"{name}: {message}"
        value = found.pop(message, None)
        if value is None:
            errors.append(f"{where}: is missing")
        elif not isinstance(value, str) or not value.strip():
            errors.append(f"{where}: is no text in quotes, or an empty one")
        elif message in words:
            if fault := _word_fault(value):
                errors.append(f"{where}: {fault}")
            texts.words[words[message]][message.partition(".")[2]] = value
        else:
            texts.messages[message] = _compiled(where, value, MESSAGES[message], errors)
    errors += [f"{name}: {stranger}: no message of this name" for stranger in found]
    return texts


def _content(name: str, folder: Path | None) -> bytes:
    if folder is not None and (folder / name).exists():
        with (folder / name).open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
        if len(content) > _FILE_BYTES_MAX:
            raise OSError(0, f"is over {_FILE_BYTES_MAX} bytes")
        return content
    return (resources.files("config") / "texts" / name).read_bytes()


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`summons.emergency`: one table deep."""
    for name, value in table.items():
        if isinstance(value, dict):
            for inner, given in value.items():
                yield f"{name}.{inner}", given
        else:
            yield name, value


def _word_fault(value: str) -> str:
    if len(value) > LINK_MAX or not value.isprintable():
        return f"is longer than {LINK_MAX} characters, or of more than one line"
    return "is a word: no placeholder stands in it" if _TOKEN.search(value) else ""


def _compiled(where: str, text: str, message: Message, errors: list[str]) -> tuple[_Piece, ...]:
    """The text in its pieces; what is wrong is added to the errors."""
    if len(text) > TEMPLATE_MAX or not text.isprintable():
        errors.append(f"{where}: is longer than {TEMPLATE_MAX} characters, or of more than one line")
        return ()
    pieces: list[_Piece] = []
    parts: list[str | _Slot] = []
    optional = False
    said: set[str] = set()
    for mark in _TOKEN.split(text):
        if mark in {"<", ">"}:
            if (mark == "<") is optional:
                errors.append(f"{where}: has a {mark} without its {'>' if mark == '<' else '<'}")
                return ()
            if optional and not any(isinstance(part, _Slot) for part in parts):
                errors.append(f"{where}: has no placeholder between < and >: it would always be said")
            pieces.append(_Piece(optional, tuple(parts)))
            parts, optional = [], not optional
        elif mark in {"{", "}"}:
            errors.append(f"{where}: has a lone {mark}")
            return ()
        elif placeholder := _PLACEHOLDER.fullmatch(mark):
            name = placeholder[1]
            if fault := _placeholder_fault(name, message):
                errors.append(f"{where}: {fault}")
            if not optional:
                said.add(name)
            parts.append(_Slot(name))
        elif mark:
            parts.append(mark)
    if optional:
        errors.append(f"{where}: has a < without its >")
    pieces.append(_Piece(False, tuple(parts)))
    missing = sorted(message.needs - said)
    errors += [f"{where}: must say {{{name}}}, outside of < and >" for name in missing]
    return tuple(piece for piece in pieces if piece.parts)


def _placeholder_fault(name: str, message: Message) -> str:
    known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS if one in message.knows)
    if name not in PLACEHOLDERS:
        return f"has the unknown placeholder {{{name[:40]}}}; it can say {known}"
    if name not in message.knows:
        return f"cannot know {{{name}}}; it can say {known}"
    return ""
