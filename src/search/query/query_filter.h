/*
 * query_filter.h: the text of a _filter, read by the search (query_filter.c) and, where brackets ask of elements, by
 * the evaluation on documents (match_filter.c).
 */
#ifndef FHIR_SEARCH_FILTER_H
#define FHIR_SEARCH_FILTER_H

typedef struct FilterText {
	const char *text, *at; /* whole, and what is left */
} FilterText;

/* ---- query_filter_text.c ---- */
pg_noreturn extern void filter_fail(const FilterText *f, const char *why);
extern void filter_skip_space(FilterText *f);
/* A word up to white space, a bracket or a parenthesis; palloc'd, empty at the end. */
extern char *filter_word(FilterText *f);
/* The next name of a path: letters, digits, '-', '_'. */
extern char *filter_name(FilterText *f);
/* The same, perhaps with the type that it leads to: subject:Patient. */
extern char *filter_typed_name(FilterText *f);
/* Is this keyword next? Then it is read. */
extern bool filter_accept(FilterText *f, const char *keyword);
/* The same for a character; '.' and '[' only without white space before them. */
extern bool filter_accept_char(FilterText *f, char c);
extern void filter_expect(FilterText *f, char c);
/* A value, escaped as a value of a parameter is, so that a comma in it is literal. */
extern char *filter_value(FilterText *f);
extern void filter_check_operator(const FilterText *f, const char *op);
/* Reads the rest of a comparison, from within its path; true if that is "pr false". */
extern bool filter_skip_comparison(FilterText *f);

/* ---- match_filter.c ---- */
/* Raises FH400 unless text is [filter].path op value. */
extern void match_filter_check(const char *text);

#endif
