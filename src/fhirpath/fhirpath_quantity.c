/*
 * fhirpath_quantity.c: quantities with UCUM units and calendar durations (FHIRPath N1 sections 2.1.6.6
 * and 6.1 to 6.6).
 *
 * Calendar weeks, days ... milliseconds are the same as UCUM's; a calendar year or month is not UCUM's mean
 * 'a' or 'mo': comparing the two is undecidable, though they are equivalent. Among calendar units a year is
 * 12 months or 365 days, a month 30 days.
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/builtins.h"
#include "model/model.h"

/* A quantity in base units. */
typedef struct Canonical {
	Numeric value;	/* in base units */
	Numeric factor; /* base units in one of its unit */
	const char *unit;
	bool special; /* with an offset: degrees */
} Canonical;

static const struct {
	const char *name, *plural, *ucum;
	int months;
	int64 millis;
} calendar[] = {
	{"year", "years", "a", 12, INT64CONST(31536000000)},
	{"month", "months", "mo", 1, INT64CONST(2592000000)},
	{"week", "weeks", "wk", 0, 604800000},
	{"day", "days", "d", 0, 86400000},
	{"hour", "hours", "h", 0, 3600000},
	{"minute", "minutes", "min", 0, 60000},
	{"second", "seconds", "s", 0, 1000},
	{"millisecond", "milliseconds", "ms", 0, 1},
};

static int
calendar_index(const char *s, int len)
{
	for (int i = 0; i < lengthof(calendar); i++)
		if ((strlen(calendar[i].name) == len && memcmp(calendar[i].name, s, len) == 0) ||
			(strlen(calendar[i].plural) == len && memcmp(calendar[i].plural, s, len) == 0))
			return i;
	return -1;
}

const char *
fp_calendar_unit(const char *s, int len)
{
	int i = calendar_index(s, len);

	return i < 0 ? NULL : calendar[i].name;
}

/* Index of the calendar unit that q is measured in, also by its UCUM name (days, 'd'); -1 if none. */
static int
duration_index(const FpQuantity *q)
{
	if (q->calendar)
		return calendar_index(q->unit, q->len);
	for (int i = 0; i < lengthof(calendar); i++)
		if (strlen(calendar[i].ucum) == q->len && memcmp(calendar[i].ucum, q->unit, q->len) == 0)
			return i;
	return -1;
}

static bool
is_calendar_month(const FpQuantity *q)
{
	return q->calendar && calendar[calendar_index(q->unit, q->len)].months > 0;
}

/* The UCUM unit of q; a calendar unit by its nearest UCUM unit. */
static const char *
ucum_unit(const FpQuantity *q, int *len)
{
	const char *u = q->unit;

	*len = q->len;
	if (q->calendar) {
		u = calendar[calendar_index(q->unit, q->len)].ucum;
		*len = strlen(u);
	}
	return u;
}

static bool
canonical(const FpQuantity *q, Canonical *c)
{
	const char *u;
	int len;
	Numeric offset = NULL;
	char *base = NULL;

	u = ucum_unit(q, &len);
	if (!ucum_canonical(u, len, &c->factor, &offset, &base))
		return false;
	c->unit = base;
	c->value = fp_mul(q->value, c->factor);
	c->special = offset != NULL && !fp_numeric_is_zero(offset);
	if (c->special)
		c->value = fp_add(c->value, offset);
	return true;
}

static bool
same_unit(const FpQuantity *a, const FpQuantity *b)
{
	if (a->calendar && b->calendar)
		return calendar_index(a->unit, a->len) == calendar_index(b->unit, b->len);
	return a->calendar == b->calendar && a->len == b->len && memcmp(a->unit, b->unit, a->len) == 0;
}

/* Both in calendar units: months where years and months are alone among themselves, else milliseconds. */
static void
calendar_values(const FpQuantity *a, const FpQuantity *b, Numeric *va, Numeric *vb)
{
	int i = calendar_index(a->unit, a->len), j = calendar_index(b->unit, b->len);
	bool months = calendar[i].months > 0 && calendar[j].months > 0;

	*va = fp_mul(a->value, fp_numeric(months ? calendar[i].months : calendar[i].millis));
	*vb = fp_mul(b->value, fp_numeric(months ? calendar[j].months : calendar[j].millis));
}

/* Factors such as 5/9 have no exact decimal: values within 1e-15 of each other count as equal. */
static int
compare_close(Numeric a, Numeric b)
{
	static const char *const scale = "1000000000000000";
	int c = fp_numeric_cmp(a, b);
	Numeric diff, size;

	if (c == 0)
		return 0;
	diff = DatumGetNumeric(DirectFunctionCall1(numeric_abs, NumericGetDatum(fp_sub(a, b))));
	size = DatumGetNumeric(DirectFunctionCall1(numeric_abs, NumericGetDatum(a)));
	return fp_numeric_cmp(fp_mul(diff, fp_numeric_parse(scale, strlen(scale))), size) <= 0 ? 0 : c;
}

