/*
 * plan_subqueries.c: criteria that are searches of their own are run before the statement that they belong to.
 *
 *   chain    few at the other end -> hashes of references to them; many: stays, each row is probed for what it refers to
 *   _has     few that refer: what they refer to -> rows; many: stays, probed row by row in SQL
 *   :text    display texts of the dictionary -> their hashes
 *   string   few -> rows; many: stays, probed of the texts of each row
 *   ordered  few -> rows; many: stays, probed of resource.ord
 *   _list    entries of Lists -> rows
 *
 * How many are few depends on what is wanted: all matches (a total), or a page, which a walk finds soon where many match.
 *
 * So the statement in the end knows exact sizes, and PostgreSQL plans it by them. All in the search's one
 * snapshot.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

static int
compare_rows(const void *a, const void *b)
{
	int64 x = *(const int64 *) a, y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

void
search_sort_rows(Crit *c)
{
	int n = 0;

	qsort(c->rows, c->nrows, sizeof(int64), compare_rows);
	for (int i = 0; i < c->nrows; i++)
		if (n == 0 || c->rows[n - 1] != c->rows[i])
			c->rows[n++] = c->rows[i];
	c->nrows = n;
	c->matches = n;
}

/* The first column of the result, sorted, once each; frees the result. */
void
search_take_rows(Crit *c)
{
	c->rows = MemoryContextAllocHuge(CurrentMemoryContext, (SPI_processed + 1) * sizeof(int64));
	c->nrows = (int) SPI_processed;
	for (uint64 i = 0; i < SPI_processed; i++) {
		bool null;

		c->rows[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	search_sort_rows(c);
	c->kind = c->nrows ? CRIT_ROWS : CRIT_FALSE;
}

/* ---- ordered ---- */

/* Intervals up to this length are found by their start, longer ones by an index of their own (see catalog.h).
 */
#define LONG_INTERVAL INT64CONST(86400000000)

/* Short intervals in the box start at or after this: one that ends at or after hi_min starts at most its
 * length before. */
int64
search_short_start(const OrdBox *b)
{
	return b->hi_min > PG_INT64_MIN + LONG_INTERVAL + 2 ? Max(b->lo_min, b->hi_min - LONG_INTERVAL - 2)
														: b->lo_min;
}

/* Entries of the index of long intervals that are looked at. */
#define LONG_LOOK 20000

/*
 * By the order of their ends: those that end, as far as LONG_LOOK reaches, and the endless ones. Each part is one range of the index.
 */
static int
long_before(SearchRequest *req, const OrdBox *b, int64 start)
{
	SqlText s;
	bool null;
	int64 looked, found;

	sql_init(&s);
	s.generic = s.in_order = true;
	appendStringInfoString(&s.sql, "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE o.lo" OP(">="));
	sql_param(&s, INT8OID, Int64GetDatum(b->lo_min));
	appendStringInfoString(&s.sql, " AND o.lo" OP("<"));
	sql_param(&s, INT8OID, Int64GetDatum(b->lo_max < start ? b->lo_max + 1 : start));
	appendStringInfo(&s.sql, ") FROM ((SELECT o.lo FROM %s.ordered o WHERE o.key" OP("="), store_schema());
	sql_param(&s, INT8OID, Int64GetDatum((int64) b->key));
	appendStringInfoString(&s.sql, SQL_LONG_ONLY " AND o.hi" OP(">="));
	sql_param(&s, INT8OID, Int64GetDatum(b->hi_min));
	appendStringInfoString(&s.sql, " AND o.hi" OP("<"));
	sql_param(&s, INT8OID, Int64GetDatum(PG_INT64_MAX));
	appendStringInfo(&s.sql, " ORDER BY o.hi LIMIT %d) UNION ALL (SELECT o.lo FROM %s.ordered o WHERE o.key" OP("="),
					 LONG_LOOK, store_schema());
	sql_param(&s, INT8OID, Int64GetDatum((int64) b->key));
	appendStringInfoString(&s.sql, SQL_LONG_ONLY " AND o.hi" OP("="));
	sql_param(&s, INT8OID, Int64GetDatum(PG_INT64_MAX));
	appendStringInfoString(&s.sql, " AND o.lo" OP("<"));
	sql_param(&s, INT8OID, Int64GetDatum(start));
	appendStringInfo(&s.sql, " LIMIT %d)) o", SEARCH_FEW_LONG + 1);
	search_run(req, &s, "criterion: long intervals that began before, as far as they are few");
	looked = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	found = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null));
	SPI_freetuptable(SPI_tuptable);
	return looked >= LONG_LOOK ? SEARCH_FEW_LONG + 1 : (int) found;
}

