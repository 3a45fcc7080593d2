/*
 * keys_composite.c: composite parameters: what keys they have (see KeyComposite) and their extraction.
 *
 * On the resource itself a composite is no more than the AND of its parts, since each part is looked up from the same
 * single base: only code + quantity has rows of its own there, because an ordered scan of exactly one code is so much faster.
 * Below the resource (Observation.component) the base matters: all forms of the token times all forms of the other part are stored.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"

/* ---- definition ---- */

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

/* ---- extraction ---- */

typedef struct HashList {
	uint64 *hashes;
	int n, max;
} HashList;

typedef struct IntervalList {
	KeyInterval *items;
	int n, max;
} IntervalList;

typedef struct PartValues {
	const KeyPart *part;
	const KeySource *salt;
	uint8 klass;
	bool present;
	HashList hashes;
	IntervalList intervals;
} PartValues;

static void
add_hash(HashList *l, uint64 hash)
{
	if (l->n == l->max) {
		l->max = l->max > 0 ? l->max * 2 : 8;
		l->hashes = l->hashes == NULL ? palloc(l->max * sizeof(uint64)) : repalloc_huge(l->hashes, l->max * sizeof(uint64));
	}
	l->hashes[l->n++] = hash;
}

static void
part_token(void *arg, const KeyTokenHashes *t)
{
	PartValues *v = arg;

	add_hash(&v->hashes, t->code);
	/* on the resource itself only the code form has rows */
	if (t->has_system_code && !v->salt->composite->root)
		add_hash(&v->hashes, t->system_code);
}

static void
part_reference(PartValues *v, const FpItem *item)
{
	uint64 forms[KEYS_MAX_REF_FORMS], identity;
	ModelTypeId type;
	const char *ref = item->json.type == jbvString ? item->json.val.string.val : NULL;
	int len = ref != NULL ? item->json.val.string.len : -1;
	JsonbContainer *c = keys_object(&item->json);

	if (c != NULL)
		ref = keys_string_of(c, "reference", &len);
	if (len <= 0)
		return;
	for (int i = 0, n = keys_reference_forms(v->salt, ref, len, c == NULL, forms, &identity, &type); i < n; i++)
		add_hash(&v->hashes, forms[i]);
}

static void
part_item(void *arg, const FpItem *item)
{
	PartValues *v = arg;
	KeyInterval got;

	v->present = true;
	switch (v->klass) {
		case KEYS_TOKEN:
			keys_token_each(v->salt, item, v->part->sources[0]->fixed_system, part_token, v);
			break;
		case KEYS_REFERENCE:
			part_reference(v, item);
			break;
		case KEYS_DATE:
		case KEYS_NUMBER:
		case KEYS_QUANTITY:
			if (keys_interval(v->salt, v->klass, item, &got)) {
				IntervalList *l = &v->intervals;

				if (l->n == l->max) {
					l->max = l->max > 0 ? l->max * 2 : 4;
					l->items = l->items == NULL ? palloc(l->max * sizeof(KeyInterval)) : repalloc_huge(l->items, l->max * sizeof(KeyInterval));
				}
				l->items[l->n++] = got;
			}
			break;
		default:
			break;
	}
}

static void
emit_combinations(KeyBuilder *b, const KeyComposite *c, PartValues *v)
{
	for (int i = 0; i < v[0].hashes.n; i++) {
		if (c->kind == KEYS_COMPOSITE_EQ)
			for (int k = 0; k < v[1].hashes.n; k++) {
				uint64 pair[2] = {v[0].hashes.hashes[i], v[1].hashes.hashes[k]};

				keys_add_eq(b, keys_composite(b->source, pair, 2), "composite", NULL, 0);
			}
		else
			for (int k = 0; k < v[1].intervals.n; k++) {
				const KeyInterval *iv = &v[1].intervals.items[k];

				keys_add_interval(b, keys_composite_ordered(b->source, v[0].hashes.hashes[i], iv->key), &v[0].hashes.hashes[i], iv);
			}
	}
}

/* One base item: its parts' values, and their combinations. */
void
keys_item_composite(KeyBuilder *b, const FpItem *item)
{
	const KeyComposite *c = b->source->composite;
	PartValues v[KEYS_MAX_PARTS];
	bool all = true;

	if (c->root && c->kind == KEYS_COMPOSITE_AND)
		return;
	memset(v, 0, sizeof(v));
	for (int i = 0; i < c->nparts && all; i++) {
		v[i].part = &c->parts[i];
		v[i].salt = b->source;
		for (int k = 0; k < c->parts[i].nevals; k++) {
			const KeyEval *e = &c->parts[i].evals[k];

			v[i].klass = e->klass;
			keys_eval(e->path, e->program, b->doc, b->registry->type->id, item, part_item, &v[i]);
		}
		all = v[i].present;
	}
	if (!all)
		return;
	b->present = true;
	if (c->kind != KEYS_COMPOSITE_AND)
		emit_combinations(b, c, v);
}
