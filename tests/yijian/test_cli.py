"""The command line: its words, its exit codes, and one clear line for whatever goes wrong."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE

from devices.signal import Key
from dispatcher.core.district import Role
from yijian import cli, clock, lock, words
from yijian.commands import COMMANDS
from yijian.errors import UsageError

ENGLISH = words.speaker({})


def yijian(*arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    base = {
        name: value for name, value in os.environ.items() if not name.startswith(("YIJIAN_", "LC_", "LANG"))
    }
    return subprocess.run(
        [sys.executable, "-m", "yijian", *arguments],
        input=stdin,
        capture_output=True,
        env=base | environ,
        timeout=30,
        check=False,
    )


def parsers(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command's parser, by the name the table of commands has for it."""
    menus = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not menus:
        yield path, parser
    for name, inner in menus[0].choices.items() if menus else ():
        yield from parsers(inner, f"{path}.{name}" if path else name)


def test_every_command_has_its_function_and_every_function_its_command() -> None:
    assert {name for name, _ in parsers(cli.parser(ENGLISH))} | {""} == set(COMMANDS)


@pytest.mark.parametrize("language", ["C", "zh_CN.UTF-8"])
def test_every_command_has_help_in_both_languages(language: str) -> None:
    say = words.speaker({"LC_ALL": language})
    for name, parser in parsers(cli.parser(say, chinese=language != "C")):
        text = parser.format_help()
        assert words.WORDS[name][language != "C"].split()[0] in text
        assert all(action.help for action in parser._actions)
    # No English word of argparse's own is left in the Chinese help.
    if language != "C":
        assert not {"usage:", "options:", "positional arguments:", "show this help"} & set(text.splitlines())


def test_every_text_is_a_pair_and_the_chinese_one_is_chinese() -> None:
    for key, (english, chinese) in words.WORDS.items():
        assert english, key
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese) or chinese == english, key
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in english), key


@pytest.mark.parametrize(
    ("environ", "chinese"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, True),
        ({"LANG": "C", "LC_MESSAGES": "zh_HK"}, True),
        ({"LC_MESSAGES": "zh_HK", "LC_ALL": "en_GB.UTF-8"}, False),
    ],
)
def test_the_locale_decides_the_language(environ: dict[str, str], chinese: bool) -> None:
    assert words.is_chinese(environ) is chinese


def test_the_words_of_roles_and_keys_are_the_rooms_own() -> None:
    assert tuple(Role) == cli.ROLES
    assert tuple(Key) == cli.KEYS


def test_help_and_version_are_quick() -> None:
    yijian("--help")  # warm: the first start after a change writes the bytecode
    began = time.monotonic()
    done = yijian("run", "--help", LC_ALL="zh_CN.UTF-8")
    assert time.monotonic() - began < 1.0 * PATIENCE  # 0.05 s where nothing else runs
    assert done.returncode == 0
    assert "演示" in done.stdout.decode()
    assert yijian("--version").stdout.startswith(b"yijian 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["simulate"],
        ["run", "--spe", "1"],
        ["run", "--speed", "fast"],
        ["run", "--speed", "0"],
        ["run", "--speed", "nan"],
        ["token", "create"],
        ["token", "create", "--role", "king"],
        ["decode", "--family", "native", "--hex", "--mqtt", "-"],
        ["decode", "--family", "buzzer", "-"],
        ["decode", "--family", "native", "--key", "xyz", "-"],
        ["listen", "--family", "native"],
        ["listen", "--family", "native", "--topic", "a", "--baud", "9600"],
        ["listen", "--family", "native", "--port", "/dev/x", "--mqtt", "mqtt://b"],
        ["run", "--config", "/nowhere/yijian.toml"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    done = yijian(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"Traceback" not in done.stderr


def test_every_wrong_setting_is_a_line_with_its_key() -> None:
    done = yijian("run", "--demo", YIJIAN_HTTP="here", YIJIAN_LOG="loud", YIJIAN_ADMIN_TOKEN="s3c ret")
    assert done.returncode == 2
    lines = done.stderr.decode().splitlines()
    assert [line.split(": ")[1] for line in lines] == ["YIJIAN_HTTP", "YIJIAN_ADMIN_TOKEN", "YIJIAN_LOG"]
    assert "s3c" not in done.stderr.decode()


def test_a_missing_file_is_one_line_and_exit_code_1() -> None:
    for arguments in (["decode", "--family", "native", "/nowhere"], ["district", "check", "/nowhere"]):
        done = yijian(*arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert b"No such file" in done.stderr


def test_an_unexpected_error_is_one_line_without_what_it_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise KeyError("张奶奶")

    monkeypatch.setitem(COMMANDS, "db.verify", broken)
    monkeypatch.setattr(
        "yijian.commands._logs", lambda *_, **__: None
    )  # the log of this process stays as it is
    monkeypatch.delenv("YIJIAN_DEBUG", raising=False)
    assert cli.main(["db", "verify"]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "KeyError at test_cli.py:" in error
    assert "张奶奶" not in error
    monkeypatch.setenv("YIJIAN_DEBUG", "1")
    assert cli.main(["db", "verify"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["simulate", "district"]])
def test_a_reader_that_goes_away_is_no_traceback(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "yijian", *arguments],
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert done.stderr == b""
    assert done.returncode in {0, 1}  # 0: argparse passes over it


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with lock.hold(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(lock.LockedError, match=str(os.getpid())) as caught, lock.hold(folder):
            pass
        assert caught.value.exit_code == 2
        assert caught.value.pid == os.getpid()
    with lock.hold(folder):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from yijian.lock import hold\n"
        "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(lock.LockedError, match=str(other.pid)), lock.hold(tmp_path):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    with lock.hold(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"), lock.hold(tmp_path / "file" / "data"):
        pass


def test_a_clock_that_was_never_set_is_refused() -> None:
    with pytest.raises(UsageError, match="1970-01-01"):
        clock.check(5_000_000)
    clock.check(clock.EARLIEST_US)
