/*
 * history.c: the history of one resource, of a type, of the store, as a Bundle.
 *
 * Order: newest first, by (last_updated, rid); version's own index gives the first, the few of one millisecond are sorted (a resource's
 * versions have strictly increasing times, so that this is unique); the system level merges
 * that index's ranges of all types. Pages continue after the last row shown (keyset), so that new versions
 * neither shift nor repeat entries. The cursor holds that row and the total of the first page, if that was counted.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "model/model.h"
#include "interaction/interaction_internal.h"

#define UNIX_TO_PG ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

typedef struct History {
	const Caller *caller;
	const ModelType *type; /* NULL: all */
	const char *id;		   /* NULL: all */
	int64 rid;
	int count;
	TimestampTz since; /* not earlier than */
	bool at;		   /* only versions that were current within [at_lo, at_hi] */
	TimestampTz at_lo, at_hi;
	bool cursor; /* after this row */
	TimestampTz c_updated;
	int64 c_rid;
	bool count_all;		 /* _total=accurate */
	const char *summary; /* NULL: whole */
	char **elements;	 /* "name" or "Type.name" */
	int nelements;
	int64 total;		 /* -1: not counted */
	StringInfoData link; /* parameters for links, without the cursor */
} History;

pg_noreturn static void
raise_parameter(const FormParam *p, const char *hint)
{
	ereport(ERROR,
			errcode(FH400),
			errmsg("invalid parameter of history"),
			errdetail("Parameter %.100s=%.200s", p->name, p->value),
			errhint("%s", hint),
			fhir_issue("value", NULL));
}

/* The parsers answer what to write instead; NULL: it is understood. */
static const char *
parse_interval(const FormParam *p, TimestampTz *lo, TimestampTz *hi)
{
	FhirDateTime d;
	int64 l, h;

	if (!fhir_date_parse(p->value, strlen(p->value), FHIR_KIND_SEARCH, &d))
		return "Write a date or an instant, such as 2024-05-01T10:00:00Z.";
	fhir_date_interval(&d, &l, &h);
	*lo = l - UNIX_TO_PG;
	*hi = h - UNIX_TO_PG;
	return NULL;
}

/* Cursor: updated-rid-total in hexadecimal digits (total of 64 one bits: not counted). */
static void
parse_cursor(History *h, const FormParam *p)
{
	unsigned long long u, r, t;
	int used = 0;

	if (strspn(p->value, "0123456789abcdef-") != strlen(p->value) ||
		/* NOLINTNEXTLINE(cert-err34-c): the widths keep each number in its range */
		sscanf(p->value, "%16llx-%16llx-%16llx%n", &u, &r, &t, &used) != 3 || p->value[used] != '\0')
		raise_parameter(p, "Follow the links of a Bundle; cursors cannot be made up.");
	h->cursor = true;
	h->c_updated = (TimestampTz) u;
	h->c_rid = (int64) r;
	h->total = (int64) t;
}

static void
keep_in_link(History *h, const FormParam *p)
{
	appendStringInfoChar(&h->link, h->link.len > 0 ? '&' : '?');
	fhir_percent_encode(&h->link, p->name, ":");
	appendStringInfoChar(&h->link, '=');
	fhir_percent_encode(&h->link, p->value, ":");
}

static bool
is_one_of(const char *value, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(value, list[i]) == 0)
			return true;
	return false;
}

/* As a search takes them (query_parse.c): "name" or "Type.name", separated by commas. */
static const char *
parse_elements(History *h, const FormParam *p)
{
	char *rest = pstrdup(p->value), *name;

	h->elements = palloc((strlen(p->value) + 1) * sizeof(char *));
	h->nelements = 0;
	while ((name = strsep(&rest, ",")) != NULL) {
		const char *dot = strchr(name, '.');

		if (*name == '\0' || (dot && (dot[1] == '\0' || model_resource(name, dot - name) == NULL)))
			return "_elements is a list of elements, such as name,birthDate or Patient.name.";
		h->elements[h->nelements++] = name;
	}
	return NULL;
}