int
search_long_before(SearchRequest *req, const Crit *c, int64 start)
{
	int n = 0;

	for (int i = 0; i < c->nboxes && n <= SEARCH_FEW_LONG; i++) {
		OrdBox b = c->boxes[i];
		bool seen = false;

		/* once each key, for what lies around its boxes */
		for (int k = 0; k < c->nboxes; k++) {
			if (c->boxes[k].key != b.key)
				continue;
			seen = seen || k < i;
			b.lo_min = Min(b.lo_min, c->boxes[k].lo_min);
			b.lo_max = Max(b.lo_max, c->boxes[k].lo_max);
			b.hi_min = Min(b.hi_min, c->boxes[k].hi_min);
		}
		if (!seen)
			n += long_before(req, &b, start);
	}
	return n;
}

static void
sql_boxes(SqlText *s, const Crit *c, bool narrow, int limit)
{
	int64 *v[5];
	int n = 0;

	for (int k = 0; k < 5; k++)
		v[k] = palloc(c->nboxes * sizeof(int64));
	for (int i = 0; i < c->nboxes; i++) {
		const OrdBox *b = &c->boxes[i];
		int64 lo_min = narrow ? search_short_start(b) : b->lo_min;

		v[0][n] = (int64) b->key;
		v[1][n] = lo_min;
		v[2][n] = b->lo_max;
		v[3][n] = b->hi_min;
		v[4][n++] = b->hi_max;
	}
	appendStringInfoString(&s->sql, "ROWS FROM (");
	for (int k = 0; k < 5; k++) {
		appendStringInfoString(&s->sql, k ? "), pg_catalog.unnest(" : "pg_catalog.unnest(");
		sql_param(s, INT8ARRAYOID, sql_int8_array(v[k], n));
	}
	appendStringInfoString(
		&s->sql, ")) AS b(key, lo_min, lo_max, hi_min, hi_max) CROSS JOIN LATERAL (SELECT o.rid FROM ");
	appendStringInfo(
		&s->sql,
		"%s.ordered o WHERE o.key" OP("=") "b.key AND o.lo" OP(">=") "b.lo_min AND o.lo" OP(
			"<=") "b.lo_max AND o.hi" OP(">=") "b.hi_min AND o.hi" OP("<=") "b.hi_max%s LIMIT %d) o",
		store_schema(), narrow ? "" : SQL_LONG_ONLY, limit);
}

/* Does a box leave the start open and bound the end? Then long intervals may start anywhere before. */
static bool
open_start(const Crit *c)
{
	for (int i = 0; i < c->nboxes; i++)
		if (c->boxes[i].hi_min > PG_INT64_MIN && c->boxes[i].lo_min < c->boxes[i].hi_min - LONG_INTERVAL)
			return true;
	return false;
}

static void
run_ordered(SearchRequest *req, Crit *c, int few)
{
	SqlText s;

	if (few <= c->more_than)
		return;
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql, "(SELECT o.rid FROM ");
	sql_boxes(&s, c, true, few + 1);
	appendStringInfo(&s.sql, " LIMIT %d)", few + 1);
	if (open_start(c)) {
		appendStringInfoString(&s.sql, " UNION ALL (SELECT o.rid FROM ");
		sql_boxes(&s, c, false, few + 1);
		appendStringInfo(&s.sql, " LIMIT %d)", few + 1);
	}
	search_run(req, &s, "criterion: ordered values, as far as they are few");
	if (SPI_processed > few) {
		SPI_freetuptable(SPI_tuptable);
		c->more_than = few;
	} else
		search_take_rows(c);
}

/* ---- _lastUpdated ---- */

/* Resources with a version, perhaps not the current one, of that time: if they are few, the criterion is
 * probed of them only. */
