#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks that every line of Swift that could trap says why it cannot, in a comment of its declaration or of its file.
#
# usage: traps.sh [FOLDER]
# A comment says of how many lines it is the reason: `NO TRAP: REASON` of one, `NO TRAP (3): REASON` of three of its
# declaration, `NO TRAP (9 in this file): REASON` of nine of any. `SAFETY: REASON` is the reason of what is unsafe in the
# lines below it; `SAFETY (3): REASON` besides of three of them that could trap otherwise, too; `SAFETY (9 in this file):
# REASON` of nine unsafe lines of any declaration. A line that is new fails until somebody has looked at it and its
# comment. FOLDER holds Sources; without it they are this project's, and it is checked, too, that Tests/Traps/traps.awk
# finds what Tests/Traps/kinds.txt says. Prints every finding; no finding is success.
set -u
project=$(cd "$(dirname "$0")/.." && pwd) || exit 1
traps=$project/Tests/Traps
folder=${1:-}

# What Sources holds, as traps.awk prints it.
find_traps() { # FOLDER
	(cd "$1" && find . -name '*.swift' | sed 's|^\./||' | LC_ALL=C sort | xargs awk -f "$traps/traps.awk")
}

# Compares the lines that are found with what the comments say.
compare() {
	LC_ALL=C awk -F '\t' '
		$1 == "#" {
			if ($6 !~ /[a-z0-9]/) say($2 ":" $3 ": a comment without a reason")
			if ($5 == 0) say($2 ":" $3 ": a comment on no line")
			if ($4 == "") fileCount[$2] += $5
			else {
				covered[$2, $4] += $5
				if (!(($2, $4) in at)) at[$2, $4] = $3
			}
			note($2, $4)
			next
		}
		# What is marked unsafe with a SAFETY comment has its reason there.
		$1 == "u" { next }
		{
			text = $5
			for (i = 6; i <= NF; i++) text = text " " $i
			if ($1 ~ /!/) { say($2 ":" $3 ": forced, which nothing may be: " text); next }
			note($2, $4)
			lines[$2, $4]++
			shown[$2, $4] = shown[$2, $4] "\n" $2 ":" $3 ": could trap, and no comment says why it cannot: " text
		}
		END {
			for (i = 1; i <= count; i++) {
				key = order[i]
				split(key, part, SUBSEP)
				if (part[2] == "") continue
				if (covered[key] > lines[key])
					say(part[1] ":" at[key] ": there are comments on " covered[key] " lines of this declaration, " \
						"of which " lines[key] + 0 " could trap")
				else {
					open[part[1]] += lines[key] - covered[key]
					if (lines[key] > covered[key]) {
						heading = covered[key] == 0 ? "" : "\n" part[1] ":" at[key] ": there are comments on " \
							covered[key] " lines of this declaration, of which " lines[key] " could trap"
						left[part[1]] = left[part[1]] heading shown[key]
					}
				}
			}
			for (i = 1; i <= count; i++) {
				split(order[i], part, SUBSEP)
				file = part[1]
				if (seen[file]++ || open[file] == fileCount[file]) continue
				if (fileCount[file] > 0)
					say(file ": comments in this file are about " fileCount[file] " lines of any declaration, but " \
						open[file] + 0 " have none of their own:" left[file])
				else say(substr(left[file], 2))
			}
			exit findings > 0
		}
		function note(file, declaration) {
			if (!((file, declaration) in known)) order[++count] = file SUBSEP declaration
			known[file, declaration] = 1
		}
		function say(what) { findings++; print what }'
}

# The kinds that kinds.txt expects of each of its lines, and those that are found.
check_kinds() {
	sed 's/^[^	]*	//' "$traps/kinds.txt" | awk -f "$traps/traps.awk" |
		awk -F '\t' '
			NR == FNR && FILENAME == "-" { found[$3] = $1 == "#" ? "# " $5 : $1; next }
			/^#( |$)/ || !/\t/ { next }
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
found=$(find_traps "$folder/Sources") && [ -n "$found" ] || {
	echo "nothing is found in $folder/Sources"
	exit 1
}
printf '%s\n' "$found" | compare || status=1
exit $status
