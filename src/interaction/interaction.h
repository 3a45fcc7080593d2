/*
 * interaction.h: what FHIR calls interactions: create, read, update, patch, delete, history, conditional ones, Bundles.
 */
#ifndef FHIR_INTERACTION_H
#define FHIR_INTERACTION_H

#include "base/base.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "access/access.h"
#include "store/rows/rows.h"

/* Each raises the errors of its SQL function. `doc` is any parsed resource; id/meta.versionId/meta.lastUpdated in it are replaced. */
extern void interaction_create(const Caller *caller, Jsonb *doc, const char *if_none_exist, StoreResult *out);
/* if_match: ETag W/"3", "3" or 3; NULL none. Creates when absent (update-as-create). if_none_match "*": only create, else FH412. */
extern void interaction_update(const Caller *caller, Jsonb *doc, const char *if_match, const char *if_none_match, StoreResult *out);
extern void interaction_patch(const Caller *caller, const ModelType *type, const char *id, Jsonb *patch, const char *if_match, StoreResult *out);
/* Idempotent: absent or already deleted: out->deleted true and out->version 0 or the tombstone's. */
extern void interaction_delete(const Caller *caller, const ModelType *type, const char *id, const char *if_match, StoreResult *out);

/* The criteria of a condition that may be written with what they are about: "Type?criteria", "base/Type?criteria". Another type is FH400. */
extern const char *interaction_condition_query(const ModelType *type, const char *condition);
/* Conditional variants: query as in If-None-Exist. 0 matches: create/404, FH412 with if_match; 1: that one; more: FH412. */
extern void interaction_update_conditional(const Caller *caller, Jsonb *doc, const char *query, const char *if_match, const char *if_none_match, StoreResult *out);
extern void interaction_patch_conditional(const Caller *caller, const ModelType *type, const char *query, Jsonb *patch, const char *if_match, StoreResult *out);
extern void interaction_delete_conditional(const Caller *caller, const ModelType *type, const char *query, const char *if_match, StoreResult *out);

/* History Bundle; any of type, id may be NULL. query: _count, _since, _at, _sort, page cursor. */
/* lenient: parameters that are not understood are passed by. */
extern Jsonb *interaction_history(const Caller *caller, const ModelType *type, const char *id, const char *query, bool lenient);

/* What a Bundle's response says of each write beside its status: nothing, the resource as stored, an OperationOutcome. */
typedef enum InteractionReturn { INTERACTION_RETURN_MINIMAL,
								 INTERACTION_RETURN_RESOURCE,
								 INTERACTION_RETURN_OUTCOME,
} InteractionReturn;

/*
 * GET, or a search by POST, inside a batch/transaction ("Patient?name=x", "Patient/1", "Patient/1/_history", "Patient/_search").
 */
typedef struct BundleGet {
	const char *url;
	const char *form;		 /* of a search by POST; NULL: it is a GET */
	char *if_none_match;	 /* entity tags, NULL: none */
	char *if_modified_since; /* an instant, NULL: none */
} BundleGet;
/* Its result resource; NULL: the client has it, by its conditions. URLs are the affair of who hands this in. */
typedef Jsonb *(*BundleGetFn)(const Caller *caller, const BundleGet *get, StoreResult *meta);

/* batch/transaction Bundle -> response Bundle. */
extern Jsonb *interaction_bundle(const Caller *caller, Jsonb *bundle, InteractionReturn wanted, BundleGetFn get);

/* Reads: as the store does, for what the caller may see; the rest is as if it were not there. */
extern bool interaction_read(const Caller *caller, const ModelType *type, const char *id, StoreResult *out);
/* The resource is appended to text as compact JSON, and out->resource stays NULL. */
extern bool interaction_read_text(const Caller *caller, const ModelType *type, const char *id, StoreResult *out, StringInfo text);
extern bool interaction_vread(const Caller *caller, const ModelType *type, const char *id, int32 version, StoreResult *out);

/* ---- ids, version tags, errors (interaction_util.c) ---- */
/* Palloc'd text of an instant, as documents show it. */
extern char *interaction_instant(TimestampTz t);
extern void interaction_require_id(const char *id);
/* Does the list of entity tags (W/"3", "3", 3, *) that stood in `header` name the version? Raises FH400 for what is none. */
extern bool interaction_etags_name(const char *list, int32 version, const char *header);
extern const ModelType *interaction_require_type(const char *name, int len);
pg_noreturn extern void interaction_raise_unknown(const ModelType *type, const char *id);
pg_noreturn extern void interaction_raise_deleted(const ModelType *type, const char *id, int32 version, TimestampTz when);

#endif
