# style.mk: `make check-style`: the formatter's and the analysers' opinion; test/style.sh holds the rules that must not break.

STYLE_SOURCES = $(filter-out %_gram.c %_scan.c %_tables.c,$(wildcard src/*.c src/*/*.c))
.PHONY: check-style
check-style:
	bash test/style.sh
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --suppress=unknownMacro --suppress=nullPointer \
		--suppress=missingInclude -Isrc -D__x86_64__ --error-exitcode=0 $(STYLE_SOURCES)
	clang-tidy --quiet --checks=-*,bugprone-*,clang-analyzer-core*,clang-analyzer-deadcode*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-narrowing-conversions,-bugprone-assignment-in-if-condition,-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression,-bugprone-macro-parentheses,-bugprone-branch-clone \
		$(STYLE_SOURCES) -- $(filter-out -fexcess-precision=standard -Wno-format-truncation -Wno-stringop-truncation,$(CFLAGS)) $(CPPFLAGS) 2>/dev/null | \
		grep -E 'warning:|error:' | sort -u || true
	for f in $(STYLE_SOURCES); do clang-format --dry-run $$f 2>&1 | grep -c warning: | sed "s,^,$$f: places clang-format would change: ," | grep -v ': 0$$'; done; true
