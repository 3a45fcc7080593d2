/*
 * fhirpath_fn_date.c: the current time, parts of dates, and spans between them (FHIRPath N1
 * section 5.9.2; 3.0 for the rest).
 *
 * now(), today() and timeOfDay() are those of the start of the transaction in the session's time zone, as
 * PostgreSQL's now() is: one value within one statement.
 */
#include "fhirpath/fhirpath_fn.h"

#include "access/xact.h"
#include "utils/timestamp.h"

static void
current(FhirDateTime *d)
{
	struct pg_tm tm;
	fsec_t fsec;
	int tz;

	if (timestamp2tm(GetCurrentTransactionStartTimestamp(), &tz, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	memset(d, 0, sizeof(*d));
	d->year = tm.tm_year;
	d->month = tm.tm_mon;
	d->day = tm.tm_mday;
	d->hour = tm.tm_hour;
	d->minute = tm.tm_min;
	d->second = tm.tm_sec;
	d->micros = fsec / 1000 * 1000;
	d->fraction_digits = 3;
	d->precision = FHIR_DATE_MILLI;
	d->has_date = d->has_time = d->has_zone = true;
	d->zone_minutes = -tz / 60;
}

static void
push_date(FpExec *x, FpList *out, FpKind kind, const FhirDateTime *d)
{
	StringInfoData s;

	initStringInfo(&s);
	fp_date_text(kind, d, &s);
	fp_push_date(x, out, kind, s.data, s.len);
}

void
fp_fn_now(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;

	current(&d);
	push_date(x, out, FP_DATETIME, &d);
}

void
fp_fn_today(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;

	current(&d);
	d.precision = FHIR_DATE_DAY;
	d.has_time = d.has_zone = false;
	push_date(x, out, FP_DATE, &d);
}

void
fp_fn_timeOfDay(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;

	current(&d);
	d.has_date = d.has_zone = false;
	push_date(x, out, FP_TIME, &d);
}

/* The input as a date or time; false: empty. */
static bool
input(FpExec *x, const FpNode *n, const FpList *in, FpKind *kind, FhirDateTime *d)
{
	const FpItem *i = fp_single(x, in, psprintf("%s()", n->fn->name));

	if (i == NULL || i->json.type == jbvNull)
		return false;
	if (!fp_is_temporal(i))
		fp_error(x, i, psprintf("%s() takes a date or time, not %s", n->fn->name, fp_kind_name(i)), NULL);
	*kind = i->kind;
	return fhirpath_item_date(i, d);
}

/* yearOf() ... millisecondOf(): empty when the value has no such part. */
void
fp_fn_datePart(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;
	FpKind kind;
	static const char *const names[] = {"yearOf", "monthOf", "dayOf", "hourOf",
										"minuteOf", "secondOf", "millisecondOf"};

	if (!input(x, n, in, &kind, &d))
		return;
	for (int i = 0; i < lengthof(names); i++) {
		int parts[] = {d.year, d.month, d.day, d.hour, d.minute, d.second, d.micros / 1000};

		if (strcmp(n->fn->name, names[i]) == 0 && d.precision >= FHIR_DATE_YEAR + i && (i >= 3 || d.has_date))
			fp_push_int(x, out, parts[i]);
	}
}

/* In hours. */
void
fp_fn_timezoneOffsetOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;
	FpKind kind;

	if (input(x, n, in, &kind, &d) && d.has_zone)
		fp_push_numeric(x, out, FP_DECIMAL, fp_div(fp_numeric(d.zone_minutes), fp_numeric(60)));
}

void
fp_fn_dateOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;
	FpKind kind;

	if (!input(x, n, in, &kind, &d) || !d.has_date)
		return;
	d.precision = Min(d.precision, FHIR_DATE_DAY);
	d.has_zone = false;
	push_date(x, out, FP_DATE, &d);
}

void
fp_fn_timeOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime d;
	FpKind kind;

	if (!input(x, n, in, &kind, &d) || !d.has_time)
		return;
	d.has_date = d.has_zone = false;
	push_date(x, out, FP_TIME, &d);
}

/* ---- spans ---- */

