/*
 * catalog_params.c: what a backend knows of the search parameters that users have added to a store (table search_param).
 *
 * The set is read by the newest snapshot, on first use and again when a relcache invalidation of the table says so; a store
 * without such parameters costs one comparison. Readers check a parameter against their own snapshot (keys_servable). A
 * set that is replaced lives on to the end of the transaction, as pointers into it may be about.
 *
 * No write may miss a parameter that is being indexed. A writer that holds its lock on table `resource` has heard of every
 * invalidation sent before, and only then compares its keys' generation with the current one. Who re-indexes first waits
 * for all who hold that lock (reindex.c), so that everyone who writes from then on knows the parameter.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "store/catalog/catalog.h"
#include "store/catalog/catalog_params.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static List *forgotten = NIL; /* of MemoryContext; in TopMemoryContext */

void
store_params_forget(StoreCatalog *cat)
{
	MemoryContext old;

	if (cat->user == NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	forgotten = lappend(forgotten, cat->user->context);
	MemoryContextSwitchTo(old);
	cat->user = NULL;
	cat->params_digest = 0;
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	ListCell *cell;

	if (forgotten == NIL || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	foreach(cell, forgotten)
		MemoryContextDelete(lfirst(cell));
	list_free(forgotten);
	forgotten = NIL;
}

/* ---- rows ---- */

static const char *const kinds[] = {"number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"};

int
store_params_kind(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i], name) == 0)
			return i;
	return -1;
}

/* Types named by a text[], 0-terminated; names that the model does not know are left out. */
static ModelTypeId *
type_list(Datum names)
{
	Datum *d;
	int n, k = 0;
	ModelTypeId *list;

	deconstruct_array(DatumGetArrayTypeP(names), TEXTOID, -1, false, TYPALIGN_INT, &d, NULL, &n);
	list = palloc0((n + 1) * sizeof(ModelTypeId));
	for (int i = 0; i < n; i++) {
		char *name = TextDatumGetCString(d[i]);
		const ModelType *t = model_type(name, strlen(name));

		if (t != NULL)
			list[k++] = t->id;
	}
	return list;
}

static void
read_components(Jsonb *components, ModelParam *p)
{
	JsonbValue *elements;
	ModelComponent *list;

	p->ncomponents = json_elements(&components->root, &elements);
	if (p->ncomponents == 0)
		return;
	list = palloc0(p->ncomponents * sizeof(ModelComponent));
	for (int i = 0; i < p->ncomponents; i++) {
		list[i].definition = fhir_json_get_string(elements[i].val.binary.data, "definition");
		list[i].expression = fhir_json_get_string(elements[i].val.binary.data, "expression");
	}
	p->components = list;
}

/* One row of search_param; adds to *digest what a set consists of. */
static void
read_param(HeapTuple tuple, const Datum *v, KeyUserParam *out, uint64 *digest)
{
	ModelParam *p = &out->model;

	out->rid = DatumGetInt64(v[UP_RID]);
	out->ready = strcmp(TextDatumGetCString(v[UP_STATE]), "ready") == 0;
	out->xmin = HeapTupleHeaderGetXmin(tuple->t_data);
	p->code = TextDatumGetCString(v[UP_CODE]);
	p->url = TextDatumGetCString(v[UP_URL]);
	p->expression = TextDatumGetCString(v[UP_EXPRESSION]);
	p->type = store_params_kind(TextDatumGetCString(v[UP_KIND]));
	p->bases = type_list(v[UP_BASES]);
	p->targets = type_list(v[UP_TARGETS]);
	p->multiple_or = p->multiple_and = true;
	read_components(DatumGetJsonbP(v[UP_COMPONENTS]), p);
	*digest = fhir_hash(&out->rid, sizeof(out->rid), *digest + out->ready);
	if (out->ready)
		*digest = fhir_hash(&out->xmin, sizeof(out->xmin), *digest);
	*digest = fhir_hash(p->code, strlen(p->code) + 1, *digest);
	*digest = fhir_hash(p->url, strlen(p->url) + 1, *digest);
	for (int i = UP_KIND; i <= UP_COMPONENTS; i++) {
		struct varlena *d = PG_DETOAST_DATUM(v[i]);

		*digest = fhir_hash(VARDATA(d), VARSIZE(d) - VARHDRSZ, *digest);
	}
}

