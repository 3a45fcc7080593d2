/*
 * plan_walk.c: the order of a page in SQL, and rows in the order of an index, checked one by one.
 *
 * A walk looks at so many rows of the order and no more ("bound"), in a subquery that the criteria can't
 * enter. When the first sort key has an index, further ones sort within its ties. A criterion on the very
 * place that is walked (date=ge2020&_sort=date) is answered by the walked index itself.
 *
 * Intervals of more than a day may go on where they have begun long before. So that a walk needn't begin at
 * the beginning of time, it has two parts: those that began before, by the index of long intervals, and from
 * the bound on.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "search/plan/plan.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

/* ---- order ---- */

static bool
down(const SearchSort *sort, const SearchCursor *cur)
{
	return sort->descending != cur->backward;
}

/* ORDER BY over columns s1 ..., type, id of alias q. */
void
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
	const char *op = cur->part >= 0 ? (descending ? OP("<=") : OP(">=")) : descending ? OP("<")
																					  : OP(">");

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

/* Rows after the cursor: nested from sort key i on. Nulls stand at the end of the forward order. */
void
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

/* ---- what can be walked ---- */

/* Is the order that of an index on values? (Such an index lacks the rows without a value.) */
static bool
by_value(const SearchSort *sort)
{
	return sort && (sort->kind == SORT_ORDERED || sort->kind == SORT_STRING);
}

/* More indexes' ranges are not merged into one order. */
#define MAX_WALKED_KEYS 32

/* Has a resource at most one value that it sorts by? Then where is that, else 0. */
static uint64
sort_position(const SearchSort *sort)
{
	uint64 position = sort->param && sort->param->nlegs ? search_element_position(sort->param->legs[0].source) : 0;

	for (int i = 1; position && i < sort->param->nlegs; i++)
		if (search_element_position(sort->param->legs[i].source) != position)
			return 0;
	return position;
}

static bool
keys_within(const Crit *c, const SearchSort *sort)
{
	for (int k = 0; k < c->nboxes; k++) {
		int i = 0;

		while (i < sort->nkeys && sort->keys[i] != c->boxes[k].key)
			i++;
		if (i == sort->nkeys)
			return false;
	}
	return true;
}

/*
 * The criterion, if there is one, on the place that the first sort key looks at, when each resource has one
 * value there: then the index that is walked answers it.
 */
Crit *
search_walked_criterion(const SearchRequest *req)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;

	if (sort == NULL || req->ntypes > 1 || sort->nkeys > MAX_WALKED_KEYS)
		return NULL;
	for (int i = 0; i < req->nwhere; i++) {
		Crit *c = req->where[i];

		if (c->kind == CRIT_ORDERED && sort->kind == SORT_ORDERED && c->single && c->position == sort_position(sort) &&
			keys_within(c, sort))
			return c;
		if (c->kind == CRIT_UPDATED && sort->kind == SORT_UPDATED)
			return c;
	}
	return NULL;
}

/* Does an index have this order? */
bool
search_can_walk(const SearchRequest *req, const SearchCursor *cur, bool after)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;

	if (sort == NULL)
		return true;
	if (sort->kind == SORT_CHAIN)
		return search_can_walk_chain(req, cur, after);
	/* rows without a value stand last and are in no such index: from one that has a value, back or on, none is left out */
	return req->ntypes == 1 && sort->kind != SORT_DOC && sort->kind != SORT_SCORE && sort->nkeys <= MAX_WALKED_KEYS &&
		   !(after && cur->nulls[0]);
}

/* Is a walk without a bound complete, however short? */
bool
search_walk_has_all(const SearchRequest *req)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;

	return !(by_value(sort) || (sort && sort->kind == SORT_CHAIN)) || search_walked_criterion(req) != NULL;
}

/* The column of the walked index that holds the first sort value. */
static const char *
walked_column(const SearchSort *sort)
{
	return sort->kind == SORT_UPDATED ? "o.last_updated" : sort->kind == SORT_ID ? "r.id"
																				 : "o.v";
}

/* ---- the parts of a walk ---- */

/*
 * Where the short intervals begin that can lie in the boxes, if long ones that began before are few or none:
 * then these are a part of their own. Else the walk is one, from the lowest bound on.
 */
void
search_walk_parts(SearchRequest *req, SearchWalk *w)
{
	const Crit *c = search_walked_criterion(req);
	int64 lo_min = PG_INT64_MAX, start = PG_INT64_MAX;
	int n;

	w->nparts = 1;
	w->parts[0] = WALK_ALL;
	if (c == NULL || c->kind != CRIT_ORDERED)
		return;
	for (int k = 0; k < c->nboxes; k++) {
		lo_min = Min(lo_min, c->boxes[k].lo_min);
		start = Min(start, search_short_start(&c->boxes[k]));
	}
	if (start <= lo_min || (n = search_long_before(req, c, start)) > SEARCH_FEW_LONG)
		return;
	w->start = start;
	w->parts[0] = WALK_FROM_START;
	if (n == 0)
		return;
	w->nparts = 2;
	if (down(&req->sorts[0], w->cur))
		w->parts[1] = WALK_LONG_BEFORE;
	else {
		w->parts[0] = WALK_LONG_BEFORE;
		w->parts[1] = WALK_FROM_START;
	}
}

