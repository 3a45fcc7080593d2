/*
 * match.h: criteria decided on one document, or one row, in memory.
 */
#ifndef FHIR_SEARCH_MATCH_H
#define FHIR_SEARCH_MATCH_H

#include "access/htup_details.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "keys/keys.h"
#include "search/query/query.h"
#include "terms/terms.h"

/* ---- match.c ---- */
/* What criteria on one document ask beside it. */
typedef struct MatchContext {
	KeyContext keys;
	TermsSource terms;
} MatchContext;
/* Does the resource satisfy the criteria of a query? Raises FH501 for what can't be decided on the document alone: chains, _has, near. */
extern bool match_resource(const MatchContext *context, Jsonb *resource, const char *query);

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

/* ---- match_walk.c ---- */
/* References held by `source` in doc, as "Type/id" of this store. version: of "Type/id/_history/version"; 0: none
 * is named; -1: not one that can be. */
typedef void (*SearchRefFn)(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg);
extern void search_local_reference(const char *ref, int len, const ModelTypeId *targets, SearchRefFn fn,
								   void *arg);
extern void search_references(const KeySource *source, const ModelTypeId *targets, JsonbContainer *doc,
							  SearchRefFn fn, void *arg);
/* Literal references at a place, whatever they lead to. */
extern void search_plain_references(const KeySource *source, JsonbContainer *doc,
									void (*fn)(const char *ref, int len, void *arg), void *arg);
/* The resources that stand in a place themselves (KeySource.resources). */
extern void search_resources_inside(const KeySource *source, JsonbContainer *doc,
									void (*fn)(const JsonbValue *resource, void *arg), void *arg);
/* Texts that are strings at a place: urls, canonicals. */
extern void search_plain_texts(const KeySource *source, JsonbContainer *doc,
							   void (*fn)(const char *text, int len, void *arg), void *arg);
/* Lowest or highest text at a place, into *best (NULL: none yet). */
extern void search_texts(const KeyLeg *leg, JsonbContainer *doc, bool highest, char **best);

/* ---- match_functions.c, match_words.c ---- */
/* Does any of (key, lo, hi) ... lie in any of the boxes? */
extern bool search_ordered_any(const int64 *ord, int n, const OrdBox *boxes, int nboxes);
/* One criterion on one document, by the in-memory evaluation. */
extern bool search_document_matches(Jsonb *doc, const char *name, const char *value);
extern bool search_text_matches(JsonbContainer *doc, bool content, const char *words);
extern char *search_folded_texts(JsonbContainer *doc, bool content);

/* ---- match_row.c: rows of table resource, read from their pages, and criteria on hashes, intervals and identities decided on them without the executor ---- */
typedef struct SearchReader {
	Relation table;
	Snapshot snapshot;
	AttrNumber keys, ord, type, id;
	MemoryContext row;						  /* emptied for each row */
	HeapTupleData rows[MaxHeapTuplesPerPage]; /* of one page */
} SearchReader;

/* The row context is made in the current one. */
extern void search_reader_begin(SearchReader *r, Relation table);
/* Pins a page. A session remembers where it was: see match_row.c. */
extern Buffer search_pin_page(Relation table, BlockNumber block);
extern void search_fetch_ahead(Relation table, BlockNumber block, OffsetNumber offset);
/* Rows that the snapshot sees at these places of a pinned page (noffsets < 0: at any), into r->rows: they are there as long as it is pinned. */
extern int search_page_rows(SearchReader *r, Buffer buffer, BlockNumber block, const OffsetNumber *offsets, int noffsets);
/* Can it be decided on a row? */
extern bool search_decidable(const Crit *c);
/* Does the row satisfy all? */
extern bool search_row_satisfies(SearchReader *r, HeapTuple row, Crit *const *where, int nwhere);

#endif
