/*
 * exec.h: runs the statements of a search.
 */
#ifndef FHIR_SEARCH_EXEC_H
#define FHIR_SEARCH_EXEC_H

#include "search/plan/plan.h"

/* ---- exec_count.c ---- */
/* The total, where the criteria are decided by hashes and intervals and nothing narrows what the caller may see; else false. */
extern bool search_count_hashes(SearchRequest *req, int64 *out);
extern bool search_can_count_hashes(const SearchRequest *req);

/* May the table be read without a statement? Not where rights are narrower than "may read the table". */
extern bool search_reads_table(void);
/* What index resource_keys names for rows with all of n hashes; for an AND of criteria on hashes. */
extern struct TIDBitmap *search_bitmap_all(struct RelationData *index, const uint64 *all, int n);
extern struct TIDBitmap *search_bitmap(struct RelationData *index, Crit **where, int nwhere);

/* ---- exec_count_type.c ---- */
/* The total, where that is whole types, or all of them but what hashes find; else, and for the same reasons, false. */
extern bool search_count_types(SearchRequest *req, int64 *out);

/* ---- exec_referrers.c ---- */
/* Gives a _has, whose arguments have been run, a number to be probed by. */
extern void referrers_register(SearchRequest *req, Crit *c);
/* Can it be probed without a subquery, as things are now? */
extern bool referrers_can_probe(const Crit *c);
extern bool referrers_any(int64 question, uint64 identity);

/* ---- exec_reference_cache.c ---- */
/* Before the question whether the row of alias satisfies a chain: if it refers to what an earlier row of the statement did, it is not probed again. ")))" follows. */
extern void sql_reference_cache(SqlText *s, const char *alias, const Crit *c);
extern void reference_cache_forget(void);

/* ---- exec_session.c ---- */
typedef void (*SearchFn)(SearchRequest *req, void *arg);
/* Calls fn with an empty request, in a context of its own, within SPI and fhir.search_timeout. */
extern void search_session(SearchFn fn, void *arg);

/* ---- exec_run.c ---- */
/* Runs within SPI; rows in SPI_tuptable. limit 0: all. */
extern void search_run(SearchRequest *req, SqlText *s, const char *what);
/* Around every search: SPI and settings that suit it. An error undoes both. */
extern int search_begin(void);
/* 0, or when rights restrict what is seen: the number of the search that runs. */
extern uint64 search_caller(void);
extern void search_end(int level);
extern int64 search_now_micros(void);

/* ---- exec_documents.c ---- */
/* Fills rows[].doc. */
extern void search_keep_documents(SearchRequest *req, SearchRow *rows, int n);
/* Prepares a request: parse, resolve, run sets. */
extern void search_prepare(SearchRequest *req, const ModelType *type, const char *query,
						   SearchHandling handling, bool all);
/* The documents of rows, in order: calls fn with each. */
extern void search_documents(SearchRequest *req, SearchRow *rows, int n,
							 void (*fn)(int i, Jsonb *doc, void *arg), void *arg);
/* The same with documents as text in rows[i].text, where none is at hand: doc is NULL then. */
extern void search_document_texts(SearchRequest *req, SearchRow *rows, int n,
								  void (*fn)(int i, Jsonb *doc, void *arg), void *arg);

#endif
