# `make terms` regenerates src/terms/terms_tables.c from R4's published CodeSystems and ValueSets (see script/generate-terms).
.PHONY: terms
terms:
	script/generate-terms

model-check: terms-check
.PHONY: terms-check
terms-check:
	test/terms-regenerates.sh
