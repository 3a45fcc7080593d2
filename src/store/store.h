/*
 * store.h: reading and writing resources of the current store (GUC fhir.store).
 *
 * Tables of a store (layout B, see docs/design.md):
 *   resource(rid, type, id, version, last_updated, deleted, key_version, side_sig, place, keys, refs, ord)   one row per logical resource, HOT
 *   version(rid, version, type, last_updated, method, doc)                            append-only; doc NULL for a delete
 *   dictionary(id, made, rid, samples, data)                                           what documents are packed with
 *   ordered(key, lo, hi, rid)   string(key, value, rid)   term(key, value, hash)      search keys (keys.h)
 *
 * resource.ord bigint[] NOT NULL DEFAULT '{}': KeySet.ordered again, flat: key, lo, hi, key, lo, hi ... in its order. Search checks and
 * sorts the rows it has found by these without an index by rid on `ordered`; and an update deletes the old `ordered` rows
 * by their exact (key, lo, hi, rid). rid, type, id text/"C"; a deleted resource has empty keys, refs and ord.
 *
 * Indexes that search relies on:
 *   resource: PRIMARY KEY (rid), UNIQUE (type, id), GIN (keys)
 *   version:  PRIMARY KEY (rid, version), (type, last_updated)  -- a resource's times strictly increase
 *   ordered:  (key, lo, hi, rid); and of the few long intervals (key, hi, lo, rid) WHERE hi / 2 - lo / 2 > 43200000000
 *   string:   (key, left(value, 100), rid), (rid), GIN (value gin_trgm_ops)
 *   term:     PRIMARY KEY (key, hash) or the like, GIN (value gin_trgm_ops)
 */
#ifndef FHIR_STORE_H
#define FHIR_STORE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "model/model.h"

#define FHIR_ID_MAX 64

typedef struct StoreResult {
	const ModelType *type;
	char id[FHIR_ID_MAX + 1];
	int32 version;
	int64 rid;
	TimestampTz last_updated;
	bool created;	 /* a first version, or one after a delete */
	bool unchanged;	 /* no-op: no new version was made */
	bool deleted;	 /* the version is a delete; resource is NULL */
	Jsonb *resource; /* as stored, with id and meta; palloc'd */
} StoreResult;

/* Each raises the errors of its SQL function. `doc` is any parsed resource; id/meta.versionId/meta.lastUpdated in it are replaced. */
extern void store_create(Jsonb *doc, const char *if_none_exist, StoreResult *out);
/* if_match: ETag W/"3", "3" or 3; NULL none. Creates when absent (update-as-create). if_none_match "*": only create, else FH412. */
extern void store_update(Jsonb *doc, const char *if_match, const char *if_none_match, StoreResult *out);
extern void store_patch(const ModelType *type, const char *id, Jsonb *patch, const char *if_match, StoreResult *out);
/* Idempotent: absent or already deleted: out->deleted true and out->version 0 or the tombstone's. */
extern void store_delete(const ModelType *type, const char *id, const char *if_match, StoreResult *out);
/* False if absent (FH404's matter); deleted sets out->deleted. */
extern bool store_read(const ModelType *type, const char *id, StoreResult *out);
/* As store_read, but the resource is appended to text as compact JSON, and out->resource stays NULL. */
extern bool store_read_text(const ModelType *type, const char *id, StoreResult *out, StringInfo text);
/* Version ids are the numbers 1, 2, ...: the number, 0 for any other text, which names no version. */
extern int32 store_version_number(const char *s);
extern bool store_vread(const ModelType *type, const char *id, int32 version, StoreResult *out);

/* The criteria of a condition that may be written with what they are about: "Type?criteria", "base/Type?criteria". Another type is FH400. */
extern const char *store_condition_query(const ModelType *type, const char *condition);
/* Conditional variants: query as in If-None-Exist. 0 matches: create/404, FH412 with if_match; 1: that one; more: FH412. */
extern void store_update_conditional(Jsonb *doc, const char *query, const char *if_match, const char *if_none_match, StoreResult *out);
extern void store_patch_conditional(const ModelType *type, const char *query, Jsonb *patch, const char *if_match, StoreResult *out);
extern void store_delete_conditional(const ModelType *type, const char *query, const char *if_match, StoreResult *out);

/* History Bundle; any of type, id may be NULL. query: _count, _since, _at, _sort, page cursor. */
/* lenient: parameters that are not understood are passed by. */
extern Jsonb *store_history(const ModelType *type, const char *id, const char *query, bool lenient);

/* What a Bundle's response says of each write beside its status: nothing, the resource as stored, an OperationOutcome. */
typedef enum StoreReturn { STORE_RETURN_MINIMAL,
						   STORE_RETURN_RESOURCE,
						   STORE_RETURN_OUTCOME,
} StoreReturn;

/* batch/transaction Bundle -> response Bundle. Interactions other than writes and reads go through hooks below. */
extern Jsonb *store_transaction(Jsonb *bundle, StoreReturn wanted);

/* Structural check against the model: raises FH422 (or FH400 for wrong JSON shapes) with all findings, cap fhir.max_issues. Returns the type. */
extern const ModelType *store_check(JsonbContainer *doc);

/* ---- what lower layers offer upwards, set by them at load ---- */
typedef struct StoreMatch {
	int64 rid;
	char id[FHIR_ID_MAX + 1];
} StoreMatch;
/* Matches of a search in a fresh snapshot, at most max; returns how many (max + 1 means more). Set by search. */
extern int (*store_match_hook)(const ModelType *type, const char *query, StoreMatch *out, int max);
/*
 * GET, or a search by POST, inside a batch/transaction ("Patient?name=x", "Patient/1", "Patient/1/_history", "Patient/_search"): result resource; NULL: the client has it, by its
 * conditions. Set by rest.
 */
typedef struct StoreGet {
	const char *url;
	const char *form;		 /* of a search by POST; NULL: it is a GET */
	char *if_none_match;	 /* entity tags, NULL: none */
	char *if_modified_since; /* an instant, NULL: none */
} StoreGet;
extern Jsonb *(*store_get_hook)(const StoreGet *get, StoreResult *meta);

/* Sets the hooks of lower layers; from _PG_init. */
extern void store_init(void);

/* How far the keys of a user's search parameter are: text for a hint, NULL if nothing is known. rid: KeyUserParam.rid. */
extern char *store_params_progress(int64 rid);
/* Have rows of the store keys of an older format, until they are re-indexed? Searches by keys would miss them. */
extern bool store_keys_stale(void);

/* Its schema. */
extern Oid store_namespace(void);
/* Quoted schema of the current store ("fhir"), checked to exist and be a store; cached, invalidated on change. */
extern const char *store_schema(void);
/* What seals the links of the current store's searches: a secret text, the same on replicas and in dumps. */
extern const char *store_link_key(void);

#endif
