/*
 * fhirpath_date.c: dates, times and dateTimes of any precision: parse, write, order, arithmetic.
 *
 * Order goes part by part from the year on and is undecidable where one value has no such part. Seconds and
 * their fraction are one part. Values with a zone are compared in UTC. A value without a zone beside one with
 * a zone lies anywhere between UTC-12 and UTC+14: the answer is undecidable unless that cannot matter. So
 * nothing depends on the session's time zone.
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/builtins.h"

#define DAY_MICROS INT64CONST(86400000000)

static bool
two(const char *s, int len, int *at, int *out)
{
	if (*at + 2 > len || s[*at] < '0' || s[*at] > '9' || s[*at + 1] < '0' || s[*at + 1] > '9')
		return false;
	*out = (s[*at] - '0') * 10 + (s[*at + 1] - '0');
	*at += 2;
	return true;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
		return 29;
	return days[month - 1];
}

static bool
parse_date(const char *s, int len, int *at, FhirDateTime *d)
{
	int hi, lo;

	if (!two(s, len, at, &hi) || !two(s, len, at, &lo))
		return false;
	d->year = hi * 100 + lo;
	d->month = d->day = 1;
	d->has_date = true;
	d->precision = FHIR_DATE_YEAR;
	if (d->year < 1)
		return false;
	if (*at < len && s[*at] == '-') {
		(*at)++;
		if (!two(s, len, at, &d->month) || d->month < 1 || d->month > 12)
			return false;
		d->precision = FHIR_DATE_MONTH;
	}
	if (d->precision == FHIR_DATE_MONTH && *at < len && s[*at] == '-') {
		(*at)++;
		if (!two(s, len, at, &d->day) || d->day < 1 || d->day > days_in_month(d->year, d->month))
			return false;
		d->precision = FHIR_DATE_DAY;
	}
	return true;
}

static bool
parse_time(const char *s, int len, int *at, FhirDateTime *d)
{
	int scale = 100000;

	if (!two(s, len, at, &d->hour) || d->hour > 23)
		return false;
	d->has_time = true;
	d->precision = FHIR_DATE_HOUR;
	if (*at >= len || s[*at] != ':')
		return true;
	(*at)++;
	if (!two(s, len, at, &d->minute) || d->minute > 59)
		return false;
	d->precision = FHIR_DATE_MINUTE;
	if (*at >= len || s[*at] != ':')
		return true;
	(*at)++;
	if (!two(s, len, at, &d->second) || d->second > 60)
		return false;
	d->precision = FHIR_DATE_SECOND;
	if (*at >= len || s[*at] != '.')
		return true;
	(*at)++;
	for (; *at < len && s[*at] >= '0' && s[*at] <= '9'; (*at)++) {
		d->micros += (s[*at] - '0') * scale;
		scale /= 10;
		d->fraction_digits++;
	}
	d->precision = FHIR_DATE_MILLI;
	return d->fraction_digits > 0;
}

static bool
parse_zone(const char *s, int len, int *at, FhirDateTime *d)
{
	int sign, h, m;

	if (*at >= len)
		return true;
	d->has_zone = true;
	if (s[*at] == 'Z') {
		(*at)++;
		return true;
	}
	if (s[*at] != '+' && s[*at] != '-')
		return false;
	sign = s[(*at)++] == '-' ? -1 : 1;
	if (!two(s, len, at, &h) || *at >= len || s[(*at)++] != ':' || !two(s, len, at, &m) || m > 59 ||
		h * 60 + m > 14 * 60)
		return false;
	d->zone_minutes = sign * (h * 60 + m);
	return true;
}

/* A dateTime may be a date alone; "2015T" is written "2015" here. */
bool
fp_date_parse(FpKind kind, const char *s, int len, FhirDateTime *d)
{
	int at = 0;

	memset(d, 0, sizeof(*d));
	if (kind == FP_TIME)
		return parse_time(s, len, &at, d) && at == len;
	if (!parse_date(s, len, &at, d))
		return false;
	if (at == len)
		return true;
	if (kind == FP_DATE || d->precision != FHIR_DATE_DAY || s[at++] != 'T')
		return false;
	return parse_time(s, len, &at, d) && parse_zone(s, len, &at, d) && at == len;
}

