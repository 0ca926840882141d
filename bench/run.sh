#!/bin/sh
# make bench: builds the programs of the benchmark, fetches the Node packages of the lock
# file, runs the comparison and writes bench/RESULTS.md and bench/results.svg.
# QUICK=1: one or two minutes, written to build/bench instead.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../build}
mkdir -p "$build/bench/node"
for program in load upstream floor; do
    gcc -std=gnu11 -O2 -Wall -Wextra -D_GNU_SOURCE -o "$build/bench/$program" "$here/$program.c"
done
gcc -std=gnu11 -O2 -Wall -Wextra -D_GNU_SOURCE -I"$here/../daemon" -o "$build/bench/json_bench" \
    "$here/json_bench.c" "$build/libgatherd.a"
gcc -std=gnu11 -O2 -Wall -Wextra -D_GNU_SOURCE -I"$here/../daemon" -o "$build/bench/shape_bench" \
    "$here/shape_bench.c" "$build/libgatherd.a" -ljansson -lyaml -lcurl
# A failure here is not the end: the report then says that Node is missing.
if ! cmp -s "$here/package-lock.json" "$build/bench/node/package-lock.json" ||
    [ ! -d "$build/bench/node/node_modules/undici" ]; then
    cp "$here/package.json" "$here/package-lock.json" "$build/bench/node/"
    (cd "$build/bench/node" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) ||
        { echo "bench: npm could not install undici:"; tail -5 "$build/bench/node/npm.log"; } >&2
fi
[ -z "${QUICK:-}" ] || set -- --quick "$@"
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$here/compare.py" --build "$build" "$@"
