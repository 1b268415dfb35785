"""Which sheets there are, and which columns each has: the one table for reading, writing and the template.

A sheet is a section of the district file. A column stands for a field of it, by its path: `location.lat`. Reading takes a
heading in Chinese, in English or by its JSON name, in any order; writing puts the Chinese one first and the JSON name
under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dispatcher.sheets.vocabulary import AREA_KIND, DATUM, KEY, ROLE, STATION_KIND, TARGET, TRAVEL, WISH, YES


class Kind(StrEnum):
    """What stands in a column's cells."""

    ID = "id"
    TEXT = "text"
    LINES = "lines"
    PHONE = "phone"
    NUMBER = "number"
    WHOLE = "whole"
    CHOICE = "choice"
    HOURS = "hours"
    SPAN = "span"
    LIST = "list"
    CHOICES = "choices"
    KEYS = "keys"
    STEPS = "steps"
    MOMENT = "moment"
    DATE = "date"
    FLAG = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `words`: what a value is called in Chinese, by the value; `also`: other headings and words people write."""

    name: str
    zh: str
    en: str
    kind: Kind = Kind.TEXT
    needed: bool = False
    also: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    example: str | float = ""
    width: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet. `key`: the column whose value says which item a row is about."""

    section: str
    zh: str
    en: str
    key: str
    columns: tuple[Column, ...]
    also: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """The column of this field."""
        return next(column for column in self.columns if column.name == name)


_PLACE = (
    Column(
        name="location.lat",
        zh="纬度",
        en="Latitude",
        kind=Kind.NUMBER,
        also=("lat",),
        example=34.0208,
        width=11,
    ),
    Column(
        name="location.lon",
        zh="经度",
        en="Longitude",
        kind=Kind.NUMBER,
        also=("lon", "lng"),
        example=113.8328,
        width=11,
    ),
    Column(
        name="location.datum",
        zh="坐标系",
        en="Datum",
        kind=Kind.CHOICE,
        words=DATUM,
        also=("datum", "坐标"),
        example="WGS-84",
        width=10,
    ),
)


def _id(example: str, zh: str = "编号", en: str = "Id", name: str = "id", *also: str) -> Column:
    return Column(name=name, zh=zh, en=en, kind=Kind.ID, needed=True, also=also, example=example, width=16)


def _name(zh: str, example: str, *also: str) -> Column:
    return Column(name="name", zh=zh, en="Name", also=also, example=example, width=18)


def _phone(example: str = "13800000000") -> Column:
    return Column(
        name="phone",
        zh="电话",
        en="Telephone",
        kind=Kind.PHONE,
        also=("手机", "手机号", "手机号码", "电话号码", "联系电话", "联系方式", "phone number", "mobile"),
        example=example,
        width=16,
    )


def _area(zh: str = "所属区域") -> Column:
    return Column(
        name="area",
        zh=zh,
        en="Area",
        kind=Kind.ID,
        also=("区域", "区域编码", "所属社区", "社区编码"),
        example="411002001003",
        width=16,
    )


def _seconds(name: str, zh: str, en: str, example: float) -> Column:
    return Column(name=name, zh=zh, en=en, kind=Kind.NUMBER, example=example)