/* False: different dimensions, unknown units, or calendar years and months beside others. */
bool
fp_quantity_compare(const FpQuantity *a, const FpQuantity *b, int *cmp)
{
	Canonical ca, cb;
	Numeric va, vb;

	if (same_unit(a, b)) {
		*cmp = fp_numeric_cmp(a->value, b->value);
		return true;
	}
	if (a->calendar && b->calendar) {
		calendar_values(a, b, &va, &vb);
		*cmp = fp_numeric_cmp(va, vb);
		return true;
	}
	if (is_calendar_month(a) || is_calendar_month(b))
		return false;
	if (!canonical(a, &ca) || !canonical(b, &cb) || strcmp(ca.unit, cb.unit) != 0)
		return false;
	*cmp = compare_close(ca.value, cb.value);
	return true;
}

int
fp_quantity_equal(const FpQuantity *a, const FpQuantity *b)
{
	int cmp;

	return fp_quantity_compare(a, b, &cmp) ? cmp == 0 : -1;
}

bool
fp_quantity_comparable(const FpQuantity *a, const FpQuantity *b)
{
	int cmp;

	return fp_quantity_compare(a, b, &cmp);
}

/* Converted to the coarser of the two units, then rounded to the lesser precision. */
bool
fp_quantity_equivalent(const FpQuantity *a, const FpQuantity *b)
{
	Canonical ca, cb;
	Numeric va = a->value, vb = b->value;
	int scale;

	if (!same_unit(a, b)) {
		if (!canonical(a, &ca) || !canonical(b, &cb) || strcmp(ca.unit, cb.unit) != 0)
			return false;
		if (ca.special || cb.special)
			return compare_close(ca.value, cb.value) == 0;
		if (fp_numeric_cmp(ca.factor, cb.factor) >= 0)
			vb = fp_div(cb.value, ca.factor);
		else
			va = fp_div(ca.value, cb.factor);
	}
	scale = Min(fp_numeric_scale(va), fp_numeric_scale(vb));
	return fp_numeric_cmp(fp_numeric_round(va, scale), fp_numeric_round(vb, scale)) == 0;
}

static bool
is_one(const FpQuantity *q)
{
	return !q->calendar && q->len == 1 && q->unit[0] == '1';
}

/* a in `unit`; false if the dimensions differ. */
bool
fp_quantity_convert(const FpQuantity *a, const char *unit, int len, FpQuantity *out)
{
	Canonical ca, cu;
	FpQuantity u = {fp_numeric(1), unit, len, calendar_index(unit, len) >= 0};
	int i = duration_index(a), j = duration_index(&u);

	*out = u;
	out->value = a->value;
	if (same_unit(a, &u))
		return true;
	/* between durations the source's own system decides, then the name changes */
	if (i >= 0 && j >= 0 && (i == j || a->calendar)) {
		bool months = calendar[i].months > 0 && calendar[j].months > 0;

		if (i != j)
			out->value =
				fp_div(fp_mul(a->value, fp_numeric(months ? calendar[i].months : calendar[i].millis)),
					   fp_numeric(months ? calendar[j].months : calendar[j].millis));
		return true;
	}
	if (!canonical(a, &ca) || !canonical(&u, &cu) || strcmp(ca.unit, cu.unit) != 0)
		return false;
	if (cu.special)
		ca.value = fp_sub(ca.value, fp_sub(cu.value, cu.factor));
	out->value = fp_div(ca.value, cu.factor);
	return true;
}

static bool
add_or_sub(FpOp op, const FpQuantity *a, const FpQuantity *b, FpQuantity *out)
{
	FpQuantity ca, cb;

	if (same_unit(a, b)) {
		ca = *a;
		cb = *b;
	} else if (fp_quantity_convert(a, b->unit, b->len, &ca) && fp_quantity_convert(b, a->unit, a->len, &cb)) {
		/* the finer unit is the one in which the other's number grew */
		FpQuantity one = {fp_numeric(1), b->unit, b->len, b->calendar}, in_a;

		fp_quantity_convert(&one, a->unit, a->len, &in_a);
		if (fp_numeric_cmp(in_a.value, fp_numeric(1)) < 0)
			cb = *b;
		else
			ca = *a;
	} else
		return false;
	*out = ca;
	out->value = op == FP_OP_ADD ? fp_add(ca.value, cb.value) : fp_sub(ca.value, cb.value);
	return true;
}

