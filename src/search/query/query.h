/*
 * query.h: from the text of a search to a SearchRequest of criteria.
 */
#ifndef FHIR_SEARCH_QUERY_H
#define FHIR_SEARCH_QUERY_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "keys/keys.h"
#include "model/model.h"
#include "search/search.h"

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
	CRIT_CONTAINED, /* contains a resource that satisfies a program of match_contained.c */
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
	uint64 position;   /* ORDERED, single: where that stands, see search_element_position */
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
	int64 question; /* HAS: number of referrers_register */
	double asking;	/* HAS, CHAIN, REFERRED: microseconds to ask a row of the search, */
	double listing; /* HAS, CHAIN: and to list what it is asked for */
	Crit *original; /* REFERRED: the _has */
	bool per_row;	/* CHAIN: found to have many at its end */
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
	int count_given;
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
	int64 program;		  /* criteria on contained resources (match_contained.c) */
	Crit *own;			  /* CONTAINED_BOTH: the criteria on resources of their own */
	bool own_ready;
	const ModelType **inside_types; /* _contained: what is searched; types are those of the containers */
	int ninside_types;
	bool sort_explained; /* fhir_explain has shown how an order looks up what documents refer to */

	Crit **where; /* AND */
	int nwhere;
	List *ignored; /* of char *: what handling=lenient left out */
	List *explain; /* of char *: steps already run, collected for fhir_explain; unless NULL context */
	bool explaining, analyze;
	MemoryContext context; /* of the request: outlives every step */
	int64 known_total;	   /* counted beside the page, -1 if not */
	bool all_listed;	   /* plan_subqueries has run for every match */
	double walked_rows;	   /* about how many resources of the types there are */
} SearchRequest;

/* ---- query_parse.c ---- */
extern void search_parse(SearchRequest *req, const char *query);
/* req->types by name, once each. */
extern void search_sort_types(SearchRequest *req);
/* Splits at unescaped `sep`; parts keep their escapes. Returns the number of parts (>= 1). */
extern int search_split(const char *s, char sep, char ***parts);
/* Removes the escapes: \, \| \$ and \\ (palloc'd). */
extern char *search_unescape(const char *s);
/* Nearest of the candidates offered, as a hint; NULL if nothing is near. */
typedef struct SearchNearest {
	const char *name;
	const char *best;
	int distance;
} SearchNearest;
extern void search_nearest_offer(SearchNearest *n, const char *candidate);

/* ---- query_resolve.c ---- */
extern void search_resolve(SearchRequest *req);
extern const KeyParam *search_param(const ModelType *t, const char *code, int len);
/* Has a value in this place. */
extern Crit *search_present(const KeyLeg *leg);
/* Was a parameter looked up that a user has added? Since the last call with reset. */
extern bool search_met_user_param(bool reset);
extern const KeyParam *search_require_param(const ModelType *t, const char *code);
/* A name of a criterion:  code[:modifier]  |  reference[:Type].rest */
typedef struct SearchName {
	const char *code;	  /* up to the first ':' or '.' */
	const char *modifier; /* between ':' and '.', NULL if none */
	const char *rest;	  /* after '.', NULL if no chain */
} SearchName;
extern SearchName search_split_name(const char *name);

/* ---- query_chain.c ---- */
extern Crit *search_chain(SearchRequest *req, const ModelType *t, const SearchName *name, const char *value,
						  int depth);
extern bool search_target_allowed(const ModelTypeId *targets, const ModelType *t);

/* ---- query_crit.c ---- */
extern Crit *crit_new(CritKind kind);
extern Crit *crit_join(CritKind kind, Crit *a, Crit *b);
extern void crit_add_key(Crit *c, uint64 key);
extern void crit_add_value(Crit *c, char *value);
extern void crit_add_box(Crit *c, uint64 key, int64 lo_min, int64 lo_max, int64 hi_min, int64 hi_max);

/* ---- query_value.c ---- */

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

/* ---- query_ordered.c ---- */

/* ---- query_near.c ---- */
extern PGDLLEXPORT Datum fhir_near(PG_FUNCTION_ARGS);

/* ---- query_text.c ---- */
typedef struct SqlText SqlText;
/* A word that is decided on the document. */
extern Crit *search_text_on_document(const char *code, const char *text);

/* ---- query_sort.c ---- */
/* Which element of a resource holds the one value of this source: the same for all types of a choice; 0: it may hold several. */
extern uint64 search_element_position(const KeySource *source);
extern Oid search_sort_type(const SearchSort *sort);

typedef struct SearchRow SearchRow;
typedef struct SearchPage SearchPage;
/* ---- query_cursor.c ---- */
typedef struct SearchCursor {
	bool backward;
	bool from_end; /* backward, from behind the last match: no place */
	const char *type, *id;
	int part; /* within the row (plan_contained_page.c), -1: none; then the row itself is still to be looked at */
	Datum *values;
	bool *nulls;
} SearchCursor;

/* False: the page begins at no place. */
extern bool search_cursor_read(const SearchRequest *req, SearchCursor *out);
/* row NULL: backward from the end. */
extern char *search_cursor_write(const SearchRequest *req, const SearchRow *row, bool backward);

/* ---- match_score.c ---- */
extern int search_score_texts(const SearchRequest *req, char ***out);

#endif
