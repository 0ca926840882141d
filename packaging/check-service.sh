#!/bin/bash
# Everything an operator relies on, in order, with one summary: check-service.sh BUILD
# As root, by make check-service: the packages (made, lintian, installed, purged), the .deb just made
# under a real systemd, the metrics before a real Prometheus. Without a package systemd gets none.
set -euo pipefail
build=$(realpath "$1")
log=$build/check-service
make=${MAKE:-make}
summary=()
failed=""

# step NAME PATTERN ARGUMENT...: one make target; PATTERN: the lines that say what was seen
step() {
    local name=$1 pattern=$2 began=$SECONDS result=ok said
    shift 2
    echo "== $name"
    if "$make" -s "$@" 2>&1 | tee "$log/$name.log"; then
        said="$(grep -c -E "$pattern" "$log/$name.log") findings as they should be"
    else
        result=FAIL said="see $log/$name.log" failed="$failed $name"
    fi
    summary+=("$(printf '%-4s  %-8s %5d s  %s' "$result" "$name" $((SECONDS - began)) "$said")")
}

mkdir -p "$log"
step packages '^(deb|rpm): ' check-packages
if [[ -z $failed ]]; then
    step systemd '^ok ' check-systemd DEB="$(echo "$build"/deb/gatherd_*_*.deb)"
fi
step metrics '^(metrics|dashboard|alerts): ' check-metrics

echo "== summary"
printf '%s\n' "${summary[@]}"
[[ -z $failed ]] || { echo "check-service: failed:$failed" >&2; exit 1; }
