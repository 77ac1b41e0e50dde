#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Checks what the tests cannot see: formatting, licence lines, shell syntax, lines that could trap, and what MODULE links
# and exports.
#
# usage: check.sh MODULE [KAMAILIO]
# All findings are shown; any of them fails.
set -u
module=$1
kamailio=${2:-}
cd "$(dirname "$0")/.." || exit 1
failed=0

# Says how a check ended; its output is the list of findings.
check() { # NAME COMMAND...
	name=$1
	shift
	if findings=$("$@" 2>&1) && [ -z "$findings" ]; then
		echo "ok      $name"
	else
		printf 'FAILED  %s\n%s\n' "$name" "$findings"
		failed=1
	fi
}

swift_format() {
	swift format lint --strict --recursive Sources Tests Package.swift
}

c_format() {
	find kamailio-glue scripts Tests/Host Tests/Stepping Tests/Namespaces -name '*.[ch]' -exec clang-format --dry-run --Werror {} +
}

shell_syntax() {
	for script in .ci/run scripts/*.sh packaging/preinst packaging/postrm; do
		"$(sed -n '1s/^#!//p' "$script" | grep . || echo /bin/sh)" -n "$script" || return 1
	done
}

# Each source file says its licence in its first lines.
licence_lines() {
	find Makefile Package.swift .ci Sources Include Tests kamailio-glue scripts packaging examples -type f \
		\( -name '*.swift' -o -name '*.[ch]' -o -name '*.sh' -o -name '*.map' -o -name '*.py' -o -name '*.lua' \
		-o -name '*.sql' -o -name Makefile -o -path .ci/run -o -path 'packaging/p*' \
		-o -path 'packaging/containers/*' -o -path 'examples/*.cfg' -o -path 'examples/*.yml' \
		-o -name '*.html' -o -name '*.service' \) -print |
		while read -r file; do
			head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || echo "$file"
		done
}

# The console page for Prometheus has the panels of the dashboard for Grafana.
console_page() {
	page=examples/prometheus/rtpproxy.html
	scripts/console.py | cmp -s - "$page" || echo "$page has other panels than dashboard.json; run: make dashboard"
}

# The module loads nothing but libc and libsystemd: above all no Swift runtime, which would take signals over.
libraries() {
	readelf --dynamic --wide "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' |
		grep -v -E '^(lib[cm]\.so\.6|libsystemd\.so\.0)$'
	readelf --dynamic --wide "$module" | grep -E 'RPATH|RUNPATH|TEXTREL'
	true
}

# One file runs on older systems, too.
glibc() {
	nm --dynamic --undefined-only --with-symbol-versions "$module" |
		awk '{ split($2, parts, "@GLIBC_"); split(parts[2], number, "."); if (number[1] == 2 && number[2] > 31) print $2 }'
}

size() {
	bytes=$(wc -c <"$module")
	[ "$bytes" -le 618000 ] || echo "it has $bytes bytes"
}

exports() {
	expected='exports mod_register module_flags module_version'
	found=$(nm --dynamic --defined-only "$module" | awk '{ print $3 }' | sort | tr '\n' ' ')
	[ "$found" = "$expected " ] || echo "exported: $found"
}

# Kamailio has every symbol that the module wants and no library brings (those carry a version).
wanted() {
	modules=$(scripts/kamailio.sh "$kamailio") || return 1
	program=${modules%/lib*}/sbin/kamailio
	nm --dynamic --defined-only "$program" | awk '{ print $3 }' | sort >"$module.has"
	nm --dynamic --undefined-only "$module" | awk '$1 == "U" && $2 !~ /@/ { print $2 }' | sort |
		comm -23 - "$module.has" | sed "s|^|not in $program: |"
	rm -f "$module.has"
}

# What ships is Swift's core library alone.
imports() {
	grep -rnE '^[^/]*import (Foundation|Dispatch|RegexBuilder|_Concurrency|Distributed|Observation)' Sources
	true
}

debug_symbols() {
	readelf --sections --wide "$module" | grep -q '\.symtab' && echo "not stripped"
	readelf --string-dump=.gnu_debuglink "$module" | grep -q rtpproxy.so.debug || echo "no link to rtpproxy.so.debug"
	[ -s "$module.debug" ] || echo "$module.debug is missing"
}

# A checkout that was moved builds again: what names its old place goes, the rest stays.
moved() {
	cache=.build/x/debug/ModuleCache
	folder=$(mktemp -d) && mkdir -p "$folder/$cache" "$folder/.build/x/debug/kept"
	scripts/moved.sh "$folder"
	[ ! -d "$folder/$cache" ] || echo "the caches of an unknown place stay"
	mkdir "$folder/$cache"
	scripts/moved.sh "$folder"
	[ -d "$folder/$cache" ] || echo "the caches of this place go"
	mv "$folder" "$folder.moved"
	scripts/moved.sh "$folder.moved"
	[ ! -d "$folder.moved/$cache" ] || echo "the caches of the old place stay"
	[ -d "$folder.moved/.build/x/debug/kept" ] || echo "more goes than the caches"
	rm -rf "$folder.moved"
}

check "Swift is formatted" swift_format
check "C is formatted" c_format
check "shell scripts parse" shell_syntax
check "a checkout that was moved builds" moved
check "each source file names its licence" licence_lines
check "the console page has the panels of the dashboard" console_page
check "only the core library is imported" imports
check "every line that could trap says why it cannot" scripts/traps.sh
check "the module loads only libc and libsystemd" libraries
check "a glibc of 2.31 has what the module wants of it" glibc
check "the module has at most 618 KB" size
check "the module exports only what Kamailio looks up" exports
check "Kamailio has what the module wants of it" wanted
check "the module is stripped, its debug symbols are beside it" debug_symbols
exit "$failed"
