/*
 * decimal.c: FHIR decimals: their text, their order-preserving 64-bit form, their implicit precision.
 *
 * dec64 of x > 0, x = m * 10^(e - 15) with 10^15 <= m < 10^16 and -120 <= e <= 120, is (e + 121) * 10^16 + m; of 0 it
 * is 0, of x < 0 it is -dec64(-x). Its order is the order of the decimals. Part of the on-disk format (ordered keys).
 */
#include "base/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/decimal.h"

#define MANTISSA_DIGITS 16
#define MANTISSA_MIN INT64CONST(1000000000000000)
#define MANTISSA_MAX INT64CONST(9999999999999999)
#define MANTISSA_END INT64CONST(10000000000000000)
#define EXPONENT_MAX 120
/* Longest text and largest exponent that is accepted at all: numeric would store far more than any measurement. */
#define TEXT_MAX 1000
#define TEXT_EXPONENT_MAX 1000

/* The parts of a decimal's text. */
typedef struct Parts {
	bool negative;
	int64 mantissa;	 /* first 16 significant digits, scaled to 16 digits; 0 for zero */
	bool inexact;	 /* further digits were not 0 */
	int exponent;	 /* of the first significant digit */
	int last;		 /* exponent of the last written digit */
	bool scientific; /* written with an exponent and without a decimal point */
} Parts;

/* Reads e[+-]digits at s. */
static bool
parse_exponent(const char *s, const char *end, int *out)
{
	bool negative = false;
	int v = 0;

	if (s < end && (*s == '+' || *s == '-'))
		negative = *s++ == '-';
	if (s == end)
		return false;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return false;
		if (v <= TEXT_EXPONENT_MAX)
			v = v * 10 + (*s - '0');
	}
	if (v > TEXT_EXPONENT_MAX)
		return false;
	*out = negative ? -v : v;
	return true;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool
parse_parts(const char *s, int len, Parts *p)
{
	const char *end = s + len, *start, *point = NULL;
	int taken = 0, position = 0, lead = 0, exponent = 0;
	bool significant = false;

	memset(p, 0, sizeof(*p));
	if (s < end && *s == '-') {
		p->negative = true;
		s++;
	}
	start = s;
	for (; s < end; s++) {
		if (*s == '.') {
			if (point || s == start)
				return false;
			point = s;
			continue;
		}
		if (*s < '0' || *s > '9')
			break;
		if (!point)
			position++; /* digits before the point */
		if (!significant && *s != '0') {
			significant = true;
			lead = point ? -(int) (s - point) : position;
		}
		if (significant) {
			if (taken < MANTISSA_DIGITS) {
				p->mantissa = p->mantissa * 10 + (*s - '0');
				taken++;
			} else if (*s != '0')
				p->inexact = true;
		}
	}
	if (position == 0 || (position > 1 && *start == '0') || s[-1] == '.')
		return false;
	p->last = point ? -(int) (s - point - 1) : 0;
	if (s < end) {
		if ((*s != 'e' && *s != 'E') || !parse_exponent(s + 1, end, &exponent))
			return false;
		p->scientific = point == NULL;
	}
	/* a positive lead counts places from the left; the exponent counts them from the point */
	p->exponent = (lead > 0 ? position - lead : lead) + exponent;
	p->last += exponent;
	for (; significant && taken < MANTISSA_DIGITS; taken++)
		p->mantissa *= 10;
	return true;
}

static int64
dec64_of_parts(const Parts *p, FhirRound r)
{
	int64 m = p->mantissa;
	int e = p->exponent;
	/* rounding a magnitude up moves a negative number down */
	bool up = (r == FHIR_ROUND_UP) != p->negative;
	int64 v;

	if (m == 0)
		return 0;
	if (p->inexact && up && ++m == MANTISSA_END) {
		m = MANTISSA_MIN;
		e++;
	}
	if (e > EXPONENT_MAX)
		v = (EXPONENT_MAX + EXPONENT_MAX + 1) * MANTISSA_END + MANTISSA_MAX + (up ? 1 : 0);
	else if (e < -EXPONENT_MAX)
		v = up ? MANTISSA_END + MANTISSA_MIN : 0;
	else
		v = (e + EXPONENT_MAX + 1) * MANTISSA_END + m;
	return p->negative ? -v : v;
}

bool
fhir_dec64_parse(const char *s, int len, FhirRound r, int64 *out)
{
	Parts p;

	if (len > TEXT_MAX || !parse_parts(s, len, &p))
		return false;
	*out = dec64_of_parts(&p, r);
	return true;
}

int64
fhir_dec64(Numeric n, FhirRound r)
{
	char *s = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(n)));
	Parts p;

	if (!parse_parts(s, strlen(s), &p))
		elog(ERROR, "numeric is no finite number");
	pfree(s);
	return dec64_of_parts(&p, r);
}

static Numeric
numeric_of_text(const char *s)
{
	return DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(s), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/*
 * A number written with an exponent and no point has one more digit taken as given: R4 reads 1e2 as [95, 105).
 */
bool
fhir_decimal_parse(const char *s, int len, Numeric *value, Numeric *lo, Numeric *hi)
{
	Parts p;
	char text[TEXT_MAX + 1], half[24];
	Datum h;

	if (len > TEXT_MAX || !parse_parts(s, len, &p))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	*value = numeric_of_text(text);
	if (!lo && !hi)
		return true;
	snprintf(half, sizeof(half), "5e%d", p.last - 1 - (p.scientific ? 1 : 0));
	h = NumericGetDatum(numeric_of_text(half));
	if (lo)
		*lo = DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(*value), h));
	if (hi)
		*hi = DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(*value), h));
	return true;
}
