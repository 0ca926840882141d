#!/bin/sh
# Makes the Debian tree that check.py boots: tree.sh TARGET PROGRAM [PRISTINE-TREE]
# It has systemd and the libraries that the program needs.
# Without a pristine tree one is made by debootstrap: the release in SUITE (bookworm), from the
# mirror in MIRROR.
set -eu

target=$1 program=$2
pristine=${3:-}
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
libraries=$("$(dirname "$0")/../../packaging/needs.sh" "$program")
wanted="systemd systemd-sysv dbus $libraries"

[ "$(id -u)" -eq 0 ] || { echo "tree.sh: run as root" >&2; exit 1; }
fresh="$target.new"
rm -rf --one-file-system "$fresh"
mkdir -p "$(dirname "$target")"
if [ -n "$pristine" ]; then
    cp -a "$pristine" "$fresh"
else
    debootstrap --variant=minbase "$suite" "$fresh" "$mirror"
fi
cp -L /etc/resolv.conf "$fresh/etc/resolv.conf"
printf 'deb %s %s main\n' "$mirror" "$suite" > "$fresh/etc/apt/sources.list"
chroot "$fresh" apt-get update -q
# shellcheck disable=SC2086 # a list of packages
DEBIAN_FRONTEND=noninteractive chroot "$fresh" \
    apt-get install -y -q --no-install-recommends $wanted
chroot "$fresh" apt-get clean
rm -f "$fresh/etc/machine-id"
: > "$fresh/etc/machine-id"
mv "$fresh" "$target"
