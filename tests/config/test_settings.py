"""Every wrong setting is told at once, by its key, and no secret is ever repeated."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from config import document
from config.keys import KEYS
from config.oidc import OidcClient
from config.settings import Address, Settings, SettingsError, load
from devices.family import Line, Maturity, Transport

ROOT = Path(__file__).resolve().parents[2]


class Beeper:
    """A family that comes by every way and wants an even `level`."""

    name = "beeper"
    maturity = Maturity.DRAFT
    transports = frozenset(Transport)
    options: Mapping[str, str] = {"level": "An even number.", "key": "In hex."}

    def topics(self, base: str) -> list[str]:
        return [base]

    def session(self, options: Mapping[str, Any]) -> Any:
        if options.get("level", 0) % 2:
            raise ValueError("level must be even")
        if "key" in options:
            raise ValueError(f"key: {options['key']} is no hex")

    def emit(self, signal: Any) -> Any:
        raise NotImplementedError


class Panel(Beeper):
    """A family that comes by serial alone."""

    name = "panel"
    transports = frozenset({Transport.SERIAL})


FAMILIES: Any = {"beeper": Beeper(), "panel": Panel()}


def read(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    path = tmp_path / "yijian.toml"
    path.write_text(text, "utf-8")
    return load(path, environ, FAMILIES)


def wrong(tmp_path: Path, text: str = "", **environ: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, **environ)
    return dict(caught.value.errors)


def test_without_anything_the_defaults_are_the_contracts() -> None:
    settings = load(None, {}, {})
    assert settings.data == Path("data")
    assert settings.database == f"sqlite:///{Path('data').absolute()}/yijian.sqlite"
    assert settings.http == ("127.0.0.1", 12349)
    assert settings.mqtt is None
    assert settings.mqtt_listen == ("127.0.0.1", 1883)
    assert settings.mqtt_anonymous is False
    assert settings.admin_token is None
    assert settings.district is None
    assert settings.log == "console"
    assert settings.private_targets is False
    assert settings.speed == 1.0
    assert settings.lines == ()
    assert settings.sms == ()
    assert settings.public_url == ""
    assert settings.templates is None
    assert settings.news_per_hour == 12


def test_every_field_of_the_settings_has_a_key() -> None:
    gathered = {"lines", "sms", "oidc"}  # what stands in tables of its own, or is made of several
    alone = {key.field for key in KEYS if not key.name.startswith("oidc.")}
    assert {field.name for field in dataclasses.fields(Settings)} == alone | gathered
    assert {f"oidc_{field.name}" for field in dataclasses.fields(OidcClient)} == {
        key.field for key in KEYS if key.name.startswith("oidc.")
    }


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        'http = "127.0.0.1:1"\nlog = "json"\nprivate_targets = true',
        YIJIAN_HTTP="[::1]:2",
        YIJIAN_LOG="",
    )
    assert settings.http == Address("::1", 2)
    assert settings.log == "json"  # an empty variable is one that is not set
    assert settings.private_targets is True


def test_all_errors_come_at_once_each_with_its_key(tmp_path: Path) -> None:
    errors = wrong(
        tmp_path,
        """
        log = "loud"
        htpp = "127.0.0.1:1"
        colour = "red"
        mqtt_listen = "127.0.0.1"
        private_targets = "perhaps"
        [demo]
        speed = 0
        sped = 1
        """,
        YIJIAN_HTTP="127.0.0.1:99999",
        YIJIAN_MQTT="http://broker",
        YIJIAN_DATABASE="mysql://db",
        YIJIAN_ADMIN_TOKN="s3cret",
        YIJIAN_PORT="tcp://10.0.0.1:80",
    )
    assert set(errors) == {
        "log",
        "htpp",
        "colour",
        "mqtt_listen",
        "private_targets",
        "demo.speed",
        "demo.sped",
        "YIJIAN_HTTP",
        "YIJIAN_MQTT",
        "YIJIAN_DATABASE",
        "YIJIAN_ADMIN_TOKN",
    }
    assert "99999" in errors["YIJIAN_HTTP"]
    assert "is http meant?" in errors["htpp"]
    assert "YIJIAN_ADMIN_TOKEN" in errors["YIJIAN_ADMIN_TOKN"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("YIJIAN_HTTP", "12349"),
        ("YIJIAN_HTTP", ":12349"),
        ("YIJIAN_HTTP", "::1:12349"),
        ("YIJIAN_HTTP", "[here]:1"),
        ("YIJIAN_HTTP", "http://127.0.0.1:1"),
        ("YIJIAN_HTTP", "127.0.0.1:-1"),
        ("YIJIAN_HTTP", "127.0.0.1:٣"),
        ("YIJIAN_HTTP", "127.0.0.1:65536"),
        ("YIJIAN_MQTT_LISTEN", "127.0.0.1:0"),
        ("YIJIAN_MQTT", "mqtt://"),
        ("YIJIAN_MQTT", "mqtt://broker:99999"),
        ("YIJIAN_MQTT", "mqtt://broker:0"),
        ("YIJIAN_MQTT", "mqtt://broker/topic"),
        ("YIJIAN_DATABASE", "yijian.sqlite"),
        ("YIJIAN_DATABASE", "sqlite://"),
        ("YIJIAN_DATABASE", "sqlite:///"),
        ("YIJIAN_DATABASE", "postgresql://db"),
        ("YIJIAN_DISTRICT", "/nowhere/district.json"),
        ("YIJIAN_DISTRICT", "/"),
        ("YIJIAN_LOG", "JSON"),
        ("YIJIAN_MQTT_ANONYMOUS", "maybe"),
        ("YIJIAN_DEMO_SPEED", "nan"),
        ("YIJIAN_DEMO_SPEED", "fast"),
        ("YIJIAN_ADMIN_TOKEN", "with space"),
        ("YIJIAN_ADMIN_TOKEN", "密码"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(tmp_path: Path, variable: str, value: str) -> None:
    assert list(wrong(tmp_path, **{variable: value})) == [variable]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("data = 3", "data"),
        ("http = 12349", "http"),
        ("mqtt_anonymous = 1", "mqtt_anonymous"),
        ("demo = 3", "demo"),
        ("district = 2026-11-24", "district"),
        ("admin_token = ''", "admin_token"),
        ("gateway.lines = 3", "gateway.lines"),
        ("gateway.lanes = []", "gateway.lanes"),
        ("alerts.sms = ['http']", "alerts.sms"),
        ("alerts = 3", "alerts"),
        ("alerts.per_hour = 0", "alerts.per_hour"),
        ("alerts.per_hour = 1.5", "alerts.per_hour"),
        ("alerts.per_hour = 'many'", "alerts.per_hour"),
        ("alerts.templates = '/nowhere/texts'", "alerts.templates"),
        ("alerts.public_url = 'yijian.example.cn'", "alerts.public_url"),
        ("map.file = '/nowhere/weidu.pmtiles'", "map.file"),
        ("map.file = 'pyproject.toml'", "map.file"),
        ("map.tiles = 'https://tiles.example.cn/tiles.png'", "map.tiles"),
        ("map.tiles = 'https://{z}.example.cn/{x}/{y}.png'", "map.tiles"),
        ("map.tiles = 'https://u:p@tiles.example.cn/{z}/{x}/{y}.png'", "map.tiles"),
        ("map.tiles = \"https://t.example.cn; script-src '*'/{z}/{x}/{y}\"", "map.tiles"),
        ("map.datum = 'bd09'", "map.datum"),
        ("alerts.public_url = 'https://yijian.example.cn/?a'", "alerts.public_url"),
        ("alerts.public_url = 'https://u:p@yijian.example.cn/'", "alerts.public_url"),
        ("alerts.template = '/x'", "alerts.template"),
    ],
)
def test_a_wrong_line_of_the_file_is_refused_by_its_key(tmp_path: Path, line: str, key: str) -> None:
    assert list(wrong(tmp_path, line)) == [key]


def test_no_message_and_no_repr_repeats_a_secret(tmp_path: Path) -> None:
    secrets = {
        "YIJIAN_MQTT": "mqtt://user:s3cret@broker:0",
        "YIJIAN_DATABASE": "mysql://user:s3cret@db/x",
        "YIJIAN_ADMIN_TOKEN": "s3cret s3cret",
    }
    with pytest.raises(SettingsError) as caught:
        read(
            tmp_path,
            'gateway.lines = [{family = "beeper", transport = "http", path = "/x", key = "s3cret"}]\n',
            **secrets,
        )
    assert {error.key for error in caught.value.errors} == {*secrets, "gateway.lines[0]"}
    assert "s3cret" not in str(caught.value)
    settings = read(
        tmp_path,
        'gateway.lines = [{family = "beeper", transport = "http", path = "/x", secret = "s3cret"}]\n'
        'alerts.sms = [{kind = "http", url = "http://s3cret/${K}", body = "s3cret{phone}{text}", '
        'headers = {Authorization = "s3cret"}}]',
        K="s3cret",
        YIJIAN_MQTT="mqtt://user:s3cret@broker",
        YIJIAN_ADMIN_TOKEN="s3cret",
        YIJIAN_DATABASE="sqlite:///s3cret",
    )
    assert "s3cret" not in repr(settings)


def test_anonymous_is_for_loopback_alone(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.2", "broker.example", "[::]"):
        errors = wrong(tmp_path, "mqtt_anonymous = true", YIJIAN_MQTT_LISTEN=f"{host}:1883")
        assert list(errors) == ["mqtt_anonymous"]
    for host in ("127.0.0.1", "127.9.9.9", "localhost", "[::1]"):
        assert read(tmp_path, YIJIAN_MQTT_ANONYMOUS="true", YIJIAN_MQTT_LISTEN=f"{host}:1883").mqtt_anonymous


def test_two_listeners_on_one_address_are_refused(tmp_path: Path) -> None:
    assert list(wrong(tmp_path, YIJIAN_HTTP="127.0.0.1:1883")) == ["mqtt_listen"]
    assert read(tmp_path, YIJIAN_HTTP="127.0.0.1:1883", YIJIAN_MQTT="mqtt://broker").http.port == 1883


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "missing.toml", {}, {})
    errors = wrong(tmp_path, 'log = "json"\nhttp = 127.0.0.1:1\n')
    assert "line 2" in errors[str(tmp_path / "yijian.toml")]
    (tmp_path / "binary.toml").write_bytes(b"log = '\xff'")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(tmp_path / "binary.toml", {}, {})
    # What stands in the environment is checked all the same.
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "missing.toml", {"YIJIAN_LOG": "loud"}, {})
    assert len(caught.value.errors) == 2


def test_lines_become_lines(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
        [[gateway.lines]]
        family = "beeper"
        transport = "tcp"
        listen = "127.0.0.1:10009"
        level = 4
        [[gateway.lines]]
        family = "panel"
        port = "/dev/ttyUSB0"
        baud = 115200
        [[gateway.lines]]
        family = "beeper"
        transport = "mqtt"
        topic = "beep/er"
        """,
    )
    assert settings.lines == (
        Line("beeper", Transport.TCP, listen="127.0.0.1:10009", options={"level": 4}),
        Line("panel", Transport.SERIAL, port="/dev/ttyUSB0", baud=115200),
        Line("beeper", Transport.MQTT, topic="beep/er"),
    )


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("", ["family", "transport"]),
        ('family = "buzzer"\ntransport = "tcp"\nlisten = "127.0.0.1:1"', ["family"]),
        ('family = "beeper"', ["transport"]),
        ('family = "beeper"\ntransport = "pigeon"', ["transport"]),
        ('family = "panel"\ntransport = "tcp"', ["transport"]),
        ('family = "beeper"\ntransport = "tcp"', ["listen"]),
        ('family = "beeper"\ntransport = "tcp"\nlisten = "127.0.0.1:0"\nport = "/dev/x"', ["listen", "port"]),
        ('family = "panel"\nbaud = "fast"', ["port", "baud"]),
        ('family = "beeper"\ntransport = "mqtt"\ntopic = "a/#"', ["topic"]),
        ('family = "beeper"\ntransport = "http"\npath = "ingest"', ["path"]),
        ('family = "panel"\nport = "/dev/x"\nlevle = 2', ["levle"]),
        ('family = "panel"\nport = "/dev/x"\nlevel = 3', [""]),
    ],
)
def test_a_wrong_line_is_refused_by_its_keys(tmp_path: Path, line: str, keys: list[str]) -> None:
    errors = wrong(tmp_path, f"[[gateway.lines]]\n{line}")
    assert list(errors) == [f"gateway.lines[0].{key}" if key else "gateway.lines[0]" for key in keys]