/* (o.lo, o.hi) lies in any of the key's boxes. */
static void
sql_boxes_of_index(SqlText *s, const Crit *c, uint64 key)
{
	static const char *const tests[] = {"o.lo" OP(">="), "o.lo" OP("<="), "o.hi" OP(">="), "o.hi" OP("<=")};
	bool any = false;

	for (int k = 0; k < c->nboxes; k++) {
		const OrdBox *b = &c->boxes[k];
		const int64 bounds[] = {b->lo_min, b->lo_max, b->hi_min, b->hi_max};

		if (b->key != key)
			continue;
		appendStringInfoString(&s->sql, any ? " OR " : " AND (");
		for (int i = 0; i < 4; i++) {
			appendStringInfo(&s->sql, "%s%s", i ? " AND " : "(", tests[i]);
			sql_param(s, INT8OID, Int64GetDatum(bounds[i]));
		}
		appendStringInfoChar(&s->sql, ')');
		any = true;
	}
	appendStringInfoChar(&s->sql, ')');
}

/* Around the boxes of the key; false if it has none. */
static bool
key_bounds(const Crit *c, uint64 key, OrdBox *out)
{
	bool any = false;

	*out = (OrdBox){key, PG_INT64_MAX, PG_INT64_MIN, PG_INT64_MAX, PG_INT64_MIN};
	for (int k = 0; k < c->nboxes; k++) {
		const OrdBox *b = &c->boxes[k];

		if (b->key != key)
			continue;
		any = true;
		out->lo_min = Min(out->lo_min, b->lo_min);
		out->lo_max = Max(out->lo_max, b->lo_max);
		out->hi_min = Min(out->hi_min, b->hi_min);
	}
	return any;
}

/* ---- the statement ---- */

static void
sql_arm_bounds(SqlText *s, const SearchWalk *w, const Crit *c, uint64 key, OrdBox b, bool endless)
{
	if (w->part == WALK_FROM_START)
		b.lo_min = Max(b.lo_min, w->start);
	if (w->part == WALK_LONG_BEFORE) {
		b.lo_max = Min(b.lo_max, w->start - 1);
		appendStringInfo(&s->sql, SQL_LONG_ONLY " AND o.hi%s", endless ? OP("=") : OP("<"));
		sql_param(s, INT8OID, Int64GetDatum(PG_INT64_MAX));
		appendStringInfoString(&s->sql, " AND o.hi" OP(">="));
		sql_param(s, INT8OID, Int64GetDatum(b.hi_min));
	}
	appendStringInfoString(&s->sql, " AND o.lo" OP(">="));
	sql_param(s, INT8OID, Int64GetDatum(b.lo_min));
	appendStringInfoString(&s->sql, " AND o.lo" OP("<="));
	sql_param(s, INT8OID, Int64GetDatum(b.lo_max));
	sql_boxes_of_index(s, c, key);
}

/*
 * The entries of one key, and of the walked criterion, in the part. endless: of WALK_LONG_BEFORE those without an end,
 * else those with one: so that each is one range of the index of long intervals.
 */
static void
sql_arm(SqlText *s, const SearchWalk *w, const SearchSort *sort, const Crit *c, uint64 key, bool endless)
{
	OrdBox b;
	const char *column = sort->kind == SORT_ORDERED ? "o.lo" : "pg_catalog.\"left\"(o.value, 100)";

	appendStringInfo(&s->sql, "(SELECT o.rid, %s AS v FROM %s.%s o WHERE o.key" OP("="), column, store_schema(),
					 sort->kind == SORT_ORDERED ? "ordered" : "string");
	sql_param(s, INT8OID, Int64GetDatum((int64) key));
	if (c && key_bounds(c, key, &b))
		sql_arm_bounds(s, w, c, key, b, endless);
	/* so that the arms are merged, not sorted; the index of long intervals has the order of their ends */
	if (w->part != WALK_LONG_BEFORE)
		appendStringInfo(&s->sql, " ORDER BY %s %s", column, down(sort, w->cur) ? "DESC" : "ASC");
	appendStringInfoChar(&s->sql, ')');
}

