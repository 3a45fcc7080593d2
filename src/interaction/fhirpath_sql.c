/*
 * fhirpath_sql.c: the FHIRPath functions of SQL that take any expression: resolve() reads the current store, memberOf() its terminology,
 * now() the clock. So they are STABLE.
 */
#include "base/base.h"

#include "fmgr.h"
#include "funcapi.h"

#include "fhirpath/fhirpath.h"
#include "search/search.h"
#include "store/rows/rows.h"

#define PG_GETARG_FHIRPATH(n) ((FhirPath *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

PGDLLEXPORT Datum fhirpath_query(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum fhirpath_first_stable(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum fhirpath_exists_stable(PG_FUNCTION_ARGS);

static void
evaluate(FunctionCallInfo fcinfo, FpList *out)
{
	TermsSource terms = search_terms_source();
	FpContext ctx;
	FpItem root;

	fhirpath_arguments(fcinfo, &ctx, &root);
	ctx.base_url = store_key_context().base_url;
	ctx.document = store_resolve;
	ctx.member_of = terms_member_of;
	ctx.arg = &terms;
	fhirpath_eval(PG_GETARG_FHIRPATH(1), &ctx, &root, out);
}

/* fhirpath(resource, path, env): every item. All are found at the first call and handed out one by one. */
PG_FUNCTION_INFO_V1(fhirpath_query);
Datum
fhirpath_query(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	FpList *list;

	if (SRF_IS_FIRSTCALL()) {
		MemoryContext old;

		funcctx = SRF_FIRSTCALL_INIT();
		if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
			SRF_RETURN_DONE(funcctx);
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		list = palloc0(sizeof(FpList));
		evaluate(fcinfo, list);
		MemoryContextSwitchTo(old);
		funcctx->user_fctx = list;
	}
	funcctx = SRF_PERCALL_SETUP();
	list = funcctx->user_fctx;
	if (funcctx->call_cntr < list->n) {
		/* the macro counts before it evaluates its argument */
		Datum item = PointerGetDatum(fhirpath_item_jsonb(&list->items[funcctx->call_cntr]));

		SRF_RETURN_NEXT(funcctx, item);
	}
	SRF_RETURN_DONE(funcctx);
}

PG_FUNCTION_INFO_V1(fhirpath_first_stable);
Datum
fhirpath_first_stable(PG_FUNCTION_ARGS)
{
	FpList items = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	evaluate(fcinfo, &items);
	if (items.n == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(fhirpath_item_jsonb(&items.items[0]));
}

PG_FUNCTION_INFO_V1(fhirpath_exists_stable);
Datum
fhirpath_exists_stable(PG_FUNCTION_ARGS)
{
	FpList items = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	evaluate(fcinfo, &items);
	PG_RETURN_BOOL(items.n > 0);
}
