"""The life of a call, in one table. All of it: an impossible step is one that is not here.

Rows are states, columns are facts, the cell is the state after. `docs/life-of-a-call.md` is drawn from this table.
"""

from __future__ import annotations

from dispatcher.core.call import State

_R, _A, _E, _S, _C = State.RECEIVED, State.ACCEPTED, State.EN_ROUTE, State.ON_SCENE, State.CLOSED

#: What changes nothing about where a call is, in any open state.
_STAYS = (
    "call.joined",
    "call.cancel_requested",
    "call.dispatched",
    "call.declined",
    "call.spoke",
    "call.overdue",
    "call.transferred",
    "call.noted",
    "call.seen",
    "test.passed",
)


def _row(state: State, moves: dict[str, State]) -> dict[str, State]:
    return {**dict.fromkeys(_STAYS, state), **moves}


LIFE: dict[State, dict[str, State]] = {
    _R: _row(_R, {"call.escalated": _R, "call.skipped": _R, "call.accepted": _A, "call.closed": _C}),
    _A: _row(
        _A,
        {
            "call.accepted": _A,  # a hand-over: a station that was offered it takes it from its holder
            "call.lapsed": _R,
            "call.en_route": _E,
            "call.on_scene": _S,
            "call.closed": _C,  # most are settled by telephone
        },
    ),
    _E: _row(_E, {"call.accepted": _A, "call.lapsed": _R, "call.on_scene": _S, "call.closed": _C}),
    _S: _row(_S, {"call.accepted": _S, "call.lapsed": _R, "call.closed": _C}),
    _C: {"call.noted": _C, "call.seen": _C, "call.reopened": _R},
}

#: From here a person cannot close it: nobody has taken it yet. (A call opened by a test closes itself.)
NOT_CLOSABLE = frozenset({_R})


class Impossible(Exception):  # noqa: N818
    """A fact that does not fit the call's state: we are wrong, or the journal is damaged."""

    def __init__(self, state: State, fact: str) -> None:
        super().__init__(f"{fact} cannot happen to a call that is {state}")


def after(state: State, fact: str) -> State:
    """The state after the fact. Raises Impossible."""
    try:
        return LIFE[state][fact]
    except KeyError:
        raise Impossible(state, fact) from None


def fits(state: State, fact: str) -> bool:
    """Whether this can happen now."""
    return fact in LIFE[state]
