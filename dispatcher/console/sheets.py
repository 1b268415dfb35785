"""The register as Excel and CSV: what a file would change, loading it, and writing one.

    POST /district/preview?name=老人.xlsx      what would be added and changed, every error by its cell; changes nothing
    POST /district?name=老人.xlsx&preview=…    loads it, if it still does what was looked at; else 409
    GET  /district/export?format=xlsx          what is in sight, masked for people who have logged in

Files are read and written aside (`dispatcher.sheets.aside`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from config.doors import from_us
from dispatcher.console.access import STAFFED, WHOLE
from dispatcher.console.endpoint import DISTRICT, Act, Answer, Ask, Endpoint, Query
from dispatcher.console.masking import masks
from dispatcher.console.problems import Problem, again_later, wrong
from dispatcher.core.district import DistrictFile, Resident
from dispatcher.core.masks import masked, masked_code, masked_identity
from dispatcher.sheets.aside import Aside, Busy
from dispatcher.sheets.columns import BY_SECTION, SECTIONS
from dispatcher.sheets.wording import Fault, Said, Unreadable
from dispatcher.sheets.work import Looked

_FILE_BYTES_MAX = 64 * 1_048_576
#: So often a file is looked at again because the register was changed meanwhile.
_TRIES = 3
_ITEMS_A_TURN = 500
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TYPES = {"xlsx": XLSX, "csv": "text/csv", "json": "application/json"}

NAME = Query("name", "what the file is called: it says which section a CSV file is")
SECTION = Query("section", "which section a CSV file is", choices=SECTIONS)
PREVIEW = Query("preview", "`mark` of the preview: load only if it would still do just that")


def told(fault: Fault) -> dict[str, Any]:
    """A fault as errors are answered: `path` and `error` as everywhere, and where it stands in the sheet."""
    line: dict[str, Any] = {"path": fault.path, "error": fault.en, "zh": fault.zh}
    if fault.sheet:
        line |= {"sheet": fault.sheet, "cell": fault.cell, "heading": fault.heading}
    return line


def _unreadable(said: Said) -> Problem:
    return Problem(400, said.en, errors=[{"path": "", "error": said.en, "zh": said.zh}], zh=said.zh)


class Sheets:
    """The endpoints, with the worker they share."""

    def __init__(self) -> None:
        self._aside = Aside()

    async def looked(self, ask: Ask) -> Looked:
        """The file that was sent, looked at. Raises Problem."""
        register = ask.rooms.register

        def districts() -> Mapping[str, DistrictFile]:
            return {code: register.export(code) for code in ask.scope.rolls.by_code}

        try:
            return await self._aside.look(
                ask.raw,
                ask.query.get("name", ""),
                districts,
                section=ask.query.get("section", ""),
                default=ask.roll().district.code,
                within=ask.within,
                mask=masks(ask.access),
            )
        except Unreadable as error:
            raise _unreadable(error.said) from None
        except Busy:
            raise again_later("other files are being read: try again in a moment") from None

    async def preview(self, ask: Ask) -> Answer:
        """What it would do."""
        looked = await self.looked(ask)
        errors = looked.errors
        found = looked.changes
        return Answer(
            {
                "kind": looked.kind,
                "sections": _sections(looked),
                "errors": [told(fault) for fault in errors],
                "warnings": [told(fault) for fault in looked.faults if fault.warning],
                "mark": found.mark if found is not None and not errors else None,
            }
        )

    async def load(self, ask: Ask) -> Answer:
        """Load what was sent: all of it, or nothing and every error."""
        wanted = ask.query.get("preview", "")
        if (
            not wanted
            and not ask.query.get("section")
            and ask.raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"")
        ):
            return Answer(dict(await ask.rooms.register.merge(ask.raw, ask.within, by=ask.access.by)))
        for _ in range(_TRIES):
            seen = ask.rooms.register.changes
            looked = await self.looked(ask)
            if looked.errors or looked.file is None:
                raise _wrong(looked)
            if wanted and (looked.changes is None or looked.changes.mark != wanted):
                raise Problem(
                    409,
                    "the register was changed since the preview, or it is another file: look at it again",
                    field="preview",
                )
            counted = await ask.rooms.register.merge_checked(looked.file, seen, ask.within, by=ask.access.by)
            if counted is not None:
                return Answer(dict(counted))
        raise again_later("the register is being changed: try again in a moment")

    async def export(self, ask: Ask) -> Answer:
        """What is in sight, as a file."""
        form, section = ask.query.get("format", "json"), ask.query.get("section", "")
        if form == "csv" and not section:
            raise wrong("section", f"a CSV file holds one section: {', '.join(SECTIONS)}")
        if form == "json" and section:
            raise wrong("section", "goes with xlsx and csv")
        ask.where = (ask.roll().district.code, ask.access.area)
        file = await _in_sight(ask)
        try:
            content = await self._aside.write(file, form, section)
        except Busy:
            raise again_later("other files are being written: try again in a moment") from None
        day = from_us(ask.now_us).astimezone(ask.roll().zone).date().isoformat()
        of = BY_SECTION[section].zh if section else "登记"
        return _attachment(content, f"{ask.roll().district.name}{of}-{day}.{form}", _TYPES[form])

    async def template(self, _ask: Ask) -> Answer:
        """The empty workbook."""
        try:
            content = await self._aside.template()
        except Busy:
            raise again_later("other files are being written: try again in a moment") from None
        return _attachment(content, "登记模板.xlsx", XLSX)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The table."""
        return (
            Endpoint(
                method="POST",
                path="/district",
                name="loadDistrict",
                tag="district",
                en="Merge a whole district file (JSON, an Excel workbook, CSV): all of it, or nothing and every error",
                zh="导入区划文件（JSON、Excel、CSV）：全部成功，或全部不动并列出所有错误",
                handle=self.load,
                roles=WHOLE,
                query=(NAME, SECTION, PREVIEW),
                body={"$ref": "#/components/schemas/DistrictFile"},
                raw=True,
                bytes_max=_FILE_BYTES_MAX,
                answer=_LOADED,
                statuses={200: "Loaded", 409: "It would do something else than what the preview showed"},
                writes=True,
                keyed=True,
                audit=Act.CHANGE,
            ),
            Endpoint(
                method="POST",
                path="/district/preview",
                name="previewDistrict",
                tag="district",
                en="What a file would add and change, and every error by its cell; changes nothing",
                zh="导入前预览：会新增、修改什么，错误逐格列出；不改动任何登记",
                handle=self.preview,
                roles=WHOLE,
                query=(NAME, SECTION),
                body={"$ref": "#/components/schemas/DistrictFile"},
                raw=True,
                bytes_max=_FILE_BYTES_MAX,
                answer=_PREVIEW,
                audit=Act.LOOK,
            ),
            Endpoint(
                method="GET",
                path="/district/export",
                name="exportSheets",
                tag="district",
                en="What is in your scope as an Excel workbook, CSV or JSON; numbers and door codes masked for people who have logged in",
                zh="导出可见范围内的登记（Excel、CSV、JSON）；登录人员看到的电话打星号",
                handle=self.export,
                roles=STAFFED,
                query=(
                    Query("format", "of the file", choices=tuple(_TYPES)),
                    Query("section", "only this one; a CSV file holds one", choices=SECTIONS),
                    Query(
                        "unmask",
                        "with whole numbers and door codes; that is written down",
                        choices=("phone",),
                    ),
                    DISTRICT,
                ),
                answer={},
                answer_type="application/octet-stream",
                audit=Act.EXPORT,
            ),
            Endpoint(
                method="GET",
                path="/district/template",
                name="getTemplate",
                tag="district",
                en="An empty workbook to fill in, with an example and lists to choose from",
                zh="空白登记表（Excel），带示例和下拉选项",
                handle=self.template,
                roles=STAFFED,
                answer={},
                answer_type=XLSX,
            ),
        )


