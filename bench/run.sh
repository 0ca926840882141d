#!/bin/sh
# make bench: builds the load generator, runs the comparison, writes bench/RESULTS.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../build}
mkdir -p "$build/bench"
gcc -std=gnu11 -O2 -Wall -Wextra -D_GNU_SOURCE -o "$build/bench/load" "$here/load.c"
exec /usr/bin/python3 "$here/compare.py" --build "$build" "$@"
