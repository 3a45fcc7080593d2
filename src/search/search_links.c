/*
 * search_links.c: criteria on what a resource refers to, on what refers to it, and on Lists that hold it: chains, _has, _list.
 *
 * When few are at the other end these are found first; what is left of the criterion then is a list of hashes or
 * of rows. When many are, and a page is wanted, the criterion stays, and each row that the page's walk meets is asked: a
 * chain what its document refers to (sql_chain), _has by the index of hashes (sql_has). So a page through a million
 * resources costs what its own rows cost. If the walk finds too few, all are listed after all.
 */
#include "base/compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/json.h"
#include "search/search_internal.h"
#include "store/store.h"
#include "store/store_pack.h"

/* Matches that a page looks for. */
static double
page_limit(const SearchRequest *req)
{
	return Min(Max(req->count, 0) + 1.0, 1001);
}

/* ---- chain ---- */

/* A chain has one criterion for each type at the other end; its links stand together. */
static bool
first_of_type(const Crit *c, int i)
{
	return i == 0 || c->links[i - 1].arg != c->links[i].arg;
}

/*
 * Can rows be asked what they refer to? Not by canonical url; and what stands in a Bundle itself is no reference.
 */
static bool
can_ask(const SetRun *run, const Crit *c)
{
	for (int i = 0; i < c->nlinks; i++)
		if (search_canonical_link(c->links[i].source, c->links[i].type) ||
			c->links[i].source->type->id == MODEL_T_Bundle)
			return false;
	return run->ntypes == 1;
}

/*
 * How many at the other end are listed. To list one and then look for those that refer to it costs some 10 us, to ask a row some 15; of
 * few / type_rows of the rows the answer is yes.
 */
static double
few_targets(const SetRun *run, const Crit *c, double type_rows)
{
	double few;

	if (run->all || !can_ask(run, c))
		return PG_INT32_MAX - 1;
	few = Min(sqrt(1.5 * page_limit(run->req) * type_rows), SEARCH_MANY_TARGETS);
	return Max(SEARCH_FEW_TARGETS, Min(few, run->least));
}

/* Adds the hashes of references to all that satisfy links[i].arg; false if these are more than few. */
static bool
list_targets(SearchRequest *req, const Crit *c, int i, double few, Crit *keys)
{
	const ModelType *type = c->links[i].type;
	uint64 n;
	SqlText s;

	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.id");
	sql_from_where(&s, "r", LEG_CHAIN, &type, 1, (Crit **) &c->links[i].arg, 1);
	appendStringInfoString(&s.sql, " LIMIT ");
	sql_param(&s, INT8OID, Int64GetDatum((int64) few + 1));
	search_run(req, &s, psprintf("chain: the %s at the other end", type->name));
	n = SPI_processed;
	for (uint64 row = 0; row < n && n <= few; row++) {
		bool null;
		text *id = DatumGetTextPP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null));
		uint64 identity =
			keys_identity(type->name, strlen(type->name), VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));

		for (int k = i; k < c->nlinks && c->links[k].arg == c->links[i].arg; k++)
			crit_add_key(keys, identity ^ keys_reference_salt(c->links[k].source));
	}
	SPI_freetuptable(SPI_tuptable);
	for (int k = i; n <= few && k < c->nlinks && c->links[k].arg == c->links[i].arg; k++)
		search_canonical_chain(req, &c->links[k], keys);
	return n <= few;
}

/*
 * The chain is left to be asked row by row; about so much of what is referred to satisfies it. Only rows that refer to anything there
 * are asked: where few do, an index finds them.
 */
static void
stay(const SetRun *run, Crit *c, double part)
{
	Crit *chain = crit_new(CRIT_CHAIN), *refers = NULL;
	const char *label = c->label;

	for (int i = 0; i < c->nlinks; i++) {
		int k = 0;

		while (c->links[k].leg != c->links[i].leg)
			k++;
		if (k == i)
			refers = crit_join(CRIT_OR, refers, search_present(c->links[i].leg));
	}
	*chain = *c;
	chain->asked = true;
	chain->matches = Max(1, Min(1, part) * search_crit_rows(refers, run->type_rows));
	*c = *crit_join(CRIT_AND, refers, chain);
	c->label = label;
}

/* c as it is now, or what leads to contained resources. */
static void
or_contained(Crit *c, Crit *contained)
{
	Crit *by_identity = palloc(sizeof(Crit));
	const char *label = c->label;

	if (contained == NULL)
		return;
	*by_identity = *c;
	*c = *crit_join(CRIT_OR, by_identity, contained);
	c->label = label;
}

