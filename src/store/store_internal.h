/*
 * store_internal.h: what the files of the store share: the per-backend catalog of a store's
 * relations, the writer, row look-ups and document helpers.
 */
#ifndef FHIR_STORE_INTERNAL_H
#define FHIR_STORE_INTERNAL_H

#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "keys/keys.h"
#include "store/store.h"

#define STORE_FORMAT 2 /* store_info 'format': layout of the tables */

/* ---- tables and their columns (attribute numbers - 1), see catalog_ddl.c ---- */
typedef enum StoreTable {
	STORE_RESOURCE,
	STORE_VERSION,
	STORE_ORDERED,
	STORE_STRING,
	STORE_TERM,
	STORE_WORD, /* a store that was made without it gets it when its keys are made anew; InvalidOid until then */
	STORE_NTABLES
} StoreTable;

enum { RES_RID,
	   RES_SIDE_SIG,
	   RES_PLACE,
	   RES_KEY_VERSION,
	   RES_UPDATED,
	   RES_VERSION,
	   RES_DELETED,
	   RES_TYPE,
	   RES_ID,
	   RES_KEYS,
	   RES_REFS,
	   RES_ORD,
	   RES_NATTS,
};
enum { VER_RID,
	   VER_UPDATED,
	   VER_VERSION,
	   VER_METHOD,
	   VER_TYPE,
	   VER_DOC,
	   VER_NATTS,
};
enum { ORD_KEY,
	   ORD_LO,
	   ORD_HI,
	   ORD_RID,
	   ORD_NATTS,
};
enum { STR_KEY,
	   STR_RID,
	   STR_VALUE,
	   STR_NATTS,
};
enum { TERM_KEY,
	   TERM_HASH,
	   TERM_VALUE,
	   TERM_NATTS,
};
enum { WORD_RID,
	   WORD_WORDS,
	   WORD_NATTS,
};

/* How the rows begin: columns of fixed length that are never null. Read so where a row is at hand on its page. */
typedef struct ResourceHead {
	int64 rid, side_sig;
	ItemPointerData place;
	int16 key_version;
	TimestampTz last_updated;
	int32 version;
	bool deleted;
} ResourceHead;
typedef struct VersionHead {
	int64 rid;
	TimestampTz last_updated;
	int32 version;
	char method;
} VersionHead;
StaticAssertDecl(offsetof(ResourceHead, place) == 16 && offsetof(ResourceHead, key_version) == 22 && offsetof(ResourceHead, last_updated) == 24 &&
					 offsetof(ResourceHead, deleted) == 36,
				 "as the columns are aligned");

/* Indexes that the store scans itself. */
typedef enum StoreIndex {
	STORE_IDX_IDENTITY, /* resource (type, id) */
	STORE_IDX_RID,		/* resource (rid) */
	STORE_IDX_VERSION,	/* version (rid, version) */
	STORE_IDX_ORDERED,	/* ordered (key, lo, hi, rid) */
	STORE_IDX_STRING,	/* string (rid) */
	STORE_IDX_TERM,		/* term (key, hash) */
	STORE_IDX_WORD,		/* word (rid) */
	STORE_NINDEXES
} StoreIndex;

/* What one backend knows of one store. Valid until the next look-up; its OIDs stay right while a relation is locked. */
typedef struct StoreCatalog {
	char name[NAMEDATALEN]; /* hash key */
	bool valid;
	Oid namespace;
	Oid table[STORE_NTABLES];
	Oid index[STORE_NINDEXES];
	Oid rid_sequence;
	Oid params;			   /* search_param; InvalidOid in a store that was made without it */
	bool params_valid;	   /* user is what that table says */
	KeyUserSet *user;	   /* parameters added by users; NULL: none */
	uint64 params_digest;  /* of what user was made from */
	bool keys_stale;	   /* rows may have keys of an older format */
	Oid dictionary;		   /* dictionary; InvalidOid in a store that was made without it */
	bool dictionary_known; /* the four below are what that table says */
	bool dictionary_any;
	int32 dictionary_id;	/* the newest */
	int64 dictionary_due;	/* rid from which on another one shall be trained */
	int64 dictionary_asked; /* step of rids at which a worker was wanted last */
	Oid dictionary_user;	/* who is known to have the right to use them */
	Oid acl_user;			/* whose rights are known */
	uint32 acl_known;		/* bit (table * 2): SELECT, (table * 2 + 1): INSERT, UPDATE, DELETE */
	char quoted[NAMEDATALEN * 2 + 3];
	char link_key[72]; /* "": there is none */
} StoreCatalog;