/* o: the entries of all keys. */
static void
sql_arms(SqlText *s, const SearchWalk *w, const SearchSort *sort, const Crit *c)
{
	bool any = false;
	OrdBox b;

	for (int i = 0; i < sort->nkeys; i++) {
		if (c && !key_bounds(c, sort->keys[i], &b))
			continue;
		appendStringInfoString(&s->sql, any ? " UNION ALL " : "");
		sql_arm(s, w, sort, c, sort->keys[i], false);
		if (w->part == WALK_LONG_BEFORE) {
			appendStringInfoString(&s->sql, " UNION ALL ");
			sql_arm(s, w, sort, c, sort->keys[i], true);
		}
		any = true;
	}
	if (!any)
		elog(ERROR, "a criterion of another place than the sort key's");
}

/* FROM o, r: the entries in their order, and the resource of each. */
static void
sql_from_values(SqlText *s, SearchRequest *req, const SearchWalk *w, const SearchSort *sort)
{
	const Crit *c = search_walked_criterion(req);

	appendStringInfoString(&s->sql, " FROM (");
	sql_arms(s, w, sort, c);
	if (w->part == WALK_LONG_BEFORE)
		appendStringInfo(&s->sql, " ORDER BY v %s OFFSET 0", down(sort, w->cur) ? "DESC" : "ASC");
	/* LATERAL, OFFSET 0: row by row in the order of o, whatever the planner thinks of the checks */
	appendStringInfo(&s->sql, ") o CROSS JOIN LATERAL (SELECT * FROM %s.resource r WHERE r.rid" OP("=") "o.rid",
					 store_schema());
	/* of a resource's several values the one that it sorts by */
	appendStringInfo(&s->sql, " AND %s" OP("="), walked_column(sort));
	sql_sort_expression(s, sort, "r");
	appendStringInfoString(&s->sql, " OFFSET 0) r WHERE true");
}

/* FROM and WHERE of the candidates: resource r, and o, the table whose index has the order. */
static void
sql_walk_from(SqlText *s, SearchRequest *req, const SearchWalk *w, const SearchSort *sort)
{
	if (by_value(sort))
		sql_from_values(s, req, w, sort);
	else if (sort && sort->kind == SORT_UPDATED) {
		Crit *c = search_walked_criterion(req);

		appendStringInfo(&s->sql,
						 " FROM %s.version o CROSS JOIN LATERAL (SELECT * FROM %s.resource r WHERE r.rid" OP(
							 "=") "o.rid AND r.version" OP("=") "o.version OFFSET 0) r WHERE o.type" OP("="),
						 store_schema(), store_schema());
		sql_param(s, TEXTOID, CStringGetTextDatum(req->types[0]->name));
		if (c) {
			appendStringInfoString(&s->sql, " AND ");
			sql_crit(s, "o", c);
		}
	} else
		appendStringInfo(&s->sql, " FROM %s.resource r WHERE true", store_schema());
	appendStringInfoString(&s->sql, " AND NOT r.deleted");
	if (!req->all_types)
		sql_type(s, "r", req->types, req->ntypes);
	search_restrict(s, "r", LEG_MATCH);
	if (!w->after)
		return;
	appendStringInfoString(&s->sql, " AND ");
	if (sort && sort->kind != SORT_ID) {
		appendStringInfo(&s->sql, "%s%s", walked_column(sort), down(sort, w->cur) ? OP("<=") : OP(">="));
		sql_param(s, search_sort_type(sort), w->cur->values[0]);
	} else
		sql_identity_after(s, req, w->cur, "r", sort ? down(sort, w->cur) : w->cur->backward);
}

/* All criteria that the walked index does not answer. */
static void
sql_walk_where(SqlText *s, const char *alias, const SearchRequest *req)
{
	Crit **rest = palloc((req->nwhere + 1) * sizeof(Crit *)), *walked = search_walked_criterion(req);
	int n = 0;

	for (int i = 0; i < req->nwhere; i++)
		if (req->where[i] != walked)
			rest[n++] = req->where[i];
	sql_where(s, alias, rest, n);
}

/*
 * The order of resource_identity: no sort key, or _id. Without a bound the criteria stand beside the order, for PostgreSQL
 * may still find that another way is better.
 */
static void
sql_walk_identity(SqlText *s, SearchRequest *req, const SearchWalk *w, const SearchSort *sort)
{
	const char *direction = (sort ? down(sort, w->cur) : w->cur->backward) ? "DESC" : "ASC";
	bool types = sort == NULL && req->ntypes > 1;

	if (w->bound > 0)
		appendStringInfo(&s->sql, "SELECT q.rid, q.type, q.id, q.version, q.last_updated, q.place%s FROM (",
						 sort ? ", q.id AS s1" : "");
	appendStringInfo(&s->sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place%s",
					 w->bound > 0 ? ", r.keys, r.refs, r.ord"
					 : sort		  ? ", r.id AS s1"
								  : "");
	sql_walk_from(s, req, w, sort);
	if (w->bound == 0)
		sql_walk_where(s, "r", req);
	if (sort)
		appendStringInfo(&s->sql, " ORDER BY r.id %s", direction);
	else
		appendStringInfo(&s->sql, " ORDER BY r.type %s, r.id %s", direction, direction);
	if (w->bound > 0) {
		sql_limit(s, w->bound);
		appendStringInfoString(&s->sql, " OFFSET 0) q WHERE true");
		sql_walk_where(s, "q", req);
		/* as the subquery's, so that nothing is sorted again */
		appendStringInfo(&s->sql, " ORDER BY %s%sq.id %s", types ? "q.type " : "",
						 types ? psprintf("%s, ", direction) : "", direction);
	}
	sql_limit(s, w->limit);
}

