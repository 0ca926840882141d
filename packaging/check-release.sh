#!/bin/bash
# The README's two commands, make demo ONCE=1 and make test, on a Debian that has nothing but
# make: check-release.sh BUILD SUITE [TREE]
# As root. TREE is a bare Debian of the suite (debootstrap --variant=minbase), of which a copy is
# used; without it one is fetched. What git has committed is tried, or in a tarball all of it.
# make demo runs without a network once its packages are there; make test fetches what it wants.
set -euo pipefail
build=$(realpath "$1") suite=$2 bare=${3:+$(realpath "$3")}
packaging=$(cd "$(dirname "$0")" && pwd)
log=$build/release/$suite
work=$(mktemp -d)
tree=$work/tree
failed=""
trap 'rm -rf --one-file-system "$work"' EXIT
# shellcheck disable=SC1091 # beside this file
. "$packaging/tree.sh"

step() {
    local name=$1 began=$SECONDS
    shift
    if "$@" >"$log/$name.log" 2>&1; then
        printf 'ok    %-9s %4d s\n' "$name" $((SECONDS - began))
    else
        printf 'FAIL  %-9s %4d s, see %s\n' "$name" $((SECONDS - began)) "$log/$name.log"
        failed=yes
        false
    fi
}

# The sources as somebody gets them who has just heard of gatherd.
sources() {
    cd "$packaging/.."
    if [[ -e .git ]]; then
        git clone -q . "$tree/src/gatherd"
        git log -1 --format='%h %s'
        [[ -z $(git status --porcelain) ]] || echo "what is not committed is not in it"
    else
        packaging/dist.sh 0 "$work/gatherd.tar.gz"
        mkdir "$tree/src/gatherd"
        tar -x -C "$tree/src/gatherd" --strip-components=1 -f "$work/gatherd.tar.gz"
    fi
}

in_sources() { inside "$tree" env -C /src/gatherd "$@"; }
offline() { inside "$tree" --offline env -C /src/gatherd "$@"; }

mkdir -p "$log"
step tree make_tree "$tree" "$suite" "$bare"
mkdir "$tree/src"
step sources sources
cat "$log/sources.log"
step make inside "$tree" sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends make'

step deps-demo in_sources make -s deps-demo
step demo offline make demo ONCE=1
grep '"title"' "$log/demo.log"
step test in_sources make test || true
offline build/gatherd --version | sed 's/^/      /'
awk '/^ok   / { files++; tests += $3 } END { print files " files of unit tests: " tests " passed" }' "$log/test.log" |
    sed 's/^/      /'
grep -E '^FAIL|^ERROR|^lint: |^[0-9]+ (passed|failed)' "$log/test.log" | sed 's/^/      /'
[[ -z $failed ]]
