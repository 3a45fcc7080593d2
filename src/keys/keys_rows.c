/*
 * keys_rows.c: keys as rows, for people and tests: what the SQL functions of the store return.
 */
#include "base/base.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "keys/keys_internal.h"

/* Prepares a materialized result set: rsinfo->setResult and setDesc. */
static void
begin_set(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	TupleDesc desc;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || (rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("set-valued function called in context that cannot accept a set"));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	rsinfo->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
}

typedef struct Rows {
	Tuplestorestate *store;
	TupleDesc desc;
} Rows;

static void
put_key(void *arg, const char *source, const char *structure, const char *form, uint64 key, int64 lo, int64 hi, const char *value, int len)
{
	Rows *rows = arg;
	bool ordered = strcmp(structure, "ordered") == 0;
	Datum values[7];
	bool nulls[7] = {false, false, false, false, !ordered, !ordered, value == NULL};

	values[0] = CStringGetTextDatum(source);
	values[1] = CStringGetTextDatum(structure);
	values[2] = CStringGetTextDatum(form);
	values[3] = Int64GetDatum((int64) key);
	values[4] = Int64GetDatum(lo);
	values[5] = Int64GetDatum(hi);
	values[6] = value != NULL ? PointerGetDatum(cstring_to_text_with_len(value, len)) : (Datum) 0;
	tuplestore_putvalues(rows->store, rows->desc, values, nulls);
}

static const ModelType *
resource_type(Jsonb *resource)
{
	char *name = JB_ROOT_IS_OBJECT(resource) ? fhir_json_get_string(&resource->root, "resourceType") : NULL;
	const ModelType *type = name != NULL ? model_resource(name, strlen(name)) : NULL;

	if (type == NULL)
		ereport(ERROR, errcode(FH400), errmsg("not a FHIR resource"),
				errdetail("resourceType is %s%s%s.", name ? "\"" : "", name ? name : "missing", name ? "\"" : ""),
				fhir_issue("structure", "resourceType"));
	return type;
}

Datum
keys_trace_rows(KeyContext context, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Jsonb *resource = PG_GETARG_JSONB_P(0);
	const ModelType *type = resource_type(resource);
	Rows rows;
	KeyTrace trace = {put_key, &rows};
	KeySet keys;

	begin_set(fcinfo);
	rows.store = rsinfo->setResult;
	rows.desc = rsinfo->setDesc;
	keys_extract_traced(context, type, &resource->root, &keys, &trace);
	return (Datum) 0;
}

/* Numbers of keys after removal of duplicates: what a resource costs. */
Datum
keys_counts(KeyContext context, FunctionCallInfo fcinfo)
{
	Jsonb *resource = PG_GETARG_JSONB_P(0);
	const ModelType *type = resource_type(resource);
	TupleDesc desc;
	KeySet keys;
	Datum values[5];
	bool nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	keys_extract(context, type, &resource->root, &keys);
	values[0] = Int32GetDatum(keys.neq);
	values[1] = Int32GetDatum(keys.nrefs);
	values[2] = Int32GetDatum(keys.nordered);
	values[3] = Int32GetDatum(keys.nstrings);
	values[4] = Int32GetDatum(keys.nterms);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* ---- the registry as rows ---- */

static const char *const class_names[] = {"token", "reference", "uri", "string", "date", "number", "quantity", "composite", "special"};

static void
put_param(const KeyParam *p, void *arg)
{
	Rows *rows = arg;

	for (int i = 0; i < Max(p->nlegs, 1); i++) {
		const KeySource *s = i < p->nlegs ? p->legs[i].source : NULL;
		const ModelTypeId *targets = s != NULL ? p->legs[i].targets : NULL;
		bool nulls[8] = {false, false, false, s == NULL, s == NULL, targets == NULL, s == NULL, s == NULL};
		Datum values[8] = {0};

		values[0] = CStringGetTextDatum(p->base->name);
		values[1] = CStringGetTextDatum(p->code);
		values[2] = CStringGetTextDatum(p->url);
		if (s != NULL) {
			values[3] = CStringGetTextDatum(class_names[s->klass]);
			values[4] = CStringGetTextDatum(s->expression);
			values[5] = targets != NULL ? CStringGetTextDatum(model_type_by_id(targets[0])->name) : (Datum) 0;
			values[6] = BoolGetDatum(s->path != NULL);
			values[7] = BoolGetDatum(p->legs[i].absence);
		}
		tuplestore_putvalues(rows->store, rows->desc, values, nulls);
	}
}

Datum
keys_source_rows(KeyContext context, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const ModelType *type = NULL;
	Rows rows;

	if (!PG_ARGISNULL(0)) {
		char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

		type = model_resource(name, strlen(name));
		if (type == NULL)
			ereport(ERROR, errcode(FH404), errmsg("resource type \"%s\" is not known", name), errhint("Resource types are case-sensitive: Patient."),
					fhir_issue("not-supported", NULL));
	}
	begin_set(fcinfo);
	rows.store = rsinfo->setResult;
	rows.desc = rsinfo->setDesc;
	if (type != NULL)
		keys_params_each(context, type, put_param, &rows);
	for (int i = 1; i < model_ntypes && type == NULL; i++) {
		const ModelType *t = model_type_by_id(i);

		if (t->kind == MODEL_RESOURCE && !t->abstract)
			keys_params_each(context, t, put_param, &rows);
	}
	return (Datum) 0;
}

/* ---- tests ---- */

static void
gather(void *arg, const FpItem *item)
{
	FpList *l = arg;

	if (l->n == l->max) {
		l->max = l->max > 0 ? l->max * 2 : 16;
		l->items = l->items == NULL ? palloc(l->max * sizeof(FpItem)) : repalloc_huge(l->items, l->max * sizeof(FpItem));
	}
	l->items[l->n++] = *item;
}

static bool
same_item(const FpItem *a, const FpItem *b)
{
	if (a->type != b->type || a->json.type != b->json.type)
		return false;
	switch (a->json.type) {
		case jbvBinary:
			return a->json.val.binary.data == b->json.val.binary.data;
		case jbvString:
			return a->json.val.string.val == b->json.val.string.val;
		default:
			return true;
	}
}

/* Sources of a document whose member path finds other items than the FHIRPath engine: none, or there is a bug. */
Datum
keys_verify_rows(KeyContext context, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Jsonb *resource = PG_GETARG_JSONB_P(0);
	const ModelType *type = resource_type(resource);
	const KeyRegistry *r = keys_registry(context.user, type);
	FpItem root;

	begin_set(fcinfo);
	fhirpath_root(&resource->root, type->id, &root);
	for (int i = 0; i < r->nsources; i++) {
		const KeySource *s = r->sources[i];
		const char *text = s->klass == KEYS_COMPOSITE ? "" : s->expression;
		FpList walked = {0}, engine = {0};
		bool same;

		if (s->path == NULL || *text == '\0')
			continue;
		keys_eval(s->path, NULL, &resource->root, type->id, &root, gather, &walked);
		keys_eval(NULL, fhirpath_compile(text, strlen(text), type->id), &resource->root, type->id, &root, gather, &engine);
		same = walked.n == engine.n;
		for (int k = 0; k < walked.n && same; k++)
			same = same_item(&walked.items[k], &engine.items[k]);
		if (!same) {
			Datum values[3] = {CStringGetTextDatum(text), Int32GetDatum(walked.n), Int32GetDatum(engine.n)};
			bool nulls[3] = {false};

			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
