/*
 * search_resolve.c: parameters -> criteria.
 *
 * A name is  code[:modifier]  |  reference[:Type].rest  |  _has:Type:reference:rest, where rest is a name
 * again. A criterion is resolved for each searched type by itself and the results are OR-ed: hashes carry
 * their type, so that this is one list of hashes in the end. Negation (:not, :missing=true) goes around that
 * OR.
 */
#include "base/compat.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/error.h"
#include "base/settings.h"
#include "search/search_internal.h"
#include "store/store.h"

/* ---- building criteria ---- */

Crit *
crit_new(CritKind kind)
{
	Crit *c = palloc0(sizeof(Crit));

	c->kind = kind;
	c->matches = -1;
	return c;
}

void
crit_add_key(Crit *c, uint64 key)
{
	if ((c->nkeys & (c->nkeys - 1)) == 0) /* at powers of two */
		c->keys = c->keys ? repalloc(c->keys, c->nkeys * 2 * sizeof(uint64)) : palloc(sizeof(uint64));
	c->keys[c->nkeys++] = key;
}

void
crit_add_value(Crit *c, char *value)
{
	if ((c->nvalues & (c->nvalues - 1)) == 0)
		c->values = c->values ? repalloc(c->values, c->nvalues * 2 * sizeof(char *)) : palloc(sizeof(char *));
	c->values[c->nvalues++] = value;
}

void
crit_add_box(Crit *c, uint64 key, int64 lo_min, int64 lo_max, int64 hi_min, int64 hi_max)
{
	OrdBox *b;

	/* lo <= hi always */
	lo_max = Min(lo_max, hi_max);
	hi_min = Max(hi_min, lo_min);
	if (lo_min > lo_max || hi_min > hi_max)
		return;
	if ((c->nboxes & (c->nboxes - 1)) == 0)
		c->boxes = c->boxes ? repalloc(c->boxes, c->nboxes * 2 * sizeof(OrdBox)) : palloc(sizeof(OrdBox));
	b = &c->boxes[c->nboxes++];
	*b = (OrdBox){key, lo_min, lo_max, hi_min, hi_max};
}

static void
add_arg(Crit *c, Crit *arg)
{
	if ((c->nargs & (c->nargs - 1)) == 0)
		c->args = c->args ? repalloc(c->args, c->nargs * 2 * sizeof(Crit *)) : palloc(sizeof(Crit *));
	c->args[c->nargs++] = arg;
}

/* Can b's alternatives be appended to those of a? */
static bool
mergeable(const Crit *a, const Crit *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
		case CRIT_KEYS:
		case CRIT_ORDERED:
		case CRIT_UPDATED:
		case CRIT_ID:
			return true;
		default:
			return false;
	}
}

/* a OP b, simplified; either may be NULL. OR-ed lists of one kind become one list. a may be changed. */
Crit *
crit_join(CritKind kind, Crit *a, Crit *b)
{
	CritKind unit = kind == CRIT_AND ? CRIT_TRUE : CRIT_FALSE;
	CritKind zero = kind == CRIT_AND ? CRIT_FALSE : CRIT_TRUE;
	Crit *c;

	if (a == NULL || (b && a->kind == unit))
		return b;
	if (b == NULL || b->kind == unit || a->kind == zero)
		return a;
	if (b->kind == zero)
		return b;
	if (kind == CRIT_OR && a->kind == CRIT_OR) {
		/* try the alternatives that are there */
		for (int i = 0; i < a->nargs; i++)
			if (mergeable(a->args[i], b)) {
				a->args[i] = crit_join(CRIT_OR, a->args[i], b);
				return a;
			}
	}
	if (kind == CRIT_OR && mergeable(a, b)) {
		a->single = a->single && b->single && a->nboxes && b->nboxes && a->boxes[0].key == b->boxes[0].key;
		for (int i = 0; i < b->nkeys; i++)
			crit_add_key(a, b->keys[i]);
		for (int i = 0; i < b->nvalues; i++)
			crit_add_value(a, b->values[i]);
		for (int i = 0; i < b->nboxes; i++)
			crit_add_box(a, b->boxes[i].key, b->boxes[i].lo_min, b->boxes[i].lo_max, b->boxes[i].hi_min,
			             b->boxes[i].hi_max);
		return a;
	}
	if (a->kind == kind)
		c = a;
	else {
		c = crit_new(kind);
		add_arg(c, a);
	}
	if (b->kind == kind)
		for (int i = 0; i < b->nargs; i++)
			c = crit_join(kind, c, b->args[i]);
	else
		add_arg(c, b);
	return c;
}

