#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints the folder in which a Kamailio has its modules: the one installed, or one unpacked into FOLDER.
#
# usage: kamailio.sh [FOLDER]
set -eu
folder=${1:-}

if [ -n "$folder" ]; then
	places="$folder/usr $folder/usr/local $folder"
else
	# The prefix of the program that would be started comes first.
	program=$(PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v kamailio || true)
	places="${program:+$(dirname "$(dirname "$(readlink -f "$program")")")} /usr /usr/local"
fi
for place in $places; do
	for modules in "$place"/lib/*/kamailio/modules "$place"/lib64/kamailio/modules "$place"/lib/kamailio/modules; do
		if [ -f "$modules/pv.so" ]; then
			echo "$modules"
			exit 0
		fi
	done
done
if [ -n "$folder" ]; then
	echo "error: no Kamailio in $folder (no lib/.../kamailio/modules/pv.so below it)" >&2
else
	echo "error: Kamailio is not installed here; install it, or run: make setup" >&2
fi
exit 1
