#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes Debian packages of MODULE in FOLDER: the module, and its debug symbols. Prints the files' names.
#
# usage: package.sh MODULE FOLDER [KAMAILIO [VERSION]]
# KAMAILIO: the unpacked Kamailio that the module was built for, instead of the one installed.
#
# dpkg-deb, not dpkg-buildpackage: the latter builds from a source package whose build dependencies are packages, and
# there is no package of Swift 6.3 to depend on. make has built and checked the module already; what is left is a tree
# of files, and dpkg-deb packs it without debhelper and without being root. The debug symbols go into a package of
# their own, named and laid out as Debian's, where gdb finds them by the build id of the module.
#
# The same module gives the same bytes: all times are SOURCE_DATE_EPOCH, by default that of the last commit. The module
# itself is another with each compilation from scratch: the compiler's objects of Transport differ in some bytes.
set -eu
module=$(realpath "$1")
folder=$(mkdir -p "$2" && cd "$2" && pwd)
kamailio=${3:-}
version=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
parts=$root/packaging
package=kamailio-rtpproxy-module
maintainer="${DEBFULLNAME:-Local build} <${DEBEMAIL:-packages@example.org}>"
export LC_ALL=C TZ=UTC
umask 022

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct) || {
		echo "error: no history here to take the date from: set SOURCE_DATE_EPOCH" >&2
		exit 1
	}
fi
export SOURCE_DATE_EPOCH

