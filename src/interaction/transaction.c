/*
 * transaction.c: a transaction Bundle: all of it or nothing.
 *
 * Steps (R4, "Transaction processing rules"): conditions are locked and matched, ids assigned, links collected;
 * existing rows are locked in the order of (type, id), so that two Bundles never wait for each other in a circle; then
 * DELETE, POST, PUT and PATCH are done, each phase in the same order where it touches existing identities, GET last. One
 * writer serves all entries, so that rows are inserted in batches. Memory of one entry is freed before the next.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "interaction/bundle.h"
#include "interaction/interaction_internal.h"

static int
compare_hashes(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a, y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

void
bundle_lock_conditions(BundleEntry **entries, int nentries)
{
	uint64 *hashes = palloc(sizeof(uint64) * Max(nentries, 1));
	int n = 0;

	for (int i = 0; i < nentries; i++)
		if (entries[i]->condition)
			hashes[n++] = entries[i]->condition_hash;
	qsort(hashes, n, sizeof(uint64), compare_hashes);
	for (int i = 0; i < n; i++)
		if (i == 0 || hashes[i] != hashes[i - 1])
			condition_lock(hashes[i]);
	pfree(hashes);
}

static void
match_condition(Bundle *b, BundleEntry *e)
{
	SearchMatch m;

	if (!condition_match(b->caller, e->type, e->condition, &m)) {
		if (e->method == BUNDLE_PATCH)
			ereport(ERROR,
					errcode(FH404),
					errmsg("the condition matches no %s", e->type->name),
					errdetail("Condition: %.500s", e->condition), errhint("Patch a resource that exists: by its id, or by criteria that select one."),
					fhir_issue("not-found", NULL));
		return;
	}
	e->matched = true;
	strlcpy(e->id, m.id, sizeof(e->id));
}

/* Conditional PUT: the id that the resource brings must be the match's; without a match it becomes the new one. */
static void
check_put_id(Bundle *b, BundleEntry *e)
{
	char *id = fhir_json_get_string(e->resource, "id");

	if (e->matched && id && strcmp(id, e->id) != 0)
		ereport(ERROR,
				errcode(FH400),
				errmsg("the resource's id is not that of the match"),
				errdetail("The condition selects %s/%s, the resource has id \"%.64s\".", e->type->name, e->id, id), errhint("Leave the id out, or give that of the match."),
				fhir_issue("value", "Bundle.resource.id"));
	if (!e->matched && id) {
		interaction_require_id(id);
		strlcpy(e->id, id, sizeof(e->id));
		e->if_none_match = "*"; /* a match by id alone is another resource: not to be overwritten */
	}
}

static void
assign_identities(Bundle *b)
{
	for (int i = 0; i < b->n; i++) {
		BundleEntry *e = &b->entries[i];

		if (e->method >= BUNDLE_GET)
			continue;
		if (e->condition) {
			bundle_do(b, e, match_condition);
			if (e->method == BUNDLE_PUT)
				bundle_do(b, e, check_put_id);
		}
		if (e->id[0] == '\0' && e->method != BUNDLE_DELETE) {
			char id[37];

			fhir_uuid_new(id);
			strlcpy(e->id, id, sizeof(e->id));
			e->version = 1;
		}
	}
}

int
bundle_compare(const BundleEntry *x, const BundleEntry *y)
{
	int cmp = strcmp(x->type->name, y->type->name);

	return cmp ? cmp : strcmp(x->id, y->id);
}

static int
compare_identities(const void *a, const void *b)
{
	return bundle_compare(*(BundleEntry *const *) a, *(BundleEntry *const *) b);
}

