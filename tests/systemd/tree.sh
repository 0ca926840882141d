#!/bin/sh
# Makes the Debian tree that check.py boots: tree.sh TARGET PROGRAM [PRISTINE-TREE]
# It has systemd, the libraries that the program needs, and what debian/tests/smoke needs. One
# that is there already gets what it lacks. Without a pristine tree one is made by debootstrap:
# the release in SUITE (bookworm), from the mirror in MIRROR or debootstrap's own.
set -eu

target=$1 program=$2
pristine=${3:-}
suite=${SUITE:-bookworm}
libraries=$("$(dirname "$0")/../../packaging/needs.sh" "$program")
wanted="systemd systemd-sysv dbus curl jq python3 $libraries"

# What a tree has not; a name may be another package's by now (libcurl4 is libcurl4t64 in 13).
lacks() {
    # shellcheck disable=SC2016 # fields of dpkg-query
    there=$(dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${db:Status-Abbrev},${Package},${Provides}\n' |
        sed -n 's/^ii *,//p' | tr ',' '\n' | awk '{ print $1 }')
    for package in $wanted; do
        echo "$there" | grep -qxF "$package" || echo "$package"
    done
}

[ "$(id -u)" -eq 0 ] || { echo "tree.sh: run as root" >&2; exit 1; }
if [ -d "$target" ]; then
    [ -n "$(lacks "$target")" ] || exit 0
    pristine=$target
fi
fresh="$target.new"
rm -rf --one-file-system "$fresh"
mkdir -p "$(dirname "$target")"
if [ -n "$pristine" ]; then
    cp -a "$pristine" "$fresh"
else
    debootstrap --variant=minbase "$suite" "$fresh" ${MIRROR:+"$MIRROR"}
fi
cp -L /etc/resolv.conf "$fresh/etc/resolv.conf"
chroot "$fresh" apt-get update -q
# shellcheck disable=SC2086 # a list of packages
DEBIAN_FRONTEND=noninteractive chroot "$fresh" \
    apt-get install -y -q --no-install-recommends $wanted
chroot "$fresh" apt-get clean
rm -f "$fresh/etc/machine-id"
: > "$fresh/etc/machine-id"
rm -rf --one-file-system "$target"
mv "$fresh" "$target"
