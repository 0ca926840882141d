#!/bin/bash
# Runs the demo: the demo upstream, gatherd in front of it, one fan-out with curl.
# Usage: tests/demo/run.sh build/gatherd
# ONCE=1 ends after the reply; PORT and UPSTREAM_PORT choose other ports.
set -euo pipefail

daemon=${1:?usage: run.sh path/to/gatherd}
port=${PORT:-8080}
upstream_port=${UPSTREAM_PORT:-9000}
python=${PYTHON:-/usr/bin/python3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
config=$root/conf/demo.yaml
batch=$root/conf/three-posts.json
work=$(mktemp -d)
pids=()

if [[ -t 1 ]]; then
    bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' red='' plain=''
fi

say() { printf '%s%s%s\n' "$bold" "$*" "$plain"; }

fail() {
    printf '%s%s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

# shellcheck disable=SC2317  # called by the trap
clean_up() {
    local pid
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 0' INT TERM

# Waits until a program's output has the line that says it listens.
await() {
    local name=$1 pid=$2 log=$3 number=$4 option=$5
    for _ in $(seq 200); do
        if grep -qs 'listening on' "$log"; then
            return
        fi
        if ! kill -0 "$pid" 2>/dev/null; then
            cat "$log" >&2
            fail "$name did not start. Is port $number taken? Choose another one: make demo $option=..."
        fi
        sleep 0.05
    done
    cat "$log" >&2
    fail "$name did not say within 10 seconds that it listens."
}

for tool in curl jq "$python" "$daemon"; do
    command -v "$tool" >/dev/null || fail "$tool is missing: run make deps all"
done

# Other ports than the usual ones: the same files with the numbers replaced.
if [[ $port != 8080 || $upstream_port != 9000 ]]; then
    for file in "$config" "$batch"; do
        sed -e "s/127\.0\.0\.1:9000/127.0.0.1:$upstream_port/g" \
            -e "s/127\.0\.0\.1:8080/127.0.0.1:$port/g" "$file" >"$work/${file##*/}"
    done
    config=$work/demo.yaml
    batch=$work/three-posts.json
fi
shown_batch=${batch#"$PWD"/}

"$python" "$root/tests/demo/upstream.py" --port "$upstream_port" >"$work/upstream.log" 2>&1 &
pids+=($!)
await "The demo upstream" "${pids[0]}" "$work/upstream.log" "$upstream_port" UPSTREAM_PORT

"$daemon" --config "$config" >"$work/gatherd.log" 2>&1 &
pids+=($!)
await "gatherd" "${pids[1]}" "$work/gatherd.log" "$port" PORT

say "The demo upstream serves http://127.0.0.1:$upstream_port, gatherd http://127.0.0.1:$port."
echo
say "Three URLs, one request:"
echo "    curl -s http://127.0.0.1:$port/batch -d @$shown_batch | jq ."
echo
if ! curl -sS --max-time 30 -o "$work/reply.json" -w '%{http_code}' \
    "http://127.0.0.1:$port/batch" -d "@$batch" >"$work/status"; then
    cat "$work/gatherd.log" >&2
    fail "gatherd did not answer."
fi
if [[ -t 1 ]]; then
    jq -C . "$work/reply.json"
else
    jq . "$work/reply.json"
fi
if [[ $(<"$work/status") != 200 ]]; then
    fail "gatherd answered with status $(<"$work/status")."
fi
if [[ ${ONCE:-} == 1 ]]; then
    exit 0
fi

echo
say "Both keep running until Ctrl-C. In another terminal, try:"
cat <<HINTS
    One object from three calls, described in conf/demo.yaml:
        curl -s http://127.0.0.1:$port/posts/7/page | jq .
    The same as a list, straight from the command line:
        curl -s "http://127.0.0.1:$port/batch?merge=array&url=http://127.0.0.1:$upstream_port/posts/1&url=http://127.0.0.1:$upstream_port/users/1" | jq .
    Three calls of 300 ms each, done in 300 ms:
        time curl -s "http://127.0.0.1:$port/batch?url=http://127.0.0.1:$upstream_port/delay/300&url=http://127.0.0.1:$upstream_port/delay/300&url=http://127.0.0.1:$upstream_port/delay/300" | jq .
    One of two fails, and the reply says which and why:
        curl -si "http://127.0.0.1:$port/batch?merge=keyed&policy=allSettled&url=http://127.0.0.1:$upstream_port/posts/1&url=http://127.0.0.1:$upstream_port/reset"
HINTS
while kill -0 "${pids[0]}" 2>/dev/null && kill -0 "${pids[1]}" 2>/dev/null; do
    sleep 1 &
    wait $! || true
done
cat "$work/gatherd.log" "$work/upstream.log" >&2
fail "One of the two programs ended by itself."
