/*
 * plan_walk_chain.c: pages sorted by a chain (_sort=patient.family), in the order of the other end's index.
 *
 * What is referred to comes in the order of its values; whatever refers to it, and satisfies the criteria, comes
 * from the index of hashes. So a page reads what refers to the first few at the other end, where find-then-sort
 * would look up what each match refers to. A row counts under the one value that it sorts by, of several that it
 * may reach. Rows that refer to nothing with a value are in no index: they stand last, so the walk gives full pages only.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "search/plan/plan.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

/* The keys of all ends are merged into one order. */
#define MAX_MERGED_KEYS 32

/* The legs of the chain's reference that may lead to any of its types: their number, at most max; -1: hashes don't tell who refers. */
static int
reference_legs(const SearchRequest *req, const SearchSort *sort, const KeyLeg **legs, int max)
{
	const KeyParam *p = search_require_param(req->types[0], search_split_name(sort->code).code);
	int n = 0;

	for (int i = 0; i < p->nlegs; i++) {
		bool leads = false;

		for (int k = 0; k < sort->nends; k++)
			if (search_target_allowed(p->legs[i].targets, sort->targets[k])) {
				/* by url; what stands in a Bundle itself */
				if (search_canonical_link(p->legs[i].source, sort->targets[k]) || p->legs[i].source->type->id == MODEL_T_Bundle)
					return -1;
				leads = true;
			}
		if (leads && n == max)
			return -1;
		if (leads)
			legs[n++] = &p->legs[i];
	}
	return n;
}

#define MAX_LEGS 16

bool
search_can_walk_chain(const SearchRequest *req, const SearchCursor *cur, bool after)
{
	const SearchSort *sort = &req->sorts[0];
	const KeyLeg *legs[MAX_LEGS];
	int nkeys = 0;

	if (req->ntypes > 1 || req->contained || (after && cur->nulls[0]))
		return false;
	for (int i = 0; i < sort->nends; i++) {
		if (sort->ends[i].kind != SORT_STRING && sort->ends[i].kind != SORT_ORDERED)
			return false;
		nkeys += sort->ends[i].nkeys;
	}
	return nkeys > 0 && nkeys <= MAX_MERGED_KEYS && reference_legs(req, sort, legs, MAX_LEGS) > 0;
}

/*
 * How many at the other end to look at for a page of so many among the matches; -1: to look up what each match refers to is
 * cheaper.
 */
int
search_walk_chain_bound(const SearchRequest *req, double matches, int limit)
{
	double far = 0, need;

	for (int i = 0; i < req->sorts[0].nends; i++)
		far += search_type_rows(&req->sorts[0].targets[i], 1);
	need = limit * far / Max(matches, 1);
	if (need * SEARCH_FAR_ROWS * 2 > matches)
		return -1;
	return (int) Min(need * 3 + 10, 100000);
}

/* o (rid, v): the values of all ends, in order; of equal ones all or none. */
void
sql_values_in_order(SqlText *s, const SearchSort *ends, int nends, const SearchWalk *w)
{
	bool ordered = ends[0].kind == SORT_ORDERED, down = ends[0].descending != w->cur->backward, any = false;
	const char *column = ordered ? "o.lo" : "pg_catalog.\"left\"(o.value, 100)";

	appendStringInfoString(&s->sql, "(SELECT o.rid, o.v FROM (");
	for (int i = 0; i < nends; i++)
		for (int k = 0; k < ends[i].nkeys; k++) {
			appendStringInfo(&s->sql, "%s(SELECT o.rid, %s AS v FROM %s.%s o WHERE o.key" OP("="), any ? " UNION ALL " : "", column,
							 store_schema(), ordered ? "ordered" : "string");
			sql_param(s, INT8OID, Int64GetDatum((int64) ends[i].keys[k]));
			if (w->after) {
				appendStringInfo(&s->sql, " AND %s%s", column, down ? OP("<=") : OP(">="));
				sql_param(s, search_sort_type(&ends[0]), w->cur->values[0]);
			}
			appendStringInfo(&s->sql, " ORDER BY %s %s)", column, down ? "DESC" : "ASC");
			any = true;
		}
	appendStringInfo(&s->sql, ") o ORDER BY o.v %s OFFSET 0", down ? "DESC" : "ASC");
	if (w->bound > 0) {
		appendStringInfoString(&s->sql, " FETCH FIRST ");
		sql_param(s, INT8OID, Int64GetDatum(w->bound));
		appendStringInfoString(&s->sql, " ROWS WITH TIES");
	}
	appendStringInfoString(&s->sql, ") o");
}