extern StoreCatalog *store_catalog(void);
/* The same, but NULL if there is no such store. */
extern StoreCatalog *store_catalog_if_any(void);
/* A number of store_info, or -1; by the newest snapshot. */
extern int64 store_info_number(StoreCatalog *cat, const char *name);
/* Of all rows of the store, by the newest snapshot. */
extern int store_key_version(StoreCatalog *cat);
/* Raises 42501 unless the current user may read (or change) a table of the store. */
extern void store_check_acl(StoreCatalog *cat, StoreTable table, bool write);
/* Is there a store of that name? */
extern bool store_exists(const char *name);

/* ---- rows ---- */
typedef struct StoreRow {
	int64 rid;
	TimestampTz last_updated;
	int32 version;
	int64 side_sig;
	int16 key_version;
	bool deleted;
	ItemPointerData tid;
	ItemPointerData place; /* of the version's row: a hint */
	Datum keys, refs, ord; /* as stored, pointing into the slot of the last find */
} StoreRow;

/*
 * The writer: one for each call that writes. Opens tables on first use, collects inserts and makes them in batches, keeps
 * the locks to the end of the transaction. Begin pushes a fresh snapshot; end flushes, pops it and increments the command counter.
 */
typedef struct StoreWriter StoreWriter;

extern StoreWriter *store_writer_begin(const char *function);
extern void store_writer_flush(StoreWriter *w);
extern void store_writer_end(StoreWriter *w);
/* When that raised: the resource row of the SearchParameter that it is about; 0: it is about none. */
extern int64 store_writer_culprit(const StoreWriter *w);
extern StoreCatalog *store_writer_catalog(StoreWriter *w);
/* A newer snapshot, where the isolation level allows (READ COMMITTED). */
extern void store_writer_snapshot(StoreWriter *w);

/* The current row of a resource; lock: wait for concurrent changes and lock the latest version. */
extern bool store_writer_find(StoreWriter *w, const ModelType *type, const char *id, bool lock, StoreRow *row);
extern int64 store_writer_next_rid(StoreWriter *w);
/* First version of a resource whose id is new for certain (server-made): its row and the version's. */
extern void store_writer_insert_new(StoreWriter *w, const ModelType *type, const StoreRow *row, const char *id, const KeySet *keys,
									char method, Jsonb *doc);
/*
 * A version's row without index entries, so that its place is known before the resource's row is written: then either _index, or _undo if
 * the resource has been changed by another transaction. One at a time.
 */
extern ItemPointerData store_writer_place_version(StoreWriter *w, const ModelType *type, int64 rid, int32 version, TimestampTz updated,
												  char method, Jsonb *doc);
extern void store_writer_index_version(StoreWriter *w);
extern void store_writer_undo_version(StoreWriter *w);
/* New resource row; false if another transaction was first. */
extern bool store_writer_insert_resource(StoreWriter *w, const ModelType *type, const StoreRow *row, const char *id,
										 const KeySet *keys);
/* The row (found before) becomes what next says. False: changed by a concurrent transaction, look it up again. */
extern bool store_writer_update_resource(StoreWriter *w, const ModelType *type, const StoreRow *row, const StoreRow *next,
										 const char *id, const KeySet *keys);
extern void store_writer_insert_ordered(StoreWriter *w, const OrderedKey *k, int64 rid);
extern void store_writer_insert_string(StoreWriter *w, const StringKey *k, int64 rid);
extern void store_writer_insert_term(StoreWriter *w, const TermKey *k);
extern void store_writer_insert_words(StoreWriter *w, const struct varlena *words, int64 rid);
extern void store_writer_delete_ordered(StoreWriter *w, const OrderedKey *k, int64 rid);
/* Deletes those string rows of rid that are not in keep (sorted), and marks in found[] those that are. */
extern void store_writer_sync_strings(StoreWriter *w, int64 rid, const StringKey *keep, int nkeep, bool *found);
/* The same of word rows. */
extern void store_writer_sync_words(StoreWriter *w, int64 rid, struct varlena *const *keep, int nkeep, bool *found);
/* Has the store the table of words? Asks anew, where it had not: call it with a lock on `resource`. */
extern bool store_writer_has_words(StoreWriter *w);
extern bool store_writer_term_known(StoreWriter *w, const TermKey *k);
/* Document of a row's version, NULL for a delete; and where it really is, if place is given. */
extern Jsonb *store_writer_document(StoreWriter *w, const StoreRow *row, ItemPointer place);

