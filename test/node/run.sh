#!/bin/bash
# run.sh: the gateway's and the loader's tests, with a private cluster and a gateway of their own, torn down at the end.
#
#   test/node/run.sh [FILE.test.mjs...]
#
# Needs the extension installed where PG_CONFIG (pg_config) points, and ./fhir-gateway built. As root the server runs as postgres.
# Closing line: "N passed, N failed, N skipped". FHIR_SHARED_DATA and FHIR_NPM: see lib.mjs.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSFILE PGOPTIONS PGSERVICE

BIN=$("${PG_CONFIG:-pg_config}" --bindir) || exit 1
export PATH=$BIN:$PATH
[ -x ./fhir-gateway ] || { echo "run.sh: ./fhir-gateway is not built" >&2; exit 1; }

DIR=$(mktemp -d "${TMPDIR:-/tmp}/fhir-node.XXXXXX")
as=()
if [ "$(id -u)" = 0 ]; then
	as=(runuser -u postgres --)
	chown postgres "$DIR"
fi
chmod 755 "$DIR"
gateway=
cleanup() {
	[ -z "$gateway" ] || kill "$gateway" 2>/dev/null
	"${as[@]}" pg_ctl -D "$DIR/data" -m immediate stop >/dev/null 2>&1
	rm -rf "$DIR"
}
trap cleanup EXIT

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
PORT=$((20000 + RANDOM % 20000))
while port_taken "$PORT"; do PORT=$((PORT + 1)); done

"${as[@]}" initdb -D "$DIR/data" -U postgres -A trust --no-locale -E UTF8 >"$DIR/initdb.log" 2>&1 || { cat "$DIR/initdb.log"; exit 1; }
cat >>"$DIR/data/postgresql.conf" <<CONF
port = $PORT
listen_addresses = ''
unix_socket_directories = '$DIR'
fsync = off
shared_buffers = 128MB
max_wal_size = 2GB
CONF
cat >"$DIR/control" <<CONTROL
#!/bin/bash
exec ${as[*]} '$BIN/pg_ctl' -D '$DIR/data' -l '$DIR/server.log' -w "\$@" >/dev/null 2>&1
CONTROL
chmod 755 "$DIR/control"
: >"$DIR/server.log"
[ ${#as[@]} = 0 ] || chown postgres "$DIR/server.log"
"$DIR/control" start || { cat "$DIR/server.log"; exit 1; }

export PGHOST=$DIR PGPORT=$PORT PGUSER=postgres
psql -Xqc 'CREATE DATABASE mock' -c 'CREATE DATABASE fhir' postgres &&
	psql -Xq -v ON_ERROR_STOP=1 -f test/node/mock.sql mock || exit 1
export MOCK_DATABASE="host=$DIR port=$PORT user=postgres dbname=mock" PG_CONTROL=$DIR/control
export FHIR_DATABASE="host=$DIR port=$PORT user=postgres dbname=fhir"
passed=0 failed=0 skipped=0
: >"$DIR/gateway.log"
if psql -Xq -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION fhir CASCADE' fhir; then
	HTTP=$((PORT + 1))
	while port_taken "$HTTP"; do HTTP=$((HTTP + 1)); done
	# with no more rights than the manual says
	psql -Xq -v ON_ERROR_STOP=1 -f script/gateway-role.sql fhir || exit 1
	./fhir-gateway --listen "127.0.0.1:$HTTP" --database "${FHIR_DATABASE/user=postgres/user=fhir_gateway}" --access-log off 2>"$DIR/gateway.log" &
	gateway=$!
	export FHIR_URL=http://127.0.0.1:$HTTP/fhir
	for _ in $(seq 100); do
		curl -fs "http://127.0.0.1:$HTTP/readyz" >/dev/null && break
		sleep 0.1
	done
else
	echo "not ok - the extension cannot be created: what needs it is skipped"
	failed=1
fi

files=("$@")
# the one that stops the server comes last
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(ls test/node/*.test.mjs | grep -v restart; ls test/node/restart.test.mjs)
for file in "${files[@]}"; do
	echo "== $file"
	timeout "${NODE_TEST_TIMEOUT:-600}" node --test --test-reporter=tap "$file" >"$DIR/out.tap" 2>&1
	status=$?
	grep -vE '^ *(---|\.\.\.|duration_ms:|type:|# Subtest)' "$DIR/out.tap"
	read -r p f s < <(awk '/^# pass / { p = $3 } /^# (fail|cancelled) / { f += $3 } /^# (skipped|todo) / { s += $3 } END { print p + 0, f + 0, s + 0 }' "$DIR/out.tap")
	[ $status = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ "$failed" = 0 ] || { echo "== gateway"; tail -20 "$DIR/gateway.log"; echo "== server"; tail -20 "$DIR/server.log"; }
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
