/*
 * answer_include.c: _include and _revinclude, with :iterate.
 *
 * Round by round: the first looks at the page's matches, each further one (for :iterate) at what the last one
 * added. A resource is added once, and never if it is a match, so that cycles end. A reference to a version
 * ("Type/id/_history/2") includes that version, if the store has it: two versions of a resource are two entries.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "search/answer/answer.h"
#include "store/rows/rows.h"

typedef struct Includes {
	SearchRequest *req;
	HTAB *seen; /* rid and version */
	SearchRow *rows;
	int n, max;
	/* of the round */
	char **types, **ids;
	int64 *versions; /* 0: the current one */
	int nids, maxids;
	CanonicalRefs canonicals;
	const SearchInclude *inc;
} Includes;

typedef struct SeenKey {
	int64 rid, version;
} SeenKey;

static void
add_reference(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	Includes *x = arg;

	if (version < 0)
		return;
	if (x->nids == x->maxids) {
		x->maxids = x->maxids ? x->maxids * 2 : 256;
		x->types =
			x->types ? repalloc(x->types, x->maxids * sizeof(char *)) : palloc(x->maxids * sizeof(char *));
		x->ids = x->ids ? repalloc(x->ids, x->maxids * sizeof(char *)) : palloc(x->maxids * sizeof(char *));
		x->versions = x->versions ? repalloc(x->versions, x->maxids * sizeof(int64))
								  : palloc(x->maxids * sizeof(int64));
	}
	x->versions[x->nids] = version;
	x->types[x->nids] = pnstrdup(type, tlen);
	x->ids[x->nids++] = pnstrdup(id, ilen);
}

static void
add_row(Includes *x, const SearchRow *row)
{
	SeenKey key = {row->rid, row->version};
	bool found;

	hash_search(x->seen, &key, HASH_ENTER, &found);
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
	for (uint64 i = 0; i < SPI_processed; i++) {
		SearchRow row;

		search_take_row(&row, "include", i);
		add_row(x, &row);
	}
	SPI_freetuptable(SPI_tuptable);
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
} DocWalk;

static void
references_of(const KeyParam *p, void *arg)
{
	DocWalk *w = arg;
	const SearchInclude *inc = w->x->inc;

	if (p->type != PARAM_REFERENCE)
		return;
	for (int i = 0; i < p->nlegs; i++) {
		const KeyLeg *leg = &p->legs[i];
		const ModelTypeId *targets = inc->target					   ? inc->targets
									 : leg->targets && leg->targets[0] ? leg->targets
																	   : p->targets;

		if (!leg_fits(leg, p, inc->target))
			continue;
		/* to the parameter's own targets only, as chains, _has and _revinclude do */
		search_references(leg->source, targets, &w->doc->root, add_reference, w->x);
		search_canonicals_of(leg->source, targets, &w->doc->root, &w->x->canonicals);
	}
}

static void
look_at_document(int i, Jsonb *doc, void *arg)
{
	DocWalk *w = arg;
	SearchRequest *req = w->x->req;
	const char *name =
		w->rows[i].contained ? fhir_json_get_string(&doc->root, "resourceType") : w->rows[i].type;
	const ModelType *type = model_resource(name, strlen(name));

	w->doc = doc;
	for (int k = 0; k < req->nincludes; k++) {
		const SearchInclude *inc = &req->includes[k];

		if (inc->reverse || (!w->first && !inc->iterate) || (inc->source && inc->source != type))
			continue;
		w->x->inc = inc;
		if (inc->code)
			references_of(search_param(type, inc->code, strlen(inc->code)), w);
		else
			keys_params_each(store_key_context(), type, references_of, w);
	}
}

/* "SELECT rid, type, id, version, last_updated, place FROM" the current rows of what is referred to; versioned: by
 * references to a version, with columns of (r) and u.v. Returns how many references those are. */
static int
sql_referred(Includes *x, SqlText *s, bool versioned)
{
	char **types = palloc(x->nids * sizeof(char *)), **ids = palloc(x->nids * sizeof(char *));
	int64 *versions = palloc(x->nids * sizeof(int64));
	int n = 0;

	for (int i = 0; i < x->nids; i++)
		if ((x->versions[i] != 0) == versioned) {
			types[n] = x->types[i];
			ids[n] = x->ids[i];
			versions[n++] = x->versions[i];
		}
	if (n == 0)
		return 0;
	sql_init(s);
	s->generic = true;
	appendStringInfo(&s->sql,
					 "SELECT r.rid, r.type, r.id, %1$s.version, %1$s.last_updated, %1$s.place FROM (SELECT DISTINCT u.t, "
					 "u.i, u.v FROM ROWS FROM (pg_catalog.unnest(",
					 versioned ? "d" : "r");
	sql_param(s, TEXTARRAYOID, sql_text_array(types, n));
	appendStringInfoString(&s->sql, "), pg_catalog.unnest(");
	sql_param(s, TEXTARRAYOID, sql_text_array(ids, n));
	appendStringInfoString(&s->sql, "), pg_catalog.unnest(");
	sql_param(s, INT8ARRAYOID, sql_int8_array(versions, n));
	appendStringInfo(
		&s->sql,
		")) u(t, i, v)) u CROSS JOIN LATERAL (SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place FROM "
		"%s.resource r WHERE r.type" OP("=") "u.t AND r.id" OP("=") "u.i AND NOT r.deleted",
		store_schema());
	search_restrict(s, "r", LEG_INCLUDE);
	appendStringInfoString(&s->sql, " OFFSET 0) r");
	return n;
}

