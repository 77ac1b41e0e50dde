#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the tests that are built, and says at the end which expectations failed, how many tests were skipped, and for want
# of what.
#
# usage: test.sh [OPTION OF swift test ...]
set -eu
log=$(mktemp)
trap 'rm -f "$log" "$log.status"' EXIT
trap 'exit 1' INT TERM
{
	status=0
	swift test --skip-build "$@" || status=$?
	echo $status >"$log.status"
} | tee "$log"
awk '
	/^➜ (Test|Suite) .*(skipped|cancelled)/ {
		count++
		reason = index($0, "\"") ? substr($0, index($0, "\"")) : "no reason given"
		if (!(reason in reasons)) order[++kinds] = reason
		reasons[reason]++
	}
	/^✘ Test .* recorded an issue/ { failed[++failures] = $0 }
	END {
		if (failures > 0) print failures " failed:"
		for (i = 1; i <= failures; i++) print "  " failed[i]
		if (count > 0) print count " skipped:"
		for (i = 1; i <= kinds; i++) print "  " reasons[order[i]] " " order[i]
	}' "$log"
exit "$(cat "$log.status")"