static Crit *
crit_not(Crit *a)
{
	Crit *c;

	if (a->kind == CRIT_TRUE || a->kind == CRIT_FALSE)
		return crit_new(a->kind == CRIT_TRUE ? CRIT_FALSE : CRIT_TRUE);
	if (a->kind == CRIT_NOT)
		return a->args[0];
	c = crit_new(CRIT_NOT);
	add_arg(c, a);
	return c;
}

/* ---- errors ---- */

static void
offer_param(const KeyParam *p, void *arg)
{
	search_nearest_offer(arg, p->code);
}

void
search_unknown_param(const ModelType *t, const char *code)
{
	SearchNearest near = {code};
	static const char *const controls[] = {"_id",      "_lastUpdated", "_count",   "_sort",       "_total",
	                                       "_summary", "_elements",    "_include", "_revinclude", "_has",
	                                       "_type",    "_filter",      "_list"};

	keys_params_each(t, offer_param, &near);
	for (int i = 0; i < lengthof(controls); i++)
		search_nearest_offer(&near, controls[i]);
	ereport(ERROR, errcode(FH400),
	        errmsg("unknown search parameter \"%.*s\" of %s", pg_mbcliplen(code, strlen(code), 80), code,
	               t->name),
	        near.best
	            ? errhint("Perhaps \"%s\"?", near.best)
	            : errhint("The CapabilityStatement (fhir_capabilities) lists the parameters of each type."),
	        fhir_issue("not-supported", NULL));
}

/* A parameter that a user has added, and whose keys are not all there (as this snapshot sees it). */
static void
not_ready(const KeyParam *p)
{
	char *progress = store_params_progress(p->user->rid);

	ereport(
	    ERROR, errcode(FH400),
	    errmsg("search parameter \"%s\" of %s is not ready yet", p->code, p->base->name),
	    errdetail("It was added by SearchParameter %s; the keys of existing resources are still being made.",
	              p->url),
	    progress ? errhint("%s", progress) : errhint("Try again in a new transaction."),
	    fhir_issue("not-supported", NULL));
}

static void
stale_keys(void)
{
	char *progress = store_params_progress(0);

	ereport(ERROR, errcode(FH503), errmsg("the search keys of this store are being made anew"),
	        errdetail("They have the format of another version of the extension: a search would miss "
	                  "resources. Reading by id goes on."),
	        progress ? errhint("%s", progress) : errhint("CALL fhir_reindex(); on the primary."),
	        fhir_issue("transient", NULL));
}

const KeyParam *
search_param(const ModelType *t, const char *code, int len)
{
	const KeyParam *p;

	if (store_keys_stale())
		stale_keys();
	p = keys_param(t, code, len);
	if (unlikely(p != NULL && p->user != NULL && !keys_servable(p)))
		not_ready(p);
	return p;
}

/* ---- names ---- */

typedef struct NameParts {
	const char *code;     /* up to the first ':' or '.' */
	const char *modifier; /* between ':' and '.', NULL if none */
	const char *rest;     /* after '.', NULL if no chain */
} NameParts;

static NameParts
split_name(const char *name)
{
	NameParts p = {0};
	int len = strcspn(name, ":.");

	p.code = pnstrdup(name, len);
	name += len;
	if (*name == ':') {
		/* a URL may stand in no modifier, so the first dot ends it */
		len = strcspn(++name, ".");
		p.modifier = pnstrdup(name, len);
		name += len;
	}
	if (*name == '.')
		p.rest = name + 1;
	return p;
}

/* Parameters that hold for every type and are not in the keys. */
static bool
is_common(const char *code)
{
	return strcmp(code, "_id") == 0 || strcmp(code, "_lastUpdated") == 0;
}

static const KeyParam *
require_param(const ModelType *t, const char *code)
{
	const KeyParam *p = search_param(t, code, strlen(code));

	if (!p)
		search_unknown_param(t, code);
	return p;
}

/* ---- :missing ---- */

