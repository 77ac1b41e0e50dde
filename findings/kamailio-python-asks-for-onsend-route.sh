#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# app_python3 of Kamailio 5.6.3 asks for a method ksr_onsend_route with each message that is sent. Where the script has
# none, which no other language minds, the message is sent all the same, but the function that sends it raises: t_relay()
# ends the route, and what stands behind it does not run.
. "$(dirname "$0")/lib/python.sh"

# Whether an OPTIONS gets through Kamailio, and the route to its end, where the script has these methods more.
relays() { # METHODS
	start_kamailio "    def ksr_request_route(self, msg):
        KSR.tm.t_relay()
        KSR.err('behind t_relay')
        return 1
$1"
	python3 - <<-'END'
		import socket
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
	stop_kamailio
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
