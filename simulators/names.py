"""Names for a district that nobody lives in: streets, communities, estates, people, telephone numbers.

Family names follow the frequencies of the Central Plains, given names the fashion of the year of birth (援朝 was born
in 1951, 跃进 in 1958). Whoever finds a neighbour in here has met chance. Every telephone number begins with `+999`, a
country code that the ITU has never assigned: no exchange on earth carries a call or a text to it.
"""

from __future__ import annotations

import random
from itertools import accumulate


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Streets (街道) and where each roughly lies, as (east, north) from -1 to 1: 西关 is in the west and 南关 in the south.
STREETS: tuple[tuple[str, float, float], ...] = (
    ("西大街街道", -0.2, 0.0),
    ("东大街街道", 0.2, 0.0),
    ("西关街道", -0.6, 0.05),
    ("南关街道", 0.05, -0.5),
    ("北大街街道", 0.0, 0.3),
    ("五一路街道", 0.3, 0.3),
    ("高桥营街道", -0.8, 0.7),
    ("丁庄街道", -0.3, 0.9),
    ("七里店街道", 0.8, 0.7),
    ("文峰街道", 0.6, -0.2),
    ("新兴街道", 0.4, 0.9),
    ("半截河街道", -0.5, -0.7),
    ("灞陵街道", -0.9, -0.2),
    ("天宝街道", 0.6, -0.9),
    ("东城街道", 0.9, 0.1),
)

COMMUNITIES: tuple[str, ...] = _words(
    "文庙 春秋楼 许由 北海 西湖 奎楼 毓秀 七一 健康路 光明 建安 衙前 景福 天平 古槐 文会 毛纺 烟厂 机房街 察院 "
    "万里 前进 和平 八一 劳动 新华 仓库路 延中 延北 许继 电业 双龙 裴山庙 罗庄 洪山庙 孙庄 俎庄 菅庄 老吴营 新吴营 "
    "潩河 清潩 护城河 运粮河 瑞贝卡 魏文 莲城 芙蓉 学府 智慧 帝豪 永兴 永宁 永昌 八里桥 七里店 三里桥 五里岗 塔南 "
    "塔湾 关庙 灞桥 灞陵桥 许扶 碾上 郭楼 李庄 张庄 徐湾 董庄 贺庄 付夏齐 大坑李 高庄 平定街 安怀 颍昌 颍川 曹魏 "
    "铜雀 许昌台 聚奎 东风 团结 向阳 友谊 红旗 幸福 青年 育才 安居 祥和 广场 车站 货场 电厂 纺机 面粉厂 轴承 "
    "百花 丁香 桂苑 柳林 梅园 竹园 松柏 银杏 望田 南海"
)

ESTATES: tuple[str, ...] = _words(
    "阳光 春晖 锦绣 金色 翰林 书香 碧水 莲花 东方 滨河 紫荆 文苑 安泰 康乐 福寿 盛世 佳和 天和 景泰 万象 恒泰 龙泉 "
    "瑞祥 丰泽 怡景 静园 嘉禾 御景 华庭 枫林 鹿鸣 长青 晨光 星河 明珠 兰亭 西苑 南苑 北苑 东苑"
)
ESTATE_KINDS: tuple[str, ...] = ("小区", "小区", "小区", "花园", "家属院", "新村", "苑")

#: Each with its share in per cent.
_SURNAMES = {
    (name := word.rstrip(".0123456789")): float(word[len(name) :])
    for word in _words(
        "王9.2 李9.0 张9.4 刘6.1 赵3.6 陈3.2 杨3.1 郭2.3 马2.0 孙1.9 朱1.7 徐1.6 胡1.5 吴1.5 高1.4 周1.3 宋1.3 韩1.1 董1.0 "
        "何1.0 冯0.9 许0.9 黄0.9 梁0.8 魏0.8 任0.8 袁0.7 崔0.7 谢0.7 田0.7 贾0.7 郑0.7 申0.6 丁0.6 秦0.6 苏0.5 侯0.5 程0.5 "
        "杜0.5 蔡0.4 曹0.5 樊0.4 姚0.4 石0.4 常0.4 卢0.4 史0.4 付0.4 岳0.3 尚0.3 菅0.1 俎0.1 欧阳0.05 上官0.05"
    )
}
_SURNAME_LIST = tuple(_SURNAMES)
_SURNAME_WEIGHTS = tuple(accumulate(_SURNAMES.values()))

