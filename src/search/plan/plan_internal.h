/*
 * plan_internal.h: between the files of this folder.
 */
#ifndef FHIR_SEARCH_PLAN_INTERNAL_H
#define FHIR_SEARCH_PLAN_INTERNAL_H

#include "search/plan/plan.h"

extern void sql_crit(SqlText *s, const char *alias, Crit *c);
/* " AND (criterion) ..." for an AND of criteria; " AND alias.type = ..." */
extern void sql_where(SqlText *s, const char *alias, Crit **where, int n);
extern bool search_can_walk(const SearchRequest *req, const SearchCursor *cur, bool after);
extern bool search_walk_has_all(const SearchRequest *req);
extern void search_walk_parts(SearchRequest *req, SearchWalk *w);
extern void sql_walk(SqlText *s, SearchRequest *req, const SearchWalk *w);
/* One row, if a walk by identity with this bound has not seen all of the order. */
extern void sql_walk_more(SqlText *s, const SearchRequest *req, const SearchWalk *w);
extern void sql_order_by(SqlText *s, const SearchRequest *req, const SearchCursor *cur);
/* Rows of alias q after the cursor, from sort key i on. */
extern void sql_after(SqlText *s, const SearchRequest *req, const SearchCursor *cur, int i);
/* The same where the first sort key is a chain. */
extern bool search_can_walk_chain(const SearchRequest *req, const SearchCursor *cur, bool after);
extern int search_walk_chain_bound(const SearchRequest *req, double matches, int limit);
extern void sql_walk_chain(SqlText *s, const SearchRequest *req, const SearchWalk *w);
/* "(...) o" with columns rid, v: the values of all keys of the ends in order, from the cursor's on; w->bound of them, and all equal to the last. */
extern void sql_values_in_order(SqlText *s, const SearchSort *ends, int nends, const SearchWalk *w);
extern bool search_counted_by_index(const SearchRequest *req);
extern int64 search_total(SearchRequest *req, bool estimate);
extern bool plan_complement(SearchRequest *req, Crit *c, int few);
/* Microseconds that it takes to ask a row for what stands in c, and to list all of that. */
extern double search_probe_cost(const Crit *c);
extern double search_list_cost(const Crit *c);
/* Resources that have the most frequent of the hashes, as far as known: no estimate, it is a lower bound. */
extern double search_keys_at_least(const Crit *c);
/* Lists the rows of criteria that were left to be checked row by row, after all: when a page's walk has found
 * too few. False if one that is expensive to check is still left. */
extern bool plan_subqueries_finish(SearchRequest *req);
/* Short intervals in the box start at or after this. */
extern int64 search_short_start(const OrdBox *b);
/* Long intervals in the boxes that start before `start`: their number, or more than SEARCH_FEW_LONG. */
extern int search_long_before(SearchRequest *req, const Crit *c, int64 start);
/* The criterion of _contained=both on resources of their own, ready for SQL. */
extern Crit *search_contained_own(SearchRequest *req);
/* Is the order of the matches by values of what is contained? Then this is their page. */
extern bool search_contained_sorted(const SearchRequest *req);
extern void search_contained_sorted_page(SearchRequest *req, SearchPage *out);
/* Rows in order, once each. */
extern void search_sort_rows(Crit *c);
/* The first column of SPI's result as CRIT_ROWS; frees the result. */
extern void search_take_rows(Crit *c);
extern void sql_string(SqlText *s, const char *alias, const Crit *c);
/* Matches that a page looks for. */
extern double search_page_limit(const SearchRequest *req);
/* inside: of contained resources. */
extern void search_run_chain(SetRun *run, Crit *c, bool inside);
extern void sql_chain(SqlText *s, const char *alias, const Crit *c);
/* ---- plan_has.c ---- */
extern void search_run_has(SetRun *run, Crit *c);
extern void search_run_list(SetRun *run, Crit *c);
/* The same for the far end of a chain, whose criteria have been run. */
extern void search_canonical_chain(SearchRequest *req, const CritLink *link, Crit *keys);
/* ---- plan_text.c, plan_sort.c ---- */
extern void search_run_word(SearchRequest *req, Crit *c);
/* True: the rids are in SPI_tuptable. */
extern bool search_run_side(SearchRequest *req, Crit *c, int few);
extern void sql_side(SqlText *s, const char *alias, const Crit *c);

#endif
