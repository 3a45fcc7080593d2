#!/bin/bash
# run.sh: the pgTAP tests of the SQL contract, in a database of their own; TAP to stdout. Wants a running server (PGHOST, PGPORT, PGUSER)
# with fhir and pgtap installed.
cd "$(dirname "$0")" || exit 1
db=fhir_pgtap status=0
psql -Xq -d postgres -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $db" -c "CREATE DATABASE $db" || exit 1
psql -Xq -d $db -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" -c "CREATE EXTENSION fhir CASCADE" -c "CREATE EXTENSION pgtap" || exit 1
for f in *.sql; do
	echo "== $f"
	psql -XAtq -d $db -v ON_ERROR_STOP=1 -f "$f" || { echo "== $f: exit status $?"; status=1; }
done
psql -Xq -d postgres -c "DROP DATABASE $db"
exit $status