/* Calls fn for each row, by the newest snapshot. */
static void
each_param(StoreCatalog *cat, void (*fn)(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg), void *arg)
{
	Relation rel = table_open(cat->params, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tuple;
	Datum values[UP_NATTS];
	bool nulls[UP_NATTS];

	if (RelationGetNumberOfAttributes(rel) != UP_NATTS)
		elog(ERROR, "table \"search_param\" of store \"%s\" is not as it should be", cat->name);
	/* a handful of rows: no index needed */
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		fn(tuple, values, nulls, arg);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

typedef struct Load {
	KeyUserSet *set; /* NULL: only counting */
	int n;
	uint64 digest;
	bool pending;
} Load;

static void
load_row(HeapTuple tuple, const Datum *v, const bool *nulls, void *arg)
{
	Load *l = arg;
	char *state = TextDatumGetCString(v[UP_STATE]);

	l->pending |= strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0;
	if (!DatumGetBool(v[UP_ACTIVE]) || nulls[UP_CODE])
		return;
	/* a row that came between the two scans makes the set be loaded again */
	if (l->set != NULL && l->set->n < l->n) {
		MemoryContext old = MemoryContextSwitchTo(l->set->context);

		read_param(tuple, v, &l->set->params[l->set->n++], &l->digest);
		if (!nulls[UP_FINISHED])
			l->set->changed = Max(l->set->changed, DatumGetTimestampTz(v[UP_FINISHED]));
		MemoryContextSwitchTo(old);
	} else if (l->set == NULL)
		l->n++;
}

static void
load(StoreCatalog *cat)
{
	Load l = {0};
	KeyUserSet *set = NULL;

	cat->params_valid = true; /* before the scan: an invalidation during it must win */
	each_param(cat, load_row, &l);
	cat->keys_stale = store_key_version(cat) != FHIR_KEY_VERSION;
	if (l.n > 0) {
		/* child of the transaction's until it is whole */
		l.set = set = keys_user_set(CurTransactionContext, l.n);
		l.digest = 1;
		each_param(cat, load_row, &l);
		keys_user_set_done(set);
	}
	if (l.digest != cat->params_digest) {
		store_params_forget(cat);
		if (set != NULL)
			MemoryContextSetParent(set->context, TopMemoryContext);
		cat->user = set;
		cat->params_digest = l.digest;
	} else if (set != NULL)
		MemoryContextDelete(set->context);
	/* work that waits since a crash, a restart or a promotion, or that could not be given to a worker */
	if ((l.pending || cat->keys_stale) && fhir_reindex_worker && !RecoveryInProgress() && !IsInParallelMode() && !store_reindex_running(cat))
		store_reindex_want();
}

static KeyUserSet *
current_set(void)
{
	StoreCatalog *cat = store_catalog_if_any();

	if (unlikely(cat == NULL || !OidIsValid(cat->params)))
		return NULL;
	while (unlikely(!cat->params_valid))
		load(cat);
	return cat->user;
}

KeyContext
store_key_context(void)
{
	return (KeyContext){current_set(), fhir_base_url};
}

bool
store_keys_stale(void)
{
	StoreCatalog *cat = store_catalog();

	if (unlikely(!cat->params_valid))
		current_set();
	return unlikely(cat->keys_stale);
}

void
store_params_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
}

/* ---- progress ---- */

typedef struct Progress {
	int64 rid;
	char *text;
} Progress;

static void
progress_row(HeapTuple tuple, const Datum *v, const bool *nulls, void *arg)
{
	Progress *p = arg;
	char *state;

	if (DatumGetInt64(v[UP_RID]) != p->rid)
		return;
	state = TextDatumGetCString(v[UP_STATE]);
	if (strcmp(state, "running") == 0 && !nulls[UP_TOTAL])
		p->text = psprintf("%lld of %lld resources are indexed; fhir_reindex_status() tells more.",
						   (long long) Min(DatumGetInt64(v[UP_DONE]), DatumGetInt64(v[UP_TOTAL])),
						   (long long) DatumGetInt64(v[UP_TOTAL]));
	else if (strcmp(state, "failed") == 0)
		p->text = psprintf("Indexing failed: fhir_reindex_status() tells why; CALL fhir_reindex() tries again.");
	else if (strcmp(state, "waiting") == 0)
		p->text = psprintf("Indexing waits to begin: see fhir_reindex_status(), or CALL fhir_reindex().");
}

char *
store_params_progress(int64 rid)
{
	StoreCatalog *cat = store_catalog();
	Progress p = {rid};

	if (OidIsValid(cat->params))
		each_param(cat, progress_row, &p);
	return p.text;
}