void
search_run_chain(SetRun *run, Crit *c, bool inside)
{
	SearchRequest *req = run->req;
	/* asked: that has been seen to when the chain was left */
	Crit *keys = crit_new(CRIT_KEYS),
		 *contained = c->asked ? NULL : search_contained_chain(req, c->links, c->nlinks, inside);
	double targets = 0, all_targets = 1; /* that satisfy the criterion; all: estimated */
	bool many = false;

	for (int i = 0; i < c->nlinks; i++)
		if (first_of_type(c, i)) {
			const ModelType *type = c->links[i].type;
			Crit *arg = c->links[i].arg;
			double type_rows = search_type_rows(&type, 1), few = few_targets(run, c, type_rows), n;

			search_sets(req, &type, 1, &arg, 1, few >= PG_INT32_MAX - 1);
			if (arg->kind == CRIT_FALSE)
				continue;
			n = search_crit_rows(arg, type_rows);
			targets += n;
			all_targets += type_rows;
			/* without an index, to list few costs as much as to list all */
			many = many || n > 4 * few || (few < PG_INT32_MAX - 1 && !search_indexed(arg));
		}
	for (int i = 0; i < c->nlinks && !many; i++)
		if (first_of_type(c, i) && c->links[i].arg->kind != CRIT_FALSE) {
			const ModelType *type = c->links[i].type;

			many = !list_targets(req, c, i, few_targets(run, c, search_type_rows(&type, 1)), keys);
		}
	if (many) {
		stay(run, c, targets / all_targets);
		or_contained(c, contained);
		return;
	}
	c->kind = keys->nkeys ? CRIT_KEYS : CRIT_FALSE;
	c->keys = keys->keys;
	c->nkeys = keys->nkeys;
	c->matches = -1;
	or_contained(c, contained);
}

/* The resource that u.ref names is one of the type, and satisfies the type's criterion. */
static void
sql_target(SqlText *s, const CritLink *l)
{
	char inner[16];

	snprintf(inner, sizeof(inner), "c%d", ++s->naliases);
	appendStringInfoString(&s->sql, "pg_catalog.starts_with(u.ref, ");
	sql_param(s, TEXTOID, CStringGetTextDatum(psprintf("%s/", l->type->name)));
	/* OFFSET 0: by its identity, whatever the planner thinks of the criteria */
	appendStringInfo(&s->sql, ") AND EXISTS (SELECT 1 FROM (SELECT * FROM %s.resource %s WHERE %s.type" OP("="),
					 store_schema(), inner, inner);
	sql_param(s, TEXTOID, CStringGetTextDatum(l->type->name));
	appendStringInfo(&s->sql, " AND %s.id" OP("=") "pg_catalog.substr(u.ref, ", inner);
	sql_param(s, INT4OID, Int32GetDatum((int32) strlen(l->type->name) + 2));
	appendStringInfo(&s->sql, ") AND NOT %s.deleted OFFSET 0) %s WHERE true", inner, inner);
	search_restrict(s, inner, LEG_CHAIN);
	sql_where(s, inner, (Crit **) &l->arg, 1);
	appendStringInfoChar(&s->sql, ')');
}

/* Refers to a resource that satisfies the criterion of its type: the document is read once for all types. */
void
sql_chain(SqlText *s, const char *alias, const Crit *c)
{
	bool any = false;

	appendStringInfo(&s->sql,
					 "EXISTS (SELECT 1 FROM pg_catalog.unnest(%s.fhir_search_references((SELECT d.doc FROM %s.version d "
					 "WHERE d.rid" OP("=") "%s.rid AND d.version" OP("=") "%s.version), ",
					 search_ext_schema(), store_schema(), alias, alias);
	sql_param(s, TEXTOID, CStringGetTextDatum(c->links[0].code));
	appendStringInfoString(&s->sql, ")) u(ref) WHERE ");
	for (int i = 0; i < c->nlinks; i++)
		if (first_of_type(c, i) && c->links[i].arg->kind != CRIT_FALSE) {
			appendStringInfoString(&s->sql, any ? " OR " : "");
			sql_target(s, &c->links[i]);
			any = true;
		}
	appendStringInfoString(&s->sql, any ? ")" : "false)");
}

static void
put_reference(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	List **refs = arg;

	*refs = lappend(*refs, psprintf("%.*s/%.*s", tlen, type, ilen, id));
}

