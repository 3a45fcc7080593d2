/*
 * keys_registry.c: the search parameters of a resource type and the sources they look at.
 *
 * Built once per backend and type, on first use, in a memory context of its own that lives as long as the backend: sources and
 * parameters are handed out as pointers. Bounded by the definitions. Types to which users have added parameters have a registry
 * more for each set of these (keys_user.c).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"

MemoryContext keys_context = NULL;

static KeyRegistry **registries = NULL;
static MemoryContext text_context = NULL; /* for texts while one parameter is defined; child of the registry's */

const uint8 keys_class_of_type[] = {
	[PARAM_NUMBER] = KEYS_NUMBER,
	[PARAM_DATE] = KEYS_DATE,
	[PARAM_STRING] = KEYS_STRING,
	[PARAM_TOKEN] = KEYS_TOKEN,
	[PARAM_REFERENCE] = KEYS_REFERENCE,
	[PARAM_COMPOSITE] = KEYS_COMPOSITE,
	[PARAM_QUANTITY] = KEYS_QUANTITY,
	[PARAM_URI] = KEYS_URI,
	[PARAM_SPECIAL] = KEYS_SPECIAL,
};

/* ---- sources ---- */

/* Compiled expression; what the compiler needs on its way is not kept. */
const FhirPath *
keys_program(const char *text, ModelTypeId type)
{
	MemoryContext old = MemoryContextSwitchTo(text_context);
	FhirPath *program = fhirpath_compile(text, strlen(text), type), *copy;

	MemoryContextSwitchTo(old);
	copy = palloc(VARSIZE_ANY(program));
	memcpy(copy, program, VARSIZE_ANY(program));
	return copy;
}

static void
define_token(KeySource *s, const KeyTypes *types)
{
	s->fixed_system = types->n > 0;
	s->identifiers = types->n == 0;
	for (int i = 0; i < types->n; i++) {
		if (model_type_by_id(types->types[i])->kind != MODEL_PRIMITIVE)
			s->fixed_system = false;
		s->identifiers |= types->types[i] == MODEL_T_Identifier || model_type_by_id(types->types[i])->abstract;
	}
	if (!s->fixed_system)
		return;
	s->system = types->system;
	s->booleans = types->n == 1 && types->types[0] == MODEL_T_boolean;
	if (s->path != NULL && s->path->nsteps > 0 && s->path->steps[s->path->nsteps - 1].n == 1)
		s->codes = s->path->steps[s->path->nsteps - 1].members[0].property->codes;
}

const char *const keys_name_parts[KEYS_NAME_PARTS] = {"text", "family", "given", "prefix", "suffix"};
const char *const keys_address_parts[KEYS_ADDRESS_PARTS] = {"text", "line", "city", "district", "state", "postalCode", "country"};

/* The string keys of a place: of its parts if names or addresses may stand there, and of itself if plain text may. */
static void
define_string(KeySource *s, const KeyTypes *types)
{
	bool name = types->n == 0, address = types->n == 0, plain = types->n == 0;
	uint64 *parts = palloc((1 + KEYS_NAME_PARTS + KEYS_ADDRESS_PARTS) * sizeof(uint64));
	KeySource part = *s;
	int n = 0;

	for (int i = 0; i < types->n; i++) {
		name |= types->types[i] == MODEL_T_HumanName;
		address |= types->types[i] == MODEL_T_Address;
		plain |= types->types[i] != MODEL_T_HumanName && types->types[i] != MODEL_T_Address;
	}
	s->parts = parts;
	if (plain)
		parts[n++] = s->id;
	for (int i = 0; name && i < KEYS_NAME_PARTS; i++)
		parts[n++] = keys_source_id(s->type, psprintf("%s.%s", s->expression, keys_name_parts[i]), KEYS_STRING);
	for (int i = 0; address && i < KEYS_ADDRESS_PARTS; i++)
		parts[n++] = keys_source_id(s->type, psprintf("%s.%s", s->expression, keys_address_parts[i]), KEYS_STRING);
	for (int i = 0; i < n; i++) {
		part.id = parts[i];
		parts[i] = keys_ordered(&part);
	}
	s->nparts = n;
}

/* identity: the text that the id is made of, when not the expression alone. */
KeySource *
keys_registry_source(KeyRegistry *r, const char *canonical, const char *identity, uint8 klass)
{
	uint64 id = keys_source_id(r->type, identity, klass);
	KeyTypes types;
	KeySource *s;

	for (int i = 0; i < r->nsources; i++)
		if (r->sources[i]->id == id)
			return r->sources[i];
	s = palloc0(sizeof(KeySource));
	s->id = id;
	s->type = r->type;
	s->expression = pstrdup(canonical);
	s->klass = klass;
	s->path = keys_path_compile(canonical, r->type->id, false, &types);
	if (s->path == NULL)
		s->program = keys_program(canonical, r->type->id);
	s->usual = types.required || keys_usually_present(canonical);
	if (klass == KEYS_TOKEN)
		define_token(s, &types);
	else if (klass == KEYS_STRING)
		define_string(s, &types);
	else if (klass == KEYS_REFERENCE) {
		s->canonical = types.n == 0;
		s->resources = types.n > 0;
		for (int i = 0; i < types.n; i++) {
			s->canonical |= types.types[i] == MODEL_T_canonical || types.types[i] == MODEL_T_uri;
			s->resources &= model_type_by_id(types.types[i])->kind == MODEL_RESOURCE;
		}
	}
	if (r->nsources == r->maxsources) {
		r->maxsources = r->maxsources > 0 ? r->maxsources * 2 : 32;
		r->sources = r->sources == NULL ? palloc(r->maxsources * sizeof(KeySource *)) : repalloc(r->sources, r->maxsources * sizeof(KeySource *));
	}
	return r->sources[r->nsources++] = s;
}