SHEETS: tuple[Sheet, ...] = (
    Sheet(
        section="district",
        zh="区",
        en="District",
        key="code",
        also=("区县", "本区"),
        columns=(
            _id("411002", "编码", "Code", "code", "区划编码", "行政区划代码"),
            _name("名称", "魏都区", "区名"),
            Column(name="timezone", zh="时区", en="Time zone", example="Asia/Shanghai", width=16),
            Column(name="locale", zh="语言", en="Language", example="zh-CN"),
            Column(name="roads", zh="路网文件", en="Roads"),
        ),
    ),
    Sheet(
        section="holidays",
        zh="节假日",
        en="Holidays",
        key="date",
        columns=(
            Column(
                name="date", zh="日期", en="Date", kind=Kind.DATE, needed=True, example="2026-10-01", width=14
            ),
        ),
    ),
    Sheet(
        section="areas",
        zh="区域",
        en="Areas",
        key="code",
        also=("区划",),
        columns=(
            _id("411002001", "编码", "Code", "code", "区划编码", "区域编码"),
            _name("名称", "西关街道", "区域名称"),
            Column(
                name="kind",
                zh="类型",
                en="Kind",
                kind=Kind.CHOICE,
                needed=True,
                words=AREA_KIND,
                also=("级别",),
                example="街道",
            ),
            Column(
                name="parent",
                zh="上级",
                en="Lies in",
                kind=Kind.ID,
                also=("上级编码",),
                example="411002",
                width=16,
            ),
        ),
    ),
    Sheet(
        section="stations",
        zh="站点",
        en="Stations",
        key="id",
        columns=(
            _id("st-01", "编号", "Id", "id", "站点编号"),
            _name("名称", "西关社区托老站", "站点名称"),
            Column(
                name="kind",
                zh="类型",
                en="Kind",
                kind=Kind.CHOICE,
                needed=True,
                words=STATION_KIND,
                also=("站点类型",),
                example="社区托老站",
                width=22,
            ),
            _area(),
            *_PLACE,
            Column(
                name="travel",
                zh="出行方式",
                en="Travels by",
                kind=Kind.CHOICE,
                words=TRAVEL,
                example="步行",
            ),
            Column(
                name="hours",
                zh="开放时间",
                en="Opening hours",
                kind=Kind.HOURS,
                also=("营业时间", "工作时间", "服务时间"),
                example="周一至周五 08:00-12:00 14:00-18:00；节假日休息",
                width=44,
            ),
            Column(
                name="on_call.hours",
                zh="居家值班时间",
                en="On call from home",
                kind=Kind.HOURS,
                also=("居家值班",),
                example="每天 18:00-08:00",
                width=24,
            ),
            Column(
                name="on_call.phone",
                zh="居家值班电话",
                en="On-call telephone",
                kind=Kind.PHONE,
                example="13800000001",
                width=16,
            ),
            Column(
                name="on_call.prepare_seconds",
                zh="准备时间（秒）",
                en="Time to get ready (seconds)",
                kind=Kind.NUMBER,
                also=("准备时间",),
                example=300,
            ),
            Column(
                name="capacity",
                zh="同时接多少呼叫",
                en="Calls at a time",
                kind=Kind.WHOLE,
                also=("容量",),
                example=2,
            ),
            _phone(),
            Column(name="closed", zh="临时关闭", en="Closed for a while", kind=Kind.FLAG, words=YES),
            Column(
                name="closed.until",
                zh="关闭到",
                en="Closed until",
                kind=Kind.MOMENT,
                also=("恢复时间",),
                width=18,
            ),
            Column(name="closed.reason", zh="关闭原因", en="Reason", width=18),
        ),
    ),
    Sheet(
        section="webhooks",
        zh="推送",
        en="Webhooks",
        key="id",
        columns=(
            _id("wh-1"),
            Column(
                name="url",
                zh="推送网址",
                en="Address (URL)",
                needed=True,
                also=("网址",),
                example="https://example.org/hook",
                width=36,
            ),
            Column(name="secret", zh="签名密钥", en="Signing secret", also=("密钥",), width=36),
            Column(name="events", zh="推送哪些事", en="Events", kind=Kind.LIST, example="call.*", width=24),
            _area(),
        ),
    ),
    Sheet(
        section="residents",
        zh="老人",
        en="Residents",
        key="id",
        also=("老人信息", "老年人", "人员名单"),
        columns=(
            _id("r-0001", "编号", "Id", "id", "老人编号"),
            _name("姓名", "王瑞兰", "老人姓名", "名称", "名字"),
            _phone(),
            Column(
                name="address",
                zh="住址",
                en="Address",
                kind=Kind.LINES,
                also=("地址", "家庭住址", "居住地址", "详细地址"),
                example="西关街道光明路8号院3号楼2单元501",
                width=36,
            ),
            Column(
                name="door_code",
                zh="门禁密码",
                en="Door code",
                also=("门锁密码", "开门密码", "单元门密码", "door"),
                example="1937#",
            ),
            Column(
                name="identity_number",
                zh="身份证号",
                en="Identity number",
                also=("身份证号码", "公民身份号码", "居民身份证号", "身份证", "证件号码", "id number"),
                example="11010519491231002X",
                width=24,
            ),
            _area(),
            *_PLACE,
            Column(
                name="birth_year",
                zh="出生年份",
                en="Year of birth",
                kind=Kind.WHOLE,
                also=("出生年", "出生日期", "生日", "born"),
                example=1941,
            ),
            Column(
                name="language",
                zh="常用语言",
                en="Language",
                also=("语言",),
                example="zh-CN",
            ),
            Column(
                name="notes",
                zh="注意事项",
                en="Mind",
                kind=Kind.LINES,
                also=("备注", "说明"),
                example="听力不好，敲门要重",
                width=36,
            ),
        ),
    ),
    Sheet(
        section="contacts",
        zh="联系人",
        en="Contacts",
        key="resident",
        also=("紧急联系人", "家属"),
        columns=(
            _id("r-0001", "老人编号", "Resident", "resident", "老人"),
            _name("姓名", "王强", "联系人姓名", "联系人"),
            Column(
                name="relation",
                zh="关系",
                en="Relation",
                also=("与老人关系",),
                example="儿子",
            ),
            _phone("13800000002"),
            Column(
                name="on",
                zh="什么时候告诉",
                en="Tell them when",
                kind=Kind.CHOICES,
                words=WISH,
                also=("告知时机",),
                example="按键时、已办结",
                width=30,
            ),
            Column(name="language", zh="语言", en="Language", also=("常用语言",)),
            Column(name="webhook", zh="推送地址", en="Webhook", kind=Kind.ID),
        ),
    ),
    Sheet(
        section="devices",
        zh="设备",
        en="Devices",
        key="id",
        also=("呼叫器", "设备信息"),
        columns=(
            _id("btn-0001", "编号", "Id", "id", "设备编号"),
            Column(name="family", zh="设备类型", en="Family", also=("类型",), example="native"),
            Column(
                name="address",
                zh="设备自己的地址",
                en="Address",
                also=("地址", "设备地址"),
                width=20,
            ),
            Column(
                name="resident",
                zh="老人编号",
                en="Resident",
                kind=Kind.ID,
                also=("老人", "绑定老人"),
                example="r-0001",
                width=16,
            ),
            Column(
                name="heartbeat",
                zh="心跳间隔（秒）",
                en="Heartbeat (seconds)",
                kind=Kind.NUMBER,
                also=("心跳间隔", "心跳"),
                example=900,
            ),
            Column(name="keys", zh="按键对应", en="Keys", kind=Kind.KEYS, example="1=紧急；2=服务", width=24),
            _name("名称", "床头按钮", "设备名称"),
        ),
    ),
    Sheet(
        section="staff",
        zh="人员",
        en="Staff",
        key="id",
        also=("工作人员", "护理员"),
        columns=(
            _id("s-01", "编号", "Id", "id", "人员编号", "工号", "登录名"),
            _name("姓名", "赵敏", "名字", "名称"),
            _phone(),
            Column(
                name="role",
                zh="角色",
                en="Role",
                kind=Kind.CHOICE,
                needed=True,
                words=ROLE,
                also=("职务",),
                example="站点",
            ),
            _area(),
            Column(
                name="station",
                zh="站点",
                en="Station",
                kind=Kind.ID,
                also=("所属站点", "站点编号"),
                example="st-01",
                width=16,
            ),
        ),
    ),
    Sheet(
        section="policies",
        zh="预案",
        en="Policies",
        key="key",
        columns=(
            Column(name="key", zh="按键", en="Key", kind=Kind.CHOICE, needed=True, words=KEY, example="紧急"),
            Column(
                name="steps",
                zh="级次",
                en="Steps",
                kind=Kind.STEPS,
                words=TARGET,
                example="0秒 最近站点；60秒 同级下一家；120秒 上一级；180秒 全街道",
                width=56,
            ),
            _seconds("repeat", "重复间隔（秒）", "Repeat (seconds)", 60),
            _seconds("en_route_within", "受理后多久出发（秒）", "En route within (seconds)", 120),
            _seconds("repress_within", "再次按键多久答复（秒）", "Second press seen within (seconds)", 60),
            _seconds("arrive_goal", "应到达（秒）", "Arrive: goal (seconds)", 900),
            _seconds("arrive_limit", "到达时限（秒）", "Arrive: limit (seconds)", 1800),
            _seconds("close_within", "应办结（秒）", "Close within (seconds)", 14400),
            Column(
                name="silent",
                zh="不响的时段",
                en="Silent from to",
                kind=Kind.SPAN,
                example="21:00-07:00",
            ),
        ),
    ),
)
BY_SECTION: Mapping[str, Sheet] = {sheet.section: sheet for sheet in SHEETS}
#: What can be one file by itself.
SECTIONS = tuple(BY_SECTION)
#: The sheet that says how to fill in the others; it is not read.
GUIDE = "填写说明"
