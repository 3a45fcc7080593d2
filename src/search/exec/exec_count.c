/*
 * exec_count.c: totals of what hashes find, counted from the index's bitmap.
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
#include "base/base.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
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
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "search/exec/exec.h"

/* Of the operator class for arrays. */
#define GIN_OVERLAP 1
#define GIN_CONTAINS 2

/* About as long is a row of hashes and intervals. */
#define ROW_BYTES 448

typedef struct Count {
	SearchReader reader;
	Crit **probed; /* of each row */
	int nprobed;
	Crit **indexed; /* probed too where the bitmap knows the page only */
	int nindexed;
	uint8 *visible; /* a bit for each block that was visible to all before the index was read; NULL: none is passed over */
	BlockNumber nblocks;
	int64 passed, looked_up;
} Count;

/* ---- rows and pages ---- */

/* Pages whose rows are to be looked up. */
typedef struct CountPage {
	BlockNumber block;
	Buffer buffer;
	int noffsets;
	bool recheck;
	OffsetNumber offsets[MaxHeapTuplesPerPage];
} CountPage;

/* Rows of a page, which is pinned, that count. */
static int64
count_page(Count *c, const CountPage *p)
{
	int nrows = search_page_rows(&c->reader, p->buffer, p->block, p->offsets, p->noffsets);
	bool recheck = p->recheck || p->noffsets < 0;
	int64 n = 0;

	c->looked_up += nrows;
	for (int i = 0; i < nrows; i++) {
		HeapTuple row = &c->reader.rows[i];

		if ((c->nprobed == 0 || search_row_satisfies(&c->reader, row, c->probed, c->nprobed)) &&
			(!recheck || search_row_satisfies(&c->reader, row, c->indexed, c->nindexed)))
			n++;
	}
	return n;
}

#define BATCH 16

/*
 * Most of the time goes by waiting for memory: each row stands on a page of its own. So the pages of a batch are fetched side by side, first
 * their line pointers, then the first row of each. What is read here without a lock is a hint only.
 */