static void
run_updated(SetRun *run, Crit *c)
{
	Crit *rows = crit_new(CRIT_ROWS), *same = crit_new(CRIT_UPDATED);
	SqlText s;

	sql_init(&s);
	appendStringInfo(&s.sql, "SELECT o.rid FROM %s.version o WHERE true", store_schema());
	sql_type(&s, "o", run->types, run->ntypes);
	appendStringInfoString(&s.sql, " AND ");
	sql_crit(&s, "o", c);
	appendStringInfo(&s.sql, " LIMIT %d", run->few + 1);
	search_run(run->req, &s, "criterion: changed at that time, as far as they are few");
	if (SPI_processed > run->few) {
		SPI_freetuptable(SPI_tuptable);
		return;
	}
	search_take_rows(rows);
	*same = *c;
	*c = *crit_join(CRIT_AND, rows, same);
	c->label = same->label;
}

/* ---- string ---- */

/* The least text above every text that starts with s; NULL if there is none. By code points, as "C" compares
 * UTF-8. */
static char *
prefix_end(const char *s)
{
	int len = strlen(s);
	char *out = palloc(len + 5);

	memcpy(out, s, len + 1);
	while (len > 0) {
		int start = len - 1;
		pg_wchar c;

		while (start > 0 && ((unsigned char) out[start] & 0xC0) == 0x80)
			start--;
		c = utf8_to_unicode((unsigned char *) out + start);
		if (c < 0x10FFFF) {
			c = c == 0xD7FF ? 0xE000 : c + 1;
			unicode_to_utf8(c, (unsigned char *) out + start);
			out[start + pg_utf_mblen((unsigned char *) out + start)] = '\0';
			return out;
		}
		len = start;
		out[len] = '\0';
	}
	return NULL;
}

static char *
like_pattern(const char *text, StringMode mode)
{
	StringInfoData b;

	initStringInfo(&b);
	if (mode == STRING_CONTAINS || mode == STRING_SUFFIX)
		appendStringInfoChar(&b, '%');
	for (; *text; text++) {
		if (strchr("%_\\", *text) != NULL)
			appendStringInfoChar(&b, '\\');
		appendStringInfoChar(&b, *text);
	}
	if (mode != STRING_EQUAL && mode != STRING_SUFFIX)
		appendStringInfoChar(&b, '%');
	return b.data;
}

/* First 100 characters: what the index holds. */
static char *
index_prefix(const char *s)
{
	int len = strlen(s);

	return pnstrdup(s, pg_mbcharcliplen(s, len, 100));
}

static void
sql_prefix(SqlText *s, const char *text)
{
	char *prefix = index_prefix(text), *end = prefix_end(prefix);

	appendStringInfoString(&s->sql, " AND pg_catalog.\"left\"(t.value, 100)" OP(">="));
	sql_param(s, TEXTOID, CStringGetTextDatum(prefix));
	if (end) {
		appendStringInfoString(&s->sql, " AND pg_catalog.\"left\"(t.value, 100)" OP("<"));
		sql_param(s, TEXTOID, CStringGetTextDatum(end));
	}
	if (strlen(prefix) < strlen(text)) {
		appendStringInfoString(&s->sql, " AND t.value" OP("~~"));
		sql_param(s, TEXTOID, CStringGetTextDatum(like_pattern(text, STRING_PREFIX)));
	}
}

/* A whole text, which is shorter than the pieces of long ones. */
static void
sql_compared(SqlText *s, StringMode mode, const char *text)
{
	static const char *const ops[] = {[STRING_EQUAL] = OP("="),
									  [STRING_GT] = OP(">"),
									  [STRING_LT] = OP("<"),
									  [STRING_GE] = OP(">="),
									  [STRING_LE] = OP("<=")};

	if (mode == STRING_EQUAL) {
		appendStringInfoString(&s->sql, " AND pg_catalog.\"left\"(t.value, 100)" OP("="));
		sql_param(s, TEXTOID, CStringGetTextDatum(index_prefix(text)));
	}
	appendStringInfo(&s->sql, " AND t.value%s", ops[mode]);
	sql_param(s, TEXTOID, CStringGetTextDatum(text));
}

static void
sql_string_value(SqlText *s, const Crit *c, int i)
{
	if (c->mode == STRING_PREFIX)
		sql_prefix(s, c->values[i]);
	else if (c->mode == STRING_EQUAL || c->mode >= STRING_GT)
		sql_compared(s, c->mode, c->values[i]);
	else {
		appendStringInfoString(&s->sql, " AND t.value" OP("~~"));
		sql_param(s, TEXTOID, CStringGetTextDatum(like_pattern(c->values[i], c->mode)));
	}
}

