# fuzz.mk: `make fuzz` runs the parsers of hostile text alone, under AddressSanitizer and UBSan. FUZZ_COUNT texts from FUZZ_SEED.

FUZZ_COUNT ?= 1000000
FUZZ_SEED ?= 1

.PHONY: fuzz fuzz-head
fuzz: build/fuzz/parsers fuzz-head
	build/fuzz/parsers $(FUZZ_COUNT) $(FUZZ_SEED)
fuzz-head: build/fuzz/head
	build/fuzz/head $(FUZZ_COUNT) $(FUZZ_SEED)

build/fuzz/head: test/fuzz/head.c src/gateway/head.c src/gateway/head.h
	mkdir -p build/fuzz
	$(CC) -std=gnu17 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wall -Wextra $< -o $@

build/fuzz/parsers: test/fuzz/parsers.c src/base/json_parse.c src/base/json_load.c src/base/date.c src/base/decimal.c src/base/percent.c src/rest/rest_request.c src/store/pack/pack_text.c
	mkdir -p build/fuzz
	$(CC) -std=gnu17 -g -O1 -fwrapv -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -w \
		-I$(CURDIR)/src -I$(shell $(PG_CONFIG) --includedir-server) -I$(shell $(PG_CONFIG) --includedir) -D_GNU_SOURCE $< -o $@
