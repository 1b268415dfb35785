"""SMS providers as the settings name them: `[[alerts.sms]]`, tried in order.

    [[alerts.sms]]
    kind = "http"
    url = "https://sms.example/v2/send"
    headers = { Authorization = "Bearer ${SMS_TOKEN}" }
    body = '{"to":"{phone}","content":"{text}","ref":"{id}"}'      {phone} {text} {id} filled in, escaped as JSON
    accepted = "code=0"                                            an answer counts where its `code` is 0
    id_from = "data.sid"                                           and there the provider's own id stands

`${NAME}` is a variable of the environment, put in when the settings are read, so that no secret stands in the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from config import reading

#: How the errors are told: with the setting's name and a message.
Report = Callable[[str, str], None]
#: How what is filled in is written, so that it stays one value: as JSON, a form, XML, or as it is.
Writing = Literal["json", "form", "xml", "plain"]

METHODS = ("POST", "GET", "PUT")
SLOTS = ("phone", "text", "id")
TEMPLATE_MAX = 10_000
HEADERS_MAX = 30
PROVIDERS_MAX = 10
TIMEOUT_SECONDS = 5.0

#: What a body is sent as where no header says it.
CONTENT_TYPES: dict[Writing, str] = {
    "json": "application/json; charset=utf-8",
    "form": "application/x-www-form-urlencoded; charset=utf-8",
}

_PART = re.compile(r"(\$\{[^{}]*\}|\{[A-Za-z_]+\})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,40}")
_HOST = re.compile(r"https?://[^/?#]+[/?#]", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_PATH = re.compile(r"[^.=\s]+(?:\.[^.=\s]+)*")
#: Headers that belong to the line itself.
_NOT_OURS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade", "accept-encoding",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """Where something is filled in: `phone`, `text` or `id`."""

    name: str


#: Text as it is sent, with the places to fill in.
Template = tuple[str | Slot, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What counts as accepted: one of the statuses (`200`, `2xx`), and of the answers (path, value) one, if there are any.

    An empty path is the whole answer.
    """

    statuses: tuple[str, ...] = ("2xx",)
    answers: tuple[tuple[tuple[str, ...], str], ...] = ()

    def status(self, status: int) -> bool:
        """Whether this status counts."""
        return str(status) in self.statuses or f"{status // 100}xx" in self.statuses


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsProvider:
    """One provider. What may hold a secret is kept out of its repr."""

    name: str
    url: Template = field(repr=False)
    method: str = "POST"
    headers: tuple[tuple[str, Template], ...] = field(default=(), repr=False)
    body: Template = field(default=(), repr=False)
    writing: Writing = "json"
    accepted: Accepted = Accepted()
    id_from: tuple[str, ...] = ()
    timeout_seconds: float = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class SmsKey:
    """A key of `[[alerts.sms]]`, for the documents."""

    name: str
    required: bool
    says: str


SMS_KEYS: tuple[SmsKey, ...] = (
    SmsKey("kind", True, "`http`: the only kind in this version."),
    SmsKey("name", False, "What the provider is called in lists and figures; `sms-1`, `sms-2` … by default."),
    SmsKey(
        "url",
        True,
        "Where it is sent, `http://` or `https://`. Placeholders may stand after the host; they are URL-encoded.",
    ),
    SmsKey("method", False, "`POST` (the default), `GET` or `PUT`."),
    SmsKey("headers", False, "A table of headers. They may hold `{id}` and variables."),
    SmsKey(
        "body",
        False,
        "What is sent: a JSON text, a form (`to={phone}&msg={text}`), or something else that the header Content-Type "
        "names. What is filled in is escaped as JSON, URL-encoded or, with an XML type, escaped as XML.",
    ),
    SmsKey(
        "accepted",
        False,
        'What counts. `"200"` or `"2xx"`: that status (any 2xx by default). `"code=0"`, `"Data.Status=OK"`: that place '
        'in the JSON answer has that value; `"=0"`: the whole answer is that. A list: one of its statuses, and one of '
        "its values.",
    ),
    SmsKey("id_from", False, "Where in the JSON answer the provider's own id stands: `Data.BizId`, `ids.0`."),
    SmsKey("timeout", False, "Seconds until the next provider is asked instead, 0.5 to 30; 5 by default."),
)
_KEYS = tuple(key.name for key in SMS_KEYS)


