/*
 * search_internal.h: what the files of search share.
 *
 * A search goes through: search_parse (text -> pairs, result controls), search_resolve + search_value (pairs
 * -> criteria), search_sets (criteria that are searches of their own are run first: chains, _has, display
 * texts; small sets become lists of rows), search_plan (criteria -> SQL of fixed fragments and $n
 * parameters), search_run (plans, cached by text), search_page, search_cursor, search_include, search_subset,
 * search_bundle (JSON).
 *
 * All statements of one search run in one snapshot. Everything is palloc'd in the caller's context, which the
 * entry points of search_sql.c and search_bundle.c own and delete.
 */
#ifndef FHIR_SEARCH_INTERNAL_H
#define FHIR_SEARCH_INTERNAL_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "keys/keys.h"
#include "model/model.h"
#include "search/search.h"

/* ---- sizes at which one way of doing it gives way to another: all give the same answer (make
 * COPT=-DSEARCH_TINY tests that) ---- */
#ifdef SEARCH_TINY
#define SEARCH_INDEXED_KEYS 2
#define SEARCH_FEW_ROWS 3
#define SEARCH_FEW_REFERRING 2
#define SEARCH_FEW_WHEN_ALL 5
#define SEARCH_FEW_TO_SORT 1
#define SEARCH_MANY_REFERRING 2
#define SEARCH_FEW_TARGETS 2
#define SEARCH_MANY_TARGETS 2
#define SEARCH_FEW_LOOKED_UP 4
#define SEARCH_FEW_ASKED 2
#define SEARCH_FEW_EACH 3
#define SEARCH_REMEMBERED 3
#define SEARCH_TRIED 2
#define SEARCH_FEW_WITHOUT 1
#define SEARCH_FEW_LONG 3
#define SEARCH_PLANS 5
#define SEARCH_FAR_ROWS 0
#define SEARCH_ROWS_A_REFERRING 3
#define SEARCH_PAGES_A_ROW 1000
#define SEARCH_WALKED_PART 0
#else
#define SEARCH_INDEXED_KEYS \
	64							   /* more hashes are listed one by one, or looked up in each row: a GIN scan for n costs n a row */
#define SEARCH_FEW_ROWS 2000	   /* a set up to this size becomes a list of rows */
#define SEARCH_FEW_REFERRING 200   /* documents that are read for _has */
#define SEARCH_FEW_WHEN_ALL 50000  /* the same where every match is needed, not a page */
#define SEARCH_FEW_TO_SORT 1000	   /* matches that are sorted rather than met on a walk */
#define SEARCH_MANY_REFERRING 3000 /* the same, at most, where each saves much */
#define SEARCH_FEW_TARGETS 300	   /* resources at the other end of a chain that are listed for a page, */
#define SEARCH_MANY_TARGETS 5000   /* and at most */
#define SEARCH_FEW_LOOKED_UP 1000  /* hashes that are looked up one by one for a page */
#define SEARCH_FEW_ASKED 500	   /* rows that are asked what they refer to rather than find that first */
#define SEARCH_FEW_EACH 16		   /* on average, that refer to a row: all of them are looked at */
#define SEARCH_FEW_WITHOUT 0.05	   /* of a type are estimated to lack hashes: then these are found rather than met on a walk */
#define SEARCH_TRIED 8			   /* times: a walk of so many rows as that the list would be cheaper is tried for a part of the list's time */
#define SEARCH_REMEMBERED 20000	   /* answers of what is referred to that a search keeps */
#define SEARCH_FEW_LONG 5000	   /* long intervals that are sorted by their start */
#define SEARCH_PLANS 400		   /* statements whose plans a session keeps */
#define SEARCH_FAR_ROWS 3		   /* rows that are asked for their chained sort value in the time in which one at the chain's end is asked who refers to it */
#define SEARCH_ROWS_A_REFERRING 10 /* rows of a walk that are asked in the time in which one that refers has its document read */
#define SEARCH_WALKED_PART 2	   /* of the matches of _contained: if more are on the way to a page, all are read */
#define SEARCH_PAGES_A_ROW 20	   /* pages whose visibility is looked up in the time of one row */
#endif