static void
add_by_identity(Includes *x)
{
	SqlText s;

	if (sql_referred(x, &s, false) == 0)
		return;
	appendStringInfoString(&s.sql, " ORDER BY r.type, r.id");
	search_run(x->req, &s, "_include");
	take(x);
}

/* Versions of resources that are not deleted now. */
static void
add_versions(Includes *x)
{
	SqlText s;

	if (sql_referred(x, &s, true) == 0)
		return;
	appendStringInfo(&s.sql,
					 " CROSS JOIN LATERAL (SELECT d.version, d.last_updated, d.ctid AS place FROM %s.version d WHERE d.rid" OP(
						 "=") "r.rid AND d.version" OP("=") "u.v::pg_catalog.int4 AND d.doc IS NOT NULL OFFSET 0) d ORDER BY r.type, r.id, d.version",
					 store_schema());
	search_run(x->req, &s, "_include of versions");
	take(x);
}

static void
include_referred(Includes *x, SearchRow *rows, int n, bool first)
{
	DocWalk w = {x, rows, first};
	bool any = false;

	for (int k = 0; k < x->req->nincludes; k++)
		any = any || (!x->req->includes[k].reverse && (first || x->req->includes[k].iterate));
	if (!any || n == 0)
		return;
	x->nids = x->canonicals.n = 0;
	search_documents(x->req, rows, n, look_at_document, &w);
	add_by_identity(x);
	add_versions(x);
	if (x->canonicals.n) {
		SearchRow *meant;

		for (int i = 0, k = search_canonical_rows(x->req, LEG_INCLUDE, &x->canonicals, &meant); i < k; i++)
			add_row(x, &meant[i]);
	}
}

/* ---- _revinclude ---- */

typedef struct Reverse {
	Includes *x;
	Crit *keys;
	SearchRow *rows;
	int n;
} Reverse;

/* Canonicals at a place that mean one of the rows. */
static void
canonicals_to(Reverse *r, const KeyParam *p, const KeyLeg *leg)
{
	const ModelType *target = r->x->inc->target, *last = NULL;

	for (int k = 0; k < r->n; k++) {
		const ModelType *type = model_resource(r->rows[k].type, strlen(r->rows[k].type));

		if (r->rows[k].contained || type == last || (target && target != type) || !search_canonical_link(leg->source, type) ||
			!leg_fits(leg, p, type))
			continue;
		search_canonical_keys(r->x->req, LEG_REVINCLUDE, type, r->rows, r->n, &leg->source, 1, r->keys);
		last = type;
	}
}

static void
hashes_to(const KeyParam *p, void *arg)
{
	Reverse *r = arg;
	const ModelType *target = r->x->inc->target;

	if (p->type != PARAM_REFERENCE)
		return;
	for (int i = 0; i < p->nlegs; i++) {
		uint64 salt = keys_reference_salt(p->legs[i].source);

		if (p->legs[i].source->canonical)
			canonicals_to(r, p, &p->legs[i]);
		for (int k = 0; k < r->n; k++) {
			const SearchRow *row = &r->rows[k];
			const ModelType *type = model_resource(row->type, strlen(row->type));

			if (row->contained)
				continue; /* nothing refers to it */
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
			keys_params_each(store_key_context(), t, hashes_to, &r);
	}
	if (r.keys->nkeys == 0)
		return;
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place FROM (SELECT "
								   "DISTINCT k FROM pg_catalog.unnest(");
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) r.keys->keys, r.keys->nkeys));
	appendStringInfo(&s.sql,
					 ") k) k CROSS JOIN LATERAL (SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place FROM "
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

	c = c ? c : strcmp(x->id, y->id);
	return c ? c : x->version - y->version;
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
	ctl.keysize = sizeof(SeenKey);
	ctl.entrysize = sizeof(SeenKey);
	ctl.hcxt = CurrentMemoryContext;
	x.seen = hash_create("fhir search includes", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < nmatches; i++) {
		SeenKey key = {matches[i].rid, matches[i].version};

		hash_search(x.seen, &key, HASH_ENTER, NULL);
	}
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
