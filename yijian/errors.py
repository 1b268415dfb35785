"""What a command ends with when it cannot do its work: one line for a person, and an exit code.

    CommandError (exit 1)
    ├── UsageError (exit 2)         wrong usage or settings
    └── lock.LockedError (exit 2)   another process has the data folder

Settings have an error of their own (`config.settings.SettingsError`, exit 2), which holds many.
"""

from __future__ import annotations

#: Exit codes (contract, section 1).
DONE = 0
FAILED = 1
WRONG_USAGE = 2
#: What shells use for a program that Ctrl-C ended.
INTERRUPTED = 130


class CommandError(Exception):
    """The command could not do its work. Each message becomes one line on standard error."""

    exit_code = FAILED

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


class UsageError(CommandError):
    """The command was asked wrongly, or cannot start with what it was told."""

    exit_code = WRONG_USAGE
