#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints the catalog of the module's entries in the journal, what journalctl -x explains them with, of the table in
# Sources/CallControl/Calls/ReportKind.swift.
#
# usage: catalog.sh [TABLE]
set -eu
table=${1:-$(dirname "$0")/../Sources/CallControl/Calls/ReportKind.swift}

echo '# SPDX-License-Identifier: GPL-2.0-or-later'
echo '# What the entries of the module in the journal mean, and what to do. See journalctl -x.'
awk '
	/^ +\/\/( |$)/ { sub(/^ *\/\/ ?/, ""); text[++lines] = $0; next }
	/^ +case \.[a-zA-Z]+: "[0-9a-f]+"$/ {
		split($0, part, "\"")
		if (lines < 3 || text[1] == "" || text[2] != "") {
			print "no subject, empty line and text above: " $0 >"/dev/stderr"
			exit failed = 1
		}
		print "\n-- " part[2]
		print "Subject: " text[1]
		print "Defined-By: kamailio-rtpproxy-module"
		print "Support: https://www.kamailio.org/"
		for (i = 2; i <= lines; i++) print text[i]
		rows++
	}
	{ lines = 0 }
	END { exit failed || rows == 0 }' "$table"
