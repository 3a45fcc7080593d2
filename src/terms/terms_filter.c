/*
 * terms_filter.c: filters of an include: which codes of a system they let pass (R4 terminology,
 * FilterOperator).
 *
 * property concept or code: is-a, descendent-of, is-not-a, generalizes, =, in, not-in, regex, exists. Other
 * properties: =, in, not-in, exists, by what the concepts of a stored CodeSystem state. Whatever else is
 * asked, or a system that is not known, leaves the set open.
 */
#include "base/base.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "terms/terms_internal.h"

typedef struct Filter {
	const char *property, *op, *value;
	bool on_code;
	const bool *closure; /* is-a and its like */
	int root;			 /* position of the value as a code, -1 */
	TermSet values;		 /* in, not-in */
} Filter;

static bool
is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* "a,b, c" */
static void
read_values(Filter *f)
{
	char *copy = pstrdup(f->value), *p = copy;

	while (p) {
		char *comma = strchr(p, ',');

		if (comma)
			*comma++ = '\0';
		p += strspn(p, " ");
		for (int len = strlen(p); len > 0 && p[len - 1] == ' '; len--)
			p[len - 1] = '\0';
		if (*p)
			terms_put(&f->values, "", p);
		p = comma;
	}
}

/* Does any concept state this property? Else the system does not know it. */
static bool
states(const TermConcepts *c, const char *property)
{
	JsonbContainer *o;

	for (int i = 0; c->docs && i < c->codes.n; i++)
		TERMS_EACH(terms_array(c->docs[i], "property"), o)
		{
			char *name = fhir_json_get_string(o, "code");

			if (name && is(name, property))
				return true;
		}
	return false;
}

/* The whole code must match. */
static char *
anchored(const char *pattern)
{
	return psprintf("^(?:%s)$", pattern);
}

static bool
regex_valid(const char *pattern)
{
	char *text = anchored(pattern);
	int len = strlen(text);
	pg_wchar *wide = palloc((len + 1) * sizeof(pg_wchar));
	regex_t re;

	len = pg_mb2wchar_with_len(text, wide, len);
	if (pg_regcomp(&re, wide, len, REG_ADVANCED | REG_NOSUB, C_COLLATION_OID) != REG_OKAY)
		return false;
	pg_regfree(&re);
	return true;
}

/* False: such a filter can't be decided. */
static bool
prepare(Filter *f, const TermConcepts *c)
{
	bool lists = is(f->op, "in") || is(f->op, "not-in");

	f->on_code = is(f->property, "concept") || is(f->property, "code");
	f->root = terms_find(&c->codes, c->system, f->value);
	if (lists)
		read_values(f);
	if (is(f->op, "=") || lists)
		return f->on_code || states(c, f->property);
	if (is(f->op, "exists"))
		return (f->on_code || states(c, f->property)) && (is(f->value, "true") || is(f->value, "false"));
	if (is(f->op, "regex"))
		return f->on_code && regex_valid(f->value);
	if (!f->on_code || f->root < 0)
		return false;
	if (is(f->op, "is-a") || is(f->op, "descendent-of") || is(f->op, "is-not-a"))
		f->closure = terms_closure(c, f->root, true);
	else if (is(f->op, "generalizes"))
		f->closure = terms_closure(c, f->root, false);
	return f->closure != NULL;
}

static bool
matches_regex(const char *code, const char *pattern)
{
	text *re = cstring_to_text(anchored(pattern));

	return RE_compile_and_execute(re, unconstify(char *, code), strlen(code), REG_ADVANCED | REG_NOSUB,
								  C_COLLATION_OID, 0, NULL);
}

/* The text of a property's value[x]; NULL for a kind that is not compared. */
static char *
property_text(JsonbContainer *property)
{
	static const char *const names[] = {"valueCode", "valueString", "valueDateTime"};
	JsonbContainer *coding;
	JsonbValue v;

	for (int i = 0; i < lengthof(names); i++) {
		char *s = fhir_json_get_string(property, names[i]);

		if (s)
			return s;
	}
	if (fhir_json_get_lit(property, "valueBoolean", &v) && v.type == jbvBool)
		return v.val.boolean ? "true" : "false";
	if ((fhir_json_get_lit(property, "valueInteger", &v) ||
		 fhir_json_get_lit(property, "valueDecimal", &v)) &&
		v.type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v.val.numeric)));
	coding = terms_object(property, "valueCoding");
	return coding ? fhir_json_get_string(coding, "code") : NULL;
}

static bool
property_passes(const Filter *f, JsonbContainer *doc)
{
	JsonbContainer *o;
	bool there = false, found = false;

	TERMS_EACH(terms_array(doc, "property"), o)
	{
		char *name = fhir_json_get_string(o, "code"), *value;

		if (name == NULL || !is(name, f->property))
			continue;
		there = true;
		value = property_text(o);
		if (value)
			found = found || (is(f->op, "=") ? is(value, f->value) : terms_find(&f->values, "", value) >= 0);
	}
	if (is(f->op, "exists"))
		return there == is(f->value, "true");
	return is(f->op, "not-in") ? !found : found;
}

static bool
passes(const Filter *f, const TermConcepts *c, int at)
{
	const char *code = c->codes.codes[at].code;

	if (!f->on_code)
		return property_passes(f, c->docs[at]);
	if (f->closure) {
		if (is(f->op, "is-not-a"))
			return !f->closure[at];
		return f->closure[at] && !(is(f->op, "descendent-of") && at == f->root);
	}
	if (is(f->op, "="))
		return is(code, f->value);
	if (is(f->op, "regex"))
		return matches_regex(code, f->value);
	if (is(f->op, "exists"))
		return is(f->value, "true");
	return (terms_find(&f->values, "", code) >= 0) == is(f->op, "in");
}

void
terms_filter(const TermsSource *from, TermSet *out, const char *system, const char *version, JsonbContainer *filters)
{
	const TermConcepts *c = terms_cached_concepts(from, version ? psprintf("%s|%s", system, version) : system);
	Filter *list = palloc0(JsonContainerSize(filters) * sizeof(Filter));
	JsonbContainer *o;
	int n = 0;

	TERMS_EACH(filters, o)
	{
		Filter *f = &list[n++];

		f->property = fhir_json_get_string(o, "property");
		f->op = fhir_json_get_string(o, "op");
		f->value = fhir_json_get_string(o, "value");
		if (!f->property || !f->op || !f->value || c == NULL || !prepare(f, c)) {
			terms_lacks(out,
						"It needs codes of \"%.200s\"%s with %.100s %.20s \"%.100s\", which are not known.",
						system, version ? psprintf(" (version %.50s)", version) : "",
						f->property ? f->property : "?", f->op ? f->op : "?", f->value ? f->value : "?");
			return;
		}
	}
	if (!c->complete)
		terms_lacks(out, "It needs all codes of \"%.200s\", of which only some are known.", system);
	for (int i = 0; i < c->codes.n; i++) {
		bool all = true;

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < n && all; k++)
			all = passes(&list[k], c, i);
		if (all)
			terms_add(out, c->system, c->codes.codes[i].code);
	}
}
