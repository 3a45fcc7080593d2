/*
 * plan_page.c: one page of matches, and totals.
 *
 * Order: the sort keys, then type and id, which never change: so a page starts after (or before) the row that
 * the cursor (query_cursor.c) names, whatever happened since.
 *
 * Two ways to a page. "Find, then sort": the criteria's index gives all matches. "Walk": rows come in order
 * from the index of the order, are checked one by one, and only so many are looked at. With many matches a
 * walk finds a page soon; if it does not within its bound, find-then-sort follows.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

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
	appendStringInfoString(&s->sql, " LIMIT ");
	sql_param(s, INT8OID, Int64GetDatum(limit));
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
		row->locator = *(ItemPointer) DatumGetPointer(SPI_getbinval(t->vals[i], t->tupdesc, 6, &null));
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

/* How many rows may be asked for what they refer to, or what refers to them, in the time in which it is listed; 0: none need be. */
static double
rows_to_ask(const Crit *c)
{
	double n = 0;

	if (c->kind == CRIT_HAS || c->kind == CRIT_CHAIN)
		return Max(1, c->listing / Max(1, c->asking));
	for (int i = 0; i < c->nargs; i++)
		n = Max(n, rows_to_ask(c->args[i]));
	return n;
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
		   need, probe_rows = 0, listed = 0, left = 1;
	bool indexed = false, listable = false, any = false;
	const Crit *walked = search_walked_criterion(req);

	for (int i = 0; i < req->nwhere; i++) {
		Crit *c = req->where[i];
		double n = search_crit_rows(c, type_rows);

		if (c->kind == CRIT_TRUE || c == walked)
			continue;
		any = true;
		product *= Min(1, n / type_rows);
		if (search_indexed(c)) {
			indexed = true;
			least = Min(least, n);
		} else if (c->kind == CRIT_REFERRED)
			left *= Max(n, 1) / type_rows;
		listable = listable || search_listable(c) || (plan_lists_complement(req, c) && n < type_rows * SEARCH_FEW_COMPLEMENT);
		probe_rows = Max(probe_rows, rows_to_ask(c));
		if (c->kind == CRIT_KEYS || c->kind == CRIT_ORDERED)
			listed = Max(listed, c->kind == CRIT_KEYS ? n : 2.0 * SEARCH_FEW_ROWS);
	}
	if (req->nsorts && req->sorts[0].kind == SORT_CHAIN)
		return limit > 100000 ? -1 : search_walk_chain_bound(req, product, limit);
	if (!any || (!indexed && !listable))
		return 0;
	/* all rows are wanted */
	if (limit > 100000)
		return -1;
	need = limit * type_rows / Max(product, 1);
	/* to ask so many rows would cost more than to list what they are asked for; only those are probed that are left by what is soon known.
	 * Matches stand together, so it may be a long way to the first: as far as listing costs */
	if (!indexed && probe_rows > 0) {
		/* many more rows than are probed in the time of the list; else some of that time is worth a try */
		if (need * left > probe_rows * SEARCH_TRIED)
			return -1;
		if (need * left > probe_rows)
			return limit * 4 > probe_rows ? -1 : (int) Min(probe_rows / 3 / left, 200000);
		return (int) Min(Max(limit * 4, probe_rows / left), 200000);
	}
	/* to list them all takes at least as long as to look at as many rows and half as many again */
	if (!indexed)
		return (int) Min(limit * 10.0 + Max(2000, listed * 1.5), 200000);
	if (least < SEARCH_FEW_TO_SORT || need * 2 > least)
		return -1;
	/* it ends as soon as the page is full; the bound is for bad luck, and some of that is cheaper than all
	 * matches */
	return (int) Min(Max(need * 3 + 500, least / 4), 200000);
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

static void
append_rows(SearchPage *page, const SearchPage *more)
{
	page->rows = page->rows ? repalloc(page->rows, (page->nrows + more->nrows + 1) * sizeof(SearchRow))
							: palloc((more->nrows + 1) * sizeof(SearchRow));
	memcpy(page->rows + page->nrows, more->rows, more->nrows * sizeof(SearchRow));
	page->nrows += more->nrows;
}

/* Is it decided on the row itself? */
static bool
decided_by_row(const Crit *c)
{
	for (int i = 0; i < c->nargs; i++)
		if (!decided_by_row(c->args[i]))
			return false;
	return c->kind == CRIT_KEYS || c->kind == CRIT_ORDERED || c->kind == CRIT_TRUE || c->kind == CRIT_TYPE || c->kind == CRIT_NOT ||
		   c->kind == CRIT_AND || c->kind == CRIT_OR;
}

/* A bounded walk by identity that tests the rows only has one way to run, whatever the values. */
static bool
one_way(const SearchRequest *req, const SearchWalk *w)
{
	if (w->bound == 0 || req->nsorts > 0 || req->ntypes > 1)
		return false;
	for (int i = 0; i < req->nwhere; i++)
		if (!decided_by_row(req->where[i]))
			return false;
	return search_restriction_hook == NULL;
}

/*
 * Did a bounded walk by identity look at all that is left of the order? The last pages are short, and what comes before them has been
 * passed. Only the index is probed; of rows that a restriction hides it may count too many.
 */
static bool
came_to_the_end(SearchRequest *req, const SearchWalk *w)
{
	SqlText s;
	bool end;

	if (req->nsorts > 0 && req->sorts[0].kind != SORT_ID)
		return false;
	if (!w->after && search_type_rows(req->types, req->ntypes) > w->bound * 2.0)
		return false;
	sql_init(&s);
	s.generic = s.in_order = true;
	sql_walk_more(&s, req, w);
	search_run(req, &s, "page: does the order go on behind these rows?");
	end = SPI_processed == 0;
	SPI_freetuptable(SPI_tuptable);
	return end;
}

/* Rows in order from an index; true if the page is complete however short. */
static bool
page_by_walk(SearchRequest *req, const SearchCursor *cur, bool after, int bound, int limit, SearchPage *out)
{
	SearchWalk w = {cur, after};
	bool by_chain = req->nsorts && req->sorts[0].kind == SORT_CHAIN;

	memset(out, 0, sizeof(*out));
	search_walk_parts(req, &w);
	for (int i = 0; i < w.nparts && out->nrows < limit; i++) {
		SearchPage part = {0};
		SqlText s;

		w.part = w.parts[i];
		/* few: none is left out, so that the next part may follow */
		w.bound = w.part == WALK_LONG_BEFORE ? 0 : bound;
		w.limit = limit - out->nrows;
		sql_init(&s);
		s.generic = one_way(req, &w);
		sql_walk(&s, req, &w);
		search_run(req, &s,
				   w.part == WALK_LONG_BEFORE ? "page: long intervals that began before"
				   : by_chain				  ? "page: walk in the order of what is referred to, a bounded number of it"
				   : w.bound				  ? "page: walk in order, a bounded number of rows"
											  : "page: walk in order");
		fetch_rows(req, &part);
		append_rows(out, &part);
		if (w.bound && out->nrows < limit)
			return came_to_the_end(req, &w);
	}
	return out->nrows >= limit || search_walk_has_all(req);
}

/*
 * Rows that an index gives by hashes or as a list, and whatever else is known of them: there is one way to run that,
 * whatever the values, and to plan it takes longer than to run it.
 */
static bool
hashes_only(const Crit *c, bool *found)
{
	if ((c->kind == CRIT_KEYS && c->nkeys <= SEARCH_INDEXED_KEYS) || c->kind == CRIT_ROWS)
		return *found = true;
	if (c->kind == CRIT_NOT)
		return c->args[0]->kind == CRIT_KEYS;
	for (int i = 0; c->kind == CRIT_AND && i < c->nargs; i++)
		if (!hashes_only(c->args[i], found))
			return false;
	return c->kind == CRIT_TRUE || c->kind == CRIT_TYPE || c->kind == CRIT_AND;
}

static bool
found_by_hashes(const SearchRequest *req)
{
	bool found = false;

	for (int i = 0; i < req->nwhere; i++)
		if (!hashes_only(req->where[i], &found))
			return false;
	return found;
}

static void
page_by_sort(SearchRequest *req, const SearchCursor *cur, bool after, int limit, SearchPage *out)
{
	SqlText s;
	bool count = req->total == TOTAL_ACCURATE, null;

	sql_init(&s);
	s.generic = s.in_order = found_by_hashes(req);
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
	bool after, more, complete = false;
	int limit = req->count + 1, walk;

	memset(out, 0, sizeof(*out));
	/* nothing is left to sort by */
	if (req->nsorts > 1 && req->ntypes == 1 && req->sorts[0].kind == SORT_ID)
		req->nsorts = 1;
	after = search_cursor_read(req, &cur);
	/* the rows without a value, which no walk finds, stand at the end */
	walk = !cur.from_end && search_can_walk(req, &cur, after) ? walk_bound(req, limit) : -1;
	if (walk >= 0)
		complete = page_by_walk(req, &cur, after, walk, limit, out);
	if (!complete && !plan_subqueries_finish(req) && walk > 0)
		complete = page_by_walk(req, &cur, after, 0, limit, out);
	if (!complete)
		page_by_sort(req, &cur, after, limit, out);
	more = out->nrows > req->count;
	if (more)
		out->nrows = req->count;
	if (cur.backward)
		reverse(out);
	out->has_next = cur.backward ? after : more;
	out->has_previous = cur.backward ? more : after;
	out->whole = !after && !more;
}

/* ---- totals ---- */

/*
 * When the one criterion is on values of which a resource has one, its index counts them. (Deleted resources have no
 * entries.) The boxes must not overlap.
 */
bool
search_counted_by_index(const SearchRequest *req)
{
	const Crit *c = req->nwhere == 1 ? req->where[0] : NULL;

	if (c == NULL || c->kind != CRIT_ORDERED || !c->single || c->nboxes > 8 || req->ntypes > 1 ||
		search_restriction_hook)
		return false;
	for (int i = 0; i < c->nboxes; i++)
		for (int k = 0; k < i; k++) {
			const OrdBox *a = &c->boxes[i], *b = &c->boxes[k];

			if (a->key == b->key && a->lo_min <= b->lo_max && b->lo_min <= a->lo_max && a->hi_min <= b->hi_max &&
				b->hi_min <= a->hi_max)
				return false;
		}
	return true;
}

static void
sql_count_ordered(SqlText *s, const Crit *c)
{
	appendStringInfoString(&s->sql, "SELECT ");
	for (int i = 0; i < c->nboxes; i++) {
		const OrdBox *b = &c->boxes[i];
		const int64 v[] = {(int64) b->key, search_short_start(b), b->lo_max, b->hi_min, b->hi_max, b->lo_min, search_short_start(b)};
		static const char *const tests[] = {"o.key" OP("="), " AND o.lo" OP(">="), " AND o.lo" OP("<="), " AND o.hi" OP(">="), " AND o.hi" OP("<=")};

		appendStringInfo(&s->sql, "%s(SELECT pg_catalog.count(*) FROM %s.ordered o WHERE ", i ? OP("+") : "", store_schema());
		for (int k = 0; k < 5; k++) {
			appendStringInfoString(&s->sql, tests[k]);
			sql_param(s, INT8OID, Int64GetDatum(v[k]));
		}
		appendStringInfoChar(&s->sql, ')');
		if (v[1] == b->lo_min)
			continue;
		/* the long ones that began before */
		appendStringInfo(&s->sql, OP("+") "(SELECT pg_catalog.count(*) FROM %s.ordered o WHERE ", store_schema());
		for (int k = 0; k < 5; k++) {
			appendStringInfoString(&s->sql, tests[k]);
			sql_param(s, INT8OID, Int64GetDatum(k == 1 ? v[5] : k == 2 ? Min(b->lo_max, v[1] - 1)
																	   : v[k]));
		}
		appendStringInfoString(&s->sql, SQL_LONG_ONLY ")");
	}
}

/* If nothing else is found by an index: the few that lack what is not to be there. */
static void
list_complement(SearchRequest *req)
{
	double type_rows = search_type_rows(req->types, req->ntypes);

	for (int i = 0; i < req->nwhere; i++)
		if (search_indexed(req->where[i]))
			return;
	for (int i = 0; i < req->nwhere; i++)
		if (plan_lists_complement(req, req->where[i]) && search_crit_rows(req->where[i], type_rows) < type_rows * SEARCH_FEW_COMPLEMENT &&
			plan_complement(req, req->where[i], SEARCH_FEW_WHEN_ALL))
			return;
}

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
		bool indexed = req->nwhere == 0;

		for (int i = 0; i < req->nwhere; i++) {
			product *= Min(1, search_crit_rows(req->where[i], type_rows) / type_rows);
			indexed = indexed || search_indexed(req->where[i]);
		}
		/* to count is cheap only where an index leads to few */
		if (product > 1000 || (!indexed && type_rows > 1000))
			return (int64) product;
	}
	sql_init(&s);
	if (search_counted_by_index(req)) {
		sql_count_ordered(&s, req->where[0]);
		search_run(req, &s, "total: entries of the index");
		n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
		SPI_freetuptable(SPI_tuptable);
		return n;
	}
	if (search_count_types(req, &n))
		return n;
	/* what a page can leave to be checked row by row */
	if (!req->all_listed)
		plan_subqueries(req, req->types, req->ntypes, req->where, req->nwhere, true);
	list_complement(req);
	if (search_count_hashes(req, &n))
		return n;
	appendStringInfoString(&s.sql, "SELECT pg_catalog.count(*)");
	sql_from_where(&s, "r", LEG_TOTAL, req->types, req->all_types ? 0 : req->ntypes, req->where, req->nwhere);
	search_run(req, &s, "total");
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return n;
}
