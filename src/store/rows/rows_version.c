/*
 * rows_version.c: rows of `version`: read by their place, written so that their place is known.
 *
 * resource.place is the physical place (ctid) of the current version's row, so that a read needs no look-up in version_pkey. It is a
 * hint and nothing more: VACUUM FULL, CLUSTER or a restore move rows, and a vacuumed place may hold another one. So whatever is found
 * there counts only if it is visible to the snapshot and is the wanted (rid, version), which is unique; else the index is probed.
 * fhir_reindex(everything => true) puts all hints right.
 *
 * Writers put the version's row into its table first, then the resource's row with its place, then the version's index entries: two
 * transactions that change a resource at a time meet at the resource's row, never in version_pkey. Who loses takes the
 * version's row back.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ---- reading ---- */

/*
 * Is there such a block? A table shrinks only under an AccessExclusiveLock, and that reaches all before (smgrtruncate):
 * so under our lock the length that the backend has seen last holds, and only what lies beyond must ask the kernel.
 */
static bool
block_exists(Relation heap, BlockNumber block)
{
	BlockNumber known = FhirKnownBlocks(heap);

	return (known != InvalidBlockNumber && block < known) || block < RelationGetNumberOfBlocks(heap);
}

/*
 * Is the version where the hint says, and visible? Then its row is in the buffer, pinned. heap_fetch takes the predicate lock of
 * SERIALIZABLE on it; that the index is not probed misses nothing, as a version that exists never changes.
 */
static bool
locator_fetch(Relation heap, Snapshot snapshot, const ItemPointerData *locator, int64 rid, int32 version, HeapTuple tuple, Buffer *buffer)
{
	const VersionHead *head;

	tuple->t_self = *locator;
	if (!ItemPointerIsValid(locator) || heap->rd_tableam != GetHeapamTableAmRoutine() ||
		!block_exists(heap, ItemPointerGetBlockNumber(locator)) || !FhirHeapFetch(heap, snapshot, tuple, buffer))
		return false;
	head = (VersionHead *) GETSTRUCT(tuple);
	if (head->rid == rid && head->version == version)
		return true;
	ReleaseBuffer(*buffer);
	return false;
}

static bool
index_fetch(Relation heap, Relation index, Snapshot snapshot, int64 rid, int32 version, TupleTableSlot *slot)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(rid));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	if (!store_index_row(heap, index, snapshot, slot, 2, keys))
		return false;
	slot_getallattrs(slot);
	return true;
}

void
store_versions_begin(StoreVersions *v)
{
	StoreCatalog *cat = store_catalog();

	store_check_acl(cat, STORE_VERSION, false);
	v->index_oid = cat->index[STORE_IDX_VERSION];
	v->index = NULL;
	v->heap = table_open(cat->table[STORE_VERSION], AccessShareLock);
	v->slot = NULL;
	v->buffer = InvalidBuffer;
}

static void
release_buffer(StoreVersions *v)
{
	if (BufferIsValid(v->buffer))
		ReleaseBuffer(v->buffer);
	v->buffer = InvalidBuffer;
}

bool
store_versions_fetch(StoreVersions *v, int64 rid, int32 version, const ItemPointerData *locator)
{
	bool isnull;

	release_buffer(v);
	if (locator && locator_fetch(v->heap, GetActiveSnapshot(), locator, rid, version, &v->tuple, &v->buffer)) {
		v->last_updated = ((VersionHead *) GETSTRUCT(&v->tuple))->last_updated;
		v->doc = heap_getattr(&v->tuple, VER_DOC + 1, RelationGetDescr(v->heap), &isnull);
	} else {
		v->buffer = InvalidBuffer;
		if (!v->index)
			v->index = index_open(v->index_oid, AccessShareLock);
		if (!v->slot)
			v->slot = table_slot_create(v->heap, NULL);
		if (!index_fetch(v->heap, v->index, GetActiveSnapshot(), rid, version, v->slot))
			return false;
		v->last_updated = DatumGetTimestampTz(v->slot->tts_values[VER_UPDATED]);
		v->doc = v->slot->tts_values[VER_DOC];
		isnull = v->slot->tts_isnull[VER_DOC];
	}
	if (isnull)
		v->doc = (Datum) 0;
	return true;
}

/* Locks stay to the end of the transaction, as those of a statement. */
void
store_versions_end(StoreVersions *v)
{
	release_buffer(v);
	if (v->slot)
		ExecDropSingleTupleTableSlot(v->slot);
	if (v->index)
		index_close(v->index, NoLock);
	table_close(v->heap, NoLock);
}

