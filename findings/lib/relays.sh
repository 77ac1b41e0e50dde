# SPDX-License-Identifier: GPL-2.0-or-later
# To be sourced by findings: pinned relays, each in a temporary folder of its own, and a way to ask them.
set -eu

work=$(mktemp -d)
started=
finish() {
	for pid in $started; do
		kill "$pid" 2>/dev/null || continue
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.2
		done
		kill -9 "$pid" 2>/dev/null || :
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# Debian's rtpengine in user space, with its legacy port at 127.0.0.1:$1. Further words are options.
start_rtpengine() { # PORT [OPTION...]
	version=10.5.3.5-1+deb12u1
	mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/root"
	: >"$work/apt/status"
	own_apt="apt-get -qq -o Dir::State=$work/apt -o Dir::State::lists=$work/apt/lists
		-o Dir::State::status=$work/apt/status -o Dir::Cache=$work/apt -o APT::Install-Recommends=false
		-o APT::Sandbox::User=root"
	# shellcheck disable=SC2086
	$own_apt update </dev/null
	# shellcheck disable=SC2086
	$own_apt install --yes --download-only "rtpengine-daemon=$version" </dev/null
	for package in "$work"/apt/archives/*.deb; do dpkg -x "$package" "$work/root"; done
	# Its libraries from that folder too.
	folders=$(find "$work/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
	loader=$(find "$work/root" -name 'ld-linux-*.so.*' | head -n 1)
	port=$1
	shift
	"$loader" --library-path "$folders" "$work/root/usr/bin/rtpengine" --config-file=none --table=-1 --foreground \
		--log-stderr -u "127.0.0.1:$port" -m 30000 -M 30100 --pidfile="$work/rtpengine.pid" \
		"${@:---interface=127.0.0.1}" >"$work/rtpengine.log" 2>&1 &
	started="$started $!"
	echo "rtpengine-daemon $version, legacy port"
	wait_for "$port"
}

# RTPProxy 3.x of the wheel rtp.io, with a control socket at 127.0.0.1:$1. Further words are options.
start_rtpproxy() { # PORT [OPTION...]
	version=1.1.1
	for python in python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
		command -v "$python" >/dev/null || continue
		rm -rf "$work/venv"
		"$python" -m venv "$work/venv" && "$work/venv/bin/python" -m pip install --quiet --no-input \
			--disable-pip-version-check --only-binary :all: "rtp.io==$version" 2>/dev/null && break
	done
	port=$1
	shift
	(cd "$work" && exec "$work/venv/bin/python" -c '
import signal, sys, threading
from rtp.io import rtpproxy
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
relay = rtpproxy(extra_args=sys.argv[1:])
ended.wait()' -F -l 127.0.0.1 -m 31000 -M 31999 -s "udp:127.0.0.1:$port" "$@") >"$work/rtpproxy.log" 2>&1 &
	started="$started $!"
	echo "RTPProxy of rtp.io $version"
	wait_for "$port"
}

# Sends a command to 127.0.0.1:$1 and prints the answer without cookie and line end.
ask() { # PORT COMMAND
	python3 - "$1" "$2" <<-'END'
		import os, socket, sys
		cookie = os.urandom(8).hex()
		line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		line.settimeout(2)
		line.connect(("127.0.0.1", int(sys.argv[1])))
		line.send(f"{cookie} {sys.argv[2]}".encode())
		try:
		    print(line.recv(2048).decode()[len(cookie):].strip())
		except OSError:
		    print("(no answer)")
	END
}

wait_for() { # PORT
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(ask "$1" V)" != 20040107 ] || return 0
		sleep 0.5
	done
	echo "the relay did not start:" >&2
	cat "$work"/*.log >&2
	exit 1
}

# Prints a command with its answer, and fails where the answer is not of the form that was seen.
expect() { # PORT COMMAND EXTENDED_REGULAR_EXPRESSION
	got=$(ask "$1" "$2")
	echo "  $2  ->  $got"
	echo "$got" | grep -Eqx "$3" || { echo "CHANGED: expected $3" >&2; exit 1; }
}
