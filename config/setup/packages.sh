#!/usr/bin/env bash
# Installs the Debian packages named, where they are missing: as root through apt-get, else it says what to install.
# Exit code 1 where something is still missing afterwards; whoever called decides whether that matters.
#
# Debian starts a service and enables it at boot the moment its package is unpacked. Its Mosquitto would take port 1883
# from the broker that Yijian runs as a child of its own, so here it is neither started nor enabled. A Mosquitto that was
# installed before is left as it is. PostgreSQL is for the tests, which start servers of their own from its programs: the
# cluster that its package would make and start is not made.
set -euo pipefail

missing=()
for package in "$@"; do
    status="$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)"
    [ "$status" = installed ] && continue
    case "$package" in # built from source, or of another distribution: fine as well
    mosquitto) PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto >/dev/null && continue ;;
    postgresql) (compgen -G '/usr/lib/postgresql/*/bin/postgres' || command -v postgres) >/dev/null && continue ;;
    chromium) (command -v chromium || command -v google-chrome) >/dev/null && continue ;;
    fonts-noto-cjk) command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh)" ] && continue ;;
    mosquitto-clients) command -v mosquitto_pub >/dev/null && command -v mosquitto_sub >/dev/null && continue ;;
    esac
    missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

install="apt-get install --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing: ${missing[*]}. To install: '$install' as root (or your system's own way)." >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d
made_policy=""
no_cluster=/etc/postgresql-common/createcluster.d/yijian.conf
made_no_cluster=""
masked=""
restore() {
    [ -z "$made_policy" ] || rm -f "$policy"
    [ -z "$made_no_cluster" ] || rm -f "$no_cluster"
    if [ -n "$masked" ]; then
        systemctl --quiet unmask mosquitto.service || true
    fi
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case " ${missing[*]} " in
*" postgresql "*)
    if ! [ -e "$no_cluster" ]; then
        mkdir -p "${no_cluster%/*}"
        echo "create_main_cluster = false" >"$no_cluster"
        made_no_cluster=yes
    fi
    ;;
esac

case " ${missing[*]} " in
*" mosquitto "* | *" postgresql "*)
    if ! [ -e "$policy" ] && ! [ -L "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" # 101: "not allowed", in the language of invoke-rc.d
        chmod 755 "$policy"
        made_policy=yes
    fi
    if [[ " ${missing[*]} " == *" mosquitto "* ]] && [ -d /run/systemd/system ] && ! systemctl cat mosquitto.service >/dev/null 2>&1; then
        systemctl --quiet mask mosquitto.service && masked=yes
    fi
    ;;
esac

export DEBIAN_FRONTEND=noninteractive
echo "Installing ${missing[*]} …" >&2
# Standard input is closed and the lock waited for: this also runs in CI and beside unattended upgrades.
said="$(mktemp)"
if ! {
    apt-get -qq update &&
        apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
            install --yes --no-install-recommends "${missing[@]}"
} </dev/null >"$said" 2>&1; then
    cat "$said" >&2
    rm -f "$said"
    exit 1
fi
rm -f "$said"

case " ${missing[*]} " in
*" mosquitto "*)
    restore
    made_policy=""
    made_no_cluster=""
    masked=""
    if command -v systemctl >/dev/null; then
        systemctl --quiet disable mosquitto.service >/dev/null 2>&1 || true
    elif command -v update-rc.d >/dev/null; then
        update-rc.d mosquitto disable >/dev/null 2>&1 || true
    fi
    ;;
esac
