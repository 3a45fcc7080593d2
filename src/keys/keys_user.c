/*
 * keys_user.c: search parameters that users have added to a store: their place in the registry, and what makes a definition one
 * that can be served.
 *
 * The store makes the set of its parameters and hands it in (KeyContext); for each type that a set concerns there is a registry
 * of R4's parameters and these, in the set's own memory. A set is never changed: when a parameter comes, changes or
 * becomes ready, there is a new one with a new serial, by which writers notice that keys were extracted by an older one.
 */
#include "base/base.h"

#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "keys/keys_internal.h"

KeyUserSet *
keys_user_set(MemoryContext parent, int n)
{
	static uint64 serial = 0;
	MemoryContext context = AllocSetContextCreate(parent, "fhir user search parameters", ALLOCSET_SMALL_SIZES);
	KeyUserSet *set = MemoryContextAllocZero(context, sizeof(KeyUserSet));

	set->serial = ++serial;
	set->context = context;
	set->params = MemoryContextAllocZero(context, Max(n, 1) * sizeof(KeyUserParam));
	set->concerned = MemoryContextAllocZero(context, model_ntypes * sizeof(bool));
	set->registries = MemoryContextAllocZero(context, model_ntypes * sizeof(KeyRegistry *));
	return set;
}

void
keys_user_set_done(KeyUserSet *set)
{
	for (int i = 0; i < set->n; i++)
		for (const ModelTypeId *base = set->params[i].model.bases; *base != MODEL_NONE; base++)
			set->concerned[*base] = true;
}

static bool
has_base(const ModelParam *p, const ModelType *t)
{
	for (const ModelTypeId *base = p->bases; *base != MODEL_NONE; base++)
		if (*base == t->id)
			return true;
	return false;
}

KeyRegistry *
keys_user_registry(const KeyUserSet *set, const ModelType *type)
{
	if (likely(set == NULL || !set->concerned[type->id]))
		return NULL;
	if (set->registries[type->id] == NULL)
		set->registries[type->id] = keys_registry_build(type, set, set->context);
	return set->registries[type->id];
}

uint64
keys_generation(KeyContext context, const ModelType *t)
{
	const KeyUserSet *set = context.user;

	return likely(set == NULL || !set->concerned[t->id]) ? 0 : set->serial;
}

/*
 * The set is the newest one known, the snapshot may be older. A row version that the snapshot sees has the keys if it was written
 * before the parameter became ready, as seen by the same snapshot.
 */
bool
keys_servable(const KeyParam *p)
{
	const KeyUserParam *u = p->user;

	if (u == NULL)
		return true;
	if (!u->ready || p->broken)
		return false;
	return !ActiveSnapshotSet() || TransactionIdIsCurrentTransactionId(u->xmin) || !TransactionIdIsNormal(u->xmin) ||
		   !XidInMVCCSnapshot(u->xmin, GetActiveSnapshot());
}

const ModelParam *
keys_definition(KeyContext context, const ModelType *t, const char *code, int len)
{
	const ModelParam *published = model_param(t, code, len);
	const KeyParam *p;

	if (published != NULL || keys_generation(context, t) == 0)
		return published;
	p = keys_param(context, t, code, len);
	return p != NULL && p->user != NULL ? &p->user->model : NULL;
}

/* ---- checks ---- */

pg_noreturn static void
refuse(const ModelParam *p, const char *element, const char *why, const char *detail, const char *hint)
{
	ereport(ERROR,
			errcode(FH422),
			errmsg("search parameter \"%s\" can't be served: %s", p->code, why),
			detail ? errdetail("%s", detail) : 0,
			hint ? errhint("%s", hint) : 0,
			fhir_issue("invalid", psprintf("SearchParameter.%s", element)));
}

