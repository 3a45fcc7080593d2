/*
 * plan_has.c: criteria on what refers to a resource, and on Lists that hold it: _has, _list.
 *
 * A _has is answered in one of three ways. Of few that refer the documents are read: the criterion becomes a list of rows. Of
 * more it becomes a set of identities, which the rows of the referring resources hold beside their hashes (list_referred). Of many it stays, and
 * each row that a walk meets is probed for who refers to it, by the index of hashes (sql_has). Which way is by estimated cost, in microseconds;
 * a page that a walk does not find within the time that the other way would take, is found the other way.
 */
#include "base/base.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

/* ---- what documents refer to ---- */

typedef struct IdList {
	char **types, **ids;
	int n, max;
} IdList;

static void
add_id(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	IdList *l = arg;

	if (l->n == l->max) {
		l->max = l->max ? l->max * 2 : 64;
		l->types = l->types ? repalloc(l->types, l->max * sizeof(char *)) : palloc(l->max * sizeof(char *));
		l->ids = l->ids ? repalloc(l->ids, l->max * sizeof(char *)) : palloc(l->max * sizeof(char *));
	}
	l->types[l->n] = pnstrdup(type, tlen);
	l->ids[l->n++] = pnstrdup(id, ilen);
}

/* Type/id pairs -> rows, among the types. */
static void
rows_of_ids(SearchRequest *req, Crit *c, IdList *l, SearchLeg leg, const ModelType *const *types, int ntypes)
{
	SqlText s;

	if (l->n == 0) {
		c->kind = CRIT_FALSE;
		return;
	}
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql,
						   "SELECT r.rid FROM (SELECT DISTINCT u.t, u.i FROM ROWS FROM (pg_catalog.unnest(");
	sql_param(&s, TEXTARRAYOID, sql_text_array(l->types, l->n));
	appendStringInfoString(&s.sql, "), pg_catalog.unnest(");
	sql_param(&s, TEXTARRAYOID, sql_text_array(l->ids, l->n));
	appendStringInfo(
		&s.sql,
		")) u(t, i)) u CROSS JOIN LATERAL (SELECT r.rid, r.type FROM %s.resource r WHERE r.type" OP(
			"=") "u.t AND r.id" OP("=") "u.i AND NOT r.deleted",
		store_schema());
	search_restrict(&s, "r", leg);
	appendStringInfoString(&s.sql, " OFFSET 0) r WHERE true");
	sql_type(&s, "r", types, ntypes);
	search_run(req, &s, "criterion: the resources referred to");
	search_take_rows(c);
}

typedef struct HasContext {
	const Crit *c;
	const ModelTypeId *targets; /* of the searched types, 0-terminated */
	IdList ids;
	CanonicalRefs canonicals;
} HasContext;

static void
has_document(int i, Jsonb *doc, void *arg)
{
	HasContext *h = arg;

	for (int k = 0; k < h->c->nlinks; k++) {
		search_references(h->c->links[k].source, h->targets, &doc->root, add_id, &h->ids);
		search_canonicals_of(h->c->links[k].source, h->targets, &doc->root, &h->canonicals);
	}
}

static void
add_canonicals(SearchRequest *req, HasContext *h)
{
	SearchRow *rows;
	int n = search_canonical_rows(req, LEG_HAS, &h->canonicals, &rows);

	for (int i = 0; i < n; i++)
		add_id(rows[i].type, strlen(rows[i].type), rows[i].id, strlen(rows[i].id), 0, &h->ids);
}

/* Canonicals can't be probed row by row: the documents that hold them are read however many they are. */
static bool
by_canonical(const SetRun *run, const Crit *c)
{
	for (int k = 0; k < c->nlinks; k++)
		for (int i = 0; i < run->ntypes; i++)
			if (search_canonical_link(c->links[k].source, run->types[i]))
				return true;
	return false;
}

