#!/bin/sh
# Makes sure that Debian packages are there: need.sh PACKAGE…
# Installs what is missing where it runs as root with apt; says what is missing and fails elsewhere.
set -eu

present() {
    case $1 in
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 ;;
        gnupg) command -v gpg >/dev/null 2>&1 ;;
        apache2-utils) command -v htpasswd >/dev/null 2>&1 ;;
        fonts-*) [ -d /usr/share/fonts ] && [ -n "$(find /usr/share/fonts -name '*.ttf' -print -quit)" ] ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing=
for package in "$@"; do
    present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing" >&2
    echo "Install them first, on Debian: sudo apt-get install$missing" >&2
    exit 1
fi
echo "Installing from Debian:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update </dev/null
# shellcheck disable=SC2086
apt-get -qq install -y --no-install-recommends $missing </dev/null >/dev/null
