/*
 * query_value.c: the values of one parameter of one type -> criteria, by the parameter's type and modifier.
 */
#include "base/base.h"

#include "mb/pg_wchar.h"

#include "search/query/query.h"
#include "search/query/query_internal.h"
#include "store/catalog/catalog.h"

void
search_bad_value(const char *code, const char *value, const char *why, const char *hint)
{
	ereport(ERROR, errcode(FH400),
			errmsg("invalid value of search parameter \"%.*s\": %s", pg_mbcliplen(code, strlen(code), 80),
				   code, why),
			errdetail("Value \"%.*s\".", pg_mbcliplen(value, strlen(value), 200), value),
			hint ? errhint("%s", hint) : 0, fhir_issue("value", NULL));
}

void
search_bad_modifier(const char *code, const char *modifier, const char *allowed)
{
	bool r5 = strcmp(modifier, "code-text") == 0 || strcmp(modifier, "text-advanced") == 0;
	SearchNearest near = {modifier};
	const char *type = allowed && strstr(allowed, "resource type") ? search_nearest_type(modifier) : NULL;

	for (const char *a = allowed; a && *a;) {
		int len = strcspn(a, ", ");

		if (len > 1 && *modifier)
			search_nearest_offer(&near, pnstrdup(a, len));
		a += len;
		a += strspn(a, ", ");
	}
	ereport(ERROR, errcode(FH400),
			errmsg("modifier \":%.*s\" can't be used with search parameter \"%s\"",
				   pg_mbcliplen(modifier, strlen(modifier), 80), modifier, code),
			r5 ? errdetail("It belongs to FHIR R5.") : 0,
			type			   ? errhint("%s Possible here: %s.", type, allowed)
			: near.best && !r5 ? errhint("Perhaps \":%s\"? Possible here: %s.", near.best, allowed)
			: allowed		   ? errhint("Possible here: %s.", allowed)
							   : 0,
			fhir_issue("not-supported", NULL));
}

/* Decided on the document of each row that the other criteria let pass. */
static Crit *
recheck(const KeyParam *p, const char *modifier, const char *value)
{
	Crit *c = crit_new(CRIT_DOC);

	c->type = p->base;
	c->code = p->code;
	c->modifier = modifier;
	crit_add_value(c, pstrdup(value));
	return c;
}

static Crit *
terms(const KeyLeg *leg, char *text, StringMode mode)
{
	Crit *c = crit_new(CRIT_TERM);

	crit_add_key(c, keys_term_group(leg->source));
	crit_add_value(c, text);
	c->mode = mode;
	return c;
}

/* Length of s cut to at most max bytes at a character. */
static bool
cut(char *s, int max)
{
	int len = strlen(s);

	if (len <= max)
		return false;
	s[pg_encoding_mbcliplen(PG_UTF8, s, len, max)] = '\0';
	return true;
}

/* Terms that start so; they are stored up to KEYS_STRING_MAX, what is longer is compared on the document. */
static Crit *
terms_start(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value, char *text)
{
	bool was_cut = cut(text, KEYS_STRING_MAX);
	Crit *c = terms(leg, text, STRING_PREFIX);

	return was_cut ? crit_join(CRIT_AND, c, recheck(p, modifier, value)) : c;
}

/* :below: this URL and those that go on after a slash. */
static Crit *
urls_below(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value, const char *url)
{
	int len = strlen(url);
	Crit *below;

	if (len >= KEYS_STRING_MAX)
		return crit_join(CRIT_AND, terms_start(p, leg, modifier, value, pstrdup(url)),
						 recheck(p, modifier, value));
	below = terms(leg, len && url[len - 1] == '/' ? pstrdup(url) : psprintf("%s/", url), STRING_PREFIX);
	return crit_join(CRIT_OR, terms(leg, pstrdup(url), STRING_EQUAL), below);
}

