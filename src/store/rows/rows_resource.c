/*
 * rows_resource.c: the writer's work on resource and version rows: find and lock, insert, update.
 *
 * Concurrency, as PostgreSQL's own UPDATE and INSERT ON CONFLICT do it: a row is found by an MVCC snapshot, the
 * update waits for a concurrent change; in READ COMMITTED the caller then starts again from a fresh snapshot, in
 * REPEATABLE READ and SERIALIZABLE the usual serialization failure is raised. A new identity is inserted
 * speculatively, so that two transactions that create the same id never raise a unique violation.
 */
#include "base/base.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "catalog/pg_collation.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#define ROOM_TO_GROW 32 /* bytes that the next version of a row may be longer */

void
store_identity_keys(ScanKey keys, const ModelType *type, const char *id)
{
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID, F_TEXTEQ,
						   CStringGetTextDatum(type->name));
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID, F_TEXTEQ,
						   CStringGetTextDatum(id));
}

/* First row of an index scan; the slot holds its buffer pinned. */
bool
store_index_row(Relation heap, Relation index, Snapshot snapshot, TupleTableSlot *slot, int nkeys, ScanKey keys)
{
	IndexScanDesc scan = FhirIndexBeginscan(heap, index, snapshot, nkeys);
	bool found;

	index_rescan(scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	return found;
}

void
store_read_row(TupleTableSlot *slot, StoreRow *row)
{
	slot_getallattrs(slot);
	row->rid = DatumGetInt64(slot->tts_values[RES_RID]);
	row->last_updated = DatumGetTimestampTz(slot->tts_values[RES_UPDATED]);
	row->side_sig = DatumGetInt64(slot->tts_values[RES_SIDE_SIG]);
	row->version = DatumGetInt32(slot->tts_values[RES_VERSION]);
	row->key_version = DatumGetInt16(slot->tts_values[RES_KEY_VERSION]);
	row->deleted = DatumGetBool(slot->tts_values[RES_DELETED]);
	row->keys = slot->tts_values[RES_KEYS];
	row->refs = slot->tts_values[RES_REFS];
	row->ord = slot->tts_values[RES_ORD];
	row->tid = slot->tts_tid;
	row->locator = *(ItemPointer) DatumGetPointer(slot->tts_values[RES_PLACE]);
}

pg_noreturn static void
raise_serialization(void)
{
	ereport(ERROR,
			errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			errmsg("could not serialize access due to concurrent update"),
			errhint("Retry the transaction."));
}

/* Locks the latest version of the row in the slot; false if it is gone. */
static bool
lock_row(StoreWriter *w, WriterTable *t)
{
	TM_FailureData failure;
	ItemPointerData tid = t->scan->tts_tid;
	int flags = IsolationUsesXactSnapshot() ? 0 : TUPLE_LOCK_FLAG_FIND_LAST_VERSION;

	switch (table_tuple_lock(t->open.rel, &tid, GetActiveSnapshot(), t->scan, w->cid, LockTupleNoKeyExclusive, LockWaitBlock,
							 flags, &failure)) {
		case TM_Ok:
			return true;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				raise_serialization();
			return false;
		default:
			elog(ERROR, "unexpected state of a resource's row");
	}
	return false;
}

/*
 * Might the next version of a row not fit on its page? Only then the page is pruned. An ordinary fetch prunes as soon as less than the
 * fillfactor's share is free, which here is after every update: a WAL record each, where one for several does.
 */
static bool
lacks_room(Buffer buf, Size len)
{
	Page page = BufferGetPage(buf);

	/* unlocked look, as heap_page_prune_opt's own: a wrong answer only costs a record or a HOT update */
	return PageIsFull(page) || PageGetHeapFreeSpace(page) < MAXALIGN(len) + ROOM_TO_GROW;
}

/* The row of a chain that the snapshot sees. */
static bool
search_chain(Relation rel, Buffer buf, ItemPointer tid, Snapshot snapshot, HeapTuple tuple, bool *all_dead)
{
	ItemPointerData at = *tid;
	bool found;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&at, rel, buf, snapshot, tuple, all_dead, true);
	LockBuffer(buf, BUFFER_LOCK_UNLOCK);
	if (found)
		tuple->t_self = at;
	return found;
}

