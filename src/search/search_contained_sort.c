/*
 * search_contained_sort.c: pages with _contained whose order is by values of what is contained.
 *
 * No index stands in that order: a container's keys are of all that it contains together. So every match is read, its values
 * are taken from its own keys, and all are sorted here. A container is sorted by the best of its matches: the least value
 * ascending, the greatest descending; itself among them, if it is a match (_contained=both). A contained resource is
 * sorted by its own. Missing values come last both ways; then type, id and position decide, which never change.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "search/search_internal.h"
#include "store/store.h"

#define SORTED_CHARACTERS 100 /* of a string, as search_sort.c has it */

typedef struct Entry {
	SearchRow row;
	const char *id; /* of the container */
	int part;		/* 0: the container, else the position of the contained resource, from 1; -1: all of them as one */
} Entry;

typedef struct Sorting {
	SearchRequest *req;
	SearchRow *containers;
	bool *own; /* is the container a match itself? */
	int ncontainers;
	Entry *list;
	int n, max;
} Sorting;

bool
search_contained_sorted(const SearchRequest *req)
{
	for (int i = 0; i < req->nsorts; i++)
		if (req->sorts[i].kind != SORT_ID && req->sorts[i].kind != SORT_UPDATED)
			return req->contained != CONTAINED_FALSE;
	return false;
}

void
search_contained_check_sorts(const SearchRequest *req)
{
	for (int i = 0; i < req->nsorts; i++)
		if (req->sorts[i].kind == SORT_CHAIN)
			search_bad_value("_sort", req->sorts[i].code, "contained resources are not sorted by chains",
							 "With _contained, sort by parameters of the resources themselves.");
}

/* ---- values ---- */

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
text_value(const SearchSort *sort, const ModelType *type, JsonbContainer *doc, Datum *out)
{
	const KeyParam *p = search_param(type, sort->code, strlen(sort->code));
	char *best = NULL;

	for (int i = 0; p && i < p->nlegs; i++)
		search_texts(&p->legs[i], doc, sort->descending, &best);
	if (best)
		*out = CStringGetTextDatum(best);
	return best != NULL;
}

/* False: there is none. */
static bool
sort_value(const SearchSort *sort, const SearchRow *container, const ModelType *type, JsonbContainer *doc, const KeySet *keys,
		   Datum *out)
{
	switch (sort->kind) {
		case SORT_ID:
			*out = CStringGetTextDatum(container->id);
			return true;
		case SORT_UPDATED:
			*out = TimestampTzGetDatum(container->last_updated);
			return true;
		case SORT_ORDERED:
			return ordered_value(sort, keys, out);
		case SORT_STRING:
			return string_value(sort, keys, out);
		case SORT_DOC:
			return text_value(sort, type, doc, out);
		case SORT_SCORE:
			*out = Int64GetDatum(search_score(doc, sort->texts, sort->ntexts));
			return true;
		case SORT_CHAIN:
			break;
	}
	elog(ERROR, "contained resources are not sorted by \"%s\"", sort->code);
}

/* ---- order ---- */

/* By bytes, as COLLATE "C". */
static int
compare_texts(const text *a, const text *b)
{
	int alen = VARSIZE_ANY_EXHDR(a), blen = VARSIZE_ANY_EXHDR(b);
	int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));

	return order ? order : alen - blen;
}

static int
compare_values(const SearchSort *sort, Datum a, bool a_null, Datum b, bool b_null)
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

static int
compare_entries(const void *a, const void *b, void *arg)
{
	const SearchRequest *req = arg;
	const Entry *x = a, *y = b;
	int order = 0;

	for (int i = 0; i < req->nsorts && order == 0; i++)
		order = compare_values(&req->sorts[i], x->row.sort[i], x->row.sort_null[i], y->row.sort[i], y->row.sort_null[i]);
	order = order ? order : strcmp(x->row.type, y->row.type);
	order = order ? order : strcmp(x->id, y->id);
	return order ? order : x->part - y->part;
}

/* ---- matches ---- */

static Entry *
new_entry(Sorting *x, const SearchRow *container, int part)
{
	Entry *e;

	if (x->n == x->max) {
		x->max = x->max ? x->max * 2 : 64;
		x->list = x->list ? repalloc_huge(x->list, x->max * sizeof(Entry)) : palloc(x->max * sizeof(Entry));
	}
	e = &x->list[x->n++];
	*e = (Entry){*container, container->id, part};
	e->row.sort = palloc((x->req->nsorts + 1) * sizeof(Datum));
	e->row.sort_null = palloc((x->req->nsorts + 1) * sizeof(bool));
	for (int i = 0; i < x->req->nsorts; i++)
		e->row.sort_null[i] = true;
	return e;
}

