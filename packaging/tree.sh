#!/bin/bash
# Sourced by checks that need a bare Debian to install into.
# Nothing they do outlives them: mounts and processes end with the namespaces of a command.

# make_tree TREE SUITE [BARE]: a copy of BARE, or what debootstrap makes of SUITE (from MIRROR or its own mirror)
make_tree() {
    if [[ -n ${3:-} ]]; then
        cp -a "$3" "$1"
    else
        debootstrap --variant=minbase "$2" "$1" ${MIRROR:+"$MIRROR"}
    fi
    cp -L /etc/resolv.conf "$1/etc/resolv.conf"
    # Every installed system has it, debootstrap does not write it.
    [[ -e $1/etc/hosts ]] || printf '127.0.0.1 localhost\n::1 localhost\n' >"$1/etc/hosts"
    # What is installed in there starts nothing: ports are the same as out here.
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod +x "$1/usr/sbin/policy-rc.d"
}

# inside TREE [--offline] COMMAND...: as root in the tree; --offline: with a loopback device alone
inside() {
    local tree=$1 network=()
    shift
    if [[ $1 = --offline ]]; then
        network=(--net)
        shift
    fi
    # shellcheck disable=SC2016 # the inner shell expands it
    # The shell stays as process 1, which takes the exit status of orphans.
    unshare --mount --pid --ipc --fork --kill-child "${network[@]}" bash -c '
        mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev" || exit 125
        [ "$1" -eq 0 ] || ip link set lo up || exit 125
        shift
        status=0
        chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive "$@" </dev/null || status=$?
        exit $status' "$tree" "${#network[@]}" "$@"
}