/*
 * The row visible to the snapshot, by the index of identities, as an index scan fetches it. The row is in the buffer, pinned; for_update: its page has
 * room for another version of it, if that can be had.
 */
bool
store_identity_fetch(Relation rel, Relation index, Snapshot snapshot, ScanKey keys, bool for_update, HeapTuple tuple, Buffer *buffer)
{
	IndexScanDesc scan = FhirIndexBeginscan(rel, index, snapshot, 2);
	ItemPointer tid;
	bool found = false;

	index_rescan(scan, keys, 2, NULL, 0);
	while (!found && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL) {
		Buffer buf = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		bool all_dead;

		found = search_chain(rel, buf, tid, snapshot, tuple, &all_dead);
		if (found && for_update && lacks_room(buf, tuple->t_len)) {
			heap_page_prune_opt(rel, buf);
			/* pruning moves rows */
			found = search_chain(rel, buf, tid, snapshot, tuple, &all_dead);
		}
		if (found)
			*buffer = buf;
		else {
			scan->kill_prior_tuple = all_dead && !scan->xactStartedInRecovery;
			ReleaseBuffer(buf);
		}
	}
	index_endscan(scan);
	return found;
}

/* The same into a slot. */
static bool
fetch_row(Relation rel, Relation index, TupleTableSlot *slot, ScanKey keys)
{
	BufferHeapTupleTableSlot *bslot = (BufferHeapTupleTableSlot *) slot;
	Buffer buf;

	ExecClearTuple(slot);
	if (!store_identity_fetch(rel, index, GetActiveSnapshot(), keys, true, &bslot->base.tupdata, &buf))
		return false;
	slot->tts_tableOid = RelationGetRelid(rel);
	ExecStorePinnedBufferHeapTuple(&bslot->base.tupdata, slot, buf);
	return true;
}

bool
store_writer_find(StoreWriter *w, const ModelType *type, const char *id, bool lock, StoreRow *row)
{
	WriterTable *t = store_writer_table(w, STORE_RESOURCE);
	Relation index = store_open_index(w->cat, STORE_IDX_IDENTITY, &t->open);
	ScanKeyData keys[2];

	store_check_acl(w->cat, STORE_RESOURCE, false);
	store_identity_keys(keys, type, id);
	if (t->open.rel->rd_tableam == GetHeapamTableAmRoutine() ? !fetch_row(t->open.rel, index, t->scan, keys)
															 : !store_index_row(t->open.rel, index, GetActiveSnapshot(), t->scan, 2, keys))
		return false;
	if (lock && !lock_row(w, t))
		return false;
	store_read_row(t->scan, row);
	return true;
}

Size
store_fill_resource(StoreWriter *w, TupleTableSlot *slot, const ModelType *type, const StoreRow *row, const char *id, const KeySet *keys)
{
	Datum *v = slot->tts_values;

	v[RES_RID] = Int64GetDatum(row->rid);
	v[RES_PLACE] = PointerGetDatum(&row->locator);
	v[RES_UPDATED] = TimestampTzGetDatum(row->last_updated);
	v[RES_SIDE_SIG] = Int64GetDatum((int64) keys->side_sig);
	v[RES_VERSION] = Int32GetDatum(row->version);
	/* without its words a row is one to be re-indexed */
	v[RES_KEY_VERSION] = Int16GetDatum(store_writer_has_words(w) ? FHIR_KEY_VERSION : FHIR_KEY_VERSION - 1);
	v[RES_DELETED] = BoolGetDatum(row->deleted);
	v[RES_TYPE] = CStringGetTextDatum(type->name);
	v[RES_ID] = CStringGetTextDatum(id);
	v[RES_KEYS] = store_int8_array(keys->eq, keys->neq);
	v[RES_REFS] = store_int8_array(keys->refs, keys->nrefs);
	v[RES_ORD] = store_int8_array(keys->ordered, keys->nordered * 3);
	return 200 + 8 * (keys->neq + keys->nrefs + keys->nordered * 3);
}

