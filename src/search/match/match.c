/*
 * match.c: fhir_matches(resource, query), without its SQL function: does this document satisfy these criteria?
 *
 * The reading of the query is this file's own, apart from that of the search, so that a mistake there is found here.
 * Value sets and hierarchies are those of src/terms. Criteria that need other resources (chains, _has) are refused.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "keys/keys.h"
#include "search/match/match_internal.h"

/* Result controls: they say how the answer looks, not what is in it. */
static const char *const controls[] = {"_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements", "_format",
									   "_pretty", "_contained", "_containedType", "_offset", "_cursor", NULL};

int
match_split(const char *s, char sep, char ***parts)
{
	int n = 1;
	char *copy = pstrdup(s), *p;

	for (p = copy; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == sep)
			n++;
	}
	*parts = palloc(n * sizeof(char *));
	n = 0;
	(*parts)[n++] = copy;
	for (p = copy; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
		} else if (*p == sep) {
			*p = 0;
			(*parts)[n++] = p + 1;
		}
	}
	return n;
}

char *
match_unescape(const char *s)
{
	char *out = palloc(strlen(s) + 1), *q = out;

	for (; *s; s++) {
		if (*s == '\\' && s[1] && strchr(",|$\\", s[1]))
			s++;
		*q++ = *s;
	}
	*q = 0;
	return out;
}

void
match_bad(const MatchCriterion *c, const char *why)
{
	ereport(ERROR, errcode(FH400), errmsg("search value is not valid: %s", why),
			errdetail("Parameter \"%s%s%s\", value \"%s\".", c->name, c->modifier ? ":" : "", c->modifier ? c->modifier : "", c->value),
			errhint("docs/search.md tells which values, prefixes and modifiers each type of parameter takes."),
			fhir_issue("invalid", NULL));
}

MatchPrefix
match_prefix(char **s)
{
	static const char names[][3] = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"};

	for (int i = 0; i < lengthof(names); i++) {
		if (strncmp(*s, names[i], 2) == 0) {
			*s += 2;
			return (MatchPrefix) i;
		}
	}
	return MATCH_EQ;
}

bool
match_text_is(MatchText t, const char *s)
{
	return t.s != NULL && t.len == strlen(s) && memcmp(t.s, s, t.len) == 0;
}

MatchText
match_member(JsonbContainer *c, const char *name)
{
	JsonbValue v;

	if (c != NULL && fhir_json_get(c, name, strlen(name), &v) && v.type == jbvString)
		return (MatchText){v.val.string.val, v.val.string.len};
	return (MatchText){NULL, 0};
}

MatchText
match_scalar(const FpItem *item)
{
	switch (item->json.type) {
		case jbvString:
			return (MatchText){item->json.val.string.val, item->json.val.string.len};
		case jbvBool:
			return item->json.val.boolean ? (MatchText){"true", 4} : (MatchText){"false", 5};
		case jbvNumeric: {
			char *s = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(item->json.val.numeric)));

			return (MatchText){s, strlen(s)};
		}
		default:
			return (MatchText){NULL, 0};
	}
}

int
match_children(JsonbContainer *c, const char *name, JsonbContainer ***out)
{
	JsonbValue v;
	int n = 0;

	*out = NULL;
	if (c == NULL || !fhir_json_get(c, name, strlen(name), &v) || v.type != jbvBinary)
		return 0;
	if (!JsonContainerIsArray(v.val.binary.data)) {
		*out = palloc(sizeof(JsonbContainer *));
		(*out)[0] = v.val.binary.data;
		return 1;
	}
	*out = palloc(Max(1, JsonContainerSize(v.val.binary.data)) * sizeof(JsonbContainer *));
	for (uint32 i = 0; i < JsonContainerSize(v.val.binary.data); i++) {
		JsonbValue *e = getIthJsonbValueFromContainer(v.val.binary.data, i);

		if (e->type == jbvBinary)
			(*out)[n++] = e->val.binary.data;
	}
	return n;
}

static void
evaluate(const char *expression, ModelTypeId context, JsonbContainer *doc, const FpItem *root, FpList *out)
{
	FpContext cxt = {.resolve = FP_RESOLVE_TYPE, .root = doc};

	memset(out, 0, sizeof(*out));
	fhirpath_eval(fhirpath_cached(expression, strlen(expression), context), &cxt, root, out);
}

