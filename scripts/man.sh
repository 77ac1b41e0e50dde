#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints the manual page kamailio-rtpproxy(5): the parameters, functions, variables and RPC commands, as docs/operator/
# has them.
#
# usage: man.sh
# Its date is SOURCE_DATE_EPOCH, by default that of the last commit.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8 TZ=UTC

if ! command -v lowdown >/dev/null; then
	echo "error: missing: lowdown, which makes the manual page; to install it, run: make setup" >&2
	exit 1
fi
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

# The chapters, their titles in capitals. A link within them is its words alone, one to another page names that.
chapters() {
	for page in parameters functions variables rpc; do
		sed -z -E -e 's/\[([^]]*)\]\(((parameters|functions|variables|rpc)\.md)?(#[^)]*)?\)/\1/g' \
			-e 's/\[([^]]*)\]\(([a-z-]+\.md)(#[^)]*)?\)/\1 (\2)/g' "docs/operator/$page.md" | sed '1s/.*/\U&/'
		echo
	done
}

# Literal words are bold, as manual pages have them, and nothing stands between a heading and its text. Nor is anything
# adjusted or broken within a word: the columns of the tables are narrow, and the words are names.
page() {
	awk -v date="$(date -d "@$epoch" +%Y-%m-%d)" '
		/^\.TH/ {
			print ".TH KAMAILIO-RTPPROXY 5 " date " \"rtpproxy.so\" \"Kamailio modules\""
			print ".nr HY 0\n.nh\n.ad l"
			print ".SH NAME\nkamailio-rtpproxy \\- media of calls through RTPProxy, a module for Kamailio"
			print ".SH SYNOPSIS\n.nf\nloadmodule \"rtpproxy.so\"\nmodparam(\"rtpproxy\", \"PARAMETER\", VALUE)\n.fi"
			print ".SH DESCRIPTION\nThe parameters, script functions, variables and RPC commands of the module."
			next
		}
		/^\.(SH|SS)$/ { printf "%s ", $0; heading = 1; next }
		heading == 1 { gsub(/\\f./, ""); gsub(/"/, "\\(dq"); print; heading = 2; next }
		heading == 2 && /^\.(LP|PP)$/ { next }
		{ heading = 0; gsub(/\\fC/, "\\fB"); print }
		END {
			print ".SH SEE ALSO\n.BR kamailio (8),\n.BR kamcmd (8),\n.BR kamailio.cfg (5)\n.PP"
			print "The whole documentation is in /usr/share/doc/kamailio\\-rtpproxy\\-module/docs."
		}'
}

# Columns of single words and narrow ones are as wide as their cells, the others share the rest of a line of 71
# characters; where there is more, the widest has it.
tables() {
	awk '
		function width(text) {
			gsub(/\\f./, "", text)
			gsub(/\\\(..|\\./, "x", text)
			return length(text)
		}
		# Whether the cells of a column can do with less room.
		function breaks(j) { return word[j] < widest[j] }
		function print_table(    i, j, left, narrowest, wide, longest, line, share) {
			left = 70 - 3 * columns
			for (j = 1; j <= columns; j++) is_wide[j] = 1
			for (wide = columns; wide > 0; wide--) {
				narrowest = 0
				for (j = 1; j <= columns; j++)
					if (is_wide[j] && (!narrowest || breaks(j) < breaks(narrowest) ||
							breaks(j) == breaks(narrowest) && widest[j] < widest[narrowest]))
						narrowest = j
				if (left - widest[narrowest] < 9 * (wide - 1)) break
				left -= widest[narrowest]
				is_wide[narrowest] = 0
			}
			longest = 0
			for (j = 1; j <= columns; j++)
				if (is_wide[j] && word[j] <= left / wide && (!longest || widest[j] > widest[longest])) longest = j
			print ".TS\ntab(|) allbox;"
			for (i = 1; i <= 2; i++) {
				line = ""
				for (j = 1; j <= columns; j++) {
					share = ""
					if (is_wide[j]) {
						share = int(left / wide)
						share = j == longest ? "x" : "w(" (word[j] > share ? word[j] : share) "n)"
					}
					line = line (j > 1 ? " " : "") (i == 1 ? "lb" : "l") share
				}
				print line (i == 2 ? "." : "")
			}
			for (i = 1; i <= rows; i++) {
				line = ""
				for (j = 1; j <= columns; j++) {
					text = cell[i, j]
					if (i > 1 && is_wide[j]) text = "T{\n" text "\nT}"
					line = line (j > 1 ? "|" : "") text
				}
				print line
			}
			print ".TE"
		}
		/^\.TS$/ { inside = 1; rows = columns = column = 0; split("", widest); split("", word); next }
		!inside { print; next }
		/^\.TE$/ { print_table(); inside = 0; next }
		/^T\{$/ { rows++; column = 1; text = ""; next }
		/^T\}/ {
			cell[rows, column] = text
			if (width(text) > widest[column]) widest[column] = width(text)
			count = split(text, words, " ")
			for (i = 1; i <= count; i++) if (width(words[i]) > word[column]) word[column] = width(words[i])
			if (column > columns) columns = column
			column++
			text = ""
			next
		}
		column { text = text (text == "" ? "" : " ") $0 }'
}

chapters | lowdown -s -Tman --parse-no-intraemph --out-no-smarty -M section=5 -M title=kamailio-rtpproxy | page | tables
