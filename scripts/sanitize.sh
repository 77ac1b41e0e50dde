#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs tests under a tool that watches memory, and fails for whatever that reports of the module.
#
# usage: sanitize.sh address|valgrind MODULE [quick]
#        sanitize.sh thread
# address: the messages of `make compare` and the tests in Kamailio, with what `make module SANITIZE=address` made, the
# runtime preloaded. valgrind: the messages of `make compare`. thread: the tests of the shared memory, whose threads do
# what processes do in Kamailio.
set -eu
tool=$1
module=${2:+$(readlink -f "$2")}
quick=${3:-}
cd "$(dirname "$0")/.."
reports=$(mktemp -d "${TMPDIR:-/tmp}/rtpproxy-reports.XXXXXX")
trap 'rm -rf "$reports"' EXIT
trap 'exit 1' INT TERM
status=0

# With this module, the launcher before Kamailio, and so many times the patience.
in_kamailio() { # LAUNCHER PATIENCE COMMAND...
	export RTPPROXY_MODULE="$module" RTPPROXY_LAUNCHER="$1" RTPPROXY_PATIENCE="$2"
	export RTPPROXY_SYSTEM_MEMORY="$PWD/build/system-memory.so"
	shift 2
	"$@" || status=$?
}

address() {
	# Memory that Kamailio itself keeps until it ends is no leak of the module; MemoryTests look for leaks.
	export ASAN_OPTIONS="detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1:log_path=$reports/report"
	export UBSAN_OPTIONS=print_stacktrace=1
	launcher="env LD_PRELOAD=$(clang -print-file-name=libclang_rt.asan-x86_64.so)"
	in_kamailio "$launcher" 1 .build/debug/compare ${quick:+--every=10}
	# Confined processes may not do what the runtime does; MemoryTests look at Kamailio's own allocators, and the tests of
	# faults fill them or preload something else. What the runtime keeps of freed memory, and what a slow Kamailio makes
	# of a burst or of a command's repetitions, is not to be measured.
	in_kamailio "$launcher" 1 swift test --skip-build --skip PrivilegeTests --skip MemoryTests --skip Fault \
		--skip aThousandEventsLeaveNoMemoryBehind --skip burstsOfManyWorkersLoseNothing \
		--skip callsGoWhereTheNameLeadsOnceTheOldAddressIsSilent \
		--filter "^KamailioTests${quick:+\.(Async|Notify|RPC|Hostile|Stream)Tests/}"
}

# Each process of Kamailio writes a file of its own.
valgrind() {
	in_kamailio "valgrind --quiet --leak-check=no --num-callers=40 --log-file=$reports/%p" 10 \
		.build/debug/compare ${quick:+--every=20}
	for report in "$reports"/*; do
		ours <"$report" | swift demangle >"$reports/ours"
		mv "$reports/ours" "$report"
		[ -s "$report" ] || rm "$report"
	done
}

# Valgrind's errors that have a frame of the module; errors of Kamailio alone are left out.
ours() {
	awk -v frame="(in $module)" '
		{ sub(/^[=*]+[0-9]+[=*]+ ?/, "") }
		NF { block = block "\n" $0; if (index($0, frame)) found = 1; next }
		{ if (found) print block; block = ""; found = 0 }
		END { if (found) print block }'
}

# Optimized, so that what the standard library brings is compiled here and watched as well. The tests that kill at each
# instruction would step through the tool's.
thread() {
	RTPPROXY_TARGETS="Bytes SharedState Stepping SharedStateTests" swift test -c release -Xswiftc -enable-testing \
		--sanitize thread --build-path .build/thread --filter '^SharedStateTests' --skip Killed || status=$?
}

case $tool in
	address | valgrind | thread) "$tool" ;;
	*) echo "error: no such tool: $tool" >&2 && exit 2 ;;
esac
if [ -n "$(ls "$reports")" ]; then
	cat "$reports"/*
	status=1
fi
exit $status
