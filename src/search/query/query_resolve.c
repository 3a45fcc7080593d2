/*
 * query_resolve.c: parameters -> criteria.
 *
 * A name is  code[:modifier]  |  reference[:Type].rest  |  _has:Type:reference:rest, where rest is a name
 * again. A criterion is resolved for each searched type by itself and the results are OR-ed: hashes carry
 * their type, so that this is one list of hashes in the end. Negation (:not, :missing=true) goes around that
 * OR.
 */
#include "base/base.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "search/plan/plan.h"
#include "store/rows/rows.h"
#include "search/query/query_internal.h"

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
	static const char *const controls[] = {"_id", "_lastUpdated", "_count", "_sort", "_total",
										   "_summary", "_elements", "_include", "_revinclude", "_has",
										   "_type", "_filter", "_list", "_contained", "_containedType"};

	for (int i = 0; i < lengthof(controls); i++)
		if (strcmp(code, controls[i]) == 0 && strcmp(code, "_has") != 0)
			ereport(ERROR, errcode(FH400), errmsg("\"%s\" can't be used here", code),
					errdetail("It belongs to the search as a whole, and takes no modifier."), errhint("Write it by itself, beside the other parameters."),
					fhir_issue("not-supported", NULL));
	keys_params_each(store_key_context(), t, offer_param, &near);
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

void
search_require_keys(void)
{
	if (store_keys_stale())
		stale_keys();
}

static bool met_user_param = false;

bool
search_met_user_param(bool reset)
{
	bool met = met_user_param;

	met_user_param = met && !reset;
	return met;
}

void
search_note_user_param(void)
{
	met_user_param = true;
}

const KeyParam *
search_param(const ModelType *t, const char *code, int len)
{
	const KeyParam *p;

	search_require_keys();
	p = keys_param(store_key_context(), t, code, len);
	met_user_param |= p != NULL && p->user != NULL;
	if (unlikely(p != NULL && p->user != NULL && !keys_servable(p)))
		not_ready(p);
	return p;
}

/* ---- names ---- */

