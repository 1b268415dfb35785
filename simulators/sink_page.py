"""The sink's page: each telephone with what came to it, as its owner sees it. Text in, HTML out; everything is escaped.

    page(messages, book, Asked.of(request.query, "zh-CN,zh;q=0.9"), ZoneInfo("Asia/Shanghai"))

The page works without a script, by loading itself again; with the script it changes quietly where something changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from config.doors import from_us
from simulators.messages import Channel, Message, State
from simulators.phonebook import RELATIONS, Owner, OwnerKind, Phonebook

#: On the page of all: so many telephones, and of each the last messages.
PHONES_MAX, LATEST_MAX = 36, 4
#: After a pause that long the time stands between two messages.
_PAUSE_US = 300_000_000

#: English, Chinese.
_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Messages of the demo", "演示收件箱"),
    "lead": (
        "What Yijian tells relatives and staff arrives here. Nobody here is real, and nothing leaves this machine.",
        "一键发给家属和工作人员的消息都到这里。人物均为虚构，消息不出本机。",
    ),
    "all": ("Everyone", "全部"),
    "relative": ("Relatives", "家属"),
    "staff": ("Staff", "工作人员"),
    "system": ("Other systems", "其他系统"),
    "unknown": ("Unknown numbers", "未知号码"),
    "other": ("中文", "English"),
    "empty": ("Nothing has arrived yet.", "还没有消息。"),
    "empty_more": (
        "As soon as someone presses a button, their family reads it here.",
        "有人按下呼叫器，家属就会在这里看到。",
    ),
    "back": ("All telephones", "返回全部"),
    "more": ("earlier messages: {n}", "更早的消息 {n} 条"),
    "hidden": ("telephones that are quiet just now: {n}", "另有 {n} 部手机暂无新消息"),
    "of": ("{relation} of {name}", "{name}的{relation}"),
    "feed": ("hears every call of the district", "接收全区所有呼叫"),
    "signed": ("signature right", "签名已验证"),
    "tries": ("after {n} tries", "第 {n} 次送达"),
    "tries_failed": ("{n} tries", "已试 {n} 次"),
    "sms": ("SMS", "短信"),
    "webhook": ("Webhook", "推送"),
    "call": ("call", "呼叫"),
    State.FAILED: ("answered with an error", "对方出错，等待重发"),
    State.ARRIVED: ("delivered", "已送达"),
    State.READ: ("read", "已读"),
    State.RANG: ("ringing home", "正在给老人打电话"),
    State.TOLD: ("telephoned 12349", "已致电 12349"),
    "emergency": ("emergency", "紧急求救"),
    "service": ("service", "服务求助"),
    "family": ("family", "亲情"),
    "call.opened": ("Call opened", "呼叫已接到"),
    "call.joined": ("Pressed again", "再次按键"),
    "call.cancel_requested": ("Cancel key pressed", "按了取消键"),
    "call.dispatched": ("Stations asked", "已派单"),
    "call.escalated": ("Wider circle asked", "已升级"),
    "call.skipped": ("Step skipped", "跳过一级"),
    "call.accepted": ("Accepted", "已受理"),
    "call.declined": ("Declined", "拒单"),
    "call.lapsed": ("Lapsed", "逾时"),
    "call.spoke": ("Spoke by telephone", "已电话联系"),
    "call.en_route": ("On the way", "已出发"),
    "call.on_scene": ("There", "已到达"),
    "call.overdue": ("Overdue", "超时"),
    "call.transferred": ("Transferred", "已转派"),
    "call.noted": ("Note", "备注"),
    "call.seen": ("Seen", "已阅"),
    "call.closed": ("Closed", "已办结"),
    "call.reopened": ("Reopened", "重新打开"),
    "call.followed_up": ("Followed up", "已回访"),
}
_LANGUAGES = ("en", "zh-CN")
#: As on the console: a colour alone says nothing to who does not see it.
_SIGNS = {"emergency": "▲", "service": "●", "family": "♥"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the page somebody wants to see: in which language, whose telephones, or the one number."""

    language: str = "zh-CN"
    show: str = ""
    who: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str], accept_language: str) -> Asked:
        """From the query and the browser's languages; what is not understood counts as not said."""
        language = query.get("lang", "")
        show = query.get("show", "")
        return cls(
            language if language in _LANGUAGES else preferred(accept_language),
            show if show in set(OwnerKind) else "",
            query.get("who", "")[:128],
        )

    def link(self, **changes: str) -> str:
        """The address of this page with something changed."""
        values = {"lang": self.language, "show": self.show, "who": self.who} | changes
        return escape("/?" + urlencode({name: value for name, value in values.items() if value}))


