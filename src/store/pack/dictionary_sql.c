/*
 * dictionary_sql.c: who has a dictionary trained: fhir_dictionary_train() in a session, or a background worker.
 *
 * The worker is started by a session that has made a resource when the store has grown enough (store_dictionary_grown), and looks for itself
 * whether that is still so. A training that failed, or was not worth it, is noted in store_info, so that the next
 * is tried when the store has twice as many resources, not with the next write.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "store/pack/pack_internal.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* ---- the worker ---- */

extern PGDLLEXPORT void fhir_dictionary_main(Datum arg);

static void
work(StoreCatalog *cat)
{
	Training t;

	store_worker_become_owner(cat->dictionary);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (store_dictionary_last(cat) >= store_dictionary_due(cat)) {
		store_dictionary_train(cat, &t);
		if (!t.stored)
			store_dictionary_note(cat);
		ereport(LOG, errmsg("trained a dictionary for FHIR store \"%s\"", cat->name),
				errdetail("%d documents; bytes a document: %.0f with what is in use, %.0f with the new one, which is %s.", t.samples, t.before, t.after,
						  t.stored ? "stored" : "not stored"));
	}
	SPI_finish();
	PopActiveSnapshot();
}

static void
give_up(MemoryContext context)
{
	StoreCatalog *cat;

	(void) store_worker_recover(context);
	cat = store_catalog_if_any();
	if (cat != NULL && OidIsValid(cat->dictionary)) {
		store_worker_become_owner(cat->dictionary);
		PushActiveSnapshot(GetTransactionSnapshot());
		SPI_connect();
		store_dictionary_note(cat);
		SPI_finish();
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
}

void
fhir_dictionary_main(Datum arg)
{
	MemoryContext context = CurrentMemoryContext;
	StoreCatalog *cat;

	store_worker_begin(DatumGetObjectId(arg), "training a dictionary for a FHIR store");
	StartTransactionCommand();
	cat = store_catalog_if_any();
	if (cat == NULL || !OidIsValid(cat->dictionary) || !store_dictionary_lock(cat, false)) {
		CommitTransactionCommand();
		return;
	}
	PG_TRY();
	{
		work(cat);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		give_up(context);
	}
	PG_END_TRY();
}

/* ---- SQL ---- */

PG_FUNCTION_INFO_V1(fhir_dictionary_train);
PGDLLEXPORT Datum fhir_dictionary_train(PG_FUNCTION_ARGS);

#define TRAIN_COLUMNS 5

Datum
fhir_dictionary_train(PG_FUNCTION_ARGS)
{
	StoreCatalog *cat;
	TupleDesc desc;
	Training t;
	Datum values[TRAIN_COLUMNS];
	bool nulls[TRAIN_COLUMNS] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("fhir_dictionary_train()");
	PreventCommandIfParallelMode("fhir_dictionary_train()");
	PreventCommandDuringRecovery("fhir_dictionary_train()");
	cat = store_catalog();
	if (OidIsValid(cat->dictionary))
		store_dictionary_require(cat);
	SPI_connect();
	store_dictionary_lock(cat, true);
	cat = store_catalog(); /* another trainer may have made the table */
	if (!OidIsValid(cat->dictionary)) {
		store_add_dictionary_table(cat);
		CommandCounterIncrement();
		cat = store_catalog();
	}
	store_dictionary_train(cat, &t);
	SPI_finish();
	values[0] = BoolGetDatum(t.stored);
	values[1] = Int32GetDatum(t.id);
	values[2] = Int32GetDatum(t.samples);
	values[3] = Int32GetDatum((int32) (t.before + 0.5));
	values[4] = Int32GetDatum((int32) (t.after + 0.5));
	nulls[1] = !t.stored;
	nulls[3] = nulls[4] = t.after == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
