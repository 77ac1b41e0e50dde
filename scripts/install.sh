#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Puts MODULE where the installed Kamailio looks for modules, or takes it away again.
#
# usage: install.sh install|uninstall MODULE [DESTDIR [KAMAILIO]]
# KAMAILIO: the folder of another one than the installed. A module of the same name that belongs to a Debian package is
# set aside with dpkg-divert, and brought back.
# With DESTDIR nothing outside of it is touched, and nothing is diverted.
set -eu
action=$1
module=$2
destination=${3:-}
target=$("$(dirname "$0")/kamailio.sh" "${4:-}")/rtpproxy.so
# What journalctl -x explains the module's entries with.
catalog=/usr/lib/systemd/catalog/kamailio-rtpproxy-module.catalog

if [ -z "$destination" ] && [ "$(id -u)" -ne 0 ]; then
	echo "error: $target belongs to root. Run: sudo make $action" >&2
	exit 1
fi

# Whether a Debian package brings, or brought, the file in our place.
packaged() {
	command -v dpkg-divert >/dev/null && dpkg-query -S "$target" >/dev/null 2>&1
}

case $action in
	install)
		if [ -z "$destination" ] && packaged; then
			owner=$(dpkg-divert --listpackage "$target")
			case $owner in
				'' | LOCAL) ;;
				*)
					echo "error: the package $owner has put this module there. Run: sudo apt-get remove $owner" >&2
					exit 1
					;;
			esac
			dpkg-divert --local --rename --divert "$target.packaged" --add "$target"
		fi
		install -D -m 644 "$module" "$destination$target"
		explained=$("$(dirname "$0")/catalog.sh")
		printf '%s\n' "$explained" | install -D -m 644 /dev/stdin "$destination$catalog"
		[ -n "$destination" ] || ! command -v journalctl >/dev/null || journalctl --update-catalog
		echo "installed $destination$target"
		;;
	uninstall)
		# Without a diversion the file may be the package's own.
		if [ -z "$destination" ] && packaged && [ "$(dpkg-divert --listpackage "$target")" != LOCAL ]; then
			echo "$target is the packaged one; nothing to do"
			exit 0
		fi
		rm -f "$destination$target" "$destination$catalog"
		[ -n "$destination" ] || ! command -v journalctl >/dev/null || journalctl --update-catalog
		if [ -z "$destination" ] && packaged; then
			dpkg-divert --local --rename --remove "$target"
		fi
		echo "removed $destination$target"
		;;
esac
