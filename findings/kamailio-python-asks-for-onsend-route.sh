#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# app_python3 of Kamailio 5.6.3 asks for a method ksr_onsend_route with each message that is sent. Where the script has
# none, which no other language minds, the message is sent all the same, but the function that sends it raises: t_relay()
# ends the route, and what stands behind it does not run.
set -euo pipefail
work=$(mktemp -d)
server=
# shellcheck disable=SC2317
clean() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
version=5.6.3-2
cd "$work"
apt-get -qq download "kamailio=$version" "kamailio-python3-modules=$version"
for package in *.deb; do dpkg -x "$package" .; done
libraries=$(dirname "$(find . -name tm.so)")/..
export LD_LIBRARY_PATH=$work/$libraries
echo "versions: $(./usr/sbin/kamailio -v | head -1)"

cat >kamailio.cfg <<END
#!KAMAILIO
debug=0
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:25070
mpath="$work/$libraries/modules/"
loadmodule "tm.so"
loadmodule "app_python3.so"
modparam("app_python3", "load", "$work/routes.py")
cfgengine "python"
END

# Whether a request gets through Kamailio, and the route to its end, where the script has these lines more.
relays() { # LINES
	cat >routes.py <<-END
		import KSR


		def mod_init():
		    return Routes()


		class Routes:
		    def child_init(self, rank):
		        return 0

		    def ksr_request_route(self, msg):
		        KSR.tm.t_relay()
		        KSR.err('behind t_relay')
		        return 1
		$1
	END
	./usr/sbin/kamailio -DD -Y "$work" -P "$work/pid" -f kamailio.cfg >log 2>&1 &
	server=$!
	python3 - <<-'END'
		import socket, time
		phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		phone.bind(("127.0.0.1", 25071))
		phone.settimeout(0.5)
		request = (
		    "OPTIONS sip:b@127.0.0.1:25071 SIP/2.0\r\n"
		    "Via: SIP/2.0/UDP 127.0.0.1:25072;branch=z9hG4bK{0}\r\n"
		    "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: {0}\r\n"
		    "CSeq: 1 OPTIONS\r\nMax-Forwards: 10\r\nContent-Length: 0\r\n\r\n"
		)
		sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for attempt in range(12):
		    sender.sendto(request.format(attempt).encode(), ("127.0.0.1", 25070))
		    try:
		        print("arrives" if phone.recv(4096).startswith(b"OPTIONS") else "?")
		        break
		    except socket.timeout:
		        pass
		else:
		    print("does not arrive")
	END
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
	if grep -aq 'behind t_relay' log; then echo 'and the route goes on'; else echo 'and the route ends there'; fi
}

without=$(relays '' | paste -sd' ')
fault=$(grep -a -m1 -o "AttributeError.*" log || true)
with=$(relays '
    def ksr_onsend_route(self, msg):
        return 1' | paste -sd' ')
echo "  without ksr_onsend_route a relayed request $without: ${fault:-nothing in the log}"
echo "  with it a relayed request $with"
if [ "$without" != "arrives and the route ends there" ] || [ "$with" != "arrives and the route goes on" ]; then
	echo "CHANGED: expected that the request arrives, and that the route ends there without it alone" >&2
	exit 1
fi
echo "as seen"