/* What a reference parameter of the document leads to, as Type/id. */
PG_FUNCTION_INFO_V1(fhir_search_references);
Datum
fhir_search_references(PG_FUNCTION_ARGS)
{
	Jsonb *doc = store_unpack(PG_GETARG_DATUM(0));
	char *code = text_to_cstring(PG_GETARG_TEXT_PP(1)),
		 *name = fhir_json_get_string(&doc->root, "resourceType");
	const ModelType *type = name ? model_resource(name, strlen(name)) : NULL;
	const KeyParam *p = type ? search_param(type, code, strlen(code)) : NULL;
	List *refs = NIL;
	Datum *values;
	ListCell *cell;
	int n = 0;

	for (int i = 0; p && i < p->nlegs; i++)
		search_references(p->legs[i].source, p->legs[i].targets, &doc->root, put_reference, &refs);
	values = palloc((list_length(refs) + 1) * sizeof(Datum));
	foreach(cell, refs)
		values[n++] = CStringGetTextDatum(lfirst(cell));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
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
	search_take_rows(c);
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
		(*rows)[i].place = *(ItemPointer) DatumGetPointer(
			SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* Of n that refer to the same, others stand together with them: about how many rows of the types they lead to. */
static double
together(double from_rows, double type_rows)
{
	return sqrt(Max(1, from_rows / Max(1, type_rows)));
}

/*
 * How many that refer have their documents read. That costs some 10 us each; to ask a row whether it is referred to some 20, and, in a
 * _has within a _has, 7 for each of those that refer to the row of the search. Of few / together / rows the answer is yes.
 */
static int
few_referring(const SetRun *run, const Crit *c)
{
	SearchRequest *req = run->req;
	double rows = Max(1, req->walked_rows), each = 2 + 0.7 * Max(1, run->type_rows / rows), few;

	if (by_canonical(run, c))
		return PG_INT32_MAX - 1;
	if (run->all)
		return (int) Max(SEARCH_FEW_REFERRING, Min(SEARCH_FEW_WHEN_ALL, run->type_rows * 2));
	few = Min(sqrt(page_limit(req) * rows * each * together(search_type_rows(&c->links[0].type, 1), rows)), SEARCH_MANY_REFERRING);
	return (int) Max(SEARCH_FEW_REFERRING, Min(few, run->least * each));
}

/*
 * What is referred to, by its identities, from the narrow rows that refer: no document is read, nothing looked up. For types that are
 * soon walked through: no index finds a resource by its identity's hash. Nothing is changed if more than few refer.
 */
static void
list_referred(SetRun *run, Crit *c, Crit *arg, int few)
{
	const ModelType *from = c->links[0].type;
	Crit *found = crit_new(CRIT_REFERRED);
	int64 n;
	bool null;
	SqlText s;

	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT DISTINCT u.identity, q.n FROM (SELECT r.keys, r.refs, pg_catalog.count(*) OVER () AS n FROM (SELECT r.keys, r.refs");
	sql_from_where(&s, "r", LEG_HAS, &from, 1, &arg, 1);
	appendStringInfo(&s.sql, " LIMIT %d) r) q CROSS JOIN LATERAL pg_catalog.unnest(q.refs) u(identity) WHERE false", few + 1);
	for (int i = 0; i < c->nlinks; i++) {
		appendStringInfoString(&s.sql, " OR q.keys" OP("@>") "ARRAY[u.identity" OP("#"));
		sql_param(&s, INT8OID, Int64GetDatum((int64) keys_reference_salt(c->links[i].source)));
		appendStringInfoChar(&s.sql, ']');
	}
	search_run(run->req, &s, psprintf("_has: what the %s that refer lead to", from->name));
	n = SPI_processed ? DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null)) : 0;
	for (uint64 i = 0; i < SPI_processed && n <= few; i++)
		crit_add_key(found, (uint64) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null)));
	SPI_freetuptable(SPI_tuptable);
	if (n > few)
		return;
	c->kind = found->nkeys ? CRIT_REFERRED : CRIT_FALSE;
	c->keys = found->keys;
	c->nkeys = found->nkeys;
	c->matches = -1;
}

void
search_run_has(SetRun *run, Crit *c)
{
	SearchRequest *req = run->req;
	const ModelType *from = c->links[0].type;
	Crit *arg = c->links[0].arg; /* the same for all links */
	HasContext h = {c};
	ModelTypeId *targets;
	SearchRow *rows;
	SqlText s;
	double referring, from_rows = search_type_rows(&from, 1);
	int n, few = few_referring(run, c), read;

	search_sets(req, &from, 1, &arg, 1, run->all || few == PG_INT32_MAX - 1);
	if (arg->kind == CRIT_FALSE) {
		c->kind = CRIT_FALSE;
		return;
	}
	referring = search_crit_rows(arg, from_rows);
	c->referring = Max(few, referring);
	c->matches = Min(run->type_rows, c->referring / together(from_rows, run->type_rows));
	/* without an index, to find few costs as much as to find all */
	if (few < PG_INT32_MAX - 1 && (referring > 4.0 * few || (!run->all && !search_indexed(arg))))
		return;
	read = by_canonical(run, c) ? few : (int) Min(few, run->type_rows / SEARCH_ROWS_A_REFERRING);
	if (read < few && referring > 4.0 * read) {
		list_referred(run, c, arg, few);
		return;
	}
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version, r.place");
	sql_from_where(&s, "r", LEG_HAS, &from, 1, &arg, 1);
	appendStringInfo(&s.sql, " LIMIT %d", read + 1);
	search_run(req, &s, psprintf("_has: the %s that refer, as far as they are few", from->name));
	n = fetch_versions(&rows);
	if (n > read && read < few)
		list_referred(run, c, arg, few);
	if (n > read)
		return;
	targets = palloc((run->ntypes + 1) * sizeof(ModelTypeId));
	for (int i = 0; i < run->ntypes; i++)
		targets[i] = run->types[i]->id;
	targets[run->ntypes] = MODEL_NONE;
	h.targets = targets;
	search_documents(req, rows, n, has_document, &h);
	add_canonicals(req, &h);
	rows_of_ids(req, c, &h.ids, LEG_HAS, run->types, run->ntypes);
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

void
search_run_list(SetRun *run, Crit *c)
{
	SearchRequest *req = run->req;
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
	rows_of_ids(req, c, &found, LEG_LIST, run->types, run->ntypes);
}
