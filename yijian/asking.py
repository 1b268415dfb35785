"""Asks a running system: `yijian canary`. By its address and a token alone, from wherever that reaches it."""

from __future__ import annotations

import json as json_text
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from config.settings import Settings
from yijian.errors import DONE, FAILED, CommandError, UsageError
from yijian.serving import shown
from yijian.words import Say

#: A round takes 10 s at most; it may have to wait for one before it, and the connection to a silent broker to be cut.
_ANSWER_SECONDS = 40.0


def url_of(settings: Settings) -> str:
    """Where the system of these settings serves."""
    return f"http://{shown(settings.http)}"


async def canary(url: str, token: str, say: Say, *, json: bool) -> int:
    """One press, told a stage a line. Raises UsageError, CommandError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise UsageError("--url is no http:// or https:// address")
    if not token:
        raise UsageError(say("canary.token"))
    done = await _press(url.rstrip("/"), token, say)
    if json:
        print(json_text.dumps(done, ensure_ascii=False))
        return DONE if done["passed"] else FAILED
    for stage in done["stages"]:
        name, seconds = stage["stage"], stage["seconds"]
        if not stage["there"]:
            print(f"     -     {name.ljust(8)} {say('canary.not_there')}")
        elif seconds is None:
            print(f"     -     {name.ljust(8)} {say(f'canary.not.{name}')}")
        else:
            print(f"{seconds * 1000:7.1f} ms {name.ljust(8)} {say(f'canary.{name}')}")
    if done["passed"]:
        print(say("canary.passed"))
        return DONE
    failed = say(f"canary.not.{done['failed']}")
    print(say("canary.failed").format(stage=failed, why=done["why"]))
    return FAILED


async def _press(url: str, token: str, say: Say) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=5.0)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{url}/api/v1/canary", headers=headers, json={}) as answer,
        ):
            if answer.status in {401, 403}:
                raise UsageError(say("canary.token"))
            body = await answer.json(content_type=None)
            if answer.status == 200 and isinstance(body, dict) and "stages" in body:
                return body
            raise CommandError(say("canary.refused").format(url=url, status=answer.status))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CommandError(say("canary.silent").format(url=url)) from error
