/*
 * bundle.h: a batch or transaction Bundle while it is processed.
 */
#ifndef FHIR_INTERACTION_BUNDLE_H
#define FHIR_INTERACTION_BUNDLE_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "interaction/interaction_internal.h"

/* In the order of processing. */
typedef enum BundleMethod { BUNDLE_DELETE,
							BUNDLE_POST,
							BUNDLE_PUT,
							BUNDLE_PATCH,
							BUNDLE_GET,
							BUNDLE_HEAD,
} BundleMethod;

typedef struct BundleEntry {
	int index;
	BundleMethod method;
	char *full_url;		   /* NULL: none */
	char *url;			   /* as given, relative to the base */
	char *form;			   /* of a search by POST, which is taken as a GET; NULL: it is none */
	const char *condition; /* query of a conditional interaction, or ifNoneExist; NULL: none */
	uint64 condition_hash;
	char *if_match, *if_none_match, *if_modified_since;
	JsonbContainer *resource; /* NULL: none */
	const ModelType *type;	  /* NULL for GET */
	char id[FHIR_ID_MAX + 1];
	bool matched;  /* the condition selected `id` */
	int32 version; /* that the entry leaves, 0 unknown yet */
	bool found;	   /* the row existed when it was locked */
	StoreResult result;
	Jsonb *answer; /* of GET, or an OperationOutcome */
	int status;	   /* HTTP status, 0: by result */
} BundleEntry;

typedef struct Bundle {
	MemoryContext context;
	bool transaction;
	InteractionReturn wanted;
	int n;
	BundleEntry *entries;
	HTAB *full_urls;  /* hash of a fullUrl -> entry */
	HTAB *conditions; /* hash of (type, condition) -> the last entry that is created if nothing matches */
	HTAB *references; /* conditional references resolved so far */
	Writing writing;
	const Caller *caller;
	BundleGetFn get;
} Bundle;

/* Reads and checks the Bundle's form. Raises FH400 with the entry's place. */
extern void bundle_parse(Bundle *b, JsonbContainer *doc);
/* One entry, in a batch. */
extern void bundle_parse_entry(Bundle *b, BundleEntry *e);

/* Calls fn for an entry; an error is raised again with the entry's place in its message and expressions. */
extern void bundle_do(Bundle *b, BundleEntry *e, void (*fn)(Bundle *b, BundleEntry *e));

/* Raises the caught error again, with the entry's place. */
pg_noreturn extern void bundle_raise(Bundle *b, const BundleEntry *e);
/* Where an expression of an entry's error stands in the Bundle. */
extern const char *bundle_place(const BundleEntry *e, const char *expression);

/* May the entry bring a new resource, if its condition matches nothing? */
static inline bool
bundle_creates(const BundleEntry *e)
{
	return e->method == BUNDLE_POST || e->method == BUNDLE_PUT;
}

/* References (references.c) */
extern void references_init(Bundle *b);
/* The entry's resource with all links to entries of the Bundle, and conditional references, resolved. */
extern JsonbContainer *references_rewrite(Bundle *b, BundleEntry *e);

/* The response Bundle (response.c) */
extern Jsonb *bundle_response(const Bundle *b);
extern Jsonb *interaction_error_outcome(const ErrorData *edata);

/* Order of identities, by type and id: in it rows are locked. */
extern int bundle_compare(const BundleEntry *x, const BundleEntry *y);
/* All conditions' locks, in order of their hashes, before any match is looked for. */
extern void bundle_lock_conditions(BundleEntry **entries, int nentries);

/* A search by POST (bundle_search.c): is that what the URL asks for? The parameters in its resource (NULL: none), as a form. */
extern bool bundle_is_search(const char *url);
extern char *bundle_form(JsonbContainer *resource);

extern void bundle_batch(Bundle *b);
extern void bundle_get(Bundle *b, BundleEntry *e);
/* Patch of an entry: Parameters, or a Binary that holds JSON Patch. */
extern Jsonb *bundle_patch(BundleEntry *e);

#endif
