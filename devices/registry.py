"""Finds the device families: every module of this folder that has a `FAMILY`.

Nothing registers itself by being imported; a new file is found because it is there. The first look is remembered.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import devices
from devices.family import Family


class UnknownFamilyError(LookupError):
    """No device family has that name."""


@cache
def families() -> Mapping[str, Family]:
    """All families by name, in the order of their names. Two of one name are an error, never "the last one wins"."""
    found: dict[str, Family] = {}
    home: dict[str, str] = {}
    for module_info in sorted(pkgutil.iter_modules(devices.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"devices.{module_info.name}")
        family: Family | None = getattr(module, "FAMILY", None)
        if family is None:
            continue
        if family.name in found:
            raise RuntimeError(
                f"two device families are named {family.name}: {home[family.name]} and {module.__name__}"
            )
        found[family.name] = family
        home[family.name] = module.__name__
    return MappingProxyType(found)


def family(name: str) -> Family:
    """The family of that name; UnknownFamilyError says which names there are."""
    try:
        return families()[name]
    except KeyError:
        raise UnknownFamilyError(
            f"there is no device family {name!r}; known are: {', '.join(families())}"
        ) from None
