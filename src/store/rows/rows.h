/*
 * rows.h: the one place that touches the tables of a store: finds a row by identity, reads versions, writes rows with their keys.
 */
#ifndef FHIR_STORE_ROWS_H
#define FHIR_STORE_ROWS_H

#include "base/base.h"

#include "access/htup.h"
#include "executor/tuptable.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "store/catalog/catalog.h"

/* ---- reading (rows_read.c) ---- */
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

/* False if absent (FH404's matter); deleted sets out->deleted. */
extern bool store_read(const ModelType *type, const char *id, StoreResult *out);
/* As FpContext.document: the current version that "Type/id", or the version that "Type/id/_history/3" names; NULL if there is none. */
extern Jsonb *store_resolve(void *unused, const char *reference, int len);
/* As store_read, but the resource is appended to text as compact JSON, and out->resource stays NULL. */
extern bool store_read_text(const ModelType *type, const char *id, StoreResult *out, StringInfo text);
/* Version ids are the numbers 1, 2, ...: the number, 0 for any other text, which names no version. */
extern int32 store_version_number(const char *s);
extern bool store_vread(const ModelType *type, const char *id, int32 version, StoreResult *out);
/* R4 id: [A-Za-z0-9\-\.]{1,64} */
extern bool store_id_valid(const char *id, int len);

/* Rows of `version` by (rid, version), by their locator where that hint holds, else by index (rows_version.c). */
/* Open between begin and end; an error closes it as it does every relation. */
typedef struct StoreVersions {
	Relation heap, index; /* index NULL: not needed so far */
	Oid index_oid;
	TupleTableSlot *slot; /* of a row found by index; NULL: none so far */
	HeapTupleData tuple;  /* of one found by its place */
	Buffer buffer;
	/* the row found last, until the next fetch */
	TimestampTz last_updated;
	Datum doc; /* in stored form (pack.h); 0: a delete */
} StoreVersions;

/* Of the current store; checks the right to read. */
extern void store_versions_begin(StoreVersions *v);
/* Sees the active snapshot the version? place: a hint, or NULL. */
extern bool store_versions_fetch(StoreVersions *v, int64 rid, int32 version, const ItemPointerData *locator);
extern void store_versions_end(StoreVersions *v);

/* ---- rows ---- */
typedef struct StoreRow {
	int64 rid;
	TimestampTz last_updated;
	int32 version;
	int64 side_sig;
	int16 key_version;
	bool deleted;
	ItemPointerData tid;
	ItemPointerData locator; /* of the version's row: a hint */
	Datum keys, refs, ord;	 /* as stored, pointing into the slot of the last find */
} StoreRow;

/*
 * The writer: one for each call that writes. Opens tables on first use, collects inserts and makes them in batches, keeps
 * the locks to the end of the transaction. Begin pushes a fresh snapshot; end flushes, pops it and increments the command counter.
 */
typedef struct StoreWriter StoreWriter;

extern StoreWriter *store_writer_begin(const char *function);
extern void store_writer_flush(StoreWriter *w);
extern void store_writer_end(StoreWriter *w);
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
extern ItemPointerData store_writer_locate_version(StoreWriter *w, const ModelType *type, int64 rid, int32 version, TimestampTz updated,
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
extern Jsonb *store_writer_document(StoreWriter *w, const StoreRow *row, ItemPointer locator);

/* Side rows (rows_side.c): make the side tables agree with the new keys. ord: resource.ord so far, 0 for a new resource. */
extern void store_side_insert(StoreWriter *w, int64 rid, const KeySet *keys);
extern void store_side_sync(StoreWriter *w, int64 rid, Datum ord, const KeySet *keys);
/*
 * The keys of a document as the store's parameters are now: `keys`, or *fresh when the parameters have changed since these were
 * extracted. Locks the table `resource` first: see catalog_params.c.
 */
extern const KeySet *store_writer_keys(StoreWriter *w, const ModelType *type, JsonbContainer *doc, const KeySet *keys, KeySet *fresh);
extern Datum store_int8_array(const void *values, int n);

/* Sets what lower layers ask of the store; from _PG_init. */
extern void store_init(void);

#endif
