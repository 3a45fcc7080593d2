/*
 * search_count.c: totals of what hashes find, counted from the index's bitmap.
 *
 * A count needs no row where the criteria are hashes only and a heap page is visible to all: what the index names
 * there are matches. PostgreSQL's own bitmap scans no longer pass over such pages: VACUUM might remove dead rows that the
 * bitmap names, and mark their page, before the scan comes to it. Here a page is passed over only if it was
 * marked before the index was read, and still is after that:
 *
 *   - what was dead before had left the index when the page was marked;
 *   - what is inserted or deleted meanwhile takes the mark off, and VACUUM can't set it again while our snapshot
 *     does not see that as everyone does.
 *
 * Other pages have their rows looked up, in the order of the table, and criteria on hashes and intervals are decided
 * on the row itself, without the executor.
 */
#include "base/compat.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "search/search_internal.h"

/* Of the operator class for arrays. */
#define GIN_OVERLAP 1
#define GIN_CONTAINS 2

/* About as long is a row of hashes and intervals. */
#define ROW_BYTES 448

typedef struct Count {
	Relation table;
	Snapshot snapshot;
	AttrNumber keys, ord;
	Crit **asked; /* of each row */
	int nasked;
	bool asks_keys; /* some of them are hashes */
	Crit **indexed; /* asked too where the bitmap knows the page only */
	int nindexed;
	uint8 *visible; /* a bit for each block that was visible to all before the index was read; NULL: none is passed over */
	BlockNumber nblocks;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	MemoryContext row; /* emptied for each row */
	int64 passed, looked_up;
} Count;

/* ---- criteria on a row ---- */

typedef struct Row {
	int64 *keys, *ord;
	int nkeys, nord;
	int64 buffer[2][20]; /* of short values, aligned */
} Row;

static int64 *
elements(const Count *c, AttrNumber att, int64 *buffer, int *n)
{
	bool null;
	struct varlena *v = (struct varlena *) DatumGetPointer(slot_getattr(c->slot, att, &null));
	ArrayType *a = (ArrayType *) v;

	if (VARATT_IS_SHORT(v)) {
		/* at most 126 bytes */
		a = (ArrayType *) buffer;
		memcpy((char *) a + VARHDRSZ, VARDATA_SHORT(v), VARSIZE_SHORT(v) - VARHDRSZ_SHORT);
		SET_VARSIZE(a, VARSIZE_SHORT(v) - VARHDRSZ_SHORT + VARHDRSZ);
	} else if (VARATT_IS_EXTENDED(v))
		a = (ArrayType *) detoast_attr(v);
	*n = ARR_NDIM(a) == 0 ? 0 : ARR_DIMS(a)[0];
	return (int64 *) ARR_DATA_PTR(a);
}

static bool
has_any(const Row *r, const Crit *c)
{
	for (int i = 0; i < r->nkeys; i++)
		for (int k = 0; k < c->nkeys; k++)
			if (r->keys[i] == (int64) c->keys[k])
				return true;
	return false;
}

static bool
holds(const Row *r, const Crit *c)
{
	switch (c->kind) {
		case CRIT_KEYS:
			return has_any(r, c);
		case CRIT_ORDERED:
			return search_ordered_any(r->ord, r->nord, c->boxes, c->nboxes);
		case CRIT_NOT:
			return !holds(r, c->args[0]);
		case CRIT_AND:
		case CRIT_OR:
			for (int i = 0; i < c->nargs; i++)
				if (holds(r, c->args[i]) == (c->kind == CRIT_OR))
					return c->kind == CRIT_OR;
			return c->kind == CRIT_AND;
		default:
			return c->kind == CRIT_TRUE;
	}
}

/* Can it be decided so? */
static bool
decidable(const Crit *c)
{
	for (int i = 0; i < c->nargs; i++)
		if (!decidable(c->args[i]))
			return false;
	return c->kind == CRIT_TRUE || c->kind == CRIT_FALSE || c->kind == CRIT_ORDERED || c->kind == CRIT_NOT || c->kind == CRIT_AND ||
		   c->kind == CRIT_OR || (c->kind == CRIT_KEYS && c->nkeys <= SEARCH_INDEXED_KEYS);
}

/* ---- rows and pages ---- */