_WOMEN = _words(
    "秀英 桂英 秀兰 玉兰 桂兰 玉英 凤英 兰英 淑珍 玉珍 桂芝 秀珍 凤兰 素珍 素英 秀荣 桂荣 玉梅 春兰 爱莲 改莲 玉荣 "
    "秀芝 翠兰 翠英 花枝 桂香 瑞兰 喜梅 月英 金枝 巧云 桂花 玉莲 香兰 秀云 淑兰 淑英 俊英 玉凤 凤仙 梅英 爱华 敏 "
    "秀梅 荣花 素琴 桂琴 玉琴 桂枝 银环 秋菊 冬梅 玲 芳 琴 珍 兰 英"
)
_MEN = _words(
    "德福 德胜 长河 长海 长顺 金山 金锁 银山 玉山 玉柱 广德 广义 文德 文学 文山 明山 明德 德明 富贵 富安 保安 保全 "
    "天喜 天顺 根成 根旺 书林 书堂 学礼 学义 殿臣 振江 振山 振海 树林 树德 万福 万顺 清河 清泉 庆祥 庆林 国安 "
    "国定 国章 福来 福堂 福林 铁柱 石头 留柱 留根 发旺 中岭 新民 新年 宽 顺 林 山 勇 刚"
)
#: Given names of a year: (from, to, names), for either sex.
_FASHIONS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (1937, 1945, ("保国", "抗战", "振华", "救国", "胜利")),
    (1946, 1950, ("解放", "建国", "国庆", "翻身", "建民", "建平", "新华")),
    (1950, 1953, ("援朝", "卫国", "抗美", "和平", "国强", "保卫")),
    (1954, 1957, ("建设", "宪法", "社会", "国营", "建社", "合作", "建华")),
    (1958, 1960, ("跃进", "钢铁", "卫星", "建钢", "超英", "公社")),
    (1961, 1968, ("国富", "学锋", "红旗", "卫红", "文革", "永红", "建军")),
)
_YOUNGER_WOMEN = _words("丽 静 敏 艳 娟 霞 丽娟 红梅 春霞 晓燕 俊丽 海燕 慧敏 志红 雪梅 亚楠 梦洁 雅琪 佳怡")
_YOUNGER_MEN = _words("伟 强 军 磊 涛 超 建伟 志强 海涛 晓东 国伟 永强 红军 俊峰 文杰 浩然 少华 新建 鹏飞")
_ABROAD_WOMEN = _words("Grace Emily Linda Amy Helen Joyce Cindy Vivian")
_ABROAD_MEN = _words("David Kevin Jason Eric Michael Tony Leo Victor")


def surname(chance: random.Random) -> str:
    """A family name, as frequent as in Henan."""
    return chance.choices(_SURNAME_LIST, cum_weights=_SURNAME_WEIGHTS)[0]


def elder(chance: random.Random, birth_year: int) -> tuple[str, bool]:
    """The name of somebody born in that year, and whether it is a woman."""
    woman = chance.random() < 0.57  # women outlive men
    if chance.random() < (0.10 if woman else 0.28):
        for since, until, names in _FASHIONS:
            if since <= birth_year <= until:
                return surname(chance) + chance.choice(names), woman
    return surname(chance) + chance.choice(_WOMEN if woman else _MEN), woman


def adult(chance: random.Random, *, woman: bool | None = None, family_name: str = "") -> str:
    """The name of somebody of working age."""
    if woman is None:
        woman = chance.random() < 0.5
    return (family_name or surname(chance)) + chance.choice(_YOUNGER_WOMEN if woman else _YOUNGER_MEN)


def abroad(chance: random.Random, family_name: str, *, woman: bool | None = None) -> str:
    """The name of somebody who went abroad, as the telephone at home has it: `Grace 王`."""
    if woman is None:
        woman = chance.random() < 0.5
    return f"{chance.choice(_ABROAD_WOMEN if woman else _ABROAD_MEN)} {family_name}"


def phone(chance: random.Random) -> str:
    """A telephone number that cannot exist: `+999` and eleven digits that look like a mobile's."""
    return f"+9991{chance.randrange(3_000_000_000, 10_000_000_000)}"
