/*
 * query_chain.c: chains (subject:Patient.name) and _has, reverse chains: criteria on other resources, tied to
 * the searched ones by references.
 */
#include "base/base.h"

#include "search/query/query.h"
#include "search/query/query_internal.h"

bool
search_target_allowed(const ModelTypeId *targets, const ModelType *t)
{
	if (targets == NULL || targets[0] == MODEL_NONE)
		return true;
	for (; *targets; targets++)
		if (*targets == t->id || model_type_by_id(*targets)->abstract)
			return true;
	return false;
}

static void
add_link(Crit *c, const KeyParam *p, const KeyLeg *leg, const ModelType *type, Crit *arg)
{
	c->links = c->links ? repalloc(c->links, (c->nlinks + 1) * sizeof(CritLink)) : palloc(sizeof(CritLink));
	c->links[c->nlinks++] = (CritLink){leg->source, type, arg, p->code, leg};
}

/* May the reference parameter lead to t? */
bool
search_reference_allows(const KeyParam *p, const ModelType *t)
{
	for (int i = 0; i < p->nlegs; i++)
		if (search_target_allowed(p->targets, t) && search_target_allowed(p->legs[i].targets, t))
			return true;
	return false;
}

/* Does type t know the first part of a name? */
bool
search_knows(const ModelType *t, const char *name)
{
	/* every type has these, without keys */
	static const char *const common[] = {"_id", "_lastUpdated", "_filter", "_list", "_text", "_content"};
	int len = strcspn(name, ":.");

	if (strncmp(name, "_has:", 5) == 0) {
		/* does its reference lead to t? */
		const char *from = name + 5, *ref = from + strcspn(from, ":");
		const ModelType *type = model_resource(from, ref - from);
		const KeyParam *p = type && *ref ? search_param(type, ref + 1, strcspn(ref + 1, ":")) : NULL;

		return p == NULL || search_reference_allows(p, t);
	}
	for (int i = 0; i < lengthof(common); i++)
		if (strlen(common[i]) == len && strncmp(name, common[i], len) == 0)
			return true;
	return search_param(t, name, len) != NULL;
}

int
search_chain_targets(const KeyParam *p, const char *type_name, const ModelType ***out)
{
	int n = 0;

	*out = palloc(model_ntypes * sizeof(ModelType *));
	if (type_name) {
		const ModelType *t = model_resource(type_name, strlen(type_name));

		if (!t)
			search_bad_modifier(p->code, type_name, "a resource type, as this is a chain");
		if (!search_target_allowed(p->targets, t))
			ereport(ERROR, errcode(FH400),
					errmsg("search parameter \"%s\" of %s does not refer to %s", p->code, p->base->name,
						   type_name),
					errhint("fhir_search_parameters('%s') tells the targets of each reference.", p->base->name),
					fhir_issue("value", NULL));
		(*out)[n++] = t;
		return n;
	}
	for (int m = 1; m < model_ntypes; m++)
		if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract &&
			search_target_allowed(p->targets, &model_types[m]))
			(*out)[n++] = &model_types[m];
	return n;
}

Crit *
search_chain_link(Crit *c, const KeyParam *p, const ModelType *target, Crit *arg)
{
	if (c == NULL)
		c = crit_new(CRIT_CHAIN);
	for (int k = 0; k < p->nlegs; k++)
		if (search_target_allowed(p->legs[k].targets, target))
			add_link(c, p, &p->legs[k], target, arg);
	return c;
}

