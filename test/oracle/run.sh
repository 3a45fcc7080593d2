#!/bin/bash
# run.sh: random searches against a brute-force evaluation, on the server that PGHOST, PGPORT, PGUSER name; then the same searches under
# a restriction, against a store without what it hides. New databases are made.
# FHIR_ORACLE_QUERIES (3000), FHIR_ORACLE_HIDDEN (800; 0: not), FHIR_ORACLE_SEED (random, printed), FHIR_ORACLE_PATIENTS (6),
# FHIR_ORACLE_DATA (synthea-30, or synthea-100), FHIR_ORACLE_WHOLE (0.4: share of whole searches), FHIR_ORACLE_KEEP (use and leave the databases).
# FHIR_ORACLE_LAWS (0.15: share of laws between searches), FHIR_ORACLE_LAW (this one alone: a function of laws.mjs),
# FHIR_ORACLE_CONTAINED (0.1: share of the others that answer contained resources), FHIR_ORACLE_TYPES: only searches of these types,
# FHIR_ORACLE_KINDS: only criteria of these kinds (token, words ...), with FHIR_ORACLE_WHOLE=0: no whole searches.
cd "$(dirname "$0")/../.." || exit 1
FHIR_ORACLE_SEED=${FHIR_ORACLE_SEED:-$((RANDOM << 15 | RANDOM))}
export FHIR_ORACLE_SEED
status=0
node test/oracle/oracle.mjs "$@" || status=1
if [ "${FHIR_ORACLE_HIDDEN:-1}" != 0 ]; then
	make -s -C test/modules/hide PG_CONFIG="${PG_CONFIG:-pg_config}" with_llvm=no && node test/oracle/hidden.mjs || status=1
fi
exit $status