/* The row of the order of identity that comes after the bound. */
void
sql_walk_more(SqlText *s, const SearchRequest *req, const SearchWalk *w)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;
	bool descending = sort ? down(sort, w->cur) : w->cur->backward;
	const char *direction = descending ? "DESC" : "ASC";

	appendStringInfo(&s->sql, "SELECT r.id FROM %s.resource r WHERE true", store_schema());
	if (!req->all_types)
		sql_type(s, "r", req->types, req->ntypes);
	if (w->after) {
		appendStringInfoString(&s->sql, " AND ");
		sql_identity_after(s, req, w->cur, "r", descending);
	}
	appendStringInfo(&s->sql, " ORDER BY %sr.id %s OFFSET ", sort ? "" : psprintf("r.type %s, ", direction), direction);
	sql_param(s, INT8OID, Int64GetDatum(w->bound));
	appendStringInfoString(&s->sql, " LIMIT 1");
}

/*
 * The order of values. Rows with equal first values come together and whole, however few are looked at: further keys
 * and ids sort within them.
 */
static void
sql_walk_values(SqlText *s, SearchRequest *req, const SearchWalk *w, const SearchSort *sort)
{
	const char *column = walked_column(sort), *direction = down(sort, w->cur) ? "DESC" : "ASC";

	appendStringInfoString(&s->sql, "SELECT q.rid, q.type, q.id, q.version, q.last_updated, q.place, q.s1");
	for (int i = 1; i < req->nsorts; i++)
		appendStringInfo(&s->sql, ", q.s%d", i + 1);
	appendStringInfoString(&s->sql, " FROM (");
	if (req->nsorts > 1) {
		appendStringInfoString(&s->sql, "SELECT q.rid, q.type, q.id, q.version, q.last_updated, q.place, q.s1");
		for (int i = 1; i < req->nsorts; i++) {
			appendStringInfoString(&s->sql, ", ");
			sql_sort_expression(s, &req->sorts[i], "q");
			appendStringInfo(&s->sql, " AS s%d", i + 1);
		}
		appendStringInfoString(&s->sql, " FROM (");
	}
	appendStringInfo(&s->sql, "SELECT r.*, %s AS s1", column);
	sql_walk_from(s, req, w, sort);
	appendStringInfo(&s->sql, " ORDER BY %s %s OFFSET 0", column, direction);
	if (w->bound > 0) {
		appendStringInfoString(&s->sql, " FETCH FIRST ");
		sql_param(s, INT8OID, Int64GetDatum(w->bound));
		appendStringInfoString(&s->sql, " ROWS WITH TIES");
	}
	appendStringInfoString(&s->sql, ") q WHERE true");
	sql_walk_where(s, "q", req);
	if (req->nsorts > 1)
		appendStringInfo(&s->sql, " ORDER BY q.s1 %s OFFSET 0) q WHERE true", direction);
	if (w->after) {
		appendStringInfoString(&s->sql, " AND ");
		sql_after(s, req, w->cur, 0);
	}
	/* the first as the subquery's, so that only ties are sorted */
	appendStringInfo(&s->sql, " ORDER BY q.s1 %s", direction);
	for (int i = 1; i < req->nsorts; i++)
		appendStringInfo(&s->sql, ", q.s%d %s NULLS %s", i + 1, down(&req->sorts[i], w->cur) ? "DESC" : "ASC",
						 w->cur->backward ? "FIRST" : "LAST");
	appendStringInfo(&s->sql, ", q.id %s", w->cur->backward ? "DESC" : "ASC");
	sql_limit(s, w->limit);
}

void
sql_walk(SqlText *s, SearchRequest *req, const SearchWalk *w)
{
	const SearchSort *sort = req->nsorts ? &req->sorts[0] : NULL;

	s->in_order = true;
	if (sort == NULL || sort->kind == SORT_ID)
		sql_walk_identity(s, req, w, sort);
	else if (sort->kind == SORT_CHAIN)
		sql_walk_chain(s, req, w);
	else
		sql_walk_values(s, req, w, sort);
}