/* ---- criteria ---- */

typedef enum CritKind {
	CRIT_TRUE,
	CRIT_FALSE,
	CRIT_TYPE,		/* resource.type is this one */
	CRIT_KEYS,		/* any of the hashes is in resource.keys */
	CRIT_ORDERED,	/* any (key, lo, hi) of the resource lies in any of the boxes */
	CRIT_STRING,	/* a folded text starts with, or contains, one of the values */
	CRIT_TERM,		/* token :text: a display text of the dictionary matches; becomes CRIT_KEYS */
	CRIT_WORD,		/* _text, _content: a word; becomes CRIT_KEYS, CRIT_ORDERED, CRIT_SIDE */
	CRIT_SIDE,		/* a side row of words satisfies a text query */
	CRIT_ID,		/* resource.id is one of */
	CRIT_UPDATED,	/* resource.last_updated is in one of the ranges */
	CRIT_ROWS,		/* resource.rid is one of (a set that was run first) */
	CRIT_DOC,		/* decided on the document (no index): uri :below, near ... */
	CRIT_NEAR,		/* a position within a distance */
	CRIT_CHAIN,		/* refers to a resource that satisfies args; becomes CRIT_KEYS */
	CRIT_HAS,		/* is referred to by a resource that satisfies args */
	CRIT_REFERRED,	/* its identity is one of the hashes: of what was found to be referred to */
	CRIT_LIST,		/* is an entry of one of the Lists; becomes CRIT_ROWS */
	CRIT_CONTAINED, /* contains a resource that satisfies a program of search_contained.c */
	CRIT_AND,
	CRIT_OR,
	CRIT_NOT
} CritKind;

/* Bounds are inclusive. */
typedef struct OrdBox {
	uint64 key;
	int64 lo_min, lo_max, hi_min, hi_max;
} OrdBox;

typedef struct Crit Crit;

typedef struct CritLink {
	const KeySource *source; /* the reference */
	const ModelType *type;	 /* chain: type at the other end; _has: type that refers */
	Crit *arg;				 /* criterion on `type`; shared by links of the same type */
	const char *code;		 /* the reference's parameter */
	const KeyLeg *leg;
} CritLink;

typedef enum StringMode {
	STRING_PREFIX,
	STRING_CONTAINS,
	STRING_EQUAL,
	STRING_SUFFIX,
	STRING_GT,
	STRING_LT,
	STRING_GE,
	STRING_LE
} StringMode;

struct Crit {
	CritKind kind;
	const char *label; /* "code=1234", for fhir_explain; NULL within a criterion */
	bool single;	   /* ORDERED: a resource has at most one interval under all of the keys */
	uint64 place;	   /* ORDERED, single: where that stands, see search_place */
	bool unindexed;	   /* no index answers it: fhir_explain warns */

	uint64 *keys; /* KEYS; STRING: string.key list; TERM: term.key list. Sorted for KEYS. */
	int nkeys;
	OrdBox *boxes; /* ORDERED; UPDATED (lo only, microseconds since 1970) */
	int nboxes;
	char **values; /* STRING, TERM: folded texts; ID, LIST: ids; DOC: texts */
	int nvalues;
	StringMode mode;
	const char *code;			   /* DOC: parameter */
	const char *modifier;		   /* DOC */
	const ModelType *type;		   /* TYPE, DOC */
	const ModelType *const *types; /* WORD */
	int ntypes;
	const double *near; /* NEAR: latitude, longitude, metres */
	int64 *rows;		/* ROWS: sorted */
	int nrows;
	CritLink *links; /* CHAIN, HAS */
	int nlinks;
	Crit **args; /* AND, OR, NOT (one) */
	int nargs;
	int64 program;	/* CONTAINED */
	bool few_refer; /* HAS: on average; they are all looked at */
	int64 question; /* HAS: number of search_ask_refers */
	double asking;	/* HAS, CHAIN, REFERRED: microseconds to ask a row of the search, */
	double listing; /* HAS, CHAIN: and to list what it is asked for */
	Crit *as_was;	/* REFERRED: the _has */
	bool asked;		/* CHAIN: found to have many at its end */
	int more_than;	/* ORDERED: more entries than that are in the boxes */
	double matches; /* estimated matching resources, < 0: unknown */
};