Crit *
search_chain(SearchRequest *req, const ModelType *t, const SearchName *name, const char *value, int depth)
{
	const KeyParam *p = search_require_param(t, name->code);
	const ModelType **targets;
	int ntargets;
	Crit *c = crit_new(CRIT_CHAIN);

	if (p->type != PARAM_REFERENCE)
		ereport(ERROR, errcode(FH400),
				errmsg("search parameter \"%s\" of %s can't be chained", p->code, t->name),
				errdetail("It is not of type reference."), errhint("Only references lead on: subject.name."), fhir_issue("invalid", NULL));
	ntargets = search_chain_targets(p, name->modifier, &targets);
	for (int i = 0; i < ntargets; i++) {
		Crit *arg;

		if (ntargets > 1 && (!search_reference_allows(p, targets[i]) || !search_knows(targets[i], name->rest)))
			continue;
		arg = search_resolve_criterion(req, &targets[i], 1, name->rest, value, depth + 1);
		search_chain_link(c, p, targets[i], arg);
	}
	if (c->nlinks == 0)
		ereport(
			ERROR, errcode(FH400),
			errmsg("unknown search parameter \"%s\" in chain \"%s.%s\"", name->rest, name->code, name->rest),
			errdetail("No type that %s of %s may refer to has it.", name->code, t->name),
			errhint("fhir_search_parameters() of the type that it leads to lists what follows the dot."),
			fhir_issue("not-supported", NULL));
	return c;
}

/* _has:Observation:patient:code=1234; rest = "Observation:patient:code" */
Crit *
search_has(SearchRequest *req, const ModelType *const *types, int ntypes, const char *rest, const char *value,
		   int depth)
{
	int tlen = strcspn(rest, ":"), plen;
	const ModelType *from = model_resource(rest, tlen);
	const KeyParam *p;
	Crit *c = crit_new(CRIT_HAS), *arg, *referring = NULL;
	const char *near = from ? NULL : search_nearest_type(pnstrdup(rest, tlen));

	if (!from)
		ereport(ERROR, errcode(FH400), errmsg("unknown resource type \"%.*s\" in _has", tlen, rest),
				errhint("%s", near ? near : "The form is _has:Type:reference:parameter=value."), fhir_issue("value", NULL));
	if (rest[tlen] != ':' || rest[tlen + 1 + (plen = strcspn(rest + tlen + 1, ":"))] != ':')
		ereport(ERROR, errcode(FH400), errmsg("incomplete parameter \"_has:%s\"", rest),
				errhint("The form is _has:Type:reference:parameter=value."), fhir_issue("invalid", NULL));
	p = search_require_param(from, pnstrdup(rest + tlen + 1, plen));
	if (p->type != PARAM_REFERENCE)
		ereport(ERROR, errcode(FH400),
				errmsg("search parameter \"%s\" of %s is no reference", p->code, from->name), errhint("The form is _has:Type:reference:parameter=value."),
				fhir_issue("invalid", NULL));
	rest += tlen + 1 + plen + 1;
	if (*rest == '\0')
		ereport(ERROR, errcode(FH400), errmsg("_has names no parameter of %s", from->name),
				errhint("The form is _has:Type:reference:parameter=value."), fhir_issue("invalid", NULL));
	arg = search_resolve_criterion(req, &from, 1, rest, value, depth + 1);
	for (int k = 0; k < p->nlegs; k++) {
		bool any = false;

		for (int i = 0; i < ntypes && !any; i++)
			any = search_reference_allows(p, types[i]) && search_target_allowed(p->legs[k].targets, types[i]);
		if (any) {
			add_link(c, p, &p->legs[k], from, arg);
			referring = crit_join(CRIT_OR, referring, search_present(&p->legs[k]));
		}
	}
	if (c->nlinks == 0)
		ereport(
			ERROR, errcode(FH400),
			errmsg("search parameter \"%s\" of %s does not refer to %s", p->code, from->name, types[0]->name), errhint("fhir_search_parameters('%s') tells the targets of each reference.", from->name),
			fhir_issue("value", NULL));
	Assert(referring != NULL); /* as there is a link */
	/* where only those that refer at all carry a hash, they may be few */
	if (referring->kind == CRIT_KEYS) {
		arg = crit_join(CRIT_AND, arg, referring);
		for (int k = 0; k < c->nlinks; k++)
			c->links[k].arg = arg;
	}
	return c;
}