/* AND over groups of OR over members, as keys_missing describes. */
static Crit *
missing_groups(const KeyMissing *m, int n)
{
	Crit *all = NULL, *group = NULL;

	for (int i = 0; i < n; i++) {
		Crit *key = crit_new(CRIT_KEYS);

		crit_add_key(key, m[i].key);
		if (!m[i].absence)
			key = crit_not(key);
		if (i > 0 && m[i].group != m[i - 1].group) {
			all = crit_join(CRIT_AND, all, group);
			group = NULL;
		}
		group = crit_join(CRIT_OR, group, key);
	}
	return crit_join(CRIT_AND, all, group);
}

Crit *
search_present(const KeyLeg *leg)
{
	KeyMissing *m;
	int n = keys_missing_leg(leg, &m);

	return n ? crit_not(missing_groups(m, n)) : crit_new(CRIT_FALSE);
}

static Crit *
missing(const ModelType *const *types, int ntypes, const char *code, const char *value)
{
	Crit *c = NULL;
	bool wanted;

	if (strcmp(value, "true") == 0)
		wanted = true;
	else if (strcmp(value, "false") == 0)
		wanted = false;
	else
		search_bad_value(psprintf("%s:missing", code), value, "not a boolean", "Use true or false.");
	if (is_common(code))
		return crit_new(wanted ? CRIT_FALSE : CRIT_TRUE);
	for (int i = 0; i < ntypes; i++) {
		KeyMissing *m;
		int n = keys_missing(require_param(types[i], code), &m);
		Crit *one;

		if (n == 0)
			search_bad_modifier(code, "missing", NULL);
		one = missing_groups(m, n);
		if (!wanted)
			one = crit_not(one);
		if (ntypes > 1) {
			/* the absence of a key says something of its own type only */
			Crit *type = crit_new(CRIT_TYPE);

			type->type = types[i];
			one = crit_join(CRIT_AND, type, one);
		}
		c = crit_join(CRIT_OR, c, one);
	}
	return c;
}

/* ---- chains and _has ---- */

static bool
target_allowed(const ModelTypeId *targets, const ModelType *t)
{
	if (targets == NULL || targets[0] == MODEL_NONE)
		return true;
	for (; *targets; targets++)
		if (*targets == t->id || model_type_by_id(*targets)->abstract)
			return true;
	return false;
}

static void
add_link(Crit *c, const KeySource *source, const ModelType *type, Crit *arg)
{
	c->links = c->links ? repalloc(c->links, (c->nlinks + 1) * sizeof(CritLink)) : palloc(sizeof(CritLink));
	c->links[c->nlinks++] = (CritLink){source, type, arg};
}

/* May the reference parameter lead to t? */
static bool
refers_to(const KeyParam *p, const ModelType *t)
{
	for (int i = 0; i < p->nlegs; i++)
		if (target_allowed(p->targets, t) && target_allowed(p->legs[i].targets, t))
			return true;
	return false;
}

/* Does type t know the first part of a name? */
static bool
knows(const ModelType *t, const char *name)
{
	int len = strcspn(name, ":.");

	if (strncmp(name, "_has:", 5) == 0) {
		/* does its reference lead to t? */
		const char *from = name + 5, *ref = from + strcspn(from, ":");
		const ModelType *type = model_resource(from, ref - from);
		const KeyParam *p = type && *ref ? search_param(type, ref + 1, strcspn(ref + 1, ":")) : NULL;

		return p == NULL || refers_to(p, t);
	}
	if ((len == 3 && strncmp(name, "_id", 3) == 0) || (len == 12 && strncmp(name, "_lastUpdated", 12) == 0) ||
	    (len == 7 && strncmp(name, "_filter", 7) == 0) || (len == 5 && strncmp(name, "_text", 5) == 0) ||
	    (len == 8 && strncmp(name, "_content", 8) == 0))
		return true;
	return search_param(t, name, len) != NULL;
}

