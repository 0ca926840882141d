#!/bin/sh
# Prints the Debian packages with the libraries that a program names: needs.sh PROGRAM
set -eu
program=$1

libraries=$(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }')
places=$(ldd "$program")
packages=""
for library in $libraries; do
    file=$(echo "$places" | awk -v name="$library" '$1 == name { print $3 }')
    file=$(readlink -f "$file")
    # dpkg knows it below /lib or below /usr/lib.
    package=$(dpkg-query -S "*${file#/usr}")
    packages="$packages ${package%%:*}"
done
echo "$packages" | tr ' ' '\n' | sed '/^$/d' | LC_ALL=C sort -u
