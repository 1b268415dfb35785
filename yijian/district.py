"""The district file at the command line: JSON, an Excel workbook or CSV, by the file's name and by what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

import aiohttp
import msgspec

from config.doors import SystemClock
from config.settings import Settings
from dispatcher.console.audit import AT_COMMAND_LINE, told
from dispatcher.console.endpoint import Act
from dispatcher.core import district_check
from dispatcher.core.district import DistrictFile
from dispatcher.register import Register
from dispatcher.sheets.columns import SECTIONS
from dispatcher.sheets.layout import sheet_named
from dispatcher.sheets.wording import Fault, Said, Unreadable
from dispatcher.sheets.work import Registered, look
from yijian.compose import merge
from yijian.database import TakenError, opened
from yijian.errors import CommandError, UsageError
from yijian.lock import LockedError, hold
from yijian.serving import shown

_ERRORS_SHOWN = 200


def check(content: bytes, name: str, *, chinese: bool) -> list[str]:
    """Everything that is wrong with a file, a line each; what should be looked at is told beside it."""
    try:
        looked = look(content, name)
    except Unreadable as error:
        return [_sentence(error.said, chinese=chinese)]
    return [line_of(fault, chinese=chinese) for fault in looked.errors]


def line_of(fault: Fault, *, chinese: bool) -> str:
    """`老人!B7 电话: …`, or the path of a JSON file."""
    place = f"{fault.sheet}!{fault.cell} {fault.heading}".strip() if fault.cell else fault.sheet or fault.path
    sentence = _sentence(fault, chinese=chinese)
    return f"{place}: {sentence}" if place else sentence


def _sentence(told: Said | Fault, *, chinese: bool) -> str:
    return told.zh if chinese else told.en


async def load(settings: Settings, content: bytes, name: str, *, chinese: bool) -> str:
    """Merge a file into the register: straight, or through the server that has the data folder."""
    try:
        with hold(settings.data):
            async with opened(settings, desk=True) as store:
                register = Register(store, clock := SystemClock())
                await register.load()
                file = _district_file(content, name, register, chinese=chinese)
                counts = await merge(register, file, AT_COMMAND_LINE)
                await told(store, clock, Act.CHANGE, "district")
                return _counts(counts)
    except (LockedError, TakenError):
        return await _load_by_http(settings, content, name, chinese=chinese)


def _district_file(content: bytes, name: str, register: Register, *, chinese: bool) -> bytes:
    """What was given as a district file. Every error a line of the CommandError."""
    files = {code: register.export(code) for code in register.rolls.by_code}
    try:
        looked = look(content, name, Registered(files, register.rolls.default_code))
    except Unreadable as error:
        raise CommandError(_sentence(error.said, chinese=chinese)) from None
    if looked.kind == "json":
        return content
    if looked.file is None:
        raise CommandError(*[line_of(fault, chinese=chinese) for fault in looked.errors[:_ERRORS_SHOWN]])
    return district_check.dump(looked.file)


async def _load_by_http(settings: Settings, content: bytes, name: str, *, chinese: bool) -> str:
    if not settings.admin_token:
        raise CommandError("a server is running on this data: set YIJIAN_ADMIN_TOKEN to load through it")
    headers = {"Authorization": f"Bearer {settings.admin_token}", "Content-Type": "application/json"}
    url = f"http://{shown(settings.http)}/api/v1/district"
    given = {"name": PurePath(name).name} if name != "-" else {}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=content, headers=headers, params=given) as answer,
        ):
            body = await answer.json(content_type=None)
            if answer.status == 200:
                return _counts({name: count for name, count in body.items() if isinstance(count, int)})
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise CommandError(f"the running server did not take it: {type(error).__name__}") from error
    errors = body.get("errors") or [{"path": "", "error": body.get("detail") or f"HTTP {answer.status}"}]
    raise CommandError(*[_line(one, chinese=chinese) for one in errors[:_ERRORS_SHOWN]])


def _line(error: Mapping[str, str], *, chinese: bool) -> str:
    if error.get("cell"):
        known = msgspec.convert(
            {**error, "en": error.get("error", ""), "zh": error.get("zh") or error.get("error", "")}, Fault
        )
        return line_of(known, chinese=chinese)
    return f"{error['path']}: {error['error']}" if error.get("path") else str(error["error"])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing to load"


def form_of(name: str, section: str | None) -> tuple[str, str]:
    """`json`, `xlsx` or `csv`, and which section, by the file's name. Raises UsageError."""
    form = PurePath(name).suffix.lower().lstrip(".")
    if form not in {"xlsx", "csv"}:
        if section:
            raise UsageError("--section goes with a file named .csv or .xlsx")
        return "json", ""
    chosen = sheet_named(section or PurePath(name).stem)
    if section and chosen is None:
        raise UsageError(f"--section is one of {', '.join(SECTIONS)}")
    if form == "csv" and chosen is None:
        raise UsageError(f"a .csv file holds one section: name it by --section, one of {', '.join(SECTIONS)}")
    return form, chosen.section if chosen is not None and (section or form == "csv") else ""


async def export(settings: Settings, form: str = "json", section: str = "") -> bytes:
    """The default district as a file."""
    async with opened(settings) as store:
        register = Register(store, clock := SystemClock())
        await register.load()
        code = register.rolls.default_code
        await told(store, clock, Act.EXPORT, "district", district=code)
        return made(register.export(code), form, section)


def made(file: DistrictFile, form: str, section: str) -> bytes:
    """The file in this form."""
    from dispatcher.sheets import writing

    if form == "xlsx":
        return writing.workbook(file, section)
    return writing.table(file, section) if form == "csv" else district_check.dump(file)
