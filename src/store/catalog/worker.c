/*
 * worker.c: background workers of a store.
 *
 * They need no shared_preload_libraries: the session that finds work registers a worker when its transaction has committed. Without a
 * free worker slot the work waits for the next such session. A worker's connection is the bootstrap superuser's; nothing but catalogs
 * is looked at with its rights, then it becomes the owner of the table that it works for: whoever started it may be somebody who has
 * rights through functions only.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "store/catalog/catalog.h"
#include "catalog/pg_class.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/syscache.h"

static const struct {
	const char *function, *type;
} kinds[STORE_NWORKERS] = {
	[STORE_WORKER_REINDEX] = {"fhir_reindex_main", "fhir re-index"},
	[STORE_WORKER_DICTIONARY] = {"fhir_dictionary_main", "fhir dictionary"},
};

static bool wanted[STORE_NWORKERS]; /* by the transaction under way */
static char wanted_store[STORE_NWORKERS][NAMEDATALEN];
static bool is_worker = false;

static void
start_worker(StoreWorkerKind kind)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "fhir", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, kinds[kind].function, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s of store %.60s", kinds[kind].type, wanted_store[kind]);
	strlcpy(worker.bgw_type, kinds[kind].type, BGW_MAXLEN);
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	strlcpy(worker.bgw_extra, wanted_store[kind], BGW_EXTRALEN);
	(void) RegisterDynamicBackgroundWorker(&worker, NULL); /* no slot free: the work waits */
}

static void
on_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < STORE_NWORKERS; i++) {
		bool start = wanted[i] && event == XACT_EVENT_COMMIT;

		wanted[i] = false;
		if (start)
			start_worker(i);
	}
}

void
store_worker_want(StoreWorkerKind kind)
{
	static bool registered = false;

	if (is_worker)
		return;
	if (!registered) {
		RegisterXactCallback(on_transaction_end, NULL);
		registered = true;
	}
	strlcpy(wanted_store[kind], store_catalog()->name, NAMEDATALEN);
	wanted[kind] = true;
}

void
store_worker_begin(Oid database, const char *activity)
{
	is_worker = true;
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("fhir.store", MyBgworkerEntry->bgw_extra, PGC_USERSET, PGC_S_SESSION);
	/* whatever the database's own settings are; what a crash takes back is done again */
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("lock_timeout", "0", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	pgstat_report_activity(STATE_RUNNING, activity);
}

void
store_worker_become_owner(Oid table)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	SetUserIdAndSecContext(((Form_pg_class) GETSTRUCT(tuple))->relowner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	ReleaseSysCache(tuple);
}

char *
store_worker_recover(MemoryContext context)
{
	ErrorData *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	RESUME_INTERRUPTS();
	StartTransactionCommand();
	return error->message;
}

/* ---- who works on a store ---- */

static LOCKTAG
lock_tag(StoreCatalog *cat, uint16 role)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, cat->namespace, role, STORE_LOCK_CLASS);
	return tag;
}

bool
store_lock(StoreCatalog *cat, uint16 role, bool wait)
{
	LOCKTAG tag = lock_tag(cat, role);

	return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
store_unlock(StoreCatalog *cat, uint16 role)
{
	LOCKTAG tag = lock_tag(cat, role);

	LockRelease(&tag, ExclusiveLock, true);
}

bool
store_reindex_running(StoreCatalog *cat)
{
	if (!store_lock(cat, STORE_LOCK_RUNNER, false))
		return true;
	store_unlock(cat, STORE_LOCK_RUNNER);
	return false;
}

void
store_reindex_want(void)
{
	if (fhir_reindex_worker)
		store_worker_want(STORE_WORKER_REINDEX);
}