/* :above: this URL and its starts up to (or with) a slash. */
static Crit *
urls_above(const KeyParam *p, const KeyLeg *leg, const char *url, uint64 (*key)(const KeySource *, const char *, int))
{
	Crit *c = crit_new(CRIT_KEYS);
	int len = strlen(url);

	for (int i = 1, n = 0; i <= len; i++)
		if (i == len || url[i] == '/' || url[i - 1] == '/') {
			search_limit_values(p->code, ++n);
			crit_add_key(c, key(leg->source, url, i));
		}
	return c;
}

/* A MIME type with whatever parameters; the first part of one with whatever follows. */
static Crit *
mime_types(const KeyParam *p, const KeyLeg *leg, const char *type, bool below)
{
	Crit *c;

	if (below)
		return crit_join(CRIT_OR, terms(leg, pstrdup(type), STRING_EQUAL),
						 terms(leg, psprintf("%s%c", type, strchr(type, '/') ? ';' : '/'), STRING_PREFIX));
	c = crit_new(CRIT_KEYS);
	for (int i = 1, n = 0, len = strlen(type); i <= len; i++)
		if (i == len || type[i] == '/' || type[i] == ';') {
			search_limit_values(p->code, ++n);
			crit_add_key(c, keys_code(leg->source, type, i));
		}
	return c;
}

/* ---- token ---- */

/* The modifiers of a token: :of-type is one of identifiers alone. */
static const char *
token_modifiers(const KeyParam *p)
{
	for (int i = 0; i < p->nlegs; i++)
		if (p->legs[i].source->identifiers)
			return "missing, not, text, in, not-in, above, below, of-type";
	return "missing, not, text, in, not-in, above, below";
}

static Crit *
token_of_type(const KeyParam *p, const KeyLeg *leg, char **parts, int n, const char *value)
{
	Crit *c = crit_new(CRIT_KEYS);

	if (strstr(token_modifiers(p), "of-type") == NULL)
		search_bad_modifier(p->code, "of-type", token_modifiers(p));
	if (n != 3)
		search_bad_value(p->code, value, "not of the form system|code|value",
						 "For example http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053.");
	for (int i = 0; i < 3; i++)
		parts[i] = search_unescape(parts[i]);
	if (!*parts[1] || !*parts[2])
		search_bad_value(p->code, value, "code and value must not be empty", NULL);
	crit_add_key(c, keys_of_type(leg->source, parts[0], strlen(parts[0]), parts[1], strlen(parts[1]),
								 parts[2], strlen(parts[2])));
	return c;
}

static char *
folded(const char *code, const char *value)
{
	char *text = search_unescape(value);
	int len;

	text = keys_fold(text, strlen(text), &len);
	if (len == 0)
		search_bad_value(code, value, "there is no text in it", NULL);
	return text;
}

static Crit *
token(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value)
{
	char **parts;
	int n, slen, clen;
	uint64 key;
	Crit *c;

	if (modifier && strcmp(modifier, "text") == 0)
		return terms_start(p, leg, modifier, value, folded(p->code, value));
	if (modifier && (strcmp(modifier, "in") == 0 || strcmp(modifier, "not-in") == 0))
		return search_in_value_set(p, leg, search_unescape(value));
	if (modifier && (strcmp(modifier, "above") == 0 || strcmp(modifier, "below") == 0) &&
		keys_mime_types(leg->source))
		return mime_types(p, leg, search_unescape(value), modifier[0] == 'b');
	if (modifier && (strcmp(modifier, "above") == 0 || strcmp(modifier, "below") == 0))
		return search_code_hierarchy(p, leg, value, modifier[0] == 'b');
	n = search_split(value, '|', &parts);
	if (modifier && strcmp(modifier, "of-type") == 0)
		return token_of_type(p, leg, parts, n, value);
	if (modifier && strcmp(modifier, "not") != 0)
		search_bad_modifier(p->code, modifier, token_modifiers(p));
	if (n > 2)
		search_bad_value(p->code, value, "more than one |", "Write a | within a value as \\|.");
	for (int i = 0; i < n; i++)
		parts[i] = search_unescape(parts[i]);
	slen = n == 2 ? strlen(parts[0]) : -1;
	clen = strlen(parts[n - 1]);
	if (clen == 0) {
		if (slen <= 0)
			search_bad_value(p->code, value, "neither a system nor a code is given", NULL);
		clen = -1;
	}
	switch (keys_token(leg->source, n == 2 ? parts[0] : NULL, slen, parts[n - 1], clen, &key)) {
		case KEYS_NEVER:
			return crit_new(CRIT_FALSE);
		case KEYS_BY_KEY:
			c = crit_new(CRIT_KEYS);
			crit_add_key(c, key);
			return c;
		case KEYS_PRESENT:
			return search_present(leg);
		case KEYS_RECHECK:
			return recheck(p, modifier, value);
	}
	elog(ERROR, "unknown answer of keys_token");
}