/* Index of year ... millisecond as fhirpath_quantity.c numbers its units. */
static int
unit_arg(FpExec *x, const FpNode *n, FpScope *s)
{
	static const char *const units[] = {"year", "month", "week", "day",
										"hour", "minute", "second", "millisecond"};
	const char *u, *name;
	int len;

	if (!fp_arg_string(x, n, s, 1, &u, &len))
		return -1;
	name = fp_calendar_unit(u, len);
	for (int i = 0; name != NULL && i < lengthof(units); i++)
		if (strcmp(name, units[i]) == 0)
			return i;
	fp_error(x, NULL, psprintf("%s() does not know the precision '%.*s'", n->fn->name, len, u),
			 "Known: year, month, week, day, hour, minute, second, millisecond.");
}

/* Both values brought to UTC where the unit asks for it; false: empty (a part is missing). */
static bool
span_input(FpExec *x, const FpNode *n, FpScope *s, FpList *in, int *unit, FhirDateTime *a, FhirDateTime *b)
{
	static const FhirDatePrecision needs[] = {FHIR_DATE_YEAR, FHIR_DATE_MONTH, FHIR_DATE_DAY,
											  FHIR_DATE_DAY, FHIR_DATE_HOUR, FHIR_DATE_MINUTE,
											  FHIR_DATE_SECOND, FHIR_DATE_SECOND};
	FpItem other;
	FpKind kind;

	if (!input(x, n, in, &kind, a) || !fp_arg(x, n, s, 0, &other) || (*unit = unit_arg(x, n, s)) < 0)
		return false;
	if (!fp_is_temporal(&other) || (other.kind == FP_TIME) != (kind == FP_TIME))
		fp_error(x, &other, psprintf("%s() takes two dates or two times", n->fn->name), NULL);
	if (!fhirpath_item_date(&other, b) || (kind == FP_TIME && *unit < 4))
		return false;
	if (a->precision < needs[*unit] || b->precision < needs[*unit])
		return false;
	if (a->has_zone && b->has_zone && a->zone_minutes != b->zone_minutes && *unit >= 4)
		return fp_from_micros(fp_micros(a) - a->zone_minutes * INT64CONST(60000000), a) &&
			   fp_from_micros(fp_micros(b) - b->zone_minutes * INT64CONST(60000000), b);
	return true;
}

static const int64 unit_micros[] = {
	0, 0, INT64CONST(604800000000), INT64CONST(86400000000), INT64CONST(3600000000), 60000000, 1000000, 1000};

/* Whole periods from input to argument. */
void
fp_fn_duration(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime a, b, c;
	int unit, sign = 1;
	int64 months;

	if (!span_input(x, n, s, in, &unit, &a, &b))
		return;
	if (unit >= 2) {
		fp_push_int(x, out, (fp_micros(&b) - fp_micros(&a)) / unit_micros[unit]);
		return;
	}
	if (fp_micros(&a) > fp_micros(&b)) {
		c = a;
		a = b;
		b = c;
		sign = -1;
	}
	months = (b.year - a.year) * 12 + b.month - a.month;
	/* the last month counts when its day and time have been reached */
	b.year = a.year;
	b.month = a.month;
	if (fp_micros(&b) < fp_micros(&a))
		months--;
	fp_push_int(x, out, sign * (unit == 0 ? months / 12 : months));
}

static int64
floor_div(int64 a, int64 b)
{
	return a / b - (a % b < 0);
}

/* Boundaries crossed from input to argument; weeks begin on Sunday (1970-01-01 was a Thursday). */
void
fp_fn_difference(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FhirDateTime a, b;
	int unit;
	int64 shift;

	if (!span_input(x, n, s, in, &unit, &a, &b))
		return;
	if (unit == 0)
		fp_push_int(x, out, b.year - a.year);
	else if (unit == 1)
		fp_push_int(x, out, (b.year - a.year) * 12 + b.month - a.month);
	else {
		shift = unit == 2 ? 4 * unit_micros[3] : 0;
		fp_push_int(x, out,
					floor_div(fp_micros(&b) + shift, unit_micros[unit]) -
						floor_div(fp_micros(&a) + shift, unit_micros[unit]));
	}
}
