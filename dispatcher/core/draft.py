"""A decision in the making: facts are added one by one, the call is folded along, nothing outside is touched."""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatcher.core.call import AnyFact, Call, Cause, Entry
from dispatcher.core.fold import fold


@dataclass(frozen=True, slots=True)
class Refused:
    """The desk says no: `status` as in HTTP (400, 404, 409), `code` for machines, `why` for people, `field` where one is wrong."""

    code: str
    why: str
    status: int = 409
    field: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An entry of the journal, with the call right after it."""

    entry: Entry
    call: Call | None


@dataclass(slots=True)
class Draft:
    """What is being decided about one call. `next_seq` is the number the next fact of this district gets."""

    district: str
    call_id: str
    call: Call | None
    now_us: int
    next_seq: int
    cause: Cause
    told: list[Told] = field(default_factory=list)

    def add(self, fact: AnyFact, *, device: str | None = None) -> Call:
        """Let this have happened, now. Returns the call after it."""
        entry = self._entry(fact, self.call_id, device if device is not None else self.cause.device)
        self.call = fold(self.call, entry)
        self.told.append(Told(entry, self.call))
        return self.call

    def aside(self, fact: AnyFact, *, device: str | None) -> None:
        """A fact of no call: a test that passed, a fault of a device."""
        self.told.append(Told(self._entry(fact, None, device), None))

    def _entry(self, fact: AnyFact, call: str | None, device: str | None) -> Entry:
        entry = Entry(
            district=self.district,
            seq=self.next_seq,
            at_us=self.now_us,
            call=call,
            device=device,
            cause=self.cause,
            fact=fact,
        )
        self.next_seq += 1
        return entry

    @property
    def moved(self) -> bool:
        """Whether anything told says something about the call itself."""
        return any(told.call is not None and told.call.seq == told.entry.seq for told in self.told)

    @property
    def now(self) -> Call:
        """The call as it stands."""
        assert self.call is not None
        return self.call
