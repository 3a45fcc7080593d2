/*
 * match_filter.c: what _filter asks of a document alone: operators of _filter as modifiers "~ne", "~ew" ..., and
 * filters on the elements at a place, "~[]": `[system eq phone].value sw "555"` on each ContactPoint of telecom.
 *
 *   elements = [ "[" filter "]" ] "." path op value
 *   filter   = term { ("and" | "or") term }     from left to right
 *   term     = "not" "(" filter ")" | "(" filter ")" | path op value
 *   path     = name { [ "[" filter "]" ] "." name }
 *
 * Names are those of elements. Values are compared by the type of the element that is there.
 */
#include "base/base.h"

#include <ctype.h>

#include "miscadmin.h"

#include "keys/keys.h"
#include "search/match/match_internal.h"
#include "search/query/query_filter.h"

typedef struct Elements {
	const MatchCriterion *c;
	JsonbContainer *doc;
	FilterText text;
} Elements;

static bool expression(Elements *e, const FpItem *item);

/* The elements of that name. */
static void
children(Elements *e, const FpItem *item, const char *name, FpList *out)
{
	FpContext cxt = {.resolve = FP_RESOLVE_TYPE, .root = e->doc};

	memset(out, 0, sizeof(*out));
	if (item->json.type == jbvNull)
		return;
	fhirpath_eval(fhirpath_cached(name, strlen(name), item->type), &cxt, item, out);
}

/* Codes, ids and uris are equal or not, case counts. */
static bool
is_exact(ModelTypeId type)
{
	return type == MODEL_T_code || type == MODEL_T_id || model_is_a(type, MODEL_T_uri);
}

static bool
is_number(const char *value)
{
	char *text = match_unescape(value);
	Numeric v, lo, hi;
	int len = strcspn(text, "|");

	return fhir_decimal_parse(text, len, &v, &lo, &hi);
}

/* By its type: as a parameter of the type that fits. What can't be compared is not equal. */
static bool
compares(const MatchCriterion *c, const FpItem *item, const char *value)
{
	Assert(c->modifier != NULL);
	if (strcmp(c->modifier, "~ne") == 0) {
		MatchCriterion eq = *c;

		eq.modifier = "~eq";
		return !compares(&eq, item, value);
	}
	if (strcmp(c->modifier, "~eq") == 0 && is_exact(item->type))
		return match_text_is(match_scalar(item), match_unescape(value));
	if (item->json.type == jbvString || item->type == MODEL_T_HumanName || item->type == MODEL_T_Address) {
		FhirDateTime d;
		char *text = match_unescape(value);

		/* dates are compared as dates where both are */
		if (item->json.type == jbvString &&
			(item->type == MODEL_T_date || item->type == MODEL_T_dateTime || item->type == MODEL_T_instant) &&
			fhir_date_parse(text, strlen(text), FHIR_KIND_SEARCH, &d))
			return match_filter_date(c, item, value);
		return match_string(c, item, value);
	}
	if (item->json.type == jbvBool)
		return strcmp(c->modifier, "~eq") == 0 && match_text_is(match_scalar(item), match_unescape(value));
	if (item->json.type == jbvNumeric || item->type == MODEL_T_Quantity || item->type == MODEL_T_Range || item->type == MODEL_T_SampledData ||
		item->type == MODEL_T_Money || item->type == MODEL_T_Age || item->type == MODEL_T_Duration) {
		MatchCriterion plain = *c;

		plain.modifier = NULL;
		if (!is_number(value))
			return false;
		return match_quantity(&plain, item, psprintf("%s%s", c->modifier + 1, value));
	}
	if (item->type == MODEL_T_Period || item->type == MODEL_T_Timing) {
		FhirDateTime d;
		char *text = match_unescape(value);

		return fhir_date_parse(text, strlen(text), FHIR_KIND_SEARCH, &d) && match_filter_date(c, item, value);
	}
	if (strcmp(c->modifier, "~eq") == 0 || strcmp(c->modifier, "~re") == 0) {
		MatchCriterion plain = *c;

		plain.modifier = NULL;
		return item->type == MODEL_T_Reference ? match_reference(&plain, item, value)
											   : match_token(&plain, item, value);
	}
	return false;
}

