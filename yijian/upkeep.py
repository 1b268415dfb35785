"""The commands that keep an installation well: back up, restore, erase a person, look for what is wrong.

Loaded when one of them runs. What they do is in `operations.py` and `examining.py`; here it is told.
"""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from pathlib import Path

from config.settings import Settings
from dispatcher.backup import BackupError
from yijian import examining, operations
from yijian.errors import DONE, FAILED, CommandError, UsageError
from yijian.words import Say, is_chinese


def db_backup(settings: Settings, arguments: Namespace, say: Say) -> int:
    """Back up the database, also while a server runs."""
    try:
        taken = operations.backup(settings, _file(arguments.file, say), force=arguments.force)
    except BackupError as error:
        raise _not_backed_up(error, say) from error
    print(
        say("db.backed_up").format(
            file=taken.file,
            calls=taken.calls,
            entries=taken.entries,
            size_bytes=taken.size_bytes,
            seconds=f"{taken.seconds:.1f}",
        )
    )
    return DONE


def db_restore(settings: Settings, arguments: Namespace, say: Say) -> int:
    """Put a backup in the place of the database."""
    file = _file(arguments.file, say)
    try:
        restored = asyncio.run(operations.restore(settings, file, yes=arguments.yes, anyway=arguments.anyway))
    except BackupError as error:
        raise _not_backed_up(error, say) from error
    except operations.WouldLose as error:
        unknown = error.loss.calls is None
        told = say("db.restore.unknown" if unknown else "db.restore.loses")
        raise CommandError(told.format(calls=error.loss.calls, entries=error.loss.entries)) from error
    print(say("db.restored").format(calls=restored.calls, entries=restored.entries, open=restored.open))
    if restored.kept is not None:
        print(say("db.restore.kept").format(file=restored.kept))
    if restored.erased:
        print(say("db.restore.erased").format(ids=", ".join(restored.erased)))
    if restored.standing:
        print(say("db.restore.standing").format(ids=", ".join(restored.standing)))
    return DONE


def person_erase(settings: Settings, arguments: Namespace, say: Say) -> int:
    """Erase a resident or one of the staff."""
    sections: tuple[str, ...] = operations.PEOPLE
    if arguments.kind is not None:
        sections = ("staff",) if arguments.kind == "staff" else ("residents",)
    if not arguments.yes:
        raise CommandError(say("person.sure").format(id=arguments.id))
    try:
        removed = asyncio.run(operations.erase(settings, arguments.id, sections))
    except operations.Open as error:
        raise CommandError(say("person.open").format(call=error.call)) from error
    if removed is None:
        raise CommandError(say("person.unknown").format(id=arguments.id))
    told = ", ".join(f"{name} {count}" for name, count in removed.items() if count)
    print(say("person.erased").format(id=arguments.id, told=told or "-"))
    return DONE


def doctor(settings: Settings, arguments: Namespace, say: Say) -> int:
    """Look for what is wrong; 1 where something is bad."""
    findings = asyncio.run(examining.examine(settings, arguments.config))
    examining.tell(findings, say, json=arguments.json, chinese=is_chinese(os.environ))
    return FAILED if any(finding.level == "bad" for finding in findings) else DONE


def _file(name: str, say: Say) -> Path:
    if name == "-":
        raise UsageError(say("db.no_stream"))
    return Path(name)


def _not_backed_up(error: BackupError, say: Say) -> CommandError:
    return CommandError(say(f"backup.{error.why}").format(**error.values))
