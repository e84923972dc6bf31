#!/bin/sh
# Installs the interpreters that pip cannot: MicroPython for wasm, and the Node it runs under.
#
# Where that cannot be done the target stays missing, which its tests report as skipped,
# and as failed in CI; so this script says why and succeeds.
set -u
cd "$(dirname "$0")/wasm" || exit 1

missing() {
    echo "wasm target left out: $*" >&2
    exit 0
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    command -v apt-get >/dev/null || missing "Node 18 or newer and npm are not installed"
    [ "$(id -u)" = 0 ] || missing "Node and npm are not installed (apt-get install nodejs npm)"
    packages=npm
    command -v node >/dev/null || packages="nodejs npm"
    # shellcheck disable=SC2086  # two words, two packages
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $packages; } >&2 </dev/null ||
        missing "apt-get could not install $packages"
fi
npm ci --ignore-scripts --no-progress </dev/null >&2 || missing "npm could not install its package"