void
fp_date_text(FpKind kind, const FhirDateTime *d, StringInfo out)
{
	if (d->has_date) {
		appendStringInfo(out, "%04d", d->year);
		if (d->precision >= FHIR_DATE_MONTH)
			appendStringInfo(out, "-%02d", d->month);
		if (d->precision >= FHIR_DATE_DAY)
			appendStringInfo(out, "-%02d", d->day);
	}
	if (d->precision < FHIR_DATE_HOUR || kind == FP_DATE)
		return;
	appendStringInfo(out, "%s%02d", d->has_date ? "T" : "", d->hour);
	if (d->precision >= FHIR_DATE_MINUTE)
		appendStringInfo(out, ":%02d", d->minute);
	if (d->precision >= FHIR_DATE_SECOND)
		appendStringInfo(out, ":%02d", d->second);
	if (d->precision >= FHIR_DATE_MILLI) {
		int digits = Min(Max(d->fraction_digits, 1), 6);
		char buf[8];

		snprintf(buf, sizeof(buf), "%06d", d->micros);
		appendStringInfo(out, ".%.*s", digits, buf);
	}
	if (d->has_zone && d->zone_minutes == 0)
		appendStringInfoChar(out, 'Z');
	else if (d->has_zone)
		appendStringInfo(out, "%c%02d:%02d", d->zone_minutes < 0 ? '-' : '+', abs(d->zone_minutes) / 60,
						 abs(d->zone_minutes) % 60);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. */
int64
fp_days(int year, int month, int day)
{
	int64 y = month <= 2 ? year - 1 : year;
	int64 era = (y >= 0 ? y : y - 399) / 400;
	int64 yoe = y - era * 400;
	int64 doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void
fp_civil(int64 days, int *year, int *month, int *day)
{
	int64 z = days + 719468;
	int64 era = (z >= 0 ? z : z - 146096) / 146097;
	int64 doe = z - era * 146097;
	int64 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64 doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64 mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2);
}

/* Microseconds since the epoch of the local time, absent parts at their lowest; of the day for a time. */
int64
fp_micros(const FhirDateTime *d)
{
	int64 t = ((d->hour * INT64CONST(60) + d->minute) * 60 + d->second) * 1000000 + d->micros;

	return d->has_date ? fp_days(d->year, d->month, d->day) * DAY_MICROS + t : t;
}

/* The inverse; false when the year leaves 1..9999. A time wraps around. */
bool
fp_from_micros(int64 t, FhirDateTime *d)
{
	int64 days = t / DAY_MICROS;

	t %= DAY_MICROS;
	if (t < 0) {
		t += DAY_MICROS;
		days--;
	}
	if (d->has_date) {
		if (days < -719162 || days > 2932896)
			return false;
		fp_civil(days, &d->year, &d->month, &d->day);
	}
	d->micros = t % 1000000;
	d->second = t / 1000000 % 60;
	d->minute = t / 60000000 % 60;
	d->hour = t / INT64CONST(3600000000);
	return true;
}

/* [lo, hi] in local microseconds that the value covers. */
static void
interval(const FhirDateTime *d, int64 *lo, int64 *hi)
{
	int64 width;

	*lo = fp_micros(d);
	switch (d->precision) {
		case FHIR_DATE_YEAR:
			width = (fp_days(d->year + 1, 1, 1) - fp_days(d->year, 1, 1)) * DAY_MICROS;
			break;
		case FHIR_DATE_MONTH:
			width = days_in_month(d->year, d->month) * DAY_MICROS;
			break;
		case FHIR_DATE_DAY:
			width = DAY_MICROS;
			break;
		case FHIR_DATE_HOUR:
			width = INT64CONST(3600000000);
			break;
		case FHIR_DATE_MINUTE:
			width = 60000000;
			break;
		default:
			width = 1;
	}
	*hi = *lo + width - 1;
}

/* One value has a zone, the other has none and may be anywhere. */
static bool
compare_mixed(const FhirDateTime *a, const FhirDateTime *b, int *cmp)
{
	int64 alo, ahi, blo, bhi;

	interval(a, &alo, &ahi);
	interval(b, &blo, &bhi);
#define TO_UTC(d, lo, hi) \
	do { \
		lo -= (d->has_zone ? d->zone_minutes : 14 * 60) * INT64CONST(60000000); \
		hi -= (d->has_zone ? d->zone_minutes : -12 * 60) * INT64CONST(60000000); \
	} while (0)
	TO_UTC(a, alo, ahi);
	TO_UTC(b, blo, bhi);
#undef TO_UTC
	if (ahi < blo)
		*cmp = -1;
	else if (alo > bhi)
		*cmp = 1;
	else
		return false;
	return true;
}

/* False: undecidable. */
bool
fp_date_compare(const FhirDateTime *a, const FhirDateTime *b, int *cmp)
{
	FhirDateTime ua = *a, ub = *b;
	int pa[6], pb[6], na, nb;

	if (a->has_zone != b->has_zone)
		return compare_mixed(a, b, cmp);
	if (a->has_zone && a->zone_minutes != b->zone_minutes) {
		if (!fp_from_micros(fp_micros(a) - a->zone_minutes * INT64CONST(60000000), &ua) ||
			!fp_from_micros(fp_micros(b) - b->zone_minutes * INT64CONST(60000000), &ub))
			return compare_mixed(a, b, cmp);
	}
#define PARTS(d, p, n) \
	do { \
		p[0] = d.year; \
		p[1] = d.month; \
		p[2] = d.day; \
		p[3] = d.hour; \
		p[4] = d.minute; \
		p[5] = d.second; \
		n = Min(d.precision, FHIR_DATE_SECOND); \
	} while (0)
	PARTS(ua, pa, na);
	PARTS(ub, pb, nb);
#undef PARTS
	for (int i = 0; i < Min(na, nb); i++)
		if (pa[i] != pb[i]) {
			*cmp = pa[i] < pb[i] ? -1 : 1;
			return true;
		}
	if (na != nb)
		return false;
	*cmp = ua.micros == ub.micros ? 0 : ua.micros < ub.micros ? -1
															  : 1;
	return true;
}

/* ---- arithmetic ---- */

/* Units as fhirpath_quantity.c numbers them. */
enum { U_YEAR,
	   U_MONTH,
	   U_WEEK,
	   U_DAY,
	   U_HOUR,
	   U_MINUTE,
	   U_SECOND,
	   U_MILLI,
};

static bool
add_months(FhirDateTime *d, int64 months)
{
	int64 m;

	if (months > 12 * 10000 || months < -12 * 10000)
		return false;
	m = d->year * INT64CONST(12) + d->month - 1 + months;
	if (m < 12 || m >= 12 * 10000)
		return false;
	d->year = m / 12;
	d->month = m % 12 + 1;
	if (d->day > days_in_month(d->year, d->month))
		d->day = days_in_month(d->year, d->month);
	return true;
}

static int64
truncated(Numeric n)
{
	Numeric lim = fp_numeric(INT64CONST(1000000000000000));

	/* beyond any date: the range check of the result will refuse it */
	if (fp_numeric_cmp(n, lim) > 0)
		n = lim;
	if (fp_numeric_cmp(n, fp_sub(fp_numeric(0), lim)) < 0)
		n = fp_sub(fp_numeric(0), lim);
	return DatumGetInt64(DirectFunctionCall1(
		numeric_int8, DirectFunctionCall2(numeric_trunc, NumericGetDatum(n), Int32GetDatum(0))));
}

/* A value coarser than the unit: the quantity is first turned into the value's own precision, remainder
 * dropped. */
static bool
add_coarse(FhirDateTime *d, int unit, int64 v)
{
	static const int64 millis[] = {
		INT64CONST(31536000000), INT64CONST(2592000000), 604800000, 86400000, 3600000, 60000, 1000, 1};
	int64 total;

	if (d->precision == FHIR_DATE_YEAR && unit == U_MONTH)
		return add_months(d, v / 12 * 12);
	total = v * millis[unit];
	switch (d->precision) {
		case FHIR_DATE_YEAR:
			return add_months(d, total / millis[U_YEAR] * 12);
		case FHIR_DATE_MONTH:
			return add_months(d, total / millis[U_MONTH]);
		case FHIR_DATE_DAY:
			return fp_from_micros(fp_micros(d) + total / millis[U_DAY] * DAY_MICROS, d);
		case FHIR_DATE_HOUR:
			return fp_from_micros(fp_micros(d) + total / millis[U_HOUR] * INT64CONST(3600000000), d);
		default:
			return fp_from_micros(fp_micros(d) + total / millis[U_MINUTE] * 60000000, d);
	}
}

/*
 * d +/- q. Fractions count for seconds and milliseconds only. False when the result leaves the years 1..9999.
 * Units that do not fit (UCUM 'a' and 'mo', days on a time, centimetres) are an error.
 */
bool
fp_date_add(FpExec *x, FpKind kind, FhirDateTime *d, const FpQuantity *q, bool subtract)
{
	static const FhirDatePrecision needs[] = {FHIR_DATE_YEAR, FHIR_DATE_MONTH, FHIR_DATE_DAY,
											  FHIR_DATE_DAY, FHIR_DATE_HOUR, FHIR_DATE_MINUTE,
											  FHIR_DATE_SECOND, FHIR_DATE_SECOND};
	static const int64 micros[] = {0, 0, 7 * DAY_MICROS, DAY_MICROS, INT64CONST(3600000000), 60000000};
	Numeric value = subtract ? fp_sub(fp_numeric(0), q->value) : q->value;
	int unit;
	int64 v;

	if (!fp_duration_unit(q, &unit))
		fp_error(x, NULL, psprintf("a date or time cannot be moved by '%.*s'", q->len, q->unit),
				 "Use calendar units: year, month, week, day, hour, minute, second, millisecond.");
	if (kind == FP_TIME && unit < U_HOUR)
		fp_error(x, NULL, "a time can be moved by hours and smaller units only", NULL);
	v = truncated(value);
	if (v > INT64CONST(400000000000000) || v < INT64CONST(-400000000000000))
		return false;
	if (d->precision < needs[unit]) {
		if (unit < U_SECOND && (v > INT64CONST(4000000000) || v < INT64CONST(-4000000000)))
			return false;
		if (unit == U_SECOND && (v > INT64CONST(400000000000) || v < INT64CONST(-400000000000)))
			return false;
		return add_coarse(d, unit, v);
	}
	if (unit == U_YEAR)
		return v <= 10000 && v >= -10000 && add_months(d, v * 12);
	if (unit == U_MONTH)
		return add_months(d, v);
	if (unit >= U_SECOND) {
		int digits = d->precision == FHIR_DATE_MILLI ? 6 : 0;
		Numeric us = fp_mul(value, fp_numeric(unit == U_SECOND ? 1000000 : 1000));

		if (digits == 0 && fp_numeric_scale(fp_div(us, fp_numeric(1000000))) > 0)
			us = fp_mul(fp_numeric(truncated(fp_div(us, fp_numeric(1000000)))), fp_numeric(1000000));
		v = truncated(us);
		/* a finer result than the value had digits for shows milliseconds */
		if (d->precision == FHIR_DATE_MILLI && v % 1000000 != 0 && d->fraction_digits < 3)
			d->fraction_digits = 3;
		if (v > INT64CONST(400000000000000000) || v < INT64CONST(-400000000000000000))
			return false;
		return fp_from_micros(fp_micros(d) + v, d);
	}
	if (v > INT64CONST(90000000) || v < INT64CONST(-90000000))
		return kind == FP_TIME ? fp_from_micros(fp_micros(d) + v % 24 * micros[unit], d) : false;
	return fp_from_micros(fp_micros(d) + v * micros[unit], d);
}

bool
fhirpath_item_date(const FpItem *item, FhirDateTime *out)
{
	return fp_is_temporal(item) &&
		   fp_date_parse(item->kind, item->json.val.string.val, item->json.val.string.len, out);
}
