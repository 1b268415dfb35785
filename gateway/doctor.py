"""What is wrong with the broker: the embedded one's program, an outside one's login, rights, memory and doors.

An outside broker is probed as it will be used: a QoS 1 message round, messages kept for one who is away, and whether it
lets in whoever says no name. Topics of the probe are `yijian/v1/doctor-…/down`: never `up`, so nobody takes it for a press.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from dataclasses import replace

import aiomqtt

from config.findings import Finding, Level
from gateway.transports.mqtt import BrokerAddress

_WITHIN_SECONDS = 5.0
#: Mosquitto keeps 1,000 messages for one who is away unless it is told otherwise: this many show it.
_KEPT = 1_100
_SLOW_SECONDS = 0.1
_VERSION = re.compile(r"mosquitto version (\d+)\.(\d+)")


async def embedded() -> Finding:
    """Whether Mosquitto is there, and new enough."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    program = shutil.which("mosquitto") or program
    if program is None:
        return Finding(
            Level.BAD,
            "broker",
            "mosquitto is not installed: buttons on the network cannot press (apt-get install mosquitto)",
            "未安装 mosquitto：联网的呼叫器无法呼叫（apt-get install mosquitto）",
        )
    child = await asyncio.create_subprocess_exec(
        program, "-h", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    found = _VERSION.search(said.decode(errors="replace"))
    if found is None or (int(found[1]), int(found[2])) < (2, 0):
        version = ".".join(found.groups()) if found is not None else "?"
        return Finding(
            Level.BAD,
            "broker",
            f"mosquitto {version} is too old: 2.0 is needed",
            f"mosquitto {version} 太旧，需要 2.0",
        )
    return Finding(
        Level.OK,
        "broker",
        f"mosquitto {found[1]}.{found[2]} is installed",
        f"已安装 mosquitto {found[1]}.{found[2]}",
    )


async def anonymous(address: BrokerAddress, *, loopback: bool) -> Finding:
    """Whether a broker lets in whoever says no name."""
    nobody = replace(address, username=None, password=None)
    try:
        async with asyncio.timeout(_WITHIN_SECONDS), nobody.client(_name(), clean_session=True):
            pass
    except (aiomqtt.MqttError, OSError, TimeoutError):
        return Finding(Level.OK, "broker.anonymous", "nobody gets in without a password", "没有密码无法接入")
    level = Level.WARN if loopback else Level.BAD
    return Finding(
        level,
        "broker.anonymous",
        "the broker lets anybody in: anybody who reaches it could press for anybody",
        "MQTT 服务允许匿名接入：任何能连上的人都可以冒充呼叫",
    )


async def outside(url: str) -> list[Finding]:
    """An outside broker: reached, logged in, quick, and with a memory."""
    address = BrokerAddress.parse(url)
    try:
        async with asyncio.timeout(_WITHIN_SECONDS * 2):
            seconds = await _round(address)
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        return [
            Finding(
                Level.BAD,
                "broker",
                f"{address.host}:{address.port} cannot be used: {reason}",
                f"{address.host}:{address.port} 无法使用：{reason}",
            )
        ]
    slow = seconds > _SLOW_SECONDS
    found = [
        Finding(
            Level.WARN if slow else Level.OK,
            "broker",
            f"{address.host}:{address.port} took our login, a message went round in {seconds * 1000:.0f} ms",
            f"{address.host}:{address.port} 登录成功，一条消息往返 {seconds * 1000:.0f} 毫秒",
        )
    ]
    try:
        async with asyncio.timeout(_WITHIN_SECONDS * 4):
            kept = await _memory(address)
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        found.append(
            Finding(
                Level.WARN,
                "broker.memory",
                f"what it keeps could not be tried: {reason}",
                f"无法检验其留存：{reason}",
            )
        )
    else:
        found.append(_kept(kept))
    found.append(await anonymous(address, loopback=address.host in {"localhost", "127.0.0.1", "::1"}))
    return found


def _kept(kept: int) -> Finding:
    if kept >= _KEPT:
        return Finding(
            Level.OK,
            "broker.memory",
            f"it kept {kept} messages for one who was away (whether on disk cannot be seen from here)",
            f"为离线者留存了 {kept} 条消息（是否落盘无法从外部判断）",
        )
    return Finding(
        Level.WARN,
        "broker.memory",
        f"it kept {kept} of {_KEPT} messages for one who was away: set max_queued_messages 0 and persistence true",
        f"为离线者只留存了 {kept}/{_KEPT} 条消息：请设 max_queued_messages 0 与 persistence true",
    )


async def _round(address: BrokerAddress) -> float:
    """The seconds of a QoS 1 message there and back."""
    topic = f"yijian/v1/{_name()}/down"
    async with address.client(_name(), clean_session=True) as client:
        await client.subscribe(topic, qos=1)
        began = time.monotonic()
        await client.publish(topic, b"{}", qos=1)
        async for _message in client.messages:
            return time.monotonic() - began
    raise TimeoutError


async def _memory(address: BrokerAddress) -> int:
    """How many messages it keeps for a session that is away."""
    name = _name()
    topic = f"yijian/v1/{name}/down"
    async with address.client(name) as sleeper:
        await sleeper.subscribe(topic, qos=1)
    try:
        async with address.client(_name(), clean_session=True) as sender:
            for _ in range(_KEPT):
                await sender.publish(topic, b"{}", qos=1)
        kept = 0
        async with address.client(name) as sleeper:
            try:
                while kept < _KEPT:
                    async with asyncio.timeout(1.0):
                        await anext(aiter(sleeper.messages))
                    kept += 1
            except TimeoutError:
                pass
        return kept
    finally:
        # The session and what it still holds go with a clean one of that name.
        async with address.client(name, clean_session=True):
            pass


def _name() -> str:
    return f"doctor-{secrets.token_hex(6)}"
