# The generated facts, from the published packages and Node's Unicode tables (see docs/model.md).
.PHONY: model
model:
	script/generate-model
	script/generate-fold
