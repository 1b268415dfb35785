"""What values are called in Chinese, and what people write instead."""

from __future__ import annotations

from collections.abc import Mapping

AREA_KIND = {"street": "街道", "community": "社区", "grid": "网格", "district": "区"}
STATION_KIND = {
    "care_station": "社区托老站",
    "day_care": "社区日间照料中心",
    "street_centre": "街道综合养老服务中心",
    "district_desk": "区级值班台",
}
TRAVEL = {"walk": "步行", "e_bike": "电动车", "car": "汽车"}
ROLE = {
    "admin": "管理员",
    "district": "区级",
    "street": "街道",
    "community": "社区",
    "station": "站点",
    "grid": "网格员",
    "volunteer": "志愿者",
}
DATUM = {"wgs84": "WGS-84", "gcj02": "GCJ-02", "bd09": "BD-09"}
WISH = {
    "opened": "按键时",
    "unanswered": "无人受理",
    "accepted": "已受理",
    "on_scene": "已到达",
    "closed": "已办结",
}
KEY = {"emergency": "紧急", "service": "服务", "family": "亲情"}
TARGET = {
    "nearest": "最近站点",
    "next": "同级下一家",
    "next_tier": "上一级",
    "district": "区级值班台",
    "contacts": "紧急联系人",
    "volunteers": "志愿者",
    "everyone": "全街道",
}
YES = {"true": "是", "false": "否"}

#: What people write instead, by the value; small letters.
OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "care_station": ("托老站", "社区养老服务站", "养老服务站"),
    "day_care": ("日间照料中心", "日照中心", "社区日照中心"),
    "street_centre": ("街道中心", "街道养老服务中心", "综合养老服务中心"),
    "district_desk": ("值班台", "区指挥台", "12349", "区中心"),
    "e_bike": ("电瓶车", "电动自行车", "ebike", "e-bike"),
    "car": ("开车", "轿车"),
    "walk": ("走路", "徒步"),
    "district": ("区", "区级人员", "区指挥台", "区里"),
    "station": ("站点人员", "护理员", "站点工作人员"),
    "grid": ("网格",),
    "street": ("街道人员", "办事处"),
    "community": ("社区人员", "居委会"),
    "admin": ("系统管理员",),
    "wgs84": ("wgs-84", "gps", "wgs 84", "天地图"),
    "gcj02": ("gcj-02", "高德", "腾讯", "火星坐标", "火星"),
    "bd09": ("bd-09", "百度", "bd09ll"),
    "emergency": ("红", "红键", "紧急求救", "求救"),
    "service": ("绿", "绿键", "服务求助"),
    "family": ("黄", "黄键", "亲情键"),
    "nearest": ("最近",),
    "next": ("下一家",),
    "next_tier": ("街道中心",),
    "contacts": ("家属", "联系人"),
    "everyone": ("所有人", "全部"),
    "true": ("yes", "y", "1", "√", "有", "是的"),
    "false": ("no", "n", "0", "×", "无", "没有", "否"),
    "opened": ("按键", "pressed"),
    "unanswered": ("没人接",),
    "accepted": ("受理",),
    "on_scene": ("到达",),
    "closed": ("办结",),
}