/* f: the resource at the other end; r: what refers to it there, satisfies the criteria and sorts by this very value. */
static void
sql_referring(SqlText *s, const SearchRequest *req, const SearchSort *sort)
{
	const KeyLeg *legs[MAX_LEGS];
	int n = reference_legs(req, sort, legs, MAX_LEGS);

	/* LATERAL, OFFSET 0: row by row in the order of o, whatever the planner thinks of the checks */
	appendStringInfo(&s->sql, " CROSS JOIN LATERAL (SELECT f.type, f.id FROM %s.resource f WHERE f.rid" OP("=") "o.rid AND NOT f.deleted",
					 store_schema());
	search_restrict(s, "f", LEG_SORT);
	/* hashes are of places in one type; a deleted resource has none of them */
	appendStringInfo(&s->sql, " OFFSET 0) f CROSS JOIN LATERAL (SELECT * FROM %s.resource r WHERE r.keys%sARRAY[", store_schema(),
					 n > 1 ? OP("&&") : OP("@>"));
	for (int i = 0; i < n; i++) {
		appendStringInfo(&s->sql, "%s%s.fhir_identity(f.type, f.id)" OP("#"), i ? ", " : "", store_extension_schema());
		sql_param(s, INT8OID, Int64GetDatum((int64) keys_reference_salt(legs[i]->source)));
	}
	appendStringInfoChar(&s->sql, ']');
	search_restrict(s, "r", LEG_MATCH);
	sql_where(s, "r", req->where, req->nwhere);
	appendStringInfoString(&s->sql, " AND o.v" OP("="));
	sql_sort_expression(s, sort, "r");
	appendStringInfoString(&s->sql, " OFFSET 0) r");
}

static void
sql_columns(SqlText *s, const SearchRequest *req, const char *last)
{
	appendStringInfoString(&s->sql, "q.rid, q.type, q.id, q.version, q.last_updated, q.place, q.s1");
	for (int i = 1; i < req->nsorts; i++)
		appendStringInfo(&s->sql, ", q.s%d", i + 1);
	appendStringInfoString(&s->sql, last);
}

/* The first value is there, and its order the subquery's, so that only ties are sorted. */
static void
sql_order(SqlText *s, const SearchRequest *req, const SearchCursor *cur)
{
	appendStringInfo(&s->sql, " ORDER BY q.s1 %s", req->sorts[0].descending != cur->backward ? "DESC" : "ASC");
	for (int i = 1; i < req->nsorts; i++)
		appendStringInfo(&s->sql, ", q.s%d %s NULLS %s", i + 1, req->sorts[i].descending != cur->backward ? "DESC" : "ASC",
						 cur->backward ? "FIRST" : "LAST");
	appendStringInfo(&s->sql, ", q.id %s", cur->backward ? "DESC" : "ASC");
}

void
sql_walk_chain(SqlText *s, const SearchRequest *req, const SearchWalk *w)
{
	const SearchSort *sort = &req->sorts[0];

	/* two that are referred to may have the same value */
	appendStringInfoString(&s->sql, "SELECT DISTINCT ON (");
	for (int i = 0; i < req->nsorts; i++)
		appendStringInfo(&s->sql, "q.s%d, ", i + 1);
	appendStringInfoString(&s->sql, "q.id) ");
	sql_columns(s, req, " FROM (SELECT ");
	sql_columns(s, req, " FROM (SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place, o.v AS s1");
	for (int i = 1; i < req->nsorts; i++) {
		appendStringInfoString(&s->sql, ", ");
		sql_sort_expression(s, &req->sorts[i], "r");
		appendStringInfo(&s->sql, " AS s%d", i + 1);
	}
	appendStringInfoString(&s->sql, " FROM ");
	sql_values_in_order(s, sort->ends, sort->nends, w);
	sql_referring(s, req, sort);
	appendStringInfo(&s->sql, " ORDER BY o.v %s OFFSET 0) q", sort->descending != w->cur->backward ? "DESC" : "ASC");
	if (w->after) {
		appendStringInfoString(&s->sql, " WHERE ");
		sql_after(s, req, w->cur, 0);
	}
	sql_order(s, req, w->cur);
	appendStringInfoString(&s->sql, " OFFSET 0) q");
	sql_order(s, req, w->cur);
	appendStringInfoString(&s->sql, " LIMIT ");
	sql_param(s, INT8OID, Int64GetDatum(w->limit));
}
