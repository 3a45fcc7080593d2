/*
 * interaction_internal.h: between the files of interaction: a call that writes, what every write goes through, and what follows from it.
 */
#ifndef FHIR_INTERACTION_INTERNAL_H
#define FHIR_INTERACTION_INTERNAL_H

#include "nodes/pg_list.h"

#include "access/access.h"
#include "check/check.h"
#include "interaction/interaction.h"
#include "search/search.h"
#include "store/pack/pack.h"

/* ---- a call that writes (writing.c) ---- */
typedef struct Writing {
	const Caller *caller;
	StoreCatalog *store;
	StoreWriter *rows;
	MemoryContext context; /* of the call */
	List *parameters;	   /* of int64 *: resource rows of SearchParameters that were written and concern the store's parameters */
	int64 culprit;		   /* the SearchParameter that search_parameter_settle looks at, or that it refuses; 0: none */
} Writing;
extern void writing_begin(Writing *w, const Caller *caller, const char *function);
/* Makes all rows, and looks at what has to hold once all is written. */
extern void writing_end(Writing *w);

/* ---- the seams of every write ---- */

/* A resource before or after a write. */
typedef struct InteractionState {
	const ModelType *type;
	const char *id;		 /* NULL: the server makes one */
	int32 version;		 /* 0: there is none (yet) */
	JsonbContainer *doc; /* NULL: deleted, or there is none */
	StoreRow *row;		 /* of what was there before; NULL: not looked up, or there is none */
	bool checked;		 /* its document has passed the checks of documents */
} InteractionState;

/*
 * Every check of a write, in order: structure; then (not looked at yet) profile, references, rights on what was there and on what shall be. old
 * NULL: what was there is not known yet; then only what concerns the new document alone is looked at, once: a write that is tried again after a
 * concurrent change does not repeat it. new->doc NULL: a delete. Raises FH422, or FH400 for what is no resource. (admit.c)
 */
extern void interaction_admit(Writing *w, const InteractionState *old, InteractionState *new);

/*
 * What follows from a write within its transaction, when its rows are made: side rows and the dictionary of texts, the store's search
 * parameters, dictionaries of documents. old NULL: the first version. (changed.c)
 */
extern void interaction_changed(Writing *w, const InteractionState *old, const InteractionState *new, int64 rid, const KeySet *keys);

/* ---- attempts within a call that writes (write.c, patch.c); false: concurrent change, try again with a new snapshot and lock ---- */
extern bool write_new(Writing *w, InteractionState *new, const KeySet *keys, char method, bool unique, StoreResult *out);
extern bool write_update(Writing *w, InteractionState *new, const KeySet *keys, const char *if_match, const char *if_none_match, char method,
						 bool lock, StoreResult *out);
extern bool write_delete(Writing *w, const ModelType *type, const char *id, const char *if_match, bool lock, StoreResult *out);
/* Applies a patch to the current version. */
extern bool write_patch(Writing *w, const ModelType *type, const char *id, Jsonb *patch, const char *if_match, StoreResult *out);
/* RFC 6902; and FHIRPath Patch (a Parameters resource). The document is not changed; errors are FH400 and FH422. */
extern Jsonb *patch_json(JsonbContainer *doc, JsonbContainer *patch);
extern Jsonb *patch_fhirpath(const ModelType *type, JsonbContainer *doc, JsonbContainer *patch);

/* ---- conditional interactions (conditional.c) ---- */
extern uint64 condition_key(const ModelType *type, const char *query);
/* To the end of the transaction. */
extern void condition_lock(uint64 key);
/* The one match as of now that the caller may see; false: none; more raise FH412. */
extern bool condition_match(const Caller *caller, const ModelType *type, const char *query, SearchMatch *match);
/* If-Match asks for a version of what a condition selects; without a match there is none: FH412. */
extern void condition_require_no_version(const ModelType *type, const char *query, const char *if_match);
extern void interaction_create_plain(const Caller *caller, Jsonb *doc, const ModelType *type, StoreResult *out);
extern void interaction_create_conditional(const Caller *caller, Jsonb *doc, const ModelType *type, const char *query, StoreResult *out);

/* If-Match and If-None-Match (NULL or empty: none) against the row, NULL when there is none; raises FH412 (preconditions.c). */
extern void interaction_check_preconditions(const ModelType *type, const char *id, const StoreRow *row, const char *if_match,
											const char *if_none_match);
/* The document with id, meta.versionId and meta.lastUpdated set. (stamp.c) */
extern Jsonb *interaction_stamp(JsonbContainer *doc, const char *id, int32 version, TimestampTz updated);
extern TimestampTz interaction_now(TimestampTz previous);

/* ---- SearchParameters as they are written (search_parameter.c) ---- */
/* One has got a new version (doc NULL: it was deleted): makes it live, changes it, or ends it. */
extern void search_parameter_written(Writing *w, int64 rid, const char *id, int32 version, JsonbContainer *doc);
/* At the end of a call: do the composites still have their components? Re-indexes those whose components have changed. */
extern void search_parameter_settle(Writing *w);

#endif
