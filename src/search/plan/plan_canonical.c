/*
 * plan_canonical.c: canonical references: which resource a "url" or "url|version" means, and by which hashes a
 * resource is meant.
 *
 * Of the resources of one type with that url, "url|version" means the one with that business version, "url" alone
 * any version; where that leaves several, the one that was changed last (as for value sets). So a reference means
 * at most one resource of each type that it may lead to.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

/* A resource with one of the wanted urls. */
typedef struct Candidate {
	SearchRow row;
	const char *url, *version; /* NULL: none */
} Candidate;

typedef struct Candidates {
	Candidate *list; /* those changed last first */
	int n;
} Candidates;

/* Where resources of this type have their url; NULL if they have none. */
static const KeySource *
url_source(const ModelType *t)
{
	const KeyParam *p = search_param(t, "url", 3);

	return p && p->type == PARAM_URI && p->user == NULL && p->nlegs == 1 ? p->legs[0].source : NULL;
}

bool
search_canonical_link(const KeySource *source, const ModelType *target)
{
	return source->canonical && url_source(target) != NULL;
}

static void
read_url(int i, Jsonb *doc, void *arg)
{
	Candidates *c = arg;
	char *url = fhir_json_get_string(&doc->root, "url"),
		 *version = fhir_json_get_string(&doc->root, "version");

	c->list[i].url = url ? MemoryContextStrdup(GetMemoryChunkContext(c->list), url) : NULL;
	c->list[i].version = version ? MemoryContextStrdup(GetMemoryChunkContext(c->list), version) : NULL;
}

void
search_take_row(SearchRow *row, const char *mode, uint64 i)
{
	SPITupleTable *t = SPI_tuptable;
	bool null;

	memset(row, 0, sizeof(*row));
	row->rid = DatumGetInt64(SPI_getbinval(t->vals[i], t->tupdesc, 1, &null));
	row->type = TextDatumGetCString(SPI_getbinval(t->vals[i], t->tupdesc, 2, &null));
	row->id = TextDatumGetCString(SPI_getbinval(t->vals[i], t->tupdesc, 3, &null));
	row->version = DatumGetInt32(SPI_getbinval(t->vals[i], t->tupdesc, 4, &null));
	row->last_updated = DatumGetTimestampTz(SPI_getbinval(t->vals[i], t->tupdesc, 5, &null));
	row->locator = *(ItemPointer) DatumGetPointer(SPI_getbinval(t->vals[i], t->tupdesc, 6, &null));
	row->mode = mode;
}

/* The rows in SPI_tuptable with their urls. */
static void
take_candidates(SearchRequest *req, Candidates *c)
{
	SearchRow *rows;

	c->n = SPI_processed;
	c->list = palloc0((c->n + 1) * sizeof(Candidate));
	rows = palloc((c->n + 1) * sizeof(SearchRow));
	for (int i = 0; i < c->n; i++) {
		search_take_row(&rows[i], "include", i);
		c->list[i].row = rows[i];
	}
	SPI_freetuptable(SPI_tuptable);
	search_documents(req, rows, c->n, read_url, c);
}

/* Every resource of the types with one of the urls. */
static void
find_candidates(SearchRequest *req, SearchLeg leg, const ModelTypeId *targets, char *const *urls, int nurls,
				Candidates *out)
{
	Crit *keys = crit_new(CRIT_KEYS);
	SqlText s;

	out->n = 0;
	for (int m = 1; m < model_ntypes; m++) {
		const ModelType *t = &model_types[m];
		const KeySource *source;

		if (t->kind != MODEL_RESOURCE || t->abstract || !search_target_allowed(targets, t) ||
			(source = url_source(t)) == NULL)
			continue;
		for (int i = 0; i < nurls; i++)
			crit_add_key(keys, keys_uri(source, urls[i], strlen(urls[i])));
	}
	if (keys->nkeys == 0)
		return;
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(
		&s.sql,
		"SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place FROM (SELECT DISTINCT k FROM pg_catalog.unnest(");
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) keys->keys, keys->nkeys));
	appendStringInfo(&s.sql,
					 ") k) k CROSS JOIN LATERAL (SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place FROM "
					 "%s.resource r WHERE r.keys" OP("@>") "ARRAY[k.k] AND NOT r.deleted",
					 store_schema());
	search_restrict(&s, "r", leg);
	appendStringInfoString(&s.sql, " OFFSET 0) r ORDER BY r.last_updated DESC, r.rid DESC");
	search_run(req, &s, "canonical urls: the resources that have them");
	take_candidates(req, out);
}

/* Does the url, with or without a version, mean this candidate? It is the first of its type that fits. */
static bool
is_meant(const Candidates *c, int at, const char *url, const char *version)
{
	for (int i = 0; i <= at; i++) {
		const Candidate *x = &c->list[i];

		if (strcmp(x->row.type, c->list[at].row.type) == 0 && x->url && strcmp(x->url, url) == 0 &&
			(version == NULL || (x->version && strcmp(x->version, version) == 0)))
			return i == at;
	}
	return false;
}