# Which Kamailio it is for: the folder that its package puts modules into, and the package's version.
modules=$("$here/kamailio.sh" "$kamailio")
if [ -n "$kamailio" ]; then
	modules=${modules#"$kamailio"}
	built_for=$(zcat "$kamailio/usr/share/doc/kamailio/changelog.Debian.gz" | sed -n '1s/.*(\(.*\)).*/\1/p')
elif ! dpkg-query -S "$modules/pv.so" 2>/dev/null | grep -q '^kamailio:'; then
	echo "error: the Kamailio installed here is no Debian package; use make install" >&2
	exit 1
else
	# shellcheck disable=SC2016
	built_for=$(dpkg-query -W -f '${Version}' kamailio)
fi
target=$modules/rtpproxy.so
# Without what Debian adds when it builds the same again (+b1) or fixes it later (+deb12u1).
built_for=${built_for%+b[0-9]*}
built_for=${built_for%+deb[0-9]*}
upstream=${built_for#*:}
upstream=${upstream%%[-+~]*}

# 1.2.0~kamailio5.6.3; between releases 1.2.0+git20260101120000~kamailio5.6.3, which is more than that and less than
# the next. Without a release yet: 0+git...
if [ -z "$version" ]; then
	version=$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' "$root/CHANGELOG.md" | sed -n 1p)
	if awk '/^## / { inside = /\[Unreleased\]/ } inside && /^- / { found = 1 } END { exit !found }' "$root/CHANGELOG.md"
	then
		version=${version:-0}+git$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)
	fi
	version=$version~kamailio$upstream
fi
architecture=$(dpkg --print-architecture)

work=$(mktemp -d "$folder/package.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"

# CHANGELOG.md in Debian's form: an entry per chapter, the newest under the version of this package.
changelog() {
	awk -v package="$package" -v version="$version" -v maintainer="$maintainer" -v now="$(date -R -d "@$SOURCE_DATE_EPOCH")" '
		function wrap(text, first, rest,    words, count, i, line) {
			count = split(text, words, " ")
			line = first words[1]
			for (i = 2; i <= count; i++)
				if (length(line) + 1 + length(words[i]) > 78) { print line; line = rest words[i] }
				else line = line " " words[i]
			print line
		}
		function item() { if (bullet != "") wrap(bullet, "  * ", "    "); bullet = "" }
		function chapter() { item(); if (open) printf "\n -- %s  %s\n\n", maintainer, stamp; open = 0 }
		/^## / {
			chapter()
			title = $2
			gsub(/[][]/, "", title)
			command = "date -R -d \"" $4 "\""
			if (title != "Unreleased") { command | getline dated; close(command) }
			next
		}
		/^### / { item(); heading = $2; next }
		/^- / {
			item()
			if (!open) {
				stamp = seen ? dated : now
				printf "%s (%s) unstable; urgency=medium\n\n", package, seen ? title : version
				open = seen = 1
			}
			if (heading != "") print "  [ " heading " ]"
			heading = ""
			bullet = substr($0, 3)
			next
		}
		/^  / && bullet != "" { bullet = bullet " " substr($0, 3); next }
		END { chapter() }' "$root/CHANGELOG.md"
}

# Packs the tree WORK/NAME, whose control file is there.
pack() { # NAME
	tree=$work/$1
	(cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
	size=$(cd "$tree" && find usr -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum + 1 }')
	sed -i "s/^Description:/Installed-Size: $size\n&/" "$tree/DEBIAN/control"
	find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
	file=$folder/$1_${version}_$architecture.deb
	# One version is there at a time, so that ./build/NAME_*.deb names one file.
	rm -f "$folder/$1"_*.deb
	dpkg-deb --root-owner-group --build "$tree" "$file" >/dev/null
	echo "$file"
}

# --- the module ---

tree=$work/$package
documents=$tree/usr/share/doc/$package
mkdir -p "$tree/DEBIAN" "$documents/examples" "$tree/usr/share/lintian/overrides"
install -D -m 644 "$module" "$tree$target"
install -m 644 "$root/README.md" "$root/SECURITY.md" "$parts/copyright" "$documents"
cp -R "$root/docs" "$documents/docs"
changelog | gzip -9n >"$documents/changelog.gz"
mkdir -p "$tree/usr/lib/systemd/catalog"
"$here/catalog.sh" >"$tree/usr/lib/systemd/catalog/$package.catalog"
mkdir -p "$tree/usr/share/man/man5"
"$here/man.sh" >"$work/kamailio-rtpproxy.5"
gzip -9n <"$work/kamailio-rtpproxy.5" >"$tree/usr/share/man/man5/kamailio-rtpproxy.5.gz"
cp -R "$root/examples/." "$documents/examples"
cp -R "$root/packaging/sql" "$documents/examples/sql"
install -m 644 "$parts/lintian-overrides" "$tree/usr/share/lintian/overrides/$package"
for script in preinst postrm; do
	sed -e "s|@TARGET@|$target|g" -e "s|@PACKAGE@|$package|g" "$parts/$script" >"$tree/DEBIAN/$script"
	chmod 755 "$tree/DEBIAN/$script"
done
# What it links; dpkg-shlibdeps wants to stand in a source package.
mkdir -p "$work/source/debian"
echo "Source: $package" >"$work/source/debian/control"
libraries=$(cd "$work/source" && dpkg-shlibdeps -O "$tree$target" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
# Of Kamailio that revision, and Debian's later fixes of it (+deb12u1), which must not wait for a new module: they are
# the same release, built with the same flags, and both are what Kamailio compares when it loads a module.
cat >"$tree/DEBIAN/control" <<END
Package: $package
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Section: net
Priority: optional
Depends: kamailio (>= $built_for), kamailio (<< $built_for.1~), $libraries
Enhances: kamailio
Description: media of calls through RTPProxy, a module for Kamailio $upstream
 Takes the place of the module of the same name that comes with Kamailio: the
 same parameters, script functions, variables and RPC commands. SIP workers
 never wait for an RTPProxy that is known to be dead, new calls go to the next
 one where the first is silent, and a message is rewritten as a whole or not
 at all.
 .
 Kamailio's own module is set aside while this package is installed, and
 brought back when it is removed. Restart Kamailio after either.
END
pack "$package"

# --- its debug symbols ---

id=$(readelf --notes "$module" | sed -n 's/.*Build ID: //p')
symbols=$work/$package-dbgsym
mkdir -p "$symbols/DEBIAN" "$symbols/usr/share/doc"
install -D -m 644 "$module.debug" "$symbols/usr/lib/debug/.build-id/$(echo "$id" | cut -c 1-2)/$(echo "$id" | cut -c 3-).debug"
ln -s "$package" "$symbols/usr/share/doc/$package-dbgsym"
cat >"$symbols/DEBIAN/control" <<END
Package: $package-dbgsym
Source: $package
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Section: debug
Priority: optional
Auto-Built-Package: debug-symbols
Build-Ids: $id
Depends: $package (= $version)
Description: debug symbols for $package
END
pack "$package-dbgsym"
