/*
 * rows_reindex.c: makes the search keys of existing rows agree with the store's parameters, online.
 *
 * A job is all rows of search_param that wait or were interrupted; or, under rid 0, all keys, when the format of keys has changed. One
 * runner a store (a session lock) does jobs until none is left:
 *
 *   1. reads the job; commits
 *   2. waits for every transaction that holds a writer's lock on `resource`: whoever writes later knows the parameters
 *      (params.c). Twice: the first wait is also for the transaction that stored the SearchParameter, whose message to
 *      the others is out when it is over
 *   3. state `running`, position 0; commits
 *   4. by rid, a batch a transaction: rows whose keys differ from what their document gives are locked and updated,
 *      with the same version. A row that changed since the batch's snapshot was written by one who knows: left alone. A row that is
 *      locked is put off, and waited for in a transaction of its own, so that the runner never waits while it holds a row
 *   5. notes the position; commits
 *   6. state `ready`: from there on snapshots that see it see rows with keys only
 *
 * A crash anywhere leaves a state that the next run goes on from. Rows are read by resource_pkey; what has no new keys is not written.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/pmsignal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct Job {
	int n;
	Datum rids, versions; /* bigint[], integer[]: rows of search_param */
	Datum scope;		  /* text[] of types; empty: all */
	bool everything;	  /* deleted rows, too */
	char *base_url;
	int64 position, until;
} Job;

/* ---- jobs ---- */

static Datum
column(int row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

/* Keys of an older format: a job for all of them. */
static void
queue_everything(bool force)
{
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(psprintf("%d", FHIR_KEY_VERSION))};

	if (!force) {
		store_spi(psprintf("SELECT 1 FROM %s.store_info WHERE name = 'key_version' AND value <> $1", store_schema()), 1, types, values,
				  NULL, false, SPI_OK_SELECT);
		if (SPI_processed == 0)
			return;
	}
	store_spi(psprintf("INSERT INTO %s.search_param AS s (rid, version, active, id, bases, targets, components, scope, state, \"position\","
					   " done, base_url, queued) VALUES (0, 1, true, '', '{}', '{}', '[]', '{}', 'waiting', 0, 0, '', clock_timestamp())"
					   " ON CONFLICT (rid) DO UPDATE SET version = s.version + 1, state = 'waiting', \"position\" = 0, done = 0, total = NULL,"
					   " queued = clock_timestamp(), started = NULL, finished = NULL, error = NULL WHERE s.state NOT IN ('waiting', 'running')",
					   store_schema()),
			  0, NULL, NULL, NULL, false, SPI_OK_INSERT);
}

/* What is to be done; false: nothing. failed: also what failed before. */
static bool
find_job(Job *job, bool failed)
{
	bool isnull;

	memset(job, 0, sizeof(*job));
	store_spi(psprintf("SELECT count(*)::int4, array_agg(rid), array_agg(version),"
					   " CASE WHEN bool_or(rid = 0) THEN '{}' ELSE (SELECT array_agg(DISTINCT t) FROM %1$s.search_param q, unnest(q.scope) t WHERE q.state IN"
					   " ('waiting', 'running', %2$s)) END,"
					   " max(base_url), min(CASE state WHEN 'running' THEN \"position\" ELSE 0 END), bool_or(rid = 0)"
					   " FROM %1$s.search_param WHERE state IN ('waiting', 'running', %2$s)",
					   store_schema(), failed ? "'failed'" : "'waiting'"),
			  0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	job->n = DatumGetInt32(column(0, 1, &isnull));
	if (job->n == 0)
		return false;
	job->rids = datumCopy(column(0, 2, &isnull), false, -1);
	job->versions = datumCopy(column(0, 3, &isnull), false, -1);
	job->scope = datumCopy(column(0, 4, &isnull), false, -1);
	job->base_url = TextDatumGetCString(datumCopy(column(0, 5, &isnull), false, -1));
	job->position = DatumGetInt64(column(0, 6, &isnull));
	job->everything = DatumGetBool(column(0, 7, &isnull));
	return true;
}

/* Everyone who writes from now on knows the parameters of the job. */
static void
wait_for_writers(StoreCatalog *cat)
{
	LOCKTAG tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, cat->table[STORE_RESOURCE]);
	WaitForLockers(tag, ShareLock, false);
	WaitForLockers(tag, ShareLock, false);
}

