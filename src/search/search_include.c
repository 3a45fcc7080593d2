/*
 * search_include.c: _include and _revinclude, with :iterate.
 *
 * Round by round: the first looks at the page's matches, each further one (for :iterate) at what the last one
 * added. A resource is added once, and never if it is a match, so that cycles end.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "base/error.h"
#include "base/settings.h"
#include "search/search_internal.h"
#include "store/store.h"

typedef struct Includes {
	SearchRequest *req;
	HTAB *seen; /* rid */
	SearchRow *rows;
	int n, max;
	/* of the round */
	char **types, **ids;
	int nids, maxids;
	const SearchInclude *inc;
} Includes;

static void
add_reference(const char *type, int tlen, const char *id, int ilen, void *arg)
{
	Includes *x = arg;

	if (x->nids == x->maxids) {
		x->maxids = x->maxids ? x->maxids * 2 : 256;
		x->types =
		    x->types ? repalloc(x->types, x->maxids * sizeof(char *)) : palloc(x->maxids * sizeof(char *));
		x->ids = x->ids ? repalloc(x->ids, x->maxids * sizeof(char *)) : palloc(x->maxids * sizeof(char *));
	}
	x->types[x->nids] = pnstrdup(type, tlen);
	x->ids[x->nids++] = pnstrdup(id, ilen);
}

static void
add_row(Includes *x, const SearchRow *row)
{
	bool found;

	hash_search(x->seen, &row->rid, HASH_ENTER, &found);
	if (found)
		return;
	if (x->n >= fhir_max_include)
		ereport(ERROR, errcode(FH400), errmsg("the page would include too many resources"),
		        errdetail("More than fhir.max_include = %d.", fhir_max_include),
		        errhint("Ask for a smaller page (_count), or include less."), fhir_issue("too-costly", NULL));
	if (x->n == x->max) {
		x->max = x->max ? x->max * 2 : 128;
		x->rows =
		    x->rows ? repalloc(x->rows, x->max * sizeof(SearchRow)) : palloc(x->max * sizeof(SearchRow));
	}
	x->rows[x->n++] = *row;
}

static void
take(Includes *x)
{
	SPITupleTable *t = SPI_tuptable;

	for (uint64 i = 0; i < SPI_processed; i++) {
		SearchRow row = {0};
		bool null;

		row.rid = DatumGetInt64(SPI_getbinval(t->vals[i], t->tupdesc, 1, &null));
		row.type = TextDatumGetCString(SPI_getbinval(t->vals[i], t->tupdesc, 2, &null));
		row.id = TextDatumGetCString(SPI_getbinval(t->vals[i], t->tupdesc, 3, &null));
		row.version = DatumGetInt32(SPI_getbinval(t->vals[i], t->tupdesc, 4, &null));
		row.last_updated = DatumGetTimestampTz(SPI_getbinval(t->vals[i], t->tupdesc, 5, &null));
		row.mode = "include";
		add_row(x, &row);
	}
	SPI_freetuptable(t);
}

/* ---- _include ---- */

static bool
leg_fits(const KeyLeg *leg, const KeyParam *p, const ModelType *target)
{
	const ModelTypeId *t = leg->targets && leg->targets[0] ? leg->targets : p->targets;

	if (target == NULL || t == NULL || t[0] == MODEL_NONE)
		return true;
	for (; *t; t++)
		if (*t == target->id || model_type_by_id(*t)->abstract)
			return true;
	return false;
}

typedef struct DocWalk {
	Includes *x;
	SearchRow *rows;
	bool first;
	Jsonb *doc;
	ModelTypeId target[2];
} DocWalk;

static void
references_of(const KeyParam *p, void *arg)
{
	DocWalk *w = arg;

	if (p->type != PARAM_REFERENCE)
		return;
	for (int i = 0; i < p->nlegs; i++) {
		const KeyLeg *leg = &p->legs[i];

		if (!leg_fits(leg, p, w->x->inc->target))
			continue;
		search_references(leg->source, w->target[0] ? w->target : leg->targets, &w->doc->root, add_reference,
		                  w->x);
	}
}

static void
look_at_document(int i, Jsonb *doc, void *arg)
{
	DocWalk *w = arg;
	SearchRequest *req = w->x->req;
	const ModelType *type = model_resource(w->rows[i].type, strlen(w->rows[i].type));

	w->doc = doc;
	for (int k = 0; k < req->nincludes; k++) {
		const SearchInclude *inc = &req->includes[k];

		if (inc->reverse || (!w->first && !inc->iterate) || (inc->source && inc->source != type))
			continue;
		w->x->inc = inc;
		w->target[0] = inc->target ? inc->target->id : MODEL_NONE;
		w->target[1] = MODEL_NONE;
		if (inc->code)
			references_of(search_param(type, inc->code, strlen(inc->code)), w);
		else
			keys_params_each(type, references_of, w);
	}
}

