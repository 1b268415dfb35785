"""A database with a hundred thousand open calls: real ones, pressed on a real server, and copies of them.

The copies are rows of `calls` alone, as a start reads them; their journal is not made up, so `db verify` would complain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from dispatcher.board import call_of
from dispatcher.core.call import Call
from dispatcher.desk_rows import CALL_COLUMNS, row_of

KEYS = ("emergency", "service", "family")


def templates(database: Path) -> list[Call]:
    """The open calls that are there."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT body FROM calls WHERE due_us IS NOT NULL ORDER BY id").fetchall()
    return [call_of(body) for (body,) in rows]


def multiply(database: Path, residents: Sequence[tuple[str, str, str]], dues_us: Sequence[int]) -> list[str]:
    """A copy of one of the open calls for each moment, due then; their ids.

    `residents` are (resident, device, source): each has three calls, one a key; further copies are strangers'.
    """
    made = templates(database)
    taken = {(call.resident, call.key) for call in made}
    rows, ids = [], []
    owners = [(owner, key) for key in KEYS for owner in residents if (owner[0], key) not in taken]
    for number, due_us in enumerate(dues_us):
        call = made[number % len(made)]
        resident, device, source, key = None, None, f"native/stranger-{number}", call.key
        if number < len(owners):
            (resident, device, source), key = owners[number]
        copy = replace(
            call,
            id=f"c-copy{number:06}",
            key=key,
            resident=resident,
            device=device,
            source=source,
            sources=(source,),
            # No farther than its policy goes, or the clock would seem to have been put back.
            deadlines={
                "step": due_us,
                "close_within": call.opened_us + round(call.policy.close_within * 1e6),
            },
        )
        row = row_of(copy)
        rows.append(tuple(row[name] for name in CALL_COLUMNS))
        ids.append(copy.id)
    marks = ", ".join("?" * len(CALL_COLUMNS))
    with sqlite3.connect(database) as connection:
        connection.executemany(f"INSERT INTO calls ({', '.join(CALL_COLUMNS)}) VALUES ({marks})", rows)
    return ids