/* One value of a criterion against one item. */
bool
match_item(const MatchCriterion *c, const FpItem *item, const char *value)
{
	switch (c->param->type) {
		case PARAM_TOKEN:
			return match_token(c, item, value);
		case PARAM_REFERENCE:
			return match_reference(c, item, value);
		case PARAM_STRING:
			return match_string(c, item, value);
		case PARAM_URI:
			return match_uri(c, item, value);
		case PARAM_DATE:
			return match_date(c, item, value);
		case PARAM_NUMBER:
			return match_number(c, item, value);
		case PARAM_QUANTITY:
			return match_quantity(c, item, value);
		default:
			ereport(ERROR, errcode(FH501), errmsg("parameter \"%s\" can't be evaluated in memory", c->name), errhint("Use fhir_search."),
					fhir_issue("not-supported", NULL));
	}
}

/* Composite: one element of the base expression must satisfy every part. */
static bool
match_composite(const MatchCriterion *c, JsonbContainer *doc, const FpList *bases, const char *value)
{
	const KeyParam *composite = keys_param(c->context->keys, c->type, c->param->code, strlen(c->param->code));
	char **parts;
	int n = match_split(value, '$', &parts);

	if (n != c->param->ncomponents)
		match_bad(c, "it needs one part for each component, separated by \"$\"");
	for (int b = 0; b < bases->n; b++) {
		bool all = true;

		for (int i = 0; i < n && all; i++) {
			MatchCriterion part = *c;
			FpList list;
			bool any = false;

			part.param = composite->components[i] == NULL
							 ? NULL
							 : keys_definition(c->context->keys, c->type, composite->components[i]->code, strlen(composite->components[i]->code));
			if (part.param == NULL)
				elog(ERROR, "component %s of %s is unknown", c->param->components[i].definition, c->name);
			part.modifier = NULL;
			part.value = parts[i];
			evaluate(c->param->components[i].expression, bases->items[b].type, doc, &bases->items[b], &list);
			for (int k = 0; k < list.n && !any; k++)
				any = match_item(&part, &list.items[k], parts[i]);
			all = any;
		}
		if (all)
			return true;
	}
	return false;
}

/* An element that is there only for its extensions has no value. */
static int
with_value(const FpList *items)
{
	int n = 0;

	for (int i = 0; i < items->n; i++)
		n += items->items[i].json.type != jbvNull;
	return n;
}

/* A composite has a value where one element of the base has all the parts. */
static bool
composite_present(const MatchCriterion *c, JsonbContainer *doc, const FpList *bases)
{
	for (int b = 0; b < bases->n; b++) {
		bool all = true;

		for (int i = 0; i < c->param->ncomponents && all; i++) {
			FpList list;

			evaluate(c->param->components[i].expression, bases->items[b].type, doc, &bases->items[b], &list);
			all = with_value(&list) > 0;
		}
		if (all)
			return true;
	}
	return false;
}

/* Logical references seldom state a type: `patient:identifier` asks every subject, so the test of the target's type is taken out. */
static const char *
strip_resolve(const char *expression)
{
	static const char lead[] = ".where(resolve() is ";
	char *copy = pstrdup(expression), *at, *end;

	while ((at = strstr(copy, lead)) != NULL && (end = strchr(at + sizeof(lead) - 1, ')')) != NULL)
		memmove(at, end + 1, strlen(end + 1) + 1);
	return copy;
}

