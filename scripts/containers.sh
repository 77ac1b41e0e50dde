#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes images for containers: Kamailio with MODULE, and RTPProxy, by buildah, without a registry of images.
#
# usage: containers.sh fetch
#        containers.sh possible
#        containers.sh prepare|build|archive MODULE FOLDER
# fetch: what building needs of the network, into .cache, where it is not there yet: the wheel of RTPProxy, and where
# images can be built, a Debian for each. possible: fails, and prints why, where images cannot be built. prepare: makes
# FOLDER a folder to build in, with whatever tool. build: and builds in it; FOLDER/buildah runs buildah with these
# images. archive: and writes each into an archive that docker and podman load.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
parts=$root/packaging/containers
cache=$root/.cache/containers
relay=$(sed -n "s/^relay='\(.*\)'/\1/p" "$here/setup.sh")
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# The Python of that Debian, which the wheel has to be for.
case $suite in
	bookworm) python=311 ;;
	trixie) python=313 ;;
	*) python= ;;
esac
wheel=$cache/rtp_io-${relay#*==}-cp$python-cp$python-manylinux_2_34_$(uname -m).whl
# shellcheck disable=SC2016
kamailio=$cache/kamailio-$(dpkg-query -W -f '${Version}' kamailio 2>/dev/null || true).tar
smallest=$cache/python-$suite.tar

hindrance() {
	if ! command -v buildah >/dev/null; then
		echo "there is no buildah here"
	elif [ -z "$python" ]; then
		echo "which Python Debian $suite has is not known"
	else
		"$here/debian.sh" possible || true
	fi
}

# Makes of the archive of a Debian one for an image: without documentation, and without package sources, which are those
# of the machine that builds it.
slim() { # ARCHIVE TREE NEW
	mkdir "$2"
	tar -xf "$1" -C "$2" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
		--exclude='./usr/share/info/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/lists/*' \
		--exclude='./var/log/*.log' --exclude='./etc/apt/sources.list.d/*'
	mkdir -p "$2/var/lib/apt/lists/partial" "$2/var/cache/apt/archives/partial" "$2/var/cache/debconf"
	: >"$2/etc/apt/sources.list"
	tar -cf "$3.new" -C "$2" .
	mv "$3.new" "$3"
	rm -rf "$2"
}

fetch() {
	mkdir -p "$cache"
	if [ -n "$python" ] && [ ! -f "$wheel" ]; then
		echo "fetching the wheel of $relay for a container into .cache/containers"
		"$root/.cache/venv/bin/python" -m pip download --quiet --no-input --disable-pip-version-check --no-deps \
			--only-binary :all: --implementation cp --python-version $python --abi cp$python \
			--platform "manylinux_2_34_$(uname -m)" --dest "$cache" "$relay" </dev/null
	fi
	[ -z "$(hindrance)" ] || exit 0
	[ ! -f "$kamailio" ] || [ ! -f "$smallest" ] || exit 0
	echo "unpacking a Debian for each container into .cache/containers"
	work=$(mktemp -d "$root/.cache/containers.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' INT TERM
	chmod 755 "$work"
	[ -f "$kamailio" ] || slim "$("$here/debian.sh" look).tar" "$work/tree" "$kamailio"
	if [ ! -f "$smallest" ]; then
		. "$here/apt.sh"
		own_apt_prepare "$work/apt" deb "$suite"
		mmdebstrap --quiet --mode=root --variant=minbase --include=python3-minimal \
			"$suite" "$work/python.tar" "$work/apt/own.sources"
		slim "$work/python.tar" "$work/tree" "$smallest"
	fi
}

prepare() { # MODULE FOLDER
	set -- "$@" "$(ls "$cache"/rtp_io-"${relay#*==}"-*.whl 2>/dev/null | head -n 1)"
	if [ -z "$3" ]; then
		echo "error: missing: the wheel of RTPProxy in .cache/containers; to fetch it, run: make setup" >&2
		exit 1
	fi
	cp "$1" "$2/rtpproxy.so"
	cp "$root/examples/engage.cfg" "$2/kamailio.cfg"
	cp "$root/examples/rtpproxy.py" "$parts/alive.py" "$parts"/Containerfile.* "$2"
	# A wheel is an archive.
	rm -rf "$2/wheel"
	"$root/.cache/venv/bin/python" -m zipfile -e "$3" "$2/wheel"
}

# Builds an image on the Debian of ARCHIVE. A chroot is all that its steps run in: no runtime for containers is needed.
image() { # NAME CONTAINERFILE ARCHIVE FOLDER
	if [ ! -f "$3" ]; then
		echo "error: missing: ${3#"$root"/}; to fetch it, run: make setup" >&2
		exit 1
	fi
	base=$("$4/buildah" from scratch)
	"$4/buildah" add --quiet "$base" "$3" / >/dev/null
	"$4/buildah" commit --quiet --rm "$base" "base-$1" >/dev/null
	# The form of docker's images, for HEALTHCHECK, which podman reads as well.
	"$4/buildah" build --format docker --isolation chroot --network host --squash \
		--build-arg "BASE=localhost/base-$1" --tag "$1" --file "$4/$2" "$4" >"$4/$1.log" 2>&1 || {
		cat "$4/$1.log" >&2
		exit 1
	}
	"$4/buildah" rmi --force "base-$1" >/dev/null
}

case ${1:?fetch, possible, prepare, build or archive} in
	fetch) fetch ;;
	possible)
		reason=$(hindrance)
		echo "$reason"
		[ -z "$reason" ]
		;;
	prepare | build | archive)
		module=$(realpath "${2:?MODULE}")
		mkdir -p "${3:?FOLDER}"
		folder=$(cd "$3" && pwd)
		prepare "$module" "$folder"
		[ "$1" != prepare ] || exit 0
		cat >"$folder/buildah" <<-END
			#!/bin/sh
			# Runs buildah with the images of this folder, which are files of ordinary file systems.
			exec buildah --root '$folder/storage' --runroot '$folder/running' --storage-driver vfs "\$@"
		END
		chmod 755 "$folder/buildah"
		image kamailio-rtpproxy Containerfile.kamailio "$kamailio" "$folder"
		image rtpproxy Containerfile.rtpproxy "$smallest" "$folder"
		[ "$1" = archive ] || exit 0
		for name in kamailio-rtpproxy rtpproxy; do
			rm -f "$folder/$name.tar"
			"$folder/buildah" push --quiet "$name" "docker-archive:$folder/$name.tar:localhost/$name:latest"
			echo "$folder/$name.tar"
		done
		rm -rf "$folder/storage" "$folder/running"
		;;
	*) echo "error: containers.sh knows no $1" >&2 && exit 2 ;;
esac
