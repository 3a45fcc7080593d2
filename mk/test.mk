# test.mk: the tests' targets. `make installcheck` (PGXS) runs pg_regress and the isolation specs against the running server.

.PHONY: check-all
check-all:
	script/test

# PGXS has a `check` of its own that only says "not supported"; ours replaces it when asked for.
ifneq ($(filter check,$(MAKECMDGOALS)),)
check:
	script/test
endif