def preferred(accept_language: str) -> str:
    """Chinese or English, whichever a browser's Accept-Language has first; Chinese where it says neither."""
    best, found = 0.0, "zh-CN"
    for part in accept_language[:500].split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        language = {"zh": "zh-CN", "en": "en"}.get(name.lower().partition("-")[0])
        if language is not None and best < weight <= 1:
            best, found = weight, language
    return found


class _Say:
    """Words in one language, escaped."""

    def __init__(self, language: str) -> None:
        self._place = _LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        text = _WORDS[key][self._place] if key in _WORDS else key
        return escape(text.format(**values) if values else text)

    def relation(self, word: str) -> str:
        """What somebody is to the resident."""
        return RELATIONS[word][self._place] if word in RELATIONS else word


def page(messages: Sequence[Message], book: Phonebook, asked: Asked, zone: ZoneInfo) -> str:
    """The whole page."""
    say = _Say(asked.language)
    other = _LANGUAGES[1 - _LANGUAGES.index(asked.language)]
    return f"""<!doctype html>
<html lang="{asked.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{say("title")} · 一键 Yijian</title>
<link rel="icon" href="/sink.svg" type="image/svg+xml">
<link rel="stylesheet" href="/sink.css">
<noscript><meta http-equiv="refresh" content="5"></noscript>
<script src="/sink.js" defer></script>
</head>
<body>
<header class="top">
<p class="brand"><img src="/sink.svg" alt="" width="40" height="40"><span>一键</span> <span class="latin">Yijian</span></p>
<p class="language"><a href="{asked.link(lang=other)}" lang="{other}">{say("other")}</a></p>
<h1>{say("title")}</h1>
<p class="lead">{say("lead")}</p>
</header>
<div id="live">
{_body(messages, book, asked, zone, say)}
</div>
</body>
</html>
"""


def _body(messages: Sequence[Message], book: Phonebook, asked: Asked, zone: ZoneInfo, say: _Say) -> str:
    """What changes: the tabs and the telephones."""
    phones: dict[str, list[Message]] = {}
    for one in messages:
        phones.setdefault(book.telephone(one.to), []).append(one)
    if asked.who:
        talk = _phone(asked.who, phones.get(asked.who, []), book, asked, zone, say, latest=len(messages))
        back = f'<nav class="tabs"><a href="{asked.link(who="")}">← {say("back")}</a></nav>'
        return f'{back}\n<main class="phones one">{talk}</main>'
    kinds = {to: book.owner(to).kind for to in phones}
    shown = [to for to in phones if not asked.show or kinds[to] == asked.show]
    # Whose telephone rang last comes first; what hears everything would always be that, and comes last.
    shown.sort(key=lambda to: (kinds[to] is OwnerKind.SYSTEM, -phones[to][-1].number))
    cards = "\n".join(
        _phone(to, phones[to], book, asked, zone, say, latest=LATEST_MAX) for to in shown[:PHONES_MAX]
    )
    if not cards:
        cards = f'<div class="empty"><p>{say("empty")}</p><p>{say("empty_more")}</p></div>'
    hidden = len(shown) - PHONES_MAX
    more = f'<p class="hidden">{say("hidden", n=hidden)}</p>' if hidden > 0 else ""
    return f'{_tabs(kinds.values(), asked, say)}\n<main class="phones">\n{cards}\n</main>\n{more}'


def _tabs(kinds: Iterable[OwnerKind], asked: Asked, say: _Say) -> str:
    counts = dict.fromkeys(OwnerKind, 0)
    for kind in kinds:
        counts[kind] += 1
    tabs = [("", "all", sum(counts.values()))]
    tabs += [
        (kind.value, kind.value, count)
        for kind, count in counts.items()
        if count or kind is not OwnerKind.UNKNOWN
    ]
    links = []
    for show, word, count in tabs:
        here = ' aria-current="page"' if show == asked.show else ""
        text = f'{say(word)} <span class="count">{count}</span>'
        links.append(f'<a href="{asked.link(show=show)}"{here}>{text}</a>')
    return f'<nav class="tabs">{"".join(links)}</nav>'


