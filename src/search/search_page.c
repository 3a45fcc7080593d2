/*
 * search_page.c: one page of matches, its cursor, and totals.
 *
 * Order: the sort keys, then type and id, which never change: so a page starts after (or before) the row that
 * the cursor (search_cursor.c) names, whatever happened since.
 *
 * Two ways to a page. "Find, then sort": the criteria's index gives all matches. "Walk": rows come in order
 * from the index of the order, are checked one by one, and only so many are looked at. With many matches a
 * walk finds a page soon; if it does not within its bound, find-then-sort follows.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/error.h"
#include "search/search_internal.h"
#include "store/store.h"

/* ---- order ---- */

static bool
down(const SearchSort *sort, const SearchCursor *cur)
{
	return sort->descending != cur->backward;
}

/* ORDER BY over columns s1 ..., type, id of alias q. */
static void
sql_order_by(SqlText *s, const SearchRequest *req, const SearchCursor *cur)
{
	appendStringInfoString(&s->sql, " ORDER BY ");
	for (int i = 0; i < req->nsorts; i++)
		appendStringInfo(&s->sql, "q.s%d %s NULLS %s, ", i + 1, down(&req->sorts[i], cur) ? "DESC" : "ASC",
		                 cur->backward ? "FIRST" : "LAST");
	if (req->ntypes > 1)
		appendStringInfo(&s->sql, "q.type %s, ", cur->backward ? "DESC" : "ASC");
	appendStringInfo(&s->sql, "q.id %s", cur->backward ? "DESC" : "ASC");
}

static void
sql_identity_after(SqlText *s, const SearchRequest *req, const SearchCursor *cur, const char *alias,
                   bool descending)
{
	const char *op = descending ? OP("<") : OP(">");

	if (req->ntypes > 1) {
		appendStringInfo(&s->sql, "(%s.type, %s.id)%s(", alias, alias, op);
		sql_param(s, TEXTOID, CStringGetTextDatum(cur->type));
		appendStringInfoString(&s->sql, " COLLATE pg_catalog.\"C\", ");
		sql_param(s, TEXTOID, CStringGetTextDatum(cur->id));
		appendStringInfoString(&s->sql, " COLLATE pg_catalog.\"C\")");
	} else {
		appendStringInfo(&s->sql, "%s.id%s", alias, op);
		sql_param(s, TEXTOID, CStringGetTextDatum(cur->id));
	}
}

/* Among the rows with the cursor's own sort value, those after its id. */
static void
sql_walk_ties(SqlText *s, const SearchRequest *req, const SearchCursor *cur, const char *column,
              const char *alias)
{
	appendStringInfo(&s->sql, " AND (%s" OP("<>"), column);
	sql_param(s, search_sort_type(&req->sorts[0]), cur->values[0]);
	appendStringInfoString(&s->sql, " OR ");
	sql_identity_after(s, req, cur, alias, cur->backward);
	appendStringInfoChar(&s->sql, ')');
}

/* Rows after the cursor: nested from the first sort key. Nulls stand at the end of the forward order. */
static void
sql_after(SqlText *s, const SearchRequest *req, const SearchCursor *cur, int i)
{
	const SearchSort *sort = &req->sorts[i];

	if (i == req->nsorts) {
		sql_identity_after(s, req, cur, "q", cur->backward);
		return;
	}
	if (cur->nulls[i]) {
		appendStringInfo(&s->sql, "(%sq.s%d IS NULL AND ",
		                 cur->backward ? psprintf("q.s%d IS NOT NULL OR ", i + 1) : "", i + 1);
		sql_after(s, req, cur, i + 1);
		appendStringInfoChar(&s->sql, ')');
		return;
	}
	appendStringInfo(&s->sql, "(q.s%d%s", i + 1, down(sort, cur) ? OP("<") : OP(">"));
	sql_param(s, search_sort_type(sort), cur->values[i]);
	if (!cur->backward)
		appendStringInfo(&s->sql, " OR q.s%d IS NULL", i + 1);
	appendStringInfo(&s->sql, " OR q.s%d" OP("="), i + 1);
	sql_param(s, search_sort_type(sort), cur->values[i]);
	appendStringInfoString(&s->sql, " AND ");
	sql_after(s, req, cur, i + 1);
	appendStringInfoChar(&s->sql, ')');
}