static int
chain_targets(const KeyParam *p, const char *type_name, const ModelType ***out)
{
	int n = 0;

	*out = palloc(model_ntypes * sizeof(ModelType *));
	if (type_name) {
		const ModelType *t = model_resource(type_name, strlen(type_name));

		if (!t)
			search_bad_modifier(p->code, type_name, "a resource type, as this is a chain");
		if (!target_allowed(p->targets, t))
			ereport(ERROR, errcode(FH400),
			        errmsg("search parameter \"%s\" of %s does not refer to %s", p->code, p->base->name,
			               type_name),
			        fhir_issue("value", NULL));
		(*out)[n++] = t;
		return n;
	}
	for (int m = 1; m < model_ntypes; m++)
		if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract &&
		    target_allowed(p->targets, &model_types[m]))
			(*out)[n++] = &model_types[m];
	return n;
}

static Crit *
chain(SearchRequest *req, const ModelType *t, const NameParts *name, const char *value, int depth)
{
	const KeyParam *p = require_param(t, name->code);
	const ModelType **targets;
	int ntargets;
	Crit *c = crit_new(CRIT_CHAIN);

	if (p->type != PARAM_REFERENCE)
		ereport(ERROR, errcode(FH400),
		        errmsg("search parameter \"%s\" of %s can't be chained", p->code, t->name),
		        errdetail("It is not of type reference."), fhir_issue("invalid", NULL));
	ntargets = chain_targets(p, name->modifier, &targets);
	for (int i = 0; i < ntargets; i++) {
		Crit *arg;

		if (ntargets > 1 && (!refers_to(p, targets[i]) || !knows(targets[i], name->rest)))
			continue;
		arg = search_resolve_criterion(req, &targets[i], 1, name->rest, value, depth + 1);
		for (int k = 0; k < p->nlegs; k++)
			if (target_allowed(p->legs[k].targets, targets[i]))
				add_link(c, p->legs[k].source, targets[i], arg);
	}
	if (c->nlinks == 0)
		ereport(
		    ERROR, errcode(FH400),
		    errmsg("unknown search parameter \"%s\" in chain \"%s.%s\"", name->rest, name->code, name->rest),
		    errdetail("No type that %s of %s may refer to has it.", name->code, t->name),
		    fhir_issue("not-supported", NULL));
	return c;
}

/* _has:Observation:patient:code=1234; rest = "Observation:patient:code" */
static Crit *
has(SearchRequest *req, const ModelType *const *types, int ntypes, const char *rest, const char *value,
    int depth)
{
	int tlen = strcspn(rest, ":"), plen;
	const ModelType *from = model_resource(rest, tlen);
	const KeyParam *p;
	Crit *c = crit_new(CRIT_HAS), *arg, *referring = NULL;

	if (!from)
		ereport(ERROR, errcode(FH400), errmsg("unknown resource type \"%.*s\" in _has", tlen, rest),
		        errhint("The form is _has:Type:reference:parameter=value."), fhir_issue("value", NULL));
	if (rest[tlen] != ':' || rest[tlen + 1 + (plen = strcspn(rest + tlen + 1, ":"))] != ':')
		ereport(ERROR, errcode(FH400), errmsg("incomplete parameter \"_has:%s\"", rest),
		        errhint("The form is _has:Type:reference:parameter=value."), fhir_issue("invalid", NULL));
	p = require_param(from, pnstrdup(rest + tlen + 1, plen));
	if (p->type != PARAM_REFERENCE)
		ereport(ERROR, errcode(FH400),
		        errmsg("search parameter \"%s\" of %s is no reference", p->code, from->name),
		        fhir_issue("invalid", NULL));
	rest += tlen + 1 + plen + 1;
	if (*rest == '\0')
		ereport(ERROR, errcode(FH400), errmsg("_has names no parameter of %s", from->name),
		        errhint("The form is _has:Type:reference:parameter=value."), fhir_issue("invalid", NULL));
	arg = search_resolve_criterion(req, &from, 1, rest, value, depth + 1);
	for (int k = 0; k < p->nlegs; k++) {
		bool any = false;

		for (int i = 0; i < ntypes && !any; i++)
			any = refers_to(p, types[i]) && target_allowed(p->legs[k].targets, types[i]);
		if (any) {
			add_link(c, p->legs[k].source, from, arg);
			referring = crit_join(CRIT_OR, referring, search_present(&p->legs[k]));
		}
	}
	if (c->nlinks == 0)
		ereport(
		    ERROR, errcode(FH400),
		    errmsg("search parameter \"%s\" of %s does not refer to %s", p->code, from->name, types[0]->name),
		    fhir_issue("value", NULL));
	/* where only those that refer at all carry a hash, they may be few */
	if (referring->kind == CRIT_KEYS) {
		arg = crit_join(CRIT_AND, arg, referring);
		for (int k = 0; k < c->nlinks; k++)
			c->links[k].arg = arg;
	}
	return c;
}

