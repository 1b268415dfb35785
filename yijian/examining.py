"""`yijian doctor`: every check put together, whether a server runs or not, and told a line each.

    ok    disk.latency    a write is on disk in 0.4 ms (half of 50), 2.1 ms at most

The rooms look after their own (`dispatcher.doctor`, `gateway.doctor`); here is what belongs to the machine: the clock,
the disk, the folder, and the server that may be running. Nothing is changed.
"""

from __future__ import annotations

import ctypes
import json as json_text
import os
import re
import shutil
import stat
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp

from config.database import postgres
from config.doors import SystemClock, from_us
from config.findings import Finding, Level
from config.settings import Settings
from dispatcher import register_rows
from dispatcher.core.roll import Rolls
from dispatcher.doctor import database as of_database
from dispatcher.doctor import register as of_register
from dispatcher.doctor import single_sign_on as of_sign_on
from dispatcher.store import SqliteStore, Store, StoreUnavailable
from gateway import doctor as of_gateway
from gateway.transports.mqtt import BrokerAddress
from yijian import vouching
from yijian.clock import EARLIEST_US
from yijian.lock import holder
from yijian.words import Say

_SQLITE = "sqlite:///"
_HTTP_SECONDS = 5.0
_CLOCK_SECONDS = 2.0
_ZONES = ("Asia/Shanghai", "UTC")
_FREE_BAD, _FREE_WARN = 256 * 1024 * 1024, 1024 * 1024 * 1024
_FILES_BAD = 1_000
_SYNCS = 50
_SYNC_WARN_SECONDS, _SYNC_BAD_SECONDS = 0.020, 0.200
#: Of the kernel's clock: not synchronised (adjtimex(2)).
_TIME_ERROR = 5


async def examine(settings: Settings, config: Path | None) -> list[Finding]:
    """Every finding, the machine's first."""
    now_us = SystemClock().now_us()
    pid = holder(settings.data)
    server, date = await _server(settings, pid)
    return [
        *_clock(now_us, date),
        *_zones(),
        *_disk(settings.data),
        *_rights(settings, config),
        server,
        _canary(settings),
        *await _broker(settings, running=pid is not None),
        *await _database(settings, now_us, running=pid is not None),
        _sms(settings),
        *await _sign_on(settings),
    ]