def read_sms(value: object, environ: Mapping[str, str], report: Report) -> tuple[SmsProvider, ...]:
    """The providers that can be read; what is wrong with the others is reported, each with its key."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        report("alerts.sms", "is a list of tables: each begins with [[alerts.sms]]")
        return ()
    if len(value) > PROVIDERS_MAX:
        report("alerts.sms", f"names more than {PROVIDERS_MAX} providers")
        return ()
    read = [
        _Reader(f"alerts.sms[{place}]", item, environ, report).read(place) for place, item in enumerate(value)
    ]
    seen: dict[str, int] = {}
    for place, provider in enumerate(read):
        if provider is None:
            continue
        if provider.name in seen:
            report(f"alerts.sms[{place}].name", f"the same as of alerts.sms[{seen[provider.name]}]")
        seen.setdefault(provider.name, place)
    return tuple(provider for provider in read if provider is not None)


def variables(value: object) -> set[str]:
    """Every variable of the environment that stands somewhere in these settings."""
    if isinstance(value, str):
        return set(_WHOLE_VARIABLE.findall(value))
    if isinstance(value, dict):
        return set().union(*(variables(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(variables(inner) for inner in value))
    return set()


def fill(template: Template, values: Mapping[str, str], write: Callable[[str], str]) -> str:
    """The template with its places filled in, each written by `write`."""
    return "".join(part if isinstance(part, str) else write(values[part.name]) for part in template)


def url_coded(value: str) -> str:
    """A value as it stands in a URL or a form."""
    return quote(value, safe="")


def xml_coded(value: str) -> str:
    """A value as it stands in XML, as text or in an attribute."""
    for letter, coded in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        value = value.replace(letter, coded)
    return value


def json_coded(value: str) -> str:
    """A value as it stands inside the quotes of a JSON text."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


WRITERS: dict[Writing, Callable[[str], str]] = {
    "json": json_coded,
    "form": url_coded,
    "xml": xml_coded,
    "plain": str,
}