static void
include_referred(Includes *x, SearchRow *rows, int n, bool first)
{
	DocWalk w = {x, rows, first};
	bool any = false;
	SqlText s;

	for (int k = 0; k < x->req->nincludes; k++)
		any = any || (!x->req->includes[k].reverse && (first || x->req->includes[k].iterate));
	if (!any || n == 0)
		return;
	x->nids = 0;
	search_documents(x->req, rows, n, look_at_document, &w);
	if (x->nids == 0)
		return;
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated FROM (SELECT "
	                               "DISTINCT u.t, u.i FROM ROWS FROM (pg_catalog.unnest(");
	sql_param(&s, TEXTARRAYOID, sql_text_array(x->types, x->nids));
	appendStringInfoString(&s.sql, "), pg_catalog.unnest(");
	sql_param(&s, TEXTARRAYOID, sql_text_array(x->ids, x->nids));
	appendStringInfo(
	    &s.sql,
	    ")) u(t, i)) u CROSS JOIN LATERAL (SELECT r.rid, r.type, r.id, r.version, r.last_updated FROM "
	    "%s.resource r WHERE r.type" OP("=") "u.t AND r.id" OP("=") "u.i AND NOT r.deleted",
	    store_schema());
	search_restrict(&s, "r", LEG_INCLUDE);
	appendStringInfoString(&s.sql, " OFFSET 0) r ORDER BY r.type, r.id");
	search_run(x->req, &s, "_include");
	take(x);
}

/* ---- _revinclude ---- */

typedef struct Reverse {
	Includes *x;
	Crit *keys;
	SearchRow *rows;
	int n;
} Reverse;

static void
hashes_to(const KeyParam *p, void *arg)
{
	Reverse *r = arg;
	const ModelType *target = r->x->inc->target;

	if (p->type != PARAM_REFERENCE)
		return;
	for (int i = 0; i < p->nlegs; i++) {
		uint64 salt = keys_reference_salt(p->legs[i].source);

		for (int k = 0; k < r->n; k++) {
			const SearchRow *row = &r->rows[k];
			const ModelType *type = model_resource(row->type, strlen(row->type));

			if ((target == NULL || target == type) && leg_fits(&p->legs[i], p, type))
				crit_add_key(r->keys,
				             keys_identity(row->type, strlen(row->type), row->id, strlen(row->id)) ^ salt);
		}
	}
}

static void
include_referring(Includes *x, SearchRow *rows, int n, const SearchInclude *inc)
{
	Reverse r = {x, crit_new(CRIT_KEYS), rows, n};
	SqlText s;

	x->inc = inc;
	for (int m = 1; m < model_ntypes; m++) {
		const ModelType *t = &model_types[m];

		if (t->kind != MODEL_RESOURCE || t->abstract || (inc->source && inc->source != t))
			continue;
		if (inc->code)
			hashes_to(search_param(t, inc->code, strlen(inc->code)), &r);
		else
			keys_params_each(t, hashes_to, &r);
	}
	if (r.keys->nkeys == 0)
		return;
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated FROM (SELECT "
	                               "DISTINCT k FROM pg_catalog.unnest(");
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *)r.keys->keys, r.keys->nkeys));
	appendStringInfo(&s.sql,
	                 ") k) k CROSS JOIN LATERAL (SELECT r.rid, r.type, r.id, r.version, r.last_updated FROM "
	                 "%s.resource r WHERE r.keys" OP("@>") "ARRAY[k.k] AND NOT r.deleted",
	                 store_schema());
	search_restrict(&s, "r", LEG_REVINCLUDE);
	/* a row may come by several hashes; beyond the limit it is an error anyway */
	appendStringInfo(&s.sql, " OFFSET 0) r LIMIT %d", (fhir_max_include + 1) * 4);
	search_run(x->req, &s, "_revinclude");
	take(x);
}

static int
compare_identity(const void *a, const void *b)
{
	const SearchRow *x = a, *y = b;
	int c = strcmp(x->type, y->type);

	return c ? c : strcmp(x->id, y->id);
}

void
search_includes(SearchRequest *req, SearchRow *matches, int nmatches, SearchRow **out, int *nout)
{
	Includes x = {req};
	HASHCTL ctl = {0};
	SearchRow *frontier = matches;
	int nfrontier = nmatches;

	*out = NULL;
	*nout = 0;
	if (req->nincludes == 0 || nmatches == 0)
		return;
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(int64);
	ctl.hcxt = CurrentMemoryContext;
	x.seen = hash_create("fhir search includes", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < nmatches; i++)
		hash_search(x.seen, &matches[i].rid, HASH_ENTER, NULL);
	for (bool first = true; nfrontier > 0; first = false) {
		int before = x.n;

		include_referred(&x, frontier, nfrontier, first);
		for (int k = 0; k < req->nincludes; k++)
			if (req->includes[k].reverse && (first || req->includes[k].iterate))
				include_referring(&x, frontier, nfrontier, &req->includes[k]);
		nfrontier = x.n - before;
		frontier = palloc((nfrontier + 1) * sizeof(SearchRow));
		if (nfrontier)
			memcpy(frontier, x.rows + before, nfrontier * sizeof(SearchRow));
	}
	if (x.n)
		qsort(x.rows, x.n, sizeof(SearchRow), compare_identity);
	*out = x.rows;
	*nout = x.n;
}
