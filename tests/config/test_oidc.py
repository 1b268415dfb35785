"""The organisation's login in the settings: all of it or none, and its secret is repeated nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.oidc import OidcClient
from config.settings import Settings, SettingsError, load

ISSUER = "https://sso.example.cn/realms/care"


def read(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    path = tmp_path / "yijian.toml"
    path.write_text(text, "utf-8")
    return load(path, environ, {})


def wrong(tmp_path: Path, text: str = "", **environ: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, **environ)
    return dict(caught.value.errors)


def test_without_an_issuer_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path).oidc is None


def test_the_file_says_where_and_the_environment_keeps_the_secret(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        f'[oidc]\nissuer = "{ISSUER}"\nclient_id = "yijian"\nclaim = "staff_no"\nacr = "gold silver"',
        YIJIAN_OIDC_CLIENT_SECRET="s3cret-of-ours",
        YIJIAN_OIDC_LABEL_EN="City login",
    )
    assert settings.oidc == OidcClient(
        issuer=ISSUER,
        client_id="yijian",
        client_secret="s3cret-of-ours",
        claim="staff_no",
        label_zh="统一身份认证登录",
        label_en="City login",
        acr=("gold", "silver"),
    )
    assert "s3cret-of-ours" not in repr(settings)


@pytest.mark.parametrize("issuer", ["http://localhost:8080/a", "http://127.0.0.1:80", "http://[::1]:8080/x"])
def test_one_on_this_machine_may_be_without_tls(tmp_path: Path, issuer: str) -> None:
    settings = read(tmp_path, YIJIAN_OIDC_ISSUER=issuer, YIJIAN_OIDC_CLIENT_ID="yijian")
    assert settings.oidc is not None
    assert settings.oidc.issuer == issuer


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ISSUER", "http://sso.example.cn", "must begin with https://"),
        ("ISSUER", "http://127.0.0.1.example.cn", "must begin with https://"),
        ("ISSUER", "https://sso.example.cn/?a=b", "must end with the host or a path"),
        ("ISSUER", "https://u:hidden-word@sso.example.cn", "has a user or a password"),
        ("SCOPES", "profile email", "must hold openid"),
        ("CLAIM", "preferred username", "is no name of a claim"),
        ("LABEL_ZH", "字" * 41, "must be a line of at most 40 letters"),
        ("PROMPT", "none", "must be login or select_account or any"),
        ("ACR", 'go"ld', "must be at most 20 words"),
        ("CLIENT_SECRET", "hidden word", "may hold only printable ASCII letters"),
    ],
)
def test_each_wrong_one_is_told_once_by_its_name(tmp_path: Path, name: str, value: str, says: str) -> None:
    environ = {"YIJIAN_OIDC_ISSUER": ISSUER, "YIJIAN_OIDC_CLIENT_ID": "yijian", f"YIJIAN_OIDC_{name}": value}
    told = wrong(tmp_path, **environ)
    assert list(told) == [f"YIJIAN_OIDC_{name}"]
    assert says in told[f"YIJIAN_OIDC_{name}"]
    assert "hidden" not in str(told)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ('oidc.client_id = "yijian"', "oidc.issuer"),
        (f'oidc.issuer = "{ISSUER}"', "oidc.client_id"),
        ('oidc.client_secret = "alone"', "oidc.issuer"),
    ],
)
def test_half_of_it_is_told(tmp_path: Path, text: str, missing: str) -> None:
    assert list(wrong(tmp_path, text)) == [missing]


def test_an_unknown_name_in_the_section_is_told(tmp_path: Path) -> None:
    assert "is oidc.issuer meant?" in wrong(tmp_path, f'oidc.isuer = "{ISSUER}"')["oidc.isuer"]
