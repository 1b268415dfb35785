#!/usr/bin/env bash
# Every test, in two halves side by side: those that stand outside mostly wait for processes, the others mostly reckon.
# The console's own checks come first in the lighter half, the stories in a browser last, when the other has most likely
# ended: they measure what a person sees. All are reported whatever becomes of the others; exit code 1 where one failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

config/setup/console.sh build # before anything reads the pages
outside="$(mktemp)"
trap 'rm -f "$outside"' EXIT
outside_half() {
    local failed=0
    .venv/bin/python -m pytest tests/outside || failed=1
    # Crashes mostly wait: several at once. One test at a time is handed out, since some take ten times as long as others.
    .venv/bin/python -m pytest tests/crash -n 3 --maxschedchunk 1 || failed=1
    return "$failed"
}
set -m # a process group of its own, so that all of it can be ended
outside_half >"$outside" 2>&1 </dev/null &
half=$!
set +m
trap 'kill -- -"$half" 2>/dev/null || true; exit 130' INT TERM
failed=0
config/setup/console.sh check || failed=1
.venv/bin/python -m pytest --ignore=tests/outside --ignore=tests/crash --ignore=tests/browser || failed=1
wait "$half" || failed=1
cat "$outside"
.venv/bin/python -m pytest tests/browser || failed=1
exit "$failed"
