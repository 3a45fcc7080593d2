/*
 * search_sets.c: criteria that are searches of their own are run before the statement that they belong to.
 *
 *   chain    the resources at the other end -> hashes of references to them
 *   _has     few that refer: what they refer to -> rows; many: stays, asked row by row in SQL
 *   :text    display texts of the dictionary -> their hashes
 *   string   -> rows
 *   words    -> hashes of the dictionary's texts that hold them; few side rows -> rows; many: stay, asked row by row
 *   ordered  few -> rows; many: stays, asked of resource.ord
 *   _list    entries of Lists -> rows
 *
 * So the statement in the end knows exact sizes, and PostgreSQL plans it by them. All in the search's one
 * snapshot.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/error.h"
#include "base/json.h"
#include "base/settings.h"
#include "search/search_internal.h"
#include "store/store.h"

/* What a run of sets is for. */
typedef struct SetRun {
	SearchRequest *req;
	const ModelType *const *types;
	int ntypes;
	int few, few_referring;
	double type_rows;
} SetRun;

static int
compare_rows(const void *a, const void *b)
{
	int64 x = *(const int64 *)a, y = *(const int64 *)b;

	return x < y ? -1 : x > y;
}

/* The first column of the result, sorted, once each; frees the result. */
static void
take_rows(Crit *c)
{
	int n = 0;
	int64 *rows = MemoryContextAllocHuge(CurrentMemoryContext, (SPI_processed + 1) * sizeof(int64));

	for (uint64 i = 0; i < SPI_processed; i++) {
		bool null;

		rows[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
	}
	qsort(rows, SPI_processed, sizeof(int64), compare_rows);
	for (uint64 i = 0; i < SPI_processed; i++)
		if (n == 0 || rows[n - 1] != rows[i])
			rows[n++] = rows[i];
	SPI_freetuptable(SPI_tuptable);
	c->kind = n ? CRIT_ROWS : CRIT_FALSE;
	c->rows = rows;
	c->nrows = n;
	c->matches = n;
}

/* ---- ordered ---- */

/* Intervals up to this length are found by their start, longer ones by an index of their own (see store.h).
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
	sql_param(&s, INT8OID, Int64GetDatum((int64)b->key));
	appendStringInfoString(&s.sql, SQL_LONG_ONLY " AND o.hi" OP(">="));
	sql_param(&s, INT8OID, Int64GetDatum(b->hi_min));
	appendStringInfoString(&s.sql, " AND o.hi" OP("<"));
	sql_param(&s, INT8OID, Int64GetDatum(PG_INT64_MAX));
	appendStringInfo(&s.sql, " ORDER BY o.hi LIMIT %d) UNION ALL (SELECT o.lo FROM %s.ordered o WHERE o.key" OP("="),
	                 LONG_LOOK, store_schema());
	sql_param(&s, INT8OID, Int64GetDatum((int64)b->key));
	appendStringInfoString(&s.sql, SQL_LONG_ONLY " AND o.hi" OP("="));
	sql_param(&s, INT8OID, Int64GetDatum(PG_INT64_MAX));
	appendStringInfoString(&s.sql, " AND o.lo" OP("<"));
	sql_param(&s, INT8OID, Int64GetDatum(start));
	appendStringInfo(&s.sql, " LIMIT %d)) o", SEARCH_FEW_LONG + 1);
	search_run(req, &s, "criterion: long intervals that began before, as far as they are few");
	looked = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	found = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null));
	SPI_freetuptable(SPI_tuptable);
	return looked >= LONG_LOOK ? SEARCH_FEW_LONG + 1 : (int)found;
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

		v[0][n] = (int64)b->key;
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
	if (SPI_processed > few)
		SPI_freetuptable(SPI_tuptable);
	else
		take_rows(c);
}

/* ---- _lastUpdated ---- */

/* Resources with a version, perhaps not the current one, of that time: if they are few, the criterion is
 * asked of them only. */
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
	take_rows(rows);
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

		while (start > 0 && ((unsigned char)out[start] & 0xC0) == 0x80)
			start--;
		c = utf8_to_unicode((unsigned char *)out + start);
		if (c < 0x10FFFF) {
			c = c == 0xD7FF ? 0xE000 : c + 1;
			unicode_to_utf8(c, (unsigned char *)out + start);
			out[start + pg_utf_mblen((unsigned char *)out + start)] = '\0';
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
run_string(SearchRequest *req, Crit *c)
{
	SqlText s;

	sql_init(&s);
	for (int i = 0; i < c->nvalues; i++) {
		appendStringInfo(&s.sql, "%sSELECT t.rid FROM %s.string t WHERE t.key" OP("=") "ANY (",
		                 i ? " UNION ALL " : "", store_schema());
		sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *)c->keys, c->nkeys));
		appendStringInfoChar(&s.sql, ')');
		if (c->mode == STRING_PREFIX)
			sql_prefix(&s, c->values[i]);
		else if (c->mode == STRING_EQUAL || c->mode >= STRING_GT)
			sql_compared(&s, c->mode, c->values[i]);
		else {
			appendStringInfoString(&s.sql, " AND t.value" OP("~~"));
			sql_param(&s, TEXTOID, CStringGetTextDatum(like_pattern(c->values[i], c->mode)));
		}
	}
	search_run(req, &s,
	           c->mode == STRING_PREFIX ? "criterion: texts that start so"
	                                    : "criterion: texts that contain this");
	take_rows(c);
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
		sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *)c->keys, c->nkeys));
		appendStringInfoString(&s.sql, ") AND t.value" OP("~~"));
		sql_param(&s, TEXTOID, CStringGetTextDatum(like_pattern(c->values[i], c->mode)));
	}
	search_run(req, &s, "criterion: texts of the dictionary");
	for (uint64 i = 0; i < SPI_processed; i++) {
		bool null;

		crit_add_key(keys, (uint64)DatumGetInt64(
		                       SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null)));
	}
	SPI_freetuptable(SPI_tuptable);
	c->kind = keys->nkeys ? CRIT_KEYS : CRIT_FALSE;
	c->keys = keys->keys;
	c->nkeys = keys->nkeys;
}

