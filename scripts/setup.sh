#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs what building and testing need, or looks whether it is there: Debian packages, a real RTPProxy and a peer
# for WebRTC in a Python venv in .cache/venv, a real rtpengine, unpacked into .cache/rtpengine, and what more lies in
# .cache.
#
# usage: setup.sh install [basics]
#        setup.sh look [databases|packages|containers|memory]
# install: all of it; basics: what the module and its demo need. Asks nothing. Run again it finds everything there, and
# says nothing. look: installs nothing, and fails with one line where something is missing of the basics and of what
# `make test` needs besides, or of what `make test-db`, `make test-package`, `make test-containers` or `make valgrind`
# need.
set -eu
action=${1:?install or look}
part=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.cache/venv

# Kamailio and what the tests drive it with; what compiles and links; what `make check` and `make man` need.
basics='kamailio kamailio-sqlite-modules kamailio-tls-modules kamailio-websocket-modules sqlite3 sip-tester iproute2
	python3-venv openssl gcc g++ libc6-dev libsystemd-dev pkg-config binutils make dpkg-dev ca-certificates
	clang-format curl chromium faketime gdb systemd libseccomp2 lowdown'
# Phones that tests call with, a device for sound, and the languages of scripts.
phones='baresip-core linphone-cli firefox-esr pulseaudio kamailio-lua-modules kamailio-python3-modules'
# PostgreSQL, and MariaDB's programs without its service.
databases='kamailio-mysql-modules kamailio-postgres-modules mariadb-server-core mariadb-client postgresql util-linux'
# A Debian to install a package in, what looks at packages, and at manual pages.
packaging='mmdebstrap lintian man-db mandoc'
# What makes images for containers.
containers='buildah'
# What watches memory.
memory='valgrind'
# RTPProxy 3.x with its control sockets, as a Python module.
relay='rtp.io==1.1.1'
# What WebRTC is tested with: aiortc, and what drives a browser, with all that they need.
peers='aiortc==1.16.0 aioice==0.13.0 av==18.1.0 cffi==2.1.1 cryptography==50.0.2 dnspython==2.9.2 google-crc32c==1.9.0
	ifaddr==0.2.0 pycparser==3.12 pyee==13.0.1 pylibsrtp==1.0.0 pyOpenSSL==26.4.0 typing_extensions==4.16.0
	websockets==17.4'
python_packages=$(echo $relay $peers)

if ! command -v swift >/dev/null; then
	cat >&2 <<-'END'
		error: there is no Swift here. Install the toolchain 6.3 (https://www.swift.org/install/linux/), then run
		    PATH=/path/to/the/toolchain/usr/bin:$PATH make setup
	END
	exit 1
fi

case $action:$part in
	install:basics) packages=$basics ;;
	look:) packages="$basics $phones" ;;
	install:) packages="$basics $phones $databases $packaging $containers $memory" ;;
	look:databases) packages="$basics $databases" ;;
	look:packages) packages="$basics $packaging" ;;
	look:containers) packages="$basics $containers" ;;
	look:memory) packages="$basics $memory" ;;
	*) echo "error: setup.sh knows no $action $part" >&2 && exit 2 ;;
esac
# Programs out of packages that are not installed, for these would start a service: promtool.
unpacked=prometheus

# The packages that are missing. Where this is no Debian, that is not known.
missing=
if command -v dpkg-query >/dev/null; then
	installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' 2>/dev/null) "
	for package in $packages; do
		case $installed in
			*" installed=$package "*) ;;
			*) missing="$missing $package" ;;
		esac
	done
elif [ "$action" = install ]; then
	echo "error: this is no Debian; install the likes of these, then run make module:" $packages >&2
	exit 1
fi

if [ "$action" = look ]; then
	for folder in $unpacked rtpengine; do
		[ -d "$root/.cache/$folder" ] || missing="$missing .cache/$folder"
	done
	[ "$(cat "$venv/packages" 2>/dev/null)" = "$python_packages" ] || missing="$missing .cache/venv"
	if [ -n "$missing" ]; then
		echo "error: missing:$missing; to install it, run: make setup" >&2
		exit 1
	fi
	exit 0
fi

# From here on what fails is most often the network.
trap '[ $? -eq 0 ] || cat >&2 <<-END
	error: not everything could be fetched, see above. Setting up needs the network: the mirrors of apt and, for
	RTPProxy, the index of pip. What is here stays; run make setup again when the network is there.
	END
' EXIT

if [ -n "$missing" ]; then
	if [ "$(id -u)" -ne 0 ]; then
		trap - EXIT
		echo "error: packages are missing, and only root can install them. Run this, then make setup again:" >&2
		echo "    sudo apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	echo "installing with apt:$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update </dev/null
	# shellcheck disable=SC2086
	apt-get -qq install --yes --no-install-recommends $missing </dev/null
fi

for package in $unpacked; do
	folder=$root/.cache/$package
	[ ! -d "$folder" ] || continue
	echo "unpacking $package into .cache/$package"
	mkdir -p "$folder.new"
	# Where the lists of packages are old or missing: once more with new ones, if that is permitted.
	(cd "$folder.new" && { apt-get -qq download "$package" || { apt-get -qq update && apt-get -qq download "$package"; }; } </dev/null)
	dpkg -x "$folder.new/$package"_*.deb "$folder.new"
	rm "$folder.new/$package"_*.deb
	mv "$folder.new" "$folder"
done

"$root/scripts/rtpengine-packages.sh" "$root/.cache/rtpengine"
[ "$part" = basics ] || "$root/scripts/debian.sh" fetch

if [ ! -x "$venv/bin/python" ] || [ "$(cat "$venv/packages" 2>/dev/null)" != "$python_packages" ]; then
	echo "installing $relay and aiortc into .cache/venv"
	mkdir -p "$root/.cache"
	log=$root/.cache/venv.log
	: >"$log"
	# It comes compiled for some Pythons only; the first of this machine's that it comes for is taken.
	for python in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
		command -v "$python" >/dev/null || continue
		rm -rf "$venv"
		# shellcheck disable=SC2086
		if "$python" -m venv "$venv" >>"$log" 2>&1 &&
			"$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: \
				$python_packages >>"$log" 2>&1 </dev/null &&
			"$venv/bin/python" -c 'from rtp.io import rtpproxy; import aiortc, websockets' >>"$log" 2>&1; then
			rm "$log"
			echo "$python_packages" >"$venv/packages"
			break
		fi
	done
	if [ ! -f "$venv/packages" ]; then
		cat "$log" >&2
		rm -rf "$venv"
		trap - EXIT
		echo "error: no Python here can have $relay and aiortc. Install one of 3.11 to 3.13, with venv, then: make setup" >&2
		exit 1
	fi
fi

[ "$part" = basics ] || "$root/scripts/containers.sh" fetch
