#!/bin/bash
# The .rpm from the release tarball: build-rpm.sh TARBALL DIRECTORY
# On Debian rpm knows no installed packages, so it cannot check what the build needs.
set -euo pipefail
tarball=$(realpath "$1") into=$2
spec=$(cd "$(dirname "$0")" && pwd)/gatherd.spec
options=()
if [ -e /etc/debian_version ]; then
    options=(--nodeps --without check)
fi

rm -rf "$into"
mkdir -p "$into/SOURCES"
into=$(cd "$into" && pwd)
cp "$tarball" "$into/SOURCES/"
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD -u VERSION \
    rpmbuild -ba "${options[@]}" --define "_topdir $into" "$spec" >"$into/build.log" 2>&1 ||
    { tail -n 20 "$into/build.log" >&2; exit 1; }
find "$into/RPMS" "$into/SRPMS" -name '*.rpm'
