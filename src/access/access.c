/*
 * access.c: rules, and what they say of a type.
 */
#include "base/base.h"

#include "access/access.h"

typedef struct AccessRule {
	const ModelType *type; /* NULL: every type */
	int interactions;	   /* set of AccessInteraction */
	const char *criteria;  /* "": every resource */
} AccessRule;

struct Access {
	bool all;
	int n;
	AccessRule *rules;
	const char *leak; /* NULL: none, see access_leaks */
};

static const Access everything = {.all = true};

const Access *
access_all(void)
{
	return &everything;
}

Caller
caller_session(void)
{
	return (Caller){&everything, fhir_base_url ? fhir_base_url : ""};
}

bool
access_is_all(const Access *a)
{
	return a->all;
}

/* ---- rules as JSON ---- */

pg_noreturn static void
refuse(int rule, const char *what, const char *value, const char *hint)
{
	ereport(ERROR, errcode(FH400), errmsg("invalid rule of access: %s", what),
			value ? errdetail("Rule %d: \"%.200s\".", rule, value) : errdetail("Rule %d.", rule), errhint("%s", hint),
			fhir_issue("value", psprintf("access[%d]", rule)));
}

static const struct {
	const char *name;
	int bit;
} interactions[] = {{"read", ACCESS_READ}, {"search", ACCESS_SEARCH}, {"history", ACCESS_HISTORY}, {"create", ACCESS_CREATE}, {"update", ACCESS_UPDATE}, {"delete", ACCESS_DELETE}};

static int
interaction_bit(int rule, const char *name)
{
	for (int i = 0; i < lengthof(interactions); i++)
		if (strcmp(interactions[i].name, name) == 0)
			return interactions[i].bit;
	refuse(rule, "unknown interaction", name, "Interactions are read, search, history, create, update and delete.");
}

static int
parse_interactions(int rule, const JsonbValue *v)
{
	JsonbValue *elements;
	int n, set = 0;

	if (v->type == jbvString && v->val.string.len == 1 && v->val.string.val[0] == '*')
		return ACCESS_EVERY;
	if (v->type != jbvBinary || !JsonContainerIsArray(v->val.binary.data))
		refuse(rule, "interactions are a list", NULL, "Write [\"read\", \"search\"], or \"*\" for all.");
	n = json_elements(v->val.binary.data, &elements);
	for (int i = 0; i < n; i++) {
		if (elements[i].type != jbvString)
			refuse(rule, "an interaction is a text", NULL, "Write [\"read\", \"search\"], or \"*\" for all.");
		set |= interaction_bit(rule, pnstrdup(elements[i].val.string.val, elements[i].val.string.len));
	}
	return set;
}

static void
parse_rule(int number, JsonbContainer *c, AccessRule *out)
{
	JsonMember *members;
	int n = json_members(c, &members);
	bool typed = false;

	*out = (AccessRule){.interactions = ACCESS_EVERY, .criteria = ""};
	for (int i = 0; i < n; i++) {
		const char *name = pnstrdup(members[i].key, members[i].keylen);
		const JsonbValue *v = &members[i].value;
		char *text = v->type == jbvString ? pnstrdup(v->val.string.val, v->val.string.len) : NULL;

		if (strcmp(name, "interactions") == 0)
			out->interactions = parse_interactions(number, v);
		else if (strcmp(name, "type") == 0) {
			typed = true;
			if (text == NULL || (strcmp(text, "*") != 0 && (out->type = model_resource(text, strlen(text))) == NULL))
				refuse(number, "unknown resource type", text, "A type is one of FHIR's, such as Observation, or \"*\".");
		} else if (strcmp(name, "criteria") == 0) {
			if (text == NULL)
				refuse(number, "criteria are a text", NULL, "Write them as the query of a search, such as \"patient=Patient/1\".");
			out->criteria = text;
		} else
			refuse(number, "unknown member", name, "A rule has type, interactions and criteria.");
	}
	if (!typed)
		refuse(number, "it names no type", NULL, "Name a resource type, or \"*\" for every type.");
}

const Access *
access_parse(Jsonb *rules)
{
	Access *a = palloc0(sizeof(Access));
	JsonbValue *elements;
	int n;

	if (!JB_ROOT_IS_ARRAY(rules) || JB_ROOT_IS_SCALAR(rules))
		ereport(ERROR, errcode(FH400), errmsg("access is no list of rules"), errdetail("It must be a JSON array of objects."),
				errhint("For example [{\"type\": \"Observation\", \"interactions\": [\"read\", \"search\"], \"criteria\": \"patient=Patient/1\"}]."),
				fhir_issue("structure", NULL));
	n = json_elements(&rules->root, &elements);
	a->rules = palloc(Max(n, 1) * sizeof(AccessRule));
	for (int i = 0; i < n; i++) {
		JsonbContainer *c = elements[i].type == jbvBinary && JsonContainerIsObject(elements[i].val.binary.data) ? elements[i].val.binary.data : NULL;

		if (c == NULL)
			refuse(i, "it is no object", NULL, "A rule has type, interactions and criteria.");
#ifdef FHIR_TEST_LEAKS
		if (fhir_json_get_string(c, "leak") != NULL) {
			a->leak = fhir_json_get_string(c, "leak");
			continue;
		}
#endif
		parse_rule(i, c, &a->rules[a->n++]);
	}
	return a;
}

/* ---- what they say ---- */

int
access_criteria(const Access *a, const ModelType *t, AccessInteraction what, const char *const **criteria)
{
	const char **list;
	int n = 0;

	if (a->all)
		return ACCESS_EVERYTHING;
	list = palloc((a->n + 1) * sizeof(char *));
	for (int i = 0; i < a->n; i++) {
		const AccessRule *r = &a->rules[i];

		if ((r->type != NULL && r->type != t) || !(r->interactions & what))
			continue;
		if (r->criteria[strspn(r->criteria, "?& ")] == '\0')
			return ACCESS_EVERYTHING;
		list[n++] = r->criteria;
	}
	*criteria = list;
	return n;
}

bool
access_any(const Access *a, const ModelType *t, AccessInteraction what)
{
	const char *const *criteria;

	return access_criteria(a, t, what, &criteria) != 0;
}

bool
access_leaks(const Access *a, const char *leg)
{
	return a->leak != NULL && strcmp(a->leak, leg) == 0;
}