static const char *
parse_parameter(History *h, const FormParam *p)
{
	static const char *const summaries[] = {"true", "text", "data", "count", "false"}, *const totals[] = {"none", "accurate"};
	TimestampTz unused;

	if (strcmp(p->name, "_count") == 0) {
		if (*p->value == '\0' || strspn(p->value, "0123456789") != strlen(p->value) || strlen(p->value) > 9)
			return "_count is a number of entries, 0 or more.";
		h->count = Min((int) strtol(p->value, NULL, 10), fhir_max_count);
		return NULL;
	}
	if (strcmp(p->name, "_since") == 0)
		return parse_interval(p, &h->since, &unused);
	if (strcmp(p->name, "_at") == 0) {
		const char *wrong = parse_interval(p, &h->at_lo, &h->at_hi);

		h->at = h->at || wrong == NULL;
		return wrong;
	}
	if (strcmp(p->name, "_sort") == 0)
		return strcmp(p->value, "-_lastUpdated") == 0 ? NULL : "History is sorted by -_lastUpdated.";
	if (strcmp(p->name, "_total") == 0) {
		if (!is_one_of(p->value, totals, lengthof(totals)))
			return "_total is none or accurate.";
		h->count_all = p->value[0] == 'a';
		return NULL;
	}
	if (strcmp(p->name, "_summary") == 0) {
		if (!is_one_of(p->value, summaries, lengthof(summaries)))
			return "_summary is true, text, data, count or false.";
		h->summary = strcmp(p->value, "false") == 0 ? NULL : p->value;
		return NULL;
	}
	if (strcmp(p->name, "_elements") == 0)
		return parse_elements(h, p);
	/* the REST layer looks at these; links keep them */
	if (strcmp(p->name, "_format") == 0 || strcmp(p->name, "_pretty") == 0)
		return NULL;
	return "Parameters of history are _count, _since, _at, _total, _summary, _elements and _sort=-_lastUpdated.";
}

/* lenient: what is not understood is left out, and so it is of the links. */
static void
parse_query(History *h, const char *query, bool lenient)
{
	FormParam *params;
	int n = form_parse(query ? query : "", &params);

	h->count = fhir_default_count;
	h->since = DT_NOBEGIN;
	initStringInfo(&h->link);
	for (int i = 0; i < n; i++) {
		const char *hint;

		if (strcmp(params[i].name, "_cursor") == 0)
			parse_cursor(h, &params[i]);
		else if ((hint = parse_parameter(h, &params[i])) == NULL)
			keep_in_link(h, &params[i]);
		else if (!lenient)
			raise_parameter(&params[i], hint);
	}
	if (h->summary && strcmp(h->summary, "count") == 0)
		h->count = 0;
	if (h->summary && h->nelements)
		h->summary = NULL; /* as in a search, the named elements decide */
}

/* Types that the history spans, as text[]. */
static Datum
type_array(const History *h)
{
	Datum *elems = palloc(sizeof(Datum) * model_ntypes);
	int n = 0;

	if (h->type)
		elems[n++] = CStringGetTextDatum(h->type->name);
	else
		for (int i = 1; i < model_ntypes; i++)
			if (model_types[i].kind == MODEL_RESOURCE && !model_types[i].abstract)
				elems[n++] = CStringGetTextDatum(model_types[i].name);
	return PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Conditions on version v, by constant text; values are parameters: $1 rid or types, $2 since, $3 and $4 the
 * period of _at, $5 and $6 the cursor, $7 the limit. A deleted resource has no current version, so that _at shows a delete
 * only within the period.
 */
static void
append_conditions(StringInfo sql, const History *h, const char *schema)
{
	appendStringInfoString(sql, " AND v.last_updated OPERATOR(pg_catalog.>=) $2");
	if (h->at)
		appendStringInfo(sql,
						 " AND v.last_updated OPERATOR(pg_catalog.<=) $4"
						 " AND (v.method OPERATOR(pg_catalog.<>) 'D' OR v.last_updated OPERATOR(pg_catalog.>=) $3)"
						 " AND NOT EXISTS (SELECT 1 FROM %s.version n WHERE n.rid OPERATOR(pg_catalog.=) v.rid"
						 " AND n.version OPERATOR(pg_catalog.=) (v.version OPERATOR(pg_catalog.+) 1)"
						 " AND n.last_updated OPERATOR(pg_catalog.<=) $3)",
						 schema);
	else /* every parameter has a type */
		appendStringInfoString(sql, " AND ($3::pg_catalog.timestamptz IS NULL AND $4::pg_catalog.timestamptz IS NULL)");
}

static char *
page_sql(const History *h, const char *schema)
{
	StringInfoData sql;
	const char *after = " AND (v.last_updated, v.rid) OPERATOR(pg_catalog.<) ($5, $6)"
						" ORDER BY v.last_updated DESC, v.rid DESC LIMIT $7";

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT d.type, r.id, d.version, d.last_updated, d.method, d.doc, d.rid FROM (");
	if (h->id) {
		appendStringInfo(&sql, "SELECT v.last_updated, v.rid, v.version FROM %s.version v WHERE v.rid OPERATOR(pg_catalog.=) $1",
						 schema);
		append_conditions(&sql, h, schema);
		appendStringInfoString(&sql, after);
	} else {
		appendStringInfo(&sql,
						 "SELECT k.last_updated, k.rid, k.version FROM pg_catalog.unnest($1) t(type) CROSS JOIN LATERAL ("
						 "SELECT v.last_updated, v.rid, v.version FROM %s.version v WHERE v.type OPERATOR(pg_catalog.=) t.type",
						 schema);
		append_conditions(&sql, h, schema);
		appendStringInfo(&sql, "%s) k ORDER BY 1 DESC, 2 DESC LIMIT $7", after);
	}
	appendStringInfo(&sql,
					 ") p JOIN %1$s.version d ON d.rid OPERATOR(pg_catalog.=) p.rid AND d.version OPERATOR(pg_catalog.=) p.version"
					 " JOIN %1$s.resource r ON r.rid OPERATOR(pg_catalog.=) p.rid"
					 " ORDER BY p.last_updated DESC, p.rid DESC",
					 schema);
	return sql.data;
}

static char *
total_sql(const History *h, const char *schema)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.count(*) FROM %s.version v WHERE %s", schema,
					 h->id ? "v.rid OPERATOR(pg_catalog.=) $1" : "v.type OPERATOR(pg_catalog.=) ANY ($1)");
	append_conditions(&sql, h, schema);
	appendStringInfoString(&sql, " AND $5::pg_catalog.timestamptz IS NOT NULL AND $6::pg_catalog.int8 IS NOT NULL"
								 " AND $7::pg_catalog.int8 IS NOT NULL");
	return sql.data;
}