/* Inserts the slot's row unless another transaction has the identity. */
static bool
insert_speculative(StoreWriter *w, WriterTable *t, TupleTableSlot *slot)
{
	Relation identity = store_open_index(w->cat, STORE_IDX_IDENTITY, &t->open);
	List *arbiters = list_make1_oid(RelationGetRelid(identity));
	ItemPointerData conflict;
	bool failed;

	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	do {
		TransactionId xid = GetCurrentTransactionId();
		uint32 token;

		CHECK_FOR_INTERRUPTS();
		failed = true;
		if (!FhirCheckIndexConstraints(t->open.result, slot, w->estate, &conflict, arbiters))
			break;
		failed = false;
		token = SpeculativeInsertionLockAcquire(xid);
		table_tuple_insert_speculative(t->open.rel, slot, w->cid, 0, NULL, token);
		FhirInsertIndexTuples(t->open.result, slot, w->estate, false, true, &failed, arbiters);
		table_tuple_complete_speculative(t->open.rel, slot, token, !failed);
		SpeculativeInsertionLockRelease(xid);
		ResetPerTupleExprContext(w->estate);
	} while (failed);
	ExecClearTuple(slot);
	if (failed && IsolationUsesXactSnapshot())
		raise_serialization();
	return !failed;
}

bool
store_writer_insert_resource(StoreWriter *w, const ModelType *type, const StoreRow *row, const char *id, const KeySet *keys)
{
	TupleTableSlot *slot = store_writer_slot(w, STORE_RESOURCE);

	store_fill_resource(w, slot, type, row, id, keys);
	return insert_speculative(w, &w->table[STORE_RESOURCE], slot);
}

/* The stored array if it equals the new one: an unchanged datum, out of line or not, keeps the update HOT. */
static Datum
same_array(Datum stored, Datum new)
{
	ArrayType *a = DatumGetArrayTypeP(stored);
	ArrayType *b = DatumGetArrayTypeP(new);

	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0 ? stored : new;
}

/* Does the array hold exactly these values? */
static bool
array_holds(Datum stored, const void *values, int n)
{
	ArrayType *a = DatumGetArrayTypeP(stored);
	int have = ARR_NDIM(a) == 0 ? 0 : ARR_DIMS(a)[0];
	bool same = have == n && (n == 0 || memcmp(ARR_DATA_PTR(a), values, sizeof(int64) * n) == 0);

	if ((Pointer) a != DatumGetPointer(stored))
		pfree(a);
	return same;
}

bool
store_row_keys_differ(const StoreRow *row, const KeySet *keys)
{
	return row->key_version != FHIR_KEY_VERSION || row->side_sig != (int64) keys->side_sig ||
		   !array_holds(row->keys, keys->eq, keys->neq) || !array_holds(row->refs, keys->refs, keys->nrefs) ||
		   !array_holds(row->ord, keys->ordered, keys->nordered * 3);
}

bool
store_writer_update_resource(StoreWriter *w, const ModelType *type, const StoreRow *row, const StoreRow *next, const char *id,
							 const KeySet *keys)
{
	WriterTable *t = store_writer_table(w, STORE_RESOURCE);
	TupleTableSlot *slot = store_writer_slot(w, STORE_RESOURCE);
	ItemPointerData tid = row->tid;
	TM_FailureData failure;
	LockTupleMode mode;
	FhirUpdateIndexes indexes;

	store_fill_resource(w, slot, type, next, id, keys);
	slot->tts_values[RES_KEYS] = same_array(row->keys, slot->tts_values[RES_KEYS]);
	slot->tts_values[RES_REFS] = same_array(row->refs, slot->tts_values[RES_REFS]);
	slot->tts_values[RES_ORD] = same_array(row->ord, slot->tts_values[RES_ORD]);
	ExecStoreVirtualTuple(slot);

	switch (table_tuple_update(t->open.rel, &tid, slot, w->cid, GetActiveSnapshot(), InvalidSnapshot, true, &failure, &mode,
							   &indexes)) {
		case TM_Ok:
			if (FhirNeedsIndexes(indexes))
				store_writer_index(w, t, slot, true);
			ExecClearTuple(slot);
			return true;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				raise_serialization();
			ExecClearTuple(slot);
			return false;
		default:
			elog(ERROR, "unexpected state of a resource's row");
	}
	return false;
}