/* ---- one criterion ---- */

static Crit *
ids(const char *value)
{
	Crit *c = crit_new(CRIT_ID);
	char **parts;
	int n = search_split(value, ',', &parts);

	for (int i = 0; i < n; i++) {
		char *id = search_unescape(parts[i]);

		if (*id == '\0')
			search_bad_value("_id", value, "an id is empty", NULL);
		crit_add_value(c, id);
	}
	return c;
}

static Crit *
list(const char *value)
{
	Crit *c = crit_new(CRIT_LIST);
	char **parts;
	int n = search_split(value, ',', &parts);

	for (int i = 0; i < n; i++) {
		char *id = search_unescape(parts[i]);

		if (*id == '$' || *id == '\0')
			search_bad_value("_list", value, *id ? "functional lists are not supported" : "an id is empty",
			                 "Give the id of a List.");
		crit_add_value(c, strncmp(id, "List/", 5) == 0 ? id + 5 : id);
	}
	return c;
}

static Crit *
special(SearchRequest *req, const ModelType *const *types, int ntypes, const NameParts *n, const char *value)
{
	Crit *c;

	if (strcmp(n->code, "_id") == 0)
		c = ids(value);
	else if (strcmp(n->code, "_lastUpdated") == 0)
		c = search_updated_values(n->code, value);
	else if (strcmp(n->code, "_list") == 0)
		c = list(value);
	else if (strcmp(n->code, "_text") == 0 || strcmp(n->code, "_content") == 0)
		c = search_text_criterion(types, ntypes, n->code, value);
	else if (strcmp(n->code, "_filter") == 0)
		c = search_filter(req, types, ntypes, value);
	else
		return NULL;
	if (n->modifier && !(strcmp(n->modifier, "not") == 0 && strcmp(n->code, "_id") == 0))
		search_bad_modifier(n->code, n->modifier, "missing");
	return n->modifier ? crit_not(c) : c;
}

Crit *
search_resolve_criterion(SearchRequest *req, const ModelType *const *types, int ntypes, const char *name,
                         const char *value, int depth)
{
	NameParts n;
	Crit *c = NULL;
	bool negated;

	check_stack_depth();
	if (depth > fhir_max_chain_depth)
		ereport(ERROR, errcode(FH400), errmsg("the chain is too long"),
		        errdetail("It goes on with \"%s\" after %d steps; fhir.max_chain_depth is %d.", name, depth,
		                  fhir_max_chain_depth),
		        fhir_issue("too-costly", NULL));
	if (strncmp(name, "_has:", 5) == 0)
		return has(req, types, ntypes, name + 5, value, depth);
	n = split_name(name);
	if (*value == '\0')
		search_bad_value(name, value, "no value is given", NULL);
	if (n.modifier && !n.rest && strcmp(n.modifier, "missing") == 0)
		return missing(types, ntypes, n.code, value);
	if (!n.rest && (c = special(req, types, ntypes, &n, value)) != NULL)
		return c;
	negated = n.modifier && !n.rest && (strcmp(n.modifier, "not") == 0 || strcmp(n.modifier, "not-in") == 0);
	for (int i = 0; i < ntypes; i++) {
		Crit *one;

		if (n.rest)
			one = chain(req, types[i], &n, value, depth);
		else
			one = search_values(require_param(types[i], n.code), n.modifier, value);
		c = crit_join(CRIT_OR, c, one);
	}
	if (c->kind == CRIT_KEYS && c->nkeys == 0)
		c = crit_new(CRIT_FALSE);
	else if ((c->kind == CRIT_ORDERED || c->kind == CRIT_UPDATED) && c->nboxes == 0)
		c = crit_new(CRIT_FALSE);
	return negated ? crit_not(c) : c;
}

/* ---- the request ---- */

