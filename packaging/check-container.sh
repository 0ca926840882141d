#!/bin/bash
# Builds the container image and looks at what comes out: check-container.sh TARBALL [TREE]
# As root, with buildah; no engine has to run. TREE is a bare Debian 12 (debootstrap
# --variant=minbase) to use as the base image; without it the base image is pulled.
set -euo pipefail
tarball=$(realpath "$1") tree=${2:+$(realpath "$2")}
packaging=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pid=""

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    store rm --all >/dev/null 2>&1 || true
    store rmi --all --force >/dev/null 2>&1 || true
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT

store() { buildah --storage-driver vfs --root "$work/images" --runroot "$work/run" "$@"; }

fail() {
    echo "check-container: $*" >&2
    exit 1
}

options=()
if [[ -n $tree ]]; then
    container=$(store from scratch)
    tar -c -C "$tree" --one-file-system --exclude=./var/cache/apt/archives/\*.deb . >"$work/base.tar"
    store add -q "$container" "$work/base.tar" / >/dev/null
    store commit -q "$container" localhost/debian-base >/dev/null
    rm "$work/base.tar"
    options=(--build-arg BASE=localhost/debian-base)
fi

mkdir "$work/context"
tar -x -C "$work/context" --strip-components=1 -f "$tarball"
# Docker's format, since only that has HEALTHCHECK.
store build -q --isolation chroot --format docker "${options[@]}" -f "$packaging/Containerfile" \
    -t localhost/gatherd "$work/context" >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; fail "no image"; }

store inspect --type image localhost/gatherd >"$work/image.json"
python3 - "$work/image.json" <<'PY'
import json, sys
config = json.load(open(sys.argv[1]))["Docker"]["config"]
assert config["User"] == "65534:65534", config["User"]
assert config["Entrypoint"] == ["/usr/bin/gatherd"], config["Entrypoint"]
assert config["Healthcheck"]["Test"][:2] == ["CMD", "bash"], config["Healthcheck"]
assert "8080/tcp" in config["ExposedPorts"]
PY

container=$(store from localhost/gatherd)
root=$(store mount "$container")
grep -q '^listen: ":8080"' "$root/etc/gatherd/gatherd.yaml" || fail "the configuration is another"
[[ ! -e $root/usr/bin/gcc && ! -e $root/src ]] || fail "the first stage is in the image"
if [[ -n $tree ]]; then
    echo "size: $(du -sm "$root" | cut -f1) MiB, on a base of $(du -sm --exclude=archives "$tree" | cut -f1) MiB"
fi

# In a network of its own: the port may be taken here.
cat >"$work/run.sh" <<'SH'
set -eu
ip link set lo up
chroot --userspec=65534:65534 "$1" /usr/bin/gatherd 2>"$2" &
pid=$!
shift 2
for _ in $(seq 50); do
    if chroot --userspec=65534:65534 "$ROOT" "$@" 2>/dev/null; then good=yes; break; fi
    sleep 0.1
done
kill "$pid"
wait "$pid"
[ "${good:-}" = yes ]
! chroot --userspec=65534:65534 "$ROOT" "$@" 2>/dev/null
SH
mapfile -t -d '' health < <(python3 -c '
import json, sys
for word in json.load(open(sys.argv[1]))["Docker"]["config"]["Healthcheck"]["Test"][1:]:
    print(word, end="\0")' "$work/image.json")
mkdir -p "$root/dev"
[[ -e $root/dev/null ]] || mknod -m 666 "$root/dev/null" c 1 3
ROOT=$root unshare --net bash "$work/run.sh" "$root" "$work/gatherd.log" "${health[@]}" ||
    { cat "$work/gatherd.log" >&2; fail "the health check does not say what is so"; }
echo "container: built, runs as nobody, healthy while it runs and not after"
