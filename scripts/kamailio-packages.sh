#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Unpacks Debian's Kamailio VERSION, with the libraries it needs down to libc, into FOLDER; nothing is installed.
#
# usage: kamailio-packages.sh VERSION FOLDER
# It runs through its own loader:
#   FOLDER/usr/lib/MULTIARCH/ld-linux-*.so.* --library-path FOLDER/usr/lib/MULTIARCH FOLDER/usr/sbin/kamailio
#       -L FOLDER/usr/lib/MULTIARCH/kamailio/modules ...
set -eu
version=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)

# What the tests load.
packages='kamailio kamailio-sqlite-modules kamailio-json-modules kamailio-lua-modules kamailio-python3-modules'
packages="$packages kamailio-tls-modules kamailio-websocket-modules libstdc++6"

case $version in
	[1-4].* | 5.[0-5] | 5.[0-5].*)
		echo "error: Kamailio $version is not served, 5.6 is the oldest: tm has no t_continue_skip_timer" >&2
		exit 1
		;;
esac

if [ "$(cat "$folder/packages" 2>/dev/null)" = "$version: $packages" ]; then
	exit 0
fi
. "$here/apt.sh"
suite=$(debian_suite "$version")
echo "fetching Kamailio $version with packages of $suite into $folder"
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
trap '[ $? -eq 0 ] || echo "error: no Kamailio $version: see above; where the network was missing, run this again" >&2
	rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
own_apt_prepare "$work/apt" deb "$suite"
# The package version whose upstream part is ours.
package=$(own_apt apt-cache show kamailio |
	awk -v version="$version" '
		$1 == "Version:" { upstream = $2; sub(/^[0-9]+:/, "", upstream); sub(/[-+~].*/, "", upstream) }
		$1 == "Version:" && upstream == version { print $2; exit }')
if [ -z "$package" ]; then
	echo "error: Debian's $suite has no package of Kamailio $version. Build it from its sources into a folder, and give" >&2
	echo "       both: make KAMAILIO=FOLDER KAMAILIO_SRC=TREE, and make test with the same" >&2
	exit 1
fi
mkdir "$work/tree"
# shellcheck disable=SC2086
own_apt_unpack "$work/tree" "kamailio=$package" $packages
echo "$version: $packages" >"$work/tree/packages"
rm -rf "$folder"
mv "$work/tree" "$folder"