/* ---- a request ---- */

typedef struct SearchPair {
	char *name, *value; /* decoded; escapes of the value still in place */
	bool used;			/* understood: goes into the self link */
	bool control;		/* no criterion */
} SearchPair;

typedef enum SearchTotal { TOTAL_UNASKED,
						   TOTAL_NONE,
						   TOTAL_ESTIMATE,
						   TOTAL_ACCURATE,
} SearchTotal;
typedef enum SearchSummary {
	SUMMARY_FALSE,
	SUMMARY_TRUE,
	SUMMARY_TEXT,
	SUMMARY_DATA,
	SUMMARY_COUNT
} SearchSummary;

typedef enum SortKind {
	SORT_ID,
	SORT_UPDATED,
	SORT_ORDERED, /* resource.ord */
	SORT_STRING,  /* string.value */
	SORT_DOC,	  /* text from the document */
	SORT_SCORE,	  /* how well _text and _content fit */
	SORT_CHAIN	  /* by a value of what the resource refers to */
} SortKind;

typedef struct SearchSort SearchSort;
struct SearchSort {
	SortKind kind;
	bool descending;
	const char *code;
	uint64 *keys; /* ordered or string keys */
	int nkeys;
	const KeyParam *param;
	char **texts; /* SCORE: search_score_texts */
	int ntexts;
	SearchSort *ends;		   /* CHAIN: the key of each type at the other end; all of one kind */
	const ModelType **targets; /* CHAIN: those types */
	int nends;
};

typedef struct SearchInclude {
	bool reverse, iterate;
	const ModelType *source; /* NULL: any */
	const char *code;		 /* NULL: every reference parameter */
	const ModelType *target; /* NULL: any */
	ModelTypeId targets[2];	 /* the same as a list, 0-terminated */
} SearchInclude;

typedef enum SearchContained { CONTAINED_FALSE,
							   CONTAINED_TRUE,
							   CONTAINED_BOTH,
} SearchContained;

/* Of _elements: "name" of all types, or "Type.name" of this one. */
typedef struct SearchElement {
	const ModelType *type; /* NULL: all */
	const char *name;
} SearchElement;

typedef struct SearchRequest {
	const ModelType *type;	 /* NULL: system level */
	const ModelType **types; /* what is searched, sorted by name (bytes) */
	int ntypes;
	bool all_types; /* no _type given at system level */
	SearchHandling handling;
	const ModelType *compartment;
	const char *compartment_id;

	SearchPair *pairs;
	int npairs;

	int count; /* page size */
	int count_asked;
	SearchTotal total;
	SearchSummary summary;
	SearchElement *elements;
	int nelements;
	SearchInclude *includes;
	int nincludes;
	SearchSort *sorts;
	int nsorts;
	const char *cursor; /* as given, NULL: first page */
	SearchContained contained;
	bool contained_alone; /* answers contained resources instead of their containers */
	bool user_params;	  /* a criterion is on a parameter that a user has added */
	int64 program;		  /* criteria on contained resources (search_contained.c) */
	Crit *own;			  /* CONTAINED_BOTH: the criteria on resources of their own */
	bool own_ready;
	const ModelType **inside_types; /* _contained: what is searched; types are those of the containers */
	int ninside_types;
	bool sort_told; /* fhir_explain has shown how an order looks up what documents refer to */

	Crit **where; /* AND */
	int nwhere;
	List *ignored; /* of char *: what handling=lenient left out */
	List *explain; /* of char *: steps already run, collected for fhir_explain; unless NULL context */
	bool explaining, analyze;
	MemoryContext context; /* of the request: outlives every step */
	int64 known_total;	   /* counted beside the page, -1 if not */
	bool all_listed;	   /* search_sets has run for every match */
	double walked_rows;	   /* about how many resources of the types there are */
} SearchRequest;

