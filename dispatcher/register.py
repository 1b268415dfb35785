"""The register: residents, stations, devices, staff, areas, webhooks and policies, stored and in memory.

    await register.load()                          # at start: the rolls, made of the rows
    await register.merge(content)                  # a district file: all of it or nothing
    item, new = await register.put("stations", {"id": "st-01", "kind": "day_care"}, "411002")

In short, the rule is: rows first, then memory. A change is checked, committed in one transaction, and only then seen by
the desk, in one go; changes wait for each other. Who asks and goes away does not leave the two out of step.

There always is a district, so that a press of an unknown device has one: on an empty installation it is `default`, and
whatever is registered goes there. The first district that is loaded takes all of that over and is the default from then
on; a call that was opened before keeps its district. A district always has a desk: one is made where none is named,
and goes when a named one comes. `export` does not show it, unless somebody changed it.

Errors: `WrongInput` with every problem; `InUse`, an open call needs it; `StoreUnavailable`, try again later.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from config.doors import Clock
from dispatcher import register_history as history
from dispatcher import register_rows as rows
from dispatcher.core import district_check
from dispatcher.core.district import DistrictFile, Policy, Role, Staff
from dispatcher.core.roll import Item, Roll, Rolls
from dispatcher.core.shapes import Problem, shown
from dispatcher.finding import Finder
from dispatcher.register_change import (
    DEFAULT,
    Change,
    KnownRolls,
    generated_desk,
    is_placeholder,
    lifted,
    placeholder,
)
from dispatcher.store import Do, OutcomeUnknown, Row, Store, StoreUnavailable

#: A file this large is checked in a thread: the loop goes on meanwhile, presses come in.
_THREAD_BYTES = 262_144
#: So many rows are made in one go before the loop gets a turn.
_ROWS_A_TURN = 2_000
#: A write whose outcome nobody knows is done again after so long, so often.
_AGAIN_SECONDS = 0.5
_AGAIN_MAX = 120


class WrongInput(Exception):  # noqa: N818
    """What was to be registered is wrong: `errors` has every problem with its path."""

    def __init__(self, errors: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{error.path}: {error.error}" for error in errors[:20]))
        self.errors = list(errors)


class InUse(Exception):  # noqa: N818
    """An open call needs what was to be deleted. `call` is its id."""

    def __init__(self, call: str) -> None:
        super().__init__(f"the open call {call} needs it")
        self.call = call


class Register:
    """The register of one process. `needed_by(section, id)` says which open call needs an item; None: none does."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        rolls: Rolls | None = None,
        needed_by: Callable[[str, str], str | None] = lambda _kind, _id: None,
    ) -> None:
        self.rolls = rolls if rolls is not None else Rolls()
        self.needed_by = needed_by
        self.finder = Finder()
        self._store = store
        self._clock = clock
        self._roads: dict[str, str] = {}
        self._places: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._number = 0  #: of the change that is being written; nothing but its history needs it
        self._sorted: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.changes = 0  #: goes up with every change of what a district file holds

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def load(self) -> None:
        """Make the rolls of what is stored; on an installation without a district, the default one."""
        async with self._lock:
            stored = await rows.load(self._store, self._clock.now_us())
            self._roads, self._places = stored.roads, stored.places
            by_code = self.rolls.by_code
            by_code.clear()
            by_code.update(stored.rolls)
            real = [code for code, roll in by_code.items() if not is_placeholder(roll)]
            self.rolls.default_code = real[0] if real else DEFAULT
            change = Change(self.rolls)
            if not by_code:
                change.add_district(placeholder(), 0, self._clock.now_us())
            # Which calls are open is not known yet: a made desk may be needed, and stays.
            change.see_to_desks(list(by_code.values()), lambda _kind, _id: "")
            await self._commit(change)

    def known(self) -> KnownRolls:
        """What is registered, as a check wants to know it."""
        return KnownRolls(self.rolls)

    def export(self, district: str = "") -> DistrictFile:
        """The district as a file, its items in order of their ids. Raises WrongInput on an unknown district."""
        roll = self._roll(district)
        desk = generated_desk(roll)
        sections = {
            section: [item for _id, item in sorted(getattr(roll, section).items())]
            for section in rows.SECTIONS
        }
        sections["stations"] = [station for station in sections["stations"] if station != desk]
        return DistrictFile(
            district=None if is_placeholder(roll) else roll.district,
            policies=dict(sorted(roll.policies.items())),
            roads=self._roads.get(roll.district.code, ""),
            **sections,
        )

    def page(
        self,
        section: str,
        after_id: str = "",
        limit: int = 100,
        keep: Callable[[Roll, Any], bool] | None = None,
        district: str = "",
    ) -> tuple[list[Any], str | None]:
        """So many items of a district by id, those that `keep` wants, and the id to go on after; None: no more."""
        roll = self._roll(district)
        key = (roll.district.code, section)
        version, ids = self._sorted.get(key, (-1, []))
        items: dict[str, Any] = getattr(roll, section)
        if version != roll.version:
            ids = sorted(items)
            self._sorted[key] = (roll.version, ids)
        found: list[Any] = []
        for place in range(bisect_right(ids, after_id), len(ids)):
            item = items[ids[place]]
            if keep is None or keep(roll, item):
                if len(found) == limit:
                    return found, rows.id_of(found[-1])
                found.append(item)
        return found, None

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(
        self,
        section: str,
        item: Mapping[str, Any] | Item,
        district: str = "",
        within: str = "",
        *,
        by: str = "",
    ) -> tuple[Item, bool]:
        """Add or replace one; the item as it is kept, and whether it is new.

        Without a district an item stays where it is, and a new one goes to the default one. `within`: whoever asks sees
        this district only, and no error names anything beyond it. `by`: who it was, for the history.
        """
        members: Mapping[str, Any] = item if isinstance(item, Mapping) else msgspec.to_builtins(item)
        given_id = members.get("code" if section == "areas" else "id")
        item_id = given_id if isinstance(given_id, str) else ""
        async with self._lock:
            home = self.rolls.roll_of(section, item_id)
            roll = home if home is not None and not district else self._roll(district)
            kept, problems = district_check.check_members(
                section, members, item_id, KnownRolls(self.rolls, within), roll.district.code
            )
            if kept is None or isinstance(kept, Policy):
                raise WrongInput(problems)
            if within and (refused := self._new_admins([("role", kept)])):
                raise WrongInput(refused)
            change = Change(self.rolls)
            change.put(roll, kept)
            await self._change(change, by)
        return kept, home is None

    async def put_policy(
        self, key: str, policy: Mapping[str, Any] | Policy, district: str = "", *, by: str = ""
    ) -> Policy:
        """Replace a policy; what it leaves out is as in the default one."""
        members: Mapping[str, Any] = policy if isinstance(policy, Mapping) else msgspec.to_builtins(policy)
        kept, problems = district_check.check_members("policies", members, key)
        if not isinstance(kept, Policy):
            raise WrongInput(problems)
        async with self._lock:
            change = Change(self.rolls)
            change.put_policies(self._roll(district), {key: kept}, self._clock.now_us())
            await self._change(change, by)
        return kept

    async def delete_policy(self, key: str, district: str = "", *, by: str = "") -> bool:
        """Go back to the default one; False where it was the default already."""
        async with self._lock:
            roll = self._roll(district)
            if key not in roll.policies:
                return False
            change = Change(self.rolls)
            change.drop_policy(roll, key)
            await self._change(change, by)
        return True

    async def delete(self, section: str, item_id: str, district: str = "", *, by: str = "") -> bool:
        """Take one away; False where there was none, in that district.

        What referred to it lets go of it: a device is nobody's, a care worker of no station, a contact without its
        webhook; what was in an area is in the one above. People and webhooks whose sight is that area would see more
        then: WrongInput, they are to be moved first. InUse where an open call needs it.
        """
        async with self._lock:
            roll = self.rolls.roll_of(section, item_id)
            if roll is None or (district and roll.district.code != district):
                return False
            call = self.needed_by(section, item_id)
            if call is not None:
                raise InUse(call)
            items, bound = lifted(roll, section, item_id)
            if bound:
                raise WrongInput(
                    [Problem("", f"{what} is bound to it: move it first") for what in bound[:20]]
                )
            change = Change(self.rolls)
            change.drop(roll, section, item_id)
            for item in items:
                change.put(roll, item)
            await self._change(change, by)
        return True

    async def merge(
        self, content: bytes | DistrictFile, within: str = "", *, by: str = ""
    ) -> Mapping[str, int]:
        """Load a district file, all or nothing; how many of each section it had. Items not in it stay as they are.

        `within`: only a file of this district, and one that names none goes there.
        """
        raw = content if isinstance(content, bytes) else district_check.dump(content)
        async with self._lock:
            known = KnownRolls(self.rolls, within)
            if len(raw) < _THREAD_BYTES:
                file, problems = district_check.check(raw, known)
            else:
                file, problems = await asyncio.to_thread(district_check.check, raw, known)
            if file is None:
                raise WrongInput(problems)
            return await self._put_file(file, within, by)

    async def merge_checked(
        self, file: DistrictFile, seen: int, within: str = "", *, by: str = ""
    ) -> Mapping[str, int] | None:
        """The same of a file that was checked when `changes` was `seen`; None: changed since, it is to be checked again."""
        async with self._lock:
            if self.changes != seen:
                return None
            return await self._put_file(file, within, by)

    async def _put_file(self, file: DistrictFile, within: str, by: str) -> Mapping[str, int]:
        if within:
            people = [(f"staff[{place}].role", one) for place, one in enumerate(file.staff)]
            if refused := self._new_admins(people):
                raise WrongInput(refused)
        change = Change(self.rolls)
        roll = self._home_of(file, change, within)
        count = 0
        for section in rows.SECTIONS:
            have: dict[str, Item] = getattr(roll, section)
            for item in getattr(file, section):
                if have.get(rows.id_of(item)) != item:
                    change.put(roll, item)
                count += 1
                if count % _ROWS_A_TURN == 0:
                    await asyncio.sleep(0)
        now_us = self._clock.now_us()
        policies = {key: policy for key, policy in file.policies.items() if roll.policies.get(key) != policy}
        change.put_policies(roll, policies, now_us)
        if file.roads and file.roads != self._roads.get(roll.district.code):
            change.also(
                rows.put_roads(code := roll.district.code, file.roads),
                lambda: self._note(code, file.roads),
            )
        await self._change(change, by)
        return {
            **{section: len(getattr(file, section)) for section in rows.SECTIONS},
            "policies": len(file.policies),
        }

    async def duty(self, staff_id: str, on: bool, by: str) -> None:
        """Somebody goes on or off duty. WrongInput where nobody has that id."""
        async with self._lock:
            roll = self.rolls.roll_of("staff", staff_id)
            if roll is None:
                raise WrongInput([Problem("staff", f"{shown(staff_id)} is not in staff")])

            # Who says so again is on duty since they first did.
            since_us = self._clock.now_us()
            if on and staff_id in roll.on_duty:
                since_us = roll.on_duty_since_us.get(staff_id, since_us)

            def then() -> None:
                (roll.on_duty.add if on else roll.on_duty.discard)(staff_id)
                roll.on_duty_since_us.pop(staff_id, None)
                if on:
                    roll.on_duty_since_us[staff_id] = since_us
                roll.version += 1

            change = Change(self.rolls)
            change.also(rows.put_duty(staff_id, by, since_us, on=on), then)
            await self._commit(change)

    async def test_mode(self, device_ids: Sequence[str], until_us: int, by: str) -> None:
        """The next press of each of these until then is a test; a time that is past ends it. WrongInput: unknown ones."""
        async with self._lock:
            homes: dict[str, Roll] = {}
            unknown: list[Problem] = []
            for device in device_ids:
                roll = self.rolls.roll_of("devices", device)
                if roll is None:
                    unknown.append(Problem("devices", f"{shown(device)} is not in devices"))
                else:
                    homes[device] = roll
            if unknown:
                raise WrongInput(unknown)
            ending = until_us <= self._clock.now_us()

            def then() -> None:
                for device, roll in homes.items():
                    if ending:
                        roll.test_until_us.pop(device, None)
                    else:
                        roll.test_until_us[device] = until_us

            change = Change(self.rolls)
            change.also(rows.put_tests(homes, None if ending else until_us, by), then)
            await self._commit(change)

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _roll(self, district: str) -> Roll:
        if not district:
            return self.rolls.default
        roll = self.rolls.by_code.get(district)
        if roll is None:
            raise WrongInput([Problem("district", f"there is no district {shown(district)}")])
        return roll

    def _new_admins(self, items: Sequence[tuple[str, Item]]) -> list[Problem]:
        """An admin sees every district, so nobody becomes one by the word of somebody who sees a single one."""
        found = []
        for path, item in items:
            if isinstance(item, Staff) and item.role is Role.ADMIN:
                roll = self.rolls.roll_of("staff", item.id)
                if roll is None or roll.staff[item.id].role is not Role.ADMIN:
                    found.append(Problem(path, "only who sees every district makes an admin"))
        return found

    def _home_of(self, file: DistrictFile, change: Change, within: str) -> Roll:
        """The roll that the file goes into, with the district's settings put where they are new."""
        if file.district is None:
            return self._roll(within)
        code = file.district.code
        roll = self.rolls.by_code.get(code)
        if roll is None:
            place = self._places[code] = 1 + max(self._places.values(), default=0)
            return change.add_district(file.district, place, self._clock.now_us())
        if roll.district != file.district:
            change.settle(roll, file.district, self._places.get(code, 0))
        return roll

    def _note(self, code: str, roads: str) -> None:
        self._roads[code] = roads

    async def _change(self, change: Change, by: str) -> None:
        """See that every district has a desk, then commit."""
        change.see_to_desks((), self.needed_by)
        try:
            await self._commit(change, by)
        finally:
            self.changes += 1

    async def _commit(self, change: Change, by: str | None = None) -> None:
        """Write it all in one transaction, with its history where it has one (`by`), then let it be seen.

        The transaction goes on in its thread even where the asker is gone: memory must follow it, then they may go.
        """
        now_us = self._clock.now_us()
        new: rows.Rows = {}
        for count, (roll, item) in enumerate(change.puts.values(), 1):
            rows.add_row(new, roll.district.code, item, now_us)
            if count % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)
        told: list[history.HistoryRow] = []
        if by is not None:
            self._number += 1
            for count, row in enumerate(history.told(change, by, now_us, self._number), 1):
                told.append(row)
                if count % _ROWS_A_TURN == 0:
                    await asyncio.sleep(0)
        work = [*change.first_work, *rows.put_rows(new), *change.last_work, *history.write(told)]
        if not any(do.rows for do in work):
            change.apply([])
            return
        writing = asyncio.create_task(self._write(work), name="register-write")
        gone: asyncio.CancelledError | None = None
        while not writing.done():
            try:
                await asyncio.wait({writing})
            except asyncio.CancelledError as error:
                gone = error
        if gone is not None and writing.exception() is not None:
            raise gone
        change.apply(writing.result())
        if gone is not None:
            raise gone

    async def _write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """Write, and where nobody can tell whether it happened, write it again: the same twice is the same.

        Memory would be out of step otherwise. Raises StoreUnavailable: nothing happened, or nobody knew for a minute.
        """
        unknown = 0
        while True:
            try:
                return await self._store.write(work)
            except StoreUnavailable as error:
                if isinstance(error, OutcomeUnknown):
                    unknown = unknown or 1
                if not unknown or unknown > _AGAIN_MAX:
                    raise
                unknown += 1
                await asyncio.sleep(_AGAIN_SECONDS)
