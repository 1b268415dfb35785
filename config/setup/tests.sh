#!/usr/bin/env bash
# Every test, in three lanes side by side, so that what waits for processes does not wait for what reckons. They take about
# the same time: move what makes one of them longer. All are reported whatever becomes of the others; exit code 1 where one failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

config/setup/console.sh build # before anything reads the pages
export OUTSIDE_PATIENCE="${OUTSIDE_PATIENCE:-2}" # three lanes share the machine: whoever waits for a process waits longer
said="$(mktemp -d)"
trap 'rm -rf "$said"' EXIT
long=(tests/outside/test_scope.py tests/outside/test_upkeep.py) # half of the time outside
tests() {
    .venv/bin/python -m pytest --durations=8 --durations-min=5 "$@"
}
outside() {
    local failed=0
    tests tests/outside "${long[@]/#/--ignore=}" || failed=1
    tests tests/stories || failed=1
    return "$failed"
}
crashes() { # Several at once, one test at a time handed out, since some take ten times as long as others.
    local failed=0
    tests tests/crash -n 2 --maxschedchunk 1 || failed=1
    tests "${long[@]}" || failed=1
    tests tests/world || failed=1
    tests tests/browser || failed=1
    return "$failed"
}
set -m # process groups of their own, so that all of them can be ended
outside >"$said/outside" 2>&1 </dev/null &
one=$!
crashes >"$said/crashes" 2>&1 </dev/null &
other=$!
set +m
trap 'kill -- -"$one" -"$other" 2>/dev/null || true; exit 130' INT TERM
failed=0
config/setup/console.sh check || failed=1
tests --ignore=tests/outside --ignore=tests/crash --ignore=tests/browser --ignore=tests/stories --ignore=tests/world || failed=1
wait "$one" || failed=1
wait "$other" || failed=1
cat "$said"/*
exit "$failed"
