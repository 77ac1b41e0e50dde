#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian with the Kamailio that is installed, to install a package in: fetches it into .cache, or finds it there.
#
# usage: debian.sh fetch|look|possible
# fetch: where it is not there yet and can be used. look: prints its path without the ending: .tar is the Debian, .deb
# Kamailio's own package. possible: fails, and prints why, where it could not be entered.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

# Why it cannot be used, or nothing.
hindrance() {
	if [ "$(id -u)" -ne 0 ]; then
		echo "a Debian to install it in takes root"
	elif ! chroot / true 2>/dev/null; then
		echo "chroot is not permitted here"
	elif ! unshare --mount true 2>/dev/null; then
		echo "mount is not permitted here, and mmdebstrap needs it"
	fi
}

reason=$(hindrance)
if [ "$1" = possible ]; then
	echo "$reason"
	[ -z "$reason" ]
	exit
fi
# shellcheck disable=SC2016
kamailio=$(dpkg-query -W -f '${Version}' kamailio)
base=$root/.cache/debian-kamailio-$kamailio
if [ "$1" = look ]; then
	if [ ! -f "$base.tar" ] || [ ! -f "$base.deb" ]; then
		echo "error: missing: a Debian with Kamailio $kamailio in .cache; to fetch it, run: make setup" >&2
		exit 1
	fi
	echo "$base"
	exit 0
fi
if [ -n "$reason" ] || { [ -f "$base.tar" ] && [ -f "$base.deb" ]; }; then
	exit 0
fi
echo "unpacking a Debian with Kamailio $kamailio into .cache"
mkdir -p "$root/.cache"
work=$(mktemp -d "$root/.cache/debian.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"
. "$here/apt.sh"
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
own_apt_prepare "$work/apt" deb "$suite"
mmdebstrap --quiet --mode=root --variant=minbase --include="kamailio=$kamailio,kamailio-sqlite-modules" \
	"$suite" "$work/base.tar" "$work/apt/own.sources"
# Kamailio's own package once more, to be installed over ours.
(cd "$work" && own_apt apt-get -qq download "kamailio=$kamailio")
mv "$work"/kamailio_*.deb "$base.deb"
mv "$work/base.tar" "$base.tar"
