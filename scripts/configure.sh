#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes kamailio.h, the macros that the headers of the installed Kamailio want, and the link `headers`, into OUT.
#
# usage: configure.sh OUT MODULE-STRINGS [KAMAILIO [KAMAILIO_SRC]]
# Kamailio loads only modules whose version and flags are letter for letter its own, so both are taken from a module
# that is installed. Nothing is touched where nothing changed.
set -eu
out=$1
module_strings=$2
here=$(cd "$(dirname "$0")" && pwd)

modules=$("$here/kamailio.sh" "${3:-}")
strings=$("$module_strings" "$modules/pv.so")
banner=$(printf '%s\n' "$strings" | sed -n 1p)
flags=$(printf '%s\n' "$strings" | sed -n 2p)

# kamailio 5.6.3 (x86_64/linux)
name=${banner%% *}
version=${banner#* }
version=${version%% *}
arch=${banner##*(}
arch=${arch%%/*}
os=${banner##*/}
os=${os%)}
if [ "$banner" != "$name $version ($arch/$os)" ]; then
	echo "error: $modules/pv.so has a version of unknown form: $banner" >&2
	exit 1
fi
number=${version%%[-+~]*}
headers=$("$here/headers.sh" "$version" "${4:-}")

{
	echo "/* Made by configure.sh for $modules with $headers */"
	echo "#define NAME \"$name\""
	echo "#define VERSION \"$version\""
	echo "#define ARCH \"$arch\""
	echo "#define OS $os"
	echo "#define OS_QUOTED \"$os\""
	echo "#define __CPU_$arch 1"
	echo "#define __OS_$os 1"
	echo "$number" | awk -F . '{ printf "#define VERSIONVAL %d\n", $1 * 1000000 + $2 * 1000 + $3 }'
	printf '%s\n' "$flags" | tr -d ' ' | tr ',' '\n' | while read -r flag; do
		case $flag in
			FAST_LOCK-ADAPTIVE_WAIT)
				printf '#define %s\n' 'FAST_LOCK 1' 'ADAPTIVE_WAIT 1' 'ADAPTIVE_WAIT_LOOPS 1024'
				;;
			TLS_PTHREAD_MUTEX_SHARED) echo '#define KSR_PTHREAD_MUTEX_SHARED 1' ;;
			*) echo "#define $flag 1" ;;
		esac
	done
	# In no flags string, but tested by the headers.
	printf '#define %s 1\n' CC_GCC_LIKE_ASM STATISTICS HAVE_GETHOSTBYNAME2 HAVE_UNION_SEMUN
	echo '#define MOD_NAME "rtpproxy"'
	echo '#define MOD_NAMEID rtpproxy'
} >"$out/kamailio.h.new"

ln -sfn "$headers" "$out/headers"
if cmp -s "$out/kamailio.h.new" "$out/kamailio.h"; then
	rm "$out/kamailio.h.new"
else
	mv "$out/kamailio.h.new" "$out/kamailio.h"
	echo "configured for Kamailio $version ($arch/$os), modules in $modules"
fi
