#!/usr/bin/env bash
# Every test, in two halves side by side: those that stand outside mostly wait for processes, the others mostly reckon.
# Both are reported whatever becomes of the other; exit code 1 where either failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

outside="$(mktemp)"
trap 'rm -f "$outside"' EXIT
.venv/bin/python -m pytest tests/outside tests/crash >"$outside" 2>&1 &
half=$!
trap 'kill "$half" 2>/dev/null || true; exit 130' INT TERM
failed=0
.venv/bin/python -m pytest --ignore=tests/outside --ignore=tests/crash || failed=1
wait "$half" || failed=1
cat "$outside"
exit "$failed"
