/*
 * plan_complement.c: the resources of a type that lack hashes which nearly all of it have: code:not=x, :missing where the common case is asked for.
 *
 * No index lists what is not there, and the dictionary does not know of each value that else may stand at a place. But an entry of the index
 * resource_identity and one of resource_keys for the same row name the same place in the table. So the bitmap of the
 * hashes, and the type's entries of the index of identities, tell which rows may lack them; only these are read, and probed. What the bitmap names has the
 * hashes: rows of one chain of updates within a page (HOT) have the same.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "search/exec/exec.h"
#include "search/plan/plan_internal.h"

/* A bit for each row that a page may have, of each page of the table. */
#define WORDS ((MaxHeapTuplesPerPage + 63) / 64 + 1)
#define MAX_BYTES (64 * 1024 * 1024)

typedef struct Bits {
	uint64 *words;
	BlockNumber nblocks;
} Bits;

static void
set_bits(Bits *b, TIDBitmap *bitmap)
{
	FhirBitmapIterator *iterator = FhirBitmapBegin(bitmap);
	FhirBitmapPage next;
	OffsetNumber offsets[MaxHeapTuplesPerPage];

	while (FhirBitmapNext(iterator, next)) {
		BlockNumber block = FhirBitmapBlock(next);
		int n = FhirBitmapOffsets(next, offsets);

		/* n < 0, recheck: the rows of the page may have them, and are probed */
		if (FhirBitmapRecheck(next) || block >= b->nblocks)
			continue;
		for (int i = 0; i < n; i++)
			b->words[(Size) block * WORDS + offsets[i] / 64] |= UINT64CONST(1) << offsets[i] % 64;
	}
	FhirBitmapEnd(iterator);
}

static bool
is_set(const Bits *b, const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);

	return block < b->nblocks && (b->words[(Size) block * WORDS + offset / 64] & UINT64CONST(1) << offset % 64) != 0;
}

/* The type's rows that are not in b, and are there: at most few; -1: they are more. */
static int
rows_besides(Relation table, Relation identity, const ModelType *type, const Bits *b, int few, int64 **out)
{
	ScanKeyData key;
	IndexScanDesc scan;
	TupleTableSlot *slot = table_slot_create(table, NULL);
	AttrNumber rid = get_attnum(RelationGetRelid(table), "rid");
	int n = 0, max = 1024, looked = 0;
	bool more = false;
	ItemPointer tid;

	*out = palloc(max * sizeof(int64));
	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, TEXTOID, C_COLLATION_OID, F_TEXTEQ, CStringGetTextDatum(type->name));
	scan = FhirIndexBeginscan(table, identity, GetActiveSnapshot(), 1);
	index_rescan(scan, &key, 1, NULL, 0);
	while (!more && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL) {
		bool null;

		if (++looked % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (is_set(b, tid) || !index_fetch_heap(scan, slot))
			continue;
		if (n == max)
			*out = repalloc_huge(*out, (max *= 2) * sizeof(int64));
		(*out)[n++] = DatumGetInt64(slot_getattr(slot, rid, &null));
		more = n > few;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return more ? -1 : n;
}

static void
tell(SearchRequest *req, const Crit *c, int n)
{
	MemoryContext old = MemoryContextSwitchTo(req->context);

	req->explain = lappend(req->explain, psprintf("-- criterion: entries of the index resource_identity whose rows are not in resource_keys for %d hashes", c->nkeys));
	req->explain = lappend(req->explain, n < 0 ? pstrdup("   they are many") : psprintf("   %d rows", n));
	MemoryContextSwitchTo(old);
}

/* Could they be found so? */
bool
plan_lists_complement(const SearchRequest *req, const Crit *c)
{
	return c->kind == CRIT_NOT && c->args[0]->kind == CRIT_KEYS && c->args[0]->nkeys <= SEARCH_INDEXED_KEYS && req->ntypes == 1 &&
		   search_reads_table();
}

/* c becomes: one of so many rows, and c. False: there are more than few, or it can't be known. */
bool
plan_complement(SearchRequest *req, Crit *c, int few)
{
	Oid schema = get_namespace_oid(fhir_store, false), identity_oid = get_relname_relid("resource_identity", schema),
		keys_oid = get_relname_relid("resource_keys", schema), table_oid = get_relname_relid("resource", schema);
	Relation table, identity, keys;
	TIDBitmap *bitmap;
	Bits bits;
	Crit *rows, *same, *passed = crit_new(CRIT_KEYS);
	const char *label = c->label;
	Size size;
	int n;

	if (!plan_lists_complement(req, c) || !OidIsValid(identity_oid) || !OidIsValid(keys_oid))
		return false;
	table = table_open(table_oid, AccessShareLock);
	bits.nblocks = RelationGetNumberOfBlocks(table);
	size = (Size) bits.nblocks * WORDS * sizeof(uint64);
	if (size > MAX_BYTES) {
		table_close(table, NoLock);
		return false;
	}
	keys = index_open(keys_oid, AccessShareLock);
	identity = index_open(identity_oid, AccessShareLock);
	bits.words = palloc_extended(size + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	/* deleted ones lack them, too */
	crit_add_key(passed, keys_deleted(req->types[0]));
	for (int i = 0; i < c->args[0]->nkeys; i++)
		crit_add_key(passed, c->args[0]->keys[i]);
	bitmap = search_bitmap(keys, &passed, 1);
	set_bits(&bits, bitmap);
	tbm_free(bitmap);
	rows = crit_new(CRIT_ROWS);
	n = rows->nrows = rows_besides(table, identity, req->types[0], &bits, few, &rows->rows);
	pfree(bits.words);
	index_close(identity, NoLock);
	index_close(keys, NoLock);
	table_close(table, NoLock);
	if (req->explaining)
		tell(req, c->args[0], n);
	if (n < 0)
		return false;
	if (n == 0) {
		c->kind = CRIT_FALSE;
		return true;
	}
	search_sort_rows(rows);
	same = crit_new(CRIT_NOT);
	*same = *c;
	*c = *crit_join(CRIT_AND, rows, same);
	c->label = label;
	return true;
}
