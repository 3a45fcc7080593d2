/*
 * plan_contained_page.c: pages whose matches are contained resources themselves (_containedType=contained).
 *
 * The rows of a page are containers; each gives as many matches as it contains, in the order in which they stand
 * there, after itself if it is a match, too (_contained=both). A page may end within a container: its cursor then says
 * after which, and the next page begins with the same row.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

typedef struct Entries {
	SearchRequest *req;
	const SearchRow *containers;
	const bool *own;		   /* is the container a match itself? */
	const SearchCursor *after; /* NULL: from the start */
	SearchRow *list;
	int n, max;
} Entries;

static bool
alone(const SearchRequest *req)
{
	return req->contained != CONTAINED_FALSE && req->contained_alone;
}

/* part: 0 for the container, else the position of the contained resource, from 1. */
static void
add_entry(Entries *x, const SearchRow *container, int part, JsonbValue *resource)
{
	SearchRow *row;

	if (x->after && x->after->part >= 0 && strcmp(container->type, x->after->type) == 0 &&
		strcmp(container->id, x->after->id) == 0) {
		if (x->after->backward ? part >= x->after->part : part <= x->after->part)
			return;
	}
	if (x->n == x->max) {
		x->max = x->max ? x->max * 2 : 64;
		x->list =
			x->list ? repalloc(x->list, x->max * sizeof(SearchRow)) : palloc(x->max * sizeof(SearchRow));
	}
	row = &x->list[x->n++];
	*row = *container;
	row->cursor_id = psprintf("%s#%d", container->id, part);
	if (resource) {
		char *id = fhir_json_get_string(resource->val.binary.data, "id");

		row->doc = JsonbValueToJsonb(resource);
		row->id = psprintf("%s#%s", container->id, id ? id : "");
		row->contained = true;
	} else
		row->doc = NULL;
}

static void
expand(int i, Jsonb *doc, void *arg)
{
	Entries *x = arg;
	const SearchRow *container = &x->containers[i];
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "fhir contained", ALLOCSET_DEFAULT_SIZES),
				  old = MemoryContextSwitchTo(cxt);
	JsonbContainer *array;
	int *which, n = search_contained_which(x->req->program, &doc->root, &array, &which);

	MemoryContextSwitchTo(old);
	if (x->own && x->own[i])
		add_entry(x, container, 0, NULL);
	for (int k = 0; k < n; k++)
		add_entry(x, container, which[k] + 1, getIthJsonbValueFromContainer(array, which[k]));
	MemoryContextDelete(cxt);
}

Crit *
search_contained_own(SearchRequest *req)
{
	if (!req->own_ready) {
		plan_subqueries(req, req->types, req->ntypes, &req->own, 1, true);
		req->own_ready = true;
	}
	return req->own;
}

static bool *
own_rows(SearchRequest *req, const SearchPage *page)
{
	bool *out = palloc0((page->nrows + 1) * sizeof(bool));
	int64 *rids = palloc((page->nrows + 1) * sizeof(int64));
	Crit *own = search_contained_own(req);
	SqlText s;

	for (int i = 0; i < page->nrows; i++)
		rids[i] = page->rows[i].rid;
	sql_init(&s);
	appendStringInfo(&s.sql, "SELECT r.rid FROM %s.resource r WHERE r.rid" OP("=") "ANY (", store_schema());
	sql_param(&s, INT8ARRAYOID, sql_int8_array(rids, page->nrows));
	appendStringInfoChar(&s.sql, ')');
	sql_where(&s, "r", &own, 1);
	search_run(req, &s, "page: containers that match themselves");
	for (uint64 k = 0; k < SPI_processed; k++) {
		bool null;
		int64 rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1, &null));

		for (int i = 0; i < page->nrows; i++)
			out[i] = out[i] || rids[i] == rid;
	}
	SPI_freetuptable(SPI_tuptable);
	return out;
}

static void
contained_page(SearchRequest *req, SearchPage *out)
{
	SearchCursor cur;
	bool after = search_cursor_read(req, &cur), more;
	int count = req->count;
	Entries x = {req};
	SearchPage page;

	/* the row of the cursor may have nothing left: one more than it */
	req->count = after ? Min(count, PG_INT32_MAX - 2) + 1 : count;
	search_page(req, &page);
	req->count = count;
	req->known_total = -1; /* was of containers */
	x.containers = page.rows;
	x.after = after ? &cur : NULL;
	x.own = req->contained == CONTAINED_BOTH ? own_rows(req, &page) : NULL;
	search_documents(req, page.rows, page.nrows, expand, &x);
	more = x.n > count;
	out->rows = x.list;
	out->nrows = Min(x.n, count);
	if (more && cur.backward)
		out->rows += x.n - count;
	out->has_next = cur.backward ? true : more || page.has_next;
	out->has_previous = cur.backward ? more || page.has_previous : after;
	out->whole = !after && !more && !page.has_next;
}

void
search_matches(SearchRequest *req, SearchPage *out)
{
	if (search_contained_sorted(req))
		search_contained_sorted_page(req, out);
	else if (alone(req))
		contained_page(req, out);
	else
		search_page(req, out);
}

int64
search_matches_total(SearchRequest *req, bool estimate)
{
	SqlText s;
	bool null;
	int64 n;

	if (!alone(req))
		return search_total(req, estimate);
	if (req->known_total >= 0)
		return req->known_total;
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT pg_catalog.sum(");
	if (req->contained == CONTAINED_BOTH) {
		appendStringInfoString(&s.sql, "CASE WHEN ");
		sql_crit(&s, "r", search_contained_own(req));
		appendStringInfoString(&s.sql, " THEN 1 ELSE 0 END" OP("+"));
	}
	sql_contained(&s, "r", req->program);
	appendStringInfoChar(&s.sql, ')');
	sql_from_where(&s, "r", LEG_TOTAL, req->types, req->all_types ? 0 : req->ntypes, req->where, req->nwhere);
	search_run(req, &s, "total of contained resources");
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return null ? 0 : n;
}
