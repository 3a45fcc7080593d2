# bench.mk: `make bench` measures against plain PostgreSQL in a cluster of its own; the extension must be installed for PG_CONFIG.

.PHONY: bench bench-quick
bench: all
	PG_CONFIG=$(PG_CONFIG) node test/bench/run.mjs
bench-quick: all
	PG_CONFIG=$(PG_CONFIG) node test/bench/run.mjs --quick