/* Membership in a compartment: its own resource, or any of the type's compartment parameters refers to it. */
static Crit *
compartment(SearchRequest *req)
{
	Crit *c = NULL;
	char *ref = psprintf("%s/%s", req->compartment->name, req->compartment_id);

	for (int i = 0; i < req->ntypes; i++) {
		const ModelType *t = req->types[i];
		const char *const *codes = model_compartment(req->compartment->name, t);
		Crit *one = NULL;

		if (t == req->compartment) {
			one = crit_new(CRIT_AND);
			add_arg(one, crit_new(CRIT_TYPE));
			one->args[0]->type = t;
			add_arg(one, crit_new(CRIT_ID));
			crit_add_value(one->args[1], pstrdup(req->compartment_id));
		} else if (codes == NULL)
			ereport(ERROR, errcode(FH400),
			        errmsg("%s is not in the %s compartment", t->name, req->compartment->name),
			        fhir_issue("not-supported", NULL));
		for (; codes && *codes; codes++) {
			const KeyParam *p;

			if (strcmp(*codes, "{def}") == 0)
				continue;
			p = search_param(t, *codes, strlen(*codes));
			if (!p)
				continue;
			for (int k = 0; k < p->nlegs; k++)
				if (target_allowed(p->legs[k].targets, req->compartment)) {
					Crit *key = crit_new(CRIT_KEYS);

					crit_add_key(key, keys_reference(p->legs[k].source, ref, strlen(ref)));
					one = crit_join(CRIT_OR, one, key);
				}
		}
		if (one)
			c = crit_join(CRIT_OR, c, one);
	}
	c->label = psprintf("compartment %s", ref);
	return c;
}

static void
add_where(SearchRequest *req, Crit *c, const char *label)
{
	if (c->label == NULL)
		c->label = label;
	req->where =
	    req->where ? repalloc(req->where, (req->nwhere + 1) * sizeof(Crit *)) : palloc(sizeof(Crit *));
	req->where[req->nwhere++] = c;
}

static void
resolve_leniently(SearchRequest *req, SearchPair *p)
{
	MemoryContext cxt = CurrentMemoryContext;

	PG_TRY();
	{
		add_where(req, search_resolve_criterion(req, req->types, req->ntypes, p->name, p->value, 0),
		          psprintf("%s=%s", p->name, p->value));
		p->used = true;
	}
	PG_CATCH();
	{
		search_ignore(req, cxt);
	}
	PG_END_TRY();
}

/*
 * Ranges of one place that holds one value (date=ge2020&date=lt2021) become one range, so that the index is
 * asked for what lies in both.
 */
static void
merge_ranges(SearchRequest *req)
{
	for (int i = 0; i < req->nwhere; i++)
		for (int k = i + 1; k < req->nwhere; k++) {
			Crit *a = req->where[i], *b = req->where[k], *c;

			if (a->kind != CRIT_ORDERED || b->kind != CRIT_ORDERED || !a->single || !b->single ||
			    a->boxes[0].key != b->boxes[0].key || a->nboxes * b->nboxes > 1000)
				continue;
			c = crit_new(CRIT_ORDERED);
			for (int x = 0; x < a->nboxes; x++)
				for (int y = 0; y < b->nboxes; y++)
					crit_add_box(c, a->boxes[x].key, Max(a->boxes[x].lo_min, b->boxes[y].lo_min),
					             Min(a->boxes[x].lo_max, b->boxes[y].lo_max),
					             Max(a->boxes[x].hi_min, b->boxes[y].hi_min),
					             Min(a->boxes[x].hi_max, b->boxes[y].hi_max));
			c->single = true;
			c->label = psprintf("%s&%s", a->label, b->label);
			if (c->nboxes == 0)
				c->kind = CRIT_FALSE;
			req->where[i] = c;
			memmove(req->where + k, req->where + k + 1, (req->nwhere - k - 1) * sizeof(Crit *));
			req->nwhere--;
			k--;
		}
}

void
search_resolve(SearchRequest *req)
{
	if (req->compartment)
		add_where(req, compartment(req), NULL);
	for (int i = 0; i < req->npairs; i++) {
		SearchPair *p = &req->pairs[i];

		if (p->control)
			continue;
		if (req->handling == SEARCH_LENIENT)
			resolve_leniently(req, p);
		else {
			add_where(req, search_resolve_criterion(req, req->types, req->ntypes, p->name, p->value, 0),
			          psprintf("%s=%s", p->name, p->value));
			p->used = true;
		}
	}
	merge_ranges(req);
}