static bool
match_criterion(const MatchCriterion *c, JsonbContainer *doc, const FpItem *root)
{
	FpList items;
	char **values;
	int n;
	bool any = false, negate = c->modifier != NULL && (strcmp(c->modifier, "not") == 0 || strcmp(c->modifier, "not-in") == 0);

	if (c->param->expression == NULL || c->param->type == PARAM_SPECIAL)
		ereport(ERROR, errcode(FH501), errmsg("parameter \"%s\" can't be evaluated in memory", c->name), errhint("Use fhir_search."),
				fhir_issue("not-supported", NULL));
	evaluate(c->modifier != NULL && strcmp(c->modifier, "identifier") == 0 ? strip_resolve(c->param->expression) : c->param->expression,
			 c->type->id, doc, root, &items);
	if (c->modifier != NULL && strcmp(c->modifier, "missing") == 0) {
		if (strcmp(c->value, "true") != 0 && strcmp(c->value, "false") != 0)
			match_bad(c, ":missing is true or false");
		any = c->param->type == PARAM_COMPOSITE ? composite_present(c, doc, &items) : with_value(&items) > 0;
		return any == (strcmp(c->value, "false") == 0);
	}
	if (c->modifier != NULL && *c->modifier == '~')
		return match_filter_op(c, doc, &items);
	n = match_split(c->value, ',', &values);
	for (int v = 0; v < n; v++) {
		FpItem nothing = {.json.type = jbvNull};

		if (values[v][0] == 0)
			match_bad(c, "it is empty");
		/* a value that is not valid is an error even where no element is there to compare with */
		if (c->param->type != PARAM_COMPOSITE)
			(void) match_item(c, &nothing, values[v]);
		if (c->param->type == PARAM_COMPOSITE) {
			any = match_composite(c, doc, &items, values[v]) || any;
			continue;
		}
		for (int i = 0; i < items.n && !any; i++) {
			CHECK_FOR_INTERRUPTS();
			any = match_item(c, &items.items[i], values[v]);
		}
	}
	return any != negate;
}

static bool
match_pair(const MatchContext *context, const ModelType *type, JsonbContainer *doc, const FpItem *root, char *name, char *value)
{
	MatchCriterion c = {.type = type, .name = name, .value = value, .context = context};

	if (strncmp(name, "_has:", 5) == 0 || strchr(name, '.') != NULL)
		ereport(ERROR, errcode(FH501), errmsg("chained parameter \"%s\" can't be evaluated in memory", name),
				errhint("Use fhir_search."), fhir_issue("not-supported", NULL));
	c.modifier = strchr(name, ':');
	if (c.modifier != NULL)
		*c.modifier++ = 0;
	for (const char *const *p = controls; *p; p++)
		if (strcmp(*p, name) == 0)
			return true;
	if (strcmp(name, "_type") == 0) {
		char **types;
		int n = match_split(value, ',', &types);

		for (int i = 0; i < n; i++)
			if (strcmp(types[i], type->name) == 0)
				return true;
		return false;
	}
	if (strcmp(name, "_text") == 0 || strcmp(name, "_content") == 0)
		return match_content(&c, doc, root);
	c.param = keys_definition(context->keys, type, name, strlen(name));
	if (c.param == NULL)
		ereport(ERROR, errcode(FH400), errmsg("search parameter \"%s\" is not known for %s", name, type->name), errhint("fhir_search_parameters('%s') lists those that are.", type->name),
				fhir_issue("invalid", NULL));
	return match_criterion(&c, doc, root);
}

bool
match_resource(const MatchContext *context, Jsonb *resource, const char *query)
{
	const char *p = query;
	char *name = JB_ROOT_IS_OBJECT(resource) ? fhir_json_get_string(&resource->root, "resourceType") : NULL;
	const ModelType *type = name ? model_resource(name, strlen(name)) : NULL;
	FpItem root;
	bool all = true;

	if (type == NULL)
		ereport(ERROR, errcode(FH400), errmsg("not a FHIR resource"),
				errdetail("resourceType is %s%s%s.", name ? "\"" : "", name ? name : "missing", name ? "\"" : ""), errhint("Give a resource of R4 as JSON."),
				fhir_issue("structure", "resourceType"));
	fhirpath_root(&resource->root, type->id, &root);
	while (*p) {
		size_t len = strcspn(p, "&"), eq = strcspn(p, "=");

		if (len > 0) {
			if (eq >= len)
				ereport(ERROR, errcode(FH400), errmsg("search parameter without a value"), errdetail("At \"%s\".", p), errhint("Write name=value, joined by &."),
						fhir_issue("invalid", NULL));
			/* all are evaluated: a later one may be in error */
			all = match_pair(context, type, &resource->root, &root, fhir_percent_decode(p, eq, true), fhir_percent_decode(p + eq + 1, len - eq - 1, true)) && all;
		}
		p += len + (p[len] == '&');
	}
	return all;
}
