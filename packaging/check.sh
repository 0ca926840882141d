#!/bin/bash
# Looks at the built packages: check.sh BUILD [TREE]
# As root, after make deb and make rpm. TREE is a bare Debian (debootstrap --variant=minbase),
# of which a copy is used; without it one is made of this system's release. systemd does not run
# in there: what it does with the unit is tested elsewhere.
set -euo pipefail
build=$(realpath "$1") bare=${2:+$(realpath "$2")}
deb=$(echo "$build"/deb/gatherd_*_*.deb) rpm=$(echo "$build"/rpm/RPMS/*/gatherd-[0-9]*.rpm)
work=$(mktemp -d)
tree=$work/tree
trap 'rm -rf --one-file-system "$work"' EXIT

fail() {
    echo "check: $*" >&2
    exit 1
}

inside() {
    chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}

# Everything but what belongs to dpkg and apt themselves, and caches.
snapshot() {
    (cd "$tree" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache \
        -o -path ./var/log -o -path ./dev -o -path ./proc -o -path ./tmp \) -prune \
        -o ! -type d -printf '%p %y %m %u %g %s %l\n' -o -printf '%p %y %m %u %g\n') | LC_ALL=C sort
}

check_hardening() {
    local elf
    dpkg-deb -x "$deb" "$work/deb"
    elf=$(readelf -hldW "$work/deb/usr/bin/gatherd")
    grep -q 'Type:.*DYN' <<<"$elf" || fail "not position independent"
    grep -q 'GNU_RELRO' <<<"$elf" || fail "no RELRO"
    grep -q 'BIND_NOW\|Flags:.*NOW' <<<"$elf" || fail "no immediate binding"
    grep -q 'GNU_STACK.* RW ' <<<"$elf" || fail "executable stack"
    elf=$(readelf -sW --dyn-syms "$work/deb/usr/bin/gatherd")
    grep -q '__stack_chk_fail' <<<"$elf" || fail "no stack protector"
    grep -q '_chk@' <<<"$elf" || fail "not fortified"
    echo "deb: hardened"
}

make_tree() {
    local name
    if [[ -n $bare ]]; then
        cp -a "$bare" "$tree"
    else
        # shellcheck disable=SC1091 # every Debian has it
        (. /etc/os-release && debootstrap --variant=minbase "$VERSION_CODENAME" "$tree") >"$work/log"
    fi
    cp /etc/resolv.conf "$tree/etc/resolv.conf"
    inside apt-get update -q >"$work/log"
    dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/,/ /g' >"$work/depends"
    read -ra depends <"$work/depends"
    inside apt-get install -y -q --no-install-recommends "${depends[@]}" >"$work/log"
    # Every system with systemd has these and something in them; the packaging does not bring them
    # along, and purging removes what is empty.
    for name in etc/systemd/system var/lib/systemd/deb-systemd-helper-enabled; do
        mkdir -p "$tree/$name/multi-user.target.wants"
        ln -s /dev/null "$tree/$name/multi-user.target.wants/other.service"
    done
}

# In a network of its own: the port may be taken here.
check_running() {
    cat >"$work/run.sh" <<'SH'
set -eu
ip link set lo up
chroot --userspec=65534:65534 "$1" /usr/bin/gatherd --config /etc/gatherd/gatherd.yaml 2>"$2" &
pid=$!
reply=""
for _ in $(seq 50); do
    if exec 3<>/dev/tcp/127.0.0.1/8080; then
        printf 'GET /batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        reply=$(head -n 1 <&3)
        break
    fi 2>/dev/null
    sleep 0.1
done
kill "$pid"
wait "$pid"
[ "${reply%%$'\r'}" = "HTTP/1.1 400 Bad Request" ]
SH
    unshare --net bash "$work/run.sh" "$tree" "$work/gatherd.log" ||
        { cat "$work/gatherd.log" >&2; fail "the installed configuration does not serve"; }
}

check_deb() {
    local name
    lintian --pedantic --fail-on error,warning "$build"/deb/*.changes >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "lintian finds something"; }
    echo "deb: lintian finds no error and no warning"
    check_hardening
    make_tree
    snapshot >"$work/before"
    cp "$deb" "$tree/tmp/gatherd.deb"
    inside apt-get install -y -q --no-install-recommends /tmp/gatherd.deb >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "does not install"; }
    for name in /usr/bin/gatherd /etc/gatherd/gatherd.yaml /etc/gatherd/conf.d \
        /usr/share/man/man5/gatherd.yaml.5.gz /usr/share/man/man8/gatherd.8.gz \
        /usr/share/bash-completion/completions/gatherd /usr/share/zsh/vendor-completions/_gatherd \
        /usr/share/doc/gatherd/examples/demo.yaml; do
        inside dpkg -S "$name" >/dev/null || fail "$name is not in the package"
    done
    # What the configuration and the examples name is there.
    for name in $(cd "$tree" && zgrep -ohE '\b[a-z-]+\.md\b' etc/gatherd/gatherd.yaml usr/share/doc/gatherd/examples/*); do
        inside dpkg -L gatherd | grep -qE "^/usr/share/doc/gatherd/$name(\.gz)?$" || fail "$name is not installed"
    done
    inside dpkg -S gatherd.service >/dev/null || fail "no unit"
    [[ -L $tree/etc/systemd/system/multi-user.target.wants/gatherd.service ]] || fail "not enabled"
    [[ ! -e $tree/etc/systemd/system/sockets.target.wants/gatherd.socket ]] || fail "socket enabled"
    inside gatherd --check-config >/dev/null || fail "the configuration is not accepted"
    check_running
    echo "deb: installs, is enabled, serves as nobody with the installed configuration"

    echo '# mine' >>"$tree/etc/gatherd/gatherd.yaml"
    inside dpkg -i --force-confold /tmp/gatherd.deb >"$work/log" 2>&1 || fail "does not install again"
    inside dpkg -r gatherd >"$work/log" 2>&1 || fail "cannot be removed"
    grep -q '^# mine' "$tree/etc/gatherd/gatherd.yaml" || fail "the administrator's file is gone"
    [[ ! -e $tree/usr/bin/gatherd ]] || fail "is still there"
    inside dpkg -P gatherd >"$work/log" 2>&1 || fail "cannot be purged"
    snapshot >"$work/after"
    diff "$work/before" "$work/after" || fail "purging leaves or takes something"
    echo "deb: keeps a changed configuration on removal, leaves nothing on purge"
}

# With the macros of distributions that have them and without: each unit is settled and stopped, the
# sockets before the service, and the service alone is restarted.
check_scriptlets() {
    local macros=(--define 'systemd_post() POST %*' --define 'systemd_preun() PREUN %*'
        --define 'systemd_postun() POSTUN %*' --define 'systemd_postun_with_restart() RESTART %*')
    local units="gatherd.socket gatherd-local.socket gatherd.service" parsed line
    local sockets=${units% *} spec
    spec=$(dirname "$0")/gatherd.spec
    parsed=$(rpmspec -P "${macros[@]}" "$spec")
    for line in "POST $units" "PREUN $units" "POSTUN $sockets" "RESTART gatherd.service"; do
        grep -qxF "$line" <<<"$parsed" || fail "the spec has no scriptlet $line"
    done
    parsed=$(rpm -qp --scripts "$rpm" 2>/dev/null)
    for line in "preset $units" "disable --now $units" "try-restart gatherd.service"; do
        grep -qF "$line" <<<"$parsed" || fail "the .rpm has no scriptlet $line"
    done
    echo "rpm: scriptlets settle and stop all units, with macros and without"
}

check_rpm() {
    local root=$work/rpm-root
    mkdir -p "$root"
    rpm --root "$root" --nodeps --noscripts -i "$rpm" 2>"$work/log" || { cat "$work/log" >&2; fail "rpm -i"; }
    for name in usr/bin/gatherd etc/gatherd/gatherd.yaml etc/gatherd/conf.d \
        usr/lib/systemd/system/gatherd.service usr/share/man/man8/gatherd.8 \
        usr/share/bash-completion/completions/gatherd usr/share/zsh/site-functions/_gatherd; do
        [[ -e $root/$name || -e $root/$name.gz ]] || fail "$name is not in the rpm"
    done
    [[ $(rpm -qp --qf '%{VERSION}' "$rpm" 2>/dev/null) = "$(dpkg-deb -f "$deb" Version | cut -d- -f1)" ]] ||
        fail "the packages have different versions"
    rpm --root "$root" --nodeps -V gatherd 2>/dev/null || fail "rpm -V"
    rpm --root "$root" --nodeps --noscripts -e gatherd 2>/dev/null || fail "rpm -e"
    [[ -z $(find "$root" -name '*gatherd*') ]] || fail "rpm -e leaves something"
    echo "rpm: installs, verifies, leaves nothing"
    check_scriptlets
}

[[ -e $deb && -e $rpm ]] || fail "make deb and make rpm come first"
check_deb
check_rpm
