"""The one list of settings: name, default, how it is read, and what it says. Everything else is made from it.

`settings.load` reads by it; `docs/settings.md` and `config/yijian.toml` are printed from it (`config/document.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config import oidc, proxies, reading


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `default` is text as the environment would give it; empty = none."""

    name: str  #: its dotted name in the file
    env: str  #: the environment variable that beats the file
    default: str
    read: Callable[[object], Any]
    example: str  #: for the documented file, where there is no default
    says: str

    @property
    def field(self) -> str:
        """Its name in Settings."""
        return _FIELDS.get(self.name, self.name)


_FIELDS = {
    "console.proxies": "proxies",
    "demo.speed": "speed",
    "alerts.public_url": "public_url",
    "alerts.templates": "templates",
    "alerts.per_hour": "news_per_hour",
    "map.file": "map_file",
    "map.tiles": "map_tiles",
    "map.datum": "map_datum",
    "map.attribution": "map_attribution",
    "retention.closed_days": "keep_closed_days",
    "canary.every_seconds": "canary_seconds",
    "canary.ping_url": "canary_ping_url",
    "canary.ping_fail_url": "canary_fail_url",
} | {f"oidc.{name}": f"oidc_{name}" for name in oidc.OidcClient.__dataclass_fields__}

KEYS: tuple[Key, ...] = (
    Key(
        "data",
        "YIJIAN_DATA",
        "./data",
        reading.folder,
        "",
        "The folder with everything that must not be lost: database, broker state. One process at a time.",
    ),
    Key(
        "database",
        "YIJIAN_DATABASE",
        "",
        reading.database_url,
        "sqlite:////var/lib/yijian/yijian.sqlite",
        "The database: `sqlite:///file`, or `postgresql://user:password@host:port/name` (13 or newer, UTF8; with TLS "
        "`?sslmode=require`, by a Unix socket `?host=/var/run/postgresql`; special letters of a password "
        "percent-encoded). Without it: `yijian.sqlite` in the data folder.",
    ),
    Key(
        "http",
        "YIJIAN_HTTP",
        "127.0.0.1:12349",
        reading.address_or_free_port,
        "",
        "Where the API listens, `host:port`. Port 0 takes a free one; the `ready` line names it.",
    ),
    Key(
        "mqtt",
        "YIJIAN_MQTT",
        "",
        reading.mqtt_url,
        "mqtt://user:password@broker:1883",
        "An outside MQTT broker, `mqtt://` or, with TLS, `mqtts://` (a CA of your own: `?ca=/path/of/ca.pem`). "
        "Without it: the embedded one, a Mosquitto of our own.",
    ),
    Key(
        "mqtt_listen",
        "YIJIAN_MQTT_LISTEN",
        "127.0.0.1:1883",
        reading.address,
        "",
        "Where the embedded broker listens, `host:port`.",
    ),
    Key(
        "mqtt_anonymous",
        "YIJIAN_MQTT_ANONYMOUS",
        "false",
        reading.flag,
        "",
        "Whether devices may come to the embedded broker without a password. `true` only where it listens on "
        "loopback; `--demo` sets it there.",
    ),
    Key(
        "admin_token",
        "YIJIAN_ADMIN_TOKEN",
        "",
        reading.token,
        "a long random text",
        "An API token with every right, for the first steps. Better in the environment than in a file.",
    ),
    Key(
        "district",
        "YIJIAN_DISTRICT",
        "",
        reading.readable_file,
        "district.json",
        "A district file to load at every start: merged by id into what is there.",
    ),
    Key(
        "log",
        "YIJIAN_LOG",
        "console",
        reading.one_of(("console", "json")),
        "",
        "How the log on standard error is written: `console` (key=value) or `json`.",
    ),
    Key(
        "private_targets",
        "YIJIAN_PRIVATE_TARGETS",
        "false",
        reading.flag,
        "",
        "Whether webhooks and gateways may point at loopback and private addresses. `--demo` sets it for loopback.",
    ),
    Key(
        "memory_mb",
        "YIJIAN_MEMORY_MB",
        "2048",
        reading.count(0, 1_048_576),
        "",
        "How many MB of memory this process may take before somebody is told (at 70 %), where no cgroup (`MemoryMax=`) bounds "
        "it; 0 = neither is looked at.",
    ),
    Key(
        "alerts.public_url",
        "YIJIAN_PUBLIC_URL",
        "",
        reading.public_url,
        "https://yijian.example.cn",
        "What links in messages to people begin with: where their telephones find this installation. Without it "
        "messages hold no links.",
    ),
    Key(
        "alerts.templates",
        "YIJIAN_ALERT_TEMPLATES",
        "",
        reading.readable_folder,
        "/etc/yijian/texts",
        "A folder with texts of your own for SMS, `sms.zh-CN.toml` and `sms.en.toml`; copy ours from `config/texts/`. "
        "What is not there is ours.",
    ),
    Key(
        "alerts.per_hour",
        "YIJIAN_ALERTS_PER_HOUR",
        "12",
        reading.count(1, 1000),
        "",
        "How many messages with news a contact gets in an hour at most. What asks somebody to come is never counted.",
    ),
    Key(
        "map.file",
        "YIJIAN_MAP_FILE",
        "",
        reading.map_file,
        "/var/lib/yijian/weidu.pmtiles",
        "The base map of the console and the wall screen: `.pmtiles` (with vector or raster tiles) or `.geojson` "
        "(boundaries, roads, water). It is given out without a login: nothing private in it. Without one, or tiles, "
        "the district is drawn from the register.",
    ),
    Key(
        "map.tiles",
        "YIJIAN_MAP_TILES",
        "",
        reading.tile_url,
        "https://tiles.example.cn/{z}/{x}/{y}.png",
        "Where browsers get map tiles where there is no file, if they may reach the internet. The service learns which "
        "homes are looked at: better a file, or a server of your own.",
    ),
    Key(
        "map.datum",
        "YIJIAN_MAP_DATUM",
        "wgs84",
        reading.one_of(("wgs84", "gcj02")),
        "",
        "What the tiles, or the file's, are drawn in: `gcj02` for those of AMap and Tencent, else homes stand 500 m off. "
        "GeoJSON is always WGS 84. Baidu's tiles (BD-09) are cut otherwise and do not fit.",
    ),
    Key(
        "map.attribution",
        "YIJIAN_MAP_ATTRIBUTION",
        "",
        reading.text,
        "© OpenStreetMap contributors",
        "Whom the map thanks, in its corner.",
    ),
    Key(
        "retention.closed_days",
        "YIJIAN_RETENTION_DAYS",
        "1095",
        reading.count(0, 36_500),
        "",
        "How many days after its close a call is kept, with all that was said and sent about it; 0 = for ever. Open "
        "calls always are.",
    ),
    Key(
        "canary.every_seconds",
        "YIJIAN_CANARY_SECONDS",
        "300",
        reading.number(0, 86_400),
        "",
        "How often a press of our own goes all the way, from a button to a page and a webhook; when it does not come "
        "through any more, that is told. 0 = never.",
    ),
    Key(
        "canary.ping_url",
        "YIJIAN_CANARY_PING_URL",
        "",
        reading.web_url,
        "https://watch.example.org/ping/…",
        "An address that is fetched after each press of our own that came through. Whoever watches it there (a dead man's "
        "switch, such as healthchecks) raises when that stops, also when this machine is dead.",
    ),
    Key(
        "canary.ping_fail_url",
        "YIJIAN_CANARY_PING_FAIL_URL",
        "",
        reading.web_url,
        "https://watch.example.org/ping/…/fail",
        "An address that is fetched after each one that did not, where the other side has one.",
    ),
    Key(
        "oidc.issuer",
        "YIJIAN_OIDC_ISSUER",
        "",
        oidc.issuer,
        "https://sso.example.cn/realms/care",
        "The organisation's login (OpenID Connect), beside the password: the issuer, as the provider writes it itself. "
        "Its address must be public, or `private_targets` true. Without it there is no such login.",
    ),
    Key(
        "oidc.client_id",
        "YIJIAN_OIDC_CLIENT_ID",
        "",
        reading.token,
        "yijian",
        "What the provider calls us. The redirect address to register there: `https://…/login/oidc/back`, beginning as "
        "`alerts.public_url` does, or without one as browsers find this console.",
    ),
    Key(
        "oidc.client_secret",
        "YIJIAN_OIDC_CLIENT_SECRET",
        "",
        reading.token,
        "a-long-random-text",
        "The secret for it. Better in the environment than in a file. Without one: a public client, with PKCE alone.",
    ),
    Key("oidc.scopes", "YIJIAN_OIDC_SCOPES", "openid profile", oidc.scopes, "", "What is asked for."),
    Key(
        "oidc.claim",
        "YIJIAN_OIDC_CLAIM",
        "preferred_username",
        oidc.claim,
        "",
        "Which claim of the ID token is the login, a staff id of the register. People must not be able to change it "
        "themselves at the provider.",
    ),
    Key(
        "oidc.label_zh",
        "YIJIAN_OIDC_LABEL_ZH",
        "统一身份认证登录",
        oidc.label,
        "",
        "What stands on the button, in Chinese.",
    ),
    Key("oidc.label_en", "YIJIAN_OIDC_LABEL_EN", "Single sign-on", oidc.label, "", "And in English."),
    Key(
        "oidc.prompt",
        "YIJIAN_OIDC_PROMPT",
        "login",
        reading.one_of(oidc.PROMPTS),
        "",
        "`login`: the provider asks for a password each time, since PCs are shared; `select_account`: which account; "
        "`any`: as the provider likes, so that whoever is still logged in there comes in by one click.",
    ),
    Key(
        "oidc.acr",
        "YIJIAN_OIDC_ACR",
        "",
        oidc.words,
        "gold silver",
        "How somebody must have logged in there: one of these values of `acr`. Without it: however the provider likes.",
    ),
    Key(
        "oidc.amr",
        "YIJIAN_OIDC_AMR",
        "",
        oidc.words,
        "mfa",
        "By which means somebody must have logged in there: all of these in `amr`.",
    ),
    Key(
        "console.proxies",
        "YIJIAN_PROXIES",
        proxies.LOOPBACK,
        proxies.networks,
        "",
        "The proxies before us that are believed about `X-Forwarded-For` and `X-Forwarded-Proto`: addresses or networks, "
        "separated by commas. Without it those on this machine. From anybody else the two count for nothing.",
    ),
    Key(
        "demo.speed",
        "YIJIAN_DEMO_SPEED",
        "1",
        reading.number(0.1, 1000),
        "",
        "How many times faster than life the simulated town of `--demo` goes.",
    ),
)

#: Read by the command line itself, before any file.
OTHER_ENVIRONMENT: dict[str, str] = {
    "YIJIAN_DEBUG": "`1`: log at level debug, and show the traceback of an unexpected error. Tracebacks and debug "
    "lines may hold what people typed: never in production.",
}
