# lib.sh: what script/server and script/test share: packages, a private PostgreSQL, the user that runs it.
#
# Sourced by bash with ROOT set to the repository's root. Nothing here touches a PostgreSQL installed on the machine:
# PostgreSQL is relocatable, so its installed files are copied below a folder of our own and the extension is installed there.

PGV=${FHIR_PG_VERSION:-15}

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# What the build needs, as "file or command:Debian package".
BUILD_NEEDS="gcc:gcc /usr/include/stdio.h:libc6-dev make:make flex:flex bison:bison curl:curl pkg-config:pkg-config
/usr/lib/postgresql/$PGV/bin/postgres:postgresql-$PGV
/usr/include/postgresql/$PGV/server/postgres.h:postgresql-server-dev-$PGV
/usr/include/postgresql/libpq-fe.h:libpq-dev /usr/include/openssl/ssl.h:libssl-dev
/usr/include/jansson.h:libjansson-dev /usr/include/zlib.h:zlib1g-dev /usr/include/zstd.h:libzstd-dev node:nodejs"
# What the tests need besides.
TEST_NEEDS="npm:npm /etc/ssl/certs/ca-certificates.crt:ca-certificates prove:perl /usr/share/perl5/IPC/Run.pm:libipc-run-perl
/usr/share/postgresql/$PGV/extension/pgtap.control:postgresql-$PGV-pgtap"

# need WHAT...: installs the packages of those needs that are missing; as root, or through sudo.
need() {
	local n missing=()
	for n in "$@"; do
		case $n in
			/*) [ -e "${n%%:*}" ] || missing+=("${n##*:}") ;;
			*) command -v "${n%%:*}" >/dev/null || missing+=("${n##*:}") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	local sudo=()
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "missing packages; as root: apt-get install ${missing[*]}"
		sudo=(sudo)
	fi
	command -v apt-get >/dev/null || die "missing, and there is no apt-get to install them: ${missing[*]}"
	say "installing ${missing[*]}"
	# The package would make and start a cluster of its own on port 5432: nobody asked for that.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		"${sudo[@]}" mkdir -p /etc/postgresql-common/createcluster.d
		echo 'create_main_cluster = false' |
			"${sudo[@]}" tee /etc/postgresql-common/createcluster.d/fhir.conf >/dev/null
	fi
	local log
	log=$(mktemp)
	if ! { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
		"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
			"${missing[@]}"; } >"$log" 2>&1 </dev/null; then
		tail -20 "$log" >&2
		die "could not install: ${missing[*]} (log: $log)"
	fi
	rm -f "$log"
}

# private_pg DIR: copies PostgreSQL below DIR unless a copy of the same version is there; sets PG_CONFIG and BIN.
private_pg() {
	local dir=$1 src=/usr/lib/postgresql/$PGV v
	v=$("$src/bin/postgres" --version)
	if [ "$(cat "$dir/.version" 2>/dev/null)" != "$v" ]; then
		rm -rf "$dir"
		mkdir -p "$dir/usr/lib/postgresql" "$dir/usr/share/postgresql" "$dir/usr/include"
		cp -a "$src" "$dir/usr/lib/postgresql/"
		cp -a "/usr/share/postgresql/$PGV" "$dir/usr/share/postgresql/"
		cp -a /usr/include/postgresql "$dir/usr/include/"
		# an extension of that name installed on the machine is not the one to be tested
		rm -rf "$dir/usr/lib/postgresql/$PGV/lib/fhir.so" "$dir/usr/lib/postgresql/$PGV/lib/bitcode/fhir"* \
			"$dir/usr/share/postgresql/$PGV/extension/fhir"[.-]*
		chmod -R a+rX "$dir"
		echo "$v" >"$dir/.version"
	fi
	BIN=$dir/usr/lib/postgresql/$PGV/bin
	PG_CONFIG=$BIN/pg_config
}

# unprivileged: prints the user that PostgreSQL and the gateway shall run as: PostgreSQL refuses to run as root.
unprivileged() {
	local owner
	if [ "$(id -u)" != 0 ]; then
		id -un
	else
		owner=$(stat -c %U "$ROOT")
		if [ "$owner" != root ] && [ "$owner" != UNKNOWN ]; then echo "$owner"; else echo postgres; fi
	fi
}

# as USER COMMAND...: runs it as that user, without a shell in between; in AS_DIR, if set (the user may not be able to enter this folder).
as() {
	local u=$1
	shift
	if [ "$(id -un)" = "$u" ]; then "$@"; else (cd "${AS_DIR:-.}" && exec runuser -u "$u" -- "$@"); fi
}

# port_taken PORT: does something listen on it on loopback?
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port FROM: prints the first free port from FROM on.
free_port() {
	local p=$1
	while port_taken "$p"; do p=$((p + 1)); done
	echo "$p"
}
