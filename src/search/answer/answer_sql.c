/*
 * answer_sql.c: the SQL functions of search.
 */
#include "base/base.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "search/answer/answer.h"
#include "terms/terms.h"
#include "store/pack/pack.h"
#include "store/rows/rows.h"

/* ---- fhir_search, fhir_count ---- */

static const ModelType *
type_argument(FunctionCallInfo fcinfo, int i)
{
	char *name;
	const ModelType *t;

	if (PG_ARGISNULL(i))
		return NULL;
	name = text_to_cstring(PG_GETARG_TEXT_PP(i));
	t = model_resource(name, strlen(name));
	if (t == NULL) {
		SearchNearest near = {name};

		for (int m = 1; m < model_ntypes; m++)
			if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract)
				search_nearest_offer(&near, model_types[m].name);
		ereport(ERROR, errcode(FH404), errmsg("unknown resource type \"%.100s\"", name),
				near.best ? errhint("Perhaps \"%s\"?", near.best) : 0, fhir_issue("not-supported", NULL));
	}
	return t;
}

static char *
query_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? pstrdup("") : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

PG_FUNCTION_INFO_V1(fhir_search);
Datum
fhir_search(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	initStringInfo(&out);
	search_bundle(type_argument(fcinfo, 0), query_argument(fcinfo, 1), SEARCH_STRICT,
				  fhir_base_url ? fhir_base_url : "", &out);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

typedef struct Count {
	const ModelType *type;
	const char *query;
	int64 n;
} Count;

static void
count(SearchRequest *req, void *arg)
{
	Count *c = arg;

	search_prepare(req, c->type, c->query, SEARCH_STRICT, true);
	c->n = search_matches_total(req, false);
}

int64
search_count(const ModelType *type, const char *query)
{
	Count c = {type, query};

	search_session(count, &c);
	return c.n;
}

PG_FUNCTION_INFO_V1(fhir_count);
Datum
fhir_count(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(search_count(type_argument(fcinfo, 0), query_argument(fcinfo, 1)));
}

/* ---- sets ---- */

static Tuplestorestate *
begin_set(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *rsi = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	Tuplestorestate *store;

	if (rsi == NULL || !IsA(rsi, ReturnSetInfo) || !(rsi->allowedModes & SFRM_Materialize))
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("set-valued function called in context that cannot accept a set"));
	old = MemoryContextSwitchTo(rsi->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE) {
		*desc = CreateTemplateTupleDesc(1);
		TupleDescInitEntry(*desc, 1, "line", TEXTOID, -1, 0);
	} else
		*desc = CreateTupleDescCopy(*desc);
	store = tuplestore_begin_heap((rsi->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	rsi->returnMode = SFRM_Materialize;
	rsi->setResult = store;
	rsi->setDesc = *desc;
	MemoryContextSwitchTo(old);
	return store;
}

typedef struct RowWriter {
	const SearchRequest *req;
	const ModelType *type;
	char *query;
	Tuplestorestate *store;
	TupleDesc desc;
	SearchRow *rows;
	bool analyze;
} RowWriter;

static void
put_row(int i, Jsonb *doc, void *arg)
{
	RowWriter *w = arg;
	const SearchRow *row = &w->rows[i];
	Datum values[6];
	bool nulls[6] = {false};

	values[0] = CStringGetTextDatum(row->type);
	values[1] = CStringGetTextDatum(row->id);
	values[2] = Int32GetDatum(row->version);
	values[3] = TimestampTzGetDatum(row->last_updated);
	values[4] = CStringGetTextDatum(row->mode);
	values[5] = JsonbPGetDatum(search_shown(w->req, row, doc));
	tuplestore_putvalues(w->store, w->desc, values, nulls);
}

/* Without _count: every match, as SQL expects; with it: that page. */
static void
put_rows(SearchRequest *req, void *arg)
{
	RowWriter *w = arg;
	SearchPage page;
	SearchRow *included;
	int nincluded;
	bool counted = false;

	search_prepare(req, w->type, w->query, SEARCH_STRICT, strstr(w->query, "_count=") == NULL);
	for (int i = 0; i < req->npairs; i++)
		counted = counted || strcmp(req->pairs[i].name, "_count") == 0;
	req->count =
		counted ? req->count_given : PG_INT32_MAX - 1; /* rows are no page: fhir.max_count is not for them */
	if (req->count == 0 || req->summary == SUMMARY_COUNT)
		return;
	search_matches(req, &page);
	search_includes(req, page.rows, page.nrows, &included, &nincluded);
	w->req = req;
	w->rows = page.rows;
	search_documents(req, page.rows, page.nrows, put_row, w);
	w->rows = included;
	search_documents(req, included, nincluded, put_row, w);
}

PG_FUNCTION_INFO_V1(fhir_search_rows);
Datum
fhir_search_rows(PG_FUNCTION_ARGS)
{
	RowWriter w = {.type = type_argument(fcinfo, 0), .query = query_argument(fcinfo, 1)};

	w.store = begin_set(fcinfo, &w.desc);
	search_session(put_rows, &w);
	return (Datum) 0;
}

/* ---- fhir_explain ---- */

/* How a criterion that is no list is answered, and by which index. */
static const char *
shape_text(const SearchRequest *req, const Crit *c)
{
	switch (c->kind) {
		case CRIT_TRUE:
			return "always true";
		case CRIT_FALSE:
			return "never true: nothing in the store can match";
		case CRIT_TYPE:
			return "type (index resource_identity)";
		case CRIT_KEYS:
			return c->nkeys <= SEARCH_INDEXED_KEYS ? "equality: hashes in resource.keys (GIN index resource_keys)"
												   : "equality: many hashes, looked for in resource.keys of each row";
		case CRIT_ORDERED:
			return c == search_walked_criterion(req)
					   ? "order: ranges of what the page is sorted by (indexes ordered_range, ordered_long)"
					   : "order: many values, checked in resource.ord of each row";
		case CRIT_STRING:
			return "text: many, asked of each row (index string_rid)";
		case CRIT_SIDE:
			return "word: in many side rows, asked of each row (index word_rid)";
		case CRIT_ID:
			return "id (index resource_identity)";
		case CRIT_UPDATED:
			return c == search_walked_criterion(req) ? "last_updated, as the page is sorted (index version_changed)"
													 : "last_updated, checked in each row";
		case CRIT_ROWS:
			return "rows that an index has found before (index resource_pkey)";
		case CRIT_DOC:
			return "document: checked on the document of each row";
		case CRIT_NEAR:
			return "distance: checked in resource.ord of each row";
		case CRIT_CHAIN:
			return "chain: many at its end, each row is asked what it refers to (index resource_identity)";
		case CRIT_HAS:
			return "_has: many refer, asked of each row (GIN index resource_keys)";
		case CRIT_REFERRED:
			return "_has: what is referred to was found before, its identities are looked for in each row";
		case CRIT_CONTAINED:
			return "contained resources, each evaluated from the document of its container";
		default:
			return "not run";
	}
}

static const char *
crit_text(const SearchRequest *req, const Crit *c)
{
	StringInfoData b;

	if (c->kind != CRIT_AND && c->kind != CRIT_OR && c->kind != CRIT_NOT)
		return shape_text(req, c);
	if (c->kind == CRIT_NOT && c->args[0]->kind == CRIT_KEYS)
		return "not: hashes, looked for in resource.keys of each row";
	initStringInfo(&b);
	appendStringInfoString(&b, c->kind == CRIT_AND ? "all of (" : c->kind == CRIT_OR ? "any of ("
																					 : "not (");
	for (int i = 0; i < c->nargs; i++)
		appendStringInfo(&b, "%s%s", i ? "; " : "", crit_text(req, c->args[i]));
	appendStringInfoString(&b, c->kind == CRIT_NOT ? "), checked in each row" : ")");
	return b.data;
}

/* Must each row of a walk be probed, whatever there is? */
static bool
no_index(const SearchRequest *req, const Crit *c)
{
	return c->kind != CRIT_TRUE && c->kind != CRIT_REFERRED && c != search_walked_criterion(req) && !search_indexed(c) && !search_listable(c) && !plan_lists_complement(req, c);
}

/* Is each row probed or read? To count what remains could take long. */
static bool
expensive_to_count(const Crit *c)
{
	bool expensive = c->kind == CRIT_CHAIN || c->kind == CRIT_HAS || c->kind == CRIT_DOC || c->kind == CRIT_CONTAINED ||
					 c->kind == CRIT_SIDE;

	for (int i = 0; i < c->nargs; i++)
		expensive = expensive || expensive_to_count(c->args[i]);
	return expensive;
}

/* Rows that satisfy one criterion: by the statement that a total of it alone would be, which is not shown. */
static int64
actual_rows(SearchRequest *req, Crit *c)
{
	bool null;
	int64 n;
	SqlText s;

	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT pg_catalog.count(*)");
	sql_from_where(&s, "r", LEG_TOTAL, req->types, req->all_types ? 0 : req->ntypes, &c, 1);
	req->explaining = false;
	search_run(req, &s, "");
	req->explaining = true;
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return n;
}

static void
put_line(Tuplestorestate *store, TupleDesc desc, const char *line)
{
	Datum value = CStringGetTextDatum(line);
	bool null = false;

	tuplestore_putvalues(store, desc, &value, &null);
}

static void
explain(SearchRequest *req, void *arg)
{
	RowWriter *w = arg;
	SearchPage page;
	double type_rows;
	ListCell *cell;

	req->explaining = true;
	req->analyze = w->analyze;
	search_prepare(req, w->type, w->query, SEARCH_STRICT, false);
	type_rows = search_type_rows(req->types, req->ntypes);
	put_line(w->store, w->desc,
			 psprintf("%s: about %.0f resources", req->type ? req->type->name : "all types", type_rows));
	for (int i = 0; i < req->nwhere; i++) {
		Crit *c = req->where[i];

		put_line(w->store, w->desc,
				 psprintf("criterion %s: %s; about %.0f rows%s", c->label, crit_text(req, c),
						  search_crit_rows(c, type_rows),
						  req->analyze && !expensive_to_count(c) ? psprintf(", actually " INT64_FORMAT, actual_rows(req, c)) : ""));
		if (no_index(req, c))
			put_line(w->store, w->desc, psprintf("WARNING: no index answers %s", c->label));
	}
	if (req->count > 0 && req->summary != SUMMARY_COUNT) {
		search_matches(req, &page);
		if (req->total == TOTAL_ACCURATE && !page.whole)
			search_matches_total(req, false);
	} else
		search_matches_total(req, false);
	foreach(cell, req->explain)
		put_line(w->store, w->desc, lfirst(cell));
}

PG_FUNCTION_INFO_V1(fhir_explain);
Datum
fhir_explain(PG_FUNCTION_ARGS)
{
	RowWriter w = {.type = type_argument(fcinfo, 0), .query = query_argument(fcinfo, 1)};

	w.analyze = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	w.store = begin_set(fcinfo, &w.desc);
	search_session(explain, &w);
	return (Datum) 0;
}
