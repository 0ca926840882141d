#!/bin/bash
# Runs debian/tests against the .deb with autopkgtest in a bare Debian: check-autopkgtest.sh BUILD [TREE]
# As root, after make deb. TREE is a bare tree of this system's release (debootstrap
# --variant=minbase), of which a copy is used; without it one is fetched. What the tests depend on
# comes over the network; then they run without one.
set -euo pipefail
build=$(realpath "$1") bare=${2:+$(realpath "$2")}
packaging=$(cd "$(dirname "$0")" && pwd)
deb=$(echo "$build"/deb/gatherd_*_*.deb) source=$(echo "$build"/deb/gatherd_*.dsc)
log=$build/autopkgtest.log
work=$(mktemp -d)
tree=$work/tree
trap 'rm -rf --one-file-system "$work"' EXIT
# shellcheck disable=SC1091 # beside this file
. "$packaging/tree.sh"

install_in() { inside "$tree" apt-get install -y -q --no-install-recommends "$@"; }

# Everything that the tests name, so that autopkgtest has nothing to install.
prepare() {
    local names depends
    # shellcheck disable=SC1091 # every Debian has it
    . /etc/os-release
    make_tree "$tree" "$VERSION_CODENAME" "$bare"
    cp "$build"/deb/gatherd_*.* "$tree/tmp/"
    inside "$tree" apt-get update -q
    names=$(awk '/^Depends:/ { on = 1; $1 = "" } /^[A-Z].*:/ && !/^Depends:/ { on = 0 } on' \
        "$packaging/debian/tests/control" | tr ',\n' '  ' | tr -s ' ' '\n' | grep -v @)
    mapfile -t depends < <(sort -u <<<"$names")
    install_in autopkgtest build-essential "${depends[@]}" "/tmp/${deb##*/}"
    inside "$tree" apt-get build-dep -y -q --no-install-recommends "/tmp/${source##*/}"
}

prepare >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
status=0
inside "$tree" --offline autopkgtest --no-built-binaries "/tmp/${source##*/}" "/tmp/${deb##*/}" \
    --summary-file=/tmp/summary -- null >>"$log" 2>&1 || status=$?
[[ $status -eq 0 ]] || { tail -n 40 "$log" >&2; echo "the log is $log" >&2; }
sed 's/^/autopkgtest: /' "$tree/tmp/summary"
exit "$status"
