#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the images for containers with MODULE, looks at them, starts one of each, and makes a call through both.
#
# usage: test-containers.sh MODULE
# Everything runs in a network, and below a process, of its own, and ends with it; images and storage are in a folder
# below .cache that is removed. buildah runs the images in a chroot, so no runtime for containers is needed. Where that
# is not permitted, the script says so and tests nothing.
set -eu
module=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
export LC_ALL=C

if ! reason=$("$here/containers.sh" possible); then
	echo "SKIPPED: the containers are not tested: $reason"
	exit 0
fi
if ! unshare --net --pid --fork true 2>/dev/null; then
	echo "SKIPPED: the containers are not tested: namespaces are not permitted here"
	exit 0
fi

if [ -z "${CONTAINERS_TEST:-}" ]; then
	mkdir -p "$root/.cache"
	work=$(mktemp -d "$root/.cache/test-containers.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
	chmod 755 "$work"
	# The last process of the namespace ends: so do all others in it.
	CONTAINERS_TEST=$work unshare --mount --net --pid --fork --kill-child --mount-proc "$0" "$module"
	exit
fi

# --- from here on in the namespaces ---

work=$CONTAINERS_TEST
failed=0
# Runs a command, and expects it to end well.
ends_well() { # WHAT COMMAND...
	what=$1
	shift
	if "$@" >"$work/output" 2>&1 </dev/null; then
		echo "ok      $what"
	else
		echo "FAILED  $what"
		sed 's/^/        /' "$work/output"
		failed=1
	fi
}
own_buildah() { "$work/images/buildah" "$@"; }
# The words of a field of an image's configuration, one a line.
words() { # IMAGE FIELD...
	own_buildah inspect --type image "$1" | python3 -c '
import json, sys
found = json.load(sys.stdin)["Docker"]["config"]
for name in sys.argv[1:]:
    found = found[name]
print("\n".join(found))' "$2" ${3:+"$3"}
}

ends_well "both images build, and Kamailio reads its configuration with the module" \
	"$here/containers.sh" build "$module" "$work/images"
[ "$failed" = 0 ] || exit 1
ip link set lo up
for address in 192.0.2.1 192.0.2.10 192.0.2.20; do
	ip address add $address/32 dev lo
done
for image in kamailio-rtpproxy rtpproxy; do
	container=$(own_buildah from "$image")
	echo "$container" >"$work/$image.container"
done

# Runs a command in a container, as the user of its image.
inside() { # IMAGE COMMAND...
	container=$(cat "$work/$1.container")
	shift
	own_buildah run --isolation chroot "$container" -- "$@"
}
# Starts what the image starts, with other parameters than its own, if they are given.
start() { # IMAGE PARAMETER...
	image=$1
	shift
	words "$image" Entrypoint >"$work/$image.command"
	if [ $# -gt 0 ]; then printf '%s\n' "$@"; else words "$image" Cmd; fi >>"$work/$image.command"
	set -- "$image"
	while read -r word; do
		set -- "$@" "$word"
	done <"$work/$image.command"
	inside "$@" >"$work/$image.log" 2>&1 </dev/null &
	echo $! >"$work/$image.pid"
}
# The command of HEALTHCHECK.
health() { # IMAGE
	words "$1" Healthcheck Test >"$work/health"
	set -- "$1"
	while read -r word; do
		[ "$word" = CMD ] || set -- "$@" "$word"
	done <"$work/health"
	[ $# -gt 1 ] && inside "$@"
}
healthy() { # IMAGE
	for _ in $(seq 40); do
		if health "$1"; then return 0; fi
		sleep 0.25
	done
	cat "$work/$1.log"
	return 1
}
# The processes that run a program of an image: those whose command begins so.
processes() { # COMMAND
	for process in /proc/[0-9]*; do
		case $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) in
			"$1"*) echo "${process#/proc/}" ;;
		esac
	done
}
unprivileged() { # COMMAND
	found=$(processes "$1")
	[ -n "$found" ] || return 1
	for process in $found; do
		echo "$process: $(grep '^Uid' "/proc/$process/status")"
		! grep -q '^Uid:.*\<0\>' "/proc/$process/status" || return 1
	done
}
# Neither compilers nor what made the image.
lean() { # IMAGE
	# shellcheck disable=SC2016
	inside "$1" sh -c 'for tool in cc gcc clang swiftc ld pip pip3; do ! command -v $tool || exit 1; done
		[ ! -e /tmp/rtpproxy.so ]'
}
# SIGTERM to the first process ends all of them, and well.
ends() { # IMAGE COMMAND
	first=$(processes "$2" | sort -n | head -n 1)
	kill -TERM "$first" && wait "$(cat "$work/$1.pid")" && [ -z "$(processes "$2")" ]
}
silent() { # IMAGE
	! grep -E 'ERROR|CRITICAL|ALERT|Traceback' "$work/$1.log"
}

for image in kamailio-rtpproxy rtpproxy; do
	ends_well "$image: no compiler is in it" lean $image
done
# The parameters that the compose file gives it.
sed -n 's/^    command: \(.*\)/\1/p' "$root/packaging/containers/compose.yaml" |
	sed 's/${ADDRESS:[^}]*}/192.0.2.1/' | python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)))' >"$work/given"
set --
while read -r word; do
	set -- "$@" "$word"
done <"$work/given"
start rtpproxy "$@"
ends_well "rtpproxy: it is healthy" healthy rtpproxy
start kamailio-rtpproxy
ends_well "kamailio-rtpproxy: it is healthy" healthy kamailio-rtpproxy
ends_well "kamailio-rtpproxy: it is not root" unprivileged "/usr/sbin/kamailio "
ends_well "rtpproxy: it is not root" unprivileged "/usr/bin/python3 /opt/rtpproxy/rtpproxy.py"
up() {
	for _ in $(seq 40); do
		if inside kamailio-rtpproxy kamcmd rtpproxy.stats | grep -q 'state: up'; then return 0; fi
		sleep 0.25
	done
	return 1
}
ends_well "Kamailio has found RTPProxy" up
ends_well "a call has audio both ways through both, and ends" python3 "$root/Tests/Containers/call.py"
ends_well "kamailio-rtpproxy: it has complained of nothing" silent kamailio-rtpproxy
ends_well "rtpproxy: it ends when it is told to" ends rtpproxy "/usr/bin/python3 /opt/rtpproxy/rtpproxy.py"
unhealthy() { ! health rtpproxy; }
ends_well "rtpproxy: where it does not run, it is not healthy" unhealthy
ends_well "kamailio-rtpproxy: it ends when it is told to" ends kamailio-rtpproxy "/usr/sbin/kamailio "
exit "$failed"