/* ---- search_parse.c ---- */
extern void search_parse(SearchRequest *req, const char *query);
/* req->types by name, once each. */
extern void search_sort_types(SearchRequest *req);
/* Splits at unescaped `sep`; parts keep their escapes. Returns the number of parts (>= 1). */
extern int search_split(const char *s, char sep, char ***parts);
/* Removes the escapes: \, \| \$ and \\ (palloc'd). */
extern char *search_unescape(const char *s);
/* In PG_CATCH under handling=lenient: notes an FH400 as ignored, re-throws anything else. */
extern void search_ignore(SearchRequest *req, MemoryContext cxt);
extern void search_url_encode(StringInfo out, const char *s, const char *keep);
/* Nearest of the candidates offered, as a hint; NULL if nothing is near. */
typedef struct SearchNearest {
	const char *name;
	const char *best;
	int distance;
} SearchNearest;
extern void search_nearest_offer(SearchNearest *n, const char *candidate);
/* A hint with the name of a resource type, NULL if none is near. */
extern const char *search_nearest_type(const char *name);

/* ---- search_resolve.c ---- */
extern void search_resolve(SearchRequest *req);
/* One criterion on resources of `types`. */
extern Crit *search_resolve_criterion(SearchRequest *req, const ModelType *const *types, int ntypes,
									  const char *name, const char *value, int depth);
extern const KeyParam *search_param(const ModelType *t, const char *code, int len);
/* Where all types are searched: refuses a parameter that only some have. */
extern void search_require_for_all(const SearchRequest *req, const char *code);
/* Raises FH503 while the store's keys are made anew. */
extern void search_require_keys(void);
pg_noreturn extern void search_unknown_param(const ModelType *t, const char *code);
/* Has a value in this place. */
extern Crit *search_present(const KeyLeg *leg);
/* Was a parameter looked up that a user has added? Since the last call with reset. */
extern bool search_met_user_param(bool reset);
extern void search_note_user_param(void);
extern const KeyParam *search_require_param(const ModelType *t, const char *code);
/* A name of a criterion:  code[:modifier]  |  reference[:Type].rest */
typedef struct SearchName {
	const char *code;	  /* up to the first ':' or '.' */
	const char *modifier; /* between ':' and '.', NULL if none */
	const char *rest;	  /* after '.', NULL if no chain */
} SearchName;
extern SearchName search_split_name(const char *name);

/* ---- search_chain.c ---- */
extern Crit *search_chain(SearchRequest *req, const ModelType *t, const SearchName *name, const char *value,
						  int depth);
/* rest: of _has:rest */
extern Crit *search_has(SearchRequest *req, const ModelType *const *types, int ntypes, const char *rest,
						const char *value, int depth);
/* Adds to a chain (NULL: a new one) that p leads to a resource of that type which satisfies arg. */
extern Crit *search_chain_link(Crit *c, const KeyParam *p, const ModelType *target, Crit *arg);
/* The types that reference parameter p may lead to, of that name if one is given. Returns how many. */
extern int search_chain_targets(const KeyParam *p, const char *type_name, const ModelType ***out);
extern bool search_target_allowed(const ModelTypeId *targets, const ModelType *t);
extern bool search_refers_to(const KeyParam *p, const ModelType *t);
/* Does type t know the first part of a name? */
extern bool search_knows(const ModelType *t, const char *name);

/* ---- search_crit.c ---- */
extern Crit *crit_new(CritKind kind);
extern Crit *crit_join(CritKind kind, Crit *a, Crit *b);
extern Crit *crit_not(Crit *a);
extern void crit_add_arg(Crit *c, Crit *arg);
extern void crit_add_key(Crit *c, uint64 key);
extern void crit_add_value(Crit *c, char *value);
extern void crit_add_box(Crit *c, uint64 key, int64 lo_min, int64 lo_max, int64 hi_min, int64 hi_max);

