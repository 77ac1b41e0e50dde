# SPDX-License-Identifier: GPL-2.0-or-later
# To be sourced by findings: Kamailio 5.6.3 with app_python3 in a temporary folder, on port 25070 of 127.0.0.1.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
cd "$work"
version=5.6.3-2
apt-get -qq download "kamailio=$version" "kamailio-python3-modules=$version"
for package in *.deb; do dpkg -x "$package" .; done
libraries=$(dirname "$(find . -name tm.so)")/..
export LD_LIBRARY_PATH=$work/$libraries
echo "versions: $(./usr/sbin/kamailio -v | head -1)"
cat >kamailio.cfg <<END
#!KAMAILIO
debug=0
log_stderror=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:25070
mpath="$work/$libraries/modules/"
loadmodule "tm.so"
loadmodule "pv.so"
loadmodule "app_python3.so"
modparam("app_python3", "load", "$work/routes.py")
cfgengine "python"
END

# Starts it with the methods of a class Routes; what it logs is in the file log.
start_kamailio() { # METHODS
	cat >routes.py <<-END
		import KSR


		def mod_init():
		    return Routes()


		class Routes:
		    def child_init(self, rank):
		        return 0

		$1
	END
	./usr/sbin/kamailio -DD -Y "$work" -P "$work/pid" -f kamailio.cfg >log 2>&1 &
	server=$!
}

stop_kamailio() {
	kill "$server"
	wait "$server" 2>/dev/null || true
	server=
}
