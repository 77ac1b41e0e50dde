#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks that every line of Swift that could trap says in Tests/Traps/reasons.txt why it cannot.
#
# usage: traps.sh [--missing] [FOLDER]
# With --missing it prints what reasons.txt lacks, to be pasted there, a `?` for each reason. FOLDER holds Sources
# and reasons.txt; without it they are this project's, and it is checked, too, that Tests/Traps/traps.awk finds what
# Tests/Traps/kinds.txt says. Prints every finding; no finding is success.
set -u
wants_missing=0
if [ "${1:-}" = --missing ]; then
	wants_missing=1
	shift
fi
project=$(cd "$(dirname "$0")/.." && pwd) || exit 1
traps=$project/Tests/Traps
folder=${1:-}

# What Sources holds, as traps.awk prints it.
find_traps() { # FOLDER
	(cd "$1" && find . -name '*.swift' | sed 's|^\./||' | LC_ALL=C sort | xargs awk -f "$traps/traps.awk")
}

# Compares what is found with the reasons.
compare() { # REASONS
	LC_ALL=C awk -F '\t' -v wants_missing=$wants_missing -v reasons="$1" '
		BEGIN {
			while ((status = (getline line < reasons)) > 0) {
				number++
				if (line ~ /^#/ || line ~ /^[ \t]*$/) continue
				if (line ~ /^== /) { file = substr(line, 4); reason = "" }
				else if (line ~ /^-- /) reason = substr(line, 4)
				else if (line !~ /^  /) say("reasons.txt:" number ": neither ==, nor --, nor a line of code: " line)
				else {
					text = substr(line, 3)
					if (file == "" || reason !~ /[a-z0-9]/) say("reasons.txt:" number ": no reason above it: " text)
					listed[file, text]++
					keys[++count] = file SUBSEP text
					numbers[count] = number
				}
			}
			if (status < 0) say("reasons.txt cannot be read")
		}
		# What is marked unsafe with a SAFETY comment has its reason there.
		$1 == "u" { next }
		{
			text = $4
			for (i = 5; i <= NF; i++) text = text " " $i
			if ($1 ~ /!/) say($2 ":" $3 ": forced, which nothing may be: " text)
			else if (++found[$2, text] > listed[$2, text]) {
				say($2 ":" $3 ": could trap, and reasons.txt does not say why it cannot: " text)
				if (wants_missing) {
					if ($2 != last) print "\n== " $2 "\n-- ?"
					last = $2
					print "  " text
				}
			}
		}
		END {
			for (i = 1; i <= count; i++) {
				key = keys[i]
				if (++seen[key] <= found[key]) continue
				split(key, part, SUBSEP)
				say("reasons.txt:" numbers[i] ": is not in " part[1] " any more: " part[2])
			}
			exit findings > 0
		}
		function say(what) { findings++; if (!wants_missing) print what }'
}

# The kinds that kinds.txt expects of each of its lines, and those that are found.
check_kinds() {
	sed 's/^[^	]*	//' "$traps/kinds.txt" | awk -f "$traps/traps.awk" |
		awk -F '\t' '
			NR == FNR && FILENAME == "-" { found[$3] = $1; next }
			/^#/ || !/\t/ { next }
			{
				expected = $1 == "-" ? "" : $1
				if (found[FNR] != expected) {
					print "kinds.txt:" FNR ": found \"" found[FNR] "\", not \"" expected "\": " $2
					failed = 1
				}
				lines++
			}
			END { exit failed || lines == 0 }' - "$traps/kinds.txt"
}

status=0
if [ -z "$folder" ]; then
	folder=$project
	check_kinds || status=1
fi
reasons=$folder/Tests/Traps/reasons.txt
found=$(find_traps "$folder/Sources") && [ -n "$found" ] || {
	echo "nothing is found in $folder/Sources"
	exit 1
}
printf '%s\n' "$found" | compare "$reasons" || status=1
exit $status
