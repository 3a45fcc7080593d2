/*
 * query_filter_op.c: the comparisons of _filter on one parameter, which search_resolve meets as modifiers "~eq",
 * "~ne" ... of a name, so that they work at the end of chains as well.
 *
 *   eq  strings: equal but for case and accents; all else as without _filter
 *   ne  some value is unequal: where none is there, nothing is
 *   co  strings: contains; dates: the value lies within one's period
 *   sw ew  strings: starts with, ends with
 *   gt lt ge le  strings: by the code points of the folded text; dates, numbers, quantities: as the prefix
 *   ap sa eb     as the prefix; po: the periods overlap (dates)
 *   re  references
 */
#include "base/base.h"

#include "mb/pg_wchar.h"

#include "search/query/query.h"
#include "search/query/query_internal.h"

static void
no_such(const KeyParam *p, const char *op)
{
	static const char *const types[] = {[PARAM_NUMBER] = "number", [PARAM_DATE] = "date", [PARAM_STRING] = "string", [PARAM_TOKEN] = "token", [PARAM_REFERENCE] = "reference", [PARAM_COMPOSITE] = "composite", [PARAM_QUANTITY] = "quantity", [PARAM_URI] = "uri", [PARAM_SPECIAL] = "special"};

	ereport(ERROR, errcode(FH400),
			errmsg("invalid _filter: operator \"%s\" does not compare with \"%s\"", op, p->code),
			errdetail("That is a parameter of type %s.", types[p->type]), errhint("eq compares with each; docs/search.md lists the operators of each type."), fhir_issue("invalid", NULL));
}

static bool
is_ordered(const KeyParam *p)
{
	return p->type == PARAM_DATE || p->type == PARAM_NUMBER || p->type == PARAM_QUANTITY;
}

/* Decided on the document by fhir_matches. */
static Crit *
on_document(const KeyParam *p, const char *op, const char *value)
{
	Crit *c = crit_new(CRIT_DOC);

	c->type = p->base;
	c->code = p->code;
	c->modifier = psprintf("~%s", op);
	crit_add_value(c, pstrdup(value));
	return c;
}

static Crit *
present(const KeyParam *p)
{
	Crit *c = NULL;

	for (int k = 0; k < p->nlegs; k++)
		c = crit_join(CRIT_OR, c, search_present(&p->legs[k]));
	return c ? c : crit_new(CRIT_FALSE);
}

Crit *
search_filter_elements(const KeyParam *p, const char *text)
{
	Crit *implied = search_filter_implied(p, text);

	return crit_join(CRIT_AND, implied->kind == CRIT_TRUE ? present(p) : implied, on_document(p, "[]", text));
}

/* ---- strings ---- */

/* Of one that ends with a text: where a piece of it does. */
static Crit *
string_pieces(const KeyParam *p, const char *op, const char *value)
{
	static const struct {
		const char *op;
		StringMode mode;
	} modes[] = {{"eq", STRING_EQUAL}, {"ew", STRING_SUFFIX}, {"gt", STRING_GT}, {"lt", STRING_LT}, {"ge", STRING_GE}, {"le", STRING_LE}};
	char *text = search_unescape(value);
	Crit *c = crit_new(CRIT_STRING);
	int i = 0, len;

	if (strcmp(op, "sw") == 0)
		return search_values(p, NULL, value);
	if (strcmp(op, "co") == 0)
		return search_values(p, "contains", value);
	while (i < lengthof(modes) && strcmp(op, modes[i].op) != 0)
		i++;
	if (i == lengthof(modes))
		no_such(p, op);
	text = keys_fold(text, strlen(text), &len);
	if (len == 0)
		search_bad_value(p->code, value, "there is no text in it", NULL);
	/* what the index holds of longer texts are pieces */
	if (len >= KEYS_STRING_OVERLAP)
		search_bad_value(p->code, value, "the text is too long for this operator of _filter",
						 psprintf("Use sw, or fewer than %d bytes.", KEYS_STRING_OVERLAP));
	c->mode = modes[i].mode;
	crit_add_value(c, text);
	for (int k = 0; k < p->nlegs; k++) {
		uint64 parts[32];
		int n = keys_string_parts(p->legs[k].source, parts, lengthof(parts));

		for (int m = 0; m < n; m++) {
			crit_add_key(c, parts[m]);
			if (c->mode == STRING_SUFFIX)
				crit_add_key(c, keys_more(parts[m]));
		}
	}
	return c;
}

static Crit *
string(const KeyParam *p, const char *op, const char *value)
{
	Crit *c = string_pieces(p, op, value);

	/* a piece may end so where the text goes on */
	return strcmp(op, "ew") == 0 ? crit_join(CRIT_AND, c, on_document(p, op, value)) : c;
}

Crit *
search_filter_suffix(const KeyParam *p, const char *value)
{
	return string_pieces(p, "ew", value);
}

/* ---- dates ---- */

static Crit *
period(const KeyParam *p, const char *op, const char *value)
{
	char *text = search_unescape(value);
	FhirDateTime d;
	int64 lo, hi;
	Crit *c = crit_new(CRIT_ORDERED);

	if (!fhir_date_parse(text, strlen(text), FHIR_KIND_SEARCH, &d))
		search_bad_value(p->code, value, "not a date or date and time", NULL);
	fhir_date_interval(&d, &lo, &hi);
	for (int k = 0; k < p->nlegs; k++) {
		uint64 key = keys_ordered(p->legs[k].source);

		if (*op == 'p')
			crit_add_box(c, key, PG_INT64_MIN, hi, lo, PG_INT64_MAX);
		else
			crit_add_box(c, key, PG_INT64_MIN, lo, hi, PG_INT64_MAX);
	}
	return c;
}

/* ---- ne ---- */

static Crit *
unequal(const KeyParam *p, const char *value)
{
	Crit *equal = p->type == PARAM_STRING ? string(p, "eq", value) : search_values(p, NULL, value);

	if (p->type == PARAM_COMPOSITE || (p->nlegs == 1 && search_element_position(p->legs[0].source) != 0))
		return crit_join(CRIT_AND, present(p), crit_not(equal));
	/* of several values one may be equal and another not */
	return crit_join(CRIT_AND, present(p),
					 crit_join(CRIT_OR, crit_not(equal), on_document(p, "ne", value)));
}

Crit *
search_filter_values(const KeyParam *p, const char *op, const char *value)
{
	static const char prefixes[] = " gt lt ge le ap sa eb ne ";

	if (is_ordered(p) && strstr(prefixes, psprintf(" %s ", op)) != NULL)
		return search_values(p, NULL, psprintf("%s%s", op, value));
	if (strcmp(op, "ne") == 0)
		return unequal(p, value);
	if (p->type == PARAM_STRING)
		return string(p, op, value);
	if (p->type == PARAM_DATE && (strcmp(op, "po") == 0 || strcmp(op, "co") == 0))
		return period(p, op, value);
	if (strcmp(op, "eq") != 0 && !(strcmp(op, "re") == 0 && p->type == PARAM_REFERENCE))
		no_such(p, op);
	return search_values(p, NULL, value);
}
