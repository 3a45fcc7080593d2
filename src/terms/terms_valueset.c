/*
 * terms_valueset.c: a ValueSet -> its members (R4 ValueSet, 4.9.5): what compose includes less what it
 * excludes, else the expansion.
 *
 * Invariant: each code in a set that is not `uncertain` is a member; each that is in no set with `unknown`
 * NULL is none.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "terms/terms_internal.h"

/* ---- algebra; a set may name whole systems ---- */

static void
note(TermSet *out, const TermSet *part)
{
	if (part->unknown)
		terms_lacks(out, "%s", part->unknown);
	out->uncertain = out->uncertain || part->uncertain;
}

static void
unite(TermSet *out, const TermSet *part)
{
	for (int i = 0; i < part->n; i++)
		terms_add(out, part->codes[i].system, part->codes[i].code);
	note(out, part);
}

static TermSet
intersect(const TermSet *a, const TermSet *b)
{
	TermSet out = {0};

	for (int i = 0; i < a->n; i++)
		if (terms_covers(b, a->codes[i].system, a->codes[i].code))
			terms_add(&out, a->codes[i].system, a->codes[i].code);
	for (int i = 0; i < b->n; i++)
		if (terms_covers(a, b->codes[i].system, b->codes[i].code))
			terms_add(&out, b->codes[i].system, b->codes[i].code);
	note(&out, a);
	note(&out, b);
	return out;
}

/* The codes of a whole system; they are needed one by one. */
static void
enumerate(const TermsSource *from, TermSet *out, const char *system)
{
	const TermConcepts *c = terms_cached_concepts(from, system);

	if (c == NULL || !c->complete) {
		terms_lacks(out, "It excludes codes of \"%.200s\", whose other codes are not known.", system);
		out->uncertain = true;
		terms_add(out, system, NULL);
		return;
	}
	for (int i = 0; i < c->codes.n; i++)
		terms_add(out, c->system, c->codes.codes[i].code);
}

static TermSet
subtract(const TermsSource *from, const TermSet *a, const TermSet *b)
{
	TermSet all = {0}, out = {0};

	for (int i = 0; i < a->n; i++) {
		bool some = false;

		for (int k = 0; k < b->n && a->codes[i].code == NULL && !some; k++)
			some = b->codes[k].code && strcmp(b->codes[k].system, a->codes[i].system) == 0;
		if (some && terms_find(b, a->codes[i].system, NULL) < 0)
			enumerate(from, &all, a->codes[i].system);
		else
			terms_add(&all, a->codes[i].system, a->codes[i].code);
	}
	for (int i = 0; i < all.n; i++)
		if (!terms_covers(b, all.codes[i].system, all.codes[i].code))
			terms_add(&out, all.codes[i].system, all.codes[i].code);
	note(&out, a);
	note(&out, &all);
	if (b->unknown) {
		note(&out, b);
		out.uncertain = true;
	}
	return out;
}

/* ---- compose ---- */

static void
system_codes(const TermsSource *from, TermSet *out, JsonbContainer *include, const char *system)
{
	JsonbContainer *list = terms_array(include, "concept"), *filters = terms_array(include, "filter"), *o;

	if (filters)
		terms_filter(from, out, system, fhir_json_get_string(include, "version"), filters);
	else if (list == NULL)
		terms_add(out, system, NULL);
	else
		TERMS_EACH(list, o)
		{
			char *code = fhir_json_get_string(o, "code");

			if (code)
				terms_add(out, system, code);
		}
}

/* All that an include or exclude says must hold. */
static TermSet
component(const TermsSource *from, JsonbContainer *include, List *path)
{
	TermSet out = {0};
	char *system = fhir_json_get_string(include, "system");
	JsonbContainer *sets = terms_array(include, "valueSet");
	bool first = system == NULL;

	if (system)
		system_codes(from, &out, include, system);
	for (int i = 0; sets && i < JsonContainerSize(sets); i++) {
		JsonbValue *v = getIthJsonbValueFromContainer(sets, i);
		TermSet other = {0};

		if (v->type != jbvString)
			continue;
		terms_resolve(from, &other, pnstrdup(v->val.string.val, v->val.string.len), path);
		out = first ? other : intersect(&out, &other);
		first = false;
	}
	out.missing = false;
	if (first)
		terms_lacks(&out, "A part of it names neither a system nor value sets.");
	return out;
}

