#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dmq of Kamailio 6.0.1 takes hosts that have an address in common and different ports for one: of two that say that they are
# there it lists the first alone. dmq of 5.6.3 lists both. A host with an address of its own is listed by either.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
for version in 5.6.3 6.0.1; do "$here/../scripts/kamailio-packages.sh" "$version" "$work/$version"; done
cd "$work"

# The hosts that Kamailio $1 lists when three have said that they are there.
listed() { # VERSION
	libraries=$(dirname "$(find "$work/$1/usr/lib" -name libc.so.6 | head -1)")
	cat >kamailio.cfg <<-END
		#!KAMAILIO
		debug=-1
		log_stderror=yes
		children=1
		disable_tcp=yes
		listen=udp:127.0.0.1:25090
		mpath="$libraries/kamailio/modules/"
		loadmodule "tm.so"
		loadmodule "sl.so"
		loadmodule "dmq.so"
		modparam("dmq", "server_address", "sip:127.0.0.1:25090")
		request_route { dmq_handle_message(); }
	END
	"$(find "$libraries" -name 'ld-linux*' | head -1)" --library-path "$libraries:$libraries/kamailio" \
		"$work/$1/usr/sbin/kamailio" -DD -Y "$work" -P "$work/pid" -f kamailio.cfg >log 2>&1 &
	server=$!
	python3 - <<-'END'
		import re, socket, time
		listed = set()
		for number, own in enumerate([("127.0.0.2", 25091), ("127.0.0.2", 25092), ("127.0.0.3", 25093)]):
		    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    line.bind(own)
		    line.settimeout(1)
		    name, body = "%s:%d" % own, "sip:%s:%d;status=active\r\n" % own
		    words = [
		        "KDMQ sip:notification_peer@127.0.0.1:25090 SIP/2.0", f"Via: SIP/2.0/UDP {name};branch=z9hG4bK{number}",
		        f"From: <sip:notification_peer@{name}>;tag={number}", "To: <sip:notification_peer@127.0.0.1:25090>",
		        "CSeq: 1 KDMQ", f"Call-ID: hello-{number}", "Max-Forwards: 1", "Content-Type: text/plain",
		        f"Content-Length: {len(body)}", "", body]
		    for attempt in range(20):
		        line.sendto("\r\n".join(words).encode(), ("127.0.0.1", 25090))
		        try:
		            answer = line.recv(4000).decode()
		        except socket.timeout:
		            continue
		        if answer.startswith("SIP/2.0 200"):
		            listed |= set(re.findall(r"sip:(127\.0\.0\.[23]:\d+);status=active", answer))
		            break
		print(" ".join(sorted(listed)))
	END
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
}

old=$(listed 5.6.3)
echo "  5.6.3 lists $old"
new=$(listed 6.0.1)
echo "  6.0.1 lists $new"
[ "$old" = "127.0.0.2:25091 127.0.0.2:25092 127.0.0.3:25093" ] && [ "$new" = "127.0.0.2:25091 127.0.0.3:25093" ] ||
	{ echo "CHANGED: expected that 6.0.1 lists one host of 127.0.0.2, and 5.6.3 two" >&2; exit 1; }
echo "as seen"
