#!/usr/bin/env bash
# Makes .venv with exactly what uv.lock names: `environment.sh run`, or `environment.sh dev` with the tools for testing.
# Nothing is installed outside the checkout but, as root and only where it is missing, Debian's python3-venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

what="${1:?run or dev}"
stamp=".venv/.installed-$what"

newest() { # Is stamp $1 there, and not older than what it was made from?
    [ -e "$1" ] && [ -x .venv/bin/yijian ] && ! [ uv.lock -nt "$1" ] && ! [ pyproject.toml -nt "$1" ]
}
if newest "$stamp" || { [ "$what" = run ] && newest .venv/.installed-dev; }; then
    exit 0
fi

good() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=""
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if path="$(command -v "$candidate")" && good "$path"; then
        python="$path"
        break
    fi
done
if [ -z "$python" ]; then
    echo "Yijian needs Python 3.11 or newer: on Debian 12 or newer, 'apt-get install python3 python3-venv'." >&2
    exit 1
fi

# uv installs from the lock file. Ours is kept apart from .venv, since uv would remove itself from there.
uv="$(command -v uv || true)"
if [ -z "$uv" ]; then
    uv=".venv-tools/bin/uv"
    if ! "$uv" --version >/dev/null 2>&1; then
        # Debian splits venv off; without ensurepip `python3 -m venv` makes half an environment and fails.
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            version="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
            [ "$(id -u)" -ne 0 ] || bash config/setup/packages.sh "$version" || true
            if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
                echo "Yijian needs Python's venv: 'apt-get install $version' as root, then the same command again." >&2
                exit 1
            fi
        fi
        rm -rf .venv-tools
        "$python" -m venv .venv-tools
        .venv-tools/bin/python -m pip --disable-pip-version-check --quiet install 'uv>=0.9,<1'
    fi
fi

# Compiled once here, so that every start is quick, also for a user who may not write into the environment.
flags=(--frozen --compile-bytecode --python "$python")
if [ -x .venv/bin/python ] && good .venv/bin/python; then
    flags=(--frozen --compile-bytecode --python .venv/bin/python) # keep the environment that is there
fi
if [ "$what" = run ]; then
    flags+=(--no-dev --inexact) # leaves the tools for testing in, where they are
fi
# uv trusts a list of certificates of its own; a network with an authority of its own has put it into the system's list.
if [ -z "${SSL_CERT_FILE:-}" ] && [ -r /etc/ssl/certs/ca-certificates.crt ]; then
    export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
fi
# The environment belongs to this checkout, whatever shell it is made from; no interpreter is downloaded.
env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet "${flags[@]}"
touch "$stamp"
