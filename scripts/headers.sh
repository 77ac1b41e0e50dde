#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints the folder with the headers of Kamailio VERSION: of the tree given, or of Debian's source package, cached.
#
# usage: headers.sh VERSION [TREE]
set -eu
version=$1
tree=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)

# The versions a source tree says it is: of its Makefiles, and of CMake. Nothing if neither says so.
tree_versions() {
	if [ -f "$1/src/Makefile.defs" ]; then
		awk -F '=' '
			/^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=/ {
				gsub(/[ \t]/, "")
				if (!($1 in part)) part[$1] = $2
			}
			END {
				if (part["VERSION"] != "")
					print part["VERSION"] "." part["PATCHLEVEL"] "." part["SUBLEVEL"] part["EXTRAVERSION"]
			}' "$1/src/Makefile.defs"
	fi
	if [ -f "$1/CMakeLists.txt" ]; then
		awk '
			/^project\(.*VERSION +[0-9]/ {
				release = $0
				sub(/.*VERSION +/, "", release)
				sub(/[^0-9.].*/, "", release)
			}
			/^set\(EXTRAVERSION/ { extra = $2; gsub(/[")]/, "", extra) }
			END { if (release != "") print release extra }' "$1/CMakeLists.txt"
	fi
}

if [ -n "$tree" ]; then
	if [ ! -f "$tree/src/core/sr_module.h" ]; then
		echo "error: KAMAILIO_SRC=$tree is no Kamailio source tree: src/core/sr_module.h is missing" >&2
		exit 1
	fi
	found=$(tree_versions "$tree")
	if [ -n "$found" ] && ! printf '%s\n' "$found" | grep -qxF "$version"; then
		echo "error: KAMAILIO_SRC=$tree is Kamailio" $found", but $version is installed" >&2
		echo "       struct layouts change from one patch release to the next; give the tree of $version" >&2
		exit 1
	fi
	(cd "$tree/src" && pwd)
	exit 0
fi

cached=$root/.cache/kamailio-headers-$version
# The newest of what is taken: a cache from before is made anew.
if [ ! -f "$cached/modules/dmq/bind_dmq.h" ]; then
	if ! command -v apt-get >/dev/null; then
		echo "error: no headers of Kamailio $version here: give its source tree, make KAMAILIO_SRC=/path" >&2
		exit 1
	fi
	echo "fetching the headers of Kamailio $version from Debian's source package" >&2
	. "$here/apt.sh"
	mkdir -p "$root/.cache"
	work=$(mktemp -d "$root/.cache/headers.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
	own_apt_prepare "$work/apt" deb-src "$(debian_suite "$version")" >&2
	# The package version whose upstream part is ours: 5.6.3-2 and 5.6.3+bpo12 are both 5.6.3.
	package=$(own_apt apt-cache showsrc --only-source kamailio |
		awk -v version="$version" '
			$1 == "Version:" { upstream = $2; sub(/^[0-9]+:/, "", upstream); sub(/[-+~].*/, "", upstream) }
			$1 == "Version:" && upstream == version { print $2; exit }')
	if [ -z "$package" ]; then
		echo "error: the package sources have no source of Kamailio $version: make KAMAILIO_SRC=/path" >&2
		exit 1
	fi
	(cd "$work" && own_apt apt-get -qq source --download-only --tar-only "kamailio=$package" >&2)
	# Headers alone: of the core, of its libraries, of tm, dialog and dmq.
	mkdir "$work/tree"
	tar -xf "$work"/kamailio_*.orig.tar.* -C "$work/tree" --strip-components=2 --wildcards --no-anchored \
		'*/src/core/*.h' '*/src/lib/*.h' '*/src/modules/tm/*.h' '*/src/modules/dialog/*.h' \
		'*/src/modules/dmq/*.h'
	rm -rf "$cached"
	mv "$work/tree" "$cached"
fi
echo "$cached"