/* ---- search_value.c ---- */
/* FH400 if n values are more than fhir.max_search_values. */
extern void search_limit_values(const char *code, int n);
/* The values of one parameter of one type: an OR. :missing and the negation of :not are the caller's. */
extern Crit *search_values(const KeyParam *p, const char *modifier, const char *value);
extern Crit *search_updated_values(const char *code, const char *value);
pg_noreturn extern void search_bad_value(const char *code, const char *value, const char *why, const char *hint);
pg_noreturn extern void search_bad_modifier(const char *code, const char *modifier, const char *allowed);

typedef enum SearchPrefix {
	PREFIX_EQ,
	PREFIX_NE,
	PREFIX_GT,
	PREFIX_LT,
	PREFIX_GE,
	PREFIX_LE,
	PREFIX_SA,
	PREFIX_EB,
	PREFIX_AP
} SearchPrefix;

/* A value without prefix, of a composite's part or of _filter. */
extern Crit *search_one_value(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value);

/* ---- search_ordered.c ---- */
/* Cuts a prefix off *value. */
extern SearchPrefix search_prefix(const char **value);
extern void search_date_boxes(Crit *c, const char *code, uint64 key, const char *value);
extern void search_number_boxes(Crit *c, const char *code, uint64 key, const char *value);
/* value: [prefix]number[|system|code]; source: whose keys, composite: 0 or the token hash of a composite.
 * True: needs a recheck. */
extern int search_units(const KeySource *source, const uint64 *token, KeyUnit **units);
extern bool search_quantity_boxes(Crit *c, const char *code, const KeySource *source,
								  const uint64 *composite_hash, const char *value);

/* ---- search_composite.c ---- */
extern Crit *search_composite(const KeyParam *p, const KeyLeg *leg, const char *value);

/* ---- search_terminology.c ---- */
extern Crit *search_in_value_set(const KeyParam *p, const KeyLeg *leg, const char *url);
/* For terms_document_hook. */
extern Jsonb *search_terminology_document(const ModelType *type, const char *url);
extern Crit *search_code_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *value, bool below);

/* ---- search_hierarchy.c ---- */
/* :below and :above of a reference "id" or "Type/id"; NULL where there is no hierarchy to follow. */
extern Crit *search_reference_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *ref, bool below);

/* ---- search_near.c ---- */
extern PGDLLEXPORT Datum fhir_near(PG_FUNCTION_ARGS);
extern Crit *search_near(const KeyParam *p, const KeyLeg *leg, const char *value);

/* ---- search_text.c ---- */
typedef struct SqlText SqlText;
extern Crit *search_text_criterion(const ModelType *const *types, int ntypes, const char *code,
								   const char *value);
/* One criterion on one document, by the in-memory evaluation. */
extern bool search_document_matches(Jsonb *doc, const char *name, const char *value);
/* Every word of a text: a superset for other searches of texts. NULL: there is no word in it. */
extern Crit *search_text_words(const ModelType *const *types, int ntypes, const char *code, const char *text);
extern void search_run_word(SearchRequest *req, Crit *c);
/* True: the rids are in SPI_tuptable. */
extern bool search_run_side(SearchRequest *req, Crit *c, int few);
extern void sql_side(SqlText *s, const char *alias, const Crit *c);
extern bool search_text_matches(JsonbContainer *doc, bool content, const char *words);

/* ---- search_filter_op.c ---- */
/* A comparison of _filter with the values of a parameter. */
extern Crit *search_filter_values(const KeyParam *p, const char *op, const char *value);
/* ... ew value, for what is decided on the document anyway: a superset. */
extern Crit *search_filter_suffix(const KeyParam *p, const char *value);
/* text: [filter].path op value, on the elements at the place of a parameter (match_filter.c). */
extern Crit *search_filter_elements(const KeyParam *p, const char *text);