static int
fetch_versions(SearchRow **rows)
{
	int n = SPI_processed;

	*rows = palloc0((n + 1) * sizeof(SearchRow));
	for (int i = 0; i < n; i++) {
		bool null;

		(*rows)[i].rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		(*rows)[i].version =
			DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
		(*rows)[i].locator = *(ItemPointer) DatumGetPointer(
			SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Of n that refer to the same, others stand together with them: about how many rows of the types they lead to. */
static double
together(double from_rows, double type_rows)
{
	return sqrt(Max(1, from_rows / Max(1, type_rows)));
}

/* ---- what it costs, in microseconds ---- */

#define LIST_COST 2.5 /* a row that refers: its hashes are read */
#ifdef SEARCH_TINY
#define READ_COST 10000.0
#else
#define READ_COST 10.0 /* the same with its document, and what that refers to looked up */
#endif
#define LOOK_UP_COST 4.0 /* the few rows that refer to one are looked up in the index, */
#define EACH_COST 0.4	 /* and each of them read */
#define BOTH_COST 10.0	 /* the same where frequent hashes have to be met, too */

/* What is estimated to be few may be so many times as much. */
#define OVER 1.25

/* A _has may stand within another: so many rows of its own type are asked for each row of the search. */
static double
rows_each(const SetRun *run)
{
	return Max(1, run->type_rows / Max(1, run->req->walked_rows));
}

/* Is it cheaper to look at all that refer to a row than to have the index find those with the other hashes, too? */
static bool
few_refer(const SetRun *run, double from_rows)
{
	return from_rows < run->type_rows * SEARCH_FEW_EACH;
}

/* For one row of the search, to ask who refers to it; in a _has within another, to those that refer to it. */
static double
asking(const SetRun *run, double from_rows)
{
	return rows_each(run) * (few_refer(run, from_rows) ? LOOK_UP_COST + EACH_COST * from_rows / run->type_rows : BOTH_COST);
}

/* The same where what is referred to is known by its identities. */
static double
testing(const SetRun *run)
{
	double rows = rows_each(run);

	return rows * EACH_COST + (rows > 1 ? BOTH_COST : 0);
}

/* So many that refer are listed rather than rows probed: the more refer, the fewer rows are probed until the page is full. */
static int
few_referring(const SetRun *run, const Crit *c)
{
	SearchRequest *req = run->req;
	double rows = Max(1, req->walked_rows), from_rows = search_type_rows(&c->links[0].type, 1), few;

	if (by_canonical(run, c))
		return PG_INT32_MAX - 1;
	if (run->all)
		return (int) Max(SEARCH_FEW_REFERRING, Min(SEARCH_FEW_WHEN_ALL, run->type_rows * 2));
	few = Min(sqrt(search_page_limit(req) * rows * together(from_rows, rows) * asking(run, from_rows) / LIST_COST), SEARCH_MANY_REFERRING);
	return (int) Max(SEARCH_FEW_REFERRING, Min(few, run->least * asking(run, from_rows) / LIST_COST));
}

/* So many have their documents read rather than their identities looked for in each row. */
static int
few_read(const SetRun *run, const Crit *c, int few)
{
	double rows = Max(1, run->req->walked_rows), from_rows = search_type_rows(&c->links[0].type, 1), test = testing(run), n;

	if (by_canonical(run, c))
		return few;
	n = run->type_rows / SEARCH_ROWS_A_REFERRING;
	if (!run->all && rows_each(run) > 1)
		n = Min(sqrt(search_page_limit(run->req) * rows * together(from_rows, rows) * test / READ_COST), rows * test / READ_COST);
	return (int) Min(few, n);
}

/* ---- identities ---- */

static int64 *
int8_elements(ArrayType *a, int *n)
{
	*n = ARR_NDIM(a) == 0 ? 0 : ARR_DIMS(a)[0];
	return (int64 *) ARR_DATA_PTR(a);
}

/* Which of refs does a row with these hashes refer to at a place with one of the salts? */
PG_FUNCTION_INFO_V1(fhir_search_referred);
Datum
fhir_search_referred(PG_FUNCTION_ARGS)
{
	int nkeys, nrefs, nsalts, n = 0;
	int64 *keys = int8_elements(PG_GETARG_ARRAYTYPE_P(0), &nkeys), *refs = int8_elements(PG_GETARG_ARRAYTYPE_P(1), &nrefs),
		  *salts = int8_elements(PG_GETARG_ARRAYTYPE_P(2), &nsalts), *found = palloc((nrefs + 1) * sizeof(int64));

	for (int i = 0; i < nrefs; i++) {
		bool any = false;

		for (int s = 0; s < nsalts && !any; s++)
			for (int k = 0; k < nkeys && !any; k++)
				any = keys[k] == (refs[i] ^ salts[s]);
		if (any)
			found[n++] = refs[i];
	}
	PG_RETURN_DATUM(sql_int8_array(found, n));
}

static int
compare_identities(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a, y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* The arrays of the result, each identity once; frees the result. */
static void
take_identities(Crit *found)
{
	int n = 0;

	for (uint64 i = 0; i < SPI_processed; i++) {
		bool null;
		ArrayType *a = DatumGetArrayTypeP(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		int nrefs;
		int64 *refs = int8_elements(a, &nrefs);

		for (int k = 0; k < nrefs; k++)
			crit_add_key(found, (uint64) refs[k]);
	}
	SPI_freetuptable(SPI_tuptable);
	if (found->nkeys)
		qsort(found->keys, found->nkeys, sizeof(uint64), compare_identities);
	for (int i = 0; i < found->nkeys; i++)
		if (n == 0 || found->keys[n - 1] != found->keys[i])
			found->keys[n++] = found->keys[i];
	found->nkeys = n;
}

/*
 * What is referred to, by its identities, from the narrow rows that refer: no document is read, nothing looked up. No index finds a
 * resource by its identity's hash, so each row is asked for it. Nothing is changed if more than few refer.
 */
static void
list_referred(SetRun *run, Crit *c, Crit *arg, int few)
{
	const ModelType *from = c->links[0].type;
	Crit *found = crit_new(CRIT_REFERRED), *original;
	int64 *salts = palloc(c->nlinks * sizeof(int64));
	SqlText s;

	for (int i = 0; i < c->nlinks; i++)
		salts[i] = (int64) keys_reference_salt(c->links[i].source);
	sql_init(&s);
	s.in_order = search_indexed(arg);
	appendStringInfo(&s.sql, "SELECT %s.fhir_search_referred(r.keys, r.refs, ", store_extension_schema());
	sql_param(&s, INT8ARRAYOID, sql_int8_array(salts, c->nlinks));
	appendStringInfoChar(&s.sql, ')');
	sql_from_where(&s, "r", LEG_HAS, &from, 1, &arg, 1);
	few = (int) Min(few * OVER, PG_INT32_MAX - 1);
	appendStringInfo(&s.sql, " LIMIT %d", few + 1);
	search_run(run->req, &s, psprintf("_has: what the %s that refer lead to", from->name));
	if (SPI_processed > few) {
		SPI_freetuptable(SPI_tuptable);
		return;
	}
	take_identities(found);
	original = palloc(sizeof(Crit));
	*original = *c;
	c->original = original;
	c->kind = found->nkeys ? CRIT_REFERRED : CRIT_FALSE;
	c->keys = found->keys;
	c->nkeys = found->nkeys;
	c->matches = -1;
	c->asking = EACH_COST * rows_each(run);
}

void
search_run_has(SetRun *run, Crit *c)
{
	SearchRequest *req = run->req;
	const ModelType *from = c->links[0].type;
	Crit *arg = c->links[0].arg; /* the same for all links */
	HasContext h = {c};
	ModelTypeId *targets;
	SearchRow *rows;
	SqlText s;
	double referring, from_rows = search_type_rows(&from, 1);
	int n, few = few_referring(run, c), read = few_read(run, c, few);

	plan_subqueries(req, &from, 1, &arg, 1, run->all || few == PG_INT32_MAX - 1);
	if (arg->kind == CRIT_FALSE) {
		c->kind = CRIT_FALSE;
		return;
	}
	referring = search_crit_rows(arg, from_rows);
	c->matches = Min(run->type_rows, Max(few, referring) / together(from_rows, run->type_rows));
	c->few_refer = few_refer(run, from_rows);
	referrers_register(req, c);
	c->asking = search_probe_cost(arg) + asking(run, from_rows);
	c->listing = search_list_cost(arg) + Max(few, referring) * (rows_each(run) > 1 || !(search_indexed(arg) || search_list_cost(arg) > 0) ? READ_COST : LIST_COST);
	/* without an index, to find few costs as much as to find all */
	if (few < PG_INT32_MAX - 1 && (referring > few || (!run->all && !search_indexed(arg))))
		return;
	if (read < few && referring > read) {
		list_referred(run, c, arg, few);
		return;
	}
	read = (int) Min(read * OVER, PG_INT32_MAX - 1);
	sql_init(&s);
	s.in_order = search_indexed(arg);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version, r.place");
	sql_from_where(&s, "r", LEG_HAS, &from, 1, &arg, 1);
	appendStringInfo(&s.sql, " LIMIT %d", read + 1);
	search_run(req, &s, psprintf("_has: the %s that refer, as far as they are few", from->name));
	n = fetch_versions(&rows);
	if (n > read && read < few)
		list_referred(run, c, arg, few);
	if (n > read)
		return;
	targets = palloc((run->ntypes + 1) * sizeof(ModelTypeId));
	for (int i = 0; i < run->ntypes; i++)
		targets[i] = run->types[i]->id;
	targets[run->ntypes] = MODEL_NONE;
	h.targets = targets;
	search_documents(req, rows, n, has_document, &h);
	add_canonicals(req, &h);
	rows_of_ids(req, c, &h.ids, LEG_HAS, run->types, run->ntypes);
}

static void
list_document(int i, Jsonb *doc, void *arg)
{
	JsonbValue entries;

	if (!fhir_json_get_lit(&doc->root, "entry", &entries) || entries.type != jbvBinary ||
		!JsonContainerIsArray(entries.val.binary.data))
		return;
	for (uint32 k = 0; k < JsonContainerSize(entries.val.binary.data); k++) {
		JsonbValue *e = getIthJsonbValueFromContainer(entries.val.binary.data, k), item, deleted;
		char *ref;

		if (e->type != jbvBinary || !fhir_json_get_lit(e->val.binary.data, "item", &item) ||
			item.type != jbvBinary)
			continue;
		if (fhir_json_get_lit(e->val.binary.data, "deleted", &deleted) && deleted.type == jbvBool &&
			deleted.val.boolean)
			continue;
		ref = fhir_json_get_string(item.val.binary.data, "reference");
		if (ref)
			search_local_reference(ref, strlen(ref), NULL, add_id, arg);
	}
}

void
search_run_list(SetRun *run, Crit *c)
{
	SearchRequest *req = run->req;
	const ModelType *list = model_type_by_id(MODEL_T_List);
	Crit *ids = crit_new(CRIT_ID);
	IdList found = {0};
	SearchRow *rows;
	SqlText s;
	int n;

	ids->values = c->values;
	ids->nvalues = c->nvalues;
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version, r.place");
	sql_from_where(&s, "r", LEG_LIST, &list, 1, &ids, 1);
	search_run(req, &s, "_list: the lists");
	n = fetch_versions(&rows);
	search_documents(req, rows, n, list_document, &found);
	rows_of_ids(req, c, &found, LEG_LIST, run->types, run->ntypes);
}