/* The entries that change identities known beforehand, in (type, id) order. */
static int
sort_identities(Bundle *b, BundleEntry **sorted)
{
	int n = 0;

	for (int i = 0; i < b->n; i++) {
		BundleEntry *e = &b->entries[i];

		if (e->method < BUNDLE_GET && e->id[0] && (e->method != BUNDLE_POST || e->matched))
			sorted[n++] = e;
	}
	qsort(sorted, n, sizeof(BundleEntry *), compare_identities);
	for (int i = 1; i < n; i++)
		if (compare_identities(&sorted[i - 1], &sorted[i]) == 0)
			ereport(ERROR,
					errcode(FH400),
					errmsg("two entries of the transaction are about the same resource"),
					errdetail("Bundle.entry[%d] and Bundle.entry[%d]: %s/%s", Min(sorted[i - 1]->index, sorted[i]->index),
							  Max(sorted[i - 1]->index, sorted[i]->index), sorted[i]->type->name, sorted[i]->id),
					errhint("Send them in two transactions, or in one entry."),
					fhir_issue("duplicate", psprintf("Bundle.entry[%d]", Max(sorted[i - 1]->index, sorted[i]->index))));
	return n;
}

/*
 * Two entries with the same condition are about the same resource, or would both create it: neither sees what the other writes. Of two
 * deletions nothing can come twice.
 */
static void
check_conditions(Bundle *b)
{
	for (int i = 0; i < b->n; i++) {
		BundleEntry *e = &b->entries[i];
		struct {
			uint64 hash;
			BundleEntry *entry;
		} * u;

		if (!bundle_creates(e) || !e->condition)
			continue;
		u = hash_search(b->conditions, &e->condition_hash, HASH_FIND, NULL);
		if (u->entry != e)
			ereport(ERROR,
					errcode(FH400),
					errmsg("two entries are written on the same condition"),
					errdetail("Bundle.entry[%d] and Bundle.entry[%d]: %.300s", e->index, u->entry->index, e->condition),
					errhint("Send one entry, with a fullUrl to which the others refer."),
					fhir_issue("duplicate", psprintf("Bundle.entry[%d].request.%s", u->entry->index,
													 u->entry->method == BUNDLE_POST ? "ifNoneExist" : "url")));
	}
}

static void
lock_row(Bundle *b, BundleEntry *e)
{
	StoreRow row;

	e->found = store_writer_find(b->writing.rows, e->type, e->id, e->method != BUNDLE_POST, &row);
	e->version = !e->found ? 1 : e->method == BUNDLE_POST ? row.version
														  : row.version + 1;
}

static void
do_delete(Bundle *b, BundleEntry *e)
{
	if (e->id[0] == '\0') { /* the condition matched nothing */
		condition_require_no_version(e->type, e->condition, e->if_match);
		e->result.type = e->type;
		e->result.deleted = e->result.unchanged = true;
		return;
	}
	while (!write_delete(&b->writing, e->type, e->id, e->if_match, true, &e->result))
		store_writer_snapshot(b->writing.rows);
}

/* The entry's resource as it shall be stored, checked. */
static InteractionState
new_state(Bundle *b, BundleEntry *e)
{
	InteractionState new = {.type = e->type, .id = e->id, .doc = references_rewrite(b, e)};

	interaction_admit(&b->writing, NULL, &new);
	return new;
}

static void
do_post(Bundle *b, BundleEntry *e)
{
	InteractionState new;
	KeySet keys;

	if (e->matched) {
		e->result.type = e->type;
		e->result.version = e->version;
		e->result.unchanged = true;
		return;
	}
	new = new_state(b, e);
	keys_extract(store_key_context(), e->type, new.doc, &keys);
	write_new(&b->writing, &new, &keys, 'C', true, &e->result);
}

static void
do_put(Bundle *b, BundleEntry *e)
{
	InteractionState new = new_state(b, e);
	KeySet keys;

	keys_extract(store_key_context(), e->type, new.doc, &keys);
	while (!write_update(&b->writing, &new, &keys, e->if_match, e->if_none_match, 'U', true, &e->result)) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(b->writing.rows);
	}
}

static void
do_patch(Bundle *b, BundleEntry *e)
{
	e->resource = references_rewrite(b, e);
	while (!write_patch(&b->writing, e->type, e->id, bundle_patch(e), e->if_match, &e->result)) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(b->writing.rows);
	}
}

