#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A deletion behind a query (`Q .. && D`) takes no words of its own and ends the stream that was asked for alone, where a
# deletion with the same tags and without a stream's number ends the whole call. Where the query fails, nothing is deleted,
# and the answer has one half, as it has where the deletion succeeds: only its failure is told, as ` && -1`.
. "$(dirname "$0")/lib/relays.sh"
start_rtpproxy 22236
expect 22236 'VF 20230314' '1'
expect 22236 'U call 127.0.0.9 4000 from;1' '[0-9]+ 127\.0\.0\.1'
expect 22236 'U call 127.0.0.9 4002 from;2' '[0-9]+ 127\.0\.0\.1'
expect 22236 'L call 127.0.0.9 5000 from;1 to;1' '[0-9]+ 127\.0\.0\.1'
expect 22236 'L call 127.0.0.9 5002 from;2 to;2' '[0-9]+ 127\.0\.0\.1'
expect 22236 'Q call from;3 to;3 && D' 'E50'
expect 22236 'Q call from;1 to;1 && D' '[0-9]+( [0-9]+){4}'
expect 22236 'Q call from;1 to;1' 'E50'
expect 22236 'Q call from;2 to;2' '[0-9]+( [0-9]+){4}'
expect 22236 'D call from to' '0'
expect 22236 'Q call from;2 to;2' 'E50'
echo "as seen"
