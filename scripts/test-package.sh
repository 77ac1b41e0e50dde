#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs, upgrades, removes and purges the package of MODULE in a Debian of its own, and looks at it with lintian.
#
# usage: test-package.sh MODULE
# The Debian with Kamailio that `make setup` has fetched is unpacked below .cache and entered with chroot; nothing runs
# in it but dpkg and `kamailio -c`, and nothing is mounted. Where chroot is not permitted, the script says so and tests
# nothing.
set -eu
module=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
package=kamailio-rtpproxy-module
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

if ! reason=$("$here/debian.sh" possible); then
	echo "SKIPPED: the package is not tested: $reason"
	exit 0
fi
base=$("$here/debian.sh" look)

mkdir -p "$root/.cache"
work=$(mktemp -d "$root/.cache/test-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"

# --- a Debian with the Kamailio that the package is for ---

tree=$work/tree
mkdir "$tree"
tar -xf "$base.tar" -C "$tree"
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"

# --- the packages: one, the same again, a later one, one whose preinst fails ---

"$here/package.sh" "$module" "$work/first" >/dev/null
"$here/package.sh" "$module" "$work/again" >/dev/null
version=$(dpkg-deb -f "$work"/first/${package}_*.deb Version)
"$here/package.sh" "$module" "$work/later" '' "$version+1" >/dev/null
dpkg-deb -R "$work"/later/${package}_*.deb "$work/failing.tree"
sed -i 's/^exit 0$/exit 1/' "$work/failing.tree/DEBIAN/preinst"
sed -i 's/^Version: .*/&+2/' "$work/failing.tree/DEBIAN/control"
dpkg-deb --root-owner-group --build "$work/failing.tree" "$work/failing.deb" >/dev/null
mkdir "$tree/packages"
for name in first later; do
	cp "$work/$name/${package}"_*.deb "$tree/packages/$name.deb"
	cp "$work/$name/${package}-dbgsym"_*.deb "$tree/packages/$name-dbgsym.deb"
done
cp "$work/failing.deb" "$tree/packages/failing.deb"
cp "$base.deb" "$tree/packages/kamailio.deb"

# --- what is looked at ---

modules=$("$here/kamailio.sh")
target=$modules/rtpproxy.so
# Of the file system all but what dpkg and Kamailio write down for themselves.
files() {
	(cd "$tree" && find . -xdev \( -path ./packages -o -path './var/lib/dpkg/*' -o -path './var/log/*' \
		-o -path './var/cache/*' \) -prune -o -printf '%p %y %m %u %s %l\n' | grep -v '^\./[^ ]* d ' | sort)
	# Folders without their sizes.
	(cd "$tree" && find . -xdev -path ./packages -prune -o -type d -printf '%p %m %u\n' | sort)
	# shellcheck disable=SC2016
	(cd "$tree" && find var/lib/dpkg/info | sort && cat var/lib/dpkg/diversions &&
		chroot . dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' | grep -v ' not-installed$')
}
failed=0
report() { # WHAT RESULT
	if [ "$2" = 0 ]; then
		echo "ok      $1"
	else
		echo "FAILED  $1"
		sed 's/^/        /' "$work/output"
		failed=1
	fi
}
# Runs a command, and expects it to end well, or not to.
ends_well() { # WHAT COMMAND...
	what=$1
	shift
	if "$@" >"$work/output" 2>&1 </dev/null; then report "$what" 0; else report "$what" 1; fi
}
fails() { # WHAT COMMAND...
	what=$1
	shift
	if "$@" >"$work/output" 2>&1 </dev/null; then report "$what" 1; else report "$what" 0; fi
}
dpkg_inside() { chroot "$tree" dpkg "$@"; }
same() { cmp "$1" "$2"; }
# A configuration with a parameter that only this module has.
cat >"$tree/packages/small.cfg" <<END
#!KAMAILIO
listen=udp:127.0.0.1:5060
loadmodule "rtpproxy.so"
modparam("rtpproxy", "rtpproxy_sock", "udp:127.0.0.1:22222")
modparam("rtpproxy", "rtpproxy_balancing", "rendezvous")
request_route { rtpproxy_manage(); }
END
grep -v balancing "$tree/packages/small.cfg" >"$tree/packages/stock.cfg"
loads() { chroot "$tree" kamailio -c -f "/packages/$1.cfg"; }
ours() {
	same "$tree$target" "$module" && same "$tree$target.distrib" "$work/stock.so" && loads small &&
		[ "$(chroot "$tree" dpkg-divert --listpackage "$target")" = $package ] &&
		chroot "$tree" dpkg --audit && [ -z "$(chroot "$tree" dpkg --verify $package)" ]
}
stock() {
	same "$tree$target" "$work/stock.so" && [ ! -e "$tree$target.distrib" ] && loads stock &&
		[ -z "$(chroot "$tree" dpkg-divert --list "$target")" ] && ! loads small
}
untouched() { files >"$work/after" && diff "$work/before" "$work/after"; }

# --- the test ---

# Kamailio's package is installed once before, so that what it leaves behind is not taken for ours.
dpkg_inside -i /packages/kamailio.deb >/dev/null 2>&1
cp -p "$tree$target" "$work/stock.so"
ends_well "before: Kamailio's own module loads, and knows nothing of our parameters" stock
files >"$work/before"
ends_well "the same module gives the same packages" diff -r "$work/first" "$work/again"
ends_well "it installs" dpkg_inside -i /packages/first.deb /packages/first-dbgsym.deb
ends_well "installed: the module is ours, Kamailio loads it" ours
for example in "$tree"/usr/share/doc/$package/examples/*.cfg; do
	name=${example##*/}
	# Modules of further packages, which this Debian does not have.
	[ "$name" != webrtc.cfg ] || continue
	ends_well "installed: Kamailio reads examples/$name" chroot "$tree" kamailio -c -f "${example#"$tree"}"
done
ends_well "Kamailio's own package installs over it" dpkg_inside -i /packages/kamailio.deb
ends_well "after that it is still ours" ours
cp "$here/install.sh" "$here/kamailio.sh" "$tree/packages"
fails "where the package is, make install refuses" chroot "$tree" sh /packages/install.sh install /packages/small.cfg
cp "$work/output" "$work/refusal"
ends_well "and says what to do" grep -q "apt-get remove $package" "$work/refusal"
ends_well "and changes nothing" ours
ends_well "it upgrades" dpkg_inside -i /packages/later.deb /packages/later-dbgsym.deb
ends_well "upgraded: it is still ours" ours
fails "an upgrade that fails, fails" dpkg_inside -i /packages/failing.deb
ends_well "after that it is still ours" ours
ends_well "it is removed" dpkg_inside -r $package-dbgsym $package
ends_well "removed: Kamailio's own module is back" stock
fails "an installation that fails, fails" dpkg_inside -i /packages/failing.deb
ends_well "after that Kamailio's own module is back" stock
ends_well "it installs again" dpkg_inside -i /packages/later.deb
ends_well "installed again: it is ours" ours
ends_well "it is purged" dpkg_inside -P $package
ends_well "purged: Kamailio's own module is back" stock
ends_well "purged: nothing is left behind" untouched
ends_well "make install sets the file aside" \
	chroot "$tree" dpkg-divert --local --rename --divert "$target.packaged" --add "$target"
fails "where make install has been, it refuses to install" dpkg_inside -i /packages/first.deb
cp "$work/output" "$work/refusal"
ends_well "and says why" grep -q 'make uninstall' "$work/refusal"
ends_well "and leaves the file where make install put it" same "$tree$target.packaged" "$work/stock.so"
ends_well "make uninstall brings it back" chroot "$tree" dpkg-divert --local --rename --remove "$target"
chroot "$tree" dpkg -P $package >/dev/null 2>&1 || true
ends_well "after make uninstall nothing is left behind" untouched
# The manual page: nothing may be said of it, and no section of the documentation is left out.
page=$work/kamailio-rtpproxy.5
dpkg-deb --fsys-tarfile "$work"/first/${package}_*.deb | tar -xOf - ./usr/share/man/man5/kamailio-rtpproxy.5.gz |
	gunzip >"$page"
silent() { found=$("$@" 2>&1 >/dev/null) && [ -z "$found" ] || { echo "$found" && false; }; }
sections() {
	cd "$root/docs/operator"
	[ "$(grep -c '^\.SS ' "$page")" -eq "$(cat parameters.md functions.md variables.md rpc.md | grep -cE '^###? ')" ]
}
ends_well "man shows the manual page without a warning" \
	silent env LC_ALL=C.UTF-8 MANROFFSEQ=t MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page"
ends_well "mandoc has no warning about the manual page" mandoc -Tlint -Wwarning "$page"
ends_well "the manual page has every section" sections
ends_well "lintian has no finding that is not explained" \
	lintian --allow-root --display-info --fail-on error,warning,info "$work"/first/*.deb
exit "$failed"
