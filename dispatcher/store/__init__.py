"""The database: whole transactions in, rows out.

Statements are SQLAlchemy Core, written once for SQLite and PostgreSQL and compiled once for each. A write is a list of
them with their rows, carried out as *one transaction* by the driver itself, because a press pays for every hop
(docs/decisions/0005, 0009). Reads go on connections of their own, so that a long list never holds up a press.

    await store.write([Do(INSERT_PRESS, rows), Do(MARK_DECIDED, marks)])     # BEGIN … COMMIT, on disk, then returns

`work.py` is what every room needs; `sqlite.py` and `postgres.py` carry it out.

Errors: `StoreUnavailable` when nothing can be written or read just now (disk full, locked, away): try again later.
"""

from dispatcher.store.sqlite import Bound, InlineStore, SqliteStore, bound
from dispatcher.store.work import Do, OutcomeUnknown, Prepared, Row, Store, StoreUnavailable, insert

__all__ = [
    "Bound",
    "Do",
    "InlineStore",
    "OutcomeUnknown",
    "Prepared",
    "Row",
    "SqliteStore",
    "Store",
    "StoreUnavailable",
    "bound",
    "insert",
]