def _phone(
    to: str,
    messages: Sequence[Message],
    book: Phonebook,
    asked: Asked,
    zone: ZoneInfo,
    say: _Say,
    *,
    latest: int,
) -> str:
    """One telephone: whose it is, and what came, the newest at the bottom."""
    owner = book.owner(to)
    left = len(messages) - latest
    earlier = ""
    if left > 0:
        earlier = f'<li class="earlier"><a href="{asked.link(who=to)}">↑ {say("more", n=left)}</a></li>'
    bubbles: list[str] = []
    before_us = 0
    for one in messages[-latest:]:
        when = from_us(one.at_us).astimezone(zone)
        if one.at_us - before_us > _PAUSE_US:
            clock = f'<time datetime="{when.isoformat()}">{when:%H:%M}</time>'
            bubbles.append(f'<li class="clock">{clock}</li>')
        before_us = one.at_us
        bubbles.append(_bubble(one, when, zone, say))
    name, about = _owner(to, owner, say)
    face = escape(_face(owner))
    # A telephone keeps its colour, and the script finds it again.
    tint = zlib.crc32(to.encode()) % 6
    return f"""<article class="phone {owner.kind.value}" id="p{zlib.crc32(to.encode()):08x}">
<header><span class="face tint{tint}" aria-hidden="true">{face}</span>
<div><h2><a href="{asked.link(who=to)}">{name}</a></h2><p class="about">{about}</p></div></header>
<ol>{earlier}{"".join(bubbles)}</ol>
<p class="number">{escape(to)}</p>
</article>"""


def _owner(to: str, owner: Owner, say: _Say) -> tuple[str, str]:
    """Their name, and who that is; both escaped."""
    match owner.kind:
        case OwnerKind.RELATIVE:
            about = say("of", relation=say.relation(owner.relation), name=owner.of)
            return escape(owner.name) or escape(to), about
        case OwnerKind.STAFF:
            return escape(owner.name) or escape(to), escape(owner.of) or say("staff")
        case OwnerKind.SYSTEM:
            return escape(owner.name), say("feed")
    return escape(to), say("unknown")


def _face(owner: Owner) -> str:
    """One letter in the circle: whoever has a Chinese name is known by the first of it."""
    return {OwnerKind.SYSTEM: "⇄", OwnerKind.UNKNOWN: "?"}.get(owner.kind) or owner.name[:1].upper() or "?"


def _bubble(one: Message, when: datetime, zone: ZoneInfo, say: _Say) -> str:
    if one.channel is Channel.SMS:
        content = f'<p class="text">{escape(one.text)}</p>'
    else:
        key = ""
        if one.key_pressed in _SIGNS:
            sign = f'<span aria-hidden="true">{_SIGNS[one.key_pressed]}</span>'
            key = f'<p class="key">{sign} {say(one.key_pressed)}</p>'
        call = (
            f'<p class="facts">{say("call")} <span class="id">{escape(one.call)}</span></p>'
            if one.call
            else ""
        )
        content = f'{key}<p class="text"><strong>{say(one.fact)}</strong></p>{call}'
    state_at = f"{from_us(one.state_us).astimezone(zone):%H:%M:%S}"
    parts = [f"{when:%H:%M:%S}", say(one.channel.value)]
    if one.channel is Channel.WEBHOOK:
        parts.append(say("signed"))
    if one.tries > 1:
        parts.append(say("tries_failed" if one.state is State.FAILED else "tries", n=one.tries))
    mark = {State.FAILED: "!", State.ARRIVED: "✓", State.READ: "✓✓", State.RANG: "☏", State.TOLD: "☏"}
    told = f" {state_at}" if one.state is not State.ARRIVED else ""
    tint = one.key_pressed if one.key_pressed in _SIGNS else ""
    return (
        f'<li class="message {one.channel.value} {one.state.value} {tint}">{content}'
        f'<p class="meta">{" · ".join(parts)}</p>'
        f'<p class="state"><span aria-hidden="true">{mark[one.state]}</span> {say(one.state)}{told}</p></li>'
    )
