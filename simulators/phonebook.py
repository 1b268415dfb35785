"""Whose telephone is whose in a district, and which webhook belongs to which relative.

book = Phonebook.of(document)
book.owner("+99913812345678")      # Owner(kind="relative", name="王丽", relation="daughter", of="李秀英", …)
book.targets("+99913812345678")    # ("r-00012/0",): the first contact of r-00012
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: What contacts are to the resident, in English and Chinese; what is not in here is shown as it stands.
RELATIONS: dict[str, tuple[str, str]] = {
    "daughter": ("daughter", "女儿"),
    "son": ("son", "儿子"),
    "spouse": ("spouse", "老伴"),
    "daughter_in_law": ("daughter-in-law", "儿媳"),
    "son_in_law": ("son-in-law", "女婿"),
    "grandchild": ("grandchild", "孙辈"),
    "niece": ("niece", "侄女"),
    "neighbour": ("neighbour", "邻居"),
}


class OwnerKind(StrEnum):
    """Who can be at the other end."""

    RELATIVE = "relative"
    STAFF = "staff"
    SYSTEM = "system"  #: another system, that hears by webhook
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has a telephone, or hears by a webhook. `of`: the resident, or the station."""

    kind: OwnerKind = OwnerKind.UNKNOWN
    name: str = ""
    relation: str = ""
    of: str = ""


@dataclass(slots=True)
class Phonebook:
    """All numbers and webhooks of a district file."""

    owners: dict[str, Owner] = field(default_factory=dict)
    #: A contact as the API names it, `{resident}/{place}`; two residents may have the same daughter.
    contacts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    #: Whose webhook it is has a telephone too: both are the same person's.
    telephones: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, district: Mapping[str, Any]) -> Phonebook:
        """The book of this district."""
        book = cls()
        stations = {row["id"]: row.get("name") or row["id"] for row in district.get("stations", ())}
        for row in district.get("webhooks", ()):
            book.owners[row["id"]] = Owner(OwnerKind.SYSTEM, row["id"])
            if row.get("secret"):
                book.secrets[row["id"]] = row["secret"]
        for row in district.get("stations", ()):
            book._add(row.get("phone"), Owner(OwnerKind.STAFF, stations[row["id"]]))
            on_call = row.get("on_call") or {}
            book._add(on_call.get("phone"), Owner(OwnerKind.STAFF, stations[row["id"]]))
        for row in district.get("staff", ()):
            station = stations.get(row.get("station", ""), "")
            book._add(row.get("phone"), Owner(OwnerKind.STAFF, row.get("name", ""), of=station))
        for resident in district.get("residents", ()):
            for place, contact in enumerate(resident.get("contacts", ())):
                book._add_contact(resident, place, contact)
        return book

    def owner(self, to: str) -> Owner:
        """Who hears under this number, or by this webhook."""
        return self.owners.get(to) or Owner()

    def targets(self, to: str) -> tuple[str, ...]:
        """The contacts that hear there; none where it is nobody's relative."""
        return self.contacts.get(to, ())

    def telephone(self, to: str) -> str:
        """The number under which everything of its owner is kept: a contact's webhook is in their telephone."""
        return self.telephones.get(to, to)

    def _add(self, to: str | None, owner: Owner) -> None:
        if to:
            self.owners.setdefault(to, owner)

    def _add_contact(self, resident: Mapping[str, Any], place: int, contact: Mapping[str, Any]) -> None:
        owner = Owner(
            OwnerKind.RELATIVE, contact.get("name", ""), contact.get("relation", ""), resident.get("name", "")
        )
        target = f"{resident['id']}/{place}"
        for to in (contact.get("phone"), contact.get("webhook")):
            if not to:
                continue
            if to == contact.get("webhook"):
                self.owners[to] = owner
                if contact.get("phone"):
                    self.telephones[to] = contact["phone"]
            else:
                self._add(to, owner)
            self.contacts[to] = (*self.contacts.get(to, ()), target)
