/*
 * plan.h: criteria and statistics to SQL text and parameters.
 */
#ifndef FHIR_SEARCH_PLAN_H
#define FHIR_SEARCH_PLAN_H

#include "search/match/match.h"
#include "search/plan/plan_sizes.h"

/* SQL spelling that no search_path can divert */
#define OP(o) " OPERATOR(pg_catalog." o ") "

/* ---- plan_sql.c ---- */
typedef struct SqlParam {
	Oid type;
	Datum value;
} SqlParam;

struct SqlText {
	StringInfoData sql;
	SqlParam *params;
	int nparams, maxparams;
	int naliases;
	bool generic;  /* one plan for all values */
	bool in_order; /* rows come by indexes: no plan that scans a table */
};

/* Which part of a search reads resources: for the restriction. */
typedef enum SearchLeg {
	LEG_MATCH,
	LEG_TOTAL,
	LEG_CHAIN,
	LEG_HAS,
	LEG_INCLUDE,
	LEG_REVINCLUDE,
	LEG_LIST,
	LEG_TERMINOLOGY,
	LEG_SORT
} SearchLeg;

extern void sql_init(SqlText *s);
extern void sql_param(SqlText *s, Oid type, Datum value);
extern Datum sql_int8_array(const int64 *v, int n);
extern Datum sql_text_array(char *const *v, int n);
/* Adds the single hashes of an AND to all. */
extern void sql_collect_all(Crit **where, int n, Crit *all);
extern void sql_type(SqlText *s, const char *alias, const ModelType *const *types, int ntypes);
/* "FROM store.resource alias WHERE NOT deleted AND type AND restriction AND criteria" */
extern void sql_from_where(SqlText *s, const char *alias, SearchLeg leg, const ModelType *const *types,
						   int ntypes, Crit **where, int nwhere);
/* " AND (...)" for one resource alias of one leg: where a caller's rights enter. */
extern void search_restrict(SqlText *s, const char *alias, SearchLeg leg);
/*
 * SQL predicate (fixed text) on a resource alias (all columns of table resource), or NULL; set by whoever
 * grants rights. leg: SearchLeg. A module finds the hook by load_external_function("$libdir/fhir", ...).
 */
extern PGDLLEXPORT const char *(*search_restriction_hook)(const char *alias, int leg);

typedef struct SearchRow {
	int64 rid;
	const char *type, *id;
	int32 version;
	TimestampTz last_updated;
	ItemPointerData locator; /* of the version's row: a hint (rows.h) */
	Datum *sort;
	bool *sort_null;
	const char *mode;	   /* "match", "include" */
	Jsonb *doc;			   /* when it is at hand */
	bool contained;		   /* doc is a contained resource; type and id are "Type" and "id#contained" */
	const char *cursor_id; /* for cursors, when id does not say it all */
	StringInfo text;	   /* the document as JSON text, within search_document_texts */
} SearchRow;

typedef struct SearchPage {
	SearchRow *rows;
	int nrows;
	bool has_next, has_previous;
	bool whole; /* first page and nothing after it: nrows is the total */
} SearchPage;

/* ---- plan_walk.c ---- */
typedef enum SearchWalkPart { WALK_ALL,
							  WALK_FROM_START,
							  WALK_LONG_BEFORE,
} SearchWalkPart;

typedef struct SearchWalk {
	const SearchCursor *cur;
	bool after;
	int bound; /* rows to look at, 0: no bound */
	int limit;
	SearchWalkPart part, parts[2]; /* this one; all, in their order */
	int nparts;
	int64 start; /* where WALK_FROM_START begins and WALK_LONG_BEFORE ends */
} SearchWalk;

extern Crit *search_walked_criterion(const SearchRequest *req);

/* ---- plan_page.c ---- */
extern void search_page(SearchRequest *req, SearchPage *out);

/* ---- plan_complement.c ---- */
/* NOT of hashes that nearly all have: can the others be found; AND them to c, if they are few. */
extern bool plan_lists_complement(const SearchRequest *req, const Crit *c);

/* ---- plan_stats.c ---- */
/* Estimated resources of the types, and of those that satisfy c (< 0: unknown). */
extern double search_type_rows(const ModelType *const *types, int ntypes);
extern double search_crit_rows(Crit *c, double type_rows);

/* ---- plan_subqueries.c ---- */
/* all: every match will be needed (a chain's end, a total), not a page of them. */
extern void plan_subqueries(SearchRequest *req, const ModelType *const *types, int ntypes, Crit **where,
							int nwhere, bool all);
/* The same for criteria on contained resources, which are evaluated in memory: what needs other resources. */
extern void plan_subqueries_inside(SearchRequest *req, Crit *c);
/* Of table ordered, as o: what index ordered_long holds. */
#define SQL_LONG_ONLY " AND (o.hi" OP("/") "2)" OP("-") "(o.lo" OP("/") "2)" OP(">") "43200000000"
extern bool search_indexed(const Crit *c);
extern bool search_listable(const Crit *c);

/* ---- plan_contained_page.c ---- */
/* search_page and search_total of what the request asks for: resources, containers, contained resources. */
extern void search_matches(SearchRequest *req, SearchPage *out);
extern int64 search_matches_total(SearchRequest *req, bool estimate);

/* ---- plan_contained_sort.c ---- */

/* What a run of sets is for. */
typedef struct SetRun {
	SearchRequest *req;
	const ModelType *const *types;
	int ntypes;
	bool all; /* every match is wanted, not a page of them */
	int few;
	double type_rows, least; /* resources of the types; about how many an index leaves of them */
	double indexed;			 /* about as many are found by hashes, however many */
	bool counted;			 /* a total that search_count_hashes gives */
} SetRun;

/* ---- plan_canonical.c ---- */
typedef struct CanonicalRef {
	char *url;
	const char *version;		/* NULL: none is named */
	const ModelTypeId *targets; /* types that it may lead to; NULL: any */
} CanonicalRef;

typedef struct CanonicalRefs {
	CanonicalRef *list;
	int n, max;
	const ModelTypeId *targets; /* of those that are added */
} CanonicalRefs;

/* May canonicals at this place mean resources of that type? */
extern bool search_canonical_link(const KeySource *source, const ModelType *target);
/* Adds the canonical references held by `source` in doc. */
extern void search_canonicals_of(const KeySource *source, const ModelTypeId *targets, JsonbContainer *doc,
								 CanonicalRefs *out);
/* The resources that they mean. Returns how many. */
extern int search_canonical_rows(SearchRequest *req, SearchLeg leg, const CanonicalRefs *refs, SearchRow **out);
/* Hashes, for each source, of canonicals that mean those of the rows which are of this type. */
extern void search_canonical_keys(SearchRequest *req, SearchLeg leg, const ModelType *type,
								  const SearchRow *rows, int nrows, const KeySource *const *sources,
								  int nsources, Crit *keys);
/* Row i of SPI_tuptable: rid, type, id, version, last_updated. */
extern void search_take_row(SearchRow *row, const char *mode, uint64 i);

extern void sql_sort_expression(SqlText *s, const SearchSort *sort, const char *alias);

#endif
