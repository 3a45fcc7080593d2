/*
 * reindex_sql.c: who runs a re-index: fhir_reindex() in a session, or a background worker; and fhir_reindex_status().
 *
 * The session that stored a SearchParameter starts the worker (worker.c), and so does a session that finds work waiting which
 * nobody does (after a crash, a promotion, a restore). Without a
 * free worker slot the work waits for the next such session or for fhir_reindex(). Of many workers one runs, one waits for
 * it, the others end: the one that waits will see whatever they were started for. It works with the rights of the owner of
 * search_param.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#define DEFAULT_BATCH 1000
#define WORKER_BATCH 250 /* rows are locked for some ten milliseconds */

/* ---- the worker ---- */

extern PGDLLEXPORT void fhir_reindex_main(Datum arg);

static void
work(void)
{
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	store_reindex_run(WORKER_BATCH, false, false);
	SPI_finish();
}

/* After an error: what happened, for fhir_reindex_status(). */
static void
give_up(MemoryContext context)
{
	char *message = store_worker_recover(context);
	StoreCatalog *cat = store_catalog_if_any();

	if (cat != NULL && OidIsValid(cat->params)) {
		store_worker_become_owner(cat->params);
		SPI_connect();
		store_reindex_failed(message);
		SPI_finish();
	}
	CommitTransactionCommand();
}

void
fhir_reindex_main(Datum arg)
{
	MemoryContext context = CurrentMemoryContext;
	StoreCatalog *cat;

	store_worker_begin(DatumGetObjectId(arg), "re-indexing a FHIR store");
	StartTransactionCommand();
	cat = store_catalog_if_any();
	if (cat == NULL || !OidIsValid(cat->params) || !store_lock(cat, STORE_LOCK_NEXT, false)) {
		CommitTransactionCommand();
		return;
	}
	CommitTransactionCommand();
	StartTransactionCommand();
	store_worker_become_owner(cat->params);
	store_lock(cat, STORE_LOCK_RUNNER, true);
	store_unlock(cat, STORE_LOCK_NEXT);
	PG_TRY();
	{
		work();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		give_up(context);
	}
	PG_END_TRY();
}

/* ---- SQL ---- */

static void
run_as_only_runner(StoreCatalog *cat, int batch, bool everything)
{
	store_lock(cat, STORE_LOCK_RUNNER, true);
	PG_TRY();
	{
		store_reindex_run(batch, everything, true);
	}
	PG_FINALLY();
	{
		store_unlock(cat, STORE_LOCK_RUNNER);
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(fhir_reindex);
PGDLLEXPORT Datum fhir_reindex(PG_FUNCTION_ARGS);

Datum
fhir_reindex(PG_FUNCTION_ARGS)
{
	int batch = PG_ARGISNULL(0) ? DEFAULT_BATCH : PG_GETARG_INT32(0);
	bool everything = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	bool atomic = !fcinfo->context || !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic;
	StoreCatalog *cat;

	if (batch < 1 || batch > 100000)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid size of a batch"),
				errdetail("Batch %d; it may be 1 to 100000 rows.", batch), errhint("Leave it out for the default."));
	if (atomic)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				errmsg("fhir_reindex() can't run in a transaction block"),
				errdetail("It commits after each batch."), errhint("Call it by itself, outside BEGIN and COMMIT."));
	PreventCommandDuringRecovery("fhir_reindex()");
	PreventCommandIfReadOnly("fhir_reindex()");
	cat = store_catalog();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	FhirSPICommit(); /* no snapshot is kept while it waits */
	run_as_only_runner(cat, batch, everything);
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(fhir_reindex_status);
PGDLLEXPORT Datum fhir_reindex_status(PG_FUNCTION_ARGS);

#define STATUS_COLUMNS 11

Datum
fhir_reindex_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	TupleDesc desc;

	if (result == NULL || !IsA(result, ReturnSetInfo) || (result->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("set-valued function called in context that cannot accept a set"));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	result->returnMode = SFRM_Materialize;
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	result->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
	if (!OidIsValid(store_catalog()->params))
		return (Datum) 0;
	SPI_connect();
	store_spi(psprintf("SELECT id, url, code, bases, CASE WHEN active THEN state ELSE CASE state WHEN 'failed' THEN 'failed' ELSE 'removing' END END,"
					   " least(done, total), total, queued, started, finished, error FROM %s.search_param ORDER BY code, id",
					   store_schema()),
			  0, NULL, NULL, NULL, true, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++) {
		Datum values[STATUS_COLUMNS];
		bool nulls[STATUS_COLUMNS];

		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}
