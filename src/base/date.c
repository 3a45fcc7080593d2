/*
 * date.c: FHIR date, dateTime, instant and time: strict parse, the interval a value covers, output of instants.
 *
 * Nothing here depends on the server's time zone or locale. Proleptic Gregorian calendar, years 1 to 9999.
 */
#include "base/compat.h"

#include "base/date.h"

typedef struct Cursor {
	const char *p, *end;
} Cursor;

static bool
digits(Cursor *c, int n, int *out)
{
	int v = 0;

	if (c->end - c->p < n)
		return false;
	for (int i = 0; i < n; i++, c->p++) {
		if (*c->p < '0' || *c->p > '9')
			return false;
		v = v * 10 + (*c->p - '0');
	}
	*out = v;
	return true;
}

static bool
eat(Cursor *c, char ch)
{
	if (c->p < c->end && *c->p == ch) {
		c->p++;
		return true;
	}
	return false;
}

static int
days_in_month(int y, int m)
{
	static const int8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (m == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)))
		return 29;
	return days[m - 1];
}

static bool
parse_date(Cursor *c, FhirDateTime *d)
{
	if (!digits(c, 4, &d->year) || d->year == 0)
		return false;
	d->has_date = true;
	d->precision = FHIR_DATE_YEAR;
	if (!eat(c, '-'))
		return true;
	if (!digits(c, 2, &d->month) || d->month < 1 || d->month > 12)
		return false;
	d->precision = FHIR_DATE_MONTH;
	if (!eat(c, '-'))
		return true;
	if (!digits(c, 2, &d->day) || d->day < 1 || d->day > days_in_month(d->year, d->month))
		return false;
	d->precision = FHIR_DATE_DAY;
	return true;
}

/* hh[:mm[:ss[.f+]]]; how few parts are enough is the caller's matter. */
static bool
parse_time(Cursor *c, FhirDateTime *d)
{
	if (!digits(c, 2, &d->hour) || d->hour > 23)
		return false;
	d->has_time = true;
	d->precision = FHIR_DATE_HOUR;
	if (!eat(c, ':'))
		return true;
	if (!digits(c, 2, &d->minute) || d->minute > 59)
		return false;
	d->precision = FHIR_DATE_MINUTE;
	if (!eat(c, ':'))
		return true;
	if (!digits(c, 2, &d->second) || d->second > 60)
		return false;
	d->precision = FHIR_DATE_SECOND;
	if (eat(c, '.')) {
		int scale = 100000;

		for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, scale /= 10) {
			d->micros += (*c->p - '0') * scale;
			d->fraction_digits++;
		}
		if (d->fraction_digits == 0)
			return false;
		d->precision = FHIR_DATE_MILLI;
	}
	return true;
}

/* Z, +hh:mm, -hh:mm up to 14:00. True with has_zone unset when there is none. */
static bool
parse_zone(Cursor *c, bool blank_is_plus, FhirDateTime *d)
{
	int sign, h, m;

	if (c->p == c->end)
		return true;
	if (eat(c, 'Z')) {
		d->has_zone = true;
		return true;
	}
	if (eat(c, '+') || (blank_is_plus && eat(c, ' ')))
		sign = 1;
	else if (eat(c, '-'))
		sign = -1;
	else
		return false;
	if (!digits(c, 2, &h) || !eat(c, ':') || !digits(c, 2, &m) || m > 59 || h * 60 + m > 14 * 60)
		return false;
	d->has_zone = true;
	d->zone_minutes = sign * (h * 60 + m);
	return true;
}