def _wrong(looked: Looked) -> Problem:
    errors = [told(fault) for fault in looked.errors]
    first = looked.errors[0] if looked.errors else Fault(zh="不对", en="wrong")
    place = f"{first.sheet}!{first.cell}: " if first.cell else f"{first.path}: " if first.path else ""
    return Problem(400, f"{place}{first.en}", field=first.path, errors=errors)


def _sections(looked: Looked) -> dict[str, Any]:
    changed = looked.changes.sections if looked.changes is not None else {}
    found: dict[str, Any] = {}
    for section in dict.fromkeys((*looked.rows, *changed)):
        of = changed.get(section)
        found[section] = {
            "sheet": looked.names.get(section),
            "rows": looked.rows.get(section, 0),
            "added": of.added if of is not None else None,
            "changed": of.changed if of is not None else None,
            "unchanged": of.unchanged if of is not None else None,
            "first": msgspec.to_builtins(of.first) if of is not None else [],
        }
    return found


def _attachment(content: bytes, name: str, content_type: str) -> Answer:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Answer(content, headers=headers, content_type=content_type)


async def _in_sight(ask: Ask) -> DistrictFile:
    """The district as this asker may have it: their area, no secrets of webhooks, numbers and door codes masked."""
    roll, scope = ask.roll(), ask.scope
    file = ask.rooms.register.export(roll.district.code)
    hide = masks(ask.access) and "unmask" not in ask.query
    whole = scope.sees_all(roll) and ask.access.role in WHOLE
    if whole and not masks(ask.access):  # a program's: all there is, to be put back as it was
        return file
    kept: dict[str, list[Any]] = {"areas": [], "stations": [], "residents": [], "devices": [], "staff": []}
    for section, to in kept.items():
        for place, item in enumerate(getattr(file, section), 1):
            if scope.sees_item(roll, item):
                to.append(_shown(item, hide=hide, whole=whole) if isinstance(item, Resident) else item)
            if place % _ITEMS_A_TURN == 0:
                await asyncio.sleep(0)
    return replace(file, **kept, webhooks=file.webhooks if whole else [])


def _shown(person: Resident, *, hide: bool, whole: bool) -> Resident:
    contacts = [
        replace(
            contact,
            phone=masked(contact.phone) if hide else contact.phone,
            webhook=contact.webhook if whole else "",
        )
        for contact in person.contacts
    ]
    person = replace(person, identity_number=masked_identity(person.identity_number))
    if hide:
        person = replace(person, phone=masked(person.phone), door_code=masked_code(person.door_code))
    return replace(person, contacts=contacts)


_LOADED: dict[str, Any] = {
    "type": "object",
    "description": "how many of each section the file had",
    "additionalProperties": {"type": "integer"},
}
_FAULTS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "as in the district file"},
            "error": {"type": "string"},
            "zh": {"type": "string"},
            "sheet": {"type": "string"},
            "cell": {"type": "string", "description": "as people name it, `B7`"},
            "heading": {"type": "string"},
        },
    },
}
_PREVIEW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["xlsx", "csv", "json"]},
        "sections": {"type": "object", "description": "by section: counts, and the first items that change"},
        "errors": _FAULTS,
        "warnings": _FAULTS,
        "mark": {
            "type": ["string", "null"],
            "description": "for `preview` of the load; null where it cannot be loaded",
        },
    },
}
