#!/bin/bash
# run.sh: random searches against the in-memory evaluation, on the server that PGHOST, PGPORT, PGUSER name. A new database is made.
# FHIR_ORACLE_QUERIES (4000), FHIR_ORACLE_SEED (random, printed), FHIR_ORACLE_PATIENTS (6).
cd "$(dirname "$0")/../.." || exit 1
exec node test/oracle/oracle.mjs "$@"
