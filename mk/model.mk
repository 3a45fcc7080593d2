# The generated facts: `make model` writes them anew from the published packages (see docs/model.md).
.PHONY: model
model:
	script/generate-model
