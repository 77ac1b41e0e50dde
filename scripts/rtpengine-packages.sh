#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Unpacks Debian's rtpengine with the libraries that it needs down to libc into FOLDER. Nothing is installed: the package
# would start a service, and it depends on 170 libraries.
#
# usage: rtpengine-packages.sh FOLDER
# It runs through its own loader, on any Debian:
#   FOLDER/usr/lib/MULTIARCH/ld-linux-*.so.* --library-path FOLDER/usr/lib/MULTIARCH FOLDER/usr/bin/rtpengine ...
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)

# The release that the tests know.
suite=bookworm
package=rtpengine-daemon

if [ "$(cat "$folder/packages" 2>/dev/null)" = "$suite: $package" ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "error: this is no Debian; the tests need its $package and libraries, unpacked in $folder" >&2
	exit 1
fi
. "$here/apt.sh"
echo "unpacking $package of $suite, with its libraries, into $folder"
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap 'status=$?; rm -rf "$work"; [ $status -eq 0 ] || echo "error: $package of $suite could not be fetched" >&2' EXIT
trap 'exit 1' INT TERM
own_apt_prepare "$work/apt" deb "$suite"
mkdir "$work/tree"
own_apt_unpack "$work/tree" "$package"
# What it is not run with.
rm -rf "$work/tree/usr/share" "$work/tree/var" "$work/tree/etc"
echo "$suite: $package" >"$work/tree/packages"
rm -rf "$folder"
mv "$work/tree" "$folder"