Jsonb *
store_writer_document(StoreWriter *w, const StoreRow *row, ItemPointer locator)
{
	WriterTable *t = store_writer_table(w, STORE_VERSION);
	HeapTupleData tuple;
	Buffer buffer;
	Datum stored;
	bool isnull;
	Jsonb *doc;

	store_check_acl(w->cat, STORE_VERSION, false);
	/* The resource's row is locked or was seen by a snapshot: its version is committed, and never changes. */
	if (locator_fetch(t->open.rel, SnapshotSelf, &row->locator, row->rid, row->version, &tuple, &buffer)) {
		stored = heap_getattr(&tuple, VER_DOC + 1, RelationGetDescr(t->open.rel), &isnull);
		doc = isnull ? NULL : store_unpack(stored);
		if (locator)
			*locator = tuple.t_self;
		ReleaseBuffer(buffer);
		return doc;
	}
	if (!index_fetch(t->open.rel, store_open_index(w->cat, STORE_IDX_VERSION, &t->open), SnapshotSelf, row->rid, row->version, t->scan))
		elog(ERROR, "version %d of resource row %lld is missing", row->version, (long long) row->rid);
	doc = t->scan->tts_isnull[VER_DOC] ? NULL : store_unpack(t->scan->tts_values[VER_DOC]);
	if (locator)
		*locator = t->scan->tts_tid;
	ExecClearTuple(t->scan);
	return doc;
}

/* ---- writing ---- */

/* Fills the slot; returns about how many bytes. */
static Size
fill_version(TupleTableSlot *slot, const ModelType *type, int64 rid, int32 version, TimestampTz updated, char method, Jsonb *doc)
{
	Datum *v = slot->tts_values;

	v[VER_RID] = Int64GetDatum(rid);
	v[VER_UPDATED] = TimestampTzGetDatum(updated);
	v[VER_VERSION] = Int32GetDatum(version);
	v[VER_METHOD] = CharGetDatum(method);
	v[VER_TYPE] = CStringGetTextDatum(type->name);
	v[VER_DOC] = doc ? store_pack(doc) : (Datum) 0;
	slot->tts_isnull[VER_DOC] = doc == NULL;
	return 80 + (doc ? VARSIZE_ANY(DatumGetPointer(v[VER_DOC])) : 0);
}

/* Both rows wait for their batch: the resource's gets its place when the version's is there (flush_table). */
void
store_writer_insert_new(StoreWriter *w, const ModelType *type, const StoreRow *row, const char *id, const KeySet *keys, char method,
						Jsonb *doc)
{
	/* either may flush what waits: not between the two _put */
	TupleTableSlot *resource = store_writer_slot(w, STORE_RESOURCE);
	TupleTableSlot *version = store_writer_slot(w, STORE_VERSION);
	Size bytes = fill_version(version, type, row->rid, row->version, row->last_updated, method, doc);

	w->locator_of[w->table[STORE_VERSION].nwaiting] = resource;
	store_writer_put(w, STORE_VERSION, version, bytes);
	store_writer_put(w, STORE_RESOURCE, resource, store_fill_resource(w, resource, type, row, id, keys));
}

ItemPointerData
store_writer_locate_version(StoreWriter *w, const ModelType *type, int64 rid, int32 version, TimestampTz updated, char method, Jsonb *doc)
{
	TupleTableSlot *slot = store_writer_slot(w, STORE_VERSION);

	fill_version(slot, type, rid, version, updated, method, doc);
	ExecStoreVirtualTuple(slot);
	table_tuple_insert(w->table[STORE_VERSION].open.rel, slot, w->cid, 0, NULL);
	w->placed = slot;
	return slot->tts_tid;
}

void
store_writer_index_version(StoreWriter *w)
{
	store_writer_index(w, &w->table[STORE_VERSION], w->placed, false);
	ExecClearTuple(w->placed);
	w->placed = NULL;
}

/* A row of this very command can't be deleted by it: the next command begins. No right to DELETE is needed for what nobody has seen. */
void
store_writer_undo_version(StoreWriter *w)
{
	ItemPointerData tid = w->placed->tts_tid;

	ExecClearTuple(w->placed);
	w->placed = NULL;
	CommandCounterIncrement();
	w->cid = GetCurrentCommandId(true);
	simple_table_tuple_delete(w->table[STORE_VERSION].open.rel, &tid, GetActiveSnapshot());
}