/* ---- search_filter_elements.c ---- */
/* What the same implies that an index knows: a superset; CRIT_TRUE: nothing. The text has been checked. */
extern Crit *search_filter_implied(const KeyParam *p, const char *text);

extern char *search_folded_texts(JsonbContainer *doc, bool content);

/* ---- search_score.c ---- */
extern int search_score_texts(const SearchRequest *req, char ***out);
/* In millionths. */
extern int64 search_score(JsonbContainer *doc, char *const *texts, int n);

/* ---- search_filter.c ---- */
extern Crit *search_filter(SearchRequest *req, const ModelType *const *types, int ntypes, const char *text);

/* ---- search_plan.c ---- */
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
extern void sql_crit(SqlText *s, const char *alias, Crit *c);
/* Adds the single hashes of an AND to all. */
extern void sql_collect_all(Crit **where, int n, Crit *all);
/* " AND (criterion) ..." for an AND of criteria; " AND alias.type = ..." */
extern void sql_where(SqlText *s, const char *alias, Crit **where, int n);
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
	ItemPointerData place; /* of the version's row: a hint (store_place.h) */
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

/* ---- search_sort.c ---- */
/* Which element of a resource holds the one value of this source: the same for all types of a choice; 0: it may hold several. */
extern uint64 search_place(const KeySource *source);
extern void search_resolve_sort(SearchRequest *req, const char *value);
extern void sql_sort_expression(SqlText *s, const SearchSort *sort, const char *alias);
extern Oid search_sort_type(const SearchSort *sort);

/* ---- search_sort_value.c ---- */
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

/* ---- search_bundle.c ---- */
/* Do _summary and _elements leave out nothing? */
extern bool search_shows_whole(const SearchRequest *req);
/* What they leave of a row's document; doc itself where they leave all. */
extern Jsonb *search_shown(const SearchRequest *req, const SearchRow *row, Jsonb *doc);

/* ---- search_cursor.c ---- */
typedef struct SearchCursor {
	bool backward;
	bool from_end; /* backward, from behind the last match: no place */
	const char *type, *id;
	int part; /* within the row (search_contained_page.c), -1: none; then the row itself is still to be looked at */
	Datum *values;
	bool *nulls;
} SearchCursor;

/* False: the page begins at no place. */
extern bool search_cursor_read(const SearchRequest *req, SearchCursor *out);
/* row NULL: backward from the end. */
extern char *search_cursor_write(const SearchRequest *req, const SearchRow *row, bool backward);

/* ---- search_walk.c ---- */
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

extern bool search_can_walk(const SearchRequest *req, const SearchCursor *cur, bool after);
extern bool search_walk_has_all(const SearchRequest *req);
extern Crit *search_walked_criterion(const SearchRequest *req);
extern void search_walk_parts(SearchRequest *req, SearchWalk *w);
extern void sql_walk(SqlText *s, SearchRequest *req, const SearchWalk *w);
/* One row, if a walk by identity with this bound has not seen all of the order. */
extern void sql_walk_more(SqlText *s, const SearchRequest *req, const SearchWalk *w);
extern void sql_order_by(SqlText *s, const SearchRequest *req, const SearchCursor *cur);
/* Rows of alias q after the cursor, from sort key i on. */
extern void sql_after(SqlText *s, const SearchRequest *req, const SearchCursor *cur, int i);

/* ---- search_walk_chain.c ---- */
/* The same where the first sort key is a chain. */
extern bool search_can_walk_chain(const SearchRequest *req, const SearchCursor *cur, bool after);
extern int search_walk_chain_bound(const SearchRequest *req, double matches, int limit);
extern void sql_walk_chain(SqlText *s, const SearchRequest *req, const SearchWalk *w);
/* "(...) o" with columns rid, v: the values of all keys of the ends in order, from the cursor's on; w->bound of them, and all equal to the last. */
extern void sql_values_in_order(SqlText *s, const SearchSort *ends, int nends, const SearchWalk *w);

