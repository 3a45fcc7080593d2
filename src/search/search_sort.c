/*
 * search_sort.c: _sort: which values order the matches, and the SQL that computes them.
 *
 * Dates, numbers and quantities sort by the start of their interval: ascending by the lowest, descending by
 * the highest of a resource's values. Strings sort by the first 100 characters of their folded text (what the
 * index holds), all else by the text in the document. Missing values come last in both directions; ties are
 * broken by type and id.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/error.h"
#include "keys/keys_internal.h"
#include "search/search_internal.h"
#include "store/store.h"

bool
search_single_valued(const KeySource *source)
{
	if (source->path == NULL)
		return false;
	for (int i = 0; i < source->path->nsteps; i++)
		for (int k = 0; k < source->path->steps[i].n; k++)
			if (source->path->steps[i].members[k].property->is_array)
				return false;
	return true;
}

static void
sort_keys(SearchSort *sort, const KeyParam *p)
{
	uint64 text_keys[32];
	int max = sort->nkeys; /* of the types before */

	for (int i = 0; i < p->nlegs; i++) {
		const KeySource *source = p->legs[i].source;
		uint64 *parts = text_keys;
		int n = 1;

		if (p->type == PARAM_STRING)
			n = keys_string_parts(source, parts, lengthof(text_keys));
		else if (p->type == PARAM_QUANTITY) {
			/* by the number alone, whatever the unit */
			KeyUnit *units;
			int nunits = search_units(source, NULL, &units);

			parts = palloc((nunits + 1) * sizeof(uint64));
			parts[0] = keys_ordered(source);
			for (int k = 0; k < nunits; k++)
				parts[n++] = units[k].hash;
		} else
			parts[0] = keys_ordered(source);
		max += n;
		sort->keys = sort->keys ? repalloc(sort->keys, max * sizeof(uint64)) : palloc(max * sizeof(uint64));
		for (int k = 0; k < n; k++)
			sort->keys[sort->nkeys++] = parts[k];
	}
}

static void
resolve_one(SearchRequest *req, const char *code, bool descending)
{
	SearchSort sort = {SORT_DOC};

	sort.descending = descending;
	sort.code = pstrdup(code);
	if (strcmp(code, "_id") == 0)
		sort.kind = SORT_ID;
	else if (strcmp(code, "_lastUpdated") == 0)
		sort.kind = SORT_UPDATED;
	else if (strcmp(code, "_score") == 0)
		return; /* every match fits the criteria equally well */
	else {
		for (int i = 0; i < req->ntypes; i++) {
			const KeyParam *p = search_param(req->types[i], code, strlen(code));

			if (!p)
				search_unknown_param(req->types[i], code);
			if (p->type == PARAM_COMPOSITE || p->type == PARAM_SPECIAL)
				search_bad_value("_sort", code, "composite and special parameters have no order", NULL);
			if (p->type == PARAM_DATE || p->type == PARAM_NUMBER || p->type == PARAM_QUANTITY)
				sort.kind = SORT_ORDERED;
			else if (p->type == PARAM_STRING)
				sort.kind = SORT_STRING;
			if (sort.kind != SORT_DOC)
				sort_keys(&sort, p);
			sort.param = p;
		}
	}
	req->sorts = req->sorts ? repalloc(req->sorts, (req->nsorts + 1) * sizeof(sort)) : palloc(sizeof(sort));
	req->sorts[req->nsorts++] = sort;
}

void
search_resolve_sort(SearchRequest *req, const char *value)
{
	char **parts;
	int n = search_split(value, ',', &parts);

	if (n > 8)
		search_bad_value("_sort", value, "more than 8 sort keys", NULL);
	for (int i = 0; i < n; i++) {
		bool descending = *parts[i] == '-';
		const char *code = parts[i] + (descending ? 1 : 0);

		if (*code == '\0')
			search_bad_value("_sort", value, "a sort key is empty", "For example _sort=-date,status.");
		if (strchr(code, '.') || strchr(code, ':'))
			search_bad_value("_sort", value, "sorting by chains or modifiers is not supported", NULL);
		resolve_one(req, code, descending);
	}
}

Oid
search_sort_type(const SearchSort *sort)
{
	switch (sort->kind) {
		case SORT_UPDATED:
			return TIMESTAMPTZOID;
		case SORT_ORDERED:
			return INT8OID;
		default:
			return TEXTOID;
	}
}

void
sql_sort_expression(SqlText *s, const SearchSort *sort, const char *alias)
{
	switch (sort->kind) {
		case SORT_ID:
			appendStringInfo(&s->sql, "%s.id", alias);
			break;
		case SORT_UPDATED:
			appendStringInfo(&s->sql, "%s.last_updated", alias);
			break;
		case SORT_ORDERED:
			appendStringInfo(&s->sql, "%s.fhir_ordered_value(%s.ord, ", search_ext_schema(), alias);
			sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *)sort->keys, sort->nkeys));
			appendStringInfo(&s->sql, ", %s)", sort->descending ? "true" : "false");
			break;
		case SORT_STRING:
			appendStringInfo(
			    &s->sql,
			    "(SELECT pg_catalog.%s(pg_catalog.\"left\"(t.value, 100)) FROM %s.string t WHERE t.rid" OP(
			        "=") "%s.rid AND t.key" OP("=") "ANY (",
			    sort->descending ? "max" : "min", store_schema(), alias);
			sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *)sort->keys, sort->nkeys));
			appendStringInfoString(&s->sql, "))");
			break;
		case SORT_DOC:
			appendStringInfo(&s->sql,
			                 "%s.fhir_sort_text((SELECT d.doc FROM %s.version d WHERE d.rid" OP(
			                     "=") "%s.rid AND d.version" OP("=") "%s.version), ",
			                 search_ext_schema(), store_schema(), alias, alias);
			sql_param(s, TEXTOID, CStringGetTextDatum(sort->code));
			appendStringInfo(&s->sql, ", %s) COLLATE pg_catalog.\"C\"", sort->descending ? "true" : "false");
			break;
	}
}
