#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the fuzzer, and lets it look for inputs that break a property of Tests/Fuzz/Properties.
#
# usage: fuzz.sh SECONDS [TARGET] [FOLDER]
# Each target, or the one named, is fuzzed for SECONDS, two at a time. It begins with its seeds, what Tests/Fuzz/Kept has,
# what earlier runs have found in .build/fuzz/corpus, and the files of FOLDER. Anything found fails, and says where it is.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?seconds}
only=${2:-}
folder=${3:-}
out=$PWD/.build/fuzz
fuzzer=$out/fuzzer
# The runtime's own report of a trap reads memory in a way that the address sanitizer takes for the fault itself.
export SWIFT_BACKTRACE=enable=no
every="sdp multipart flags replies sock url notifications jobs fleet calls"

build() {
	swift build -c release --product Fuzz --scratch-path "$out/build" --sanitize address \
		-Xswiftc -sanitize=fuzzer -Xswiftc -enable-testing
	swiftc -use-ld=lld -sanitize=fuzzer,address -o "$fuzzer" "$out/build/release/libFuzz.a"
}

# The longest input that makes sense, and the words that it is made of.
length() {
	case $1 in
	flags | url) echo 300 ;;
	replies | sock | jobs) echo 1500 ;;
	*) echo 4096 ;;
	esac
}

dictionary() {
	case $1 in
	sdp | multipart | calls) echo sdp ;;
	flags | jobs) echo flags ;;
	replies | notifications) echo replies ;;
	sock | url) echo url ;;
	fleet) echo fleet ;;
	esac
}

# What leads the fuzzer besides coverage: values that come nearer to those compared with; for calls, which may wait for
# an answer that does not come, quick inputs instead.
guidance() {
	case $1 in
	calls) echo -entropic_scale_per_exec_time=1 ;;
	*) echo -use_value_profile=1 ;;
	esac
}

run() { # TARGET
	local target=$1 corpus=$out/corpus/$1 found=$out/found/$1 log=$out/log/$1
	mkdir -p "$corpus" "$found" "$out/seeds/$target"
	FUZZ_TARGET=$target FUZZ_SEEDS=$out/seeds/$target TMPDIR=$scratch "$fuzzer" "$corpus" "$out/seeds/$target" \
		"Tests/Fuzz/Kept/$target" ${folder:+"$folder"} -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-max_len="$(length "$target")" -dict="Tests/Fuzz/Dictionaries/$(dictionary "$target").dict" \
		-artifact_prefix="$found/" -print_final_stats=1 $(guidance "$target") >"$log" 2>&1 || echo $? >"$log.status"
}

# A shorter input that breaks the same, beside the one that was found.
minimize() { # TARGET FILE
	FUZZ_TARGET=$1 TMPDIR=$scratch timeout 60 "$fuzzer" -minimize_crash=1 -max_total_time=20 \
		-exact_artifact_path="$2.small" "$2" >/dev/null 2>&1 || true
	if [ -s "$2.small" ]; then echo "$2.small"; else echo "$2"; fi
}

# One line of the table; false where something was found.
report() { # TARGET
	local target=$1 log=$out/log/$1 last executions covered features inputs findings=0 file
	last=$(grep -aE '^#[0-9]+.*cov: ' "$log" | tail -n 1 || true)
	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
	covered=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' <<<"$last")
	features=$(sed -n 's/.* ft: \([0-9]*\).*/\1/p' <<<"$last")
	inputs=$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' <<<"$last")
	findings=$(find "$out/found/$target" -type f ! -name '*.small' -newer "$out/started" | wc -l)
	printf '%-14s %11s %8s %9s %7s %9s\n' "$target" "${executions:--}" "${covered:--}" "${features:--}" "${inputs:--}" "$findings"
	if [ ! -e "$log.status" ]; then return 0; fi
	{
		grep -a -m 1 -E '^broken property|ERROR: |Fatal error' "$log" || tail -n 5 "$log"
		for file in $(find "$out/found/$target" -type f ! -name '*.small' -newer "$out/started"); do
			file=$(minimize "$target" "$file")
			echo "  again: SWIFT_BACKTRACE=enable=no FUZZ_TARGET=$target $fuzzer $file"
			echo "  keep:  mv $file Tests/Fuzz/Kept/$target/what-it-is"
		done
	} >>"$out/findings"
	return 1
}

build
targets=${only:-$every}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$out/log" "$out/found"
rm -rf "$out/seeds" "$out/findings"
touch "$out/started"
for target in $targets; do
	case " $every " in *" $target "*) ;; *) echo "TARGET is one of: $every" >&2 && exit 2 ;; esac
	rm -f "$out/log/$target" "$out/log/$target.status"
	run "$target" &
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
done
wait

failed=0
printf '%-14s %11s %8s %9s %7s %9s\n' target executions edges features inputs findings
for target in $targets; do report "$target" || failed=1; done
if [ "$failed" -ne 0 ]; then
	echo
	cat "$out/findings"
fi
exit "$failed"