/* A text of the row of alias is among the values. */
void
sql_string(SqlText *s, const char *alias, const Crit *c)
{
	appendStringInfo(&s->sql, "EXISTS (SELECT 1 FROM (SELECT t.value FROM %s.string t WHERE t.rid" OP("=") "%s.rid AND t.key" OP("=") "ANY (",
					 store_schema(), alias);
	sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
	/* the few texts of the row, whatever the planner thinks of the values */
	appendStringInfoString(&s->sql, ") OFFSET 0) t WHERE false");
	for (int i = 0; i < c->nvalues; i++) {
		appendStringInfoString(&s->sql, " OR (true");
		sql_string_value(s, c, i);
		appendStringInfoChar(&s->sql, ')');
	}
	appendStringInfoChar(&s->sql, ')');
}

static void
run_string(SearchRequest *req, Crit *c, int few)
{
	SqlText s;

	sql_init(&s);
	for (int i = 0; i < c->nvalues; i++) {
		appendStringInfo(&s.sql, "%sSELECT t.rid FROM %s.string t WHERE t.key" OP("=") "ANY (",
						 i ? " UNION ALL " : "", store_schema());
		sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
		appendStringInfoChar(&s.sql, ')');
		sql_string_value(&s, c, i);
	}
	appendStringInfoString(&s.sql, " LIMIT ");
	sql_param(&s, INT8OID, Int64GetDatum((int64) few + 1));
	search_run(req, &s,
			   c->mode == STRING_PREFIX ? "criterion: texts that start so, as far as they are few"
										: "criterion: texts that contain this, as far as they are few");
	if (SPI_processed > few)
		SPI_freetuptable(SPI_tuptable);
	else
		search_take_rows(c);
}

/* Display texts or URLs of the dictionary -> hashes. */
static void
run_term(SearchRequest *req, Crit *c)
{
	SqlText s;
	Crit *keys = crit_new(CRIT_KEYS);

	sql_init(&s);
	for (int i = 0; i < c->nvalues; i++) {
		appendStringInfo(&s.sql, "%sSELECT t.hash FROM %s.term t WHERE t.key" OP("=") "ANY (",
						 i ? " UNION ALL " : "", store_schema());
		sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
		appendStringInfoString(&s.sql, ") AND t.value" OP("~~"));
		sql_param(&s, TEXTOID, CStringGetTextDatum(like_pattern(c->values[i], c->mode)));
	}
	/* of long texts the dictionary has the start only, up to a character of 4 bytes */
	if (c->mode == STRING_CONTAINS || c->mode == STRING_SUFFIX) {
		appendStringInfo(&s.sql, " UNION ALL SELECT t.hash FROM %s.term t WHERE t.key" OP("=") "ANY (", store_schema());
		sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
		appendStringInfo(&s.sql, ") AND pg_catalog.octet_length(t.value)" OP(">") "%d", KEYS_STRING_MAX - 4);
	}
	search_run(req, &s, "criterion: texts of the dictionary");
	for (uint64 i = 0; i < SPI_processed; i++) {
		bool null;

		crit_add_key(keys, (uint64) DatumGetInt64(
							   SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null)));
	}
	SPI_freetuptable(SPI_tuptable);
	c->kind = keys->nkeys ? CRIT_KEYS : CRIT_FALSE;
	c->keys = keys->keys;
	c->nkeys = keys->nkeys;
	c->values = NULL; /* lists of hashes are joined, values and all */
	c->nvalues = 0;
}

/*
 * Many hashes, each looked up together with those that must be there beside it (all): rows, if they are few.
 */
static void
run_many_keys(SearchRequest *req, Crit *c, const Crit *all, int few)
{
	SqlText s;

	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql, "SELECT r.rid, k.n FROM pg_catalog.unnest(");
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) c->keys, c->nkeys));
	appendStringInfo(&s.sql, ") WITH ORDINALITY k(k, n) CROSS JOIN LATERAL (SELECT r.rid FROM %s.resource r WHERE r.keys" OP("@>") "(ARRAY[k.k]" OP("||"),
					 store_schema());
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) all->keys, all->nkeys));
	appendStringInfo(&s.sql, ") OFFSET 0) r LIMIT %d", few + 1);
	search_run(req, &s, "criterion: rows with any of many hashes, as far as they are few");
	if (SPI_processed > few) {
		bool null;
		int64 n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[few], SPI_tuptable->tupdesc, 2, &null));

		/* the others will have as many */
		c->matches = (double) few * c->nkeys / n;
		SPI_freetuptable(SPI_tuptable);
	} else
		search_take_rows(c);
}