def tell(findings: Sequence[Finding], say: Say, *, json: bool, chinese: bool) -> None:
    """A line each on standard output."""
    width = max(len(finding.name) for finding in findings)
    levels = {level: say(f"doctor.{level}") for level in Level}
    wide = max(len(word) for word in levels.values())
    for finding in findings:
        sentence = finding.zh if chinese else finding.en
        if json:
            line: dict[str, Any] = {"level": finding.level, "name": finding.name, "says": sentence}
            print(json_text.dumps(line, ensure_ascii=False))
        else:
            print(f"{levels[finding.level].ljust(wide)}  {finding.name.ljust(width)}  {_one_line(sentence)}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


# ── the clock ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _clock(now_us: int, date: datetime | None) -> Iterator[Finding]:
    shown = f"{from_us(now_us):%Y-%m-%d %H:%M:%S} UTC"
    off_seconds = abs((from_us(now_us) - date).total_seconds()) if date is not None else 0.0
    if now_us < EARLIEST_US:
        yield Finding(Level.BAD, "clock", f"it says {shown}: set it", f"时钟为 {shown}：请校正")
    elif off_seconds > _CLOCK_SECONDS:
        yield Finding(
            Level.BAD,
            "clock",
            f"it says {shown}, the server's is {off_seconds:.0f} s away from it",
            f"时钟为 {shown}，与服务进程相差 {off_seconds:.0f} 秒",
        )
    else:
        yield Finding(Level.OK, "clock", f"it says {shown}", f"时钟为 {shown}")
    synchronised = is_synchronised()
    if synchronised is None:
        yield Finding(
            Level.WARN,
            "clock.sync",
            "whether anybody sets it cannot be told here",
            "无法判断时钟是否自动校时",
        )
    elif synchronised:
        yield Finding(Level.OK, "clock.sync", "it is synchronised", "时钟已自动校时")
    else:
        yield Finding(
            Level.WARN,
            "clock.sync",
            "nobody sets it: it drifts, and rotas and deadlines with it (timedatectl set-ntp true)",
            "时钟没有自动校时，会逐渐偏差，影响排班与时限（timedatectl set-ntp true）",
        )


def is_synchronised() -> bool | None:
    """What the kernel says of its clock; None where it does not say."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        # struct timex is 208 bytes on 64-bit Linux; all zero it asks and sets nothing.
        state = libc.adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def _zones() -> Iterator[Finding]:
    try:
        for name in _ZONES:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        yield Finding(
            Level.BAD,
            "clock.zones",
            "there is no time zone data (tzdata): rotas cannot be read",
            "没有时区数据（tzdata），无法判断排班",
        )
    else:
        yield Finding(Level.OK, "clock.zones", "time zone data is there", "时区数据齐全")


# ── the disk and the folder ──────────────────────────────────────────────────────────────────────────────────────────


def _disk(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding(
            Level.WARN,
            "disk",
            f"{folder} is not there yet: the first start makes it",
            f"{folder} 尚不存在，首次启动时创建",
        )
        return
    usage, files = shutil.disk_usage(folder), os.statvfs(folder)
    free = f"{usage.free / 1e9:.1f} GB"
    level = Level.BAD if usage.free < _FREE_BAD else Level.WARN if usage.free < _FREE_WARN else Level.OK
    if files.f_files and files.f_favail < _FILES_BAD:
        level, free = Level.BAD, f"{free}, {files.f_favail} files"
    yield Finding(level, "disk.space", f"{free} are free for {folder}", f"{folder} 可用空间 {free}")
    try:
        half, worst = latency(folder)
    except OSError as error:
        yield Finding(
            Level.BAD,
            "disk.latency",
            f"nothing can be written to {folder}: {error.strerror}",
            f"{folder} 无法写入：{error.strerror}",
        )
        return
    level = Level.BAD if half > _SYNC_BAD_SECONDS else Level.WARN if half > _SYNC_WARN_SECONDS else Level.OK
    numbers = f"{half * 1000:.1f}", f"{worst * 1000:.1f}"
    yield Finding(
        level,
        "disk.latency",
        f"a write is on disk in {numbers[0]} ms (half of {_SYNCS}), {numbers[1]} ms at most",
        f"落盘耗时中位数 {numbers[0]} 毫秒，最长 {numbers[1]} 毫秒（{_SYNCS} 次）",
    )


def latency(folder: Path) -> tuple[float, float]:
    """Seconds until a small write is on disk: half of them, and the worst. Raises OSError."""
    path = folder / f".doctor-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        took: list[float] = []
        for number in range(_SYNCS):
            os.pwrite(descriptor, bytes(4096), number * 4096)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return statistics.median(took), max(took)


_SECRETS = re.compile(
    r"^\s*(admin_token|mqtt|database|secret|client_secret|password|headers|key)\s*=\s*[^\s#]", re.MULTILINE
)


def _rights(settings: Settings, config: Path | None) -> Iterator[Finding]:
    open_to_others = [
        str(path)
        for path in (settings.data, settings.data / "broker")
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if open_to_others:
        yield Finding(
            Level.WARN,
            "folder.rights",
            f"others on this machine may look into {', '.join(open_to_others)}: chmod 700",
            f"本机其他用户可以查看 {', '.join(open_to_others)}：请 chmod 700",
        )
    elif settings.data.exists():
        yield Finding(
            Level.OK, "folder.rights", "only this user may look into the data folder", "数据目录仅本用户可见"
        )
    if config is None:
        return
    readable = config.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    if readable and _SECRETS.search(config.read_text(encoding="utf-8-sig")):
        yield Finding(
            Level.WARN,
            "settings.rights",
            f"{config} holds secrets and others may read it: chmod 600",
            f"{config} 含有密钥且他人可读：请 chmod 600",
        )
    else:
        yield Finding(
            Level.OK,
            "settings.rights",
            "no secret of the settings can be read by others",
            "配置中的密钥他人不可读",
        )


# ── the server and the broker ────────────────────────────────────────────────────────────────────────────────────────


async def _server(settings: Settings, pid: str | None) -> tuple[Finding, datetime | None]:
    """Whether a server runs and serves; and what time it has."""
    answer = await _ready(settings) if settings.http.port else None
    if answer is None:
        if pid is None:
            return Finding(Level.OK, "server", "none is running", "服务未运行"), None
        return (
            Finding(
                Level.BAD,
                "server",
                f"process {pid} has the data folder and does not answer at {settings.http}",
                f"进程 {pid} 占用数据目录，但 {settings.http} 没有应答",
            ),
            None,
        )
    status, body, date = answer
    if pid is None:
        return (
            Finding(
                Level.WARN,
                "server",
                f"something answers at {settings.http}, but nobody has this data folder: another installation",
                f"{settings.http} 有应答，但本数据目录无人占用：是另一套系统",
            ),
            None,
        )
    if status != 200:
        gone = ", ".join(map(str, body.get("gone", []))) or str(status)
        return Finding(
            Level.BAD, "server", f"it does not serve, gone: {gone}", f"服务不可用，缺失：{gone}"
        ), date
    degraded = ", ".join(map(str, body.get("degraded", [])))
    if degraded:
        return Finding(
            Level.BAD, "server", f"it serves, but not well: {degraded}", f"服务运行中，但有异常：{degraded}"
        ), date
    return Finding(
        Level.OK,
        "server",
        f"process {pid} serves at {settings.http}",
        f"进程 {pid} 在 {settings.http} 正常服务",
    ), date


def _canary(settings: Settings) -> Finding:
    if not settings.canary_seconds:
        return Finding(
            Level.WARN,
            "canary",
            "it is switched off: nobody notices that presses do not come through before somebody presses",
            "全链路自检已关闭：按键不通时，要等到有人按了才会发现",
        )
    if settings.canary_ping_url is None:
        return Finding(
            Level.WARN,
            "canary",
            "nobody outside hears it: when this machine dies, nobody is told (canary.ping_url)",
            "没有外部监视：本机停止时无人得知（canary.ping_url）",
        )
    return Finding(
        Level.OK,
        "canary",
        f"a press of our own every {settings.canary_seconds:g} s, and somebody outside hears it",
        f"每 {settings.canary_seconds:g} 秒自检一次，并有外部监视",
    )


async def _ready(settings: Settings) -> tuple[int, Mapping[str, Any], datetime | None] | None:
    from yijian.serving import shown

    timeout = aiohttp.ClientTimeout(total=_HTTP_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{shown(settings.http)}/readyz") as answer,
        ):
            body = await answer.json(content_type=None)
            date = answer.headers.get("Date")
            return (
                answer.status,
                body if isinstance(body, dict) else {},
                parsedate_to_datetime(date) if date else None,
            )
    except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
        return None


async def _broker(settings: Settings, *, running: bool) -> list[Finding]:
    if settings.mqtt is not None:
        return await of_gateway.outside(settings.mqtt)
    found = [await of_gateway.embedded()]
    if running and not settings.mqtt_anonymous:
        listen = settings.mqtt_listen
        found.append(
            await of_gateway.anonymous(BrokerAddress(listen.host, listen.port), loopback=listen.loopback)
        )
    return found


# ── the database, and what is registered ─────────────────────────────────────────────────────────────────────────────


async def _database(settings: Settings, now_us: int, *, running: bool) -> list[Finding]:
    if settings.database.startswith(_SQLITE):
        path = Path(settings.database.removeprefix(_SQLITE))
        found = list(of_database.look(path))
        if any(finding.level is Level.BAD for finding in found) or not _there(path):
            return found
        return found + await _stored(SqliteStore(path), settings, now_us, running=running)
    from dispatcher.store.postgres import PostgresStore

    place = postgres(settings.database)
    store = PostgresStore(place)
    try:
        await store.open()
    except StoreUnavailable as error:
        await store.close()
        return [
            Finding(Level.BAD, "database", f"{place} cannot be used: {error}", f"{place} 无法使用：{error}")
        ]
    found = [Finding(Level.OK, "database", f"{place} answers", f"{place} 可用")]
    return found + await _stored(store, settings, now_us, running=running)


def _there(path: Path) -> bool:
    return path.exists()


async def _stored(store: Store, settings: Settings, now_us: int, *, running: bool) -> list[Finding]:
    try:
        found = await of_database.keeps_up(store, now_us, running=running)
        stored = await register_rows.load(store, now_us)
        rolls = Rolls()
        rolls.by_code.update(stored.rolls)
        found += of_register.look(
            rolls,
            sms=bool(settings.sms),
            heard=await of_database.heard(store),
            private_targets=settings.private_targets,
            now_us=now_us,
        )
        found.append(of_register.tokens(await of_database.bound_tokens(store), rolls))
    except StoreUnavailable as error:
        return [
            Finding(Level.BAD, "database.read", f"it cannot be read: {error}", f"数据库无法读取：{error}")
        ]
    finally:
        await store.close()
    return found


async def _sign_on(settings: Settings) -> list[Finding]:
    provider = vouching.provider(settings, SystemClock())
    if provider is None:
        return []
    try:
        return await of_sign_on.look(provider, f"{settings.public_url or 'http://127.0.0.1'}/login/oidc/back")
    finally:
        await provider.close()


def _sms(settings: Settings) -> Finding:
    if not settings.sms:
        return Finding(
            Level.WARN,
            "sms",
            "no provider is set up: nobody's telephone rings, only screens and webhooks tell of calls",
            "未配置短信：不会通知任何人的手机，只有屏幕和推送",
        )
    if len(settings.sms) == 1:
        return Finding(
            Level.WARN,
            "sms",
            "one provider only: when it fails, nobody is told",
            "只有一家短信服务商：它故障时无人收到通知",
        )
    return Finding(
        Level.OK,
        "sms",
        f"{len(settings.sms)} providers, tried in order",
        f"短信服务商 {len(settings.sms)} 家，依次尝试",
    )