static void
sql_limit(SqlText *s, int n)
{
	appendStringInfoString(&s->sql, " LIMIT ");
	sql_param(s, INT8OID, Int64GetDatum(n));
}

/* ---- find, then sort ---- */

static void
sql_find(SqlText *s, SearchRequest *req, const SearchCursor *cur, bool after, int limit, bool count)
{
	appendStringInfoString(&s->sql, "SELECT q.* FROM (SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place");
	for (int i = 0; i < req->nsorts; i++) {
		appendStringInfoString(&s->sql, ", ");
		sql_sort_expression(s, &req->sorts[i], "r");
		appendStringInfo(&s->sql, " AS s%d", i + 1);
	}
	if (count)
		appendStringInfoString(&s->sql, ", pg_catalog.count(*) OVER () AS total");
	sql_from_where(s, "r", LEG_MATCH, req->types, req->all_types ? 0 : req->ntypes, req->where, req->nwhere);
	appendStringInfoString(&s->sql, " OFFSET 0) q");
	if (after) {
		appendStringInfoString(&s->sql, " WHERE ");
		sql_after(s, req, cur, 0);
	}
	sql_order_by(s, req, cur);
	sql_limit(s, limit);
}

/* ---- walk ---- */

/* The column of the walked index that holds the first sort value; NULL: resource.id itself. */
static const char *
walked_column(const SearchSort *sort)
{
	if (sort == NULL || sort->kind == SORT_ID)
		return NULL;
	return sort->kind == SORT_ORDERED  ? "o.lo"
	       : sort->kind == SORT_STRING ? "pg_catalog.\"left\"(o.value, 100)"
	                                   : "o.last_updated";
}

/* Does an index have this order? */
static bool
can_walk(const SearchRequest *req, const SearchCursor *cur, bool after)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;

	if (sort == NULL)
		return true;
	if (req->nsorts > 1 || req->ntypes > 1 || sort->kind == SORT_DOC || sort->kind == SORT_CHAIN || sort->nkeys > 1 ||
	    (after && cur->nulls[0]))
		return false;
	/* backward, the rows without a value come first: they are in no such index */
	return !(cur->backward && (sort->kind == SORT_ORDERED || sort->kind == SORT_STRING));
}

/*
 * The criterion on the same place as the sort, when each resource has one value there, bounds the walk. A
 * long interval that is still going on may have begun anywhere before: only if there is none can the walk
 * begin near the bound.
 */
static void
sql_walk_bounds(SqlText *s, SearchRequest *req, const SearchSort *sort)
{
	for (int i = 0; i < req->nwhere; i++) {
		const Crit *c = req->where[i];
		int64 lo_min = PG_INT64_MAX, lo_max = PG_INT64_MIN, near = PG_INT64_MAX;

		if (c->kind != CRIT_ORDERED || !c->single || c->boxes[0].key != sort->keys[0])
			continue;
		for (int k = 0; k < c->nboxes; k++) {
			const OrdBox *b = &c->boxes[k];

			lo_min = Min(lo_min, b->lo_min);
			lo_max = Max(lo_max, b->lo_max);
			near = Min(near, search_short_start(b));
		}
		if (near > lo_min && !search_long_before(req, c, near))
			lo_min = near;
		appendStringInfoString(&s->sql, " AND o.lo" OP(">="));
		sql_param(s, INT8OID, Int64GetDatum(lo_min));
		appendStringInfoString(&s->sql, " AND o.lo" OP("<="));
		sql_param(s, INT8OID, Int64GetDatum(lo_max));
	}
}

