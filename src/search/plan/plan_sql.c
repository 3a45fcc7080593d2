/*
 * plan_sql.c: criteria -> SQL text of fixed fragments and $n parameters.
 *
 * No text of a request ever enters a statement: identifiers come from the list below, values are parameters.
 * Every leg of a search that reads resources goes through sql_from_where (or search_restrict for legs of a
 * special form), so that a caller's restriction reaches matches, totals, chains, _has, includes and lists
 * alike.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

const char *(*search_restriction_hook)(const char *alias, int leg) = NULL;

void
sql_init(SqlText *s)
{
	memset(s, 0, sizeof(*s));
	initStringInfo(&s->sql);
}

void
sql_param(SqlText *s, Oid type, Datum value)
{
	if (s->nparams == s->maxparams) {
		s->maxparams = s->maxparams ? s->maxparams * 2 : 16;
		s->params = s->params ? repalloc(s->params, s->maxparams * sizeof(SqlParam))
							  : palloc(s->maxparams * sizeof(SqlParam));
	}
	s->params[s->nparams++] = (SqlParam){type, value};
	appendStringInfo(&s->sql, "$%d", s->nparams);
}

Datum
sql_int8_array(const int64 *v, int n)
{
	Size size = ARR_OVERHEAD_NONULLS(1) + n * sizeof(int64);
	ArrayType *a;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(INT8OID));
	a = palloc0(size);
	SET_VARSIZE(a, size);
	a->ndim = 1;
	a->elemtype = INT8OID;
	*ARR_DIMS(a) = n;
	*ARR_LBOUND(a) = 1;
	memcpy(ARR_DATA_PTR(a), v, n * sizeof(int64));
	return PointerGetDatum(a);
}

Datum
sql_text_array(char *const *v, int n)
{
	Datum *d = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		d[i] = CStringGetTextDatum(v[i]);
	return PointerGetDatum(construct_array(d, n, TEXTOID, -1, false, TYPALIGN_INT));
}

void
search_restrict(SqlText *s, const char *alias, SearchLeg leg)
{
	if (search_restriction_hook) {
		const char *predicate = search_restriction_hook(alias, leg);

		if (predicate)
			appendStringInfo(&s->sql, " AND (%s)", predicate);
	}
}

/* ---- criteria ---- */