/* ---- reference ---- */

/* The resource type that a literal reference names: "Type/id", ".../Type/id", each with or without
 * "/_history/v"; NULL if none. */
static const ModelType *
reference_type(const char *ref)
{
	const char *end = strstr(ref, "/_history/"), *slash, *start;

	end = end ? end : ref + strlen(ref);
	for (slash = end; slash > ref && slash[-1] != '/'; slash--)
		;
	if (slash == ref)
		return NULL;
	slash--;
	for (start = slash; start > ref && start[-1] != '/'; start--)
		;
	return model_resource(start, slash - start);
}

static Crit *
reference_identifier(const KeyParam *p, const KeyLeg *leg, const char *value)
{
	char **parts;
	int n = search_split(value, '|', &parts);
	Crit *c = crit_new(CRIT_KEYS);
	char form;

	if (n > 2)
		search_bad_value(p->code, value, "more than one |", "Write a | within a value as \\|.");
	for (int i = 0; i < n; i++)
		parts[i] = search_unescape(parts[i]);
	if (n == 1)
		form = 'c';
	else
		form = *parts[1] ? 's' : 'y';
	if (n == 2 && form == 'y' && !*parts[0])
		search_bad_value(p->code, value, "neither a system nor a value is given", NULL);
	crit_add_key(c, keys_ref_identifier(leg->source, n == 2 ? parts[0] : NULL, n == 2 ? strlen(parts[0]) : 0,
										parts[n - 1], strlen(parts[n - 1]), form));
	return c;
}

static uint64
canonical_key(const KeySource *source, const char *url, int len)
{
	return keys_reference(store_key_context(), source, url, len);
}

static void
add_typed_reference(Crit *c, KeyContext context, const KeySource *source, const ModelType *t, const char *id)
{
	char *ref = psprintf("%s/%s", t->name, id);

	crit_add_key(c, keys_reference(context, source, ref, strlen(ref)));
}

/* `id` alone: of any type that may stand here. */
static void
add_untyped(Crit *c, const KeyParam *p, const KeyLeg *leg, const char *id)
{
	const ModelTypeId *t = leg->targets && leg->targets[0] ? leg->targets : p->targets;
	KeyContext context = store_key_context();

	if (t && t[0] && !model_type_by_id(t[0])->abstract) {
		for (; *t; t++)
			if (search_target_allowed(p->targets, model_type_by_id(*t)))
				add_typed_reference(c, context, leg->source, model_type_by_id(*t), id);
	} else
		for (int m = 1; m < model_ntypes; m++)
			if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract)
				add_typed_reference(c, context, leg->source, &model_types[m], id);
}

static bool
looks_like_id(const char *s)
{
	int len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");

	return s[len] == '\0' && len >= 1 && len <= 64;
}

/* The modifiers of a reference that leads to some types only, these by name. */
static const char *
reference_modifiers(const KeyParam *p)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoString(&s, "missing, identifier, above, below");
	for (const ModelTypeId *t = p->targets; *t != MODEL_NONE; t++)
		appendStringInfo(&s, ", %s", model_type_by_id(*t)->name);
	return s.data;
}

