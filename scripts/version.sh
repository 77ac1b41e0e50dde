#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes version.h, the version of these sources and the commit that they are of, into OUT. Nothing is touched where
# nothing changed.
#
# usage: version.sh OUT [VERSION]
# VERSION: instead of the newest release in CHANGELOG.md, which gets a + where changes are listed that are in none.
# Without git, or without a history of these sources' own, as in a Debian source package, there is no commit. The same
# sources give the same file.
set -eu
out=$1
version=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd -P)

if [ -z "$version" ]; then
	version=$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' "$root/CHANGELOG.md" | sed -n 1p)
	version=${version:-0}$(awk '/^## / { inside = /\[Unreleased\]/ } inside && /^- / { print "+"; exit }' "$root/CHANGELOG.md")
fi
commit=
if [ "$(git -C "$root" rev-parse --show-toplevel 2>/dev/null)" = "$root" ]; then
	commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || true)
	# What is changed and not committed.
	if [ -n "$commit" ] && ! git -C "$root" diff --quiet HEAD -- Sources Include kamailio-glue 2>/dev/null; then
		commit=$commit+
	fi
fi

mkdir -p "$out"
{
	echo "/* Made by version.sh. */"
	echo "#define RTPP_VERSION \"$version\""
	echo "#define RTPP_COMMIT \"$commit\""
} >"$out/version.h.new"
if cmp -s "$out/version.h.new" "$out/version.h"; then
	rm "$out/version.h.new"
else
	mv "$out/version.h.new" "$out/version.h"
fi
