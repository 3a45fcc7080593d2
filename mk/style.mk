# style.mk: what reads the sources without running them.
#   make check-style    rules that must not break (test/style.sh; those of the house: test/layers.mjs), cppcheck, clang-format
#   make lint           the same and clang-tidy (.clang-tidy): ten minutes of one core; fails on any finding
#   make format         clang-format (.clang-format) over our own sources; make format-check: fails if it would change any

STYLE_SOURCES = $(filter-out %_gram.c %_scan.c %_table.c %_tables.c src/store/pack/pack_dictionary.c src/model/model_tables%,$(wildcard src/*.c src/*/*.c src/*/*/*.c))
FORMAT_SOURCES = $(STYLE_SOURCES) $(filter-out %_gram.h %_table.h %_ids.h %_tables.h,$(wildcard src/*/*.h src/*/*/*.h))
LINT_JOBS ?= 2

.PHONY: check-style check-cppcheck check-tidy lint format format-check
# the object files are read, too
check-style: all check-cppcheck format-check
	bash test/style.sh

# nullPointer and the like are on; what is off:
#   missingInclude       PostgreSQL's headers are not read: test/lint/cppcheck.h tells what counts
#   variableScope, constParameter   declarations stand at the head of a function; signatures of a table's functions are alike
#   redundantAssignment  settings that are changed for a call, and put back after it
#   knownConditionTrueFalse  two findings, both wrong
# The first run must find the fault in test/lint/planted.c: what is passed over in silence (an #error in a header) would pass.
CPPCHECK = cppcheck --quiet -j$(LINT_JOBS) --std=c11 --enable=warning,portability,performance,style --inline-suppr --max-configs=1 \
		--suppress=missingInclude --suppress=variableScope --suppress=constParameter --suppress=redundantAssignment \
		--suppress=knownConditionTrueFalse --error-exitcode=1 --include=test/lint/cppcheck.h -Isrc
check-cppcheck:
	$(CPPCHECK) test/lint/planted.c 2>&1 | grep -q arrayIndexOutOfBounds
	$(CPPCHECK) $(STYLE_SOURCES)

check-tidy: $(GENERATED)
	printf '%s\n' $(STYLE_SOURCES) | xargs -P$(LINT_JOBS) -I{} sh -c 'clang-tidy --quiet --warnings-as-errors="*" {} -- -std=gnu17 -Isrc \
		-I$(shell $(PG_CONFIG) --includedir-server) -D_GNU_SOURCE -DUSE_ASSERT_CHECKING=1 -DFHIR_VERSION=\"$(EXTVERSION)\" \
		'"$$(pkg-config --cflags $(GATEWAY_PACKAGES))"' 2>/dev/null'

lint: check-style check-tidy

format:
	clang-format -i $(FORMAT_SOURCES)
format-check:
	clang-format --dry-run --Werror $(FORMAT_SOURCES)
