#!/bin/bash
# Builds the tarball, the .deb and the .rpm twice, as differently as one machine allows (from the
# checkout and from its tarball, directory, hour, umask, time zone, language, home, parallelism),
# and compares them byte by byte.
set -euo pipefail
sources=$(cd "$(dirname "$0")/.." && pwd)
version=$(dpkg-parsechangelog -l "$sources/packaging/debian/changelog" -S Version)
version=${version%-*}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# variant SOURCES DIRECTORY VARIABLE...: one build
variant() {
    local packaging=$1/packaging into=$2
    local tarball=$into/gatherd-$version.tar.gz
    shift 2
    mkdir -p "$into"
    env "$@" "$packaging/dist.sh" "$version" "$tarball" >/dev/null
    env "$@" "$packaging/build-deb.sh" "$tarball" "$into/deb" >/dev/null
    env "$@" "$packaging/build-rpm.sh" "$tarball" "$into/rpm" >/dev/null
}

one=$work/a two=$work/another-directory/of-another-length
umask 022
variant "$sources" "$one" TZ=UTC LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS="nocheck parallel=1"
umask 002
mkdir "$work/sources"
tar -x -C "$work/sources" -f "$one/gatherd-$version.tar.gz"
variant "$work/sources/gatherd-$version" "$two" TZ=Pacific/Auckland LC_ALL=C HOME="$work/home" \
    DEB_BUILD_OPTIONS="nocheck parallel=2"

compared=0
while IFS= read -r -d '' first; do
    cmp "$first" "$two/${first#"$one/"}"
    compared=$((compared + 1))
    sha256sum "$first" | sed "s,$one/,,"
done < <(find "$one" \( -path '*/BUILD*' -o -path '*/deb/*/*' -o -path '*/SOURCES' \) -prune -o \
    \( -name '*.deb' -o -name '*.rpm' -o -name '*.tar.*' -o -name '*.dsc' \) -print0 | sort -z)
# The tarball; of Debian its copy, the packaging, .dsc and two .deb; of rpm the sources and one
# or, where it splits off the debugging information, more.
[ "$compared" -ge 8 ] || { echo "compared $compared files, not 8" >&2; exit 1; }
echo "reproducible: $compared files, twice the same bytes"
