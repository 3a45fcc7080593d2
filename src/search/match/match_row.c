/*
 * match_row.c: rows of table resource, read from their pages, and criteria decided on them without the executor.
 */
#include "base/base.h"

#include "access/detoast.h"
#include "access/heapam.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "search/exec/exec.h"

/* ---- pages ---- */

/*
 * To look a page up among PostgreSQL's buffers waits for memory several times. So a session remembers in which buffer each page of
 * a table was: if that is still so, which ReadRecentBuffer tells, the page is there at once, and its memory can be fetched
 * before it is needed.
 */
#define PLACES 65536

typedef struct PageLocator {
	BlockNumber block;
	Buffer buffer;
} PageLocator;

static PageLocator *places = NULL; /* by block, in a context of its own */
static Oid placed = InvalidOid;	   /* the table */

static PageLocator *
locator_of(Relation table, BlockNumber block)
{
	if (places == NULL || placed != RelationGetRelid(table)) {
		if (places == NULL)
			places = MemoryContextAlloc(AllocSetContextCreate(TopMemoryContext, "fhir page places", ALLOCSET_SMALL_SIZES), PLACES * sizeof(PageLocator));
		memset(places, 0, PLACES * sizeof(PageLocator));
		placed = RelationGetRelid(table);
	}
	return &places[block % PLACES];
}

/* Only where it would be: nothing is read that another session may change at the same time. */
void
search_fetch_ahead(Relation table, BlockNumber block, OffsetNumber offset)
{
	const PageLocator *locator = locator_of(table, block);

	if (locator->block != block || locator->buffer <= 0 || locator->buffer > NBuffers)
		return;
	__builtin_prefetch(GetBufferDescriptor(locator->buffer - 1));
	__builtin_prefetch(BufferGetPage(locator->buffer));
	__builtin_prefetch(PageGetItemId(BufferGetPage(locator->buffer), offset));
}

Buffer
search_pin_page(Relation table, BlockNumber block)
{
	PageLocator *locator = locator_of(table, block);

	if (locator->block == block && locator->buffer > 0 && locator->buffer <= NBuffers && !RelationUsesLocalBuffers(table) &&
		ReadRecentBuffer(FhirRelationLocator(table), MAIN_FORKNUM, block, locator->buffer))
		return locator->buffer;
	locator->block = block;
	return locator->buffer = ReadBuffer(table, block);
}

void
search_reader_begin(SearchReader *r, Relation table)
{
	Oid oid = RelationGetRelid(table);

	r->table = table;
	r->snapshot = GetActiveSnapshot();
	r->keys = get_attnum(oid, "keys");
	r->ord = get_attnum(oid, "ord");
	r->type = get_attnum(oid, "type");
	r->id = get_attnum(oid, "id");
	r->row = AllocSetContextCreate(CurrentMemoryContext, "fhir read row", ALLOCSET_SMALL_SIZES);
}

int
search_page_rows(SearchReader *r, Buffer buffer, BlockNumber block, const OffsetNumber *offsets, int noffsets)
{
	int all = noffsets < 0 ? MaxHeapTuplesPerPage : noffsets, n = 0;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	for (int i = 0; i < all; i++) {
		ItemPointerData tid;
		OffsetNumber offset = noffsets < 0 ? (OffsetNumber) (i + 1) : offsets[i];

		if (offset > PageGetMaxOffsetNumber(BufferGetPage(buffer)))
			break;
		ItemPointerSet(&tid, block, offset);
		if (heap_hot_search_buffer(&tid, r->table, buffer, r->snapshot, &r->rows[n], NULL, true))
			n++;
	}
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return n;
}

/* ---- criteria ---- */

typedef struct Row {
	SearchReader *reader;
	HeapTuple tuple;
	int64 *keys, *ord; /* NULL: not looked at yet */
	int nkeys, nord;
	int64 buffer[2][20]; /* of short values, aligned */
} Row;

static Datum
attribute(const Row *row, AttrNumber att)
{
	bool null;

	return heap_getattr(row->tuple, att, RelationGetDescr(row->reader->table), &null);
}

static int64 *
elements(const Row *row, AttrNumber att, int64 *buffer, int *n)
{
	struct varlena *v = (struct varlena *) DatumGetPointer(attribute(row, att));
	ArrayType *a = (ArrayType *) v;

	/* a pointer to TOAST passes for a short value, too */
	if (VARATT_IS_SHORT(v) && !VARATT_IS_EXTERNAL(v)) {
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
has_any(Row *row, const Crit *c)
{
	if (row->keys == NULL)
		row->keys = elements(row, row->reader->keys, row->buffer[0], &row->nkeys);
	for (int i = 0; i < row->nkeys; i++)
		for (int k = 0; k < c->nkeys; k++)
			if (row->keys[i] == (int64) c->keys[k])
				return true;
	return false;
}

static bool
in_boxes(Row *row, const Crit *c)
{
	if (row->ord == NULL)
		row->ord = elements(row, row->reader->ord, row->buffer[1], &row->nord);
	return search_ordered_any(row->ord, row->nord, c->boxes, c->nboxes);
}

static uint64
identity(const Row *row)
{
	text *type = DatumGetTextPP(attribute(row, row->reader->type)), *id = DatumGetTextPP(attribute(row, row->reader->id));

	return keys_identity(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type), VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
}

/* keys: sorted */
static bool
is_among(uint64 key, const uint64 *keys, int n)
{
	int lo = 0, hi = n - 1;

	while (lo <= hi) {
		int mid = (lo + hi) / 2;

		if (keys[mid] == key)
			return true;
		if (keys[mid] < key)
			lo = mid + 1;
		else
			hi = mid - 1;
	}
	return false;
}

static bool
holds(Row *row, const Crit *c)
{
	switch (c->kind) {
		case CRIT_KEYS:
			return has_any(row, c);
		case CRIT_ORDERED:
			return in_boxes(row, c);
		case CRIT_REFERRED:
			return is_among(identity(row), c->keys, c->nkeys);
		case CRIT_HAS:
			return referrers_any(c->question, identity(row));
		case CRIT_NOT:
			return !holds(row, c->args[0]);
		case CRIT_AND:
		case CRIT_OR:
			for (int i = 0; i < c->nargs; i++)
				if (holds(row, c->args[i]) == (c->kind == CRIT_OR))
					return c->kind == CRIT_OR;
			return c->kind == CRIT_AND;
		default:
			return c->kind == CRIT_TRUE;
	}
}

bool
search_decidable(const Crit *c)
{
	for (int i = 0; i < c->nargs; i++)
		if (!search_decidable(c->args[i]))
			return false;
	return c->kind == CRIT_TRUE || c->kind == CRIT_FALSE || c->kind == CRIT_ORDERED || c->kind == CRIT_NOT || c->kind == CRIT_AND ||
		   c->kind == CRIT_OR || c->kind == CRIT_REFERRED || (c->kind == CRIT_KEYS && c->nkeys <= SEARCH_INDEXED_KEYS) ||
		   (c->kind == CRIT_HAS && referrers_can_probe(c));
}

bool
search_row_satisfies(SearchReader *r, HeapTuple tuple, Crit *const *where, int nwhere)
{
	Row row;
	bool all = true;
	MemoryContext old = MemoryContextSwitchTo(r->row);

	row.reader = r;
	row.tuple = tuple;
	row.keys = row.ord = NULL;
	row.nkeys = row.nord = 0;
	for (int i = 0; i < nwhere && all; i++)
		all = holds(&row, where[i]);
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->row);
	return all;
}