/* FROM and WHERE of the candidates: resource r, and o, the table whose index has the order. */
static void
sql_walk_from(SqlText *s, SearchRequest *req, const SearchCursor *cur, bool after)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;
	const char *column = walked_column(sort);

	if (sort && (sort->kind == SORT_ORDERED || sort->kind == SORT_STRING)) {
		/* LATERAL, OFFSET 0: row by row in the order of o, whatever the planner thinks of the checks */
		appendStringInfo(
		    &s->sql,
		    " FROM %s.%s o CROSS JOIN LATERAL (SELECT * FROM %s.resource r WHERE r.rid" OP("=") "o.rid",
		    store_schema(), sort->kind == SORT_ORDERED ? "ordered" : "string", store_schema());
		/* of a resource's several values the one that it sorts by */
		appendStringInfo(&s->sql, " AND %s" OP("="), column);
		sql_sort_expression(s, sort, "r");
		appendStringInfoString(&s->sql, " OFFSET 0) r WHERE o.key" OP("="));
		sql_param(s, INT8OID, Int64GetDatum((int64)sort->keys[0]));
		if (sort->kind == SORT_ORDERED)
			sql_walk_bounds(s, req, sort);
	} else if (sort && sort->kind == SORT_UPDATED) {
		appendStringInfo(&s->sql,
		                 " FROM %s.version o CROSS JOIN LATERAL (SELECT * FROM %s.resource r WHERE r.rid" OP(
		                     "=") "o.rid AND r.version" OP("=") "o.version OFFSET 0) r WHERE o.type" OP("="),
		                 store_schema(), store_schema());
		sql_param(s, TEXTOID, CStringGetTextDatum(req->types[0]->name));
		for (int i = 0; i < req->nwhere; i++)
			if (req->where[i]->kind == CRIT_UPDATED) {
				appendStringInfoString(&s->sql, " AND ");
				sql_crit(s, "o", req->where[i]);
			}
	} else
		appendStringInfo(&s->sql, " FROM %s.resource r WHERE true", store_schema());
	appendStringInfoString(&s->sql, " AND NOT r.deleted");
	if (!req->all_types)
		sql_type(s, "r", req->types, req->ntypes);
	search_restrict(s, "r", LEG_MATCH);
	if (after && column) {
		appendStringInfo(&s->sql, " AND %s%s", column, down(sort, cur) ? OP("<=") : OP(">="));
		sql_param(s, search_sort_type(sort), cur->values[0]);
	} else if (after) {
		appendStringInfoString(&s->sql, " AND ");
		sql_identity_after(s, req, cur, "r", sort ? down(sort, cur) : cur->backward);
	}
}

static void
sql_walk_order(SqlText *s, const SearchRequest *req, const SearchCursor *cur)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;
	const char *column = walked_column(sort), *ties = cur->backward ? "DESC" : "ASC";

	if (column)
		appendStringInfo(&s->sql, " ORDER BY %s %s, r.id %s", column, down(sort, cur) ? "DESC" : "ASC", ties);
	else if (sort)
		appendStringInfo(&s->sql, " ORDER BY r.id %s", down(sort, cur) ? "DESC" : "ASC");
	else
		appendStringInfo(&s->sql, " ORDER BY r.type %s, r.id %s", ties, ties);
}

/*
 * walk > 0: only so many candidates are looked at, in a subquery that the criteria can't enter. walk = 0: no
 * bound, and PostgreSQL may still find that another way is better.
 */
