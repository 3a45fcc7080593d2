/*
 * query_sort.c: _sort: which values order the matches (plan_sort.c: the SQL that computes them).
 *
 * Dates, numbers and quantities sort by the start of their interval: ascending by the lowest, descending by
 * the highest of a resource's values. Strings sort by the first 100 characters of their folded text (what the
 * index holds), all else by the text in the document. Missing values come last in both directions; ties are
 * broken by type and id.
 *
 * A key may be a chain, "subject:Patient.family" (an addition of this server, as R4 names no such syntax): the
 * lowest or highest value of all that the resource refers to there.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "keys/keys_internal.h"
#include "search/query/query.h"
#include "store/rows/rows.h"
#include "search/query/query_internal.h"

uint64
search_element_position(const KeySource *source)
{
	const char *text = source->expression, *type = strstr(text, ".ofType(");
	size_t len = strlen(text);

	if (source->path == NULL)
		return 0;
	for (int i = 0; i < source->path->nsteps; i++)
		for (int k = 0; k < source->path->steps[i].n; k++)
			if (source->path->steps[i].members[k].property->is_array)
				return 0;
	/* onset.ofType(dateTime), onset.ofType(Period): only one of them is there */
	if (type && strchr(type, ')') == text + len - 1)
		len = type - text;
	return fhir_hash(text, len, 1) | 1;
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

static SearchSort sort_key(const ModelType *const *types, int ntypes, const char *name, bool descending,
						   int depth);

/* Is it the same kind of value? */
static bool
comparable(const SearchSort *a, const SearchSort *b)
{
	if (a->kind == SORT_CHAIN)
		return b->kind == SORT_CHAIN && comparable(&a->ends[0], &b->ends[0]);
	return a->kind == b->kind && (a->kind != SORT_ORDERED || a->param->type == b->param->type);
}

static void
add_end(SearchSort *sort, const ModelType *target, const char *rest, int depth)
{
	SearchSort end;

	for (int i = 0; i < sort->nends; i++)
		if (sort->targets[i] == target)
			return;
	end = sort_key(&target, 1, rest, sort->descending, depth + 1);
	if (sort->nends && !comparable(&end, &sort->ends[0]))
		search_bad_value("_sort", sort->code, "the types that it leads to have values of different kinds there",
						 psprintf("Name the type, for example %s:%s.%s.",
								  pnstrdup(sort->code, strcspn(sort->code, ":.")), target->name, rest));
	sort->ends = sort->ends ? repalloc(sort->ends, (sort->nends + 1) * sizeof(SearchSort))
							: palloc(sizeof(SearchSort));
	sort->targets = sort->targets ? repalloc(sort->targets, (sort->nends + 1) * sizeof(ModelType *))
								  : palloc(sizeof(ModelType *));
	sort->ends[sort->nends] = end;
	sort->targets[sort->nends++] = target;
}

/* subject:Patient.family on one of the searched types */
static void
add_chain(SearchSort *sort, const ModelType *t, const SearchName *name, int depth)
{
	const KeyParam *p = search_require_param(t, name->code);
	const ModelType **targets;
	int n;

	if (depth >= fhir_max_chain_depth)
		ereport(ERROR, errcode(FH400), errmsg("the chain of a sort key is too long"),
				errdetail("\"%s\" after %d steps; fhir.max_chain_depth is %d.", name->rest, depth,
						  fhir_max_chain_depth),
				errhint("Sort by something nearer, or raise the setting."),
				fhir_issue("too-costly", NULL));
	if (p->type != PARAM_REFERENCE)
		search_bad_value("_sort", sort->code, psprintf("\"%s\" of %s is no reference", p->code, t->name), NULL);
	n = search_chain_targets(p, name->modifier, &targets);
	for (int i = 0; i < n; i++) {
		if (n > 1 && (!search_reference_allows(p, targets[i]) || !search_knows(targets[i], name->rest)))
			continue;
		add_end(sort, targets[i], name->rest, depth);
	}
	if (sort->nends == 0)
		search_bad_value("_sort", sort->code,
						 psprintf("no type that \"%s\" of %s may refer to has \"%s\"", p->code, t->name,
								  pnstrdup(name->rest, strcspn(name->rest, ":."))),
						 NULL);
}

static SearchSort
sort_key(const ModelType *const *types, int ntypes, const char *name, bool descending, int depth)
{
	SearchSort sort = {SORT_DOC};
	SearchName parts = search_split_name(name);

	check_stack_depth();
	sort.descending = descending;
	sort.code = pstrdup(name);
	if (parts.rest) {
		sort.kind = SORT_CHAIN;
		for (int i = 0; i < ntypes; i++)
			add_chain(&sort, types[i], &parts, depth);
	} else if (parts.modifier)
		search_bad_value("_sort", name, "sorting knows no modifiers",
						 "A type is named before a dot only: subject:Patient.family.");
	else if (strcmp(name, "_id") == 0)
		sort.kind = SORT_ID;
	else if (strcmp(name, "_lastUpdated") == 0)
		sort.kind = SORT_UPDATED;
	else
		for (int i = 0; i < ntypes; i++) {
			const KeyParam *p = search_require_param(types[i], name);
			SortKind kind = p->type == PARAM_STRING ? SORT_STRING : SORT_DOC;

			if (p->type == PARAM_COMPOSITE || p->type == PARAM_SPECIAL || p->nlegs == 0)
				search_bad_value("_sort", name, "composite and special parameters, and those of texts, have no order", NULL);
			if (p->type == PARAM_DATE || p->type == PARAM_NUMBER || p->type == PARAM_QUANTITY)
				kind = SORT_ORDERED;
			if (i > 0 && (kind != sort.kind || (kind == SORT_ORDERED && p->type != sort.param->type)))
				search_bad_value("_sort", name, "the searched types have values of different kinds there", NULL);
			sort.kind = kind;
			if (sort.kind != SORT_DOC)
				sort_keys(&sort, p);
			sort.param = p;
		}
	return sort;
}

static void
resolve_one(SearchRequest *req, const char *code, bool descending)
{
	SearchSort sort = {SORT_SCORE, descending};

	sort.code = code;
	if (*code != '_')
		search_require_for_all(req, pnstrdup(code, strcspn(code, ":.")));
	if (strcmp(code, "_score") != 0)
		sort = sort_key(req->types, req->ntypes, code, descending, 0);
	else if ((sort.ntexts = search_score_texts(req, &sort.texts)) == 0)
		return; /* every match fits the criteria equally well */
	req->sorts = req->sorts ? repalloc(req->sorts, (req->nsorts + 1) * sizeof(sort)) : palloc(sizeof(sort));
	req->sorts[req->nsorts++] = sort;
}

void
search_resolve_sort(SearchRequest *req, const char *value)
{
	char **parts;
	int n = search_split(value, ',', &parts);

	if (req->nsorts + n > 8)
		search_bad_value("_sort", value, "more than 8 sort keys", NULL);
	for (int i = 0; i < n; i++) {
		bool descending = *parts[i] == '-';
		const char *code = parts[i] + (descending ? 1 : 0);

		if (*code == '\0')
			search_bad_value("_sort", value, "a sort key is empty", "For example _sort=-date,status.");
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
		case SORT_SCORE:
			return INT8OID;
		case SORT_CHAIN:
			return search_sort_type(&sort->ends[0]);
		default:
			return TEXTOID;
	}
}
