"""Faults that many share: who has gone together, as one area or as a whole district, and when that is over.

    silent, or without mains ──in an area that is struck already──> joins it
                             ──enough homes of one area──────────> that area's fault, in the place of the single ones
                             ──ten of the district at once───────> `offline_many`
                             ──none of it────────────────────────> a fault of its own

One half of `supervision.py`: it says what is to be reported, and follows what was. What counts as struck is in `core/area.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from devices.signal import SignalType
from dispatcher.core import area as areas
from dispatcher.core.area import GATHER_SECONDS, NETWORK, STRUCK, Calm, Down, Home, Struck
from dispatcher.core.district import Device
from dispatcher.core.reports import Faulty, Mended, Report
from dispatcher.core.roll import Roll, Rolls
from dispatcher.core.supervise import (
    JOIN_SECONDS,
    MAINS,
    OFFLINE,
    OFFLINE_MANY,
    SHARED,
    Fallen,
    Health,
    Many,
    are_many,
    many_of,
)
from dispatcher.desk_reports import ReportBook
from dispatcher.fault_rounds import Told

#: A fault that many share grows at most so often.
GROW_SECONDS = 60.0
#: Sources named in one report.
SOURCES_MAX = 2000

_MAINS = {SignalType.MAINS_LOST: True, SignalType.MAINS_RESTORED: False}


class SharedFaults:
    """What many share, in one process. `health` and `behind` are those of supervision, `waiting` who is told soon."""

    def __init__(
        self,
        rolls: Rolls,
        book: ReportBook,
        time: Callable[[], float],
        health: Mapping[str, Health],
        behind: Mapping[str, set[str]],
        waiting: dict[str, float],
    ) -> None:
        self._rolls = rolls
        self._book = book
        self._time = time
        self._health = health
        self._behind = behind
        self._waiting = waiting
        self.held: dict[str, float] = {}  #: whose mains are gone, and when that is told
        self._many: dict[str, Many] = {}
        self._fallen: dict[str, Fallen] = {}
        self._struck: dict[str, Fallen] = {}
        self._alone: set[str] = set()  #: a person has ended what they shared: each has a fault of its own now
        self._ended: dict[str, float] = {}
        self._homes: dict[str, tuple[int, Counter[str]]] = {}
        self._undo: dict[str, dict[str, Many | None]] = {}

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────────────

    def mains(self, device: Device, source: str, kind: SignalType) -> bool:
        """Word of the mains; True where it is not told now, because others may say the same in a moment."""
        lost = _MAINS.get(kind)
        if lost is None:
            return False
        health = self._health[source]
        if not lost:
            self.held.pop(source, None)
            if health.dark:
                health.dark = False
                for many in self._many.values():
                    many.dark.discard(source)
            return False
        if health.dark or source in self.held:
            return True
        found = self._rolls.device_by_source(source)
        if MAINS in health.told or found is None:
            return False
        homes = self._homes_in(found[0])
        if not any(
            areas.may_be_struck(found[0], homes, home.area) for home in self._homes_of(source, device)
        ):
            return False
        self.hold(source, found[0].district.code)
        return True

    def hold(self, source: str, code: str) -> None:
        """Its mains are gone: told in a moment."""
        self.held[source] = self._time() + GATHER_SECONDS
        self._struck.setdefault(code, Fallen(areas.WITHIN_SECONDS)).add(self._time(), source)

    def is_dark(self, source: str) -> bool:
        """Whether its mains are gone and no fault of its own says so."""
        health = self._health.get(source)
        return source in self.held or (health is not None and health.dark)

    def fell(self, source: str, code: str) -> None:
        """It has fallen silent."""
        now = self._time()
        self._fallen.setdefault(code, Fallen()).add(now, source)
        self._struck.setdefault(code, Fallen(areas.WITHIN_SECONDS)).add(now, source)

    def back(self, source: str) -> None:
        """It is heard again."""
        for many in self._many.values():
            many.silent.discard(source)

    def forget(self, source: str) -> None:
        """It is off the register."""
        self.held.pop(source, None)
        self._alone.discard(source)
        for many in self._many.values():
            many.leave(source)

    @property
    def silent(self) -> int:
        """How many are silent together with others."""
        return sum(len(many.silent) for many in self._many.values())

    # ── who has gone together ────────────────────────────────────────────────────────────────────────────────────

    def due(self, now: float) -> dict[str, list[str]]:
        """Whose lost mains are to be told now, by district."""
        found: dict[str, list[str]] = {}
        for source in [source for source, at in self.held.items() if at <= now]:
            known = self._rolls.device_by_source(source)
            if known is None:
                del self.held[source]
            else:
                found.setdefault(known[0].district.code, []).append(source)
        return found

    def told(
        self, code: str, silent: Iterable[str], dark: Iterable[str], now: float, single: Callable[..., Report]
    ) -> Iterator[Told]:
        """What is reported of these of one district; `single` makes the report of a fault of its own."""
        rest, unlit = set(silent), set(dark)
        alone = {source for source in rest | unlit if source in self._alone}
        self._alone -= alone
        rest -= alone
        unlit -= alone
        roll = self._rolls.by_code[code]
        # Of the whole district: whatever is silent now belongs to it, and nobody asks where it lives.
        many = self._many.get(many_of(code))
        shared = many is not None and now - many.grown <= JOIN_SECONDS
        for report in self._joining(roll, rest, unlit, now):
            yield report, "", code
        if (rest and not shared) or unlit:
            for report in self._struck_now(roll, rest, unlit, now, shared=shared):
                yield report, "", code
        yield from self._together(code, rest, now)
        for source in sorted(rest | (alone & set(silent))):
            detail = "status" if self._health[source].off else "silent"
            yield single(source, OFFLINE, on=True, detail=detail), "", code
        for source in sorted(unlit | (alone & set(dark))):
            self.held.pop(source, None)
            yield single(source, MAINS, on=True), "", code

    def _joining(self, roll: Roll, rest: set[str], unlit: set[str], now: float) -> Iterator[Faulty]:
        """Who lives in an area that is struck already. Takes them out of the rest."""
        open_areas = {source for source in self._many if source.startswith("area/")}
        if not open_areas:
            return
        joining: dict[str, set[str]] = {}
        for source in rest | unlit:
            lines = (areas.path(roll, home.area) for home in self._homes_of(source))
            area = next(
                (one for line in lines for one in map(areas.source_of, line) if one in open_areas), None
            )
            if area is not None:
                joining.setdefault(area, set()).add(source)
        for area, sources in joining.items():
            many = self._many[area]
            if now - many.grown < GROW_SECONDS:
                later = many.grown + GROW_SECONDS
                self._waiting.update(dict.fromkeys(sources & rest, later))
                self.held.update(dict.fromkeys(sources & unlit, later))
            else:
                yield from self._reports(area, "", sources & rest, sources & unlit, ())
            rest -= sources
            unlit -= sources

    def _struck_now(
        self, roll: Roll, rest: set[str], unlit: set[str], now: float, *, shared: bool
    ) -> Iterator[Faulty]:
        """Areas that are struck by now, those told singly before included. Takes them out of the rest."""
        code = roll.district.code
        gone = self._struck.setdefault(code, Fallen(areas.WITHIN_SECONDS)).within(now)
        for source, many in self._many.items():
            if source.startswith("area/") and self._here(roll, source):
                gone |= many.silent | many.dark
        downs = [
            Down(source, self._homes_of(source), dark=self._unlit(source))
            for source in sorted(gone)
            if self._unlit(source) or (self._silent(source) and not shared)
        ]
        for one in areas.struck(roll, self._homes_in(roll), downs):
            area = areas.source_of(one.area)
            if one.area == code and one.kind == NETWORK:
                if rest:  # told below, as one
                    self._many.setdefault(many_of(code), Many(set(), 0, now)).grown = now - GROW_SECONDS
                continue
            if area in self._many:
                continue
            silent = {source for source in one.sources if self._silent(source)}
            dark = {source for source in one.sources if self._unlit(source)}
            yield from self._reports(area, one.kind, silent, dark, self._inside(roll, one))
            rest -= one.sources
            unlit -= one.sources

    def _inside(self, roll: Roll, struck: Struck) -> tuple[str, ...]:
        """The faults of areas inside this one, which come together in it."""
        inside = (
            source
            for source in self._many
            if source.startswith("area/") and struck.area in areas.path(roll, areas.area_of_source(source))
        )
        return tuple(sorted(inside))

    def _reports(
        self, area: str, kind: str, silent: Collection[str], dark: Collection[str], instead: tuple[str, ...]
    ) -> Iterator[Faulty]:
        named = sorted({*silent, *dark})
        for start in range(0, len(named), SOURCES_MAX):
            part = named[start : start + SOURCES_MAX]
            behind = {one for source in part for one in self._behind.get(source, ())} - {*silent, *dark}
            yield Faulty(
                fault=STRUCK,
                source=area,
                detail=kind,
                sources=tuple(source for source in part if source in silent),
                dark=tuple(source for source in part if source in dark),
                behind=tuple(sorted(behind)[:SOURCES_MAX]),
                instead=() if start else instead,
            )

    def _together(self, code: str, rest: set[str], now: float) -> Iterator[Told]:
        """Ten of the district at once, of no one area. Takes them out of the rest."""
        down = {
            one for one in self._fallen.setdefault(code, Fallen()).within(now) if self._silent(one, own=True)
        }
        many = self._many.get(many_of(code))
        if not rest:
            return
        if many is not None and now - many.grown < GROW_SECONDS:
            self._waiting.update(dict.fromkeys(rest, many.grown + GROW_SECONDS))
        elif are_many(len(down), sum(bool(self._behind.get(one)) for one in down)) or (
            many is not None and now - many.grown <= JOIN_SECONDS
        ):
            everybody = sorted({*rest, *(one for one in down if OFFLINE in self._health[one].told)})
            for start in range(0, len(everybody), SOURCES_MAX):
                part = tuple(everybody[start : start + SOURCES_MAX])
                yield Faulty(fault=OFFLINE_MANY, source=many_of(code), sources=part), "", code
        else:
            return
        rest.clear()

    def over(self) -> Iterator[Told]:
        """Of many nearly all are there again; not before the desk has come to know of them."""
        now = self._time()
        for source, many in self._many.items():
            fault = self._book.faults.get((source, OFFLINE_MANY if many.calm is None else STRUCK))
            if fault is None:
                continue
            well = many.over
            if many.calm.lasts(now, well=well) if many.calm is not None else well:
                silent, dark = tuple(sorted(many.silent)), tuple(sorted(many.dark))
                yield Mended(fault=fault.fault, source=source, sources=silent, dark=dark), "", fault.district

    def _silent(self, source: str, *, own: bool = False) -> bool:
        """Whether it is silent: by itself, or (not `own`) as one of an area."""
        health = self._health.get(source)
        if health is None or health.down:
            return health is not None
        return not own and any(source in many.silent for many in self._many.values() if many.calm is not None)

    def _unlit(self, source: str) -> bool:
        health = self._health.get(source)
        return health is not None and (health.dark or source in self.held or MAINS in health.told)

    def _here(self, roll: Roll, source: str) -> bool:
        area = areas.area_of_source(source)
        return area in roll.areas or area == roll.district.code

    def _homes_in(self, roll: Roll) -> Counter[str]:
        code = roll.district.code
        kept = self._homes.get(code)
        if kept is None or kept[0] != roll.version:
            kept = self._homes[code] = (roll.version, areas.homes_in(roll))
        return kept[1]

    def _homes_of(self, source: str, device: Device | None = None) -> tuple[Home, ...]:
        """Whose it is; of a hub, of all who speak through it."""
        found = self._rolls.device_by_source(source)
        if found is None:
            return ()
        roll = found[0]
        owners = {(device or found[1]).resident}
        for other in self._behind.get(source, ()):
            follower = roll.by_source.get(other)
            if follower is not None:
                owners.add(follower.resident)
        known = (roll.residents.get(owner) for owner in sorted(owners))
        return tuple(Home(one.id, one.area) for one in known if one is not None)

    # ── what was told ────────────────────────────────────────────────────────────────────────────────────────────

    def mark(self, report: Faulty | Mended) -> bool:
        """It is about to be stored; False where it is none of ours."""
        if report.fault not in SHARED:
            return False
        now, source = self._time(), report.source
        if isinstance(report, Mended):
            self._undo[source] = {source: self._many.pop(source, None)}
            if report.fault == STRUCK:
                self._ended = {one: at for one, at in self._ended.items() if now - at < areas.RELAPSE_SECONDS}
                self._ended[source] = now
            self._part(report.sources, report.dark)
            return True
        self._undo[source] = {one: _copy(self._many.get(one)) for one in (source, *report.instead)}
        for narrower in report.instead:
            self._many.pop(narrower, None)
        many = self._many.get(source)
        if many is None:
            again = now - self._ended.get(source, -areas.RELAPSE_SECONDS) < areas.RELAPSE_SECONDS
            calm = Calm(again=again) if report.fault == STRUCK else None
            many = self._many[source] = Many(set(), 0, now, calm=calm)
        many.join(now, report.sources, report.dark)
        self._share(report.sources, report.dark)
        return True

    def unmark(self, report: Faulty | Mended) -> bool:
        """It was not stored after all; False where it is none of ours."""
        if report.fault not in SHARED:
            return False
        if isinstance(report, Faulty):
            self._part(report.sources, report.dark, told=False)
            self._waiting.update(dict.fromkeys(report.sources, self._time() + GATHER_SECONDS))
            for source in report.sources:
                self._health[source].waiting = True
                # Who had a fault of its own has it still: it would have ended with this commit.
                self._health[source].tell(OFFLINE, on=(source, OFFLINE) in self._book.faults)
            for source in report.dark:
                self._health[source].tell(MAINS, on=(source, MAINS) in self._book.faults)
            self.held.update(dict.fromkeys(report.dark, self._time() + GATHER_SECONDS))
        for source, many in self._undo.pop(report.source, {}).items():
            if many is None:
                self._many.pop(source, None)
                continue
            self._many[source] = many
            known = {one: self._health[one] for one in many.members if one in self._health}
            if isinstance(report, Faulty):
                many.silent = {one for one in many.silent if one in known and not known[one].waiting}
            many.silent = {one for one in many.silent if one in known}
            many.dark = {one for one in many.dark if one in known and one not in self.held}
            self._share(many.silent, many.dark)
        return True

    def _share(self, silent: Iterable[str], dark: Iterable[str]) -> None:
        for source in silent:
            health = self._health.get(source)
            self._waiting.pop(source, None)
            if health is not None:
                health.many, health.waiting = True, False
                health.tell(OFFLINE, on=False)
        for source in dark:
            health = self._health.get(source)
            self.held.pop(source, None)
            if health is not None:
                health.dark = True
                health.tell(MAINS, on=False)

    def _part(self, silent: Iterable[str], dark: Iterable[str], *, told: bool = True) -> None:
        """They share it no more: each is told by itself (or nothing is)."""
        for source in silent:
            health = self._health.get(source)
            if health is not None:
                health.many = health.waiting = False
                self._waiting.pop(source, None)
                health.tell(OFFLINE, on=told)
        for source in dark:
            health = self._health.get(source)
            if health is not None:
                health.dark = False
                self.held.pop(source, None)
                health.tell(MAINS, on=told)

    def ended(self, source: str) -> bool:
        """The fault of this area is over, by a person or by the register: who is not well has one of its own."""
        many = self._many.get(source)
        if many is None or many.calm is None:
            return False
        del self._many[source]
        now = self._time()
        self._part(many.silent, many.dark, told=False)
        for one in many.silent:
            self._health[one].waiting = True
            self._health[one].settle()
            self._waiting[one] = now
        self.held.update(dict.fromkeys(many.dark, now))
        self._alone |= many.silent | many.dark
        for struck in self._struck.values():
            for one in many.members:
                struck.forget(one)
        return True

    def recall(self, dark: Collection[str]) -> None:
        """Go on from what is open; `dark`: whose mains were gone when they were last heard."""
        for (source, name), fault in self._book.faults.items():
            if name not in SHARED:
                continue
            body = fault.body
            known = {one: self._health[one] for one in (*body.members, *body.dark) if one in self._health}
            silent = {
                one
                for one in body.members
                if one in known and (known[one].off or known[one].heard_us <= fault.since_us)
            }
            unlit = {one for one in body.dark if one in known and one in dark}
            calm = Calm() if name == STRUCK else None
            total = max(1, len(known))
            many = self._many[source] = Many(silent, total, self._time() - JOIN_SECONDS, unlit, calm)
            many.members |= set(known)
            self._share(silent, unlit)
        for source in dark:
            found = self._rolls.device_by_source(source)
            health = self._health.get(source)
            if found is not None and health is not None and not health.dark and MAINS not in health.told:
                self.hold(source, found[0].district.code)


def _copy(many: Many | None) -> Many | None:
    if many is None:
        return None
    made = Many(set(many.silent), many.total, many.grown, many.dark, many.calm)
    made.members = set(many.members)
    return made