/* ---- the tree ---- */

/* About how many rows an index answers at once, if they are few; else none does. */
static double
selective(Crit *c, double type_rows)
{
	double least = type_rows, n;

	if (c->kind == CRIT_AND)
		for (int i = 0; i < c->nargs; i++)
			least = Min(least, selective(c->args[i], type_rows));
	else if ((c->kind == CRIT_KEYS && c->nkeys <= SEARCH_INDEXED_KEYS) || c->kind == CRIT_ROWS || c->kind == CRIT_ID ||
			 c->kind == CRIT_FALSE) {
		n = search_crit_rows(c, type_rows);
		least = n < SEARCH_FEW_ROWS ? n : type_rows;
	}
	return least;
}

/* Has b every hash of a? */
static bool
all_among(const Crit *a, const Crit *b)
{
	if (a->nkeys > b->nkeys || b->nkeys > SEARCH_INDEXED_KEYS)
		return false;
	for (int i = 0; i < a->nkeys; i++) {
		int k = 0;

		while (k < b->nkeys && b->keys[k] != a->keys[i])
			k++;
		if (k == b->nkeys)
			return false;
	}
	return true;
}

/* Hashes that others imply say nothing, and would make the whole look rarer than it is: two words of one text. */
static void
drop_implied(Crit *c)
{
	for (int i = 0; i < c->nargs; i++)
		for (int k = 0; k < c->nargs; k++)
			if (i != k && c->args[i]->kind == CRIT_KEYS && c->args[k]->kind == CRIT_KEYS && all_among(c->args[k], c->args[i])) {
				memmove(c->args + i, c->args + i + 1, (c->nargs - i - 1) * sizeof(Crit *));
				c->nargs--;
				i--;
				break;
			}
}

/* Alternatives that turned out empty are none; what is left of an OR with one alternative is that one. */
static void
simplify(Crit *c)
{
	int n = 0;
	const char *label = c->label;

	for (int i = 0; i < c->nargs; i++)
		if (c->args[i]->kind != CRIT_FALSE)
			c->args[n++] = c->args[i];
		else if (c->kind == CRIT_AND) {
			c->kind = CRIT_FALSE;
			return;
		}
	c->nargs = n;
	if (c->kind == CRIT_AND)
		drop_implied(c);
	if (c->nargs == 0)
		c->kind = CRIT_FALSE;
	else if (c->nargs == 1) {
		*c = *c->args[0];
		c->label = label;
	}
}

typedef enum SetStep {
	STEP_FIRST, /* what is needed in any case */
	STEP_JOINS, /* chains and _has: how far they go depends on what else there is */
	STEP_LATE	/* what is only worth it when nothing else is selective */
} SetStep;

