"""Relatives who read what they are sent, and answer: they ring home, and telephone 12349.

    relatives = Relatives(api, sink, operator=crew.operator, chance=Random(7), seed=7, temper=DEMO)
    sink.on_message = relatives.hear
    await relatives.run()                                # until cancelled

    a message ──> read after a while, or never ──> still nobody there?
                                                     ├─ asked to come (yellow key): rings her ──> telephones 12349: closed
                                                     └─ told of an emergency: some ring her ───> telephones 12349: a note
                                                                        └─ no answer ──────────> "please go there"

Who telephones 12349 has no login: the operator on duty writes it down. An emergency is never closed on a relative's
word alone; that is for whoever holds it. Each contact has a character of their own, and the seed decides which.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from simulators.api import Api, Away, Conflict, Refused
from simulators.messages import Message, State
from simulators.phonebook import RELATIONS, Phonebook
from simulators.temper import Span

log = structlog.get_logger(__name__)

#: So much of what they did is remembered, so that nobody telephones twice for one call.
_DONE_MAX = 4096


@dataclass(frozen=True, slots=True)
class KinTemper:
    """How relatives are: seconds between two bounds, shares of one."""

    read: Span  #: from the message to the look at it
    talk: Span  #: ringing home, and talking
    never_reads: float = 0.08
    rings: float = 0.45  #: of those who hear of an emergency that nobody has taken yet
    answered: float = 0.75
    cancels: float = 0.15  #: of those who have talked: ask 12349 to call it off
    answers_family: float = 0.9  #: of those who are asked by the yellow key


KIN_LIFE = KinTemper(read=(10, 400), talk=(30, 300))
KIN_DEMO = KinTemper(read=(4, 40), talk=(6, 20))


@dataclass(slots=True)
class KinDeeds:
    """What the relatives did so far."""

    read: int = 0
    rang: int = 0
    noted: int = 0
    cancelled: int = 0
    closed: int = 0


class Marks(Protocol):
    """Where the messages are: the sink."""

    book: Phonebook

    def mark(self, message: Message, state: State) -> None:
        """It was read, or answered."""
        ...


class Relatives:
    """All contacts of a district."""

    def __init__(
        self,
        api: Api,
        sink: Marks,
        *,
        operator: Callable[[], tuple[str, str]],
        chance: random.Random,
        seed: object,
        temper: KinTemper = KIN_LIFE,
        speed: float = 1.0,
        tasks_max: int = 200,
    ) -> None:
        """`operator()` is the district desk and who sits there now."""
        self.deeds = KinDeeds()
        self._api, self._sink, self._operator = api, sink, operator
        self._chance, self._seed, self._temper, self._speed = chance, seed, temper, speed
        self._tasks_max = tasks_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._done: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def run(self) -> None:
        """Be there, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def hear(self, message: Message) -> None:
        """A message came. Beyond the bound it lies unread: people are busy too."""
        targets = self._sink.book.targets(message.to)
        if self._group is None or not targets or len(self._tasks) >= self._tasks_max:
            return
        task = self._group.create_task(self._calmly(message, targets), name=f"relative:{targets[0]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _calmly(self, message: Message, targets: tuple[str, ...]) -> None:
        try:
            await self._read(message, targets)
        except Conflict:
            pass  # it moved on while they talked
        except Refused as error:
            if error.status != 404:
                log.warning("relatives.refused", status=error.status, why=str(error))
        except Away as error:
            log.info("relatives.server_away", why=str(error))

    async def _pause(self, span: Span, slow: float = 1.0) -> None:
        await asyncio.sleep(self._chance.uniform(*span) * slow / self._speed)

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read(self, message: Message, targets: tuple[str, ...]) -> None:
        character = random.Random(f"{self._seed}/{targets[0]}")
        if character.random() < self._temper.never_reads:
            return
        await self._pause(self._temper.read, slow=character.uniform(0.5, 1.5))
        self._sink.mark(message, State.READ)
        self.deeds.read += 1
        call = await self._call_of(message, targets)
        if call is None or call["state"] == "closed" or call.get("test"):
            return
        resident = (call.get("resident") or {}).get("id", "")
        target = next((one for one in targets if one.rpartition("/")[0] == resident), "")
        if not target or (target, call["id"]) in self._done:
            return
        if call["key"] == "family":
            if _asked(call, target) and character.random() < self._temper.answers_family:
                self._remember(target, call["id"])
                await self._answer_family(message, call)
        elif (
            call["key"] == "emergency"
            and call["state"] == "received"
            and character.random() < self._temper.rings
        ):
            self._remember(target, call["id"])
            await self._worry(message, call)

    async def _call_of(self, message: Message, targets: tuple[str, ...]) -> Mapping[str, Any] | None:
        """The call a message is about: a text has no number of it, but the family knows whose it is."""
        if message.call:
            found: Mapping[str, Any] = await self._api.get(f"/calls/{message.call}")
            return found
        open_calls: list[Mapping[str, Any]] = []
        for resident in dict.fromkeys(target.rpartition("/")[0] for target in targets):
            page = await self._api.get("/calls", resident=resident, state="open")
            open_calls += page["items"]
        asked = [call for call in open_calls if any(_asked(call, target) for target in targets)]
        return max(asked or open_calls, key=lambda call: str(call["opened_at"]), default=None)

    def _remember(self, target: str, call: str) -> None:
        self._done[target, call] = None
        while len(self._done) > _DONE_MAX:
            self._done.popitem(last=False)

    # --- answering ------------------------------------------------------------------------------------------------

    async def _ring(self, message: Message) -> bool:
        """Ring home; whether somebody answered."""
        self._sink.mark(message, State.RANG)
        self.deeds.rang += 1
        await self._pause(self._temper.talk)
        return self._chance.random() < self._temper.answered

    async def _worry(self, message: Message, call: Mapping[str, Any]) -> None:
        """An emergency that nobody has taken yet: ring home, and tell 12349 how it is."""
        who = self._who(message)
        if not await self._ring(message):
            await self._note(message, call["id"], f"{who}来电：老人电话无人接听，请尽快上门查看")
        elif self._chance.random() < self._temper.cancels:
            self.deeds.cancelled += 1
            await self._note(message, call["id"], f"{who}来电：已与老人通话，称误按，要求取消；请与老人核实")
        else:
            text = self._chance.choice(
                (
                    "已与老人通话，老人说需要人过去看看",
                    "已与老人通话，人清醒，请继续上门",
                    "已与老人通话，老人说按错了，请再核实一次",
                )
            )
            await self._note(message, call["id"], f"{who}来电：{text}")

    async def _answer_family(self, message: Message, call: Mapping[str, Any]) -> None:
        """The yellow key asked them to come to the telephone: they ring her, and the desk closes the call."""
        who = self._who(message)
        if not await self._ring(message):
            await self._note(message, call["id"], f"{who}来电：给老人回电无人接听，请派人上门看看")
            return
        text = self._chance.choice(
            ("老人想聊聊天，一切都好", "周末回家看望，老人放心了", "药已买好，晚上送到")
        )
        note = f"{who}来电：已与老人通话，{text}"
        await self._note(message, call["id"], note)
        now = await self._api.get(f"/calls/{call['id']}")
        desk, operator = self._operator()
        by = operator
        if now["state"] == "received":
            fields = {"station": desk} if desk else {}
            await self._api.step(call["id"], "accept", by=operator, **fields)
        elif now["state"] != "closed":
            by = (now.get("accepted") or {}).get("by") or operator  # who holds it hears it from the desk
        await self._api.step(
            call["id"],
            "close",
            by=by,
            outcome="service_done",
            evidence="relative_confirmed",
            note=note,
        )
        self.deeds.closed += 1

    async def _note(self, message: Message, call: str, text: str) -> None:
        """12349 takes the telephone and writes it down."""
        _desk, operator = self._operator()
        self._sink.mark(message, State.TOLD)
        await self._api.step(call, "note", by=operator, text=text)
        self.deeds.noted += 1

    def _who(self, message: Message) -> str:
        """What the desk calls them in a note: what they are to her, never their name."""
        relation = self._sink.book.owner(message.to).relation
        return RELATIONS[relation][1] if relation in RELATIONS else "家属"


def _asked(call: Mapping[str, Any], target: str) -> bool:
    """Whether this contact is asked to come just now."""
    return any(
        dispatch.get("person") == target and dispatch.get("state") == "offered"
        for dispatch in call.get("dispatches", ())
    )
