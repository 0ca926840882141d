#!/bin/bash
# Builds the tarball and the .deb twice, as differently as one machine allows (directory, hour,
# umask, time zone, language, home, parallelism), and compares them byte by byte.
set -euo pipefail
packaging=$(cd "$(dirname "$0")" && pwd)
version=$(dpkg-parsechangelog -l "$packaging/debian/changelog" -S Version)
version=${version%-*}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# variant DIRECTORY VARIABLE...: one build
variant() {
    local into=$1
    shift
    mkdir -p "$into"
    env "$@" "$packaging/dist.sh" "$version" "$into/gatherd-$version.tar.gz" >/dev/null
    env "$@" "$packaging/build-deb.sh" "$into/gatherd-$version.tar.gz" "$into/deb" >/dev/null
}

one=$work/a two=$work/another-directory/of-another-length
umask 022
variant "$one" TZ=UTC LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS="nocheck parallel=1"
umask 002
variant "$two" TZ=Pacific/Auckland LC_ALL=C HOME="$work/home" DEB_BUILD_OPTIONS="nocheck parallel=2"

compared=0
while IFS= read -r -d '' first; do
    cmp "$first" "$two/${first#"$one/"}"
    compared=$((compared + 1))
    sha256sum "$first" | sed "s,$one/,,"
done < <(find "$one" -maxdepth 2 \( -name '*.deb' -o -name '*.tar.*' -o -name '*.dsc' \) -print0 | sort -z)
[ "$compared" -eq 6 ] || { echo "compared $compared files, not 6" >&2; exit 1; }
echo "reproducible: $compared files, twice the same bytes"