static void
run_tree(SetRun *run, Crit *c, const Crit *all, SetStep step)
{
	Crit none = {CRIT_KEYS};

	check_stack_depth();
	switch (c->kind) {
		case CRIT_ORDERED:
			/* many beside few that hashes find: these are probed rather; a total asks them without the executor */
			if (step == STEP_LATE)
				run_ordered(run->req, c, (int) Min(run->few, run->counted ? run->indexed / 16 : Max(SEARCH_FEW_ROWS, run->indexed / 8)));
			break;
		case CRIT_UPDATED:
			if (step == STEP_LATE)
				run_updated(run, c);
			break;
		case CRIT_STRING:
			if (step == STEP_FIRST)
				run_string(run->req, c, run->all ? PG_INT32_MAX - 1 : run->few);
			break;
		case CRIT_TERM:
			run_term(run->req, c);
			break;
		case CRIT_CHAIN:
			if (step != STEP_JOINS || (c->per_row && !run->all))
				break;
			search_run_chain(run, c, false);
			/* some lead to contained resources */
			for (SetStep s = STEP_FIRST; c->kind != CRIT_CHAIN && c->nargs > 0 && s <= STEP_JOINS; s++)
				run_tree(run, c, all, s);
			break;
		case CRIT_WORD:
			search_run_word(run->req, c);
			break;
		case CRIT_SIDE:
			if (step == STEP_LATE && search_run_side(run->req, c, run->few))
				search_take_rows(c);
			break;
		case CRIT_HAS:
			if (step == STEP_JOINS)
				search_run_has(run, c);
			break;
		case CRIT_REFERRED:
			/* within a _has whose rows are wanted: no index finds them by their identities */
			if (step == STEP_JOINS && run->all && run->types != run->req->types && c->original) {
				*c = *c->original;
				search_run_has(run, c);
			}
			break;
		case CRIT_LIST:
			search_run_list(run, c);
			break;
		case CRIT_KEYS:
			/* most of them may be on no row at all: trying costs 10 us each */
			if (step == STEP_LATE && c->nkeys > SEARCH_INDEXED_KEYS &&
				(run->all || all->nkeys == 0 || c->nkeys <= SEARCH_FEW_LOOKED_UP) &&
				(all->nkeys || search_keys_at_least(c) <= run->few))
				run_many_keys(run->req, c, all, run->all ? Max(run->few, run->type_rows / 3) : run->few);
			break;
		case CRIT_AND:
		case CRIT_OR:
		case CRIT_NOT:
			for (int i = 0; i < c->nargs; i++)
				run_tree(run, c->args[i], c->kind == CRIT_AND ? all : &none, step);
			if (c->kind != CRIT_NOT)
				simplify(c);
			break;
		default:
			break;
	}
}

void
plan_subqueries(SearchRequest *req, const ModelType *const *types, int ntypes, Crit **where, int nwhere, bool all)
{
	SetRun run = {req, types, ntypes, all};
	const Crit *walked = all || where != req->where ? NULL : search_walked_criterion(req);
	Crit beside = {CRIT_KEYS};

	run.type_rows = search_type_rows(types, ntypes);
	if (where == req->where)
		req->walked_rows = run.type_rows;
	if (all && where == req->where && search_counted_by_index(req))
		return;
	/* Beyond a good part of the type, asking each row is cheaper than a list. */
	run.few = all ? Max(SEARCH_FEW_ROWS, Min(SEARCH_FEW_WHEN_ALL, run.type_rows / 4)) : SEARCH_FEW_ROWS;
	for (int i = 0; i < nwhere; i++)
		run_tree(&run, where[i], &beside, STEP_FIRST);
	run.least = run.type_rows;
	for (int i = 0; i < nwhere; i++)
		run.least = Min(run.least, selective(where[i], run.type_rows));
	for (int i = 0; i < nwhere; i++)
		run_tree(&run, where[i], &beside, STEP_JOINS);
	for (int i = 0; i < nwhere; i++)
		if (selective(where[i], run.type_rows) < run.type_rows)
			return;
	run.indexed = run.type_rows;
	for (int i = 0; i < nwhere; i++)
		if (search_indexed(where[i]))
			run.indexed = Min(run.indexed, search_crit_rows(where[i], run.type_rows));
	run.counted = all && where == req->where && run.indexed < run.type_rows && search_can_count_hashes(req);
	if (run.indexed >= run.type_rows)
		run.indexed = run.few * 8.0;
	sql_collect_all(where, nwhere, &beside);
	for (int i = 0; i < nwhere; i++)
		if (where[i] != walked)
			run_tree(&run, where[i], &beside, STEP_LATE);
}

void
plan_subqueries_inside(SearchRequest *req, Crit *c)
{
	check_stack_depth();
	if (c->kind == CRIT_CHAIN) {
		SetRun run = {req, .all = true};

		search_run_chain(&run, c, true);
	} else if (c->kind == CRIT_TERM)
		run_term(req, c);
	else if (c->kind == CRIT_AND || c->kind == CRIT_OR || c->kind == CRIT_NOT)
		for (int i = 0; i < c->nargs; i++)
			plan_subqueries_inside(req, c->args[i]);
}

/* Does GIN, or a list of rows, answer it? */
bool
search_indexed(const Crit *c)
{
	if (c->kind == CRIT_AND)
		for (int i = 0; i < c->nargs; i++)
			if (search_indexed(c->args[i]))
				return true;
	if (c->kind == CRIT_OR) {
		for (int i = 0; i < c->nargs; i++)
			if (!search_indexed(c->args[i]))
				return false;
		return true;
	}
	return (c->kind == CRIT_KEYS && c->nkeys <= SEARCH_INDEXED_KEYS) || c->kind == CRIT_ROWS ||
		   c->kind == CRIT_ID || c->kind == CRIT_FALSE;
}

