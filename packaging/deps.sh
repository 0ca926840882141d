#!/bin/sh
# Installs the Debian packages that a make target needs, and only what is missing.
# Usage: deps.sh build|demo|test|bench|package|container|systemd|release ...
set -eu

# What the releases of Debian call differently; 12 unless it is known to be another.
clang="clang-14 libclang-rt-14-dev clang-format-14" systemd="systemd"
if grep -qs '^VERSION_ID="13"' /etc/os-release; then
    clang="clang-19 libclang-rt-19-dev" systemd="systemd-dev"
fi

build="gcc libc6-dev make pkg-config libmicrohttpd-dev libcurl4-openssl-dev zlib1g-dev libjansson-dev libyaml-dev libxxhash-dev libsystemd-dev"
demo="python3 curl jq ca-certificates"
tests="libcmocka-dev python3-pytest python3-yaml python3-jsonschema openssl $clang shellcheck binutils man-db nginx-light haproxy caddy nghttp2-server chromium-headless-shell"
package="build-essential debhelper libcmocka-dev openssl python3 $systemd lintian fakeroot rpm elfutils git iproute2 zsh"
container="buildah python3 iproute2"
bench="nginx-light libnginx-mod-http-lua lua-cjson python3-requests python3-aiohttp openssl"
machine="debootstrap curl iproute2 python3"
release="debootstrap git iproute2"
# Node may have come from elsewhere; Debian's packages would then stand in its way.
command -v node >/dev/null 2>&1 || bench="$bench nodejs"
command -v npm >/dev/null 2>&1 || bench="$bench npm"

wanted=""
for group in "$@"; do
    case "$group" in
    build) wanted="$wanted $build" ;;
    demo) wanted="$wanted $build $demo" ;;
    test) wanted="$wanted $build $demo $tests" ;;
    package) wanted="$wanted $build $package" ;;
    bench) wanted="$wanted $build $demo $bench" ;;
    container) wanted="$wanted $container" ;;
    systemd) wanted="$wanted $build $machine" ;;
    release) wanted="$wanted $release" ;;
    *) echo "deps.sh: unknown group '$group' (build, demo, test, bench, package, container, systemd, release)" >&2; exit 2 ;;
    esac
done

missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "This system has no apt-get; please install the equivalents of:$missing" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Not root and no sudo; please run as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi

echo "Installing:$missing"
# shellcheck disable=SC2086 # lists of packages are meant to be split
{
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing
} >&2