/* ---- from a document to what it refers to ---- */

static void
canonical_item(const char *text, int len, void *arg)
{
	CanonicalRefs *r = arg;
	CanonicalRef *ref;
	char *copy, *bar;

	if (len == 0 || *text == '#')
		return;
	if (r->n == r->max) {
		r->max = r->max ? r->max * 2 : 32;
		r->list = r->list ? repalloc(r->list, r->max * sizeof(*ref)) : palloc(r->max * sizeof(*ref));
	}
	ref = &r->list[r->n++];
	ref->url = copy = pnstrdup(text, len);
	ref->version = NULL;
	ref->targets = r->targets;
	if ((bar = strchr(copy, '|')) != NULL) {
		*bar = '\0';
		ref->version = bar + 1;
	}
}

void
search_canonicals_of(const KeySource *source, const ModelTypeId *targets, JsonbContainer *doc,
					 CanonicalRefs *out)
{
	if (!source->canonical)
		return;
	out->targets = targets;
	search_plain_texts(source, doc, canonical_item, out);
}

int
search_canonical_rows(SearchRequest *req, SearchLeg leg, const CanonicalRefs *refs, SearchRow **out)
{
	Candidates c;
	char **urls = palloc((refs->n + 1) * sizeof(char *));
	int n = 0;

	*out = NULL;
	if (refs->n == 0)
		return 0;
	for (int i = 0; i < refs->n; i++)
		urls[i] = refs->list[i].url;
	find_candidates(req, leg, NULL, urls, refs->n, &c);
	*out = palloc((c.n + 1) * sizeof(SearchRow));
	for (int k = 0; k < c.n; k++) {
		const ModelType *type = model_resource(c.list[k].row.type, strlen(c.list[k].row.type));

		for (int i = 0; i < refs->n; i++)
			if (search_target_allowed(refs->list[i].targets, type) &&
				is_meant(&c, k, refs->list[i].url, refs->list[i].version)) {
				(*out)[n++] = c.list[k].row;
				break;
			}
	}
	return n;
}

/* ---- from a resource to the hashes of what refers to it ---- */

/* Rows of one type -> those of their references that mean them, for each source. */
static void
add_keys(SearchRequest *req, SearchLeg leg, const ModelType *type, Candidates *own,
		 const KeySource *const *sources, int nsources, Crit *keys)
{
	ModelTypeId target[2] = {type->id, MODEL_NONE};
	char **urls = palloc((own->n + 1) * sizeof(char *));
	Candidates all;
	int nurls = 0;

	for (int i = 0; i < own->n; i++)
		if (own->list[i].url)
			urls[nurls++] = unconstify(char *, own->list[i].url);
	find_candidates(req, leg, target, urls, nurls, &all);
	for (int i = 0; i < all.n; i++) {
		const Candidate *c = &all.list[i];
		bool wanted = false;
		char *versioned = c->version ? psprintf("%s|%s", c->url, c->version) : NULL;

		for (int k = 0; k < own->n && !wanted; k++)
			wanted = own->list[k].row.rid == c->row.rid;
		if (!wanted || c->url == NULL)
			continue;
		for (int k = 0; k < nsources; k++) {
			if (versioned && is_meant(&all, i, c->url, c->version))
				crit_add_key(keys, keys_reference(store_key_context(), sources[k], versioned, strlen(versioned)));
			if (is_meant(&all, i, c->url, NULL))
				crit_add_key(keys, keys_canonical_newest(sources[k], c->url, strlen(c->url)));
		}
	}
}

void
search_canonical_keys(SearchRequest *req, SearchLeg leg, const ModelType *type, const SearchRow *rows, int nrows,
					  const KeySource *const *sources, int nsources, Crit *keys)
{
	Candidates own = {palloc0((nrows + 1) * sizeof(Candidate)), 0};
	SearchRow *of_type = palloc((nrows + 1) * sizeof(SearchRow));

	for (int i = 0; i < nrows; i++)
		if (strcmp(rows[i].type, type->name) == 0) {
			own.list[own.n].row = rows[i];
			of_type[own.n++] = rows[i];
		}
	if (own.n == 0 || nsources == 0)
		return;
	search_documents(req, of_type, own.n, read_url, &own);
	add_keys(req, leg, type, &own, sources, nsources, keys);
}

void
search_canonical_chain(SearchRequest *req, const CritLink *link, Crit *keys)
{
	Candidates own;
	SqlText s;

	if (!search_canonical_link(link->source, link->type))
		return;
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place");
	sql_from_where(&s, "r", LEG_CHAIN, &link->type, 1, (Crit **) &link->arg, 1);
	search_run(req, &s, psprintf("chain: urls of the %s at the other end", link->type->name));
	take_candidates(req, &own);
	add_keys(req, LEG_CHAIN, link->type, &own, &link->source, 1, keys);
}