/* Compiled as of `type`; what is wrong with the text becomes what is wrong with the SearchParameter. */
static const FhirPath *
compile(const ModelParam *p, const char *element, const char *text, ModelTypeId type, bool strict)
{
	MemoryContext context = CurrentMemoryContext;
	bool saved = fhirpath_strict;
	const FhirPath *volatile program = NULL;

	PG_TRY();
	{
		fhirpath_strict = strict;
		program = fhirpath_compile(text, strlen(text), type);
		fhirpath_strict = saved;
	}
	PG_CATCH();
	{
		ErrorData *error;

		fhirpath_strict = saved;
		if (geterrcode() != FH400)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		refuse(p, element, error->message, error->detail, error->hint);
	}
	PG_END_TRY();
	return program;
}

/* Comments would have to be known to all that reads expressions as text. */
static bool
has_comment(const char *text)
{
	for (const char *s = text; *s; s++) {
		if (*s == '\'' || *s == '`' || *s == '"') {
			char quote = *s++;

			while (*s && *s != quote)
				s += *s == '\\' && s[1] ? 2 : 1;
			if (*s == '\0')
				return false;
		} else if (*s == '/' && (s[1] == '/' || s[1] == '*'))
			return true;
	}
	return false;
}

static bool
one_of(ModelTypeId t, const ModelTypeId *list)
{
	for (; *list != MODEL_NONE; list++)
		if (model_is_a(t, *list))
			return true;
	return false;
}

/* Can values of FHIR type t be compared in the way of the class? Mirrors what extraction knows (keys_item_*). */
static bool
comparable(ModelTypeId t, uint8 klass)
{
	static const ModelTypeId token[] = {MODEL_T_CodeableConcept, MODEL_T_Coding, MODEL_T_Identifier, MODEL_T_ContactPoint, MODEL_NONE};
	static const ModelTypeId ordered[] = {MODEL_T_Period, MODEL_T_Timing, MODEL_T_date, MODEL_T_dateTime, MODEL_T_instant, MODEL_NONE};
	static const ModelTypeId quantity[] = {MODEL_T_Quantity, MODEL_T_Money, MODEL_T_Range, MODEL_T_SampledData, MODEL_NONE};
	static const ModelTypeId number[] = {MODEL_T_integer, MODEL_T_decimal, MODEL_T_Range, MODEL_NONE};
	static const ModelTypeId string[] = {MODEL_T_HumanName, MODEL_T_Address, MODEL_NONE};
	bool primitive = model_type_by_id(t)->kind == MODEL_PRIMITIVE;

	if (model_type_by_id(t)->abstract)
		return true;
	switch ((KeyClass) klass) {
		case KEYS_TOKEN:
			return primitive || one_of(t, token);
		case KEYS_REFERENCE:
			return t == MODEL_T_Reference || model_type_by_id(t)->kind == MODEL_RESOURCE || model_is_a(t, MODEL_T_uri);
		case KEYS_URI:
			return model_is_a(t, MODEL_T_uri);
		case KEYS_STRING:
			return primitive || one_of(t, string);
		case KEYS_DATE:
			return one_of(t, ordered);
		case KEYS_NUMBER:
			return one_of(t, number);
		case KEYS_QUANTITY:
			return one_of(t, quantity);
		default:
			return true;
	}
}

/* What a program gives for a resource of these members alone, as text. */
static char *
trial_answer(const FhirPath *program, const ModelType *type, const char *members)
{
	MemoryContext context = CurrentMemoryContext;
	char *text = psprintf("{\"resourceType\":\"%s\"%s}", type->name, members);
	Jsonb *doc = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	FpContext cxt = {.resolve = FP_RESOLVE_TYPE, .root = &doc->root};
	StringInfoData out;
	FpList list = {0};
	FpItem root;

	initStringInfo(&out);
	fhirpath_root(&doc->root, type->id, &root);
	PG_TRY();
	{
		fhirpath_eval(program, &cxt, &root, &list);
	}
	PG_CATCH();
	{
		if (geterrcode() != FH422)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		list.n = 0;
	}
	PG_END_TRY();
	for (int i = 0; i < list.n; i++)
		JsonbToCString(&out, &fhirpath_item_jsonb(&list.items[i])->root, -1);
	return out.data;
}

