# fhir: build with PGXS. `make`, `make install`, `make installcheck`, `make check`, `make bench`.
EXTENSION = fhir
EXTVERSION = 0.1
MODULE_big = fhir

GENERATED = $(patsubst %.l,%.c,$(wildcard src/fhirpath/*.l)) $(patsubst %.y,%.c,$(wildcard src/fhirpath/*.y))
# The folders of the house, lowest first (test/layers.mjs reads their order here); src/gateway is a program of its own.
LAYERS = base model fhirpath keys store/catalog store/pack store/rows terms check access \
         search/query search/match search/plan search/exec search/answer search interaction rest
SOURCES = src/fhir.c $(filter-out $(GENERATED),$(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c))) $(GENERATED)
OBJS = $(SOURCES:.c=.o)

DATA_built = sql/fhir--$(EXTVERSION).sql
DATA = $(filter-out sql/fhir--$(EXTVERSION).sql,$(wildcard sql/fhir--*.sql))
REGRESS = $(patsubst sql/%.sql,%,$(filter-out sql/fhir--%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=pg_trgm --load-extension=fhir
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=pg_trgm --load-extension=fhir
EXTRA_CLEAN = sql/fhir--$(EXTVERSION).sql src/fhirpath/fhirpath_scan.c src/fhirpath/fhirpath_gram.c \
              src/fhirpath/fhirpath_gram.h fhir-gateway $(OBJS:.o=.d)

PG_CPPFLAGS = -I$(CURDIR)/src -DFHIR_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -std=gnu17 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
            -Wno-declaration-after-statement -fvisibility=hidden -MMD -MP $(if $(WERROR),-Werror)
SHLIB_LINK = -lzstd

# No LLVM bitcode: inlining C functions of this size into queries brings nothing.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The install script is assembled from its parts, in order of their numbers.
sql/fhir--$(EXTVERSION).sql: $(sort $(wildcard sql/install/*.sql))
	cat $^ > $@

src/fhirpath/fhirpath_gram.c: src/fhirpath/fhirpath_gram.y
	bison -d -Wno-deprecated -o $@ $<
src/fhirpath/fhirpath_scan.c: src/fhirpath/fhirpath_scan.l
	flex -o $@ $<
src/fhirpath/fhirpath_scan.o: src/fhirpath/fhirpath_gram.c
-include $(OBJS:.o=.d)

-include mk/*.mk
