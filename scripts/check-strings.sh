#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Fails, showing both, unless MODULE has the version and the flags of the Kamailio it is meant for.
#
# usage: check-strings.sh MODULE MODULE-STRINGS [KAMAILIO]
set -eu
stock=$("$(dirname "$0")/kamailio.sh" "${3:-}")/pv.so
ours=$("$2" "$1")
theirs=$("$2" "$stock")
if [ "$ours" != "$theirs" ]; then
	printf 'error: Kamailio would refuse %s: version or flags differ\n%s:\n%s\n%s:\n%s\n' \
		"$1" "$1" "$ours" "$stock" "$theirs" >&2
	exit 1
fi
