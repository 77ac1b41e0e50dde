#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RTPProxy's R records the party whose tag comes first, and only that one, though the command names both. Both parties
# take two commands, with the tags in both orders. Each is answered with 0; files show after the deletion.
. "$(dirname "$0")/lib/relays.sh"
mkdir "$work/recordings"
start_rtpproxy 22236 -r "$work/recordings"

# A call of 20 packets each way with the R commands in $2 and on; prints how many RTP recordings hold media.
record() { # CALL COMMAND...
	call=$1
	shift
	offer=$(ask 22236 "U $call 127.0.0.1 32110 from;1")
	answer=$(ask 22236 "L $call 127.0.0.1 32120 from;1 to;1")
	for command in "$@"; do echo "  $command  ->  $(ask 22236 "$command")" >&2; done
	python3 - "${offer%% *}" "${answer%% *}" <<-'END'
		import socket, struct, sys, time
		def party(port):
		    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    line.bind(("127.0.0.1", port))
		    return line
		caller, callee = party(32110), party(32120)
		for number in range(20):
		    for line, to, source in ((caller, int(sys.argv[2]), 1), (callee, int(sys.argv[1]), 2)):
		        line.sendto(struct.pack("!BBHII", 0x80, 0, number, number * 160, source) + bytes(160), ("127.0.0.1", to))
		    time.sleep(0.02)
	END
	ask 22236 "D $call from to" >/dev/null
	sleep 1
	find "$work/recordings" -name "$call*.rtp" -size +1k | wc -l
}

files=$(record one 'R one from to')
echo "  recordings with media: $files"
[ "$files" -eq 1 ] || { echo "CHANGED: expected 1" >&2; exit 1; }
files=$(record both 'R both from to' 'R both to from')
echo "  recordings with media: $files"
[ "$files" -eq 2 ] || { echo "CHANGED: expected 2" >&2; exit 1; }
echo "as seen"
