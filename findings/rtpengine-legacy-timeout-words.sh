#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rtpengine's legacy port, asked for a session with RTPProxy's words for a timeout notice but no to-tag, answers the
# address and port that were sent, and there is no session. A client that takes any "port address" for success sends
# the media past the relay. (VF 20081224 is answered with 0: a client can know.)
. "$(dirname "$0")/lib/relays.sh"
start_rtpengine 22231
expect 22231 'VF 20081224' '0'
expect 22231 'U plain 127.0.0.9 4000 from;1' '30[0-9]{3} 127\.0\.0\.1 4'
expect 22231 'U words 127.0.0.9 4000 from;1 unix:/run/notify tag' '4000 127\.0\.0\.9'
expect 22231 'L words 127.0.0.8 5000 from;1 to;1' '0 0\.0\.0\.0'
echo "as seen"
