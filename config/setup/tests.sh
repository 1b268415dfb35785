#!/usr/bin/env bash
# Every test, in three lanes side by side, so that what waits for processes does not wait for what reckons. The stories in a
# browser come when two of them have ended: they measure what a person sees. All are reported whatever becomes of the
# others; exit code 1 where one failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

config/setup/console.sh build # before anything reads the pages
said="$(mktemp -d)"
trap 'rm -rf "$said"' EXIT
long=(tests/outside/test_scope.py tests/outside/test_upkeep.py) # half of the time outside
crashes() { # Several at once, one test at a time handed out, since some take ten times as long as others.
    local failed=0
    .venv/bin/python -m pytest tests/crash -n 3 --maxschedchunk 1 || failed=1
    .venv/bin/python -m pytest "${long[@]}" || failed=1
    .venv/bin/python -m pytest tests/world || failed=1
    return "$failed"
}
waiting() {
    local failed=0 crashes
    crashes >"$said/2-crash" 2>&1 &
    crashes=$!
    .venv/bin/python -m pytest tests/outside "${long[@]/#/--ignore=}" || failed=1
    .venv/bin/python -m pytest tests/stories || failed=1
    wait "$crashes" || failed=1
    .venv/bin/python -m pytest tests/browser >"$said/3-browser" 2>&1 || failed=1
    return "$failed"
}
set -m # a process group of its own, so that all of it can be ended
waiting >"$said/1-outside" 2>&1 </dev/null &
lanes=$!
set +m
trap 'kill -- -"$lanes" 2>/dev/null || true; exit 130' INT TERM
failed=0
config/setup/console.sh check || failed=1
.venv/bin/python -m pytest --ignore=tests/outside --ignore=tests/crash --ignore=tests/browser \
    --ignore=tests/stories --ignore=tests/world || failed=1
wait "$lanes" || failed=1
cat "$said"/*
exit "$failed"
