#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The module tls of Kamailio 5.6.3, as Debian 12 has it, takes no connection of TLS 1.2 or 1.3 where tls_method is not
# set: no browser, and no other client of today, gets through. With TLSv1.2+ both work.
set -euo pipefail
work=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
cd "$work"
version=5.6.3-2
apt-get -qq download "kamailio=$version" "kamailio-tls-modules=$version"
for package in *.deb; do dpkg -x "$package" .; done
libraries=$(dirname "$(find . -name tm.so)")/..
export LD_LIBRARY_PATH=$work/$libraries
echo "versions: $(./usr/sbin/kamailio -v | head -1)"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -out certificate.pem -keyout key.pem 2>/dev/null

# Which versions of TLS get through, with these further lines of the configuration.
versions() { # LINES
	cat >kamailio.cfg <<-CONFIGURATION
		#!KAMAILIO
		debug=0
		log_stderror=yes
		listen=tls:127.0.0.1:25071
		enable_tls=yes
		mpath="$work/$libraries/modules/"
		loadmodule "tls.so"
		modparam("tls", "certificate", "$work/certificate.pem")
		modparam("tls", "private_key", "$work/key.pem")
		$1
		request_route { exit; }
	CONFIGURATION
	./usr/sbin/kamailio -DD -Y "$work" -P "$work/pid" -f kamailio.cfg >log 2>&1 &
	server=$!
	for _ in $(seq 50); do
		(: </dev/tcp/127.0.0.1/25071) 2>/dev/null && break
		sleep 0.2
	done
	for version in 1_2 1_3; do
		if openssl s_client -connect 127.0.0.1:25071 "-tls$version" </dev/null 2>/dev/null | grep -q '^New, TLS'; then
			echo "TLS $version"
		fi
	done
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
}

by_itself=$(versions '' | paste -sd' ')
with=$(versions 'modparam("tls", "tls_method", "TLSv1.2+")' | paste -sd' ')
echo "  without tls_method: ${by_itself:-nothing gets through}; with TLSv1.2+: $with"
if [ -n "$by_itself" ] || [ "$with" != "TLS 1_2 TLS 1_3" ]; then
	echo "CHANGED: expected that nothing gets through without tls_method, and both versions with TLSv1.2+" >&2
	exit 1
fi
echo "as seen"
