"""The district as a whole: its file, who would be asked, test mode, duty, and who is asking."""

from __future__ import annotations

from config.doors import from_us
from dispatcher.console.access import STAFFED, WHOLE, Access
from dispatcher.console.endpoint import DISTRICT, Act, Answer, Ask, Endpoint, Kind, Query
from dispatcher.console.problems import Problem, not_found
from dispatcher.console.register import in_sight
from dispatcher.console.shapes import DutyBody, DutyView, MeView, RouteView, TestBody, TestView, listed
from dispatcher.core.district import District, DistrictFile, Role, Staff
from dispatcher.core.roll import Roll


async def _export(ask: Ask) -> Answer:
    return Answer(ask.rooms.register.export(ask.roll().district.code))


async def _settings(ask: Ask) -> Answer:
    return Answer(ask.roll().district)


async def _routing(ask: Ask) -> Answer:
    in_sight(ask, "residents", ask.path["id"])
    at_us: int = ask.query.get("at", ask.now_us)
    return Answer({"items": await ask.rooms.routing(ask.path["id"], at_us), "next": None})


async def _test(ask: Ask, devices: list[str]) -> Answer:
    body: TestBody = ask.body
    until_us = ask.now_us + round(body.seconds * 1e6)
    if devices:
        await ask.rooms.register.test_mode(devices, until_us, ask.access.by)
    return Answer(TestView(devices=devices, until=from_us(until_us) if body.seconds else None))


async def _test_device(ask: Ask) -> Answer:
    in_sight(ask, "devices", ask.path["id"])
    return await _test(ask, [ask.path["id"]])


async def _test_area(ask: Ask) -> Answer:
    code = ask.path["code"]
    roll: Roll | None = ask.scope.rolls.by_code.get(code) or ask.scope.rolls.roll_of("areas", code)
    if roll is None or not ask.scope.sees_area(roll, code):
        raise not_found("area")
    ask.where = (roll.district.code, code)
    devices = [
        device.id
        for device in roll.devices.values()
        if (resident := roll.residents.get(device.resident)) is not None and roll.within(resident.area, code)
    ]
    return await _test(ask, sorted(devices))


async def _duty(ask: Ask) -> Answer:
    _roll, person = in_sight(ask, "staff", ask.path["id"])
    if not _answers_for(ask.access, person):
        raise Problem(403, "this token speaks for the people of its own station only")
    body: DutyBody = ask.body
    await ask.rooms.register.duty(person.id, body.on, ask.access.by)
    return Answer(DutyView(staff=person.id, on=body.on))


def _answers_for(access: Access, person: Staff) -> bool:
    if access.staff == person.id != "":
        return True
    if access.role is Role.STATION:
        return person.station == access.station
    return access.role is not Role.VOLUNTEER


async def _me(ask: Ask) -> Answer:
    access, district = ask.access, ask.roll().district
    roll = ask.scope.rolls.roll_of("staff", access.staff)
    return Answer(
        MeView(
            id=access.staff if access.session else access.id,
            name=roll.staff[access.staff].name if roll is not None and access.session else "",
            session=access.session,
            role=access.role,
            area=access.area,
            station=access.station,
            staff=access.staff,
            district={"code": district.code, "name": district.name, "timezone": district.timezone},
            now=from_us(ask.now_us),
            start=access.start,
        )
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/district",
        name="exportDistrict",
        tag="district",
        en="The district as a file",
        zh="导出区划文件",
        handle=_export,
        roles=WHOLE,
        query=(DISTRICT,),
        answer=DistrictFile,
        audit=Act.EXPORT,
    ),
    # Whoever looks at the holidays need not be given everybody's record.
    Endpoint(
        method="GET",
        path="/district/settings",
        name="getDistrictSettings",
        tag="district",
        en="The district's own settings, without anything that lies in it",
        zh="本区设置（不含登记内容）",
        handle=_settings,
        roles=WHOLE,
        query=(DISTRICT,),
        answer=District,
    ),
    Endpoint(
        method="GET",
        path="/residents/{id}/routing",
        name="getRouting",
        tag="residents",
        en="Who would be asked, in order, and why not the others",
        zh="派单次序及原因",
        handle=_routing,
        roles=STAFFED,
        query=(Query("at", "at this time instead of now", Kind.MOMENT),),
        answer=listed({"$ref": f"#/components/schemas/{RouteView.__name__}"}),
        audit=Act.LOOK,
    ),
    Endpoint(
        method="POST",
        path="/devices/{id}/test",
        name="testDevice",
        tag="devices",
        en="Test mode: the next press is the test; it ends by itself",
        zh="设备测试模式：下一次按键算测试，到时自动结束",
        handle=_test_device,
        roles=STAFFED,
        body=TestBody,
        body_optional=True,
        answer=TestView,
        writes=True,
        keyed=True,
        audit=Act.CHANGE,
    ),
    Endpoint(
        method="POST",
        path="/areas/{code}/test",
        name="testArea",
        tag="areas",
        en="Test mode for every device of an area",
        zh="片区设备测试模式",
        handle=_test_area,
        roles=STAFFED,
        body=TestBody,
        body_optional=True,
        answer=TestView,
        writes=True,
        keyed=True,
        audit=Act.CHANGE,
    ),
    Endpoint(
        method="POST",
        path="/staff/{id}/duty",
        name="setDuty",
        tag="staff",
        en="On and off duty",
        zh="上岗、离岗",
        handle=_duty,
        body=DutyBody,
        answer=DutyView,
        writes=True,
        keyed=True,
        audit=Act.CHANGE,
    ),
    Endpoint(
        method="GET",
        path="/me",
        name="getMe",
        tag="district",
        en="Who asks, by token or session, and what time it is here",
        zh="当前令牌或登录者的身份与服务器时间",
        handle=_me,
        query=(DISTRICT,),
        answer=MeView,
    ),
)
