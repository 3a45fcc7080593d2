#!/bin/sh
# Regenerating the folding tables changes nothing, where Node has the same Unicode version.
set -e
cd "$(dirname "$0")/.."
want=$(sed -n 's/.*from Unicode \([0-9.]*\):.*/\1/p' src/model/fold_table.h)
have=$(node -p process.versions.unicode 2>/dev/null || echo none)
if [ "$want" != "$have" ]; then
	echo "skipped: fold-regenerates (tables are of Unicode $want, node has $have)"
	exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
node script/generate-fold "$out"
cmp "$out/fold_table.c" src/model/fold_table.c
cmp "$out/fold_table.h" src/model/fold_table.h
echo "ok: fold-regenerates"
