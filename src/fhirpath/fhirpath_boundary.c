/*
 * fhirpath_boundary.c: lowBoundary, highBoundary and precision (FHIRPath 3.0, utility functions).
 *
 * A decimal stands for half a unit of its last digit on each side. Boundaries are rounded outwards to the
 * precision asked for. A dateTime without a zone may be anywhere between UTC+14 (earliest) and UTC-12
 * (latest), and its boundaries say so.
 */
#include "fhirpath/fhirpath_fn.h"

#include "utils/builtins.h"

#define MAX_SCALE 28 /* digits after the point of a boundary */

static int
display_scale(Numeric n)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(n)));
}

/* Half a unit of the digit at scale: 0.5 * 10^-scale. */
static Numeric
half_unit(int scale)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoString(&s, "0.");
	for (int i = 0; i < scale; i++)
		appendStringInfoChar(&s, '0');
	appendStringInfoChar(&s, '5');
	return fp_numeric_parse(s.data, s.len);
}

/* v rounded down (or up) to `digits` places. */
static Numeric
round_towards(Numeric v, int digits, bool up)
{
	Numeric r = fp_numeric_round(v, digits), step;
	int c = fp_numeric_cmp(r, v);

	if (c == 0 || (up ? c > 0 : c < 0))
		return r;
	step = fp_mul(half_unit(digits), fp_numeric(2));
	return fp_numeric_round(up ? fp_add(r, step) : fp_sub(r, step), digits);
}

/* NULL: no such boundary */
static Numeric
decimal_boundary(Numeric v, bool has_digits, int64 digits, bool high)
{
	int scale = display_scale(v);
	Numeric edge;

	if (!has_digits)
		digits = Max(8, scale + 1);
	if (digits < 0 || digits > MAX_SCALE || scale > 500)
		return NULL;
	edge = high ? fp_add(v, half_unit(scale)) : fp_sub(v, half_unit(scale));
	return round_towards(edge, digits, high);
}

/* 4 -> year ... 17 -> millisecond; times without the date's 8 digits. 0: no such precision. */
static FhirDatePrecision
precision_of(FpKind kind, int64 digits)
{
	if (kind == FP_TIME)
		digits += 8;
	switch (digits) {
		case 4:
			return FHIR_DATE_YEAR;
		case 6:
			return FHIR_DATE_MONTH;
		case 8:
			return FHIR_DATE_DAY;
		case 10:
			return FHIR_DATE_HOUR;
		case 12:
			return FHIR_DATE_MINUTE;
		case 14:
			return FHIR_DATE_SECOND;
		case 17:
			return FHIR_DATE_MILLI;
		default:
			return 0;
	}
}

static int
last_day(int year, int month)
{
	int y = month == 12 ? year + 1 : year, m = month == 12 ? 1 : month + 1;

	return fp_days(y, m, 1) - fp_days(year, month, 1);
}

static void
fill(FhirDateTime *d, bool high)
{
	if (d->precision < FHIR_DATE_MONTH)
		d->month = high ? 12 : 1;
	if (d->precision < FHIR_DATE_DAY)
		d->day = high ? last_day(d->year, d->month) : 1;
	if (d->precision < FHIR_DATE_HOUR)
		d->hour = high ? 23 : 0;
	if (d->precision < FHIR_DATE_MINUTE)
		d->minute = high ? 59 : 0;
	if (d->precision < FHIR_DATE_SECOND)
		d->second = high ? 59 : 0;
	if (d->precision < FHIR_DATE_MILLI)
		d->micros = high ? 999000 : 0;
}

static void
date_boundary(FpExec *x, const FpItem *i, bool has_digits, int64 digits, bool high, FpList *out)
{
	FhirDateTime d;
	FhirDatePrecision p = precision_of(i->kind, has_digits			 ? digits
												: i->kind == FP_DATE ? 8
												: i->kind == FP_TIME ? 9
																	 : 17);
	StringInfoData s;

	if (p == 0 || (i->kind == FP_DATE && p > FHIR_DATE_DAY) || (i->kind == FP_TIME && p < FHIR_DATE_HOUR) ||
		!fhirpath_item_date(i, &d))
		return;
	fill(&d, high);
	if (i->kind == FP_DATETIME && p > FHIR_DATE_DAY && !d.has_zone) {
		d.has_zone = true;
		d.zone_minutes = high ? -12 * 60 : 14 * 60;
	}
	if (p <= FHIR_DATE_DAY)
		d.has_zone = false;
	d.fraction_digits = Max(d.fraction_digits, 3);
	d.precision = p;
	initStringInfo(&s);
	fp_date_text(i->kind, &d, &s);
	fp_push_date(x, out, i->kind, s.data, s.len);
}

static void
boundary(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out, bool high)
{
	const FpItem *i = fp_single(x, in, psprintf("%s()", n->fn->name));
	int64 digits = 0;
	FpQuantity q;
	Numeric v;

	if (i == NULL || (i->json.type == jbvNull && i->kind != FP_QUANTITY && i->kind != FP_TYPEINFO) ||
		(n->nargs > 0 && !fp_arg_int(x, n, s, 0, &digits)))
		return;
	if (fp_is_temporal(i))
		date_boundary(x, i, n->nargs > 0, digits, high, out);
	else if (fp_is_number(i)) {
		v = decimal_boundary(i->json.val.numeric, n->nargs > 0, digits, high);
		if (v != NULL)
			fp_push_numeric(x, out, FP_DECIMAL, v);
	} else if (i->kind != FP_STRING && fp_to_quantity(i, &q)) {
		q.value = decimal_boundary(q.value, n->nargs > 0, digits, high);
		if (q.value != NULL)
			fp_push_quantity(x, out, &q);
	} else
		fp_error(x, i,
				 psprintf("%s() takes a number, a quantity, a date or a time, not %s", n->fn->name,
						  fp_kind_name(i)),
				 NULL);
}

void
fp_fn_lowBoundary(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	boundary(x, n, s, in, out, false);
}

void
fp_fn_highBoundary(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	boundary(x, n, s, in, out, true);
}

void
fp_fn_precision(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	static const int digits[] = {0, 4, 6, 8, 10, 12, 14, 17};
	const FpItem *i = fp_single(x, in, "precision()");
	FhirDateTime d;

	if (i == NULL || i->json.type == jbvNull)
		return;
	if (fp_is_number(i))
		fp_push_int(x, out, display_scale(i->json.val.numeric));
	else if (fp_is_temporal(i)) {
		if (fhirpath_item_date(i, &d))
			fp_push_int(x, out, digits[d.precision] - (i->kind == FP_TIME ? 8 : 0));
	} else
		fp_error(x, i, psprintf("precision() takes a number, a date or a time, not %s", fp_kind_name(i)),
				 NULL);
}
