# SPDX-License-Identifier: GPL-2.0-or-later
# To be sourced: `own_apt`, apt with a state of its own, so that nothing of the machine's apt is touched or needed.

# Prints the machine's own Debian sources in deb822 form, of TYPE (deb or deb-src), for the release SUITE.
# Mirror, options and keyring are those of the machine; entries for anything but the machine's release are left out.
debian_sources() { # TYPE SUITE
	here=$(. /etc/os-release && echo "$VERSION_CODENAME")
	{
		for file in /etc/apt/sources.list.d/*.sources; do
			[ ! -e "$file" ] || { cat "$file" && echo; }
		done
		# One-line entries, `deb [options] URI suite component...`, in the same form.
		cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
			awk '$1 == "deb" {
				options = ""
				if (match($0, /\[[^]]*\]/)) {
					options = substr($0, RSTART + 1, RLENGTH - 2)
					$0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
				}
				signed = ""
				count = split(options, option, " ")
				for (i = 1; i <= count; i++)
					if (option[i] ~ /^signed-by=/) signed = substr(option[i], 11)
				components = ""
				for (i = 4; i <= NF && $i !~ /^#/; i++) components = components " " $i
				printf "Types: deb\nURIs: %s\nSuites: %s\nComponents:%s\n", $2, $3, components
				if (signed != "") printf "Signed-By: %s\n", signed
				print ""
			}'
	} | awk -v type="$1" -v suite="$2" -v here="$here" '
		function emit() {
			if (suites != "" && main && enabled) printf "Types: %s\n%sSuites:%s\n%s\n", type, uris, suites, rest
			uris = suites = rest = field = ""
			main = 0
			enabled = 1
		}
		BEGIN { emit() }
		/^#/ { next }
		/^[ \t]*$/ { emit(); next }
		/^[^ \t]/ { field = tolower($1) }
		field == "types:" { next }
		field == "suites:" {
			for (i = 1; i <= NF; i++)
				if ($i == here || $i ~ ("^" here "(-updates|-security|-backports|/updates)$")) {
					sub(here, suite, $i)
					suites = suites " " $i
				}
			next
		}
		field == "uris:" { uris = uris $0 "\n"; next }
		field == "enabled:" { enabled = $2 != "no"; next }
		field == "components:" && / main( |$)/ { main = 1 }
		{ rest = rest $0 "\n" }
		END { emit() }'
}

# The Debian release that Kamailio VERSION comes with; for others the machine's own.
debian_suite() { # VERSION
	case $1 in
		5.6.*) echo bookworm ;;
		6.0.*) echo trixie ;;
		6.1.*) echo forky ;;
		*) (. /etc/os-release && echo "$VERSION_CODENAME") ;;
	esac
}

# Prepares `own_apt` in FOLDER for packages of TYPE from the release SUITE, and fetches the lists.
own_apt_prepare() { # FOLDER TYPE SUITE
	mkdir -p "$1"
	apt_folder=$(cd "$1" && pwd)
	mkdir -p "$apt_folder/lists/partial" "$apt_folder/cache/archives/partial" "$apt_folder/parts"
	: >"$apt_folder/status"
	debian_sources "$2" "$3" >"$apt_folder/own.sources"
	if [ ! -s "$apt_folder/own.sources" ]; then
		echo "error: no Debian package source found in /etc/apt (sources.list, sources.list.d)" >&2
		return 1
	fi
	own_apt apt-get -qq update
}

# Runs an apt command with that state, and with the rights of the caller only.
own_apt() { # apt-get|apt-cache ARGUMENT...
	command=$1
	shift
	"$command" -o Dir::Etc::sourcelist="$apt_folder/own.sources" -o Dir::Etc::sourceparts="$apt_folder/parts" \
		-o Dir::State="$apt_folder" -o Dir::State::lists="$apt_folder/lists" \
		-o Dir::State::status="$apt_folder/status" -o Dir::Cache="$apt_folder/cache" \
		-o APT::Sandbox::User="$(id -un)" -o APT::Get::List-Cleanup=false -o Acquire::Languages=none \
		-o Debug::NoLocking=true "$@"
}

# Fetches packages with all that they need down to libc, by a prepared `own_apt`, and unpacks them into TREE, a new folder.
own_apt_unpack() { # TREE PACKAGE...
	tree=$1
	shift
	own_apt apt-get -qq install --yes --no-install-recommends --download-only "$@" </dev/null >/dev/null
	# A release with merged /usr expects these links to be there already.
	mkdir -p "$tree/usr/lib" "$tree/usr/lib64" "$tree/usr/bin" "$tree/usr/sbin"
	for link in lib lib64 bin sbin; do
		ln -s "usr/$link" "$tree/$link"
	done
	for file in "$apt_folder"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$file" | tar -xf - -C "$tree" --keep-directory-symlink --no-same-owner
	done
}