class _Reader:
    """Reads one provider; tells everything that is wrong with it."""

    def __init__(
        self, where: str, table: dict[str, object], environ: Mapping[str, str], report: Report
    ) -> None:
        self._where = where
        self._table = table
        self._environ = environ
        self._report = report
        self._told: set[str] = set()

    def read(self, place: int) -> SmsProvider | None:
        """The provider, or None after everything that is wrong was reported."""
        for name in self._table:
            if name not in _KEYS:
                self._say(name, f"no such key; there are {', '.join(_KEYS)}")
        if "kind" not in self._table:
            self._say("kind", 'is missing; kind = "http"')
        elif self._table["kind"] != "http":
            self._say("kind", 'must be "http"')
        name = self._read("name", _name, f"sms-{place + 1}")
        method = self._read("method", _method, "POST")
        timeout = self._read("timeout", reading.number(0.5, 30), TIMEOUT_SECONDS)
        accepted = self._read("accepted", _accepted, Accepted())
        id_from = self._read("id_from", _path, ())
        url = self._url()
        headers = self._headers()
        body, writing = self._body(method, dict(headers))
        self._placeholders(method, url, body)
        if self._told:
            return None
        names = {name.lower() for name, _ in headers}
        if body and "content-type" not in names:
            headers = (*headers, ("Content-Type", (CONTENT_TYPES[writing],)))
        return SmsProvider(
            name=name,
            url=url,
            method=method,
            headers=headers,
            body=body,
            writing=writing,
            accepted=accepted,
            id_from=id_from,
            timeout_seconds=timeout,
        )

    def _say(self, key: str, message: str) -> None:
        self._told.add(key)
        self._report(f"{self._where}.{key}", message)

    def _read(self, key: str, read: Callable[[object], Any], default: Any) -> Any:
        if key not in self._table:
            return default
        try:
            return read(self._table[key])
        except ValueError as error:
            self._say(key, str(error))
            return default

    def _template(
        self, key: str, value: object, slots: tuple[str, ...], write: Callable[[str], str]
    ) -> Template:
        """The text in its parts; variables are filled in, written by `write`."""
        if not isinstance(value, str):
            self._say(key, "is no text in quotes")
            return ()
        if len(value) > TEMPLATE_MAX:
            self._say(key, f"is longer than {TEMPLATE_MAX} characters")
            return ()
        parts: list[str | Slot] = []
        for part in _PART.split(value):
            if part.startswith("${") and part.endswith("}"):
                _join(parts, write(self._variable(key, part[2:-1])))
            elif not _PART.fullmatch(part):
                _join(parts, part)
            elif part[1:-1] in slots:
                parts.append(Slot(part[1:-1]))
            else:
                allowed = ", ".join(f"{{{slot}}}" for slot in slots)
                self._say(key, f"has the placeholder {part[:40]}; here can stand {allowed}")
        return tuple(parts)

    def _variable(self, key: str, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            self._say(key, "has a ${…} that is no name of a variable; A-Z a-z 0-9 _ is")
            return ""
        value = self._environ.get(name, "")
        if not value:
            self._say(key, f"the variable {name} is not set in the environment")
        elif not value.isprintable():
            self._say(key, f"the variable {name} has control characters in it")
            return ""
        return value

    def _url(self) -> Template:
        given = self._table.get("url")
        if given is None:
            self._say("url", "is missing")
            return ()
        if isinstance(given, str) and (whole := _WHOLE_VARIABLE.fullmatch(given)):
            given = self._variable("url", whole[1])
            if not given:
                return ()
        template = self._template("url", given, SLOTS, url_coded)
        if not template:
            if isinstance(given, str):
                self._say("url", "is empty")
            return template
        try:
            reading.web_url(fill(template, dict.fromkeys(SLOTS, "x"), str))
        except ValueError as error:
            self._say("url", str(error))
            return template
        first = template[0]
        # The host is never filled in: whose telephone it is must not decide where it goes.
        if len(template) > 1 and not (isinstance(first, str) and _HOST.match(first)):
            self._say("url", "has a placeholder before the end of the host")
        return template

    def _headers(self) -> tuple[tuple[str, Template], ...]:
        given = self._table.get("headers", {})
        if not isinstance(given, dict):
            self._say("headers", 'is a table: headers = { Authorization = "…" }')
            return ()
        if len(given) > HEADERS_MAX:
            self._say("headers", f"has more than {HEADERS_MAX} headers")
            return ()
        headers: list[tuple[str, Template]] = []
        seen: set[str] = set()
        for name, value in given.items():
            key = f"headers.{name[:100]}"
            if not _HEADER.fullmatch(name):
                self._say("headers", "has a name that is none of a header: letters, digits and hyphens are")
                continue
            if name.lower() in _NOT_OURS:
                self._say(key, "is set by the sender itself")
            if name.lower() in seen:
                self._say(key, "stands there twice")
            seen.add(name.lower())
            template = self._template(key, value, ("id",), str)
            text = fill(template, {"id": ""}, str)
            plain = all(" " <= letter <= "~" for letter in text) and text == text.strip()
            if not plain and key not in self._told:
                self._say(key, "may hold only printable ASCII letters, without spaces around them")
            headers.append((name, template))
        return tuple(headers)

    def _body(self, method: str, headers: Mapping[str, Template]) -> tuple[Template, Writing]:
        given = self._table.get("body", "")
        if given and method == "GET":
            self._say("body", "has no meaning for a GET: placeholders stand in its url")
        if not isinstance(given, str):
            self._say("body", "is no text in quotes")
            return (), "plain"
        declared = next((value for name, value in headers.items() if name.lower() == "content-type"), ())
        writing = _writing(given, "".join(part for part in declared if isinstance(part, str)).lower())
        template = self._template("body", given, SLOTS, WRITERS[writing])
        if writing == "json" and template and not _is_json(template):
            self._say("body", "is no JSON once it is filled in; placeholders stand inside quotes")
        return template, writing

    def _placeholders(self, method: str, url: Template, body: Template) -> None:
        there = {part.name for part in (*url, *body) if isinstance(part, Slot)}
        for name in ("phone", "text"):
            if name in there or {"url", "body"} & self._told:
                continue  # one slip is one line
            if method == "GET":
                self._say("url", f"has no {{{name}}}")
            else:
                self._say("body", f"has no {{{name}}}, and neither has url")


def _join(parts: list[str | Slot], text: str) -> None:
    """Add text, to the text before it where there is some."""
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    elif text:
        parts.append(text)


def _writing(body: str, content_type: str) -> Writing:
    """How values are written into this body: as its type says; without one, as JSON where it is JSON, else as a form."""
    if "json" in content_type:
        return "json"
    if "x-www-form-urlencoded" in content_type:
        return "form"
    if "xml" in content_type:
        return "xml"
    if content_type:
        return "plain"
    begins = body.lstrip()
    return "json" if begins[:1] in {"{", "["} and not _PART.match(begins) else "form"


def _is_json(template: Template) -> bool:
    try:
        json.loads(fill(template, dict.fromkeys(SLOTS, 'a"\\'), json_coded))
    except (ValueError, RecursionError):
        return False
    return True


def _method(value: object) -> str:
    return reading.one_of(METHODS)(value.upper() if isinstance(value, str) else value)


def _name(value: object) -> str:
    given = reading.text(value)
    if not _NAME.fullmatch(given):
        raise ValueError("must be 1 to 40 of A-Z a-z 0-9 . _ -")
    return given


def _path(value: object) -> tuple[str, ...]:
    given = reading.text(value)
    if len(given) > 200 or not _PATH.fullmatch(given):
        raise ValueError("is no path such as Data.BizId")
    return tuple(given.split("."))


def _accepted(value: object) -> Accepted:
    """Reads `"200"`, `"2xx"`, `"code=0"`, `"=OK"`, or a list of these."""
    statuses: list[str] = []
    answers: list[tuple[tuple[str, ...], str]] = []
    given = value if isinstance(value, list) else [value]
    if not given or len(given) > 50:
        raise ValueError("must name 1 to 50 things that count")
    for one in given:
        text = str(one) if isinstance(one, int) and not isinstance(one, bool) else one
        if not isinstance(text, str):
            raise ValueError(  # noqa: TRY004 - whatever is wrong with a setting, its reader says ValueError
                'is no text such as "2xx" or "code=0", nor a list of such texts'
            )
        path, equals, wanted = text.partition("=")
        if not equals:
            if not _STATUS.fullmatch(text):
                raise ValueError(
                    'names a status that is none, such as "200" or "2xx"; a value is "path=value"'
                )
            statuses.append(text)
        elif path and not _PATH.fullmatch(path):
            raise ValueError('has something before = that is no path such as "Data.Status"')
        else:
            answers.append((tuple(path.split(".")) if path else (), wanted))
    return Accepted(tuple(statuses) or ("2xx",), tuple(answers))
