# fhir: build with PGXS. `make`, `make install`, `make installcheck`, `make check`, `make bench`.
EXTENSION = fhir
EXTVERSION = 0.1
MODULE_big = fhir

GENERATED = $(patsubst %.l,%.c,$(wildcard src/fhirpath/*.l)) $(patsubst %.y,%.c,$(wildcard src/fhirpath/*.y))
SOURCES = src/fhir.c $(filter-out $(GENERATED),$(wildcard src/base/*.c src/model/*.c src/fhirpath/*.c \
          src/keys/*.c src/store/*.c src/terms/*.c src/search/*.c src/rest/*.c)) $(GENERATED)
OBJS = $(SOURCES:.c=.o)

DATA_built = sql/fhir--$(EXTVERSION).sql
DATA = $(filter-out sql/fhir--$(EXTVERSION).sql,$(wildcard sql/fhir--*.sql))
REGRESS = $(patsubst sql/%.sql,%,$(filter-out sql/fhir--%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=pg_trgm --load-extension=fhir
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=pg_trgm --load-extension=fhir
EXTRA_CLEAN = sql/fhir--$(EXTVERSION).sql src/fhirpath/fhirpath_scan.c src/fhirpath/fhirpath_gram.c \
              src/fhirpath/fhirpath_gram.h fhir-gateway

PG_CPPFLAGS = -I$(CURDIR)/src -DFHIR_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -std=gnu17 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
            -Wno-declaration-after-statement -fvisibility=hidden $(if $(WERROR),-Werror)
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
$(OBJS): $(wildcard src/*/*.h)

-include mk/*.mk