/* The values of one match join those of the entry, where they are better. scratch: of what is read on the way. */
static void
join_values(const SearchRequest *req, Entry *e, const SearchRow *container, JsonbContainer *doc, MemoryContext scratch)
{
	MemoryContext old = MemoryContextSwitchTo(scratch);
	char *name = fhir_json_get_string(doc, "resourceType");
	const ModelType *type = name ? model_resource(name, strlen(name)) : NULL;
	KeySet keys;

	CHECK_FOR_INTERRUPTS();
	if (type != NULL)
		keys_extract(type, doc, &keys);
	for (int i = 0; type && i < req->nsorts; i++) {
		const SearchSort *sort = &req->sorts[i];
		Datum value = 0;

		if (!sort_value(sort, container, type, doc, &keys, &value) ||
			compare_values(sort, value, false, e->row.sort[i], e->row.sort_null[i]) >= 0)
			continue;
		MemoryContextSwitchTo(old);
		e->row.sort[i] = search_sort_type(sort) == TEXTOID ? PointerGetDatum(DatumGetTextPCopy(value)) : value;
		MemoryContextSwitchTo(scratch);
		e->row.sort_null[i] = false;
	}
	MemoryContextSwitchTo(old);
}

static void
add_container(int i, Jsonb *doc, void *arg)
{
	Sorting *x = arg;
	const SearchRow *container = &x->containers[i];
	bool alone = x->req->contained_alone, own = x->own[i];
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "fhir contained", ALLOCSET_DEFAULT_SIZES), old;
	Entry *e = alone ? NULL : new_entry(x, container, -1);
	JsonbContainer *array;
	int *which, n;

	old = MemoryContextSwitchTo(scratch);
	n = search_contained_which(x->req->program, &doc->root, &array, &which);
	MemoryContextSwitchTo(old);
	if (own)
		join_values(x->req, alone ? new_entry(x, container, 0) : e, container, &doc->root, scratch);
	for (int k = 0; k < n; k++) {
		JsonbValue *v = getIthJsonbValueFromContainer(array, which[k]);

		join_values(x->req, alone ? new_entry(x, container, which[k] + 1) : e, container, v->val.binary.data, scratch);
	}
	MemoryContextDelete(scratch);
}

static void
find_containers(Sorting *x)
{
	SearchRequest *req = x->req;
	SqlText s;
	bool null;

	search_sets_finish(req);
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place, ");
	if (req->contained == CONTAINED_BOTH)
		sql_crit(&s, "r", search_contained_own(req));
	else
		appendStringInfoString(&s.sql, "false");
	sql_from_where(&s, "r", LEG_MATCH, req->types, req->all_types ? 0 : req->ntypes, req->where, req->nwhere);
	search_run(req, &s, "page: all that match, sorted by values of what they contain");
	x->ncontainers = SPI_processed;
	x->containers = palloc0((x->ncontainers + 1) * sizeof(SearchRow));
	x->own = palloc0((x->ncontainers + 1) * sizeof(bool));
	for (int i = 0; i < x->ncontainers; i++) {
		search_take_row(&x->containers[i], "match", i);
		x->own[i] = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 7, &null)) && !null;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* ---- the page ---- */

static void
take_part(int i, Jsonb *doc, void *arg)
{
	Entry *e = &((Entry *) arg)[i];
	JsonbContainer *array;
	JsonbValue v, *resource;
	char *id;

	e->row.cursor_id = psprintf("%s#%d", e->id, e->part);
	if (e->part == 0 || !fhir_json_get_lit(&doc->root, "contained", &v))
		return;
	array = v.val.binary.data;
	resource = getIthJsonbValueFromContainer(array, e->part - 1);
	id = fhir_json_get_string(resource->val.binary.data, "id");
	e->row.doc = JsonbValueToJsonb(resource);
	e->row.id = psprintf("%s#%s", e->id, id ? id : "");
	e->row.contained = true;
}

/* The first entry that comes after the cursor, or (backward) that does not come before it. */
static int
cursor_position(const Sorting *x, const SearchCursor *cur)
{
	Entry place = {.id = cur->id, .part = x->req->contained_alone ? cur->part : -1};
	int i = 0;

	place.row.type = cur->type;
	place.row.sort = cur->values;
	place.row.sort_null = cur->nulls;
	while (i < x->n && compare_entries(&x->list[i], &place, x->req) < (cur->backward ? 0 : 1))
		i++;
	return i;
}

void
search_contained_sorted_page(SearchRequest *req, SearchPage *out)
{
	SearchCursor cur;
	bool after = search_cursor_read(req, &cur);
	Sorting x = {req};
	int at, end;
	SearchRow *containers;

	memset(out, 0, sizeof(*out));
	find_containers(&x);
	search_documents(req, x.containers, x.ncontainers, add_container, &x);
	req->known_total = x.n;
	qsort_arg(x.list, x.n, sizeof(Entry), compare_entries, req);
	at = after ? cursor_position(&x, &cur) : 0;
	end = cur.backward ? at : at + Min(req->count, x.n - at);
	at = cur.backward ? Max(0, end - req->count) : at;
	out->nrows = end - at;
	out->has_next = cur.backward || end < x.n;
	out->has_previous = cur.backward ? at > 0 : after;
	out->whole = !after && end == x.n;
	containers = palloc((out->nrows + 1) * sizeof(SearchRow));
	for (int i = 0; i < out->nrows; i++)
		containers[i] = x.list[at + i].row;
	if (req->contained_alone)
		search_documents(req, containers, out->nrows, take_part, &x.list[at]);
	for (int i = 0; i < out->nrows; i++)
		containers[i] = x.list[at + i].row;
	out->rows = containers;
}
