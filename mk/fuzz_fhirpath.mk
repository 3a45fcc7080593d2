# fuzz_fhirpath.mk: `make fuzz-fhirpath` runs the FHIRPath parser alone, under AddressSanitizer and UBSan.

FUZZ_FHIRPATH = test/fuzz/fhirpath_parser.c src/fhirpath/fhirpath_scan.c src/fhirpath/fhirpath_gram.c $(addprefix src/fhirpath/fhirpath_, \
	print.c flat.c load.c check.c types.c date.c quantity.c number.c fn_table.c html.c) src/base/hash.c src/model/model.c $(wildcard src/model/model_tables_*.c)

.PHONY: fuzz-fhirpath
fuzz-fhirpath: build/fuzz/fhirpath_parser
	build/fuzz/fhirpath_parser $(FUZZ_COUNT) $(FUZZ_SEED)

# What the parser never calls (the functions themselves, the executor) stays undefined.
build/fuzz/fhirpath_parser: $(FUZZ_FHIRPATH)
	mkdir -p build/fuzz
	$(CC) -std=gnu17 -g -O1 -fwrapv -no-pie -fsanitize=address,undefined -fno-sanitize=alignment -fno-sanitize-recover=undefined -fno-omit-frame-pointer -w \
		-Wl,--unresolved-symbols=ignore-all -I$(CURDIR)/src -I$(shell $(PG_CONFIG) --includedir-server) -I$(shell $(PG_CONFIG) --includedir) \
		-D_GNU_SOURCE $^ -lm -o $@
