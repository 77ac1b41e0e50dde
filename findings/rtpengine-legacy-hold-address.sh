#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An offer on hold by the null address (RFC 3264 section 8.4): RTPProxy answers its own address, rtpengine's legacy port
# the null address. A client that writes what was answered into o= or into a session's c= puts the null address there.
. "$(dirname "$0")/lib/relays.sh"
start_rtpengine 22233
expect 22233 'U hold 0.0.0.0 4000 from;1' '30[0-9]{3} 0\.0\.0\.0 4'
start_rtpproxy 22234
expect 22234 'U hold 0.0.0.0 4000 from;1' '31[0-9]{3} 127\.0\.0\.1'
echo "as seen"
