#!/bin/bash
# The release tarball: dist.sh VERSION FILE. The same files give the same bytes.
set -euo pipefail
version=$1 file=$2
cd "$(dirname "$0")/.."

git rev-parse --git-dir >/dev/null 2>&1 || {
    echo "dist.sh: the list of files comes from git, and this is not a checkout" >&2
    exit 1
}
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
mkdir -p "$(dirname "$file")"
# A file that was removed but not committed is in the list of git and not here.
git ls-files -z | LC_ALL=C sort -z | while IFS= read -r -d '' name; do
    if [ -e "$name" ]; then printf '%s\0' "$name"; fi
done | LC_ALL=C tar --create --no-recursion --format=ustar \
    --transform="s,^,gatherd-$version/,S" --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w,a+X --null --files-from=- |
    gzip -9n >"$file"
echo "$file"
