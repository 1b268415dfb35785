"""SMS providers in the settings: everything that is wrong is told at once, by its key, and no secret is repeated."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from config import document
from config.settings import Settings, SettingsError, load
from config.sms import SMS_KEYS, Accepted, Slot

GOOD = """
[[alerts.sms]]
kind = "http"
url = "https://sms.example/send"
body = '{"to":"{phone}","content":"{text}"}'
"""


def read(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "yijian.toml"
    path.write_text(text, "utf-8")
    return load(path, environ, {})


def wrong(tmp_path: Path, text: str, **environ: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, **environ)
    errors = caught.value.errors
    assert len(dict(errors)) == len(errors), [error.key for error in errors]  # one slip is one line
    return dict(errors)


def test_a_short_provider_has_defaults(tmp_path: Path) -> None:
    (provider,) = read(tmp_path, GOOD).sms
    assert provider.name == "sms-1"
    assert provider.method == "POST"
    assert provider.url == ("https://sms.example/send",)
    assert provider.body == ('{"to":"', Slot("phone"), '","content":"', Slot("text"), '"}')
    assert provider.headers == (("Content-Type", ("application/json; charset=utf-8",)),)
    assert provider.writing == "json"
    assert provider.accepted == Accepted(("2xx",), ())
    assert provider.id_from == ()
    assert provider.timeout_seconds == 5


def test_the_documented_example_is_right(tmp_path: Path) -> None:
    first, second = read(tmp_path, "\n".join(document.SMS_EXAMPLE), SMS_TOKEN="s3cret", SMS_KEY="s3cret&").sms
    assert (first.name, first.writing, first.accepted.answers, first.id_from) == (
        "first",
        "json",
        ((("code",), "0"),),
        ("data", "sid"),
    )
    assert dict(first.headers)["Authorization"] == ("Bearer s3cret",)
    assert (second.name, second.writing, second.timeout_seconds) == ("second", "form", 8)
    assert second.accepted.status(202)
    assert not second.accepted.status(201)
    assert "s3cret%26" in "".join(part for part in second.body if isinstance(part, str))
    assert "s3cret" not in repr((first, second))
    in_file = document.toml().partition("# [[alerts.sms]]")
    uncommented = re.sub(r"^# ?", "", in_file[1] + in_file[2], flags=re.MULTILINE)
    assert tomllib.loads(uncommented) == tomllib.loads("\n".join(document.SMS_EXAMPLE))
    assert all(f"| `{key.name}` |" in document.table() for key in SMS_KEYS)


def test_everything_wrong_is_told_at_once_each_with_its_key(tmp_path: Path) -> None:
    errors = wrong(
        tmp_path,
        """
        alerts.per_hour = 0
        [[alerts.sms]]
        kind = "http"
        name = "a b"
        url = "ftp://sms.example/"
        method = "PATCH"
        headers = { Authorization = "Bearer ${SMS_TOKEN}", Host = "x", "a b" = "c" }
        body = '{"to":{phone}}'
        accepted = "ok"
        id_from = "a..b"
        timeout = 0
        retries = 3
        [[alerts.sms]]
        url = 7
        [[alerts.sms]]
        kind = "smpp"
        url = "https://sms.example/"
        body = "to={phone}&msg={txt}"
        """,
    )
    assert set(errors) == {
        "alerts.per_hour",
        "alerts.sms[0].name",
        "alerts.sms[0].url",
        "alerts.sms[0].method",
        "alerts.sms[0].headers",
        "alerts.sms[0].headers.Authorization",
        "alerts.sms[0].headers.Host",
        "alerts.sms[0].body",
        "alerts.sms[0].accepted",
        "alerts.sms[0].id_from",
        "alerts.sms[0].timeout",
        "alerts.sms[0].retries",
        "alerts.sms[1].kind",
        "alerts.sms[1].url",
        "alerts.sms[2].kind",
        "alerts.sms[2].body",
    }
    assert (
        errors["alerts.sms[0].headers.Authorization"]
        == "the variable SMS_TOKEN is not set in the environment"
    )
    assert "to={phone}" not in str(errors)


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("url = ''", "url", "is empty"),
        ("url = 'https://'", "url", "must be an http"),
        ("url = 'https://user:s3cret@sms.example/'", "url", "has a user or a password"),
        ("url = 'http://2130706433/'", "url", "has a number for a host"),
        ("url = 'https://sms.example/ x'", "url", "has spaces"),
        ("url = 'https://{phone}.example/'", "url", "has a placeholder before the end of the host"),
        ("url = 'https://sms.example:{id}/'", "url", "is no URL"),
        (
            "url = 'https://sms.example/{who}'",
            "url",
            "has the placeholder {who}; here can stand {phone}, {text}, {id}",
        ),
        ("url = 'https://sms.example/${NOWHERE}'", "url", "the variable NOWHERE is not set"),
        ("url = 'https://sms.example/${s3 cret}'", "url", "has a ${…} that is no name of a variable"),
        ("url = '${NOWHERE}'", "url", "the variable NOWHERE is not set"),
        ('body = \'{"to":"{phone}"}\'', "body", "has no {text}, and neither has url"),
        ("body = 'to={phone}&msg={text}&x={id'", None, ""),
        ('body = \'{"to":{phone},"msg":"{text}"}\'', "body", "is no JSON once it is filled in"),
        ('body = \'{"to":"{phone}","msg":"{text}"\'', "body", "is no JSON once it is filled in"),
        ("body = 7", "body", "is no text in quotes"),
        ("body = '{phone}{text}{pin}'", "body", "has the placeholder {pin}"),
        ("method = 'post'", None, ""),
        ("method = 'GET'", "body", "has no meaning for a GET"),
        ("headers = 'x'", "headers", "is a table"),
        ("headers = { X-A = 7 }", "headers.X-A", "is no text in quotes"),
        ("headers = { X-A = 'a{phone}' }", "headers.X-A", "has the placeholder {phone}; here can stand {id}"),
        ("headers = { X-A = '短信' }", "headers.X-A", "printable ASCII"),
        ('headers = { X-A = "a\\r\\nX-B: c" }', "headers.X-A", "printable ASCII"),
        ("headers = { X-A = 'a', x-a = 'b' }", "headers.x-a", "stands there twice"),
        ("headers = { Content-Length = '7' }", "headers.Content-Length", "is set by the sender itself"),
        ("headers = { X-A = '${BROKEN}' }", "headers.X-A", "the variable BROKEN has control characters"),
        ("accepted = []", "accepted", "must name 1 to 50"),
        ("accepted = true", "accepted", "is no text such as"),
        ("accepted = 'OK'", "accepted", "names a status that is none"),
        ("accepted = '6xx'", "accepted", "names a status that is none"),
        ("accepted = 'a b=OK'", "accepted", "no path"),
        ("accepted = [200, 'Code=OK']", None, ""),
        ("id_from = ''", "id_from", "is empty"),
        ("id_from = 'a=b'", "id_from", "is no path"),
        ("timeout = 31", "timeout", "must be from 0.5 to 30"),
        ("timeout = '2.5'", None, ""),
        ("name = 'sms/1'", "name", "must be 1 to 40"),
        ("kind = 'smpp'", "kind", 'must be "http"'),
        ("secret = 's3cret'", "secret", "no such key; there are kind, name, url"),
    ],
)
def test_a_wrong_key_is_refused_by_its_name(tmp_path: Path, line: str, key: str | None, message: str) -> None:
    name = line.partition(" ")[0]
    text = "\n".join(other for other in GOOD.splitlines() if not other.startswith(f"{name} ")) + f"\n{line}\n"
    environ = {"BROKEN": "s3cret\r\nX-B: c"}
    if key is None:
        assert len(read(tmp_path, text, **environ).sms) == 1
        return
    errors = wrong(tmp_path, text, **environ)
    assert message in errors[f"alerts.sms[0].{key}"]
    assert "s3cret" not in "".join(errors.values())


def test_two_of_one_name_and_too_many_are_refused(tmp_path: Path) -> None:
    assert list(wrong(tmp_path, GOOD + GOOD + 'name = "sms-1"')) == ["alerts.sms[1].name"]
    assert list(wrong(tmp_path, GOOD * 11)) == ["alerts.sms"]


def test_a_variable_may_be_the_whole_url_and_named_like_ours(tmp_path: Path) -> None:
    text = GOOD.replace("https://sms.example/send", "${YIJIAN_ADMIN_TOKEM}")
    url = "https://sms.example/send?to={phone}"
    (provider,) = read(tmp_path, text, YIJIAN_ADMIN_TOKEM=url).sms
    assert provider.url == ("https://sms.example/send?to=", Slot("phone"))
    assert list(wrong(tmp_path, text, YIJIAN_ADMIN_TOKEM="s3cret")) == ["alerts.sms[0].url"]
    assert list(wrong(tmp_path, GOOD, YIJIAN_ADMIN_TOKEM="x")) == ["YIJIAN_ADMIN_TOKEM"]


@pytest.mark.parametrize(
    ("body", "headers", "writing"),
    [
        ('{"a":"{phone}{text}"}', "", "json"),
        (' [ "{phone}", "{text}" ]', "", "json"),
        ("to={phone}&msg={text}", "", "form"),
        ("{phone}={text}", "", "form"),
        ('{"a":"{phone}{text}"}', "application/vnd.sms+json", "json"),
        ("to={phone}&msg={text}", "application/x-www-form-urlencoded", "form"),
        ("<a>{phone}{text}</a>", "application/xml", "xml"),
        ("{phone} {text}", "text/plain", "plain"),
    ],
)
def test_how_values_are_written_follows_the_type_or_else_the_body(
    tmp_path: Path, body: str, headers: str, writing: str
) -> None:
    text = f"[[alerts.sms]]\nkind = 'http'\nurl = 'https://sms.example/'\nbody = '{body}'\n"
    if headers:
        text += f"headers = {{ content-type = '{headers}' }}\n"
    (provider,) = read(tmp_path, text).sms
    assert provider.writing == writing
    assert len(provider.headers) == 1  # the type that was given stands, or ours where none was
