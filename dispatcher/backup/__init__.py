"""Backups: the whole database as one SQLite file, taken while presses arrive, and put back as a new journal.

    take      running database ──one snapshot──> FILE.part ──checked, on disk──> FILE
    restore   FILE ──checked, brought up to date, folded again──> a fresh database ──in one step──> in place

It is one SQLite file whichever database it came from, so that it can be looked at, checked, and restored onto either:
that is also the way from SQLite to PostgreSQL and back. It holds everything we know of people.

`take.py` and `restore.py` are for SQLite, `postgres.py` is the same on PostgreSQL.

Errors: `BackupError`, with a reason that the command line has words for.
"""

from dispatcher.backup.file import BackupError, Content, Taken, Why, look

__all__ = ["BackupError", "Content", "Taken", "Why", "look"]
