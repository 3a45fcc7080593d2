/*
 * match_params.c: fhir_search_parameters(type): the published parameters of a type, with the expressions they stand for.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "model/model.h"

typedef struct ParamList {
	const ModelParam **params;
	int n, max;
} ParamList;

static void
collect(const ModelParam *p, void *arg)
{
	ParamList *l = arg;

	if (l->n == l->max) {
		l->max *= 2;
		l->params = repalloc(l->params, l->max * sizeof(ModelParam *));
	}
	l->params[l->n++] = p;
}

static Datum
target_names(const ModelParam *p)
{
	Datum *names;
	int n = 0;

	while (p->targets != NULL && p->targets[n])
		n++;
	names = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(model_type_by_id(p->targets[i])->name);
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

PGDLLEXPORT Datum fhir_search_parameters(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_search_parameters);

Datum
fhir_search_parameters(PG_FUNCTION_ARGS)
{
	static const char *const types[] = {"number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"};
	FuncCallContext *f;
	ParamList *list;

	if (SRF_IS_FIRSTCALL()) {
		MemoryContext old;
		char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
		const ModelType *type = model_resource(name, strlen(name));
		TupleDesc desc;

		if (type == NULL)
			ereport(ERROR, errcode(FH404), errmsg("resource type is not known"), errdetail("Type \"%s\".", name), errhint("Resource types are case-sensitive: Patient."),
					fhir_issue("not-supported", NULL));
		f = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(f->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		f->tuple_desc = BlessTupleDesc(desc);
		list = palloc0(sizeof(ParamList));
		list->max = 64;
		list->params = palloc(list->max * sizeof(ModelParam *));
		model_params_each(type, collect, list);
		f->user_fctx = list;
		MemoryContextSwitchTo(old);
	}
	f = SRF_PERCALL_SETUP();
	list = f->user_fctx;
	if (f->call_cntr < list->n) {
		const ModelParam *p = list->params[f->call_cntr];
		Datum values[5] = {CStringGetTextDatum(p->code), CStringGetTextDatum(types[p->type]), CStringGetTextDatum(p->url), 0, target_names(p)};
		bool nulls[5] = {false};

		if (p->expression != NULL)
			values[3] = CStringGetTextDatum(p->expression);
		else
			nulls[3] = true;
		SRF_RETURN_NEXT(f, HeapTupleGetDatum(heap_form_tuple(f->tuple_desc, values, nulls)));
	}
	SRF_RETURN_DONE(f);
}
