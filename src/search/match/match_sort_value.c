/*
 * match_sort_value.c: the value that a document sorts by, read from the document itself.
 *
 * So are sorted contained resources, which have no row of their own, and what contains them. A chain leads from a contained
 * resource to a resource of the store, or by "#id" to another one in the same container, or by "#" to the container; from a
 * resource of the store, by "#id" into it. Values of resources of the store are looked up by their identity, with the
 * expressions of query_sort.c.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"

#define SORTED_CHARACTERS 100 /* of a string, as query_sort.c has it */

/* ---- order ---- */

/* By bytes, as COLLATE "C". */
static int
compare_texts(const text *a, const text *b)
{
	int alen = VARSIZE_ANY_EXHDR(a), blen = VARSIZE_ANY_EXHDR(b);
	int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));

	return order ? order : alen - blen;
}

int
search_sort_compare(const SearchSort *sort, Datum a, bool a_null, Datum b, bool b_null)
{
	int order;

	if (a_null || b_null)
		return (int) a_null - (int) b_null;
	if (search_sort_type(sort) == TEXTOID)
		order = compare_texts(DatumGetTextPP(a), DatumGetTextPP(b));
	else
		order = DatumGetInt64(a) < DatumGetInt64(b) ? -1 : DatumGetInt64(a) > DatumGetInt64(b);
	return sort->descending ? -order : order;
}

/* ---- values of the document itself ---- */

static const KeySet *
keys_of(SortSubject *x)
{
	if (x->keys == NULL) {
		x->keys = palloc(sizeof(KeySet));
		keys_extract(store_key_context(), x->type, x->doc, x->keys);
	}
	return x->keys;
}

static bool
has_key(const SearchSort *sort, uint64 key)
{
	for (int i = 0; i < sort->nkeys; i++)
		if (sort->keys[i] == key)
			return true;
	return false;
}

static bool
ordered_value(const SearchSort *sort, const KeySet *keys, Datum *out)
{
	bool found = false;
	int64 best = 0;

	for (int i = 0; i < keys->nordered; i++) {
		int64 lo = keys->ordered[i].lo;

		if (!has_key(sort, keys->ordered[i].key) || (found && (sort->descending ? lo <= best : lo >= best)))
			continue;
		best = lo;
		found = true;
	}
	*out = Int64GetDatum(best);
	return found;
}

static bool
string_value(const SearchSort *sort, const KeySet *keys, Datum *out)
{
	const char *best = NULL;

	for (int i = 0; i < keys->nstrings; i++) {
		const StringKey *k = &keys->strings[i];
		char *text;
		int order;

		if (!has_key(sort, k->key))
			continue;
		text = pnstrdup(k->value, pg_mbcharcliplen(k->value, k->len, SORTED_CHARACTERS));
		order = best ? strcmp(text, best) : 0;
		if (best == NULL || (sort->descending ? order > 0 : order < 0))
			best = text;
	}
	if (best)
		*out = CStringGetTextDatum(best);
	return best != NULL;
}

static bool
text_value(const SearchSort *sort, const SortSubject *x, Datum *out)
{
	const KeyParam *p = search_param(x->type, sort->code, strlen(sort->code));
	char *best = NULL;

	for (int i = 0; p && i < p->nlegs; i++)
		search_texts(&p->legs[i], x->doc, sort->descending, &best);
	if (best)
		*out = CStringGetTextDatum(best);
	return best != NULL;
}

/* ---- chains ---- */

/* What a document refers to at one place. */
typedef struct Referred {
	Datum *ids; /* of resources of the store: text */
	int nids, max;
	List *inside; /* of char *: of contained resources, "" is their container */
} Referred;

static void
add_stored(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	Referred *r = arg;

	if (r->nids == r->max) {
		r->max = r->max ? r->max * 2 : 8;
		r->ids = r->ids ? repalloc(r->ids, r->max * sizeof(Datum)) : palloc(r->max * sizeof(Datum));
	}
	r->ids[r->nids++] = PointerGetDatum(cstring_to_text_with_len(id, ilen));
}

static void
add_inside(const char *ref, int len, void *arg)
{
	Referred *r = arg;

	if (len > 0 && *ref == '#')
		r->inside = lappend(r->inside, pnstrdup(ref + 1, len - 1));
}

static void
read_references(SearchRequest *req, const KeyParam *p, const ModelType *target, JsonbContainer *doc, Referred *out)
{
	ModelTypeId targets[2] = {target->id, MODEL_NONE};
	CanonicalRefs canonicals = {0};
	SearchRow *rows;
	int n;

	for (int i = 0; i < p->nlegs; i++) {
		const KeyLeg *leg = &p->legs[i];

		if (!search_target_allowed(leg->targets, target))
			continue;
		search_references(leg->source, targets, doc, add_stored, out);
		search_plain_references(leg->source, doc, add_inside, out);
		if (search_canonical_link(leg->source, target))
			search_canonicals_of(leg->source, targets, doc, &canonicals);
	}
	n = search_canonical_rows(req, LEG_SORT, &canonicals, &rows);
	for (int i = 0; i < n; i++)
		add_stored(rows[i].type, strlen(rows[i].type), rows[i].id, strlen(rows[i].id), 0, out);
}