static void
sql_walk(SqlText *s, SearchRequest *req, const SearchCursor *cur, bool after, int walk, int limit)
{
	const char *column = req->nsorts ? walked_column(&req->sorts[0]) : NULL;
	bool ties = after && column;

	if (req->nsorts && column == NULL)
		column = "r.id";
	if (walk > 0)
		appendStringInfo(&s->sql, "SELECT q.rid, q.type, q.id, q.version, q.last_updated, q.place%s FROM (",
		                 req->nsorts ? ", q.s1" : "");
	appendStringInfo(&s->sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place%s%s%s",
	                 walk > 0 ? ", r.keys, r.ord" : "", column ? ", " : "",
	                 column ? psprintf("%s AS s1", column) : "");
	sql_walk_from(s, req, cur, after);
	if (walk == 0) {
		if (ties)
			sql_walk_ties(s, req, cur, column, "r");
		sql_where(s, "r", req->where, req->nwhere);
		sql_walk_order(s, req, cur);
		sql_limit(s, limit);
		return;
	}
	sql_walk_order(s, req, cur);
	sql_limit(s, walk);
	appendStringInfoString(&s->sql, " OFFSET 0) q WHERE true");
	if (ties)
		sql_walk_ties(s, req, cur, "q.s1", "q");
	sql_where(s, "q", req->where, req->nwhere);
	/* as the subquery's, so that nothing is sorted again */
	if (column)
		appendStringInfo(&s->sql, " ORDER BY q.s1 %s%s", down(&req->sorts[0], cur) ? "DESC" : "ASC",
		                 req->sorts[0].kind == SORT_ID ? ""
		                 : cur->backward               ? ", q.id DESC"
		                                               : ", q.id ASC");
	else
		appendStringInfo(&s->sql, " ORDER BY %sq.id %s",
		                 req->ntypes == 1 ? "" : cur->backward ? "q.type DESC, " : "q.type ASC, ",
		                 cur->backward ? "DESC" : "ASC");
	sql_limit(s, limit);
}

/* ---- a page ---- */

static void
fetch_rows(SearchRequest *req, SearchPage *page)
{
	SPITupleTable *t = SPI_tuptable;

	page->rows = palloc0((SPI_processed + 1) * sizeof(SearchRow));
	page->nrows = 0;
	for (uint64 i = 0; i < SPI_processed; i++) {
		SearchRow *row = &page->rows[page->nrows];
		bool null;

		row->rid = DatumGetInt64(SPI_getbinval(t->vals[i], t->tupdesc, 1, &null));
		if (page->nrows > 0 && row[-1].rid == row->rid)
			continue; /* two equal values of one resource */
		row->type = TextDatumGetCString(SPI_getbinval(t->vals[i], t->tupdesc, 2, &null));
		row->id = TextDatumGetCString(SPI_getbinval(t->vals[i], t->tupdesc, 3, &null));
		row->version = DatumGetInt32(SPI_getbinval(t->vals[i], t->tupdesc, 4, &null));
		row->last_updated = DatumGetTimestampTz(SPI_getbinval(t->vals[i], t->tupdesc, 5, &null));
		row->place = *(ItemPointer)DatumGetPointer(SPI_getbinval(t->vals[i], t->tupdesc, 6, &null));
		row->mode = "match";
		row->sort = palloc((req->nsorts + 1) * sizeof(Datum));
		row->sort_null = palloc((req->nsorts + 1) * sizeof(bool));
		for (int k = 0; k < req->nsorts; k++) {
			Datum d = SPI_getbinval(t->vals[i], t->tupdesc, 7 + k, &row->sort_null[k]);

			if (!row->sort_null[k] && search_sort_type(&req->sorts[k]) == TEXTOID)
				d = PointerGetDatum(DatumGetTextPCopy(d));
			row->sort[k] = d;
		}
		page->nrows++;
	}
	SPI_freetuptable(t);
}

/*
 * How many rows of the order to look at: 0 = no bound, -1 = don't walk. Where an index gives all matches, a
 * walk is worth it when it will probably find a page within fewer rows than there are matches. Where none
 * does, many match: try so many first.
 */