/* ---- search_page.c ---- */
extern void search_page(SearchRequest *req, SearchPage *out);
extern bool search_counted_by_index(const SearchRequest *req);
extern int64 search_total(SearchRequest *req, bool estimate);

/* ---- search_count.c ---- */
/* The total, where the criteria are decided by hashes and intervals and nothing narrows what the caller may see; else false. */
extern bool search_count_hashes(SearchRequest *req, int64 *out);
extern bool search_can_count_hashes(const SearchRequest *req);

/* May the table be read without a statement? Not where rights are narrower than "may read the table". */
extern bool search_reads_table(void);
/* What index resource_keys names for rows with all of n hashes; for an AND of criteria on hashes. */
extern struct TIDBitmap *search_bitmap_all(struct RelationData *index, const uint64 *all, int n);
extern struct TIDBitmap *search_bitmap(struct RelationData *index, Crit **where, int nwhere);

/* ---- search_without.c ---- */
/* NOT of hashes that nearly all have: can the others be found; AND them to c, if they are few. */
extern bool search_lists_without(const SearchRequest *req, const Crit *c);
extern bool search_run_without(SearchRequest *req, Crit *c, int few);

/* ---- search_count_type.c ---- */
/* The total, where that is whole types, or all of them but what hashes find; else, and for the same reasons, false. */
extern bool search_count_types(SearchRequest *req, int64 *out);

/* ---- search_stats.c ---- */
/* Estimated resources of the types, and of those that satisfy c (< 0: unknown). */
extern double search_type_rows(const ModelType *const *types, int ntypes);
extern double search_crit_rows(Crit *c, double type_rows);
/* Microseconds that it takes to ask a row for what stands in c, and to list all of that. */
extern double search_asking(const Crit *c);
extern double search_listing(const Crit *c);
/* Resources that have the most frequent of the hashes, as far as known: no estimate, it is a lower bound. */
extern double search_keys_at_least(const Crit *c);

/* ---- search_sets.c ---- */
/* all: every match will be needed (a chain's end, a total), not a page of them. */
extern void search_sets(SearchRequest *req, const ModelType *const *types, int ntypes, Crit **where,
						int nwhere, bool all);
/* Lists the rows of criteria that were left to be checked row by row, after all: when a page's walk has found
 * too few. False if one that is dear to check is still left. */
extern bool search_sets_finish(SearchRequest *req);
/* The same for criteria on contained resources, which are evaluated in memory: what needs other resources. */
extern void search_sets_inside(SearchRequest *req, Crit *c);
/* Short intervals in the box start at or after this. */
extern int64 search_short_start(const OrdBox *b);
/* Long intervals in the boxes that start before `start`: their number, or more than SEARCH_FEW_LONG. */
extern int search_long_before(SearchRequest *req, const Crit *c, int64 start);
/* Of table ordered, as o: what index ordered_long holds. */
#define SQL_LONG_ONLY " AND (o.hi" OP("/") "2)" OP("-") "(o.lo" OP("/") "2)" OP(">") "43200000000"
extern bool search_indexed(const Crit *c);
/* Does any of (key, lo, hi) ... lie in any of the boxes? */
extern bool search_ordered_any(const int64 *ord, int n, const OrdBox *boxes, int nboxes);
extern bool search_listable(const Crit *c);

/* ---- search_contained.c ---- */
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

/* ---- search_contained_page.c ---- */
/* search_page and search_total of what the request asks for: resources, containers, contained resources. */
extern void search_matches(SearchRequest *req, SearchPage *out);
extern int64 search_matches_total(SearchRequest *req, bool estimate);
/* The criterion of _contained=both on resources of their own, ready for SQL. */
extern Crit *search_contained_own(SearchRequest *req);

/* ---- search_contained_sort.c ---- */
/* Is the order of the matches by values of what is contained? Then this is their page. */
extern bool search_contained_sorted(const SearchRequest *req);
extern void search_contained_sorted_page(SearchRequest *req, SearchPage *out);

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

