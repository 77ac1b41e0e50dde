#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Lets a checkout that was moved or copied build again: what Swift has compiled of the system's modules names the place
# where that was done, and is of no use in another one.
#
# usage: moved.sh [ROOT]
set -eu
root=$(cd "${1:-$(dirname "$0")/..}" && pwd -P)
[ -d "$root/.build" ] || exit 0
[ "$(cat "$root/.build/place" 2>/dev/null)" != "$root" ] || exit 0
rm -rf "$root"/.build/*/*/ModuleCache
echo "$root" >"$root/.build/place"
