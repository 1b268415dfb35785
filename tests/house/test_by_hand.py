"""What the README has a person type works with the files it names; no server is needed to know that."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.settings import load
from devices.registry import families
from devices.yj_line import frame
from dispatcher.core import district_check
from gateway.decode import decode

ROOT = Path(__file__).resolve().parents[2]
FRAME = re.search(r"^\$E,.*$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_the_settings_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the README is walked through from the checkout
    settings = load(Path("docs/by-hand/yijian.toml"), {}, families())
    assert settings.admin_token is not None
    assert settings.admin_token in (ROOT / "README.md").read_text("utf-8")
    assert f"link={settings.lines[0].port}" in (ROOT / "README.md").read_text("utf-8")


def test_the_district_is_right_and_has_the_buttons() -> None:
    file, errors = district_check.check((ROOT / "docs/by-hand/district.json").read_bytes())
    assert errors == []
    assert file is not None
    assert {device.id for device in file.devices} == {"btn-01", "btn-02"}


def test_the_frame_of_the_radio_hub_is_answered_as_written() -> None:
    assert FRAME is not None
    assert FRAME.group().encode() + b"\r\n" == frame(*FRAME.group()[1:].partition("*")[0].split(","))
    signal, answer = decode("yj_line", FRAME.group().encode() + b"\n", now=datetime(2026, 11, 24, tzinfo=UTC))
    assert '"device":"btn-02","type":"press","key":"emergency"' in signal
    assert "$A,1042*E287" in answer