/* Keeps what the response needs; the rest of an entry's memory goes. */
static void
do_entry(Bundle *b, BundleEntry *e, MemoryContext scratch, void (*fn)(Bundle *, BundleEntry *))
{
	MemoryContext old = MemoryContextSwitchTo(scratch);

	CHECK_FOR_INTERRUPTS();
	bundle_do(b, e, fn);
	e->result.resource = NULL;
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

/* What SearchParameters need of each other is looked at when all is written: an error names the entry of the one that it is about. */
static void
end_writer(Bundle *b)
{
	fhir_issues_reset();
	PG_TRY();
	{
		writing_end(&b->writing);
	}
	PG_CATCH();
	{
		int64 rid = b->writing.culprit;

		for (int i = 0; i < b->n && rid != 0; i++)
			if (b->entries[i].method < BUNDLE_GET && b->entries[i].result.rid == rid)
				bundle_raise(b, &b->entries[i]);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
write_entries(Bundle *b, BundleEntry **sorted, int nsorted)
{
	MemoryContext scratch = AllocSetContextCreate(b->context, "FHIR Bundle entry", ALLOCSET_DEFAULT_SIZES);

	writing_begin(&b->writing, b->caller, "fhir_transaction()");
	for (int i = 0; i < nsorted; i++)
		do_entry(b, sorted[i], scratch, lock_row);
	for (int i = 0; i < b->n; i++)
		if (b->entries[i].method == BUNDLE_DELETE)
			do_entry(b, &b->entries[i], scratch, do_delete);
	for (int i = 0; i < b->n; i++)
		if (b->entries[i].method == BUNDLE_POST)
			do_entry(b, &b->entries[i], scratch, do_post);
	for (int i = 0; i < nsorted; i++)
		if (sorted[i]->method == BUNDLE_PUT)
			do_entry(b, sorted[i], scratch, do_put);
		else if (sorted[i]->method == BUNDLE_PATCH)
			do_entry(b, sorted[i], scratch, do_patch);
	end_writer(b);
	MemoryContextDelete(scratch);
}

void
bundle_get(Bundle *b, BundleEntry *e)
{
	BundleGet get = {e->url, e->form, e->if_none_match, e->if_modified_since};

	e->answer = b->get(b->caller, &get, &e->result);
	e->status = e->answer ? 200 : 304;
	if (e->method == BUNDLE_HEAD)
		e->answer = NULL;
}

/* Reads see what the transaction has written. */
static void
read_entries(Bundle *b)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < b->n; i++)
		if (b->entries[i].method >= BUNDLE_GET)
			bundle_do(b, &b->entries[i], bundle_get);
	PopActiveSnapshot();
}

static void
run_transaction(Bundle *b)
{
	BundleEntry **sorted = palloc(sizeof(BundleEntry *) * Max(b->n, 1));
	bool writes = false;

	for (int i = 0; i < b->n; i++) {
		sorted[i] = &b->entries[i];
		writes |= b->entries[i].method < BUNDLE_GET;
	}
	if (writes) {
		PreventCommandIfReadOnly("fhir_transaction()");
		bundle_lock_conditions(sorted, b->n);
		references_init(b);
		check_conditions(b);
		assign_identities(b);
		write_entries(b, sorted, sort_identities(b, sorted));
	}
	read_entries(b);
}

/* In a snapshot of its own: the response shows what the Bundle has written. */
static Jsonb *
respond(const Bundle *b)
{
	Jsonb *response;

	if (b->wanted != INTERACTION_RETURN_RESOURCE)
		return bundle_response(b);
	PushActiveSnapshot(GetTransactionSnapshot());
	response = bundle_response(b);
	PopActiveSnapshot();
	return response;
}

Jsonb *
interaction_bundle(const Caller *caller, Jsonb *bundle, InteractionReturn wanted, BundleGetFn get)
{
	Bundle b = {.context = CurrentMemoryContext, .wanted = wanted, .caller = caller, .get = get};

	bundle_parse(&b, &bundle->root);
	if (b.transaction)
		run_transaction(&b);
	else
		bundle_batch(&b);
	return respond(&b);
}
