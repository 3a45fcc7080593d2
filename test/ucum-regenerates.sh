#!/bin/sh
# Regenerating the units changes nothing: the committed table is that of script/generate-ucum.
set -e
cd "$(dirname "$0")/.."
data=${FHIR_SHARED_DATA:-../shared/data}
if ! command -v node >/dev/null || [ ! -r "$data/ucum/ucum-essence.xml" ]; then
	echo "skipped: ucum-regenerates (needs node and ucum/ucum-essence.xml below FHIR_SHARED_DATA)"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
FHIR_SHARED_DATA=$data node script/generate-ucum "$out"
cmp "$out/ucum_table.c" src/model/ucum_table.c
echo "ok: ucum-regenerates"