static void
run(const History *h, const char *sql)
{
	Oid types[7] = {h->id ? INT8OID : TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
					TIMESTAMPTZOID, INT8OID, INT8OID};
	Datum values[7] = {h->id ? Int64GetDatum(h->rid) : type_array(h),
					   TimestampTzGetDatum(h->since),
					   TimestampTzGetDatum(h->at_lo),
					   TimestampTzGetDatum(h->at_hi),
					   TimestampTzGetDatum(h->cursor ? h->c_updated : DT_NOEND),
					   Int64GetDatum(h->cursor ? h->c_rid : PG_INT64_MAX),
					   Int64GetDatum((int64) h->count + 1)};
	char nulls[8] = "       ";

	if (!h->at)
		nulls[2] = nulls[3] = 'n';
	if (SPI_execute_with_args(sql, 7, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "history query failed");
}

static void
build_link(Build *b, const History *h, const char *relation, const char *cursor)
{
	StringInfoData url;

	initStringInfo(&url);
	if (*h->caller->base)
		appendStringInfo(&url, "%s/", h->caller->base);
	if (h->type)
		appendStringInfo(&url, "%s/", h->type->name);
	if (h->id)
		appendStringInfo(&url, "%s/", h->id);
	appendStringInfo(&url, "_history%s", h->link.data);
	if (cursor)
		appendStringInfo(&url, "%c_cursor=%s", h->link.len > 0 ? '&' : '?', cursor);
	build_object(b);
	build_string(b, "relation", relation);
	build_string(b, "url", url.data);
	build_end_object(b);
}

static const char *
row_text(HeapTuple tup, int n)
{
	bool isnull;

	return TextDatumGetCString(SPI_getbinval(tup, SPI_tuptable->tupdesc, n, &isnull));
}

static Datum
row_value(HeapTuple tup, int n, bool *isnull)
{
	return SPI_getbinval(tup, SPI_tuptable->tupdesc, n, isnull);
}

static const char *
http_method(char method)
{
	switch (method) {
		case 'C':
			return "POST";
		case 'P':
			return "PATCH";
		case 'D':
			return "DELETE";
		default:
			return "PUT";
	}
}

char *
interaction_instant(TimestampTz t)
{
	char *buf = palloc(48);

	fhir_date_format_instant(t + UNIX_TO_PG, buf);
	return buf;
}

/* What _elements or _summary leave of it. */
static JsonbContainer *
shown(const History *h, const char *type_name, JsonbContainer *doc)
{
	static const struct {
		const char *code;
		ModelSubset what;
	} codes[] = {{"true", SUBSET_SUMMARY}, {"text", SUBSET_TEXT}, {"data", SUBSET_DATA}};
	const ModelType *type = model_resource(type_name, strlen(type_name));
	const char **names = palloc((h->nelements + 1) * sizeof(char *));
	int n = 0;

	for (int i = 0; i < h->nelements; i++) {
		const char *dot = strchr(h->elements[i], '.');

		if (dot == NULL || model_resource(h->elements[i], dot - h->elements[i]) == type)
			names[n++] = dot ? dot + 1 : h->elements[i];
	}
	if (n > 0)
		return &model_subset(type, doc, SUBSET_ELEMENTS, names, n)->root;
	for (int i = 0; h->summary && i < lengthof(codes); i++)
		if (strcmp(h->summary, codes[i].code) == 0)
			return &model_subset(type, doc, codes[i].what, NULL, 0)->root;
	return doc;
}

static void
build_entry(Build *b, const History *h, HeapTuple tup)
{
	bool isnull;
	const char *type = row_text(tup, 1);
	const char *path = psprintf("%s/%s", type, row_text(tup, 2));
	int32 version = DatumGetInt32(row_value(tup, 3, &isnull));
	TimestampTz updated = DatumGetTimestampTz(row_value(tup, 4, &isnull));
	char method = DatumGetChar(row_value(tup, 5, &isnull));
	Datum doc = row_value(tup, 6, &isnull);

	build_object(b);
	build_string(b, "fullUrl", *h->caller->base ? psprintf("%s/%s", h->caller->base, path) : path);
	if (!isnull)
		build_jsonb(b, "resource", shown(h, type, &store_unpack(doc)->root));
	build_key(b, "request");
	build_object(b);
	build_string(b, "method", http_method(method));
	build_string(b, "url", method == 'C' ? type : path);
	build_end_object(b);
	build_key(b, "response");
	build_object(b);
	build_string(b, "status",
				 method == 'D' ? "204" : method == 'R' || (version == 1 && method != 'P') ? "201"
																						  : "200");
	build_string(b, "etag", psprintf("W/\"%d\"", version));
	build_string(b, "lastModified", interaction_instant(updated));
	build_end_object(b);
	build_end_object(b);
}

static char *
cursor_text(TimestampTz updated, int64 rid, int64 total)
{
	return psprintf("%llx-%llx-%llx", (long long) updated, (long long) rid, (long long) total);
}

static Jsonb *
build_bundle(const History *h)
{
	Build b = {0};
	int n = Min((int64) SPI_processed, h->count);

	build_object(&b);
	build_string(&b, "resourceType", "Bundle");
	build_string(&b, "type", "history");
	if (h->total >= 0)
		build_integer(&b, "total", h->total);
	build_key(&b, "link");
	build_array(&b);
	build_link(&b, h, "self", h->cursor ? cursor_text(h->c_updated, h->c_rid, h->total) : NULL);
	if (n > 0 && SPI_processed > n) {
		HeapTuple last = SPI_tuptable->vals[n - 1];
		bool isnull;

		build_link(&b, h, "next",
				   cursor_text(DatumGetTimestampTz(row_value(last, 4, &isnull)), DatumGetInt64(row_value(last, 7, &isnull)),
							   h->total));
	}
	build_end_array(&b);
	if (n > 0) {
		build_key(&b, "entry");
		build_array(&b);
		for (int i = 0; i < n; i++)
			build_entry(&b, h, SPI_tuptable->vals[i]);
		build_end_array(&b);
	}
	build_end_object(&b);
	return build_done(&b);
}

Jsonb *
interaction_history(const Caller *caller, const ModelType *type, const char *id, const char *query, bool lenient)
{
	History h = {.caller = caller, .type = type, .id = id, .total = -1};
	StoreResult r;
	MemoryContext outer = CurrentMemoryContext;
	const char *schema = store_schema();
	Jsonb *bundle;
	bool isnull;

	parse_query(&h, query, lenient);
	if (id) {
		interaction_require_id(id);
		if (!interaction_read(caller, type, id, &r))
			interaction_raise_unknown(type, id);
		h.rid = r.rid;
	}
	SPI_connect();
	/* the versions of a type or of all are as many as the store is large: they are counted when asked for */
	if (!h.cursor && (id || h.count_all || h.count == 0)) {
		run(&h, total_sql(&h, schema));
		h.total = DatumGetInt64(row_value(SPI_tuptable->vals[0], 1, &isnull));
	}
	run(&h, page_sql(&h, schema));
	if (!h.cursor && h.total < 0 && SPI_processed <= h.count)
		h.total = SPI_processed;
	bundle = build_bundle(&h);
	MemoryContextSwitchTo(outer);
	bundle = memcpy(palloc(VARSIZE(bundle)), bundle, VARSIZE(bundle));
	SPI_finish();
	return bundle;
}