/* The least or greatest value of resources of the store; false: none has one. */
static bool
stored_value(SearchRequest *req, const SearchSort *end, const ModelType *target, const Referred *r, Datum *out)
{
	bool null, explaining = req->explaining;
	SqlText s;

	if (r->nids == 0)
		return false;
	sql_init(&s);
	s.generic = true;
	appendStringInfo(&s.sql, "SELECT pg_catalog.%s(x.v) FROM (SELECT ", end->descending ? "max" : "min");
	sql_sort_expression(&s, end, "r");
	appendStringInfo(&s.sql, " AS v FROM %s.resource r WHERE r.type" OP("="), store_schema());
	sql_param(&s, TEXTOID, CStringGetTextDatum(target->name));
	appendStringInfoString(&s.sql, " AND r.id" OP("=") "ANY (");
	sql_param(&s, TEXTARRAYOID, PointerGetDatum(construct_array(r->ids, r->nids, TEXTOID, -1, false, TYPALIGN_INT)));
	appendStringInfoString(&s.sql, ") AND NOT r.deleted");
	search_restrict(&s, "r", LEG_SORT);
	appendStringInfoString(&s.sql, " OFFSET 0) x");
	/* fhir_explain shows the first of them all */
	req->explaining = explaining && !req->sort_explained;
	req->sort_explained = true;
	search_run(req, &s, "order: values of what a document refers to, by identity");
	req->explaining = explaining;
	*out = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	if (!null && search_sort_type(end) == TEXTOID)
		*out = PointerGetDatum(DatumGetTextPCopy(*out));
	SPI_freetuptable(SPI_tuptable);
	return !null;
}

/* The contained resource with that id as x's document refers to it; false: there is none of the type. */
static bool
find_inside(SortSubject *x, const char *id, const ModelType *target, SortSubject *out)
{
	SortSubject *around = x->around ? x->around : x;
	JsonbValue v;

	if (*id == '\0') {
		if (x->around == NULL || around->type != target)
			return false;
		*out = *around;
		return true;
	}
	if (!fhir_json_get_lit(around->doc, "contained", &v) || v.type != jbvBinary || !JsonContainerIsArray(v.val.binary.data))
		return false;
	for (uint32 i = 0; i < JsonContainerSize(v.val.binary.data); i++) {
		JsonbValue *e = getIthJsonbValueFromContainer(v.val.binary.data, i);
		char *name, *own;

		if (e->type != jbvBinary || !JsonContainerIsObject(e->val.binary.data))
			continue;
		name = fhir_json_get_string(e->val.binary.data, "resourceType");
		own = fhir_json_get_string(e->val.binary.data, "id");
		if (!name || !own || strcmp(own, id) != 0 || strcmp(name, target->name) != 0)
			continue;
		*out = (SortSubject){target, e->val.binary.data, own, 0, false, around};
		return true;
	}
	return false;
}

static void
offer(const SearchSort *end, Datum value, bool *found, Datum *best)
{
	if (!*found || search_sort_compare(end, value, false, *best, false) < 0)
		*best = value;
	*found = true;
}

static bool
chain_value(SearchRequest *req, const SearchSort *sort, SortSubject *x, Datum *out)
{
	SearchName name = search_split_name(sort->code);
	const KeyParam *p = search_param(x->type, name.code, strlen(name.code));
	bool found = false;

	for (int i = 0; p && i < sort->nends; i++) {
		const SearchSort *end = &sort->ends[i];
		Referred r = {0};
		ListCell *c;
		Datum value;

		read_references(req, p, sort->targets[i], x->doc, &r);
		if (stored_value(req, end, sort->targets[i], &r, &value))
			offer(end, value, &found, out);
		foreach(c, r.inside) {
			SortSubject other;

			if (find_inside(x, lfirst(c), sort->targets[i], &other) && search_sort_value(req, end, &other, &value))
				offer(end, value, &found, out);
		}
	}
	return found;
}

bool
search_sort_value(SearchRequest *req, const SearchSort *sort, SortSubject *x, Datum *out)
{
	check_stack_depth();
	switch (sort->kind) {
		case SORT_ID:
			if (x->id)
				*out = CStringGetTextDatum(x->id);
			return x->id != NULL;
		case SORT_UPDATED:
			*out = TimestampTzGetDatum(x->updated);
			return x->has_updated;
		case SORT_ORDERED:
			return ordered_value(sort, keys_of(x), out);
		case SORT_STRING:
			return string_value(sort, keys_of(x), out);
		case SORT_DOC:
			return text_value(sort, x, out);
		case SORT_SCORE:
			*out = Int64GetDatum(search_score(x->doc, sort->texts, sort->ntexts));
			return true;
		case SORT_CHAIN:
			return chain_value(req, sort, x, out);
	}
	return false;
}