/* Side rows (rows_side.c): make the side tables agree with the new keys. ord: resource.ord so far, 0 for a new resource. */
extern void store_side_insert(StoreWriter *w, int64 rid, const KeySet *keys);
extern void store_side_sync(StoreWriter *w, int64 rid, Datum ord, const KeySet *keys);

/* Makes the table of words, of dictionaries, for a store that has none. Within SPI. (catalog_ddl.c) */
extern void store_add_word_table(StoreCatalog *cat);
extern void store_add_dictionary_table(StoreCatalog *cat);

/* Tables as opened for writing, with the indexes' descriptions kept by the backend (rows_open.c). */
typedef struct StoreOpen {
	Relation rel;
	ResultRelInfo *result;
} StoreOpen;
extern void store_open_table(StoreCatalog *cat, StoreTable table, StoreOpen *out);
extern void store_close_table(StoreOpen *open);
extern Relation store_open_index(StoreCatalog *cat, StoreIndex index, StoreOpen *open);

/* ---- reading (rows_read.c) ---- */
extern bool store_index_row(Relation heap, Relation index, Snapshot snapshot, TupleTableSlot *slot, int nkeys, ScanKey keys);
extern void store_identity_keys(ScanKey keys, const ModelType *type, const char *id);
extern bool store_identity_fetch(Relation rel, Relation index, Snapshot snapshot, ScanKey keys, bool for_update, HeapTuple tuple,
								 Buffer *buffer);

/* ---- documents (json_edit.c) ---- */
typedef struct DocMember {
	const char *key;
	int keylen;
	bool remove;
	JsonbValue value; /* string, numeric, bool, null or jbvBinary */
} DocMember;

/* Copy of an object (NULL: empty) with members replaced, added or removed; m sorted by (length, bytes). */
extern Jsonb *store_doc_splice(JsonbContainer *src, const DocMember *m, int n);
/* Members of an object, elements of an array: values point into the container. Return how many. */
extern int store_doc_members(JsonbContainer *c, DocMember **out);
extern int store_doc_elements(JsonbContainer *c, JsonbValue **out);
extern Jsonb *store_doc_array(const JsonbValue *elems, int n);
extern void store_doc_set_binary(JsonbValue *v, Jsonb *j);
/* The document with id, meta.versionId and meta.lastUpdated set. */
extern Jsonb *store_doc_stamp(JsonbContainer *doc, const char *id, int32 version, TimestampTz updated);
extern TimestampTz store_now(TimestampTz previous);

/* ---- writing within a writer (write.c); false: concurrent change, try again with a new snapshot and lock ---- */
extern bool store_write_new(StoreWriter *w, const ModelType *type, const char *id, JsonbContainer *doc, const KeySet *keys,
							char method, bool unique, StoreResult *out);
extern bool store_write_update(StoreWriter *w, const ModelType *type, const char *id, JsonbContainer *doc, const KeySet *keys,
							   const char *if_match, const char *if_none_match, char method, bool lock, StoreResult *out);
extern bool store_write_delete(StoreWriter *w, const ModelType *type, const char *id, const char *if_match, bool lock,
							   StoreResult *out);

/* Applies a patch to the current version. False: concurrent change. */
extern bool store_write_patch(StoreWriter *w, const ModelType *type, const char *id, Jsonb *patch, const char *if_match,
							  StoreResult *out);
/* RFC 6902; and FHIRPath Patch (a Parameters resource). The document is not changed; errors are FH400 and FH422. */
extern Jsonb *store_json_patch(JsonbContainer *doc, JsonbContainer *patch);
extern Jsonb *store_fhirpath_patch(const ModelType *type, JsonbContainer *doc, JsonbContainer *patch);

/* Do stored and new keys differ, or the format that they were made by? (rows_resource.c) */
extern bool store_row_keys_differ(const StoreRow *row, const KeySet *keys);
extern void store_read_row(TupleTableSlot *slot, StoreRow *row);

