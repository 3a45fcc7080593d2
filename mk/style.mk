# style.mk: `make check-style`: rules that must not break (test/style.sh), cppcheck, and what clang-format would change;
# `make check-tidy`: clang-tidy, some minutes. Both only tell.

STYLE_SOURCES = $(filter-out %_gram.c %_scan.c %_table.c,$(filter-out src/model/model_tables%,$(wildcard src/*.c src/*/*.c)))
TIDY_CHECKS = -*,bugprone-*,clang-analyzer-core*,clang-analyzer-deadcode*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-narrowing-conversions,-bugprone-assignment-in-if-condition,-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression,-bugprone-macro-parentheses,-bugprone-branch-clone
.PHONY: check-style check-tidy
check-style:
	bash test/style.sh
	cppcheck --quiet -j2 --std=c11 --enable=warning,portability --inline-suppr --suppress=unknownMacro --suppress=nullPointer \
		--suppress=missingInclude --max-configs=1 -Isrc -DPG_VERSION_NUM=150000 $(STYLE_SOURCES)
	@for f in $(STYLE_SOURCES); do n=$$(clang-format --dry-run $$f 2>&1 | grep -c warning:); \
		[ "$$n" = 0 ] || echo "$$f: clang-format would change $$n places"; done
check-tidy:
	clang-tidy --quiet --checks=$(TIDY_CHECKS) $(STYLE_SOURCES) -- -std=gnu17 $(CPPFLAGS) 2>/dev/null | grep -E 'warning:|error:' | sort -u || true
