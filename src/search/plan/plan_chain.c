/*
 * plan_chain.c: criteria on what a resource refers to: chains.
 *
 * When few are at the other end these are found first; what is left of the criterion then is a list of hashes. When many
 * are, and a page is wanted, the criterion stays, and each row that the page's walk meets is probed for what its document refers to
 * (sql_chain). So a page through a million resources costs what its own rows cost. If the walk finds too few, all are listed after all.
 */
#include "base/base.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "search/exec/exec.h"
#include "store/pack/pack.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

double
search_page_limit(const SearchRequest *req)
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
 * Can rows be probed for what they refer to? Not by canonical url; and what stands in a Bundle itself is no reference.
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
	few = Min(sqrt(1.5 * search_page_limit(run->req) * type_rows), SEARCH_MANY_TARGETS);
	return Max(SEARCH_FEW_TARGETS, Min(few, run->least));
}

/* What it costs, in microseconds. */
#define KNOWN_COST 1.5	/* to look at a row, and remember the answer of what it refers to, */
#define ASK_COST 12.0	/* or ask for it */
#define TARGET_COST 5.0 /* to list a resource at the other end, */
#define FOUND_COST 2.5	/* and a match by it */

/* Adds the hashes of references to all that satisfy links[i].arg; false if these are more than few. */
static bool
list_targets(SearchRequest *req, const Crit *c, int i, double few, Crit *keys)
{
	const ModelType *type = c->links[i].type;
	uint64 n;
	SqlText s;

	sql_init(&s);
	/* however many the planner expects: to scan the table until so many are met may be to scan all of it */
	s.in_order = search_indexed(c->links[i].arg);
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
 * The chain is left to be probed row by row; about so much of what is referred to satisfies it. Only rows that refer to anything there
 * are probed: where few do, an index finds them.
 */
static void
stay(const SetRun *run, Crit *c, double targets, double all_targets)
{
	Crit *chain = crit_new(CRIT_CHAIN), *referring = NULL;
	const char *label = c->label;

	for (int i = 0; i < c->nlinks; i++) {
		int k = 0;

		while (c->links[k].leg != c->links[i].leg)
			k++;
		if (k == i)
			referring = crit_join(CRIT_OR, referring, search_present(c->links[i].leg));
	}
	*chain = *c;
	chain->per_row = true;
	chain->matches = Max(1, Min(1, targets / all_targets) * search_crit_rows(referring, run->type_rows));
	/* each of what is referred to is probed once */
	chain->asking = KNOWN_COST;
	chain->listing = targets * TARGET_COST + chain->matches * FOUND_COST;
	for (int i = 0; i < c->nlinks; i++)
		if (first_of_type(c, i)) {
			chain->asking += (ASK_COST + search_probe_cost(c->links[i].arg)) * Min(1, all_targets / run->type_rows);
			chain->listing += search_list_cost(c->links[i].arg);
		}
	*c = *crit_join(CRIT_AND, referring, chain);
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

/* Are so many to be expected that it is not worth to begin a list? Of hashes that statistics do not know there may be far fewer. */
static bool
too_many(const Crit *arg, double n, double few)
{
	if (arg->kind == CRIT_KEYS && search_keys_at_least(arg) < n / 2)
		return n > 100 * few;
	return n > 1.5 * few;
}

/* What stands in the place itself is not looked for in the store: the chain leads into the document. */
static bool
leads_inside(const Crit *c)
{
	return c->nlinks > 0 && c->links[0].source->resources;
}

void
search_run_chain(SetRun *run, Crit *c, bool inside)
{
	SearchRequest *req = run->req;
	/* probed: that has been seen to when the chain was left */
	Crit *keys = crit_new(CRIT_KEYS),
		 *contained = c->per_row ? NULL : search_contained_chain(req, c->links, c->nlinks, inside);
	double targets = 0, all_targets = 1; /* that satisfy the criterion; all: estimated */
	bool many = false;

	for (int i = 0; i < c->nlinks && !leads_inside(c); i++)
		if (first_of_type(c, i)) {
			const ModelType *type = c->links[i].type;
			Crit *arg = c->links[i].arg;
			double type_rows = search_type_rows(&type, 1), few = few_targets(run, c, type_rows), n;

			plan_subqueries(req, &type, 1, &arg, 1, few >= PG_INT32_MAX - 1);
			if (arg->kind == CRIT_FALSE)
				continue;
			n = search_crit_rows(arg, type_rows);
			targets += n;
			all_targets += type_rows;
			/* without an index, to list few costs as much as to list all */
			many = many || too_many(arg, n, few) || (few < PG_INT32_MAX - 1 && !search_indexed(arg));
		}
	for (int i = 0; i < c->nlinks && !many && !leads_inside(c); i++)
		if (first_of_type(c, i) && c->links[i].arg->kind != CRIT_FALSE) {
			const ModelType *type = c->links[i].type;

			many = !list_targets(req, c, i, few_targets(run, c, search_type_rows(&type, 1)), keys);
		}
	if (many) {
		stay(run, c, targets, all_targets);
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

	sql_reference_cache(s, alias, c);
	appendStringInfo(&s->sql,
					 "EXISTS (SELECT 1 FROM pg_catalog.unnest(%s.fhir_search_references((SELECT d.doc FROM %s.version d "
					 "WHERE d.rid" OP("=") "%s.rid AND d.version" OP("=") "%s.version), ",
					 store_extension_schema(), store_schema(), alias, alias);
	sql_param(s, TEXTOID, CStringGetTextDatum(c->links[0].code));
	appendStringInfoString(&s->sql, ")) u(ref) WHERE ");
	for (int i = 0; i < c->nlinks; i++)
		if (first_of_type(c, i) && c->links[i].arg->kind != CRIT_FALSE) {
			appendStringInfoString(&s->sql, any ? " OR " : "");
			sql_target(s, &c->links[i]);
			any = true;
		}
	/* of sql_reference_cache, too */
	appendStringInfoString(&s->sql, any ? ")))" : "false)))");
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