static int64
count_batch(Count *c, CountPage *pages, int n)
{
	int64 found = 0;

	for (int i = 0; i < n; i++)
		search_fetch_ahead(c->reader.table, pages[i].block, pages[i].noffsets > 0 ? pages[i].offsets[0] : FirstOffsetNumber);
	for (int i = 0; i < n; i++) {
		pages[i].buffer = search_pin_page(c->reader.table, pages[i].block);
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
		found += count_page(c, &pages[i]);
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
			(c->visible[page->block / 8] & (1 << page->block % 8)) && VM_ALL_VISIBLE(c->reader.table, page->block, &map)) {
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

	c->nblocks = RelationGetNumberOfBlocks(c->reader.table);
	c->visible = MemoryContextAllocHuge(CurrentMemoryContext, c->nblocks / 8 + 1);
	memset(c->visible, 0, c->nblocks / 8 + 1);
	for (BlockNumber b = 0; b < c->nblocks; b++)
		if (VM_ALL_VISIBLE(c->reader.table, b, &map))
			c->visible[b / 8] |= 1 << b % 8;
	if (BufferIsValid(map))
		ReleaseBuffer(map);
}

/* ---- the index ---- */

TIDBitmap *
search_bitmap_all(Relation index, const uint64 *all, int n)
{
	TIDBitmap *bitmap = tbm_create(work_mem * (Size) 1024, NULL);
	ScanKeyData key;
	IndexScanDesc scan = FhirIndexBeginscanBitmap(index, GetActiveSnapshot(), 1);

	ScanKeyEntryInitialize(&key, 0, 1, GIN_CONTAINS, ANYARRAYOID, InvalidOid, F_ARRAYCONTAINS, sql_int8_array((const int64 *) all, n));
	index_rescan(scan, &key, 1, NULL, 0);
	index_getbitmap(scan, bitmap);
	index_endscan(scan);
	return bitmap;
}

TIDBitmap *
search_bitmap(Relation index, Crit **where, int nwhere)
{
	ScanKey keys = palloc((nwhere + 1) * sizeof(ScanKeyData));
	Crit single = {CRIT_KEYS};
	TIDBitmap *bitmap = tbm_create(work_mem * (Size) 1024, NULL);
	IndexScanDesc scan;
	int n = 0;

	sql_collect_all(where, nwhere, &single);
	if (single.nkeys)
		ScanKeyEntryInitialize(&keys[n++], 0, 1, GIN_CONTAINS, ANYARRAYOID, InvalidOid, F_ARRAYCONTAINS,
							   sql_int8_array((int64 *) single.keys, single.nkeys));
	for (int i = 0; i < nwhere; i++)
		if (where[i]->nkeys > 1)
			ScanKeyEntryInitialize(&keys[n++], 0, 1, GIN_OVERLAP, ANYARRAYOID, InvalidOid, F_ARRAYOVERLAP,
								   sql_int8_array((int64 *) where[i]->keys, where[i]->nkeys));
	scan = FhirIndexBeginscanBitmap(index, GetActiveSnapshot(), n);
	index_rescan(scan, keys, n, NULL, 0);
	index_getbitmap(scan, bitmap);
	index_endscan(scan);
	return bitmap;
}

/* Splits the criteria into those that the index answers and those that each row is probed. */
static bool
split(Count *c, Crit **where, int n)
{
	for (int i = 0; i < n; i++) {
		if (where[i]->kind == CRIT_AND) {
			if (!split(c, where[i]->args, where[i]->nargs))
				return false;
		} else if (!search_decidable(where[i]))
			return false;
		else if (where[i]->kind == CRIT_KEYS) {
			c->indexed = c->indexed ? repalloc(c->indexed, (c->nindexed + 1) * sizeof(Crit *)) : palloc(sizeof(Crit *));
			c->indexed[c->nindexed++] = where[i];
		} else if (where[i]->kind != CRIT_TRUE) {
			c->probed = c->probed ? repalloc(c->probed, (c->nprobed + 1) * sizeof(Crit *)) : palloc(sizeof(Crit *));
			c->probed[c->nprobed++] = where[i];
		}
	}
	return true;
}

/*
 * Where rights are narrower than "may read the table", they are part of a statement; so are the locks of
 * serializable transactions. An error about a missing right is the statement's, too.
 */
bool
search_reads_table(void)
{
	Oid table = get_relname_relid("resource", get_namespace_oid(fhir_store, false));

	return OidIsValid(table) && search_restriction_hook == NULL && !IsolationIsSerializable() &&
		   pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK && check_enable_rls(table, InvalidOid, true) != RLS_ENABLED;
}

bool
search_can_count_hashes(const SearchRequest *req)
{
	Count c = {0};

	return split(&c, req->where, req->nwhere) && c.nindexed > 0 && search_reads_table();
}

static void
tell(SearchRequest *req, const Count *c, int64 n)
{
	MemoryContext old = MemoryContextSwitchTo(req->context);

	req->explain = lappend(req->explain, psprintf("-- total: entries of the index resource_keys%s",
												  c->nprobed ? ", each row asked" : ", rows looked up only where a page is not visible to all"));
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

	if (!split(&c, req->where, req->nwhere) || c.nindexed == 0 || !OidIsValid(index_oid) || !search_reads_table())
		return false;
	for (int i = 0; i < c.nindexed; i++)
		matches = Min(matches, search_crit_rows(c.indexed[i], type_rows));
	search_reader_begin(&c.reader, table_open(table, AccessShareLock));
	index = index_open(index_oid, AccessShareLock);
	/* to look at the map of all pages costs as much as to look up a row in forty of them */
	if (c.nprobed == 0 && matches * SEARCH_PAGES_A_ROW >= RelationGetNumberOfBlocks(c.reader.table))
		mark_visible(&c);
	bitmap = search_bitmap(index, c.indexed, c.nindexed);
	*out = count_bitmap(&c, bitmap);
	MemoryContextDelete(c.reader.row);
	tbm_free(bitmap);
	index_close(index, NoLock);
	table_close(c.reader.table, NoLock);
	if (req->explaining)
		tell(req, &c, *out);
	return true;
}