static int
walk_bound(SearchRequest *req, int limit)
{
	double type_rows = search_type_rows(req->types, req->ntypes), product = type_rows, least = type_rows,
	       need, referring = 0;
	bool indexed = false, listable = false, any = false;

	for (int i = 0; i < req->nwhere; i++) {
		Crit *c = req->where[i];
		double n = search_crit_rows(c, type_rows);

		if (c->kind == CRIT_TRUE)
			continue;
		any = true;
		product *= Min(1, n / type_rows);
		if (search_indexed(c)) {
			indexed = true;
			least = Min(least, n);
		}
		listable = listable || search_listable(c);
		if (c->kind == CRIT_HAS)
			referring = Max(referring, c->referring);
	}
	if (!any || (!indexed && !listable))
		return 0;
	need = limit * type_rows / Max(product, 1);
	if (!indexed &&
	    referring > 0) /* to ask one row costs as much as to read some twenty of those documents */
		return (int)Min(Max(limit * 4, referring / 20), 100000);
	if (!indexed)
		return (int)Min(limit * 10.0 + 2000, 1000000);
	if (least < SEARCH_FEW_TO_SORT || need * 2 > least)
		return -1;
	/* it ends as soon as the page is full; the bound is for bad luck, and some of that is cheaper than all
	 * matches */
	return (int)Min(Max(need * 3 + 500, least / 4), 200000);
}

static void
reverse(SearchPage *page)
{
	for (int i = 0, k = page->nrows - 1; i < k; i++, k--) {
		SearchRow t = page->rows[i];

		page->rows[i] = page->rows[k];
		page->rows[k] = t;
	}
}

/* Rows in order from an index; true if the page is complete however short. */
static bool
page_by_walk(SearchRequest *req, const SearchCursor *cur, bool after, int walk, int limit, SearchPage *out)
{
	SqlText s;

	sql_init(&s);
	sql_walk(&s, req, cur, after, walk, limit);
	search_run(req, &s, walk ? "page: walk in order, a bounded number of rows" : "page: walk in order");
	fetch_rows(req, out);
	/* an index on sort values lacks the rows without one */
	return out->nrows >= limit || (walk == 0 && (req->nsorts == 0 || req->sorts[0].kind == SORT_ID ||
	                                             req->sorts[0].kind == SORT_UPDATED));
}

static void
page_by_sort(SearchRequest *req, const SearchCursor *cur, bool after, int limit, SearchPage *out)
{
	SqlText s;
	bool count = req->total == TOTAL_ACCURATE, null;

	sql_init(&s);
	sql_find(&s, req, cur, after, limit, count);
	search_run(req, &s, "page: find, then sort");
	if (count && SPI_processed > 0)
		req->known_total = DatumGetInt64(
		    SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 7 + req->nsorts, &null));
	fetch_rows(req, out);
}

void
search_page(SearchRequest *req, SearchPage *out)
{
	SearchCursor cur;
	bool after = search_cursor_read(req, &cur), more, complete = false;
	int limit = req->count + 1, walk;

	memset(out, 0, sizeof(*out));
	walk = can_walk(req, &cur, after) ? walk_bound(req, limit) : -1;
	if (walk >= 0)
		complete = page_by_walk(req, &cur, after, walk, limit, out);
	if (!complete && !search_sets_finish(req) && walk > 0)
		complete = page_by_walk(req, &cur, after, 0, limit, out);
	if (!complete)
		page_by_sort(req, &cur, after, limit, out);
	more = out->nrows > req->count;
	if (more)
		out->nrows = req->count;
	if (cur.backward)
		reverse(out);
	out->has_next = cur.backward || more;
	out->has_previous = cur.backward ? more : after;
	out->whole = !after && !more;
}

/* ---- totals ---- */

int64
search_total(SearchRequest *req, bool estimate)
{
	SqlText s;
	bool null;
	int64 n;

	if (req->known_total >= 0)
		return req->known_total;
	/* statistics know of resources that the caller may not see */
	if (estimate && search_restriction_hook == NULL) {
		double type_rows = search_type_rows(req->types, req->ntypes), product = type_rows;

		for (int i = 0; i < req->nwhere; i++)
			product *= Min(1, search_crit_rows(req->where[i], type_rows) / type_rows);
		if (product > 10000)
			return (int64)product;
	}
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT pg_catalog.count(*)");
	sql_from_where(&s, "r", LEG_TOTAL, req->types, req->all_types ? 0 : req->ntypes, req->where, req->nwhere);
	search_run(req, &s, "total");
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return n;
}
