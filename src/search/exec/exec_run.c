/*
 * exec_run.c: running statements within SPI, their plans cached by text.
 *
 * A statement's text is the shape of a search: values are parameters. Statements that depend on the values'
 * frequencies are planned for them each time (a fraction of a millisecond, and the statistics of keys are
 * worth it); look-ups by identity have one plan for all. read_only: all of them use the caller's snapshot.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "search/exec/exec.h"

typedef struct PlanEntry {
	uint64 hash; /* key */
	char *sql;	 /* in plan_context */
	SPIPlanPtr plan;
} PlanEntry;

static int running = 0; /* statements within statements (the order of a chain): no plan may go meanwhile */
static HTAB *plans = NULL;
static MemoryContext plan_context =
	NULL; /* texts and the table; child of TopMemoryContext, emptied when full */

static void
forget_plans(void)
{
	HASH_SEQ_STATUS seq;
	PlanEntry *e;

	hash_seq_init(&seq, plans);
	while ((e = hash_seq_search(&seq)) != NULL)
		if (e->plan)
			SPI_freeplan(e->plan);
	plans = NULL;
	MemoryContextReset(plan_context);
}

static PlanEntry *
plan_entry(const char *sql)
{
	uint64 hash = fhir_hash(sql, strlen(sql), 0);
	PlanEntry *e;
	bool found;

	if (plan_context == NULL)
		plan_context = AllocSetContextCreate(TopMemoryContext, "fhir search plans", ALLOCSET_DEFAULT_SIZES);
	if (plans && running == 0 && hash_get_num_entries(plans) >= SEARCH_PLANS)
		forget_plans();
	if (plans == NULL) {
		HASHCTL ctl = {0};

		ctl.keysize = sizeof(uint64);
		ctl.entrysize = sizeof(PlanEntry);
		ctl.hcxt = plan_context;
		plans = hash_create("fhir search plans", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	e = hash_search(plans, &hash, HASH_ENTER, &found);
	if (found && (e->plan == NULL || strcmp(e->sql, sql) != 0)) {
		if (e->plan)
			SPI_freeplan(e->plan);
		found = false;
	}
	if (!found) {
		e->plan = NULL;
		e->sql = MemoryContextStrdup(plan_context, sql);
	}
	return e;
}

/*
 * Plans, and runs, a statement whose rows shall come by indexes and in their order (in_order): what a plan that
 * scans or sorts would cost is estimated from far too little.
 */
static int
in_order(const SqlText *s, int (*fn)(void *arg), void *arg)
{
	bool scan = enable_seqscan, sort = enable_sort;
	int parallel = max_parallel_workers_per_gather, rc;

	if (!s->in_order)
		return fn(arg);
	PG_TRY();
	{
		enable_seqscan = enable_sort = false;
		max_parallel_workers_per_gather = 0;
		rc = fn(arg);
	}
	PG_FINALLY();
	{
		enable_seqscan = scan;
		enable_sort = sort;
		max_parallel_workers_per_gather = parallel;
	}
	PG_END_TRY();
	return rc;
}

typedef struct ExplainStatement {
	const char *sql;
	int nparams;
	Oid *types;
	Datum *values;
} ExplainStatement;

static int
run_explain(void *arg)
{
	ExplainStatement *e = arg;

	return SPI_execute_with_args(e->sql, e->nparams, e->types, e->values, NULL, false, 0);
}

static void
explain(SearchRequest *req, SqlText *s, const char *what, Oid *types, Datum *values)
{
	MemoryContext cxt = MemoryContextSwitchTo(req->context);
	ExplainStatement e = {
		psprintf("EXPLAIN (%s) %s", req->analyze ? "ANALYZE, BUFFERS, COSTS" : "COSTS", s->sql.data), s->nparams,
		types, values};
	int rc = in_order(s, run_explain, &e);

	if (rc < 0)
		elog(ERROR, "cannot explain a search: %s", SPI_result_code_string(rc));
	req->explain = lappend(req->explain, psprintf("-- %s", what));
	req->explain = lappend(req->explain, psprintf("   %s", s->sql.data));
	for (int i = 0; i < s->nparams; i++) {
		Oid out;
		bool varlena;
		char *text;

		getTypeOutputInfo(types[i], &out, &varlena);
		text = OidOutputFunctionCall(out, values[i]);
		req->explain = lappend(req->explain,
							   psprintf("   $%d = %.120s%s", i + 1, text, strlen(text) > 120 ? " ..." : ""));
	}
	for (uint64 i = 0; i < SPI_processed; i++)
		req->explain = lappend(
			req->explain, psprintf("   %s", SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1)));
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(cxt);
}

typedef struct RunPlan {
	SPIPlanPtr plan;
	Datum *values;
	const char *nulls;
} RunPlan;

static int
run_plan(void *arg)
{
	RunPlan *r = arg;
	int rc;

	running++;
	PG_TRY();
	{
		rc = SPI_execute_plan(r->plan, r->values, r->nulls, true, 0);
	}
	PG_FINALLY();
	{
		running--;
	}
	PG_END_TRY();
	return rc;
}

void
search_run(SearchRequest *req, SqlText *s, const char *what)
{
	PlanEntry *e;
	Oid *types = palloc((s->nparams + 1) * sizeof(Oid));
	Datum *values = palloc((s->nparams + 1) * sizeof(Datum));
	char *nulls = palloc(s->nparams + 1);
	int rc;

	for (int i = 0; i < s->nparams; i++) {
		types[i] = s->params[i].type;
		values[i] = s->params[i].value;
		nulls[i] = ' ';
	}
	if (req->explaining)
		explain(req, s, what, types, values);
	e = plan_entry(s->sql.data);
	if (e->plan == NULL) {
		SPIPlanPtr plan = SPI_prepare_cursor(s->sql.data, s->nparams, types,
											 s->generic ? CURSOR_OPT_GENERIC_PLAN : CURSOR_OPT_CUSTOM_PLAN);

		if (plan == NULL)
			elog(ERROR, "cannot prepare a search: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		e->plan = plan;
	}
	rc = in_order(s, run_plan, &(RunPlan){e->plan, values, nulls});
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "cannot run a search: %s", SPI_result_code_string(rc));
}

static uint64 searches = 0;

/* A restriction may depend on anything, so what was seen under it serves that one search only. */
uint64
search_caller(void)
{
	return search_restriction_hook ? searches : 0;
}

/* Compilation takes longer than a search. */
int
search_begin(void)
{
	int level = NewGUCNestLevel();

	searches++;
	if (running == 0)
		reference_cache_forget();
	set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	return level;
}

void
search_end(int level)
{
	SPI_finish();
	AtEOXact_GUC(true, level);
}
