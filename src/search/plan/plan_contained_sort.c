/*
 * plan_contained_sort.c: pages with _contained whose order is by values of what is contained.
 *
 * The values of each match are read from its document (match_sort_value.c), and matches are sorted here. A container is sorted by
 * the best of its matches: the least value ascending, the greatest descending; itself among them, if it is a match
 * (_contained=both). A contained resource is sorted by its own. Missing values come last both ways; then type, id and
 * position decide, which never change.
 *
 * Which documents are read: a container has the ordered and string keys of all that it contains together. So where the first sort key
 * has such an index, whatever sorts before a value has an entry before it there: containers are read in the order of the index,
 * more and more of them, until they give a page. What comes after the last entry that was looked at may not be all of its kind
 * and is left. Matches without a value are in no index: for the last pages, which hold them, and for orders that no index has
 * (tokens, references, chains), every match is read.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

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

/* ---- order ---- */

static int
compare_entries(const void *a, const void *b, void *arg)
{
	const SearchRequest *req = arg;
	const Entry *x = a, *y = b;
	int order = 0;

	for (int i = 0; i < req->nsorts && order == 0; i++)
		order = search_sort_compare(&req->sorts[i], x->row.sort[i], x->row.sort_null[i], y->row.sort[i], y->row.sort_null[i]);
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
join_values(SearchRequest *req, Entry *e, SortSubject *around, JsonbContainer *doc, MemoryContext scratch)
{
	MemoryContext old = MemoryContextSwitchTo(scratch);
	char *name = fhir_json_get_string(doc, "resourceType");
	SortSubject own = {name ? model_resource(name, strlen(name)) : NULL, doc, around->id, around->updated, true, around};
	SortSubject *x = doc == around->doc ? around : &own;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; x->type && i < req->nsorts; i++) {
		const SearchSort *sort = &req->sorts[i];
		Datum value = 0;

		if (!search_sort_value(req, sort, x, &value) ||
			search_sort_compare(sort, value, false, e->row.sort[i], e->row.sort_null[i]) >= 0)
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
	SortSubject around = {model_resource(container->type, strlen(container->type)), &doc->root, container->id, container->last_updated, true};
	Entry *e = alone ? NULL : new_entry(x, container, -1);
	JsonbContainer *array;
	int *which, n;

	old = MemoryContextSwitchTo(scratch);
	n = search_contained_which(x->req->program, &doc->root, &array, &which);
	MemoryContextSwitchTo(old);
	if (own)
		join_values(x->req, alone ? new_entry(x, container, 0) : e, &around, &doc->root, scratch);
	for (int k = 0; k < n; k++) {
		JsonbValue *v = getIthJsonbValueFromContainer(array, which[k]);

		join_values(x->req, alone ? new_entry(x, container, which[k] + 1) : e, &around, v->val.binary.data, scratch);
	}
	MemoryContextDelete(scratch);
}

/* The containers that match, of these rows (NULL: of all), and whether each is a match itself. */
static void
find_containers(Sorting *x, Crit *rows)
{
	SearchRequest *req = x->req;
	Crit **where = palloc((req->nwhere + 1) * sizeof(Crit *));
	int nwhere = 0;
	SqlText s;
	bool null;

	if (rows)
		where[nwhere++] = rows;
	memcpy(where + nwhere, req->where, req->nwhere * sizeof(Crit *));
	nwhere += req->nwhere;
	sql_init(&s);
	s.generic = s.in_order = rows != NULL;
	appendStringInfoString(&s.sql, "SELECT r.rid, r.type, r.id, r.version, r.last_updated, r.place, ");
	if (req->contained == CONTAINED_BOTH)
		sql_crit(&s, "r", search_contained_own(req));
	else
		appendStringInfoString(&s.sql, "false");
	sql_from_where(&s, "r", LEG_MATCH, req->types, req->all_types ? 0 : req->ntypes, where, nwhere);
	search_run(req, &s, rows ? "page: those of them that match" : "page: all that match, sorted by values of what they contain");
	x->ncontainers = SPI_processed;
	x->containers = palloc0((x->ncontainers + 1) * sizeof(SearchRow));
	x->own = palloc0((x->ncontainers + 1) * sizeof(bool));
	for (int i = 0; i < x->ncontainers; i++) {
		search_take_row(&x->containers[i], "match", i);
		x->own[i] = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 7, &null)) && !null;
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
read_matches(Sorting *x, Crit *rows)
{
	x->n = 0;
	find_containers(x, rows);
	search_documents(x->req, x->containers, x->ncontainers, add_container, x);
	qsort_arg(x->list, x->n, sizeof(Entry), compare_entries, x->req);
}

/* ---- in the order of an index ---- */

#define MAX_WALKED_KEYS 32

/* The first sort key as the index of containers has it; false: none has its order. */
static bool
walked_sort(const SearchRequest *req, SearchSort *out)
{
	const SearchSort *sort = &req->sorts[0];
	bool both = req->contained == CONTAINED_BOTH;
	int n = sort->nkeys * (both ? 2 : 1);

	*out = *sort;
	/* containers have no keys of users' parameters */
	if ((sort->kind != SORT_ORDERED && sort->kind != SORT_STRING) || req->user_params || n == 0 || n > MAX_WALKED_KEYS)
		return false;
	out->keys = palloc(n * sizeof(uint64));
	for (int i = 0; i < sort->nkeys; i++) {
		out->keys[i] = keys_contained(sort->keys[i]);
		if (both)
			out->keys[sort->nkeys + i] = sort->keys[i];
	}
	out->nkeys = n;
	return true;
}

/* About how many entries of the index lead to a page, and how many may be looked at before it is cheaper to read every match; false: it is now. */
static bool
entries_needed(SearchRequest *req, int limit, double *need, double *most)
{
	Crit *marker = crit_new(CRIT_KEYS);
	double all = search_type_rows(req->types, req->ntypes), matches = all, entries;

	for (int i = 0; i < req->nwhere; i++)
		matches *= Min(1, search_crit_rows(req->where[i], all) / all);
	for (int i = 0; i < req->ninside_types; i++)
		crit_add_key(marker, keys_contained_type(req->inside_types[i]));
	entries = search_crit_rows(marker, all);
	if (req->contained == CONTAINED_BOTH)
		entries += search_type_rows(req->inside_types, req->ninside_types);
	*need = limit * Max(1, entries / Max(matches, 1));
	*most = Max(matches / 2, *need * 2 + SEARCH_FEW_LONG);
	return limit <= 100000 && matches >= SEARCH_FEW_TO_SORT && *need * SEARCH_WALKED_PART <= matches;
}

/* The rows of the next n entries, those with the value of the last all or none of them; false if there are no more. */
static bool
next_entries(SearchRequest *req, const SearchSort *sort, const SearchWalk *w, Crit *rows, Datum *last)
{
	SqlText s;
	bool more, null;

	sql_init(&s);
	s.in_order = true;
	appendStringInfoString(&s.sql, "SELECT o.rid, o.v FROM ");
	sql_values_in_order(&s, sort, 1, w);
	search_run(req, &s, "page: containers in the order of what they contain, a bounded number of them");
	more = SPI_processed >= (uint64) w->bound;
	if (more) {
		*last = SPI_getbinval(SPI_tuptable->vals[SPI_processed - 1], SPI_tuptable->tupdesc, 2, &null);
		if (search_sort_type(sort) == TEXTOID)
			*last = PointerGetDatum(DatumGetTextPCopy(*last));
	}
	search_take_rows(rows);
	return more;
}

/* Leaves those out that have no value, or one after `last` (NULL: the walk's end) in the walk: there may be others of them. */
static void
keep_certain(Sorting *x, const SearchCursor *cur, const Datum *last)
{
	const SearchSort *sort = &x->req->sorts[0];
	int n = 0;

	for (int i = 0; i < x->n; i++) {
		const SearchRow *row = &x->list[i].row;
		int order = row->sort_null[0] || last == NULL ? 0 : search_sort_compare(sort, row->sort[0], false, *last, false);

		if (!row->sort_null[0] && (cur->backward ? order >= 0 : order <= 0))
			x->list[n++] = x->list[i];
	}
	x->n = n;
}

static int cursor_position(const Sorting *x, const SearchCursor *cur);

/* Enough matches for the page; false if the index does not tell them, or not soon. */
static bool
walk_matches(Sorting *x, const SearchCursor *cur, bool after)
{
	SearchRequest *req = x->req;
	SearchSort sort;
	int limit = Min(req->count, PG_INT32_MAX - 1) + 1;
	double need, most;

	if ((after && cur->nulls[0]) || !walked_sort(req, &sort) || !entries_needed(req, limit, &need, &most))
		return false;
	for (int64 bound = (int64) Min(need * 1.5, PG_INT32_MAX) + SEARCH_FEW_LONG / 250; (double) bound <= most; bound *= 4) {
		SearchWalk w = {cur, after, (int) bound};
		Crit rows = {CRIT_ROWS};
		Datum last = 0;
		bool more = next_entries(req, &sort, &w, &rows, &last);
		int at, n;

		read_matches(x, &rows);
		keep_certain(x, cur, more ? &last : NULL);
		at = after ? cursor_position(x, cur) : 0;
		n = cur->backward ? at : x->n - at;
		/* back from a value, what has none does not come */
		if (n >= limit || (!more && cur->backward))
			return true;
		if (!more)
			return false;
	}
	return false;
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
	Entry at_cursor = {.id = cur->id, .part = x->req->contained_alone ? cur->part : -1};
	int i = 0;

	at_cursor.row.type = cur->type;
	at_cursor.row.sort = cur->values;
	at_cursor.row.sort_null = cur->nulls;
	while (i < x->n && compare_entries(&x->list[i], &at_cursor, x->req) < (cur->backward ? 0 : 1))
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
	SearchRow *rows;

	memset(out, 0, sizeof(*out));
	if (!walk_matches(&x, &cur, after)) {
		plan_subqueries_finish(req);
		if (req->explaining)
			req->explain = lappend(req->explain, "WARNING: every match is read for the order of this page");
		read_matches(&x, NULL);
		req->known_total = x.n;
	}
	at = after ? cursor_position(&x, &cur) : 0;
	end = cur.backward ? at : at + Min(req->count, x.n - at);
	at = cur.backward ? Max(0, end - req->count) : at;
	out->nrows = end - at;
	out->has_next = cur.backward || end < x.n;
	out->has_previous = cur.backward ? at > 0 : after;
	out->whole = !after && end == x.n;
	rows = palloc((out->nrows + 1) * sizeof(SearchRow));
	for (int i = 0; i < out->nrows; i++)
		rows[i] = x.list[at + i].row;
	if (req->contained_alone)
		search_documents(req, rows, out->nrows, take_part, &x.list[at]);
	for (int i = 0; i < out->nrows; i++)
		rows[i] = x.list[at + i].row;
	out->rows = rows;
}