static int
compare_keys(const void *a, const void *b)
{
	int64 x = *(const int64 *) a, y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static void
keys_sort(Crit *c)
{
	int n = 0;

	qsort(c->keys, c->nkeys, sizeof(uint64), compare_keys);
	for (int i = 0; i < c->nkeys; i++)
		if (n == 0 || c->keys[n - 1] != c->keys[i])
			c->keys[n++] = c->keys[i];
	c->nkeys = n;
}

static void
sql_keys(SqlText *s, const char *alias, Crit *c)
{
	keys_sort(c);
	if (c->nkeys <= SEARCH_INDEXED_KEYS) {
		appendStringInfo(&s->sql, "%s.keys" OP("&&"), alias);
		sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
	} else {
		appendStringInfo(&s->sql, "%s.fhir_keys_any(%s.keys, ", store_extension_schema(), alias);
		sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
		appendStringInfoChar(&s->sql, ')');
	}
}

static void
sql_ordered(SqlText *s, const char *alias, const Crit *c)
{
	appendStringInfo(&s->sql, "%s.fhir_ordered_any(%s.ord, ", store_extension_schema(), alias);
	sql_param(s, INT8ARRAYOID,
			  sql_int8_array((const int64 *) c->boxes, c->nboxes * (sizeof(OrdBox) / sizeof(int64))));
	appendStringInfoChar(&s->sql, ')');
}

/* Microseconds since 1970 -> timestamptz, clamped to what the type holds. */
static TimestampTz
timestamp_of(int64 micros)
{
	const int64 shift = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

	if (micros < MIN_TIMESTAMP + shift)
		return DT_NOBEGIN;
	if (micros >= END_TIMESTAMP)
		return DT_NOEND;
	return micros - shift;
}

/* Open ends stay open. */
static int64
less_999(int64 micros)
{
	return micros < PG_INT64_MIN + 999 || micros == PG_INT64_MAX ? micros : micros - 999;
}

static void
sql_updated(SqlText *s, const char *alias, const Crit *c)
{
	if (c->nboxes == 0)
		appendStringInfoString(&s->sql, "false");
	for (int i = 0; i < c->nboxes; i++) {
		const OrdBox *b = &c->boxes[i];

		/* a time stands for its whole millisecond: hi is lo + 999 */
		appendStringInfo(&s->sql, "%s(%s.last_updated" OP(">="), i ? " OR " : "(", alias);
		sql_param(s, TIMESTAMPTZOID, TimestampTzGetDatum(timestamp_of(Max(b->lo_min, less_999(b->hi_min)))));
		appendStringInfo(&s->sql, " AND %s.last_updated" OP("<="), alias);
		sql_param(s, TIMESTAMPTZOID, TimestampTzGetDatum(timestamp_of(Min(b->lo_max, less_999(b->hi_max)))));
		appendStringInfoString(&s->sql, i + 1 == c->nboxes ? "))" : ")");
	}
}

static void sql_rest(SqlText *s, const char *alias, Crit **where, int n, bool docs);

static void
sql_all_keys(SqlText *s, const char *alias, const Crit *all)
{
	appendStringInfo(&s->sql, " AND %s.keys" OP("@>"), alias);
	sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) all->keys, all->nkeys));
}

/* Is referred to, by any of the links, by a row that satisfies the criterion. */
static void
sql_has(SqlText *s, const char *alias, const Crit *c)
{
	if (referrers_can_probe(c)) {
		appendStringInfo(&s->sql, "%s.fhir_search_refers(%s.fhir_identity(%s.type, %s.id), ", store_extension_schema(), store_extension_schema(), alias, alias);
		sql_param(s, INT8OID, Int64GetDatum(c->question));
		appendStringInfoChar(&s->sql, ')');
		return;
	}
	for (int i = 0; i < c->nlinks; i++) {
		char inner[16];
		const CritLink *l = &c->links[i];
		Crit all = {CRIT_KEYS};

		snprintf(inner, sizeof(inner), "h%d", ++s->naliases);
		/*
		 * Who refers to this row comes from the index, if these may be many with the hashes that are asked for in any case; all
		 * other criteria are checked on those few, and one is enough. MATERIALIZED, or for one the
		 * planner would rather scan the table until it meets it.
		 */
		appendStringInfo(&s->sql,
						 "%sEXISTS (WITH %s AS MATERIALIZED (SELECT * FROM %s.resource %s WHERE %s.keys" OP(
							 "@>") "ARRAY[%s.fhir_identity(%s.type, %s.id)" OP("#"),
						 i ? " OR " : "(", inner, store_schema(), inner, inner, store_extension_schema(), alias, alias);
		sql_param(s, INT8OID, Int64GetDatum((int64) keys_reference_salt(l->source)));
		appendStringInfoChar(&s->sql, ']');
		sql_collect_all((Crit **) &l->arg, 1, &all);
		if (all.nkeys && !c->few_refer)
			sql_all_keys(s, inner, &all);
		appendStringInfo(&s->sql, " AND NOT %s.deleted) SELECT 1 FROM %s WHERE true", inner, inner);
		if (all.nkeys && c->few_refer)
			sql_all_keys(s, inner, &all);
		search_restrict(s, inner, LEG_HAS);
		sql_rest(s, inner, (Crit **) &l->arg, 1, false);
		sql_rest(s, inner, (Crit **) &l->arg, 1, true);
		appendStringInfoChar(&s->sql, ')');
	}
	appendStringInfoChar(&s->sql, ')');
}