/* ---- chain ---- */

static void
run_chain(SearchRequest *req, Crit *c, bool inside)
{
	Crit *keys = crit_new(CRIT_KEYS), *contained = search_contained_chain(req, c->links, c->nlinks, inside);
	const char *label = c->label;

	for (int i = 0; i < c->nlinks; i++) {
		const ModelType *type = c->links[i].type;
		SqlText s;

		if (i > 0 && c->links[i - 1].arg == c->links[i].arg)
			continue; /* run with the first link of this type */
		search_sets(req, &type, 1, &c->links[i].arg, 1, true);
		if (c->links[i].arg->kind == CRIT_FALSE)
			continue;
		sql_init(&s);
		appendStringInfoString(&s.sql, "SELECT r.id");
		sql_from_where(&s, "r", LEG_CHAIN, &type, 1, &c->links[i].arg, 1);
		search_run(req, &s, psprintf("chain: the %s at the other end", type->name));
		for (uint64 row = 0; row < SPI_processed; row++) {
			bool null;
			text *id =
			    DatumGetTextPP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null));
			uint64 identity =
			    keys_identity(type->name, strlen(type->name), VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));

			for (int k = i; k < c->nlinks && c->links[k].arg == c->links[i].arg; k++)
				crit_add_key(keys, identity ^ keys_reference_salt(c->links[k].source));
		}
		SPI_freetuptable(SPI_tuptable);
		for (int k = i; k < c->nlinks && c->links[k].arg == c->links[i].arg; k++)
			search_canonical_chain(req, &c->links[k], keys);
	}
	c->kind = keys->nkeys ? CRIT_KEYS : CRIT_FALSE;
	c->keys = keys->keys;
	c->nkeys = keys->nkeys;
	if (contained) {
		Crit *by_identity = palloc(sizeof(Crit));

		*by_identity = *c;
		*c = *crit_join(CRIT_OR, by_identity, contained);
		c->label = label;
	}
}

/* ---- what documents refer to ---- */

typedef struct IdList {
	char **types, **ids;
	int n, max;
} IdList;

static void
add_id(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	IdList *l = arg;

	if (l->n == l->max) {
		l->max = l->max ? l->max * 2 : 64;
		l->types = l->types ? repalloc(l->types, l->max * sizeof(char *)) : palloc(l->max * sizeof(char *));
		l->ids = l->ids ? repalloc(l->ids, l->max * sizeof(char *)) : palloc(l->max * sizeof(char *));
	}
	l->types[l->n] = pnstrdup(type, tlen);
	l->ids[l->n++] = pnstrdup(id, ilen);
}

