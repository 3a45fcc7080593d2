# bench.mk: `make bench` measures against plain PostgreSQL in a cluster of its own; the extension must be installed for PG_CONFIG.

.PHONY: bench bench-quick
bench: all
	PG_CONFIG=$(PG_CONFIG) node test/bench/run.mjs
bench-quick: all
	PG_CONFIG=$(PG_CONFIG) node test/bench/run.mjs --quick

# Search at a size, beside hand-written SQL: N resources; ARGS: options of test/bench/search.mjs, e.g. ARGS="--shapes has --clients 1 --no-cold".
.PHONY: bench-search bench-search-growth bench-search-doc
N ?= 1000000
bench-search: all
	PG_CONFIG=$(PG_CONFIG) node test/bench/search.mjs --n $(N) $(ARGS)
bench-search-growth: all
	PG_CONFIG=$(PG_CONFIG) node test/bench/search.mjs --growth $(ARGS)
# Both, into the document
bench-search-doc: all
	-PG_CONFIG=$(PG_CONFIG) node test/bench/search.mjs --n $(N) --write docs/benchmarks-search.md $(ARGS)
	-PG_CONFIG=$(PG_CONFIG) node test/bench/search.mjs --growth --write docs/benchmarks-search.md $(ARGS)
