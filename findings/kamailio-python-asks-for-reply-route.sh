#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# app_python3 of Kamailio 5.6.3 asks for a method ksr_reply_route with each reply. Where the script has none, the error
# stays pending in some starts: the reply is passed on all the same, but the route that t_on_reply() has named raises in
# its first call, and does nothing. No other language minds.
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
listen=udp:127.0.0.1:25080
mpath="$work/$libraries/modules/"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "app_python3.so"
modparam("app_python3", "load", "$work/routes.py")
cfgengine "python"
END

# How many of six replies pass, and for how many their route runs, where the script has these lines more.
replies() { # LINES
	cat >routes.py <<-END
		import KSR


		def mod_init():
		    return Routes()


		class Routes:
		    def child_init(self, rank):
		        return 0

		    def ksr_request_route(self, msg):
		        KSR.tm.t_on_reply("ksr_onreply_route_SEEN")
		        KSR.tm.t_relay()
		        return 1

		    def ksr_onsend_route(self, msg):
		        return 1

		    def ksr_onreply_route_SEEN(self, msg):
		        if KSR.pv.get("\$rs") == 200:
		            KSR.err('the route has run')
		        return 1
		$1
	END
	./usr/sbin/kamailio -DD -Y "$work" -P "$work/pid" -f kamailio.cfg >log 2>&1 &
	server=$!
	python3 - <<-'END'
		import socket, time
		callee = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		callee.bind(("127.0.0.1", 25081))
		callee.settimeout(0.5)
		caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		caller.bind(("127.0.0.1", 25082))
		caller.settimeout(2)
		request = (
		    "OPTIONS sip:b@127.0.0.1:25081 SIP/2.0\r\n"
		    "Via: SIP/2.0/UDP 127.0.0.1:25082;branch=z9hG4bK{0}\r\n"
		    "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: {0}\r\n"
		    "CSeq: 1 OPTIONS\r\nMax-Forwards: 10\r\nContent-Length: 0\r\n\r\n"
		)
		# Until it is up, 12 tries.
		passed = 0
		for number in range(6):
		    for attempt in range(12):
		        caller.sendto(request.format(number).encode(), ("127.0.0.1", 25080))
		        try:
		            lines = callee.recv(4096).decode().split("\r\n")
		            break
		        except socket.timeout:
		            lines = None
		    if lines is None:
		        break
		    kept = [line for line in lines[1:] if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
		    callee.sendto("\r\n".join(["SIP/2.0 200 OK"] + kept + ["Content-Length: 0", "", ""]).encode(),
		        ("127.0.0.1", 25080))
		    if caller.recv(4096).startswith(b"SIP/2.0 200"):
		        passed += 1
		print(f"{passed} of 6 replies pass,")
	END
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
	echo "the route runs for $({ grep -ao 'the route has run' log || true; } | wc -l)"
}

# Whether the error stays pending differs from one start to the next; within one start it does not.
starts=10
failing=0
fault=
for ((start = 0; start < starts; start++)); do
	without=$(replies '' | paste -sd' ')
	case $without in
		"6 of 6 replies pass, the route runs for 6") ;;
		"6 of 6 replies pass, the route runs for "*)
			failing=$((failing + 1))
			fault=$(grep -a -m1 -o "AttributeError.*" log || true)
			;;
		*) echo "  replies do not pass: $without" ;;
	esac
	with=$(replies '
    def ksr_reply_route(self, msg):
        return 1' | paste -sd' ')
	if [ "$with" != "6 of 6 replies pass, the route runs for 6" ]; then
		echo "CHANGED: with ksr_reply_route $with" >&2
		exit 1
	fi
done
echo "  without ksr_reply_route all replies pass, and in $failing of $starts starts their route does not run: ${fault:--}"
echo "  with it the route runs for all of them in each start"
if [ "$failing" = 0 ]; then
	echo "CHANGED: expected that in some starts the route does not run without the method" >&2
	exit 1
fi
echo "as seen"
