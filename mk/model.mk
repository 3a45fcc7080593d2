# The generated facts (see docs/model.md): R4's from the published packages, folding from Node's Unicode tables, units
# from the UCUM essence file. `make fold` with another Unicode version may change stored keys: not a part of `make model`.
.PHONY: model fold ucum
model:
	script/generate-model
fold:
	script/generate-fold
ucum:
	script/generate-ucum

.PHONY: model-check
model-check:
	test/model-regenerates.sh
	test/fold-regenerates.sh
	test/ucum-regenerates.sh
