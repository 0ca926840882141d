#!/bin/bash
# The .rpm from the release tarball: build-rpm.sh TARBALL DIRECTORY
# The same tarball gives the same bytes: nothing in it is younger than the tarball's files.
# On Debian rpm knows no installed packages, so it cannot check what the build needs.
set -euo pipefail
tarball=$(realpath "$1") into=$2
spec=$(cd "$(dirname "$0")" && pwd)/gatherd.spec
options=()
if [ -e /etc/debian_version ]; then
    options=(--nodeps --without check)
fi

# The first names are older releases' of rpm, the last is since 4.20.
for macro in "use_source_date_epoch_as_buildtime 1" "clamp_mtime_to_source_date_epoch 1" \
    "source_date_epoch_from_changelog 0" "build_mtime_policy clamp_to_source_date_epoch" \
    "_buildhost reproducible"; do
    options+=(--define "$macro")
done
: "${SOURCE_DATE_EPOCH:=$(tar --list --verbose --full-time --utc --file="$tarball" | awk 'NR == 1 { print $4 "T" $5 "Z" }' |
    xargs date +%s --date)}"
export SOURCE_DATE_EPOCH

rm -rf "$into"
mkdir -p "$into/SOURCES" "$into/SPECS"
into=$(cd "$into" && pwd)
install -m 644 "$tarball" "$into/SOURCES/"
install -m 644 "$spec" "$into/SPECS/"
touch --date="@$SOURCE_DATE_EPOCH" "$into"/S*/*
# build WAY OPTION...: the source package keeps the spec as expanded, and so must not see where it is
build() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD -u VERSION \
        rpmbuild "$1" "${options[@]}" "${@:2}" "$into/SPECS/gatherd.spec" >>"$into/build.log" 2>&1 ||
        { tail -n 20 "$into/build.log" >&2; exit 1; }
}
cd "$into/SOURCES"
build -bs --define "_topdir /tmp" --define "_builddir /tmp" --define "_buildrootdir /tmp" \
    --define "_rpmdir /tmp" --define "_sourcedir ." --define "_srcrpmdir $into/SRPMS"
build -bb --define "_topdir $into" --define "build_place $into"
find "$into/RPMS" "$into/SRPMS" -name '*.rpm'