/* Type/id pairs -> rows, among the types. */
static void
rows_of_ids(SearchRequest *req, Crit *c, IdList *l, SearchLeg leg, const ModelType *const *types, int ntypes)
{
	SqlText s;

	if (l->n == 0) {
		c->kind = CRIT_FALSE;
		return;
	}
	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql,
	                       "SELECT r.rid FROM (SELECT DISTINCT u.t, u.i FROM ROWS FROM (pg_catalog.unnest(");
	sql_param(&s, TEXTARRAYOID, sql_text_array(l->types, l->n));
	appendStringInfoString(&s.sql, "), pg_catalog.unnest(");
	sql_param(&s, TEXTARRAYOID, sql_text_array(l->ids, l->n));
	appendStringInfo(
	    &s.sql,
	    ")) u(t, i)) u CROSS JOIN LATERAL (SELECT r.rid, r.type FROM %s.resource r WHERE r.type" OP(
	        "=") "u.t AND r.id" OP("=") "u.i AND NOT r.deleted",
	    store_schema());
	search_restrict(&s, "r", leg);
	appendStringInfoString(&s.sql, " OFFSET 0) r WHERE true");
	sql_type(&s, "r", types, ntypes);
	search_run(req, &s, "criterion: the resources referred to");
	take_rows(c);
}

typedef struct HasContext {
	const Crit *c;
	const ModelTypeId *targets; /* of the searched types, 0-terminated */
	IdList ids;
	CanonicalRefs canonicals;
} HasContext;

static void
has_document(int i, Jsonb *doc, void *arg)
{
	HasContext *h = arg;

	for (int k = 0; k < h->c->nlinks; k++) {
		search_references(h->c->links[k].source, h->targets, &doc->root, add_id, &h->ids);
		search_canonicals_of(h->c->links[k].source, h->targets, &doc->root, &h->canonicals);
	}
}

static void
add_canonicals(SearchRequest *req, HasContext *h)
{
	SearchRow *rows;
	int n = search_canonical_rows(req, LEG_HAS, &h->canonicals, &rows);

	for (int i = 0; i < n; i++)
		add_id(rows[i].type, strlen(rows[i].type), rows[i].id, strlen(rows[i].id), 0, &h->ids);
}

/* Canonicals can't be asked row by row: the documents that hold them are read however many they are. */
static bool
by_canonical(const SetRun *run, const Crit *c)
{
	for (int k = 0; k < c->nlinks; k++)
		for (int i = 0; i < run->ntypes; i++)
			if (search_canonical_link(c->links[k].source, run->types[i]))
				return true;
	return false;
}