/* Does it look at what the server gives a resource only after its keys are made? */
static bool
reads_stamp(const FhirPath *program, const ModelType *type)
{
	static const char stamp[] = ",\"id\":\"a\",\"meta\":{\"versionId\":\"1\",\"lastUpdated\":\"2000-01-01T00:00:00Z\"}";

	return strcmp(trial_answer(program, type, ""), trial_answer(program, type, stamp)) != 0;
}

/* One branch of the expression, in canonical text, for one base. */
static void
check_branch(const ModelParam *p, const ModelType *base, char *canonical)
{
	const FhirPath *program;
	bool fits = false;
	KeyTypes types;

	if (p->type == PARAM_REFERENCE)
		keys_expr_resolve_type(canonical);
	program = compile(p, "expression", canonical, base->id, true);
	if (fhirpath_is_stable(program))
		refuse(p, "expression", "its value does not follow from the resource alone", psprintf("In \"%s\".", canonical),
			   "Leave out now(), today(), memberOf() and resolve(), but for a last .where(resolve() is Type) of a reference.");
	if (p->type == PARAM_COMPOSITE)
		return;
	if (reads_stamp(program, base))
		refuse(p, "expression", "it looks at what the server gives a resource: its id, version or time of change",
			   psprintf("In \"%s\".", canonical), "Search by _id and _lastUpdated.");
	keys_path_compile(canonical, base->id, false, &types);
	for (int i = 0; i < types.n; i++)
		fits |= comparable(types.types[i], keys_class_of_type[p->type]);
	if (types.n > 0 && !fits)
		refuse(p, "type", "the type does not fit the expression",
			   psprintf("\"%s\" gives elements of type %s.", canonical, model_type_by_id(types.types[0])->name), NULL);
}

static void
check_expression(const ModelParam *p, const ModelType *base)
{
	bool any = false;
	ListCell *cell;

	compile(p, "expression", p->expression, base->id, false);
	foreach(cell, keys_expr_split(p->expression)) {
		char *canonical = keys_expr_canonical(lfirst(cell), base);

		if (canonical == NULL)
			continue;
		check_branch(p, base, canonical);
		any = true;
	}
	if (!any)
		refuse(p, "expression", psprintf("its expression says nothing of %s, one of its bases", base->name),
			   psprintf("Expression \"%s\".", p->expression), "Name a place for each base, joined by \"|\".");
}

/* ---- components of composites ---- */

const ModelParam *
keys_component(const KeyUserSet *set, const ModelType *t, const char *url)
{
	const ModelParam *published = model_param_by_url(url);
	const KeyUserParam *newest = NULL;

	if (published != NULL)
		return model_param(t, published->code, strlen(published->code)) == published ? published : NULL;
	for (int i = 0; set != NULL && i < set->n; i++) {
		const KeyUserParam *u = &set->params[i];

		if (strcmp(u->model.url, url) == 0 && has_base(&u->model, t) && (newest == NULL || u->rid > newest->rid))
			newest = u;
	}
	return newest != NULL ? &newest->model : NULL;
}

/* Does one branch of a component, below one branch of the composite, give nothing that its definition's type can compare? */
static bool
branch_unfit(const char *place, const ModelType *base, const char *relative, uint8 klass)
{
	KeyTypes at, types;

	keys_path_compile(place, base->id, false, &at);
	if (at.n != 1)
		return false;
	keys_path_compile(relative, at.types[0], true, &types);
	for (int i = 0; i < types.n; i++)
		if (comparable(types.types[i], klass))
			return false;
	return types.n > 0;
}

static bool
component_unfit(const ModelParam *p, const ModelComponent *c, const ModelType *base, uint8 klass)
{
	ListCell *branch, *part;

	foreach(branch, keys_expr_split(p->expression)) {
		char *place = keys_expr_canonical(lfirst(branch), base);

		if (place == NULL)
			continue;
		foreach(part, keys_expr_split(c->expression))
			if (branch_unfit(place, base, keys_expr_relative(lfirst(part)), klass))
				return true;
	}
	return false;
}

