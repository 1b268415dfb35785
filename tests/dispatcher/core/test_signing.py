"""Signatures of webhooks, beside a stranger's library; and what a webhook's url and secret must be like."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Stranger

from dispatcher.core import district_rules
from dispatcher.core.district import Webhook
from dispatcher.core.shapes import Report
from dispatcher.core.signing import KEY_BYTES_MAX, signature, signing_key


@given(
    st.binary(min_size=1, max_size=64),
    st.text("abc-019.", min_size=1),
    st.integers(0, 4_000_000_000),
    st.text(),
)
def test_a_strangers_library_signs_alike(key: bytes, message_id: str, seconds: int, text: str) -> None:
    body = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    secret = "whsec_" + base64.b64encode(key).decode()
    theirs = Stranger(secret).sign(message_id, datetime.fromtimestamp(seconds, UTC), body)
    assert signing_key(secret) == key
    assert signature(key, message_id, seconds, body.encode()) == theirs


def faults(**fields: str) -> dict[str, str]:
    report = Report()
    district_rules.webhook(
        Webhook(**({"id": "wh-1", "url": "https://hooks.example/x"} | fields)), "w", report
    )
    return {error.path: error.error for error in report.problems}


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("s3cret", "does not begin with whsec_"),
        ("whsec_", "nothing stands after whsec_"),
        ("whsec_s3 cret", "what stands after whsec_ is none"),
        ("whsec_s3cret_-", "what stands after whsec_ is none"),  # the alphabet of URLs is another one
        ("whsec_s3cre", "what stands after whsec_ is none"),
        ("whsec_密码", "what stands after whsec_ is none"),
        ("WHSEC_c2VjcmV0", "does not begin with whsec_"),
        ("whsec_" + base64.b64encode(bytes(KEY_BYTES_MAX + 1)).decode(), "more than 512 bytes"),
    ],
)
def test_a_wrong_secret_is_told_and_not_repeated(secret: str, says: str) -> None:
    errors = faults(secret=secret)
    assert list(errors) == ["w.secret"]
    assert says in errors["w.secret"]
    assert "s3c" not in errors["w.secret"]


def test_secrets_that_are_right() -> None:
    for secret in ("", "whsec_c2VjcmV0", "whsec_c2VjcmV0cw==", "whsec_c2VjcmV0cw", "whsec_+/+/"):
        assert faults(secret=secret) == {}
    assert signing_key("") == b""
    assert signing_key("whsec_c2VjcmV0cw") == signing_key("whsec_c2VjcmV0cw==") == b"secrets"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is empty"),
        ("hooks.example/x", "http:// or https:// URL"),
        ("ftp://hooks.example/", "http:// or https:// URL"),
        ("https:///x", "with a host"),
        ("https://hooks.example:0/", "with a host"),
        ("https://user:s3cret@hooks.example/", "a user or a password"),
        ("https://s3cret@hooks.example/", "a user or a password"),
        ("https://hooks.example\\@inner/", "backslashes"),
        ("https://hooks.example/\u00a0", "spaces"),
        ("http://2130706433/", "a number for a host"),
        ("http://0x7f.1/", "a number for a host"),
        ("http://127.1/", "a number for a host"),
        ("http://0177.0.0.1/", "a number for a host"),
        ("https://hooks.example/" + "x" * 2000, "longer than 2000"),
    ],
)
def test_a_wrong_url_is_told_and_not_repeated(url: str, says: str) -> None:
    errors = faults(url=url)
    assert list(errors) == ["w.url"]
    assert says in errors["w.url"]
    assert "s3cret" not in errors["w.url"]


def test_urls_that_are_right() -> None:
    for url in (
        "http://127.0.0.1:9/x",
        "http://[::1]:9/",
        "https://例子.cn/x?key=a%2Bb#c",
        "https://hooks1.example/@me",
    ):
        assert faults(url=url) == {}