static int
fetch_versions(SearchRow **rows)
{
	int n = SPI_processed;

	*rows = palloc0((n + 1) * sizeof(SearchRow));
	for (int i = 0; i < n; i++) {
		bool null;

		(*rows)[i].rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		(*rows)[i].version =
		    DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
		(*rows)[i].place = *(ItemPointer)DatumGetPointer(
		    SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

static void
run_has(SetRun *run, Crit *c)
{
	SearchRequest *req = run->req;
	const ModelType *const *types = run->types;
	int ntypes = run->ntypes;
	const ModelType *from = c->links[0].type;
	Crit *arg = c->links[0].arg; /* the same for all links */
	HasContext h = {c};
	ModelTypeId *targets;
	SearchRow *rows;
	SqlText s;
	int n, few = by_canonical(run, c) ? PG_INT32_MAX - 1 : run->few_referring;

	search_sets(req, &from, 1, &arg, 1, true);
	if (arg->kind == CRIT_FALSE) {
		c->kind = CRIT_FALSE;
		return;
	}
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version, r.place");
	sql_from_where(&s, "r", LEG_HAS, &from, 1, &arg, 1);
	appendStringInfo(&s.sql, " LIMIT %d", few + 1);
	search_run(req, &s, psprintf("_has: the %s that refer, as far as they are few", from->name));
	n = fetch_versions(&rows);
	if (n > few) {
		c->referring = Max(n, search_crit_rows(arg, search_type_rows(&from, 1)));
		return;
	}
	targets = palloc((ntypes + 1) * sizeof(ModelTypeId));
	for (int i = 0; i < ntypes; i++)
		targets[i] = types[i]->id;
	targets[ntypes] = MODEL_NONE;
	h.targets = targets;
	search_documents(req, rows, n, has_document, &h);
	add_canonicals(req, &h);
	rows_of_ids(req, c, &h.ids, LEG_HAS, types, ntypes);
}

static void
list_document(int i, Jsonb *doc, void *arg)
{
	JsonbValue entries;

	if (!fhir_json_get_lit(&doc->root, "entry", &entries) || entries.type != jbvBinary ||
	    !JsonContainerIsArray(entries.val.binary.data))
		return;
	for (uint32 k = 0; k < JsonContainerSize(entries.val.binary.data); k++) {
		JsonbValue *e = getIthJsonbValueFromContainer(entries.val.binary.data, k), item, deleted;
		char *ref;

		if (e->type != jbvBinary || !fhir_json_get_lit(e->val.binary.data, "item", &item) ||
		    item.type != jbvBinary)
			continue;
		if (fhir_json_get_lit(e->val.binary.data, "deleted", &deleted) && deleted.type == jbvBool &&
		    deleted.val.boolean)
			continue;
		ref = fhir_json_get_string(item.val.binary.data, "reference");
		if (ref)
			search_local_reference(ref, strlen(ref), NULL, add_id, arg);
	}
}

static void
run_list(SearchRequest *req, Crit *c, const ModelType *const *types, int ntypes)
{
	const ModelType *list = model_type_by_id(MODEL_T_List);
	Crit *ids = crit_new(CRIT_ID);
	IdList found = {0};
	SearchRow *rows;
	SqlText s;
	int n;

	ids->values = c->values;
	ids->nvalues = c->nvalues;
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version, r.place");
	sql_from_where(&s, "r", LEG_LIST, &list, 1, &ids, 1);
	search_run(req, &s, "_list: the lists");
	n = fetch_versions(&rows);
	search_documents(req, rows, n, list_document, &found);
	rows_of_ids(req, c, &found, LEG_LIST, types, ntypes);
}

/* Many hashes, with nothing else to go by: rows, if they are few. */
static void
run_many_keys(SearchRequest *req, Crit *c, int few)
{
	SqlText s;

	sql_init(&s);
	s.generic = true;
	appendStringInfoString(&s.sql, "SELECT r.rid FROM pg_catalog.unnest(");
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *)c->keys, c->nkeys));
	appendStringInfo(&s.sql,
	                 ") k CROSS JOIN LATERAL (SELECT r.rid FROM %s.resource r WHERE r.keys" OP(
	                     "@>") "ARRAY[k] OFFSET 0) r LIMIT %d",
	                 store_schema(), few + 1);
	search_run(req, &s, "criterion: rows with any of many hashes, as far as they are few");
	if (SPI_processed > few)
		SPI_freetuptable(SPI_tuptable);
	else
		take_rows(c);
}

/* ---- the tree ---- */

