#!/usr/bin/env bash
# Every test, in parcels that four workers take from a list, the longest first, so that what waits for processes does not
# wait for what reckons. All are reported whatever becomes of the others; exit code 1 where one failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A folder's parcel is what no other parcel names.
export PARCELS="\
tests/crash/test_disk.py tests/crash/test_stop.py
tests/outside/test_storm.py tests/outside/test_supervision.py tests/outside/test_canary.py tests/outside/test_service.py
tests/browser
tests/dispatcher
tests/dispatcher/console
tests/crash
tests/outside/test_people.py
tests/browser/test_everyone.py tests/browser/test_bad_input.py tests/browser/test_scope.py tests/browser/test_people.py
tests/outside
tests/outside/test_scope.py
tests/stories
tests/crash/test_links.py
tests/world
tests/outside/test_upkeep.py
tests
pages
tests/outside/test_postgres.py tests/outside/test_process.py tests/outside/test_cli.py
tests/yijian"

export OUTSIDE_PATIENCE="${OUTSIDE_PATIENCE:-2}" # the workers share the machine: whoever waits for a process waits longer
# Where Python may write no bytecode, each of a thousand starts would compile everything anew.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="$PWD/.venv/bytecode"

SAID="$(mktemp -d)"
# What needs no real disk has its files in memory, where there is some: a thousand small databases wait for none then.
QUICK=""
if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -ge 4000000 ] 2>/dev/null; then
    QUICK="$(mktemp -d /dev/shm/yijian-tests.XXXXXX)"
    chmod 711 "$QUICK" # PostgreSQL is another user there
fi
export SAID QUICK
trap 'rm -rf "$SAID" ${QUICK:+"$QUICK"}' EXIT

parcel() { # $1, one line of the list: run it, and report in one piece
    local targets="$1" report began="$SECONDS" failed=0 other ignored=()
    for other in $PARCELS; do
        case "$other" in "$targets"/*) ignored+=("--ignore=$other") ;; esac
    done
    case "$targets" in
        tests/outside* | tests/crash* | tests/browser*) ;;
        *) [ -z "$QUICK" ] || export TMPDIR="$QUICK" ;;
    esac
    report="$(mktemp "$SAID/XXXXXX")"
    if [ "$targets" = pages ]; then
        config/setup/console.sh check
    else
        # A line's targets are words. shellcheck disable=SC2086
        .venv/bin/python -m pytest --timeout=300 --durations=6 --durations-min=5 $targets "${ignored[@]}"
    fi >"$report" 2>&1 </dev/null || failed=1
    flock "$SAID" cat - "$report" <<<"== $targets: $((SECONDS - began)) s"
    return "$failed"
}
export -f parcel

config/setup/console.sh build # before anything reads the pages
set -m                        # a process group of their own, so that all of them can be ended
xargs -P 4 -d '\n' -I{} bash -c 'parcel "$1"' parcel {} <<<"$PARCELS" &
workers=$!
set +m
trap 'kill -- -"$workers" 2>/dev/null || true; exit 130' INT TERM
wait "$workers" || exit 1