SearchName
search_split_name(const char *name)
{
	SearchName p = {0};
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

const KeyParam *
search_require_param(const ModelType *t, const char *code)
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

/* contained: it is probed of contained resources, too. */
static Crit *
missing(const ModelType *const *types, int ntypes, const char *code, const char *value, bool contained)
{
	Crit *c = NULL;
	bool wanted;

	if (strcmp(value, "true") == 0)
		wanted = true;
	else if (strcmp(value, "false") == 0)
		wanted = false;
	else
		search_bad_value(psprintf("%s:missing", code), value, "not a boolean", "Use true or false.");
	if (contained && strcmp(code, "_lastUpdated") == 0) {
		/* they have none */
		c = crit_new(CRIT_UPDATED);
		crit_add_box(c, 0, PG_INT64_MIN, PG_INT64_MAX, PG_INT64_MIN, PG_INT64_MAX);
		return wanted ? crit_not(c) : c;
	}
	if (is_common(code))
		return crit_new(wanted ? CRIT_FALSE : CRIT_TRUE);
	for (int i = 0; i < ntypes; i++) {
		KeyMissing *m;
		int n = keys_missing(search_require_param(types[i], code), &m);
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
special(SearchRequest *req, const ModelType *const *types, int ntypes, const SearchName *n, const char *value)
{
	char **values;
	Crit *c;

	if (n->code[0] == '_' && strcmp(n->code, "_filter") != 0)
		search_limit_values(n->code, search_split(value, ',', &values));
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
		search_bad_modifier(n->code, n->modifier, strcmp(n->code, "_id") == 0 ? "missing, not" : NULL);
	return n->modifier ? crit_not(c) : c;
}

/* The same, compared within _filter: equal, unequal, and _lastUpdated by prefixes. */
static Crit *
special_comparison(SearchRequest *req, const ModelType *const *types, int ntypes, const SearchName *n,
				   const char *value)
{
	SearchName plain = {n->code, NULL, NULL};
	const char *op = n->modifier + 1;
	Crit *c;

	if (strcmp(n->code, "_lastUpdated") == 0)
		return special(req, types, ntypes, &plain, psprintf("%s%s", op, value));
	c = special(req, types, ntypes, &plain, value);
	if (c == NULL)
		return NULL;
	if (strcmp(op, "eq") != 0 && strcmp(op, "ne") != 0)
		ereport(ERROR, errcode(FH400),
				errmsg("invalid _filter: operator \"%s\" does not compare with \"%s\"", op, n->code), errhint("docs/search.md lists the operators of each type of parameter."),
				fhir_issue("invalid", NULL));
	return *op == 'n' ? crit_not(c) : c;
}

/* NOT c; and, where that is known, one of the codes that remain: an index finds these. */
static Crit *
complement(const ModelType *const *types, int ntypes, const char *code, Crit *c)
{
	const KeyParam *p = ntypes == 1 ? search_require_param(types[0], code) : NULL;
	Crit *rest = crit_new(CRIT_KEYS);
	uint64 *keys;
	int n = p && p->nlegs == 1 && c->kind == CRIT_KEYS ? keys_all_codes(&p->legs[0], &keys) : 0;

	for (int i = 0; i < n; i++) {
		int k = 0;

		while (k < c->nkeys && c->keys[k] != keys[i])
			k++;
		if (k == c->nkeys)
			crit_add_key(rest, keys[i]);
	}
	return rest->nkeys > 0 && rest->nkeys <= SEARCH_INDEXED_KEYS ? crit_join(CRIT_AND, rest, crit_not(c)) : crit_not(c);
}

/* Does the lack of a key say something in it? Rows of other types lack that key, too. */
static bool
says_by_absence(const Crit *c)
{
	if (c->kind == CRIT_NOT)
		return true;
	for (int i = 0; i < c->nargs; i++)
		if (says_by_absence(c->args[i]))
			return true;
	return false;
}

void
search_require_for_all(const SearchRequest *req, const char *code)
{
	const ModelType *having = NULL, *lacking = NULL;

	if (!req->all_types || req->contained != CONTAINED_FALSE)
		return;
	for (int i = 0; i < req->ntypes; i++) {
		if (search_param(req->types[i], code, strlen(code)) == NULL)
			lacking = lacking ? lacking : req->types[i];
		else
			having = having ? having : req->types[i];
	}
	if (having && lacking)
		ereport(ERROR, errcode(FH400), errmsg("search parameter \"%s\" is not one of all types", code),
				errdetail("Without _type all types are searched; %s has no such parameter.", lacking->name),
				errhint("Name types that have it, for example _type=%s.", having->name),
				fhir_issue("not-supported", NULL));
}

Crit *
search_resolve_criterion(SearchRequest *req, const ModelType *const *types, int ntypes, const char *name,
						 const char *value, int depth)
{
	SearchName n;
	Crit *c = NULL;
	bool negated;

	check_stack_depth();
	if (depth > fhir_max_chain_depth)
		ereport(ERROR, errcode(FH400), errmsg("the chain is too long"),
				errdetail("It goes on with \"%s\" after %d steps; fhir.max_chain_depth is %d.", name, depth,
						  fhir_max_chain_depth),
				errhint("Search in two steps, or raise the setting."),
				fhir_issue("too-costly", NULL));
	if (strncmp(name, "_has:", 5) == 0)
		return search_has(req, types, ntypes, name + 5, value, depth);
	n = search_split_name(name);
	if (*value == '\0')
		search_bad_value(name, value, "no value is given", NULL);
	if (n.modifier && !n.rest && *n.modifier == '~' && *n.code == '_' &&
		(c = special_comparison(req, types, ntypes, &n, value)) != NULL)
		return c;
	if (n.modifier && !n.rest && strcmp(n.modifier, "missing") == 0)
		return missing(types, ntypes, n.code, value, req->contained != CONTAINED_FALSE || depth > 0);
	if (!n.rest && (c = special(req, types, ntypes, &n, value)) != NULL)
		return c;
	if (types == req->types)
		search_require_for_all(req, n.code);
	negated = n.modifier && !n.rest && (strcmp(n.modifier, "not") == 0 || strcmp(n.modifier, "not-in") == 0);
	for (int i = 0; i < ntypes; i++) {
		Crit *one;

		if (n.rest)
			one = search_chain(req, types[i], &n, value, depth);
		else
			one = search_values(search_require_param(types[i], n.code), n.modifier, value);
		if (ntypes > 1 && says_by_absence(one)) {
			Crit *type = crit_new(CRIT_TYPE);

			type->type = types[i];
			one = crit_join(CRIT_AND, type, one);
		}
		c = crit_join(CRIT_OR, c, one);
	}
	Assert(c != NULL); /* a search has a type */
	if (c->kind == CRIT_KEYS && c->nkeys == 0)
		c = crit_new(CRIT_FALSE);
	else if ((c->kind == CRIT_ORDERED || c->kind == CRIT_UPDATED) && c->nboxes == 0)
		c = crit_new(CRIT_FALSE);
	return negated ? complement(types, ntypes, n.code, c) : c;
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
			crit_add_arg(one, crit_new(CRIT_TYPE));
			one->args[0]->type = t;
			crit_add_arg(one, crit_new(CRIT_ID));
			crit_add_value(one->args[1], pstrdup(req->compartment_id));
		} else if (codes == NULL)
			ereport(ERROR, errcode(FH400),
					errmsg("%s is not in the %s compartment", t->name, req->compartment->name), errhint("Search %s by a parameter that refers to the %s.", t->name, req->compartment->name),
					fhir_issue("not-supported", NULL));
		for (; codes && *codes; codes++) {
			const KeyParam *p;

			if (strcmp(*codes, "{def}") == 0)
				continue;
			p = search_param(t, *codes, strlen(*codes));
			if (!p)
				continue;
			for (int k = 0; k < p->nlegs; k++)
				if (search_target_allowed(p->legs[k].targets, req->compartment)) {
					Crit *key = crit_new(CRIT_KEYS);

					crit_add_key(key, keys_reference(store_key_context(), p->legs[k].source, ref, strlen(ref)));
					one = crit_join(CRIT_OR, one, key);
				}
		}
		if (one)
			c = crit_join(CRIT_OR, c, one);
	}
	Assert(c != NULL); /* each type in a compartment is there by a parameter, or as its own */
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
				a->position != b->position || a->nboxes * b->nboxes > 1000)
				continue;
			c = crit_new(CRIT_ORDERED);
			for (int x = 0; x < a->nboxes; x++)
				for (int y = 0; y < b->nboxes; y++)
					if (a->boxes[x].key == b->boxes[y].key)
						crit_add_box(c, a->boxes[x].key, Max(a->boxes[x].lo_min, b->boxes[y].lo_min),
									 Min(a->boxes[x].lo_max, b->boxes[y].lo_max),
									 Max(a->boxes[x].hi_min, b->boxes[y].hi_min),
									 Min(a->boxes[x].hi_max, b->boxes[y].hi_max));
			c->single = true;
			c->position = a->position;
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
