/*
 * match_text.c: comparison of tokens, references, strings and URIs with elements of a document (R4 search, 3.1.1.4).
 */
#include "base/base.h"

#include "keys/keys.h"
#include "search/match/match_internal.h"
#include "terms/terms.h"

/* A token as searched: `code`, `system|code`, `|code`, `system|`. */
typedef struct Token {
	const char *system; /* NULL: not given; "": must have none */
	const char *code;	/* NULL: any */
} Token;

static Token
read_token(const MatchCriterion *c, const char *value)
{
	char **parts;
	int n = match_split(value, '|', &parts);
	Token t = {NULL, NULL};

	if (n > 2)
		match_bad(c, "it has more than one bar");
	t.code = match_unescape(parts[n - 1]);
	if (n == 2)
		t.system = match_unescape(parts[0]);
	if (*t.code == 0) {
		if (t.system == NULL || *t.system == 0)
			match_bad(c, "it has neither a system nor a code");
		t.code = NULL;
	}
	return t;
}

static JsonbContainer *
container(const FpItem *item)
{
	return item->json.type == jbvBinary ? item->json.val.binary.data : NULL;
}

static bool
token_is(Token t, MatchText system, MatchText code)
{
	if (t.code != NULL && !match_text_is(code, t.code))
		return false;
	if (t.system == NULL)
		return true;
	if (*t.system == 0)
		return system.s == NULL || system.len == 0;
	return match_text_is(system, t.system);
}

static bool
folded_prefix(MatchText text, const char *value)
{
	int n, m;
	char *a, *b;

	if (text.s == NULL)
		return false;
	a = keys_fold(text.s, text.len, &n);
	b = keys_fold(value, strlen(value), &m);
	return n >= m && memcmp(a, b, m) == 0;
}

/* A value of which folding leaves nothing would match everything. */
static void
check_folded(const MatchCriterion *c, const char *value)
{
	int n;

	keys_fold(value, strlen(value), &n);
	if (n == 0)
		match_bad(c, "there is no text in it");
}

static bool
folded_contains(MatchText text, const char *value)
{
	int n, m;
	char *a, *b;

	if (text.s == NULL)
		return false;
	a = keys_fold(text.s, text.len, &n);
	b = keys_fold(value, strlen(value), &m);
	for (int i = 0; i + m <= n; i++)
		if (memcmp(a + i, b, m) == 0)
			return true;
	return false;
}

static bool
concept_any(JsonbContainer *concept, Token t)
{
	JsonbContainer **codings;
	int n = match_children(concept, "coding", &codings);

	for (int i = 0; i < n; i++)
		if (token_is(t, match_member(codings[i], "system"), match_member(codings[i], "code")))
			return true;
	return false;
}

/* :text: the words beside a code, read as a string parameter reads them: from their beginning */
static bool
token_text(const MatchCriterion *c, const FpItem *item, const char *value)
{
	JsonbContainer *o = container(item), **codings, **types;
	int n;

	check_folded(c, value);
	if (o == NULL)
		return false;
	if (item->type == MODEL_T_Coding)
		return folded_prefix(match_member(o, "display"), value);
	if (item->type == MODEL_T_Identifier)
		return match_children(o, "type", &types) == 1 && folded_prefix(match_member(types[0], "text"), value);
	if (item->type != MODEL_T_CodeableConcept)
		return false;
	if (folded_prefix(match_member(o, "text"), value))
		return true;
	n = match_children(o, "coding", &codings);
	for (int i = 0; i < n; i++)
		if (folded_prefix(match_member(codings[i], "display"), value))
			return true;
	return false;
}

/* identifier:of-type=system|code|value */
static bool
token_of_type(const MatchCriterion *c, const FpItem *item, const char *value)
{
	char **parts;
	JsonbContainer *id = container(item), **types;

	if (match_split(value, '|', &parts) != 3)
		match_bad(c, ":of-type needs system|code|value");
	if (item->type != MODEL_T_Identifier || id == NULL || match_children(id, "type", &types) != 1)
		return false;
	return match_text_is(match_member(id, "value"), match_unescape(parts[2])) &&
		   concept_any(types[0], (Token){match_unescape(parts[0]), match_unescape(parts[1])});
}