static void
sql_doc(SqlText *s, const char *alias, const Crit *c)
{
	appendStringInfo(&s->sql,
					 "%s.fhir_search_recheck((SELECT d.doc FROM %s.version d WHERE d.rid" OP(
						 "=") "%s.rid AND d.version" OP("=") "%s.version), ",
					 store_extension_schema(), store_schema(), alias, alias);
	sql_param(s, TEXTOID,
			  CStringGetTextDatum(c->modifier ? psprintf("%s:%s", c->code, c->modifier) : c->code));
	appendStringInfoString(&s->sql, ", ");
	sql_param(s, TEXTOID, CStringGetTextDatum(c->values[0]));
	appendStringInfoChar(&s->sql, ')');
}

static void
sql_list(SqlText *s, const char *alias, const Crit *c)
{
	const char *word = c->kind == CRIT_AND ? " AND " : " OR ";

	appendStringInfoChar(&s->sql, '(');
	for (int i = 0; i < c->nargs; i++) {
		if (i)
			appendStringInfoString(&s->sql, word);
		sql_crit(s, alias, c->args[i]);
	}
	appendStringInfoChar(&s->sql, ')');
}

void
sql_crit(SqlText *s, const char *alias, Crit *c)
{
	switch (c->kind) {
		case CRIT_TRUE:
			appendStringInfoString(&s->sql, "true");
			break;
		case CRIT_FALSE:
			appendStringInfoString(&s->sql, "false");
			break;
		case CRIT_TYPE:
			appendStringInfo(&s->sql, "%s.type" OP("="), alias);
			sql_param(s, TEXTOID, CStringGetTextDatum(c->type->name));
			break;
		case CRIT_KEYS:
			sql_keys(s, alias, c);
			break;
		case CRIT_ORDERED:
			sql_ordered(s, alias, c);
			break;
		case CRIT_NEAR:
			appendStringInfo(&s->sql, "%s.fhir_near(%s.ord, ", store_extension_schema(), alias);
			sql_param(s, INT8OID, Int64GetDatum((int64) c->keys[0]));
			appendStringInfoString(&s->sql, ", ");
			sql_param(s, INT8OID, Int64GetDatum((int64) keys_more(c->keys[0])));
			for (int i = 0; i < 3; i++) {
				appendStringInfoString(&s->sql, ", ");
				sql_param(s, FLOAT8OID, Float8GetDatum(c->near[i]));
			}
			appendStringInfoChar(&s->sql, ')');
			break;
		case CRIT_ID:
			appendStringInfo(&s->sql, "%s.id" OP("=") "ANY (", alias);
			sql_param(s, TEXTARRAYOID, sql_text_array(c->values, c->nvalues));
			appendStringInfoChar(&s->sql, ')');
			break;
		case CRIT_UPDATED:
			sql_updated(s, alias, c);
			break;
		case CRIT_ROWS:
			appendStringInfo(&s->sql, "%s.rid" OP("=") "ANY (", alias);
			sql_param(s, INT8ARRAYOID, sql_int8_array(c->rows, c->nrows));
			appendStringInfoChar(&s->sql, ')');
			break;
		case CRIT_SIDE:
			sql_side(s, alias, c);
			break;
		case CRIT_HAS:
			sql_has(s, alias, c);
			break;
		case CRIT_REFERRED:
			appendStringInfo(&s->sql, "%s.fhir_identity(%s.type, %s.id)" OP("=") "ANY (", store_extension_schema(), alias, alias);
			sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
			appendStringInfoChar(&s->sql, ')');
			break;
		case CRIT_DOC:
			sql_doc(s, alias, c);
			break;
		case CRIT_CONTAINED:
			sql_contained(s, alias, c->program);
			appendStringInfoString(&s->sql, OP(">") "0");
			break;
		case CRIT_AND:
		case CRIT_OR:
			sql_list(s, alias, c);
			break;
		case CRIT_NOT:
			appendStringInfoString(&s->sql, "NOT ");
			sql_crit(s, alias, c->args[0]);
			break;
		case CRIT_STRING:
			sql_string(s, alias, c);
			break;
		case CRIT_CHAIN:
			sql_chain(s, alias, c);
			break;
		case CRIT_TERM:
		case CRIT_WORD:
		case CRIT_LIST:
			elog(ERROR, "search criterion %d was not run", c->kind);
	}
}