/* May an index answer it at once, with few rows? */
static bool
selective(Crit *c, double type_rows)
{
	if (c->kind == CRIT_AND) {
		for (int i = 0; i < c->nargs; i++)
			if (selective(c->args[i], type_rows))
				return true;
		return false;
	}
	if (c->kind == CRIT_KEYS && c->nkeys > SEARCH_INDEXED_KEYS)
		return false;
	return (c->kind == CRIT_KEYS || c->kind == CRIT_ROWS || c->kind == CRIT_ID || c->kind == CRIT_FALSE) &&
	       search_crit_rows(c, type_rows) < SEARCH_FEW_ROWS;
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

/* First what is needed in any case, then (late) what is only worth it when nothing else is selective. */
static void
run_tree(SetRun *run, Crit *c, bool late)
{
	check_stack_depth();
	switch (c->kind) {
		case CRIT_ORDERED:
			if (late)
				run_ordered(run->req, c, run->few);
			break;
		case CRIT_UPDATED:
			if (late)
				run_updated(run, c);
			break;
		case CRIT_STRING:
			run_string(run->req, c);
			break;
		case CRIT_TERM:
			run_term(run->req, c);
			break;
		case CRIT_WORD:
			search_run_word(run->req, c);
			break;
		case CRIT_SIDE:
			if (late && search_run_side(run->req, c, run->few))
				take_rows(c);
			break;
		case CRIT_CHAIN:
			run_chain(run->req, c, false);
			if (c->kind == CRIT_OR || c->kind == CRIT_AND) /* some lead to contained resources */
				run_tree(run, c, late);
			break;
		case CRIT_HAS:
			if (!late)
				run_has(run, c);
			break;
		case CRIT_LIST:
			run_list(run->req, c, run->types, run->ntypes);
			break;
		case CRIT_KEYS:
			/* most of them may be on no row at all: trying costs 10 us each */
			if (late && c->nkeys > SEARCH_INDEXED_KEYS && search_keys_at_least(c) <= run->few)
				run_many_keys(run->req, c, run->few);
			break;
		case CRIT_AND:
		case CRIT_OR:
		case CRIT_NOT:
			for (int i = 0; i < c->nargs; i++)
				run_tree(run, c->args[i], late);
			if (c->kind != CRIT_NOT)
				simplify(c);
			break;
		default:
			break;
	}
}

void
search_sets(SearchRequest *req, const ModelType *const *types, int ntypes, Crit **where, int nwhere, bool all)
{
	SetRun run = {req, types, ntypes};
	double type_rows = search_type_rows(types, ntypes);
	const Crit *walked = all || where != req->where ? NULL : search_walked_criterion(req);
	bool found = false;

	run.type_rows = type_rows;
	/* Beyond a good part of the type, asking each row is cheaper than a list. */
	run.few = all ? Max(SEARCH_FEW_ROWS, Min(SEARCH_FEW_WHEN_ALL, type_rows / 4)) : SEARCH_FEW_ROWS;
	run.few_referring = all ? SEARCH_FEW_WHEN_ALL : SEARCH_FEW_REFERRING;
	for (int i = 0; i < nwhere; i++)
		run_tree(&run, where[i], false);
	for (int i = 0; i < nwhere && !found; i++)
		found = selective(where[i], type_rows);
	for (int i = 0; i < nwhere && !found; i++)
		if (where[i] != walked)
			run_tree(&run, where[i], true);
}

void
search_sets_inside(SearchRequest *req, Crit *c)
{
	check_stack_depth();
	if (c->kind == CRIT_CHAIN)
		run_chain(req, c, true);
	else if (c->kind == CRIT_TERM)
		run_term(req, c);
	else if (c->kind == CRIT_AND || c->kind == CRIT_OR || c->kind == CRIT_NOT)
		for (int i = 0; i < c->nargs; i++)
			search_sets_inside(req, c->args[i]);
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
	return c->kind == CRIT_ORDERED || c->kind == CRIT_KEYS || c->kind == CRIT_SIDE ||
	       (c->kind == CRIT_HAS && c->referring <= SEARCH_FEW_WHEN_ALL);
}

static bool
finish(SearchRequest *req, Crit *c)
{
	if (c->kind == CRIT_AND) {
		for (int i = 0; i < c->nargs; i++)
			if (finish(req, c->args[i]))
				return true;
		return false;
	}
	if (c->kind == CRIT_OR) {
		for (int i = 0; i < c->nargs; i++)
			if (!search_indexed(c->args[i]) && !finish(req, c->args[i]))
				return false;
		return true;
	}
	if (c->kind == CRIT_ORDERED)
		run_ordered(req, c, PG_INT32_MAX - 1);
	else if (c->kind == CRIT_SIDE && search_run_side(req, c, PG_INT32_MAX - 1))
		take_rows(c);
	else if (c->kind == CRIT_KEYS)
		run_many_keys(req, c, PG_INT32_MAX - 1);
	else if (c->kind == CRIT_HAS) {
		SetRun run = {req, req->types, req->ntypes};

		run.few_referring = SEARCH_FEW_WHEN_ALL;
		run_has(&run, c);
		return c->kind != CRIT_HAS;
	} else
		return false;
	return true;
}

bool
search_sets_finish(SearchRequest *req)
{
	bool left = false;

	for (int i = 0; i < req->nwhere; i++)
		if (search_indexed(req->where[i]))
			return true;
	for (int i = 0; i < req->nwhere; i++)
		if (finish(req, req->where[i]))
			return true;
	for (int i = 0; i < req->nwhere; i++)
		left = left || req->where[i]->kind == CRIT_HAS;
	return !left;
}
