#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RTPProxy keeps each command that it has answered, with the answer, for less than a minute, at more than 2 KiB each,
# plain questions as well. Under a steady load its memory rises steeply at first, like a leak, and then no more: what
# comes later takes the room of what has been let go.
. "$(dirname "$0")/lib/relays.sh"
start_rtpproxy 22236
relay=${started##* }

# Asks 10,000 times for the version, each with a cookie of its own; prints KiB of memory that the relay has afterwards.
load() {
	python3 - <<-'END'
		import os, socket
		line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		line.settimeout(2)
		line.connect(("127.0.0.1", 22236))
		for _ in range(10000):
		    cookie = os.urandom(8).hex()
		    line.send(f"{cookie} V".encode())
		    assert line.recv(2048).decode().startswith(cookie)
	END
	awk '/^VmRSS/ { print $2 }' "/proc/$relay/status"
}

start=$(awk '/^VmRSS/ { print $2 }' "/proc/$relay/status")
first=$(load)
sleep 60
second=$(load)
echo "  KiB at the start $start, after 10,000 commands $first, a minute and 10,000 commands later $second"
if ((first - start < 20000 || second - first > (first - start) / 4)); then
	echo "CHANGED: expected more than 20,000 KiB more, and then hardly any" >&2
	exit 1
fi
echo "as seen"
