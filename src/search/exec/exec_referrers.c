/*
 * exec_referrers.c: who refers to a resource, asked for each row that a walk meets (_has of many).
 *
 * The statement calls fhir_search_refers(identity, number): the number names a _has of this backend, which lives as long as its search. Those
 * that refer come from index resource_keys, by the hash identity ^ salt of the place, and their rows are decided without
 * the executor: a third of the time of a subquery. A _has within a _has is probed the same way, for each of them. Where rights are narrower
 * than "may read the table", or a criterion needs a document, the subquery is probed (sql_has).
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "search/exec/exec.h"

typedef struct Question {
	int64 number;
	const CritLink *links;
	int nlinks;
	bool few_refer;
	Oid table, index;
	Relation open; /* while a row is probed */
	SearchReader *reader;
	MemoryContext context; /* of one row */
	struct Question *next;
} Question;

static Question *questions = NULL; /* of the searches that are running, newest first */
static int64 last_number = 0;

static void
forget_question(void *arg)
{
	for (Question **q = &questions; *q; q = &(*q)->next)
		if (*q == arg) {
			*q = (*q)->next;
			return;
		}
}

void
referrers_register(SearchRequest *req, Crit *c)
{
	Question *q = MemoryContextAllocZero(req->context, sizeof(Question));
	MemoryContextCallback *end = MemoryContextAlloc(req->context, sizeof(MemoryContextCallback));
	Oid schema = get_namespace_oid(fhir_store, false);

	c->question = q->number = ++last_number;
	q->links = c->links;
	q->nlinks = c->nlinks;
	q->few_refer = c->few_refer;
	q->table = get_relname_relid("resource", schema);
	q->index = get_relname_relid("resource_keys", schema);
	q->context = AllocSetContextCreate(req->context, "fhir asked row", ALLOCSET_DEFAULT_SIZES);
	q->next = questions;
	questions = q;
	end->func = forget_question;
	end->arg = q;
	MemoryContextRegisterResetCallback(req->context, end);
}

bool
referrers_can_probe(const Crit *c)
{
	for (int i = 0; i < c->nlinks; i++)
		if (!search_decidable(c->links[i].arg))
			return false;
	return c->question != 0 && search_reads_table();
}

static Question *
find_question(int64 number)
{
	for (Question *q = questions; q; q = q->next)
		if (q->number == number)
			return q;
	ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("no search of this session is running with number " INT64_FORMAT, number),
			errhint("This function is called by searches only."));
}

/* Is any row of the bitmap there that satisfies the criterion? reference: the hash that all have, where the bitmap knows the page only. */
static bool
any_satisfies(Question *q, Relation table, TIDBitmap *bitmap, Crit *arg, Crit *reference)
{
	FhirBitmapIterator *iterator = FhirBitmapBegin(bitmap);
	FhirBitmapPage next;
	OffsetNumber offsets[MaxHeapTuplesPerPage];
	Crit *where[] = {arg, reference};
	bool found = false;

	while (!found && FhirBitmapNext(iterator, next)) {
		BlockNumber block = FhirBitmapBlock(next);
		int n = FhirBitmapOffsets(next, offsets);
		bool recheck = n < 0 || FhirBitmapRecheck(next);
		Buffer buffer = search_pin_page(table, block);
		int nrows = search_page_rows(q->reader, buffer, block, offsets, n);

		for (int i = 0; i < nrows && !found; i++)
			found = search_row_satisfies(q->reader, &q->reader->rows[i], where, recheck ? 2 : 1);
		ReleaseBuffer(buffer);
	}
	FhirBitmapEnd(iterator);
	return found;
}

static bool
has_referrer(Question *q, Relation table, Relation index, const CritLink *link, uint64 identity)
{
	Crit *reference = crit_new(CRIT_KEYS), *all = crit_new(CRIT_KEYS), *arg = link->arg;
	TIDBitmap *bitmap;
	bool found;

	crit_add_key(reference, identity ^ keys_reference_salt(link->source));
	crit_add_key(all, reference->keys[0]);
	/* of few all are looked at, else those that have the other hashes, too */
	if (!q->few_refer)
		sql_collect_all(&arg, 1, all);
	bitmap = search_bitmap_all(index, all->keys, all->nkeys);
	found = any_satisfies(q, table, bitmap, arg, reference);
	tbm_free(bitmap);
	return found;
}

bool
referrers_any(int64 number, uint64 identity)
{
	Question *q = find_question(number);
	Relation table = table_open(q->table, AccessShareLock), index = index_open(q->index, AccessShareLock);
	MemoryContext old;
	bool found = false;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (q->reader == NULL) {
		old = MemoryContextSwitchTo(GetMemoryChunkContext(q));
		q->reader = palloc(sizeof(SearchReader));
		search_reader_begin(q->reader, table);
		MemoryContextSwitchTo(old);
	}
	q->reader->table = table;
	q->reader->snapshot = GetActiveSnapshot();
	old = MemoryContextSwitchTo(q->context);
	for (int i = 0; i < q->nlinks && !found; i++)
		found = has_referrer(q, table, index, &q->links[i], identity);
	MemoryContextSwitchTo(old);
	MemoryContextReset(q->context);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	return found;
}

/* Does any resource refer to that of this identity as the _has with this number asks? */
PG_FUNCTION_INFO_V1(fhir_search_refers);
Datum
fhir_search_refers(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(referrers_any(PG_GETARG_INT64(1), (uint64) PG_GETARG_INT64(0)));
}
