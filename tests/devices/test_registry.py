"""The registry finds families by their being there, and refuses two of one name."""

from __future__ import annotations

import sys
import types

import pytest

import devices
from devices import registry
from devices.native import Native


def test_two_of_one_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "another.py").write_text("from devices.native import Native\nFAMILY = Native()\n")
    monkeypatch.setattr(devices, "__path__", [*devices.__path__, str(tmp_path)])
    with pytest.raises(RuntimeError, match=r"native.*devices.another and devices.native"):
        registry.families.__wrapped__()
    sys.modules.pop("devices.another", None)


def test_a_module_without_a_family_is_none() -> None:
    assert not hasattr(sys.modules["devices.family"], "FAMILY")
    assert isinstance(registry.families()["native"], Native)
    assert isinstance(registry.families(), types.MappingProxyType)