/* Those rows whose definition is still the one that find_job saw; another one waits for the next job. */
static void
start_job(Job *job)
{
	Oid types[4] = {INT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, BOOLOID};
	Datum values[4] = {job->rids, job->versions, job->scope, BoolGetDatum(job->everything)};
	bool isnull;

	store_spi(psprintf("UPDATE %1$s.search_param SET started = coalesce(started, clock_timestamp()), error = NULL,"
					   " \"position\" = CASE state WHEN 'running' THEN \"position\" ELSE 0 END, state = 'running',"
					   " total = (SELECT count(*) FROM %1$s.resource WHERE (NOT deleted OR $4) AND ($3 = '{}' OR type = ANY ($3)))"
					   " WHERE (rid, version) IN (SELECT * FROM ROWS FROM (unnest($1), unnest($2)) x)",
					   store_schema()),
			  4, types, values, NULL, false, SPI_OK_UPDATE);
	store_spi(psprintf("SELECT coalesce(max(rid), 0) FROM %s.resource", store_schema()), 0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	job->until = DatumGetInt64(column(0, 1, &isnull));
}

/* False: nothing of the job is left to do (its parameters were changed meanwhile). */
static bool
note_position(Job *job, int64 rows)
{
	Oid types[3] = {INT8ARRAYOID, INT8OID, INT8OID};
	Datum values[3] = {job->rids, Int64GetDatum(job->position), Int64GetDatum(rows)};

	store_spi(psprintf("UPDATE %s.search_param SET \"position\" = greatest(\"position\", $2),"
					   " done = done + CASE WHEN $2 > \"position\" THEN $3 ELSE 0 END WHERE rid = ANY ($1) AND state = 'running'",
					   store_schema()),
			  3, types, values, NULL, false, SPI_OK_UPDATE);
	return SPI_processed > 0;
}

static void
finish_job(StoreCatalog *cat, Job *job)
{
	Oid types[2] = {INT8ARRAYOID, TEXTOID};
	Datum values[2] = {job->rids, CStringGetTextDatum(psprintf("%d", FHIR_KEY_VERSION))};

	store_spi(psprintf("UPDATE %1$s.store_info SET value = $2 WHERE name = 'key_version'"
					   " AND EXISTS (SELECT FROM %1$s.search_param WHERE rid = 0 AND rid = ANY ($1) AND state = 'running')",
					   store_schema()),
			  2, types, values, NULL, false, SPI_OK_UPDATE);
	store_spi(psprintf("DELETE FROM %s.search_param WHERE rid = ANY ($1) AND state = 'running' AND NOT active", store_schema()), 1, types, values,
			  NULL, false, SPI_OK_DELETE);
	store_spi(psprintf("UPDATE %s.search_param SET state = 'ready', scope = bases, finished = clock_timestamp() WHERE rid = ANY ($1)"
					   " AND state = 'running'",
					   store_schema()),
			  1, types, values, NULL, false, SPI_OK_UPDATE);
	CacheInvalidateRelcacheByRelid(cat->params);
	ForceSyncCommit(); /* who has seen that a parameter is served shall see it after a crash, too */
}

void
store_reindex_failed(const char *message)
{
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(message)};

	store_spi(psprintf("UPDATE %s.search_param SET state = 'failed', error = $1 WHERE state = 'running'", store_schema()), 1, types, values,
			  NULL, false, SPI_OK_UPDATE);
}

/* ---- rows ---- */

/* Locks the row in the slot if it is still the newest. */
static TM_Result
lock_row(StoreWriter *w, WriterTable *t, bool wait)
{
	TM_FailureData failure;
	ItemPointerData tid = t->scan->tts_tid;

	return table_tuple_lock(t->open.rel, &tid, GetActiveSnapshot(), t->scan, w->cid, LockTupleNoKeyExclusive,
							wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
}

static bool
find_row(StoreWriter *w, WriterTable *t, int64 rid)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(rid));
	return store_index_row(t->open.rel, store_open_index(w->cat, STORE_IDX_RID, &t->open), GetActiveSnapshot(), t->scan, 1, &key);
}

/* References are keyed by the base that writers use: that of the session that stored the parameter, unless ours has one. */
static KeyContext
key_context(const Job *job)
{
	KeyContext context = store_key_context();

	if (*context.base_url == '\0' && job->base_url != NULL)
		context.base_url = job->base_url;
	return context;
}

