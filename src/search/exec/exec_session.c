/*
 * exec_session.c: around each search: memory, SPI, and fhir.search_timeout.
 *
 * The time limit is a timer of the backend that asks for what a cancel asks for: so whatever waits or loops ends where
 * it would end for a cancel, and nothing is cut short without an error. That error is distinguished from a cancel's or statement_timeout's
 * here. A search within a search (a value set, the condition of a chained order) is part of the outer one.
 */
#include "base/base.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#include "search/exec/exec.h"

static bool armed = false;
static volatile sig_atomic_t expired = false;

/* In a signal handler. */
static void
on_timeout(void)
{
	expired = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static TimeoutId
timer(void)
{
	static bool registered = false;
	static TimeoutId id;

	if (!registered) {
		id = RegisterTimeout(USER_TIMEOUT, on_timeout);
		registered = true;
	}
	return id;
}

/* A cancel that was asked for when all was done is nobody's any more. */
static void
disarm(void)
{
	disable_timeout(timer(), false);
	armed = false;
	if (expired)
		QueryCancelPending = false;
}

pg_noreturn static void
raise_timeout(void)
{
	char *limit = GetConfigOptionByName("fhir.search_timeout", NULL, false);

	ereport(ERROR, errcode(FH503), errmsg("the search took longer than it may"),
			errdetail("fhir.search_timeout is %s.", limit),
			errhint("Ask for less: more criteria, a smaller page (_count), no _total=accurate. fhir_explain tells how a search runs."),
			fhir_issue("too-costly", NULL));
}

static void
within_time(SearchFn fn, SearchRequest *req, void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;

	if (fhir_search_timeout == 0 || armed) {
		fn(req, arg);
		return;
	}
	expired = false;
	armed = true;
	enable_timeout_after(timer(), fhir_search_timeout);
	PG_TRY();
	{
		fn(req, arg);
	}
	PG_CATCH();
	{
		disarm();
		if (!expired || geterrcode() != ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(cxt);
		FlushErrorState();
		raise_timeout();
	}
	PG_END_TRY();
	disarm();
}

void
search_session(SearchFn fn, void *arg)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "fhir search", ALLOCSET_DEFAULT_SIZES), old;
	SearchRequest req = {0};
	int level = search_begin();

	old = MemoryContextSwitchTo(cxt);
	within_time(fn, &req, arg);
	MemoryContextSwitchTo(old);
	search_end(level);
	MemoryContextDelete(cxt);
}
