/*
 * rows_writer.c: the life of a writer, and inserts in batches.
 *
 * Rows go straight to the table access method, without executor plans: one resource needs five inserts into tables
 * and a dozen into indexes, and plans would cost more than these. What an INSERT statement would check is
 * checked here: privileges, read-only transactions, row-level security. The tables have no triggers, checks or foreign keys.
 *
 * Writers never nest: one call, one writer.
 */
#include "base/base.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

StoreWriter *
store_writer_begin(const char *function)
{
	MemoryContext context;
	StoreWriter *w;

	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	PreventCommandDuringRecovery(function);
	context = AllocSetContextCreate(CurrentMemoryContext, "FHIR writer", ALLOCSET_DEFAULT_SIZES);
	w = MemoryContextAllocZero(context, sizeof(StoreWriter));
	w->context = context;
	w->cat = store_catalog();
	PushActiveSnapshot(GetTransactionSnapshot());
	w->cid = GetCurrentCommandId(true);
	return w;
}

StoreCatalog *
store_writer_catalog(StoreWriter *w)
{
	return w->cat;
}

void
store_writer_snapshot(StoreWriter *w)
{
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
}

WriterTable *
store_writer_table(StoreWriter *w, StoreTable table)
{
	WriterTable *t = &w->table[table];
	MemoryContext old;

	if (t->open.rel)
		return t;
	store_check_acl(w->cat, table, true);
	old = MemoryContextSwitchTo(w->context);
	if (!w->estate)
		w->estate = CreateExecutorState();
	store_open_table(w->cat, table, &t->open);
	t->slots = palloc0(sizeof(TupleTableSlot *) * STORE_BATCH_ROWS);
	t->scan = table_slot_create(t->open.rel, NULL);
	MemoryContextSwitchTo(old);
	return t;
}

/* Inserts the index entries of a row just stored. */
void
store_writer_index(StoreWriter *w, WriterTable *t, TupleTableSlot *slot, bool update)
{
	List *recheck = FhirInsertIndexTuples(t->open.result, slot, w->estate, update, false, NULL, NIL);

	list_free(recheck);
	ResetPerTupleExprContext(w->estate);
}

/* Tells the waiting resource rows where their versions are now. They are materialized: the value stands in the row itself. */
static void
tell_places(StoreWriter *w, WriterTable *versions)
{
	for (int i = 0; i < versions->nwaiting; i++) {
		bool isnull;

		if (!w->locator_of[i])
			continue;
		ItemPointerCopy(&versions->slots[i]->tts_tid,
						(ItemPointer) DatumGetPointer(slot_getattr(w->locator_of[i], RES_PLACE + 1, &isnull)));
		w->locator_of[i] = NULL;
	}
}

static void
flush_table(StoreWriter *w, WriterTable *t)
{
	int n = t->nwaiting;
	MemoryContext old;

	if (n == 0)
		return;
	if (t == &w->table[STORE_RESOURCE])
		flush_table(w, &w->table[STORE_VERSION]);
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(w->estate));
	if (n == 1)
		table_tuple_insert(t->open.rel, t->slots[0], w->cid, 0, NULL);
	else
		table_multi_insert(t->open.rel, t->slots, n, w->cid, 0, NULL);
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(w->estate);
	if (t == &w->table[STORE_VERSION])
		tell_places(w, t);
	t->nwaiting = 0;
	t->bytes = 0;
	for (int i = 0; i < n; i++) {
		store_writer_index(w, t, t->slots[i], false);
		ExecClearTuple(t->slots[i]);
	}
}

void
store_writer_flush(StoreWriter *w)
{
	for (int i = 0; i < STORE_NTABLES; i++)
		if (w->table[i].open.rel)
			flush_table(w, &w->table[i]);
	if (w->new_terms) {
		hash_destroy(w->new_terms);
		w->new_terms = NULL;
	}
}

void
store_writer_end(StoreWriter *w)
{
	store_writer_flush(w);
	for (int i = 0; i < STORE_NTABLES; i++) {
		WriterTable *t = &w->table[i];

		if (!t->open.rel)
			continue;
		ExecDropSingleTupleTableSlot(t->scan);
		for (int j = 0; j < STORE_BATCH_ROWS && t->slots[j]; j++)
			ExecDropSingleTupleTableSlot(t->slots[j]);
		store_close_table(&t->open);
	}
	if (w->estate)
		FreeExecutorState(w->estate);
	PopActiveSnapshot();
	MemoryContextDelete(w->context);
	CommandCounterIncrement();
}

TupleTableSlot *
store_writer_slot(StoreWriter *w, StoreTable table)
{
	WriterTable *t = store_writer_table(w, table);

	if (t->nwaiting == STORE_BATCH_ROWS || t->bytes > STORE_BATCH_BYTES)
		flush_table(w, t);
	if (!t->slots[t->nwaiting]) {
		MemoryContext old = MemoryContextSwitchTo(w->context);

		t->slots[t->nwaiting] = table_slot_create(t->open.rel, NULL);
		MemoryContextSwitchTo(old);
	}
	memset(t->slots[t->nwaiting]->tts_isnull, 0, t->slots[t->nwaiting]->tts_tupleDescriptor->natts);
	return t->slots[t->nwaiting];
}

/* The caller has filled the slot's values: keeps a copy until the batch is full. */
void
store_writer_put(StoreWriter *w, StoreTable table, TupleTableSlot *slot, Size bytes)
{
	WriterTable *t = &w->table[table];

	ExecStoreVirtualTuple(slot);
	ExecMaterializeSlot(slot);
	t->nwaiting++;
	t->bytes += bytes;
}

int64
store_writer_next_rid(StoreWriter *w)
{
	return nextval_internal(w->cat->rid_sequence, false);
}

/* bigint[] of n 8-byte values. */
Datum
store_int8_array(const void *values, int n)
{
	Size size = n > 0 ? ARR_OVERHEAD_NONULLS(1) + sizeof(int64) * n : ARR_OVERHEAD_NONULLS(0);
	ArrayType *a = palloc0(size);

	SET_VARSIZE(a, size);
	a->ndim = n > 0 ? 1 : 0;
	a->elemtype = INT8OID;
	if (n > 0) {
		*ARR_DIMS(a) = n;
		*ARR_LBOUND(a) = 1;
		memcpy(ARR_DATA_PTR(a), values, sizeof(int64) * n);
	}
	return PointerGetDatum(a);
}

const KeySet *
store_writer_keys(StoreWriter *w, const ModelType *type, JsonbContainer *doc, const KeySet *keys, KeySet *fresh)
{
	store_writer_table(w, STORE_RESOURCE); /* takes the lock */
	if (likely(keys->generation == keys_generation(store_key_context(), type)))
		return keys;
	keys_extract(store_key_context(), type, doc, fresh);
	return fresh;
}
