#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rtpengine's legacy port serves one media stream a call. Asked for a second one (";2") it answers a port with the null
# address instead of an error, so an offer with audio and video looks served.
. "$(dirname "$0")/lib/relays.sh"
start_rtpengine 22232
expect 22232 'VF 20050322' '1'
expect 22232 'U call 127.0.0.9 4000 from;1' '30[0-9]{3} 127\.0\.0\.1 4'
expect 22232 'U call 127.0.0.9 4002 from;2' '[0-9]+ 0\.0\.0\.0( [46])?'
echo "as seen"