static bool
token_item(const FpItem *item, Token t)
{
	JsonbContainer *o = container(item);

	if (o == NULL) {
		MatchText system = {NULL, 0};

		/* the system of a code is that of its binding; a code without a known one matches by its code alone */
		if (item->property != NULL && item->property->system != NULL)
			system = (MatchText){item->property->system, strlen(item->property->system)};
		if (t.system != NULL && *t.system == 0)
			system = (MatchText){NULL, 0};
		return token_is(t, system, match_scalar(item));
	}
	switch (item->type) {
		case MODEL_T_CodeableConcept:
			return concept_any(o, t);
		case MODEL_T_Coding:
			return token_is(t, match_member(o, "system"), match_member(o, "code"));
		case MODEL_T_Identifier:
			return token_is(t, match_member(o, "system"), match_member(o, "value"));
		case MODEL_T_ContactPoint:
			return token_is(t, match_member(o, "use"), match_member(o, "value"));
		default:
			return false;
	}
}

/* :in, :below and their like: any of the codes; a whole system is `system|`. */
static bool
token_any(const FpItem *item, const TermSet *set)
{
	for (int i = 0; i < set->n; i++)
		if (token_item(item, (Token){set->codes[i].system, set->codes[i].code}))
			return true;
	return false;
}

/* Is a the MIME type b, that type with parameters, or one of those that begin with b as their first part? */
static bool
mime_below(MatchText a, MatchText b)
{
	if (a.len < b.len || b.len == 0 || memcmp(a.s, b.s, b.len) != 0)
		return false;
	return a.len == b.len || a.s[b.len] == (memchr(b.s, '/', b.len) ? ';' : '/');
}

/* system|code, or a code whose element implies its system */
static bool
token_hierarchy(const MatchCriterion *c, const FpItem *item, const char *value, bool below)
{
	Token t = read_token(c, value);

	if (t.system == NULL && item->property != NULL)
		t.system = item->property->system;
	if (t.system != NULL && strcmp(t.system, "urn:ietf:bcp:13") == 0 && t.code != NULL) {
		MatchText have = match_scalar(item);
		MatchText want = {t.code, strlen(t.code)};

		return have.s != NULL && (below ? mime_below(have, want) : mime_below(want, have));
	}
	if (t.system == NULL && item->json.type == jbvNull)
		return false; /* whether the value is valid shows at an element */
	if (t.system == NULL || *t.system == 0 || t.code == NULL)
		match_bad(c, "a hierarchy needs system|code");
	return token_any(item, terms_hierarchy(&c->context->terms, t.system, t.code, below));
}

bool
match_token(const MatchCriterion *c, const FpItem *item, const char *value)
{
	if (c->modifier != NULL) {
		if (strcmp(c->modifier, "in") == 0 || strcmp(c->modifier, "not-in") == 0)
			return token_any(item, terms_value_set(&c->context->terms, match_unescape(value)));
		if (strcmp(c->modifier, "below") == 0 || strcmp(c->modifier, "above") == 0)
			return token_hierarchy(c, item, value, c->modifier[0] == 'b');
		if (strcmp(c->modifier, "text") == 0)
			return token_text(c, item, match_unescape(value));
		if (strcmp(c->modifier, "of-type") == 0)
			return token_of_type(c, item, value);
		if (strcmp(c->modifier, "not") != 0)
			ereport(ERROR, errcode(FH501), errmsg("modifier \":%s\" can't be evaluated in memory", c->modifier), errhint("Use fhir_search."),
					fhir_issue("not-supported", NULL));
	}
	return token_item(item, read_token(c, value));
}

/* ---- references ---- */

/* Without our own base in front. */
static MatchText
relative(const MatchCriterion *c, MatchText t)
{
	const char *base = c->context->keys.base_url;
	int n = strlen(base);

	while (n > 0 && base[n - 1] == '/')
		n--;
	if (n > 0 && t.s != NULL && t.len > n && memcmp(t.s, base, n) == 0 && t.s[n] == '/')
		return (MatchText){t.s + n + 1, t.len - n - 1};
	return t;
}

/* Splits "Type/id[/_history/v]"; false for anything else. */
static bool
local_reference(MatchText t, MatchText *type, MatchText *id, MatchText *version)
{
	const char *slash = t.s ? memchr(t.s, '/', t.len) : NULL, *rest;

	if (slash == NULL)
		return false;
	*type = (MatchText){t.s, slash - t.s};
	if (model_resource(type->s, type->len) == NULL)
		return false;
	*id = (MatchText){slash + 1, t.len - (slash + 1 - t.s)};
	*version = (MatchText){NULL, 0};
	rest = memchr(id->s, '/', id->len);
	if (rest != NULL) {
		int left = id->s + id->len - rest;

		if (left <= 10 || memcmp(rest, "/_history/", 10) != 0)
			return false;
		*version = (MatchText){rest + 10, left - 10};
		id->len = rest - id->s;
	}
	return true;
}

