/*
 * keys_composite_define.c: composite parameters: what keys they have (see KeyComposite; keys_composite.c extracts them).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"

/* Do the steps of `path` start with those of `base`? */
static bool
below(const char *path, const char *base)
{
	int n = strlen(base);

	return strncmp(path, base, n) == 0 && (path[n] == '.' || path[n] == '\0');
}

static const KeySource *
find_source(const KeyParam *component, const char *canonical)
{
	for (int i = 0; i < component->nlegs; i++)
		if (strcmp(component->legs[i].source->expression, canonical) == 0)
			return component->legs[i].source;
	return NULL;
}

/* Where a part's values stand in whole documents: the legs of the component's parameter at or below the base. */
static void
define_sources(KeyRegistry *r, const char *base, KeyPart *part, const KeyParam *component, List *branches)
{
	List *found = NIL;
	ListCell *cell;
	int n = 0;

	foreach(cell, branches) {
		const char *text = lfirst(cell);
		bool root = strncmp(text, "%resource.", 10) == 0;
		const KeySource *own = find_source(component, psprintf("%s.%s", root ? r->type->name : base, root ? text + 10 : text));

		if (own != NULL)
			found = lappend(found, (void *) own);
	}
	if (list_length(found) < list_length(branches)) {
		found = NIL;
		for (int i = 0; i < component->nlegs; i++)
			if (below(component->legs[i].source->expression, base))
				found = lappend(found, (void *) component->legs[i].source);
	}
	/* a component that looks elsewhere than its parameter has a source of its own */
	if (found == NIL)
		foreach(cell, branches) {
			char *canonical = psprintf("%s.%s", base, (char *) lfirst(cell));

			found = lappend(found, keys_registry_source(r, canonical, canonical, component->legs[0].source->klass));
		}
	part->sources = palloc(list_length(found) * sizeof(KeySource *));
	foreach(cell, found) {
		KeyLeg leg = {.source = lfirst(cell)};

		leg.absence = leg.source->usual;
		keys_missing_define(r, &leg);
		part->sources[n++] = leg.source;
	}
	part->nsources = n;
}

static void
define_part(KeyRegistry *r, const char *base, ModelTypeId base_type, KeyPart *part, const KeyParam *component, List *branches)
{
	ListCell *cell;

	part->type = component->type;
	define_sources(r, base, part, component, branches);
	part->evals = palloc0(list_length(branches) * sizeof(KeyEval));
	foreach(cell, branches) {
		KeyEval *e = &part->evals[part->nevals++];
		char *text = lfirst(cell);
		ModelTypeId start = strncmp(text, "%resource.", 10) == 0 ? r->type->id : base_type;
		KeyTypes types;

		e->klass = part->sources[0]->klass;
		e->path = start == MODEL_NONE ? NULL : keys_path_compile(text, start, true, &types);
		if (e->path == NULL)
			e->program = keys_program(text, base_type);
	}
}

static KeyCompositeKind
kind_of(const KeyComposite *c)
{
	uint8 second = c->nparts == 2 ? c->parts[1].type : PARAM_SPECIAL;

	if (c->parts[0].type != PARAM_TOKEN)
		return KEYS_COMPOSITE_AND;
	if (c->root)
		return second == PARAM_QUANTITY ? KEYS_COMPOSITE_ORDERED : KEYS_COMPOSITE_AND;
	if (second == PARAM_QUANTITY || second == PARAM_NUMBER || second == PARAM_DATE)
		return KEYS_COMPOSITE_ORDERED;
	return second == PARAM_TOKEN || second == PARAM_REFERENCE ? KEYS_COMPOSITE_EQ : KEYS_COMPOSITE_AND;
}

/*
 * The source of one branch of a composite: its identity is the base and what the components look at, so that parameters
 * with the same base and components share it, and others don't.
 */
KeySource *
keys_composite_define(KeyRegistry *r, const char *base, const KeyParam *param, const ModelParam *definition)
{
	List *branches[KEYS_MAX_PARTS] = {NIL};
	StringInfoData identity;
	KeyComposite *c;
	KeyTypes types;
	KeySource *s;

	if (param->ncomponents < 1 || param->ncomponents > KEYS_MAX_PARTS)
		elog(ERROR, "search parameter %s has %d components", param->url, param->ncomponents);
	initStringInfo(&identity);
	appendStringInfoString(&identity, base);
	for (int i = 0; i < param->ncomponents; i++) {
		ListCell *cell;

		foreach(cell, keys_expr_split(definition->components[i].expression)) {
			branches[i] = lappend(branches[i], keys_expr_relative(lfirst(cell)));
			appendStringInfo(&identity, "%s%s", list_length(branches[i]) == 1 ? " $ " : " | ", (char *) llast(branches[i]));
		}
	}
	s = keys_registry_source(r, base, identity.data, KEYS_COMPOSITE);
	if (s->composite != NULL)
		return s;
	keys_path_compile(base, r->type->id, false, &types);
	s->expression = pnstrdup(identity.data, identity.len);
	pfree(identity.data);
	s->usual = false;
	c = palloc0(sizeof(KeyComposite));
	c->root = strcmp(base, r->type->name) == 0;
	c->nparts = param->ncomponents;
	for (int i = 0; i < c->nparts; i++)
		define_part(r, base, types.n == 1 ? types.types[0] : MODEL_NONE, &c->parts[i], param->components[i], branches[i]);
	c->kind = kind_of(c);
	s->composite = c;
	return s;
}