/* Date, then perhaps T and time and zone, as `kind` asks. */
static bool
parse_datetime(Cursor *c, FhirDateKind kind, FhirDateTime *d)
{
	FhirDatePrecision least = kind == FHIR_KIND_FHIRPATH ? FHIR_DATE_HOUR
							  : kind == FHIR_KIND_SEARCH ? FHIR_DATE_MINUTE
														 : FHIR_DATE_SECOND;

	if (!parse_date(c, d))
		return false;
	if (c->p == c->end)
		return kind != FHIR_KIND_INSTANT;
	if (kind == FHIR_KIND_DATE || !eat(c, 'T'))
		return false;
	if (kind == FHIR_KIND_FHIRPATH && c->p == c->end) {
		d->has_time = true; /* "2020T": a dateTime of less than an hour's precision */
		return true;
	}
	if (d->precision != FHIR_DATE_DAY || !parse_time(c, d) || d->precision < least)
		return false;
	if (!parse_zone(c, kind == FHIR_KIND_SEARCH, d))
		return false;
	return d->has_zone || kind == FHIR_KIND_SEARCH || kind == FHIR_KIND_FHIRPATH;
}

bool
fhir_date_parse(const char *s, int len, FhirDateKind kind, FhirDateTime *out)
{
	Cursor c = {s, s + len};

	memset(out, 0, sizeof(*out));
	out->year = 1970;
	out->month = out->day = 1;
	if (kind == FHIR_KIND_TIME) {
		if (!parse_time(&c, out) || out->precision < FHIR_DATE_SECOND)
			return false;
	} else if (kind == FHIR_KIND_FHIRPATH && eat(&c, 'T')) {
		if (!parse_time(&c, out))
			return false;
	} else if (!parse_datetime(&c, kind, out))
		return false;
	return c.p == c.end;
}

/* Days since 1970-01-01. */
static int64
day_number(int y, int m, int d)
{
	int64 era, yoe, doy;

	/* years begin in March, so that the leap day is the last of its year */
	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

#define DAY_USECS INT64CONST(86400000000)

void
fhir_date_interval(const FhirDateTime *d, int64 *lo, int64 *hi)
{
	int64 start = day_number(d->year, d->month, d->day) * DAY_USECS;
	int64 length;

	start += ((d->hour * 60 + d->minute) * INT64CONST(60) + d->second) * 1000000 + d->micros;
	start -= d->zone_minutes * INT64CONST(60000000);
	switch (d->precision) {
		case FHIR_DATE_YEAR:
			length = (day_number(d->year + 1, 1, 1) - day_number(d->year, 1, 1)) * DAY_USECS;
			break;
		case FHIR_DATE_MONTH:
			length = days_in_month(d->year, d->month) * DAY_USECS;
			break;
		case FHIR_DATE_DAY:
			length = DAY_USECS;
			break;
		case FHIR_DATE_HOUR:
			length = INT64CONST(3600000000);
			break;
		case FHIR_DATE_MINUTE:
			length = 60000000;
			break;
		case FHIR_DATE_SECOND:
			length = 1000000;
			break;
		default:
			length = 1;
			for (int i = d->fraction_digits; i < 6; i++)
				length *= 10;
			break;
	}
	*lo = start;
	*hi = start + length - 1;
}

static char *
put_digits(char *p, int v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		p[i] = '0' + v % 10;
	return p + n;
}

int
fhir_date_format_instant(int64 unix_micros, char *buf)
{
	int64 day = unix_micros / DAY_USECS;
	int64 rest = unix_micros % DAY_USECS;
	int64 era, doe, yoe, doy, mp;
	int micros, month;
	char *p = buf;

	if (rest < 0) {
		rest += DAY_USECS;
		day--;
	}
	day += 719468;
	era = (day >= 0 ? day : day - 146096) / 146097;
	doe = day - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	month = (int) (mp < 10 ? mp + 3 : mp - 9);
	p = put_digits(p, (int) (yoe + era * 400 + (month <= 2)), 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	p = put_digits(p, (int) (doy - (153 * mp + 2) / 5 + 1), 2);
	*p++ = 'T';
	p = put_digits(p, (int) (rest / INT64CONST(3600000000)), 2);
	*p++ = ':';
	p = put_digits(p, (int) (rest / 60000000 % 60), 2);
	*p++ = ':';
	p = put_digits(p, (int) (rest / 1000000 % 60), 2);
	*p++ = '.';
	micros = (int) (rest % 1000000);
	p = micros % 1000 == 0 ? put_digits(p, micros / 1000, 3) : put_digits(p, micros, 6);
	*p++ = 'Z';
	*p = '\0';
	return (int) (p - buf);
}