static bool
same(MatchText a, MatchText b)
{
	return a.s != NULL && b.s != NULL && a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* A canonical without a version in the query finds every version. */
static bool
canonical_is(MatchText t, MatchText value)
{
	const char *bar = memchr(t.s, '|', t.len);

	return same(t, value) || (bar != NULL && same((MatchText){t.s, bar - t.s}, value));
}

/* Does it refer to a version of a resource of another server, "http://.../Type/id/_history/v", and the value to that resource? */
static bool
foreign_version_of(MatchText t, MatchText value)
{
	static const char infix[] = "/_history/";
	const int n = sizeof(infix) - 1;
	MatchText type, id, version;

	if (value.s == NULL || t.len <= value.len + n || memcmp(t.s, value.s, value.len) != 0 || memcmp(t.s + value.len, infix, n) != 0)
		return false;
	if (memchr(t.s + value.len + n, '/', t.len - value.len - n) != NULL)
		return false;
	for (const char *p = memchr(value.s, '/', value.len); p; p = memchr(p + 1, '/', value.s + value.len - p - 1))
		if (local_reference((MatchText){p + 1, value.s + value.len - p - 1}, &type, &id, &version) && version.s == NULL)
			return true;
	return false;
}

static bool
target_allowed(const MatchCriterion *c, MatchText type)
{
	const ModelType *t = model_resource(type.s, type.len);

	if (c->param->targets == NULL || c->param->targets[0] == MODEL_NONE)
		return true;
	for (const ModelTypeId *p = c->param->targets; *p; p++)
		if (model_is_a(t->id, *p))
			return true;
	return false;
}

/* Is a the same as b, or one of those under it by the segments of the path? */
static bool
is_below(MatchText a, MatchText b)
{
	if (a.len < b.len || b.len == 0 || memcmp(a.s, b.s, b.len) != 0)
		return false;
	return a.len == b.len || b.s[b.len - 1] == '/' || a.s[b.len] == '/';
}

bool
match_reference(const MatchCriterion *c, const FpItem *item, const char *value)
{
	JsonbContainer *o = container(item), **ids;
	char *text = match_unescape(value);
	MatchText want, have, wtype, wid, wversion, htype, hid, hversion;
	bool only_id;

	if (c->modifier != NULL && strcmp(c->modifier, "identifier") == 0)
		return o != NULL && match_children(o, "identifier", &ids) == 1 &&
			   token_is(read_token(c, value), match_member(ids[0], "system"), match_member(ids[0], "value"));
	if (c->modifier != NULL && (strcmp(c->modifier, "below") == 0 || strcmp(c->modifier, "above") == 0)) {
		have = match_scalar(item);
		want = (MatchText){text, strlen(text)};
		if (o == NULL)
			return have.s != NULL && (c->modifier[0] == 'b' ? is_below(have, want) : is_below(want, have));
		ereport(ERROR, errcode(FH501), errmsg("modifier \":%s\" of references can't be evaluated in memory", c->modifier), errhint("Use fhir_search."),
				errdetail("The hierarchy stands in other resources."), errhint("Use fhir_search."), fhir_issue("not-supported", NULL));
	}
	if (c->modifier != NULL && strchr(text, '/') == NULL) {
		if (model_resource(c->modifier, strlen(c->modifier)) == NULL)
			ereport(ERROR, errcode(FH501), errmsg("modifier \":%s\" can't be evaluated in memory", c->modifier), errhint("Use fhir_search."),
					fhir_issue("not-supported", NULL));
		if (!target_allowed(c, (MatchText){c->modifier, strlen(c->modifier)}))
			match_bad(c, "the parameter does not refer to this type");
		text = psprintf("%s/%s", c->modifier, text);
	}
	have = relative(c, o != NULL ? match_member(o, "reference") : match_scalar(item));
	if (have.s == NULL || have.len == 0 || have.s[0] == '#')
		return false;
	want = relative(c, (MatchText){text, strlen(text)});
	if (!local_reference(have, &htype, &hid, &hversion))
		return same(have, want) || foreign_version_of(have, want) || (o == NULL && canonical_is(have, want));
	only_id = memchr(want.s, '/', want.len) == NULL;
	if (only_id)
		return same(hid, want) && target_allowed(c, htype);
	if (!local_reference(want, &wtype, &wid, &wversion))
		return false;
	return same(htype, wtype) && same(hid, wid) && (wversion.s == NULL || same(hversion, wversion));
}

/* ---- strings and URIs ---- */

/* Operators of _filter. */
static bool
filter_text(const MatchCriterion *c, MatchText t, const char *value)
{
	const char *op = c->modifier + 1;
	int n, m, order;
	char *a, *b;

	if (t.s == NULL)
		return false;
	a = keys_fold(t.s, t.len, &n);
	b = keys_fold(value, strlen(value), &m);
	order = memcmp(a, b, Min(n, m));
	order = order ? order : n - m;
	if (strcmp(op, "eq") == 0 || strcmp(op, "re") == 0)
		return order == 0;
	if (strcmp(op, "sw") == 0)
		return n >= m && memcmp(a, b, m) == 0;
	if (strcmp(op, "ew") == 0)
		return n >= m && memcmp(a + n - m, b, m) == 0;
	if (strcmp(op, "co") == 0)
		return folded_contains(t, value);
	if (strcmp(op, "gt") == 0)
		return order > 0;
	if (strcmp(op, "lt") == 0)
		return order < 0;
	if (strcmp(op, "ge") == 0)
		return order >= 0;
	if (strcmp(op, "le") == 0)
		return order <= 0;
	ereport(ERROR, errcode(FH400), errmsg("invalid _filter: operator \"%s\" does not compare with text", op), errhint("Texts are compared by eq, ne, co, sw, ew, gt, lt, ge and le."),
			fhir_issue("invalid", NULL));
}

static bool
text_matches(const MatchCriterion *c, MatchText t, const char *value)
{
	if (c->modifier == NULL)
		return folded_prefix(t, value);
	if (*c->modifier == '~')
		return filter_text(c, t, value);
	if (strcmp(c->modifier, "exact") == 0)
		return match_text_is(t, value);
	if (strcmp(c->modifier, "contains") == 0 || strcmp(c->modifier, "text") == 0)
		return folded_contains(t, value);
	ereport(ERROR, errcode(FH501), errmsg("modifier \":%s\" can't be evaluated in memory", c->modifier), errhint("Use fhir_search."),
			fhir_issue("not-supported", NULL));
}

/* Each of the members, one text or several. */
static bool
members_match(const MatchCriterion *c, JsonbContainer *o, const char *const *names, const char *value)
{
	for (; *names; names++) {
		JsonbValue v;

		if (!fhir_json_get(o, *names, strlen(*names), &v))
			continue;
		if (v.type == jbvString && text_matches(c, (MatchText){v.val.string.val, v.val.string.len}, value))
			return true;
		if (v.type != jbvBinary || !JsonContainerIsArray(v.val.binary.data))
			continue;
		for (uint32 i = 0; i < JsonContainerSize(v.val.binary.data); i++) {
			JsonbValue *e = getIthJsonbValueFromContainer(v.val.binary.data, i);

			if (e->type == jbvString && text_matches(c, (MatchText){e->val.string.val, e->val.string.len}, value))
				return true;
		}
	}
	return false;
}

bool
match_string(const MatchCriterion *c, const FpItem *item, const char *value)
{
	static const char *const name[] = {"family", "given", "prefix", "suffix", "text", NULL};
	static const char *const address[] = {"line", "city", "district", "state", "postalCode", "country", "text", NULL};
	JsonbContainer *o = container(item);
	char *text = match_unescape(value);

	if (c->modifier == NULL || strcmp(c->modifier, "exact") != 0)
		check_folded(c, text);
	if (o == NULL)
		return text_matches(c, match_scalar(item), text);
	if (item->type == MODEL_T_HumanName)
		return members_match(c, o, name, text);
	if (item->type == MODEL_T_Address)
		return members_match(c, o, address, text);
	return false;
}

bool
match_uri(const MatchCriterion *c, const FpItem *item, const char *value)
{
	MatchText t = match_scalar(item);
	char *text = match_unescape(value);
	int n = strlen(text);

	if (t.s == NULL)
		return false;
	if (c->modifier == NULL)
		return match_text_is(t, text) || (item->type == MODEL_T_canonical && canonical_is(t, (MatchText){text, n}));
	if (strcmp(c->modifier, "below") == 0)
		return is_below(t, (MatchText){text, n});
	if (strcmp(c->modifier, "above") == 0)
		return is_below((MatchText){text, n}, t);
	ereport(ERROR, errcode(FH501), errmsg("modifier \":%s\" can't be evaluated in memory", c->modifier), errhint("Use fhir_search."),
			fhir_issue("not-supported", NULL));
}