/* Rows in order, once each. */
extern void search_sort_rows(Crit *c);
/* The first column of SPI's result as CRIT_ROWS; frees the result. */
extern void search_take_rows(Crit *c);
extern void sql_string(SqlText *s, const char *alias, const Crit *c);

/* ---- search_links.c ---- */
/* Matches that a page looks for. */
extern double search_page_limit(const SearchRequest *req);
/* inside: of contained resources. */
extern void search_run_chain(SetRun *run, Crit *c, bool inside);
extern void sql_chain(SqlText *s, const char *alias, const Crit *c);

/* ---- search_has.c ---- */
extern void search_run_has(SetRun *run, Crit *c);
extern void search_run_list(SetRun *run, Crit *c);

/* ---- search_refers.c ---- */
/* Gives a _has, whose arguments have been run, a number to be asked by. */
extern void search_ask_refers(SearchRequest *req, Crit *c);
/* Can it be asked without a subquery, as things are now? */
extern bool search_can_ask(const Crit *c);
extern bool search_refers_any(int64 question, uint64 identity);

/* ---- search_asked.c ---- */
/* Before the question whether the row of alias satisfies a chain: if it refers to what an earlier row of the statement did, it is not asked again. ")))" follows. */
extern void sql_asked(SqlText *s, const char *alias, const Crit *c);
extern void search_forget_asked(void);

/* ---- search_session.c ---- */
typedef void (*SearchFn)(SearchRequest *req, void *arg);
/* Calls fn with an empty request, in a context of its own, within SPI and fhir.search_timeout. */
extern void search_session(SearchFn fn, void *arg);

/* ---- search_run.c ---- */
/* Runs within SPI; rows in SPI_tuptable. limit 0: all. */
extern void search_run(SearchRequest *req, SqlText *s, const char *what);
/* Around every search: SPI and settings that suit it. An error undoes both. */
extern int search_begin(void);
/* 0, or when rights restrict what is seen: the number of the search that runs. */
extern uint64 search_caller(void);
extern void search_end(int level);
extern const char *search_ext_schema(void);
extern int64 search_now_micros(void);

/* ---- search_include.c ---- */
extern void search_includes(SearchRequest *req, SearchRow *matches, int nmatches, SearchRow **out, int *nout);
/* Lowest or highest text at a place, into *best (NULL: none yet). */
extern void search_texts(const KeyLeg *leg, JsonbContainer *doc, bool highest, char **best);
/* Texts that are strings at a place: urls, canonicals. */
extern void search_plain_texts(const KeySource *source, JsonbContainer *doc,
							   void (*fn)(const char *text, int len, void *arg), void *arg);
/* References held by `source` in doc, as "Type/id" of this store. version: of "Type/id/_history/version"; 0: none
 * is named; -1: not one that can be. */
typedef void (*SearchRefFn)(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg);
/* The resources that stand in a place themselves (KeySource.resources). */
extern void search_resources_inside(const KeySource *source, JsonbContainer *doc,
									void (*fn)(const JsonbValue *resource, void *arg), void *arg);
/* Literal references at a place, whatever they lead to. */
extern void search_plain_references(const KeySource *source, JsonbContainer *doc,
									void (*fn)(const char *ref, int len, void *arg), void *arg);
extern void search_local_reference(const char *ref, int len, const ModelTypeId *targets, SearchRefFn fn,
								   void *arg);
extern void search_references(const KeySource *source, const ModelTypeId *targets, JsonbContainer *doc,
							  SearchRefFn fn, void *arg);

/* ---- search_canonical.c ---- */
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
/* The same for the far end of a chain, whose criteria have been run. */
extern void search_canonical_chain(SearchRequest *req, const CritLink *link, Crit *keys);
/* Row i of SPI_tuptable: rid, type, id, version, last_updated. */
extern void search_take_row(SearchRow *row, const char *mode, uint64 i);

/* ---- search_rows.c ---- */
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

/* SQL spelling that no search_path can divert */
#define OP(o) " OPERATOR(pg_catalog." o ") "

#endif