static TermSet
composed(const TermsSource *from, JsonbContainer *compose, List *path)
{
	TermSet in = {0}, ex = {0};
	JsonbContainer *o;

	TERMS_EACH(terms_array(compose, "include"), o)
	{
		TermSet part = component(from, o, path);

		unite(&in, &part);
	}
	TERMS_EACH(terms_array(compose, "exclude"), o)
	{
		TermSet part = component(from, o, path);

		unite(&ex, &part);
	}
	return ex.n || ex.unknown ? subtract(from, &in, &ex) : in;
}

/* ---- expansion ---- */

static int
contained(TermSet *out, JsonbContainer *list)
{
	JsonbContainer *o;
	int n = 0;

	check_stack_depth();
	TERMS_EACH(list, o)
	{
		char *system = fhir_json_get_string(o, "system"), *code = fhir_json_get_string(o, "code");
		JsonbValue abstract;

		n++;
		if (system && code &&
			!(fhir_json_get_lit(o, "abstract", &abstract) && abstract.type == jbvBool &&
			  abstract.val.boolean))
			terms_add(out, system, code);
		n += contained(out, terms_array(o, "contains"));
	}
	return n;
}

static TermSet
expanded(JsonbContainer *expansion)
{
	TermSet out = {0};
	int n = contained(&out, terms_array(expansion, "contains"));
	JsonbValue total;

	if (fhir_json_get_lit(expansion, "total", &total) && total.type == jbvNumeric &&
		DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(total.val.numeric))) > n)
		terms_lacks(&out, "Its expansion lists only a part.");
	return out;
}

/* ---- a value set ---- */

static void
from_document(const TermsSource *from, TermSet *out, JsonbContainer *doc, List *path)
{
	JsonbContainer *compose = terms_object(doc, "compose"), *expansion = terms_object(doc, "expansion");

	if (compose)
		*out = composed(from, compose, path);
	if (expansion && (compose == NULL || out->unknown)) {
		TermSet listed = expanded(expansion);

		if (compose == NULL || listed.unknown == NULL)
			*out = listed;
	} else if (compose == NULL)
		terms_lacks(out, "It has neither compose nor expansion.");
}

static void
from_table(TermSet *out, const TermsValueSet *vs)
{
	for (uint32 i = 0; i < vs->n; i++) {
		const TermsGroup *g = &terms_groups[vs->first + i];
		const char *text = terms_pool + g->text;

		if (g->kind == TERMS_WHOLE)
			terms_add(out, text, NULL);
		else if (g->kind == TERMS_MORE || g->kind == TERMS_UNCERTAIN) {
			terms_lacks(out, "It needs codes that are not known: %s.", text);
			out->uncertain = g->kind == TERMS_UNCERTAIN;
		} else
			for (uint32 k = 0; k < g->n; k++)
				terms_add(out, text, terms_pool + terms_members[g->first + k]);
	}
}

void
terms_resolve(const TermsSource *from, TermSet *out, const char *url, List *path)
{
	Jsonb *doc;
	const TermsValueSet *vs;
	ListCell *lc;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	foreach(lc, path)
		if (strcmp(lfirst(lc), url) == 0) {
			terms_lacks(out, "Value set \"%.200s\" includes itself.", url);
			return;
		}
	path = lappend(list_copy(path), pstrdup(url));
	doc = from->document(from->arg, model_type_by_id(MODEL_T_ValueSet), url);
	if (doc != NULL)
		from_document(from, out, &doc->root, path);
	else if ((vs = terms_builtin_value_set(url)) != NULL)
		from_table(out, vs);
	else {
		out->missing = true;
		terms_lacks(out, "Value set \"%.200s\" is not known.", url);
	}
}
