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
        "how many times faster than life the demo's town goes; the system's own deadlines stay as they are",
        "演示区县的时间倍速；系统自身的时限不变",
    ),
    "run.sink": (
        "where the page with the demo's messages listens, on loopback; a free port by default",
        "演示收件箱页面的监听地址（仅限本机），默认任选空闲端口",
    ),
    # simulate
    "simulate": ("make a district; drive a system as a town would", "生成区县；像真实城区一样驱动系统"),
    "simulate.district": ("make a district file", "生成区县文件"),
    "simulate.day": ("send a running system what a town's day brings", "向运行中的系统发送一天的呼叫"),
    "simulate.press": ("press one button of any device family", "按一次任一设备族的呼叫器"),
    "simulate.storm": (
        "thousands of devices at once, and red presses in between",
        "上千台设备同时涌来，其间有人按红键",
    ),
    "simulate.storm.more": (
        "The token is read from YIJIAN_ADMIN_TOKEN. The presses are real calls and stay open. Exit 1: one was lost, or doubled.",
        "令牌取自 YIJIAN_ADMIN_TOKEN。按键会建立真实呼叫，演练后不会自动办结。退出码 1：有按键丢失或重复建立呼叫。",
    ),
    "simulate.storm.kind": (
        "all reconnect; a community loses power twice; every last will at once; a beat of each every second",
        "reconnect 全部重连；power 一个社区两次停电；broker 同时全部断线；overload 每台每秒一次心跳",
    ),
    "simulate.storm.devices": ("how many devices of the register take part", "登记里多少台设备参加"),
    "simulate.storm.seconds": ("how long it lasts", "持续多少秒"),
    "simulate.storm.presses": ("how many red presses", "其间按多少次红键"),
    "simulate.storm.really": ("also on another machine than this one", "目标不在本机时也照做"),
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
    "simulate.days": ("or how many days, e.g. 7 for a week", "或演练多少天，如 7 为一周"),
    "simulate.date": ("the town's date to begin with, today by default", "从哪一天开始，默认今天"),
    "simulate.start_hour": ("the town's hour to begin with, 0 to 24", "从几点开始，0 到 24"),
    "simulate.plan": (
        "print what would be pressed when, and drive nothing; without --district, of the generated district",
        "只打印时间表，不驱动系统；不给 --district 则用生成的区县",
    ),
    "simulate.speed": ("how many times faster than life", "时间倍速"),
    "simulate.device": ("the button's address in its family", "呼叫器在其设备族中的地址"),
    "simulate.key": ("which key is pressed", "按哪个键"),
    "simulate.port": (
        "serial port of the radio hub; made where there is none",
        "无线主机的串口，没有则新建",
    ),
    "simulate.to": ("host:port or URL of another line", "其他接入的 host:port 或 URL"),
    "simulate.wait": ("how long to wait for what comes back", "等待应答多少秒"),
    "simulate.world": (
        "play nights of the simulated world, with faults and checkers",
        "在模拟世界中推演：故障与核查",
    ),
    "simulate.replay": ("play this one night and tell it line by line", "重放这一夜并逐行讲述"),
    "simulate.seeds": ("how many nights", "推演多少夜"),
    "simulate.from": ("the first night's seed", "第一夜的种子"),
    "simulate.jobs": ("how many at once (0: one for each core)", "同时推演几夜（0：每核一夜）"),
    "simulate.checkers": ("list what is looked for", "列出核查项目"),
    "simulate.mutants": (
        "put deliberate mistakes into the code, one after the other, and see that each is found",
        "逐一植入故意的错误，检验是否都能发现",
    ),
    "simulate.night_seconds": (
        "how long people press and things break in a night",
        "一夜中按键与故障持续多少秒",
    ),
    "simulate.table": ("with --mutants: write the table to this file", "配合 --mutants：把结果表写入此文件"),
    "world.found": ("{name}: found by {check}, night {nights}", "{name}：第 {nights} 夜由 {check} 发现"),
    "world.survived": ("{name}: NOT found in {nights} nights", "{name}：{nights} 夜仍未发现"),
    "world.wrong": ("seed {seed}: {found}", "种子 {seed}：{found}"),
    "world.replay": ("to see that night: make replay SEED={seed}", "重放这一夜：make replay SEED={seed}"),
    "world.sum": (
        "{nights} nights, {wrong} wrong; {presses} presses, {facts} facts, {kills} kills; {minutes} nights a minute",
        "{nights} 夜，{wrong} 夜有问题；{presses} 次按键，{facts} 条事实，{kills} 次强杀；每分钟 {minutes} 夜",
    ),
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
    "district.file": (
        "district file: JSON, an Excel workbook (.xlsx) or CSV; - is standard input",
        "区县文件：JSON、Excel 工作簿（.xlsx）或 CSV；- 为标准输入",
    ),
    "district.out": (
        "where to write it, as its name ends: .json, .xlsx, .csv; standard output by default",
        "写到哪里，格式按扩展名：.json、.xlsx、.csv；默认标准输出",
    ),
    "district.section": ("only this section; a .csv file holds one", "只写这一类；.csv 文件只能装一类"),
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
    # user
    "user": ("who may log in at the console", "控制台登录账号"),
    "user.add": (
        "let somebody of the register log in; LOGIN is their staff id",
        "为登记的工作人员开通登录，登录名即人员编号",
    ),
    "user.passwd": (
        "set another password; whoever is logged in under it is out",
        "重设密码，已登录的会话随即失效",
    ),
    "user.disable": ("end a login; whoever is in is out", "停用登录，已登录的会话随即失效"),
    "user.enable": ("let a disabled login be used again", "恢复已停用的登录"),
    "user.totp": (
        "ask for the code of an authenticator app too; prints its secret, this once",
        "登录时另需验证器动态码；密钥仅显示这一次",
    ),
    "user.list": ("list the logins", "列出登录账号"),
    "user.login": ("their staff id in the register", "登记中的人员编号"),
    "user.password_stdin": ("read the password from standard input", "从标准输入读取密码"),
    "user.totp.off": ("no code any more", "不再需要动态码"),
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
    "db.backup": (
        "write the whole database into one file, also while a server runs",
        "把整个数据库备份为一个文件，服务运行时也可以",
    ),
    "db.backup.more": (
        "The file holds everything known of people: keep it as safe as the system itself.",
        "文件含有全部个人信息，须与系统本身同样妥善保管。",
    ),
    "db.backup.file": ("file to write", "要写的文件"),
    "db.backup.force": ("replace a file that is there", "覆盖已有文件"),
    "db.restore": (
        "put a backup in the place of the database; no server may run",
        "用备份替换数据库；服务须先停止",
    ),
    "db.restore.more": (
        "The present database is kept beside it. Readers of events are told to read everything again.",
        "现有数据库会另存一份。事件流的读取方会被告知重新读取全部列表。",
    ),
    "db.restore.file": (
        "backup made by `db backup`, of SQLite or PostgreSQL",
        "db backup 所写的备份，SQLite 与 PostgreSQL 通用",
    ),
    "db.restore.yes": (
        "also when calls newer than the backup would be gone",
        "即使比备份新的呼叫会丢失也继续",
    ),
    "db.restore.anyway": ("also when `db verify` finds differences in it", "即使 db verify 发现不一致也继续"),
    # person
    "person": ("people of the register", "登记的人员"),
    "person.erase": (
        "erase a resident or one of the staff, and what was written about their calls",
        "抹除一位老人或工作人员，以及其呼叫中的文字",
    ),
    "person.erase.more": (
        "The journal stays: it names people by id only. Backups made before still hold them.",
        "台账保留：其中只有编号。此前的备份里仍有其信息。",
    ),
    "person.id": ("their id in the register", "登记编号"),
    "person.kind": ("whose id it is, where both could be meant", "编号属于老人还是工作人员，两者皆有时用"),
    "person.yes": ("do it: it cannot be undone", "确认执行，不可恢复"),
    # doctor
    "doctor": (
        "look for what is wrong with this installation, running or not",
        "检查本系统有无问题，服务运行与否都可以",
    ),
    "doctor.more": (
        "A line for each check: ok, warn or bad. Exit code 1 where anything is bad. docs/operations.md says what to do.",
        "每项检查一行：正常、注意或严重。有严重问题时退出码为 1。处理办法见 docs/operations.zh-CN.md。",
    ),
    "doctor.json": ("JSON lines instead of text", "输出 JSON 行"),
    "doctor.ok": ("ok", "正常"),
    "doctor.warn": ("warn", "注意"),
    "doctor.bad": ("bad", "严重"),
    "canary": (
        "one press of our own through a running system, from the button to the page",
        "对运行中的系统做一次全链路自检：从呼叫器到页面",
    ),
    "canary.more": (
        "A line for each stage, with its milliseconds. Exit code 1 where it does not come through. It rings nowhere.",
        "逐级显示耗时（毫秒）。不通或无应答时退出码为 1。自检不会响铃，也不计入任何统计。",
    ),
    "canary.json": ("JSON instead of text", "输出 JSON"),
    "canary.broker": ("the broker took it", "MQTT 服务已收下"),
    "canary.receipt": ("it is stored, the button has its receipt", "已落盘，按键已收到回执"),
    "canary.desk": ("it is decided", "调度已处理"),
    "canary.stream": ("it is on the page", "已到达页面"),
    "canary.webhook": ("the webhook has come", "推送已送达"),
    "canary.not.broker": ("the broker did not take it", "MQTT 服务未收下"),
    "canary.not.receipt": ("no receipt", "没有回执"),
    "canary.not.desk": ("not decided", "调度未处理"),
    "canary.not.stream": ("not on the stream", "未到达页面"),
    "canary.not.webhook": ("no webhook", "推送未送达"),
    "canary.not_there": ("not part of this installation", "本系统没有这一级"),
    "canary.passed": ("A press comes all the way.", "全链路畅通。"),
    "canary.failed": ("A press does not come through: {stage} ({why})", "按键未能送达：{stage}（{why}）"),
    "canary.silent": (
        "{url} does not answer: is the server running?",
        "{url} 没有应答：服务是否在运行？",
    ),
    "canary.token": (
        "YIJIAN_ADMIN_TOKEN holds no token that may do this: an admin's or the district's is needed",
        "YIJIAN_ADMIN_TOKEN 中没有可用的令牌：需要管理员或区级令牌",
    ),
    "canary.refused": ("{url} answered {status}", "{url} 返回 {status}"),
    # what commands say
    "db.backed_up": (
        "{file}: {calls} calls, {entries} entries of the journal, {size_bytes} bytes, {seconds} s",
        "{file}：呼叫 {calls} 个，台账 {entries} 条，{size_bytes} 字节，用时 {seconds} 秒",
    ),
    "db.restored": (
        "restored: {calls} calls ({open} open, they go on escalating), {entries} entries of the journal",
        "已恢复：呼叫 {calls} 个（{open} 个未办结，将继续升级），台账 {entries} 条",
    ),
    "db.restore.kept": ("the database before it is kept as {file}", "原数据库另存为 {file}"),
    "db.restore.erased": (
        "erased after this backup was made, and erased in it again: {ids}",
        "备份之后曾被抹除、现已再次抹除：{ids}",
    ),
    "db.restore.standing": (
        "erased after this backup was made, but a call of theirs is open in it: erase them again once it is closed: {ids}",
        "备份之后曾被抹除，但备份中其呼叫尚未办结，办结后请再次抹除：{ids}",
    ),
    "db.restore.loses": (
        "the present database holds {calls} calls and {entries} entries that are not in the backup and would be gone; --yes lets them go",
        "现有数据库中有 {calls} 个呼叫、{entries} 条台账不在备份里，将会丢失；确认请加 --yes",
    ),
    "db.restore.unknown": (
        "the present database cannot be read, so nobody knows what would be gone; --yes replaces it and keeps it aside",
        "现有数据库无法读取，不知会丢失什么；加 --yes 则另存后替换",
    ),
    "db.no_stream": ("FILE must be a file: - is not supported here", "FILE 必须是文件，不支持 -"),
    "backup.exists": ("{file} is there already; --force replaces it", "{file} 已存在；覆盖请加 --force"),
    "backup.folder": ("{file} is a folder", "{file} 是文件夹"),
    "backup.itself": ("{file} is the database itself", "{file} 就是数据库本身"),
    "backup.under_way": ("another backup to {file} is under way", "另一个备份正在写 {file}"),
    "backup.no_database": (
        "there is no database at {file}: nothing to back up",
        "{file} 没有数据库，无可备份",
    ),
    "backup.no_file": ("{file} is not there", "{file} 不存在"),
    "backup.not_ours": ("{file} is no backup of Yijian", "{file} 不是本系统的备份"),
    "backup.newer": (
        "{file} was made by a newer version (revision {reason}): restore it with that one",
        "{file} 由更新的版本所做（版本 {reason}），请用该版本恢复",
    ),
    "backup.older": (
        "the database {file} is of an older version: yijian db upgrade first",
        "数据库 {file} 是较旧的版本，请先运行 yijian db upgrade",
    ),
    "backup.damaged": ("{file} is damaged: {reason}", "{file} 已损坏：{reason}"),
    "backup.differs": (
        "{file}: its journal and its calls do not agree ({reason}); --anyway restores it all the same",
        "{file}：台账与呼叫不一致（{reason}）；仍要恢复请加 --anyway",
    ),
    "backup.in_use": ("{file} is in use by another command: {reason}", "{file} 正被其他命令使用：{reason}"),
    "backup.write": ("{file} cannot be written: {reason}", "{file} 无法写入：{reason}"),
    "backup.read": ("{file} cannot be read: {reason}", "{file} 无法读取：{reason}"),
    "backup.present": ("the database {file} cannot be used: {reason}", "数据库 {file} 无法使用：{reason}"),
    "person.sure": (
        "erasing {id} cannot be undone: add --yes",
        "抹除 {id} 不可恢复：确认请加 --yes",
    ),
    "person.open": (
        "their call {call} is open: close it first",
        "其呼叫 {call} 尚未办结，请先办结",
    ),
    "person.unknown": ("nobody has the id {id}", "没有编号为 {id} 的人"),
    "person.erased": (
        "{id} is erased: {told}. Backups made before still hold them.",
        "{id} 已抹除：{told}。此前的备份中仍有其信息。",
    ),
    "district.fine": ("no errors", "没有错误"),
    "db.upgraded": ("the schema is up to date", "数据库结构已是最新"),
    "db.verified": ("the journal and the calls agree", "台账与呼叫一致"),
    "token.revoked": ("revoked", "已作废"),
    "token.unknown": ("no such token", "没有这个令牌"),
    "token.not_there": (
        "not in the register: until it is, this token opens nothing",
        "登记中尚无此项，登记之前该令牌无效",
    ),
    "user.stdin": (
        "a password comes on standard input: add --password-stdin",
        "密码须从标准输入读取：请加 --password-stdin",
    ),
    "user.no_password": ("no password came on standard input", "标准输入中没有密码"),
    "user.no_text": ("standard input is closed, or what came is no text", "标准输入已关闭，或内容不是文本"),
    "user.weak.short": (
        "the password needs at least {least} characters",
        "密码至少 {least} 个字符",
    ),
    "user.weak.long": ("the password has more than {most} characters", "密码超过 {most} 个字符"),
    "user.weak.common": (
        "this password is one of the commonest: whoever guesses tries it first",
        "该密码过于常见，最先被猜到",
    ),
    "user.weak.login": ("the password is much like the login", "密码与登录名过于相似"),
    "user.not_staff": (
        "{login} is nobody of the register's staff: register them first",
        "人员登记中没有 {login}，请先登记",
    ),
    "user.there": (
        "{login} has a login already: yijian user passwd sets another password",
        "{login} 已有登录；重设密码用 yijian user passwd",
    ),
    "user.unknown": (
        "{login} has no login: yijian user add makes one",
        "{login} 没有登录；开通用 yijian user add",
    ),
    "user.added": ("{login} can log in", "{login} 可以登录了"),
    "user.changed": (
        "{login} has another password; old sessions have ended",
        "{login} 的密码已重设，原有会话已失效",
    ),
    "user.disabled": ("{login} cannot log in any more", "{login} 已停用"),
    "user.enabled": ("{login} can log in again", "{login} 已恢复"),
    "user.totp.scan": (
        "scan this with an authenticator app; it is shown this once, and asked for from now on",
        "请用验证器应用扫描；仅显示这一次，即刻起登录需动态码",
    ),
    "user.totp.gone": ("{login} logs in without a code", "{login} 登录不再需要动态码"),
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
