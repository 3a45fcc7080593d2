# The generated facts (see docs/model.md): R4's from the published packages, folding from Node's Unicode tables, units
# from the UCUM essence file. `make fold` with another Unicode version may change stored keys: not a part of `make model`.
.PHONY: model fold
model:
	script/generate-model
fold:
	script/generate-fold

.PHONY: model-check
model-check:
	test/model-regenerates.sh
	test/fold-regenerates.sh
