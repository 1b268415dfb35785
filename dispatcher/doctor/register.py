"""What is wrong with what is registered: who cannot be reached, who would answer, what a policy leads to.

Each check takes the district as it is in memory and says one line. No names: ids only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from config.doors import from_us
from config.findings import Finding, Level, few, of
from devices.signal import Key
from dispatcher.core import hours
from dispatcher.core.alert import reachable
from dispatcher.core.district import Role, Station, StationKind, Target
from dispatcher.core.roll import Roll, Rolls

#: The first step of an emergency is at once; later than this somebody has misunderstood.
FIRST_STEP_SECONDS = 30.0
#: Rung again less often than this, a call nobody took is all but forgotten.
REPEAT_SECONDS = {Key.EMERGENCY: 300.0, Key.SERVICE: 7200.0, Key.FAMILY: 7200.0}
#: Families whose devices are hubs as well as buttons: theirs may be nobody's.
_HUBS = frozenset({"yj_line", "rf433_hub", "rtl_433", "rflink", "zigbee2mqtt"})

#: Whom a step can reach without anything else being registered: there always is a desk.
_STATIONS = frozenset({Target.NEAREST, Target.NEXT, Target.NEXT_TIER, Target.DISTRICT, Target.EVERYONE})


def look(
    rolls: Rolls, *, sms: bool, heard: frozenset[str], private_targets: bool, now_us: int
) -> Iterator[Finding]:
    """Every check. `heard`: the sources of devices that were heard from at least once; `sms`: texts can be sent."""
    every = list(rolls.by_code.values())
    yield _people(every)
    yield from _residents(every, sms=sms)
    yield from _stations(every, now_us)
    yield from _desks(every, sms=sms)
    yield from _policies(every, sms=sms)
    yield from _devices(every, heard)
    yield from _webhooks(every, private_targets=private_targets)


def _people(rolls: list[Roll]) -> Finding:
    residents = sum(len(roll.residents) for roll in rolls)
    devices = sum(len(roll.devices) for roll in rolls)
    below = [
        station
        for roll in rolls
        for station in roll.stations.values()
        if station.kind is not StationKind.DISTRICT_DESK
    ]
    if not residents or not below:
        return Finding(
            Level.WARN,
            "register",
            f"{residents} residents and {len(below)} stations below the desk are registered: every call goes to the desk",
            f"登记了 {residents} 位老人、{len(below)} 个站点（不含值班台）：所有呼叫都由值班台处理",
        )
    return Finding(
        Level.OK,
        "register",
        f"{residents} residents, {devices} devices, {len(below)} stations below the desk",
        f"老人 {residents} 位，设备 {devices} 个，站点 {len(below)} 个（不含值班台）",
    )


def _residents(rolls: list[Roll], *, sms: bool) -> Iterator[Finding]:
    alone = [
        person.id
        for roll in rolls
        for person in roll.residents.values()
        if not any(reachable(contact, roll, sms=sms) for contact in person.contacts)
    ]
    yield of(
        Level.WARN,
        "contacts",
        alone,
        "residents without any contact who can be reached" + ("" if sms else " (no SMS is set up)"),
        "没有可联系到的紧急联系人的老人" + ("" if sms else "（未配置短信）"),
        fine=("every resident has a contact who can be reached", "每位老人都有可联系到的紧急联系人"),
    )
    nowhere = [
        person.id
        for roll in rolls
        for person in roll.residents.values()
        if person.location is None and person.area not in roll.areas
    ]
    yield of(
        Level.WARN,
        "residents.place",
        nowhere,
        "residents with neither an area nor a location: the nearest station cannot be told",
        "既无片区也无坐标的老人，无法判断最近的站点",
        fine=("every resident has an area or a location", "每位老人都有片区或坐标"),
    )


def _stations(rolls: list[Roll], now_us: int) -> Iterator[Finding]:
    silent: list[str] = []
    on_call: list[str] = []
    never: list[str] = []
    empty: list[str] = []
    now = from_us(now_us)
    for roll in rolls:
        for station in roll.stations.values():
            if station.kind is StationKind.DISTRICT_DESK:
                continue
            staff = [roll.staff[one] for one in roll.staff_at.get(station.id, ())]
            if not station.phone and not any(person.phone for person in staff):
                silent.append(station.id)
            if station.on_call is not None and not station.on_call.phone:
                on_call.append(station.id)
            if station.on_call is None and _never_open(station):
                never.append(station.id)
            open_now = hours.parse(station.hours).is_open(now, roll.zone, roll.holidays)
            if open_now and staff and not any(person.id in roll.on_duty for person in staff):
                empty.append(station.id)
    yield of(
        Level.WARN,
        "stations.phone",
        silent,
        "stations without a telephone, of their own or of their staff: nobody hears a message there",
        "站点及其人员都没有电话，收不到通知",
        fine=("every station has a telephone", "每个站点都有电话"),
    )
    yield of(
        Level.BAD,
        "stations.on_call",
        on_call,
        "stations on call without the telephone of whoever has it at home",
        "设了值守（on_call）却没有值守电话的站点",
        fine=("whoever is on call has a telephone", "值守站点都有值守电话"),
    )
    yield of(
        Level.WARN,
        "stations.hours",
        never,
        "stations that never open",
        "从不开放的站点",
        fine=("every station opens at some time", "每个站点都有开放时间"),
    )
    yield of(
        Level.WARN,
        "stations.duty",
        empty,
        "stations that are open now with nobody on duty",
        "现在开放但无人值守的站点",
        fine=("every station that is open now has somebody on duty", "现在开放的站点都有人值守"),
    )


def _never_open(station: Station) -> bool:
    if isinstance(station.hours, str):
        return False
    return not any(station.hours.get(day) for day in hours.DAYS)


def _desks(rolls: list[Roll], *, sms: bool) -> Iterator[Finding]:
    mute = [
        roll.desk().id
        for roll in rolls
        if not roll.desk().phone
        and not any(roll.staff[one].phone for one in roll.staff_at.get(roll.desk().id, ()))
    ]
    level = Level.WARN if sms else Level.OK
    yield of(
        level,
        "desk",
        mute,
        "district desks without a telephone: a call that nobody takes is heard on a screen only",
        "区级值班台没有电话：无人受理的呼叫只显示在屏幕上",
        fine=("the district desk has a telephone", "区级值班台有电话"),
    )


def _policies(rolls: list[Roll], *, sms: bool) -> Iterator[Finding]:
    nobody: list[str] = []
    late: list[str] = []
    rare: list[str] = []
    for roll in rolls:
        reached = set(_STATIONS)
        if any(
            reachable(one, roll, sms=sms) for person in roll.residents.values() for one in person.contacts
        ):
            reached.add(Target.CONTACTS)
        if any(person.role is Role.VOLUNTEER for person in roll.staff.values()):
            reached.add(Target.VOLUNTEERS)
        for key in Key:
            policy, name = roll.policy(key), f"{roll.district.code}/{key}"
            if not any(step.to in reached for step in policy.steps):
                nobody.append(name)
            if key is Key.EMERGENCY and policy.steps[0].after > FIRST_STEP_SECONDS:
                late.append(name)
            if not 0 < policy.repeat <= REPEAT_SECONDS[key]:
                rare.append(name)
    yield of(
        Level.BAD,
        "policies.reach",
        nobody,
        "policies that reach nobody: only contacts or volunteers, and there are none",
        "找不到任何人的预案：只找家属或志愿者，而两者都没有",
        fine=("every policy reaches somebody", "每个预案都能找到人"),
    )
    yield of(
        Level.BAD,
        "policies.first",
        late,
        f"emergency policies that ask the first one only after more than {FIRST_STEP_SECONDS:g} s",
        f"紧急预案的第一步晚于 {FIRST_STEP_SECONDS:g} 秒",
        fine=("an emergency asks the first one at once", "紧急求救立即派单"),
    )
    yield of(
        Level.WARN,
        "policies.repeat",
        rare,
        "policies that hardly ever ring again",
        "几乎不再重复提醒的预案",
        fine=("every policy rings again until somebody takes the call", "无人受理时都会重复提醒"),
    )


def _devices(rolls: list[Roll], heard: frozenset[str]) -> Iterator[Finding]:
    orphans = [
        device.id
        for roll in rolls
        for device in roll.devices.values()
        if not device.resident and device.family not in _HUBS
    ]
    yield of(
        Level.WARN,
        "devices.resident",
        orphans,
        "devices that belong to no resident: their calls name nobody",
        "不属于任何老人的设备，其呼叫没有姓名",
        fine=("every button belongs to a resident", "每个呼叫器都属于一位老人"),
    )
    silent = [
        device.id
        for roll in rolls
        for device in roll.devices.values()
        if device.heartbeat and device.source not in heard
    ]
    yield of(
        Level.WARN,
        "devices.heard",
        silent,
        "supervised devices that were never heard from",
        "受监护但从未有过消息的设备",
        fine=("every supervised device was heard from", "受监护的设备都有过消息"),
    )


def _webhooks(rolls: list[Roll], *, private_targets: bool) -> Iterator[Finding]:
    hooks = [hook for roll in rolls for hook in roll.webhooks.values()]
    yield of(
        Level.WARN,
        "webhooks.tls",
        [hook.id for hook in hooks if not hook.url.startswith("https://") and not _is_private(hook.url)],
        "webhooks without TLS: what is said of people can be read on the way",
        "未用 TLS 的推送地址，内容在途中可被读取",
        fine=("every webhook beyond this network has TLS", "外网推送地址都用 TLS"),
    )
    if not private_targets:
        yield of(
            Level.BAD,
            "webhooks.target",
            [hook.id for hook in hooks if _is_private(hook.url)],
            "webhooks to private addresses, which are refused unless private_targets is true",
            "指向内网地址的推送，会被拒绝（除非 private_targets 为 true）",
            fine=("no webhook points at a private address", "没有推送指向内网地址"),
        )
    yield of(
        Level.WARN,
        "webhooks.secret",
        [hook.id for hook in hooks if not hook.secret],
        "webhooks without a secret: whoever gets them cannot tell that they are ours",
        "没有密钥的推送地址，接收方无法验证来源",
        fine=("every webhook is signed", "推送都有签名"),
    )


def _is_private(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def tokens(bound: Iterable[tuple[str, str, str, str]], rolls: Rolls) -> Finding:
    """Tokens that are not revoked and whose person, station or area is gone: (id, staff, station, area) each."""
    gone = [
        token
        for token, staff, station, area in bound
        if (staff and rolls.roll_of("staff", staff) is None)
        or (station and rolls.roll_of("stations", station) is None)
        or (area and area not in rolls.by_code and rolls.roll_of("areas", area) is None)
    ]
    return of(
        Level.WARN,
        "tokens",
        gone,
        "tokens of people, stations or areas that are gone: revoke them",
        "所属人员、站点或片区已不存在的令牌，请作废",
        fine=("every token belongs to somebody", "令牌都有归属"),
    )


__all__ = ["few", "look", "tokens"]
