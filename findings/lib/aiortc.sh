# SPDX-License-Identifier: GPL-2.0-or-later
# To be sourced by findings: a pinned aiortc in a temporary folder, and a comparison of what a program says with what was
# seen.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: aiortc==1.16.0

# Runs the program in standard input, prints what it says, and fails where that is not what was seen.
expect_said() { # TEXT
	"$work/venv/bin/python" - | tee "$work/said"
	[ "$(cat "$work/said")" = "$1" ] || { echo "CHANGED: expected: $1" >&2; exit 1; }
	echo "as seen"
}