def test_two_lines_at_one_place_are_refused(tmp_path: Path) -> None:
    line = '[[gateway.lines]]\nfamily = "panel"\nport = "/dev/x"\n'
    assert list(wrong(tmp_path, line + line)) == ["gateway.lines[1]"]


def test_where_links_begin_and_how_often_a_contact_is_told(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        f"""
        [alerts]
        public_url = "https://yijian.example.cn/care/"
        per_hour = 3
        templates = "{tmp_path}"
        """,
        YIJIAN_ALERTS_PER_HOUR="4",
    )
    assert settings.public_url == "https://yijian.example.cn/care"
    assert settings.news_per_hour == 4
    assert settings.templates == tmp_path
    assert read(tmp_path, 'alerts.public_url = ""').public_url == ""


def test_the_documents_are_up_to_date_and_name_every_key() -> None:
    assert (ROOT / "docs/settings.md").read_text("utf-8") == document.table()
    assert (ROOT / "config/yijian.toml").read_text("utf-8") == document.toml()
    assert all(key.env in document.toml() and key.env in document.table() for key in KEYS)


def test_the_documented_file_sets_nothing_and_is_right_once_uncommented(tmp_path: Path) -> None:
    assert tomllib.loads(document.toml()) == {}
    lines = document.toml().partition("# [[gateway.lines]]")[0].splitlines()
    settings = [line.removeprefix("# ") for line in lines if re.match(r"# (?:[a-z_]+ = |\[[a-z]+\]$)", line)]
    (tmp_path / "district.json").write_text("{}")
    text = "\n".join(settings).replace('"district.json"', f'"{tmp_path}/district.json"')
    text = text.replace("a long random text", "a-long-random-text").replace(
        "/etc/yijian/texts", str(tmp_path)
    )
    (tmp_path / "weidu.pmtiles").write_bytes(b"PMTiles\x03")
    text = text.replace("/var/lib/yijian/weidu.pmtiles", f"{tmp_path}/weidu.pmtiles")
    assert read(tmp_path, text).http == ("127.0.0.1", 12349)


def test_a_base_map_is_known_by_its_first_bytes(tmp_path):
    for name, content, wrong in (
        ("a.pmtiles", b"PMTiles\x03rest", None),
        ("a.pmtiles", b"PMTiles\x02rest", "version 3"),
        ("a.pmtiles", b"<html>", "version 3"),
        ("a.geojson", b'\xef\xbb\xbf\n {"type":"FeatureCollection"}', None),
        ("a.geojson", b"PK\x03\x04", "no GeoJSON"),
        ("a.png", b"\x89PNG", "must end with"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        if wrong is None:
            assert read(tmp_path, f"map.file = '{path}'").map_file == path
        else:
            with pytest.raises(SettingsError, match=wrong):
                read(tmp_path, f"map.file = '{path}'")
