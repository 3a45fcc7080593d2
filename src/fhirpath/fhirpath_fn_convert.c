/*
 * fhirpath_fn_convert.c: toX() and convertsToX() (FHIRPath N1 section 5.5). What cannot be converted gives
 * empty.
 */
#include "fhirpath/fhirpath_fn.h"

#include "utils/builtins.h"

static const FpItem *
input(FpExec *x, const FpNode *n, const FpList *in)
{
	return fp_single(x, in, psprintf("%s()", n->fn->name));
}

static bool
word(const FpItem *i, const char *const *words, int nwords)
{
	for (int k = 0; k < nwords; k++)
		if (strlen(words[k]) == i->json.val.string.len &&
			pg_strncasecmp(words[k], i->json.val.string.val, i->json.val.string.len) == 0)
			return true;
	return false;
}

void
fp_fn_toBoolean(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "1", "1.0"};
	static const char *const no[] = {"false", "f", "no", "n", "0", "0.0"};
	const FpItem *i = input(x, n, in);

	if (i == NULL)
		return;
	if (i->json.type == jbvBool)
		fp_push_bool(x, out, i->json.val.boolean);
	else if (fp_is_number(i)) {
		if (fp_numeric_cmp(i->json.val.numeric, fp_numeric(1)) == 0)
			fp_push_bool(x, out, true);
		else if (fp_numeric_is_zero(i->json.val.numeric))
			fp_push_bool(x, out, false);
	} else if (fp_is_string(i)) {
		if (word(i, yes, lengthof(yes)))
			fp_push_bool(x, out, true);
		else if (word(i, no, lengthof(no)))
			fp_push_bool(x, out, false);
	}
}

static void
to_integer(FpExec *x, const FpNode *n, FpList *in, FpList *out, FpKind kind)
{
	const FpItem *i = input(x, n, in);
	Numeric v = NULL;
	bool is_long = kind == FP_LONG;

	if (i == NULL)
		return;
	if (i->json.type == jbvBool)
		v = fp_numeric(i->json.val.boolean);
	else if (fp_is_number(i) && i->kind != FP_DECIMAL)
		v = i->json.val.numeric;
	else if (fp_is_string(i) && memchr(i->json.val.string.val, '.', i->json.val.string.len) == NULL)
		v = fp_numeric_parse(i->json.val.string.val, i->json.val.string.len);
	if (v == NULL || fp_numeric_cmp(v, fp_numeric(is_long ? PG_INT64_MAX : PG_INT32_MAX)) > 0 ||
		fp_numeric_cmp(v, fp_numeric(is_long ? PG_INT64_MIN : PG_INT32_MIN)) < 0)
		return;
	fp_push_numeric(x, out, kind, v);
}

void
fp_fn_toInteger(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	to_integer(x, n, in, out, FP_INTEGER);
}

void
fp_fn_toLong(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	to_integer(x, n, in, out, FP_LONG);
}

static Numeric
decimal_of(const FpItem *i)
{
	if (i->json.type == jbvBool)
		return fp_numeric_parse(i->json.val.boolean ? "1.0" : "0.0", 3);
	if (fp_is_number(i))
		return i->json.val.numeric;
	if (fp_is_string(i))
		return fp_numeric_parse(i->json.val.string.val, i->json.val.string.len);
	return NULL;
}

void
fp_fn_toDecimal(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = input(x, n, in);
	Numeric v = i != NULL ? decimal_of(i) : NULL;

	if (v != NULL)
		fp_push_numeric(x, out, FP_DECIMAL, v);
}

void
fp_fn_toQuantity(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = input(x, n, in);
	FpQuantity q, converted;
	const char *unit;
	int len;

	if (i == NULL)
		return;
	if (i->json.type == jbvBool)
		q = (FpQuantity){decimal_of(i), "1", 1, false};
	else if (fp_is_string(i)) {
		if (!fp_quantity_parse(i->json.val.string.val, i->json.val.string.len, &q))
			return;
	} else if (!fp_to_quantity(i, &q))
		return;
	if (n->nargs > 0 && fp_arg_string(x, n, s, 0, &unit, &len)) {
		if (!fp_quantity_convert(&q, unit, len, &converted))
			return;
		q = converted;
	}
	fp_push_quantity(x, out, &q);
}

void
fp_fn_toString(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = input(x, n, in);
	StringInfoData text;
	FpQuantity q;

	if (i == NULL)
		return;
	if (fp_is_string(i)) {
		fp_push_string(x, out, i->json.val.string.val, i->json.val.string.len);
		return;
	}
	initStringInfo(&text);
	if (i->kind == FP_ELEMENT && fp_to_quantity(i, &q))
		fp_quantity_text(&q, &text);
	else if (!fp_item_text(i, &text))
		return;
	fp_push_string(x, out, text.data, text.len);
}

/* The text of a string or temporal item, if it is a value of the kind. */
static bool
temporal_text(const FpItem *i, FpKind kind, const char **s, int *len)
{
	FhirDateTime d;

	if (i->json.type != jbvString)
		return false;
	*s = i->json.val.string.val;
	*len = i->json.val.string.len;
	return fp_date_parse(kind, *s, *len, &d);
}

void
fp_fn_toDate(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = input(x, n, in);
	const char *text;
	int len;

	if (i == NULL || i->kind == FP_TIME || !temporal_text(i, FP_DATETIME, &text, &len))
		return;
	fp_push_date(x, out, FP_DATE, text, Min(len, 10));
}

void
fp_fn_toDateTime(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = input(x, n, in);
	const char *text;
	int len;

	if (i != NULL && i->kind != FP_TIME && temporal_text(i, FP_DATETIME, &text, &len))
		fp_push_date(x, out, FP_DATETIME, text, len);
}

void
fp_fn_toTime(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = input(x, n, in);
	const char *text;
	int len, skip = 0;

	if (i == NULL || i->json.type != jbvString)
		return;
	/* a string may be written with its T */
	if (i->kind == FP_STRING && i->json.val.string.len > 0 && i->json.val.string.val[0] == 'T')
		skip = 1;
	text = i->json.val.string.val + skip;
	len = i->json.val.string.len - skip;
	if (i->kind == FP_STRING || i->kind == FP_TIME) {
		FhirDateTime d;

		if (fp_date_parse(FP_TIME, text, len, &d))
			fp_push_date(x, out, FP_TIME, text, len);
	}
}

/* convertsToX(): does toX() give a result? */
void
fp_fn_convertsTo(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *name = psprintf("to%s", n->fn->name + strlen("convertsTo"));
	FP_LIST_ON_STACK(l);

	if (input(x, n, in) == NULL)
		return;
	fp_function(name, strlen(name))->fn(x, n, s, in, &l);
	fp_push_bool(x, out, l.n > 0);
	FP_LIST_FREE(l);
}