/* ---- search parameters of users (params.c, params_write.c, reindex.c) ---- */
extern void store_params_init(void);
/* The set of the entry is not needed any more once the transaction ends. */
extern void store_params_forget(StoreCatalog *cat);
/*
 * The keys of a document as the store's parameters are now: `keys`, or *fresh when the parameters have changed since these were
 * extracted. Locks the table `resource` first: see params.c.
 */
extern const KeySet *store_params_keys(StoreWriter *w, const ModelType *type, JsonbContainer *doc, const KeySet *keys, KeySet *fresh);
/* A SearchParameter has got a new version (doc NULL: it was deleted): makes it live, changes it, or ends it. */
extern void store_params_written(StoreWriter *w, int64 rid, const char *id, int32 version, JsonbContainer *doc);
/* At the end of a writer: do the composites still have their components? Re-indexes those whose components have changed. */
extern void store_params_settle(StoreWriter *w);
/* Starts a worker when this transaction commits. */
extern void store_reindex_want(void);
/* Is someone at work on the store's keys? */
extern bool store_reindex_running(StoreCatalog *cat);
/* SPI with a search path that nobody can divert; raises unless the result is `expected`. */
extern void store_spi(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls, bool read_only, int expected);

/* ---- background workers (worker.c) ---- */
typedef enum StoreWorkerKind {
	STORE_WORKER_REINDEX,
	STORE_WORKER_DICTIONARY,
	STORE_NWORKERS
} StoreWorkerKind;
/* Advisory locks of a store, which pg_advisory_lock() never meets; and which of them is the trainer's (the others: reindex.h). */
#define STORE_LOCK_CLASS 8127
#define STORE_LOCK_TRAINER 3
/* Starts a worker for the current store when this transaction commits. */
extern void store_worker_want(StoreWorkerKind kind);

/* ---- dictionaries of documents (dictionary.c) ---- */
#define STORE_DICTIONARY_STEP 4096
/* Is a new rid one of those at which it is asked whether a dictionary is due? A session takes them 32 at a time, and may leave most of them. */
#define store_dictionary_step(rid) ((uint64) (rid) % STORE_DICTIONARY_STEP - 1 < 32)
/* A resource of that rid has been made: starts a worker on commit if it is time for a new dictionary. */
extern void store_dictionary_grown(StoreCatalog *cat, int64 rid);

/* ---- conditional interactions (conditional.c) ---- */
extern uint64 store_condition_hash(const ModelType *type, const char *query);
/* To the end of the transaction. */
extern void store_condition_lock(uint64 hash);
/* The one match as of now; false: none; more raise FH412. */
extern bool store_match_one(const ModelType *type, const char *query, StoreMatch *match);
/* If-Match asks for a version of what a condition selects; without a match there is none: FH412. */
extern void store_require_no_version(const ModelType *type, const char *query, const char *if_match);
extern void store_create_plain(Jsonb *doc, const ModelType *type, StoreResult *out);
extern void store_create_conditional(Jsonb *doc, const ModelType *type, const char *query, StoreResult *out);

/* ---- small things (interaction_util.c) ---- */
extern Jsonb *store_outcome(const char *severity, const char *code, const char *diagnostics);
/* Palloc'd text of an instant, as documents show it. */
extern char *store_instant(TimestampTz t);
extern bool store_id_valid(const char *id, int len);
extern void store_require_id(const char *id);
/* Does the list of entity tags (W/"3", "3", 3, *) that stood in `header` name the version? Raises FH400 for what is none. */
extern bool store_etags_name(const char *list, int32 version, const char *header);
/* If-Match and If-None-Match (NULL or empty: none) against the row, NULL when there is none; raises FH412 (write.c). */
extern void store_check_preconditions(const ModelType *type, const char *id, const StoreRow *row, const char *if_match,
									  const char *if_none_match);
extern const ModelType *store_require_type(const char *name, int len);
pg_noreturn extern void store_raise_unknown(const ModelType *type, const char *id);
/* Forgets which dictionary rows are known to be committed (writer.c). */
extern void store_terms_forget(void);
pg_noreturn extern void store_raise_deleted(const ModelType *type, const char *id, int32 version, TimestampTz when);

#endif
