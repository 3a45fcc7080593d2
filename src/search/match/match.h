/*
 * match.h: criteria decided on one document, or one row, in memory.
 */
#ifndef FHIR_SEARCH_MATCH_H
#define FHIR_SEARCH_MATCH_H

#include "search/query/query.h"

/* ---- match_score.c ---- */
extern int search_score_texts(const SearchRequest *req, char ***out);
/* In millionths. */
extern int64 search_score(JsonbContainer *doc, char *const *texts, int n);

/* ---- match_sort_value.c ---- */
/* A document whose sort values are wanted. */
typedef struct SortSubject {
	const ModelType *type;
	JsonbContainer *doc;
	const char *id; /* NULL: none */
	TimestampTz updated;
	bool has_updated;
	struct SortSubject *around; /* what contains it; NULL: it is contained in nothing */
	KeySet *keys;				/* NULL: not read yet */
} SortSubject;

/* False: it has none. Allocates in the current context. */
extern bool search_sort_value(SearchRequest *req, const SearchSort *sort, SortSubject *x, Datum *out);
/* In the order of the sort key; what is missing stands last both ways. */
extern int search_sort_compare(const SearchSort *sort, Datum a, bool a_null, Datum b, bool b_null);

/* ---- match_contained.c ---- */
/* Turns a request with _contained into one on containers. */
extern void search_contained_prepare(SearchRequest *req);
/* Chains that lead to contained resources: a criterion on what refers to them, NULL if nothing does. The
 * arguments of the links are not run yet. inside: on contained resources. */
extern Crit *search_contained_chain(SearchRequest *req, const CritLink *links, int nlinks, bool inside);
extern Crit *search_contained_copy(const Crit *c);
/* How many contained resources of a document satisfy a program; their positions in `contained`. */
extern int search_contained_which(int64 program, JsonbContainer *doc, JsonbContainer **array, int **which);
/* The same as SQL, on the resource of alias. */
extern void sql_contained(SqlText *s, const char *alias, int64 program);

#endif
