/*
 * batch.c: a batch Bundle: each entry on its own, in a subtransaction; its error becomes its answer.
 *
 * All entries are one transaction, which keeps each row's lock to its end. So they are not done as they stand, but in the order in which
 * every Bundle locks: conditions by their hashes, then identities by type and id, entries of the same identity as they stand. What
 * reads comes last, as in a transaction. R4 lets no entry of a batch depend on another.
 */
#include "base/base.h"

#include "access/xact.h"
#include "interaction/bundle.h"
#include "interaction/interaction_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

static void
do_put(Bundle *b, BundleEntry *e, Jsonb *doc)
{
	if (e->condition)
		interaction_update_conditional(b->caller, doc, e->condition, e->if_match, e->if_none_match, &e->result);
	else
		interaction_update(b->caller, doc, e->if_match, e->if_none_match, &e->result);
}

static void
do_patch(Bundle *b, BundleEntry *e)
{
	Jsonb *patch = bundle_patch(e);

	if (e->condition)
		interaction_patch_conditional(b->caller, e->type, e->condition, patch, e->if_match, &e->result);
	else
		interaction_patch(b->caller, e->type, e->id, patch, e->if_match, &e->result);
}

static void
do_entry(Bundle *b, BundleEntry *e)
{
	switch (e->method) {
		case BUNDLE_DELETE:
			if (e->condition)
				interaction_delete_conditional(b->caller, e->type, e->condition, e->if_match, &e->result);
			else
				interaction_delete(b->caller, e->type, e->id, e->if_match, &e->result);
			break;
		case BUNDLE_POST:
			interaction_create(b->caller, json_splice(e->resource, NULL, 0), e->condition, &e->result);
			break;
		case BUNDLE_PUT:
			do_put(b, e, json_splice(e->resource, NULL, 0));
			break;
		case BUNDLE_PATCH:
			do_patch(b, e);
			break;
		default:
			PushActiveSnapshot(GetTransactionSnapshot());
			bundle_get(b, e);
			PopActiveSnapshot();
	}
	strlcpy(e->id, e->result.id, sizeof(e->id));
	if (e->method < BUNDLE_GET)
		e->result.resource = NULL;
}

/*
 * Errors that are not the entry's own: the server stops, the query is cancelled, the transaction must be retried. So it is after a
 * deadlock: the batch still has the locks of the entries before, and would meet the other transaction again at the next.
 */
static bool
concerns_all(int code)
{
	int class = ERRCODE_TO_CATEGORY(code);

	return class == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
		   class == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) || code == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		   code == ERRCODE_T_R_DEADLOCK_DETECTED ||
		   code == ERRCODE_DATA_CORRUPTED || code == ERRCODE_INDEX_CORRUPTED;
}

/*
 * Calls fn for the entry in `scratch`. Reads have nothing to be undone, but locks and buffers to be released after an error: each entry has a
 * subtransaction.
 */
static void
run_entry(Bundle *b, BundleEntry *e, MemoryContext scratch, void (*fn)(Bundle *b, BundleEntry *e))
{
	ResourceOwner owner = CurrentResourceOwner;

	fhir_issues_reset();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		fn(b, e);
		ReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *edata;

		MemoryContextSwitchTo(scratch);
		edata = CopyErrorData();
		if (concerns_all(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(scratch);
		CurrentResourceOwner = owner;
		/* what is wrong with the request itself; of the resource, its own elements */
		if (edata->column_name && strncmp(edata->column_name, "Bundle.", 7) == 0)
			edata->column_name = (char *) bundle_place(e, edata->column_name);
		e->answer = interaction_error_outcome(edata);
		e->status = fhir_http_status(edata->sqlerrcode);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(b->context);
	if (e->answer)
		e->answer = memcpy(palloc(VARSIZE(e->answer)), e->answer, VARSIZE(e->answer));
}

/* 0: writes a resource that it names, 1: writes another, 2: reads */
static int
turn(const BundleEntry *e)
{
	return e->method >= BUNDLE_GET ? 2 : e->id[0] ? 0
												  : 1;
}

static int
compare_turns(const void *a, const void *b)
{
	const BundleEntry *x = *(BundleEntry *const *) a, *y = *(BundleEntry *const *) b;
	int cmp = turn(x) - turn(y);

	if (cmp == 0 && turn(x) == 0)
		cmp = bundle_compare(x, y);
	return cmp ? cmp : x->index - y->index;
}

void
bundle_batch(Bundle *b)
{
	MemoryContext scratch = AllocSetContextCreate(b->context, "FHIR Bundle entry", ALLOCSET_DEFAULT_SIZES);
	BundleEntry **todo = palloc(sizeof(BundleEntry *) * Max(b->n, 1));
	int n = 0;

	for (int i = 0; i < b->n; i++) {
		CHECK_FOR_INTERRUPTS();
		run_entry(b, &b->entries[i], b->context, bundle_parse_entry);
		if (b->entries[i].status == 0)
			todo[n++] = &b->entries[i];
	}
	qsort(todo, n, sizeof(BundleEntry *), compare_turns);
	if (!XactReadOnly)
		bundle_lock_conditions(todo, n);
	for (int i = 0; i < n; i++) {
		CHECK_FOR_INTERRUPTS();
		run_entry(b, todo[i], scratch, do_entry);
		MemoryContextReset(scratch); /* what the response needs of the entry was copied */
	}
}