/* ---- parameters ---- */

static void
add_leg(KeyRegistry *r, KeyParam *p, const char *canonical, const ModelParam *definition)
{
	char *text = pstrdup(canonical);
	ModelTypeId target = p->type == PARAM_REFERENCE ? keys_expr_resolve_type(text) : MODEL_NONE;
	KeySource *s;
	KeyLeg *leg;

	if (p->type == PARAM_COMPOSITE)
		s = keys_composite_define(r, text, p, definition);
	else
		s = keys_registry_source(r, text, text, keys_class_of_type[p->type]);

	p->legs = p->legs == NULL ? palloc(sizeof(KeyLeg)) : repalloc(p->legs, (p->nlegs + 1) * sizeof(KeyLeg));
	leg = &p->legs[p->nlegs++];
	memset(leg, 0, sizeof(*leg));
	leg->source = s;
	leg->absence = s->usual;
	if (target != MODEL_NONE) {
		ModelTypeId *targets = palloc(2 * sizeof(ModelTypeId));

		targets[0] = target;
		targets[1] = MODEL_NONE;
		leg->targets = targets;
	} else if (s->resources)
		leg->targets = definition->targets; /* of what stands there only these are meant */
	if (s->composite == NULL || !s->composite->root)
		keys_missing_define(r, leg);
}

/* A leg for each branch that belongs to the type; an expression without any is taken whole. */
static void
add_legs(KeyRegistry *r, KeyParam *p, const ModelParam *definition)
{
	MemoryContext own = MemoryContextSwitchTo(text_context);
	List *branches = NIL;
	ListCell *cell;

	foreach(cell, keys_expr_split(definition->expression)) {
		char *canonical = keys_expr_canonical(lfirst(cell), r->type);

		if (canonical != NULL)
			branches = lappend(branches, canonical);
	}
	if (branches == NIL)
		branches = list_make1(keys_expr_relative(definition->expression));
	MemoryContextSwitchTo(own);
	foreach(cell, branches)
		add_leg(r, p, lfirst(cell), definition);
	MemoryContextReset(text_context);
}

/* The two that columns answer have no keys, nor have those without a place in the document. */
static bool
has_keys(const ModelParam *definition)
{
	return definition->expression != NULL && strcmp(definition->code, "_id") != 0 && strcmp(definition->code, "_lastUpdated") != 0;
}

static KeyParam *
add_param(KeyRegistry *r, const ModelParam *definition)
{
	KeyParam *p = palloc0(sizeof(KeyParam));

	p->code = definition->code;
	p->url = definition->url;
	p->type = definition->type;
	p->base = r->type;
	p->targets = definition->targets;
	if (definition->ncomponents > 0) {
		p->ncomponents = definition->ncomponents;
		p->components = palloc0(p->ncomponents * sizeof(KeyParam *));
	}
	if (r->nparams == r->maxparams) {
		r->maxparams = r->maxparams > 0 ? r->maxparams * 2 : 32;
		r->params = r->params == NULL ? palloc(r->maxparams * sizeof(KeyParam *)) : repalloc(r->params, r->maxparams * sizeof(KeyParam *));
	}
	r->params[r->nparams++] = p;
	if (has_keys(definition) && p->type != PARAM_COMPOSITE)
		add_legs(r, p, definition);
	return p;
}

static void
define_param(const ModelParam *definition, void *arg)
{
	add_param(arg, definition);
}

static void
define_user_params(KeyRegistry *r, const KeyUserSet *set)
{
	for (int i = 0; i < set->n; i++) {
		const ModelParam *definition = &set->params[i].model;

		for (const ModelTypeId *base = definition->bases; *base != MODEL_NONE; base++)
			if (*base == r->type->id)
				add_param(r, definition)->user = &set->params[i];
	}
}

static int
compare_params(const void *a, const void *b)
{
	return strcmp((*(KeyParam *const *) a)->code, (*(KeyParam *const *) b)->code);
}

KeyParam *
keys_registry_param(KeyRegistry *r, const char *code)
{
	KeyParam key = {.code = code};
	const KeyParam *k = &key;
	KeyParam **found = bsearch(&k, r->params, r->nparams, sizeof(KeyParam *), compare_params);

	return found != NULL ? *found : NULL;
}