/* False: the result is empty (dimensions that do not fit, unknown units, division by zero). */
bool
fp_quantity_arith(FpOp op, const FpQuantity *a, const FpQuantity *b, FpQuantity *out)
{
	StringInfoData unit;
	const char *ua, *ub;
	int la, lb;
	FpQuantity q;
	Canonical c;

	if (op == FP_OP_ADD || op == FP_OP_SUB)
		return add_or_sub(op, a, b, out);
	if (op == FP_OP_DIV && fp_numeric_is_zero(b->value))
		return false;
	if (is_one(b) || (is_one(a) && op == FP_OP_MUL)) {
		*out = is_one(b) ? *a : *b;
		out->value = op == FP_OP_MUL ? fp_mul(a->value, b->value) : fp_div(a->value, b->value);
		return true;
	}
	if (op == FP_OP_DIV && same_unit(a, b)) {
		*out = (FpQuantity){fp_div(a->value, b->value), "1", 1, false};
		return true;
	}
	ua = ucum_unit(a, &la);
	ub = ucum_unit(b, &lb);
	initStringInfo(&unit);
	appendStringInfo(&unit, "(%.*s)%c(%.*s)", la, ua, op == FP_OP_MUL ? '.' : '/', lb, ub);
	q = (FpQuantity){op == FP_OP_MUL ? fp_mul(a->value, b->value) : fp_div(a->value, b->value), unit.data,
					 unit.len, false};
	if (!canonical(&q, &c) || c.special)
		return false;
	*out = (FpQuantity){fp_numeric_trim(c.value), c.unit, strlen(c.unit), false};
	return true;
}

/*
 * The quantity that an item stands for: computed quantities, numbers (unit '1'), FHIR Quantity elements,
 * objects of no known type with a number as value. FHIR's UCUM years and months are calendar ones (FHIR R4
 * fhirpath.html). False if there is none: also with a comparator, since "< 5" is no value.
 */
bool
fp_to_quantity(const FpItem *item, FpQuantity *q)
{
	JsonbContainer *c;
	JsonbValue v, system, unit;

	if (item->kind == FP_QUANTITY) {
		*q = *(FpQuantity *) item->priv;
		return true;
	}
	*q = (FpQuantity){NULL, "1", 1, false};
	if (fp_is_number(item)) {
		q->value = item->json.val.numeric;
		return true;
	}
	if (item->kind != FP_ELEMENT || item->json.type != jbvBinary ||
		(item->type != MODEL_NONE && !model_is_a(item->type, MODEL_T_Quantity)))
		return false;
	c = item->json.val.binary.data;
	if (!fp_get(c, "value", 5, &v) || v.type != jbvNumeric || fp_get(c, "comparator", 10, &system))
		return false;
	q->value = v.val.numeric;
	if (fp_get(c, "code", 4, &unit) && unit.type == jbvString) {
		q->unit = unit.val.string.val;
		q->len = unit.val.string.len;
		if (q->len == 1 && q->unit[0] == 'a')
			*q = (FpQuantity){v.val.numeric, "year", 4, true};
		else if (q->len == 2 && memcmp(q->unit, "mo", 2) == 0)
			*q = (FpQuantity){v.val.numeric, "month", 5, true};
	} else if (fp_get(c, "unit", 4, &unit) && unit.type == jbvString) {
		q->unit = unit.val.string.val;
		q->len = unit.val.string.len;
		q->calendar = item->type == MODEL_NONE && calendar_index(q->unit, q->len) >= 0;
	}
	return true;
}

/* "4.5", "4.5 'mg'", "4 days" */
bool
fp_quantity_parse(const char *s, int len, FpQuantity *q)
{
	int i = 0, from;

	while (i < len && s[i] != ' ' && s[i] != '\t' && s[i] != '\'' && !(s[i] >= 'a' && s[i] <= 'z'))
		i++;
	*q = (FpQuantity){fp_numeric_parse(s, i), "1", 1, false};
	if (q->value == NULL)
		return false;
	while (i < len && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r'))
		i++;
	if (i == len)
		return true;
	if (s[i] == '\'') {
		from = ++i;
		while (i < len && s[i] != '\'')
			i++;
		if (i != len - 1 || i == from)
			return false;
		q->unit = s + from;
		q->len = i - from;
		return true;
	}
	q->unit = s + i;
	q->len = len - i;
	q->calendar = true;
	return calendar_index(q->unit, q->len) >= 0;
}

void
fp_quantity_text(const FpQuantity *q, StringInfo out)
{
	appendStringInfoString(out, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(q->value))));
	appendStringInfoChar(out, ' ');
	if (q->calendar)
		appendBinaryStringInfo(out, q->unit, q->len);
	else
		fp_print_string(out, q->unit, q->len, '\'');
}

/* For date arithmetic: months and milliseconds of one unit; false for units that dates cannot be moved by
 * ('a', 'mo', 'cm'). */
bool
fp_duration_unit(const FpQuantity *q, int *index)
{
	*index = duration_index(q);
	return *index >= 0 && (q->calendar || calendar[*index].months == 0);
}
