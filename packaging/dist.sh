#!/bin/bash
# The release tarball: dist.sh VERSION FILE. The same files give the same bytes, in a checkout
# and in what was unpacked from the tarball.
set -euo pipefail
version=$1
mkdir -p "$(dirname "$2")"
file=$(realpath "$2")
cd "$(dirname "$0")/.."

# Names with a zero byte after each, in any order.
if [ -e .git ]; then
    git rev-parse --git-dir >/dev/null # or it says what is wrong
    names() { git ls-files -z; }
    : "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
else
    # What .gitignore says, and where this file goes.
    names() {
        find . \( -path ./build -o -path "./$(realpath --relative-to=. "${file%/*}")" -o -name __pycache__ \
            -o -name .pytest_cache \) -prune -o ! -type d ! -name '*.o' -printf '%P\0'
    }
    # All are as old as the commit, but those that somebody has changed.
    : "${SOURCE_DATE_EPOCH:=$(names | xargs -0 stat -c %Y | sort -n | tail -n 1)}"
fi
# A file that was removed but not committed is in the list of git and not here.
names | LC_ALL=C sort -z | while IFS= read -r -d '' name; do
    if [ -e "$name" ]; then printf '%s\0' "$name"; fi
done | LC_ALL=C tar --create --no-recursion --format=ustar \
    --transform="s,^,gatherd-$version/,S" --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w,a+X --null --files-from=- |
    gzip -9n >"$file"
echo "$file"