/* Makes the keys of one row agree with its document, and the hint where that is with its place. False: someone holds the row (never if wait). */
static bool
reindex_row(StoreWriter *w, int64 rid, bool wait, const Job *job)
{
	WriterTable *t = store_writer_table(w, STORE_RESOURCE);
	const ModelType *type;
	char *name, *id;
	StoreRow row, next;
	ItemPointerData locator;
	KeySet keys;
	Jsonb *doc;

	if (!find_row(w, t, rid))
		return true;
	store_read_row(t->scan, &row);
	name = TextDatumGetCString(t->scan->tts_values[RES_TYPE]);
	type = model_resource(name, strlen(name));
	if (type == NULL)
		return true;
	id = TextDatumGetCString(t->scan->tts_values[RES_ID]);
	if (row.deleted) {
		keys_extract_deleted(type, &keys);
		locator = row.locator;
	} else {
		doc = store_writer_document(w, &row, &locator);
		if (doc == NULL)
			return true;
		keys_extract(key_context(job), type, &doc->root, &keys);
	}
	if (!store_row_keys_differ(&row, &keys) && ItemPointerCompare(&row.locator, &locator) == 0)
		return true;
	switch (lock_row(w, t, wait)) {
		case TM_Ok:
			break;
		case TM_WouldBlock:
			return false;
		case TM_Updated:
		case TM_Deleted:
			return true; /* by one who knows the parameters */
		default:
			elog(ERROR, "unexpected state of a resource's row");
	}
	store_read_row(t->scan, &row);
	next = row;
	next.locator = locator;
	if (!store_writer_update_resource(w, type, &row, &next, id, &keys))
		elog(ERROR, "a locked row was changed");
	if (row.side_sig != (int64) keys.side_sig || row.key_version != FHIR_KEY_VERSION)
		store_side_sync(w, rid, row.ord, &keys);
	for (int i = 0; i < keys.nterms; i++)
		store_writer_insert_term(w, &keys.terms[i]);
	return true;
}

/*
 * Ends the transaction and begins the next. The worker acts as the owner of the store in a restricted context, and no transaction may
 * begin in one: it is left for that moment. Nobody's code runs in it: triggers can't be deferred in a restricted context.
 */
static void
commit(void)
{
	Oid user;
	int context;

	GetUserIdAndSecContext(&user, &context);
	if (context != 0)
		SetUserIdAndSecContext(GetSessionUserId(), 0);
	FhirSPICommit();
	if (context != 0)
		SetUserIdAndSecContext(user, context);
}

/* One row in a transaction of its own, waiting for whoever holds it. */
static void
reindex_late(int64 rid, const Job *job)
{
	StoreWriter *w = store_writer_begin("fhir_reindex()");

	reindex_row(w, rid, true, job);
	store_writer_end(w);
	commit();
}

static int
next_rids(const Job *job, int batch, int64 **out)
{
	Oid types[5] = {INT8OID, INT8OID, TEXTARRAYOID, INT4OID, BOOLOID};
	Datum values[5] = {Int64GetDatum(job->position), Int64GetDatum(job->until), job->scope, Int32GetDatum(batch), BoolGetDatum(job->everything)};
	int n;
	bool isnull;

	store_spi(psprintf("SELECT rid FROM %s.resource WHERE rid > $1 AND rid <= $2 AND ($3 = '{}' OR type = ANY ($3)) AND (NOT deleted OR $5)"
					   " ORDER BY rid LIMIT $4",
					   store_schema()),
			  5, types, values, NULL, false, SPI_OK_SELECT);
	n = SPI_processed;
	*out = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		(*out)[i] = DatumGetInt64(column(i, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* A batch, in a transaction or some. False: there are no more rows. */
static bool
reindex_batch(Job *job, int batch, MemoryContext scratch)
{
	int64 *rids, *late;
	int n = next_rids(job, batch, &rids), nlate = 0;
	MemoryContext row = AllocSetContextCreate(scratch, "FHIR re-index row", ALLOCSET_DEFAULT_SIZES), old;
	StoreWriter *w;

	if (n == 0)
		return false;
	/* a long loop that waits for nothing would not notice */
	if (!PostmasterIsAlive())
		ereport(FATAL, errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the server is gone: the re-index ends"));
	late = palloc(n * sizeof(int64));
	w = store_writer_begin("fhir_reindex()");
	for (int i = 0; i < n; i++) {
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(row);
		if (!reindex_row(w, rids[i], false, job))
			late[nlate++] = rids[i];
		MemoryContextSwitchTo(old);
		MemoryContextReset(row);
	}
	store_writer_end(w);
	commit();
	for (int i = 0; i < nlate; i++)
		reindex_late(late[i], job);
	job->position = rids[n - 1];
	if (!note_position(job, n))
		return false;
	commit();
	return true;
}

static void
run_job(StoreCatalog *cat, Job *job, int batch)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "FHIR re-index", ALLOCSET_DEFAULT_SIZES);
	bool more = true;

	commit();
	wait_for_writers(cat);
	start_job(job);
	commit();
	while (more) {
		MemoryContext old = MemoryContextSwitchTo(scratch);

		more = reindex_batch(job, batch, scratch);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	finish_job(cat, job);
	commit();
	MemoryContextDelete(scratch);
}

/* Within a SPI connection that may commit. */
void
store_reindex_run(int batch, bool everything, bool failed)
{
	StoreCatalog *cat = store_catalog();
	Job job;

	if (!OidIsValid(cat->params))
		return;
	queue_everything(everything);
	if (!OidIsValid(cat->table[STORE_WORD])) {
		store_add_word_table(cat);
		commit();
		cat = store_catalog();
	}
	while (find_job(&job, failed)) {
		run_job(cat, &job, batch);
		failed = false;
	}
	commit();
}
