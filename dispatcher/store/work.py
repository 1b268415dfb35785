"""What a room says to the database: prepared statements with their rows, and the door that carries them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Dialect, Integer, Table, bindparam
from sqlalchemy.dialects import sqlite

# Written in PostgreSQL's words, ON CONFLICT included; SQLite's compiler understands every one of them that we use.
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ClauseElement, Executable, Insert, Select
from sqlalchemy.sql.crud import REQUIRED
from sqlalchemy.sql.dml import UpdateBase

Row = tuple[Any, ...]


class StoreUnavailable(Exception):  # noqa: N818
    """The database cannot be written or read just now."""


class OutcomeUnknown(StoreUnavailable):
    """The connection was lost while the commit was under way: it may have happened, and may not."""


class Compiled(NamedTuple):
    """A statement in a driver's words, and `bind` that makes its row of parameters.

    `tag`: where among the parameters a number goes that each returned row ends with; None: it returns no rows.
    """

    sql: str
    bind: Callable[[Mapping[str, Any]], Row]
    tag: int | None = None


class Prepared:
    """A Core statement, compiled once for each driver: for SQLite at once, so that a wrong one fails at import."""

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement

    @cached_property
    def sqlite(self) -> Compiled:
        """For SQLite."""
        return _compiled(self.statement, _SQLITE)

    @cached_property
    def postgres(self) -> Compiled:
        """For asyncpg; what returns rows is tagged, so that many executions can be asked for at once."""
        from sqlalchemy.dialects.postgresql import (
            asyncpg,
        )  # 60 ms that an installation on SQLite need not wait

        statement = self.statement
        tag = bindparam(_TAG, type_=Integer)
        if isinstance(statement, Insert):
            statement = statement.inline()  # else SQLAlchemy asks for numbers that nobody wanted
        if isinstance(statement, Select):
            statement = statement.add_columns(tag)
        elif isinstance(statement, UpdateBase) and statement._returning:  # noqa: SLF001 - there is no public way to ask
            statement = statement.returning(tag)
        return _compiled(statement, asyncpg.dialect())  # type: ignore[no-untyped-call]


_TAG = "row_no"
_SQLITE = sqlite.dialect(paramstyle="qmark")


def _compiled(statement: ClauseElement, dialect: Dialect) -> Compiled:
    columns: list[str] | None = None
    if isinstance(statement, Insert) and not statement._values:  # noqa: SLF001
        # Without values it takes every column, but for the one that counts by itself.
        counted = statement.table.autoincrement_column if isinstance(statement.table, Table) else None
        columns = [column.name for column in statement.table.columns if column is not counted]
    compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
    names: list[str] = list(compiled.positiontup or ())
    tag = names.index(_TAG) if _TAG in names else None
    if tag is not None:
        del names[tag]
    fixed = {name: value for name, value in compiled.params.items() if value not in (None, REQUIRED)}
    bind: Callable[[Mapping[str, Any]], Row]
    if any(name in fixed for name in names):

        def bind(row: Mapping[str, Any]) -> Row:
            return tuple(row.get(name, fixed.get(name)) for name in names)

    elif len(names) > 1:
        bind = itemgetter(*names)
    else:

        def bind(row: Mapping[str, Any]) -> Row:
            return tuple(row[name] for name in names)

    return Compiled(str(compiled), bind, tag)


class Do:
    """One statement with its rows. `fetch`: hand back what each row's execution returned, a list of rows a row."""

    __slots__ = ("fetch", "prepared", "rows")

    def __init__(self, prepared: Prepared, rows: Sequence[Mapping[str, Any]], *, fetch: bool = False) -> None:
        self.prepared = prepared
        self.rows = rows
        self.fetch = fetch


class Store(Protocol):
    """What the rooms of the dispatcher need of a database."""

    async def write(self, work: Sequence[Do]) -> list[list[list[Row]]]:
        """One durable transaction; returns after the commit, what each fetching Do fetched.

        Raises StoreUnavailable: nothing was written; OutcomeUnknown: that cannot be known.
        """
        ...

    async def read(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Rows of a query, as of now. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...


__all__ = ["Compiled", "Do", "OutcomeUnknown", "Prepared", "Row", "Store", "StoreUnavailable", "insert"]