/* Single hashes of an AND go into one array: one GIN scan. */
void
sql_collect_all(Crit **where, int n, Crit *all)
{
	for (int i = 0; i < n; i++) {
		if (where[i]->kind == CRIT_KEYS && where[i]->nkeys == 1)
			crit_add_key(all, where[i]->keys[0]);
		else if (where[i]->kind == CRIT_AND)
			sql_collect_all(where[i]->args, where[i]->nargs, all);
	}
}

static void
sql_rest(SqlText *s, const char *alias, Crit **where, int n, bool docs)
{
	for (int i = 0; i < n; i++) {
		Crit *c = where[i];

		if (c->kind == CRIT_TRUE || (c->kind == CRIT_KEYS && c->nkeys == 1))
			continue;
		if (c->kind == CRIT_AND) {
			sql_rest(s, alias, c->args, c->nargs, docs);
			continue;
		}
		if ((c->kind == CRIT_DOC || c->kind == CRIT_CONTAINED) != docs)
			continue;
		appendStringInfoString(&s->sql, " AND ");
		sql_crit(s, alias, c);
	}
}

void
sql_where(SqlText *s, const char *alias, Crit **where, int n)
{
	Crit all = {CRIT_KEYS};

	sql_collect_all(where, n, &all);
	if (all.nkeys)
		sql_all_keys(s, alias, &all);
	sql_rest(s, alias, where, n, false);
	sql_rest(s, alias, where, n, true);
}

void
sql_type(SqlText *s, const char *alias, const ModelType *const *types, int ntypes)
{
	if (ntypes == 1) {
		appendStringInfo(&s->sql, " AND %s.type" OP("="), alias);
		sql_param(s, TEXTOID, CStringGetTextDatum(types[0]->name));
	} else {
		char **names = palloc(ntypes * sizeof(char *));

		for (int i = 0; i < ntypes; i++)
			names[i] = unconstify(char *, types[i]->name);
		appendStringInfo(&s->sql, " AND %s.type" OP("=") "ANY (", alias);
		sql_param(s, TEXTARRAYOID, sql_text_array(names, ntypes));
		appendStringInfoChar(&s->sql, ')');
	}
}

/*
 * Hashes are of places in one type, so a required one says the type, too; and a deleted resource has none of them.
 * Asking for that as well would make PostgreSQL take them for independent and think of far too few rows, and
 * a count could not be taken from the index and the visibility map alone.
 */
static bool
has_required_key(Crit **where, int n)
{
	for (int i = 0; i < n; i++)
		if ((where[i]->kind == CRIT_KEYS && where[i]->nkeys <= SEARCH_INDEXED_KEYS) ||
			(where[i]->kind == CRIT_AND && has_required_key(where[i]->args, where[i]->nargs)))
			return true;
	return false;
}

void
sql_from_where(SqlText *s, const char *alias, SearchLeg leg, const ModelType *const *types, int ntypes,
			   Crit **where, int nwhere)
{
	bool key = has_required_key(where, nwhere);

	appendStringInfo(&s->sql, " FROM %s.resource %s WHERE ", store_schema(), alias);
	if (key)
		appendStringInfoString(&s->sql, "true");
	else
		appendStringInfo(&s->sql, "NOT %s.deleted", alias);
	if (ntypes > 0 && !key)
		sql_type(s, alias, types, ntypes);
	search_restrict(s, alias, leg);
	sql_where(s, alias, where, nwhere);
}
