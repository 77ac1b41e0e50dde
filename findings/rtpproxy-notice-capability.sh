#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RTPProxy says that it can send timeout notices (VF 20081224) also where it was started without -n, and takes an offer
# that asks for them. No notice ever comes: a client cannot find the missing option out by asking.
. "$(dirname "$0")/lib/relays.sh"
start_rtpproxy 22235
expect 22235 'VF 20081224' '1'
expect 22235 'U call 127.0.0.9 4000 from;1 unix:/nonexistent/notify tag' '31[0-9]{3} 127\.0\.0\.1'
echo "as seen"