/*
 * Composites come last: their components are parameters of the same type. The store keeps users' components as long as their composites;
 * but within a transaction a composite may come before its component.
 */
static void
define_composite(KeyRegistry *r, KeyParam *p, const KeyUserSet *set)
{
	const ModelParam *definition = p->user != NULL ? &p->user->model : model_param(r->type, p->code, strlen(p->code));

	for (int i = 0; i < p->ncomponents; i++) {
		const ModelParam *component = keys_component(set, r->type, definition->components[i].definition);

		if (component != NULL)
			p->components[i] = keys_registry_param(r, component->code);
		if (p->user != NULL && (p->components[i] == NULL || p->components[i]->nlegs == 0)) {
			p->broken = true;
			return;
		}
		if (p->components[i] == NULL)
			elog(ERROR, "component %s of search parameter %s is no parameter of %s", definition->components[i].definition, p->url, r->type->name);
	}
	add_legs(r, p, definition);
}

static int
compare_rules(const void *a, const void *b)
{
	const KeyMissingRule *x = a, *y = b;

	return x->source->number - y->source->number;
}

static KeyRegistry *
build(const ModelType *type, const KeyUserSet *set)
{
	KeyRegistry *r = palloc0(sizeof(KeyRegistry));
	int k = 0;

	r->type = type;
	model_params_each(type, define_param, r);
	if (set != NULL) {
		define_user_params(r, set);
		r->generation = set->serial;
	}
	qsort(r->params, r->nparams, sizeof(KeyParam *), compare_params);
	for (int i = 0; i < r->nparams; i++)
		if (r->params[i]->type == PARAM_COMPOSITE)
			define_composite(r, r->params[i], set);
	for (int i = 0; i < r->nsources; i++)
		r->sources[i]->number = i;
	qsort(r->rules, r->nrules, sizeof(KeyMissingRule), compare_rules);
	r->first_rule = palloc((r->nsources + 1) * sizeof(int));
	for (int i = 0; i <= r->nsources; i++) {
		while (k < r->nrules && r->rules[k].source->number < i)
			k++;
		r->first_rule[i] = k;
	}
	return r;
}

static bool
has_source(const KeyRegistry *r, uint64 id)
{
	for (int i = 0; i < r->nsources; i++)
		if (r->sources[i]->id == id)
			return true;
	return false;
}

KeyRegistry *
keys_registry_build(const ModelType *type, const KeyUserSet *set, MemoryContext parent)
{
	/* built in a child, so that an error on the way leaves nothing behind */
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext, "fhir search keys of a type", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(own);
	KeyRegistry *r;

	const KeyRegistry *plain = NULL;

	if (set != NULL) {
		MemoryContextSwitchTo(old);
		plain = keys_registry_r4(type);
		MemoryContextSwitchTo(own);
	}
	text_context = AllocSetContextCreate(own, "fhir search key texts", ALLOCSET_DEFAULT_SIZES);
	r = build(type, set);
	for (int i = 0; plain != NULL && i < r->nsources; i++)
		r->sources[i]->user = !has_source(plain, r->sources[i]->id);
	MemoryContextDelete(text_context);
	text_context = NULL;
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(own, parent);
	MemoryContextSetIdentifier(own, type->name);
	return r;
}

KeyRegistry *
keys_registry(const KeyUserSet *user, const ModelType *type)
{
	KeyRegistry *r = keys_user_registry(user, type);

	return unlikely(r != NULL) ? r : keys_registry_r4(type);
}

KeyRegistry *
keys_registry_r4(const ModelType *type)
{
	if (keys_context == NULL)
		keys_context = AllocSetContextCreate(TopMemoryContext, "fhir search keys", ALLOCSET_DEFAULT_SIZES);
	if (registries == NULL)
		registries = MemoryContextAllocZero(keys_context, model_ntypes * sizeof(KeyRegistry *));
	if (registries[type->id] == NULL)
		registries[type->id] = keys_registry_build(type, NULL, keys_context);
	return registries[type->id];
}

const KeyParam *
keys_param(KeyContext context, const ModelType *t, const char *code, int len)
{
	KeyRegistry *r = keys_registry(context.user, t);
	int lo = 0, hi = r->nparams;

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		const char *name = r->params[mid]->code;
		int cmp = strncmp(name, code, len);

		if (cmp == 0 && name[len] != '\0')
			cmp = 1;
		if (cmp == 0)
			return r->params[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void
keys_params_each(KeyContext context, const ModelType *t, void (*fn)(const KeyParam *, void *), void *arg)
{
	KeyRegistry *r = keys_registry(context.user, t);

	for (int i = 0; i < r->nparams; i++)
		if (r->params[i]->user == NULL || keys_servable(r->params[i]))
			fn(r->params[i], arg);
}

int
keys_string_parts(const KeySource *s, uint64 *out, int max)
{
	for (int i = 0; i < s->nparts && i < max; i++)
		out[i] = s->parts[i];
	return s->nparts;
}