bool
match_filter_date(const MatchCriterion *c, const FpItem *item, const char *value)
{
	MatchCriterion plain = *c;
	const char *op = c->modifier + 1;

	plain.modifier = NULL;
	if (strcmp(op, "po") == 0)
		return !match_date(&plain, item, psprintf("sa%s", value)) &&
			   !match_date(&plain, item, psprintf("eb%s", value));
	if (strcmp(op, "sw") == 0 || strcmp(op, "ew") == 0)
		return match_string(c, item, value);
	if (strcmp(op, "co") == 0)
		return match_date_contains(&plain, item, value);
	return match_date(&plain, item, psprintf("%s%s", op, value));
}

/* Rest of a path after an item: [filter] .name ... op value; leaves the text after the value. */
static bool
rest_of_path(Elements *e, const FpItem *item)
{
	FilterText start;
	FpList list;
	bool any = false, passes = true;
	char *name;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (filter_accept_char(&e->text, '[')) {
		passes = expression(e, item);
		filter_expect(&e->text, ']');
		filter_expect(&e->text, '.');
	} else if (!filter_accept_char(&e->text, '.')) {
		/* the end: compare */
		char *op = filter_word(&e->text), *value = filter_value(&e->text);
		MatchCriterion c = *e->c;

		filter_check_operator(&e->text, op);
		c.modifier = psprintf("~%s", op);
		c.value = value;
		if (strcmp(op, "pr") == 0)
			return (strcmp(value, "true") == 0) == (item->json.type != jbvNull); /* nothing but extensions is no value */
		return item->json.type != jbvNull && compares(&c, item, value);
	}
	name = filter_name(&e->text);
	children(e, item, name, &list);
	start = e->text;
	for (int i = 0; i < list.n; i++) {
		e->text = start;
		any = rest_of_path(e, &list.items[i]) || any;
	}
	if (list.n == 0) {
		/* nothing there: only "pr false" is true of that */
		e->text = start;
		any = filter_skip_comparison(&e->text);
	}
	return passes && any;
}

static bool
comparison(Elements *e, const FpItem *item)
{
	FpList list;
	FilterText start;
	bool any = false;

	children(e, item, filter_name(&e->text), &list);
	start = e->text;
	for (int i = 0; i < list.n; i++) {
		e->text = start;
		any = rest_of_path(e, &list.items[i]) || any;
	}
	if (list.n == 0)
		any = filter_skip_comparison(&e->text);
	return any;
}

static bool
term(Elements *e, const FpItem *item)
{
	bool result;

	check_stack_depth();
	if (filter_accept(&e->text, "not"))
		return !term(e, item);
	if (!filter_accept_char(&e->text, '('))
		return comparison(e, item);
	result = expression(e, item);
	filter_expect(&e->text, ')');
	return result;
}

static bool
expression(Elements *e, const FpItem *item)
{
	bool result = term(e, item);

	for (;;) {
		if (filter_accept(&e->text, "and"))
			result = term(e, item) && result;
		else if (filter_accept(&e->text, "or"))
			result = term(e, item) || result;
		else
			return result;
	}
}

/* Raises what is wrong with the text of "~[]", whatever the documents hold. */
void
match_filter_check(const char *text)
{
	MatchCriterion c = {.name = "_filter", .value = pstrdup(text)};
	FpItem nothing = {.json.type = jbvNull};
	Elements e = {&c, NULL, {text, text}};

	(void) rest_of_path(&e, &nothing);
	if (*filter_word(&e.text) || *e.text.at)
		filter_fail(&e.text, "text after its end");
}

/* One criterion `code:~op` over the items of its parameter. */
bool
match_filter_op(const MatchCriterion *c, JsonbContainer *doc, const FpList *items)
{
	bool any = false;

	for (int i = 0; i < items->n && !any; i++) {
		const FpItem *item = &items->items[i];

		CHECK_FOR_INTERRUPTS();
		if (item->json.type == jbvNull)
			continue;
		if (strcmp(c->modifier, "~[]") == 0) {
			Elements e = {c, doc, {c->value, c->value}};

			any = rest_of_path(&e, item);
		} else if (strcmp(c->modifier, "~ne") == 0) {
			MatchCriterion eq = *c;

			eq.modifier = c->param->type == PARAM_STRING ? "~eq" : NULL;
			any = !match_item(&eq, item, c->value);
		} else if (c->param->type == PARAM_DATE)
			any = match_filter_date(c, item, c->value);
		else
			any = match_item(c, item, c->value);
	}
	return any;
}