static Crit *
reference(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value)
{
	const char *ref = search_unescape(value);
	const ModelType *named = NULL;
	Crit *c;

	if (modifier && strcmp(modifier, "identifier") == 0)
		return reference_identifier(p, leg, value);
	if (modifier && (strcmp(modifier, "below") == 0 || strcmp(modifier, "above") == 0)) {
		bool below = modifier[0] == 'b';

		if (!leg->source->canonical && (c = search_reference_hierarchy(p, leg, ref, below)) != NULL)
			return c;
		return below ? urls_below(p, leg, modifier, value, ref) : urls_above(p, leg, ref, canonical_key);
	}
	if (modifier) {
		named = model_resource(modifier, strlen(modifier));
		if (!named)
			search_bad_modifier(p->code, modifier,
								"missing, identifier, above, below, or a resource type");
		if (!search_target_allowed(p->targets, named))
			search_bad_modifier(p->code, modifier, reference_modifiers(p));
	}
	c = crit_new(CRIT_KEYS);
	if (looks_like_id(ref)) {
		if (named) {
			if (!search_target_allowed(leg->targets, named))
				return crit_new(CRIT_FALSE);
			add_typed_reference(c, store_key_context(), leg->source, named, ref);
		} else {
			add_untyped(c, p, leg, ref);
			/* a canonical may be one word */
			crit_add_key(c, keys_reference(store_key_context(), leg->source, ref, strlen(ref)));
		}
	} else {
		const ModelType *t = reference_type(ref);

		if (named && t && t != named)
			return crit_new(CRIT_FALSE);
		crit_add_key(c, keys_reference(store_key_context(), leg->source, ref, strlen(ref)));
		if (leg->targets && leg->targets[0]) {
			if (t && !search_target_allowed(leg->targets, t))
				return crit_new(CRIT_FALSE);
			if (!t) /* urn:uuid:...: only Reference.type can tell */
				return crit_join(CRIT_AND, c, recheck(p, modifier, value));
		}
	}
	return c->nkeys ? c : crit_new(CRIT_FALSE);
}

/* ---- string, uri ---- */

static Crit *
string(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value)
{
	Crit *c;
	uint64 parts[32];
	int n;
	bool contains = false, was_cut;
	char *text;

	if (modifier && strcmp(modifier, "exact") == 0) {
		text = search_unescape(value);
		c = crit_new(CRIT_KEYS);
		crit_add_key(c, keys_exact(leg->source, text, strlen(text)));
		return c;
	}
	if (modifier && (strcmp(modifier, "contains") == 0 || strcmp(modifier, "text") == 0))
		contains = true;
	else if (modifier)
		search_bad_modifier(p->code, modifier, "missing, exact, contains, text");
	text = folded(p->code, value);
	was_cut = cut(text, contains ? KEYS_STRING_OVERLAP : KEYS_STRING_MAX);
	c = crit_new(CRIT_STRING);
	n = keys_string_parts(leg->source, parts, lengthof(parts));
	for (int i = 0; i < n; i++) {
		crit_add_key(c, parts[i]);
		if (contains)
			crit_add_key(c, keys_more(parts[i]));
	}
	crit_add_value(c, text);
	c->mode = contains ? STRING_CONTAINS : STRING_PREFIX;
	return was_cut ? crit_join(CRIT_AND, c, recheck(p, modifier, value)) : c;
}

static Crit *
uri(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value)
{
	char *text = search_unescape(value);
	int len = strlen(text);
	Crit *c;

	if (modifier && strcmp(modifier, "below") == 0)
		return urls_below(p, leg, modifier, value, text);
	if (modifier && strcmp(modifier, "above") == 0)
		return urls_above(p, leg, text, keys_uri);
	c = crit_new(CRIT_KEYS);
	if (modifier)
		search_bad_modifier(p->code, modifier, "missing, above, below");
	crit_add_key(c, keys_uri(leg->source, text, len));
	return c;
}