static bool
row_counts(Count *c, bool recheck)
{
	Row r;
	MemoryContext old;
	bool all = true;

	if (c->nasked == 0 && !recheck)
		return true;
	r.nkeys = r.nord = 0;
	old = MemoryContextSwitchTo(c->row);
	if (c->asks_keys || recheck)
		r.keys = elements(c, c->keys, r.buffer[0], &r.nkeys);
	if (c->nasked)
		r.ord = elements(c, c->ord, r.buffer[1], &r.nord);
	for (int i = 0; i < c->nasked && all; i++)
		all = holds(&r, c->asked[i]);
	for (int i = 0; i < c->nindexed && all && recheck; i++)
		all = holds(&r, c->indexed[i]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(c->row);
	return all;
}

/* Rows of a page that count; noffsets < 0: any row may. */
static int64
count_page(Count *c, BlockNumber block, const OffsetNumber *offsets, int noffsets, bool recheck)
{
	int64 n = 0;
	int all = noffsets < 0 ? MaxHeapTuplesPerPage : noffsets;

	for (int i = 0; i < all; i++) {
		ItemPointerData tid;
		bool again = false, dead;

		ItemPointerSet(&tid, block, noffsets < 0 ? (OffsetNumber) (i + 1) : offsets[i]);
		if (table_index_fetch_tuple(c->fetch, &tid, c->snapshot, c->slot, &again, &dead)) {
			c->looked_up++;
			if (row_counts(c, recheck || noffsets < 0))
				n++;
		}
	}
	ExecClearTuple(c->slot);
	return n;
}

/* Pages whose rows are to be looked up. */
typedef struct CountPage {
	BlockNumber block;
	Buffer buffer;
	int noffsets;
	bool recheck;
	OffsetNumber offsets[MaxHeapTuplesPerPage];
} CountPage;

#define BATCH 16

/*
 * Most of the time goes by waiting for memory: each row stands on a page of its own. So the pages of a batch are fetched side by side, first
 * their line pointers, then the first row of each. What is read here without a lock is a hint only.
 */
static int64
count_batch(Count *c, CountPage *pages, int n)
{
	int64 found = 0;

	for (int i = 0; i < n; i++) {
		pages[i].buffer = ReadBuffer(c->table, pages[i].block);
		__builtin_prefetch(BufferGetPage(pages[i].buffer));
		if (pages[i].noffsets > 0)
			__builtin_prefetch(PageGetItemId(BufferGetPage(pages[i].buffer), pages[i].offsets[0]));
	}
	for (int i = 0; i < n; i++)
		if (pages[i].noffsets > 0) {
			char *page = BufferGetPage(pages[i].buffer);
			unsigned at = ItemIdGetOffset(PageGetItemId(page, pages[i].offsets[0]));

			for (unsigned k = 0; k < ROW_BYTES && at + k < BLCKSZ; k += 64)
				__builtin_prefetch(page + at + k);
		}
	for (int i = 0; i < n; i++) {
		found += count_page(c, pages[i].block, pages[i].offsets, pages[i].noffsets, pages[i].recheck);
		ReleaseBuffer(pages[i].buffer);
	}
	return found;
}

static int64
count_bitmap(Count *c, TIDBitmap *bitmap)
{
	FhirBitmapIterator *iterator = FhirBitmapBegin(bitmap);
	FhirBitmapPage next;
	CountPage *pages = palloc(BATCH * sizeof(CountPage));
	Buffer map = InvalidBuffer;
	int64 n = 0;
	int waiting = 0;

	while (FhirBitmapNext(iterator, next)) {
		CountPage *page = &pages[waiting];

		page->block = FhirBitmapBlock(next);
		page->noffsets = FhirBitmapOffsets(next, page->offsets);
		page->recheck = FhirBitmapRecheck(next);
		if (c->visible && page->noffsets >= 0 && !page->recheck && page->block < c->nblocks &&
			(c->visible[page->block / 8] & (1 << page->block % 8)) && VM_ALL_VISIBLE(c->table, page->block, &map)) {
			n += page->noffsets;
			c->passed++;
		} else if (++waiting == BATCH) {
			CHECK_FOR_INTERRUPTS();
			n += count_batch(c, pages, waiting);
			waiting = 0;
		}
	}
	n += count_batch(c, pages, waiting);
	FhirBitmapEnd(iterator);
	if (BufferIsValid(map))
		ReleaseBuffer(map);
	return n;
}

static void
mark_visible(Count *c)
{
	Buffer map = InvalidBuffer;

	c->nblocks = RelationGetNumberOfBlocks(c->table);
	c->visible = MemoryContextAllocHuge(CurrentMemoryContext, c->nblocks / 8 + 1);
	memset(c->visible, 0, c->nblocks / 8 + 1);
	for (BlockNumber b = 0; b < c->nblocks; b++)
		if (VM_ALL_VISIBLE(c->table, b, &map))
			c->visible[b / 8] |= 1 << b % 8;
	if (BufferIsValid(map))
		ReleaseBuffer(map);
}

/* ---- the index ---- */

static TIDBitmap *
read_index(Count *c, Relation index)
{
	ScanKey keys = palloc((c->nindexed + 1) * sizeof(ScanKeyData));
	Crit single = {CRIT_KEYS};
	TIDBitmap *bitmap = tbm_create(work_mem * (Size) 1024, NULL);
	IndexScanDesc scan;
	int n = 0;

	sql_collect_all(c->indexed, c->nindexed, &single);
	if (single.nkeys)
		ScanKeyEntryInitialize(&keys[n++], 0, 1, GIN_CONTAINS, ANYARRAYOID, InvalidOid, F_ARRAYCONTAINS,
							   sql_int8_array((int64 *) single.keys, single.nkeys));
	for (int i = 0; i < c->nindexed; i++)
		if (c->indexed[i]->nkeys > 1)
			ScanKeyEntryInitialize(&keys[n++], 0, 1, GIN_OVERLAP, ANYARRAYOID, InvalidOid, F_ARRAYOVERLAP,
								   sql_int8_array((int64 *) c->indexed[i]->keys, c->indexed[i]->nkeys));
	scan = FhirIndexBeginscanBitmap(index, c->snapshot, n);
	index_rescan(scan, keys, n, NULL, 0);
	index_getbitmap(scan, bitmap);
	index_endscan(scan);
	return bitmap;
}

/* Splits the criteria into those that the index answers and those that each row is asked. */
static bool
split(Count *c, Crit **where, int n)
{
	for (int i = 0; i < n; i++) {
		if (where[i]->kind == CRIT_AND) {
			if (!split(c, where[i]->args, where[i]->nargs))
				return false;
		} else if (!decidable(where[i]))
			return false;
		else if (where[i]->kind == CRIT_KEYS) {
			c->indexed = c->indexed ? repalloc(c->indexed, (c->nindexed + 1) * sizeof(Crit *)) : palloc(sizeof(Crit *));
			c->indexed[c->nindexed++] = where[i];
		} else if (where[i]->kind != CRIT_TRUE) {
			c->asked = c->asked ? repalloc(c->asked, (c->nasked + 1) * sizeof(Crit *)) : palloc(sizeof(Crit *));
			c->asked[c->nasked++] = where[i];
			c->asks_keys = c->asks_keys || where[i]->kind != CRIT_ORDERED;
		}
	}
	return true;
}

/*
 * Where rights are narrower than "may read the table", they are part of a statement; so are the locks of
 * serializable transactions. An error about a missing right is the statement's, too.
 */
static bool
reads_table(Oid table)
{
	return search_restriction_hook == NULL && !IsolationIsSerializable() &&
		   pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK && check_enable_rls(table, InvalidOid, true) != RLS_ENABLED;
}

static void
tell(SearchRequest *req, const Count *c, int64 n)
{
	MemoryContext old = MemoryContextSwitchTo(req->context);

	req->explain = lappend(req->explain, psprintf("-- total: entries of the index resource_keys%s",
												  c->nasked ? ", each row asked" : ", rows looked up only where a page is not visible to all"));
	req->explain = lappend(req->explain, psprintf("   " INT64_FORMAT " matches; " INT64_FORMAT " pages passed over, " INT64_FORMAT " rows looked up", n,
												  c->passed, c->looked_up));
	MemoryContextSwitchTo(old);
}

bool
search_count_hashes(SearchRequest *req, int64 *out)
{
	Count c = {0};
	Oid schema = get_namespace_oid(fhir_store, false), table = get_relname_relid("resource", schema),
		index_oid = get_relname_relid("resource_keys", schema);
	double type_rows = search_type_rows(req->types, req->ntypes), matches = type_rows;
	Relation index;
	TIDBitmap *bitmap;

	if (!split(&c, req->where, req->nwhere) || c.nindexed == 0 || !OidIsValid(table) || !OidIsValid(index_oid) || !reads_table(table))
		return false;
	for (int i = 0; i < c.nindexed; i++)
		matches = Min(matches, search_crit_rows(c.indexed[i], type_rows));
	c.table = table_open(table, AccessShareLock);
	index = index_open(index_oid, AccessShareLock);
	c.snapshot = GetActiveSnapshot();
	c.keys = get_attnum(table, "keys");
	c.ord = get_attnum(table, "ord");
	c.slot = table_slot_create(c.table, NULL);
	c.row = AllocSetContextCreate(CurrentMemoryContext, "fhir counted row", ALLOCSET_SMALL_SIZES);
	/* to look at the map of all pages costs as much as to look up a row in forty of them */
	if (c.nasked == 0 && matches * SEARCH_PAGES_A_ROW >= RelationGetNumberOfBlocks(c.table))
		mark_visible(&c);
	bitmap = read_index(&c, index);
	c.fetch = table_index_fetch_begin(c.table);
	*out = count_bitmap(&c, bitmap);
	table_index_fetch_end(c.fetch);
	ExecDropSingleTupleTableSlot(c.slot);
	MemoryContextDelete(c.row);
	tbm_free(bitmap);
	index_close(index, NoLock);
	table_close(c.table, NoLock);
	if (req->explaining)
		tell(req, &c, *out);
	return true;
}
