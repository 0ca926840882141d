#!/bin/bash
# Debian packages from the release tarball: build-deb.sh TARBALL DIRECTORY
# The directory is emptied; the packaging comes from packaging/debian of this checkout.
set -euo pipefail
tarball=$(realpath "$1") into=$2
packaging=$(cd "$(dirname "$0")" && pwd)
version=$(dpkg-parsechangelog -l "$packaging/debian/changelog" -S Version)
upstream=${version%-*}
case $tarball in
*-"$upstream".tar.gz) ;;
*) echo "build-deb.sh: $tarball is not of $upstream, which debian/changelog names" >&2; exit 1 ;;
esac

rm -rf "$into"
mkdir -p "$into"
into=$(cd "$into" && pwd)
cp "$tarball" "$into/gatherd_$upstream.orig.tar.gz"
tar -x -C "$into" -f "$tarball"
cp -r "$packaging/debian" "$into/gatherd-$upstream/debian"
# Whatever the umask was where these files come from.
chmod -R u+rw,go+r,go-w,a+X "$into/gatherd-$upstream"
cd "$into/gatherd-$upstream"
# The makefile that called hands its own variables down; the package has its own.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD -u VERSION \
    dpkg-buildpackage --no-sign "${@:3}" >"$into/build.log" 2>&1 ||
    { tail -n 20 "$into/build.log" >&2; exit 1; }
cd ..
ls ./*.deb ./*.dsc ./*.changes
