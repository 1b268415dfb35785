"""Every word the command line says of itself, in English and Chinese.

A Chinese locale (LC_ALL, else LC_MESSAGES, else LANG begins with `zh`) gets the second of each pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Gives the text of a key in the language of the person.
Say = Callable[[str], str]


def speaker(environ: Mapping[str, str]) -> Say:
    """The texts in the language these environment variables ask for."""
    place = int(is_chinese(environ))
    return lambda key: WORDS[key][place]


def is_chinese(environ: Mapping[str, str]) -> bool:
    """Whether the locale is a Chinese one; the first variable that is set decides, as POSIX has it."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return value.lower().startswith("zh")
    return False


WORDS: dict[str, tuple[str, str]] = {
    # argparse's own words
    "usage": ("usage: ", "用法："),
    "arguments": ("arguments", "参数"),
    "options": ("options", "选项"),
    "commands": ("commands", "命令"),
    "help": ("show this help and exit", "显示本帮助并退出"),
    "error": ("error", "错误"),
    "see": ("see", "参见"),
    "version": ("show the version and exit", "显示版本号并退出"),
    # the program
    "yijian": (
        "Yijian: one-key emergency call and dispatch for eldercare.",
        "一键：养老服务一键呼叫与派单系统。",
    ),
    "yijian.more": (
        "Settings: config/yijian.toml and docs/settings.md. Exit codes: 0 done, 1 failed, 2 wrong usage or settings.",
        "配置见 config/yijian.toml 与 docs/settings.md。退出码：0 完成，1 失败，2 用法或配置有误。",
    ),
    "config": (
        "settings file (TOML); environment variables beat it",
        "配置文件（TOML），环境变量优先于它",
    ),
    # run
    "run": (
        "everything in one process: MQTT broker, gateway, dispatcher",
        "单进程运行全部：MQTT 服务、网关、调度",
    ),
    "run.demo": (
        "add a generated district with simulated buttons, staff and relatives",
        "加上一个生成的区县，以及模拟的呼叫器、工作人员和家属",
    ),
    "run.speed": (
        "how many times faster than life the demo's town goes",
        "演示区县的时间倍速",
    ),
    # simulate
    "simulate": ("make a district; drive a system as a town would", "生成区县；像真实城区一样驱动系统"),
    "simulate.district": ("make a district file", "生成区县文件"),
    "simulate.day": ("send a running system what a town's day brings", "向运行中的系统发送一天的呼叫"),
    "simulate.press": ("press one button of any device family", "按一次任一设备族的呼叫器"),
    "simulate.seed": ("seed: the same one gives the same result", "随机种子，同一种子得到同一结果"),
    "simulate.out": ("where to write it; - is standard output", "写到哪里；- 为标准输出"),
    "simulate.residents": ("how many residents", "老人人数"),
    "simulate.communities": ("how many communities", "社区数"),
    "simulate.streets": ("how many streets", "街道数"),
    "simulate.file": (
        "district file whose buttons are pressed; without it the running system's register",
        "使用其中呼叫器的区县文件；不给则读取运行中系统的登记",
    ),
    "simulate.http": (
        "the system's address; the token comes from YIJIAN_ADMIN_TOKEN",
        "系统的 HTTP 地址；令牌取自 YIJIAN_ADMIN_TOKEN",
    ),
    "simulate.mqtt": ("the broker's address", "MQTT 服务地址"),
    "simulate.hours": ("how many hours of the town to play", "演练多少小时"),
    "simulate.speed": ("how many times faster than life", "时间倍速"),
    "simulate.device": ("the button's address in its family", "呼叫器在其设备族中的地址"),
    "simulate.key": ("which key is pressed", "按哪个键"),
    "simulate.port": (
        "serial port of the radio hub; made where there is none",
        "无线主机的串口，没有则新建",
    ),
    "simulate.to": ("host:port or URL of another line", "其他接入的 host:port 或 URL"),
    "simulate.wait": ("how long to wait for what comes back", "等待应答多少秒"),
    # district
    "district": (
        "the district file: areas, stations, residents, devices, staff",
        "区县文件：片区、站点、老人、设备、人员",
    ),
    "district.load": (
        "load a district file: merged by id, all of it or nothing",
        "导入区县文件：按编号合并，要么全部要么全不",
    ),
    "district.export": ("write what is in the register as a district file", "把登记内容导出为区县文件"),
    "district.check": (
        "say everything that is wrong with a district file; needs no server",
        "指出区县文件的所有错误；不需要运行服务",
    ),
    "district.file": ("district file (JSON); - is standard input", "区县文件（JSON）；- 为标准输入"),
    "district.out": ("where to write it; standard output by default", "写到哪里；默认标准输出"),
    # token
    "token": ("API tokens", "接口令牌"),
    "token.create": ("make a token and print it, this once", "新建令牌并显示，仅此一次"),
    "token.revoke": ("end a token", "作废令牌"),
    "token.list": ("list the tokens, without their secrets", "列出令牌（不显示令牌本身）"),
    "token.role": ("what its holder may see and do", "持有者的角色"),
    "token.area": ("area code it is for", "所辖片区代码"),
    "token.station": ("station it is for", "所属站点编号"),
    "token.staff": ("staff id it is for", "所属人员编号"),
    "token.id": ("the token's id, as `list` shows it", "令牌编号，见 list"),
    # decode, listen
    "decode": ("show what a device's frames say", "解读设备报文"),
    "decode.more": (
        "Raw bytes in; out, a JSON line per signal and per answer.",
        "输入原始字节；每个信号、每个应答输出一行 JSON。",
    ),
    "family": ("device family", "设备族"),
    "decode.hex": ("the file holds hex digits", "文件内容为十六进制"),
    "decode.mqtt": (
        'the file holds JSON lines {"topic","payload","retain","t"}',
        '文件为 JSON 行 {"topic","payload","retain","t"}',
    ),
    "decode.key": ("the device's decryption key, in hex", "设备解密密钥（十六进制）"),
    "decode.file": ("file with frames; - is standard input", "报文文件；- 为标准输入"),
    "listen": ("the same as decode, live from a port or topic", "同 decode，实时读取串口或主题"),
    "listen.port": ("serial device", "串口设备"),
    "listen.baud": ("its speed", "波特率"),
    "listen.topic": ("base topic on the broker", "MQTT 基础主题"),
    "listen.mqtt": ("the broker's address", "MQTT 服务地址"),
    # db
    "db": ("the database", "数据库"),
    "db.upgrade": ("bring the schema up to date", "升级数据库结构"),
    "db.verify": ("fold the journal again and compare with the calls", "重放台账并与呼叫核对"),
    # what commands say
    "district.fine": ("no errors", "没有错误"),
    "db.upgraded": ("the schema is up to date", "数据库结构已是最新"),
    "db.verified": ("the journal and the calls agree", "台账与呼叫一致"),
    "token.revoked": ("revoked", "已作废"),
    "token.unknown": ("no such token", "没有这个令牌"),
    "unexpected": (
        "an error of ours, not yours; with YIJIAN_DEBUG=1 it shows its traceback",
        "程序内部错误；设 YIJIAN_DEBUG=1 可显示详情",
    ),
}

#: argparse's messages, for a Chinese reader: (as argparse begins them, in Chinese).
ARGPARSE_CHINESE: tuple[tuple[str, str], ...] = (
    ("the following arguments are required: ", "缺少参数："),
    ("unrecognized arguments: ", "不认识的参数："),
    ("expected one argument", "后面要有一个值"),
    ("not allowed with argument ", "不能同时用于 "),
    ("one of the arguments ", "以下参数须有其一："),
    (" is required", ""),
    ("invalid choice: ", "没有这个选择："),
    ("choose from ", "可选 "),
    ("argument ", "参数 "),
    ("invalid float value: ", "不是数字："),
    ("invalid int value: ", "不是整数："),
    ("ambiguous option: ", "选项不明确："),
)