/* ---- dispatch ---- */

static void
no_modifier(const KeyParam *p, const char *modifier)
{
	if (modifier)
		search_bad_modifier(p->code, modifier, "missing");
}

Crit *
search_one_value(const KeyParam *p, const KeyLeg *leg, const char *modifier, const char *value)
{
	Crit *c;

	switch ((ModelParamType) p->type) {
		case PARAM_TOKEN:
			return token(p, leg, modifier, value);
		case PARAM_REFERENCE:
			return reference(p, leg, modifier, value);
		case PARAM_STRING:
			return string(p, leg, modifier, value);
		case PARAM_URI:
			return uri(p, leg, modifier, value);
		case PARAM_DATE:
			no_modifier(p, modifier);
			c = crit_new(CRIT_ORDERED);
			search_date_boxes(c, p->code, keys_ordered(leg->source), value);
			c->position = search_element_position(leg->source);
			c->single = c->position != 0 && c->nboxes > 0;
			return c;
		case PARAM_NUMBER:
			no_modifier(p, modifier);
			c = crit_new(CRIT_ORDERED);
			search_number_boxes(c, p->code, keys_ordered(leg->source), value);
			c->position = search_element_position(leg->source);
			c->single = c->position != 0 && c->nboxes > 0;
			return c;
		case PARAM_QUANTITY:
			no_modifier(p, modifier);
			c = crit_new(CRIT_ORDERED);
			if (search_quantity_boxes(c, p->code, leg->source, NULL, value))
				return crit_join(CRIT_AND, c, recheck(p, modifier, value));
			c->position = search_element_position(leg->source);
			c->single = c->position != 0 && c->nboxes > 0;
			return c;
		case PARAM_COMPOSITE:
			no_modifier(p, modifier);
			return search_composite(p, leg, value);
		case PARAM_SPECIAL:
			no_modifier(p, modifier);
			if (strcmp(p->code, "near") == 0)
				return search_near(p, leg, value);
			break;
	}
	ereport(ERROR, errcode(FH400),
			errmsg("search parameter \"%s\" of %s is not supported", p->code, p->base->name),
			errhint("fhir_search_parameters('%s') lists those that are.", p->base->name),
			fhir_issue("not-supported", NULL));
}

void
search_limit_values(const char *code, int n)
{
	if (n > fhir_max_search_values)
		ereport(ERROR, errcode(FH400), errmsg("too many values of search parameter \"%s\"", code),
				errdetail("%d values; fhir.max_search_values is %d.", n, fhir_max_search_values), errhint("Split the search, or raise the setting."),
				fhir_issue("too-costly", NULL));
}

Crit *
search_values(const KeyParam *p, const char *modifier, const char *value)
{
	char **values;
	int n = search_split(value, ',', &values);
	Crit *c = NULL;

	if (modifier && *modifier == '~') /* of _filter */
		return search_filter_values(p, modifier + 1, value);
	search_limit_values(p->code, n);
	if (p->nlegs == 0)
		ereport(ERROR, errcode(FH400),
				errmsg("search parameter \"%s\" of %s is not supported", p->code, p->base->name),
				errhint("fhir_search_parameters('%s') lists those that are.", p->base->name),
				fhir_issue("not-supported", NULL));
	for (int i = 0; i < n; i++) {
		if (*values[i] == '\0')
			search_bad_value(p->code, value, "one of the values is empty", NULL);
		for (int k = 0; k < p->nlegs; k++)
			c = crit_join(CRIT_OR, c, search_one_value(p, &p->legs[k], modifier, values[i]));
	}
	return c;
}

Crit *
search_updated_values(const char *code, const char *value)
{
	char **values;
	int n = search_split(value, ',', &values);
	Crit *c = crit_new(CRIT_UPDATED);

	for (int i = 0; i < n; i++)
		search_date_boxes(c, code, 0, values[i]);
	return c;
}