/* Could its rows be listed? */
bool
search_listable(const Crit *c)
{
	if (c->kind == CRIT_AND)
		for (int i = 0; i < c->nargs; i++)
			if (search_listable(c->args[i]))
				return true;
	if (c->kind == CRIT_OR) {
		for (int i = 0; i < c->nargs; i++)
			if (!search_indexed(c->args[i]) && !search_listable(c->args[i]))
				return false;
		return true;
	}
	return c->kind == CRIT_ORDERED || c->kind == CRIT_KEYS || c->kind == CRIT_STRING || c->kind == CRIT_SIDE ||
		   c->kind == CRIT_CHAIN || c->kind == CRIT_HAS;
}

/* Lists its rows, or hashes to find them by, however many; false: it is none that can be listed. */
static bool
finish(SearchRequest *req, Crit *c)
{
	SetRun run = {req, req->types, req->ntypes, true};
	Crit none = {CRIT_KEYS};

	if (c->kind == CRIT_AND) {
		/* what is lacked last: the type's whole index is read for it */
		for (int last = 0; last < 2; last++)
			for (int i = 0; i < c->nargs; i++)
				if ((c->args[i]->kind == CRIT_NOT) == last && finish(req, c->args[i]))
					return true;
		return false;
	}
	if (c->kind == CRIT_OR) {
		for (int i = 0; i < c->nargs; i++)
			if (!search_indexed(c->args[i]) && !finish(req, c->args[i]))
				return false;
		return true;
	}
	run.type_rows = run.least = search_type_rows(req->types, req->ntypes);
	if (c->kind == CRIT_CHAIN)
		search_run_chain(&run, c, false);
	if (c->kind == CRIT_ORDERED)
		run_ordered(req, c, PG_INT32_MAX - 1);
	else if (c->kind == CRIT_KEYS && c->nkeys <= SEARCH_INDEXED_KEYS)
		return true;
	else if (c->kind == CRIT_KEYS)
		run_many_keys(req, c, &none, PG_INT32_MAX - 1);
	else if (c->kind == CRIT_SIDE && search_run_side(req, c, PG_INT32_MAX - 1))
		search_take_rows(c);
	else if (c->kind == CRIT_STRING)
		run_string(req, c, PG_INT32_MAX - 1);
	else if (c->kind == CRIT_HAS) {
		search_run_has(&run, c);
		return c->kind != CRIT_HAS;
	} else if (c->kind == CRIT_NOT)
		return search_crit_rows(c, run.type_rows) < run.type_rows * SEARCH_FEW_COMPLEMENT && plan_complement(req, c, SEARCH_FEW_WHEN_ALL);
	else
		return c->kind == CRIT_FALSE;
	return true;
}

static void
finish_chains(SetRun *run, Crit *c)
{
	if (c->kind == CRIT_CHAIN)
		search_run_chain(run, c, false);
	for (int i = 0; i < c->nargs && (c->kind == CRIT_AND || c->kind == CRIT_OR); i++)
		finish_chains(run, c->args[i]);
}

bool
plan_subqueries_finish(SearchRequest *req)
{
	bool left = false;
	double type_rows = search_type_rows(req->types, req->ntypes), least = type_rows;

	for (int i = 0; i < req->nwhere; i++)
		if (search_indexed(req->where[i]))
			least = Min(least, search_crit_rows(req->where[i], type_rows));
	/* to ask many rows what they refer to is dearer than to know it beforehand */
	if (least > SEARCH_FEW_PROBED) {
		SetRun run = {req, req->types, req->ntypes, true, .type_rows = type_rows, .least = type_rows};

		for (int i = 0; i < req->nwhere; i++)
			finish_chains(&run, req->where[i]);
	}
	for (int i = 0; i < req->nwhere; i++)
		if (search_indexed(req->where[i]))
			return true;
	for (int i = 0; i < req->nwhere; i++)
		if (finish(req, req->where[i]))
			return true;
	for (int i = 0; i < req->nwhere; i++)
		left = left || req->where[i]->kind == CRIT_HAS || req->where[i]->kind == CRIT_NOT;
	return !left;
}