const char *
keys_component_refusal(const KeyUserSet *set, const ModelParam *p, int i, const ModelType *base)
{
	const ModelComponent *c = &p->components[i];
	const ModelParam *definition = keys_component(set, base, c->definition);

	if (definition == NULL)
		return psprintf("component %d is no parameter of %s", i + 1, base->name);
	if (definition->type == PARAM_COMPOSITE || definition->type == PARAM_SPECIAL || definition->expression == NULL ||
		strcmp(definition->code, "_id") == 0 || strcmp(definition->code, "_lastUpdated") == 0)
		return psprintf("parameter \"%s\" can't be part of a composite", definition->code);
	if (component_unfit(p, c, base, keys_class_of_type[definition->type]))
		return psprintf("the expression of component %d gives elements that do not fit the type of parameter \"%s\"", i + 1, definition->code);
	return NULL;
}

static void
check_component(const KeyUserSet *set, const ModelParam *p, int i, const ModelType *base)
{
	const ModelComponent *c = &p->components[i];
	const char *element = psprintf("component[%d]", i);
	const char *refusal;
	ListCell *cell;

	foreach(cell, keys_expr_split(c->expression))
		if (fhirpath_is_stable(compile(p, element, keys_expr_relative(lfirst(cell)), MODEL_NONE, false)))
			refuse(p, element, "its value does not follow from the resource alone", psprintf("In \"%s\".", c->expression), NULL);
	refusal = keys_component_refusal(set, p, i, base);
	if (refusal != NULL)
		refuse(p, element, refusal, psprintf("Definition \"%s\", expression \"%s\".", c->definition, c->expression),
			   "Give the canonical URL of a SearchParameter of that type, R4's or an active one of the store; in a transaction it may come with it.");
}

/* The proof: it has its place among R4's parameters and its own components. */
static void
check_place(const KeyUserSet *others, const ModelParam *p, const ModelType *type)
{
	KeyUserParam users[1 + KEYS_MAX_PARTS] = {{.model = *p}};
	KeyUserSet set = {.serial = 1, .n = 1, .params = users};
	KeyRegistry *trial;

	for (int i = 0; i < p->ncomponents; i++) {
		const ModelParam *c = keys_component(others, type, p->components[i].definition);

		if (model_param_by_url(c->url) == NULL && keys_component(&set, type, c->url) == NULL)
			users[set.n++] = (KeyUserParam){.model = *c};
	}
	trial = keys_registry_build(type, &set, CurrentMemoryContext);
	MemoryContextDelete(GetMemoryChunkContext(trial));
}

void
keys_user_check(const ModelParam *p)
{
	if (p->type == PARAM_SPECIAL)
		refuse(p, "type", "parameters of type special have a meaning of their own each, which only R4's are known by", NULL, NULL);
	if (p->expression == NULL)
		refuse(p, "expression", "it has no FHIRPath expression", NULL, "XPath is not evaluated.");
	if (has_comment(p->expression))
		refuse(p, "expression", "comments are not allowed in its expression", NULL, NULL);
	if (p->type == PARAM_COMPOSITE && (p->ncomponents < 2 || p->ncomponents > KEYS_MAX_PARTS))
		refuse(p, "component", psprintf("a composite has 2 to %d components", KEYS_MAX_PARTS), NULL, NULL);
	if (p->type != PARAM_COMPOSITE && p->ncomponents > 0)
		refuse(p, "component", "only composite parameters have components", NULL, NULL);
	for (const ModelTypeId *base = p->bases; *base != MODEL_NONE; base++) {
		const ModelType *type = model_type_by_id(*base);

		CHECK_FOR_INTERRUPTS();
		check_expression(p, type);
		if (p->ncomponents == 0)
			check_place(NULL, p, type);
	}
}

void
keys_user_check_components(const KeyUserSet *set, const ModelParam *p)
{
	for (const ModelTypeId *base = p->bases; *base != MODEL_NONE; base++) {
		const ModelType *type = model_type_by_id(*base);

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < p->ncomponents; i++)
			check_component(set, p, i, type);
		check_place(set, p, type);
	}
}
