/*
 * fhirpath_number.c: decimals are numeric throughout; short names for what the engine needs of it.
 */
#include "fhirpath/fhirpath_int.h"

#include "utils/builtins.h"

Numeric
fp_numeric(int64 v)
{
	return int64_to_numeric(v);
}

int
fp_numeric_cmp(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

/* Digits after the point, without trailing zeros. */
int
fp_numeric_scale(Numeric n)
{
	Datum s;
	LOCAL_FCINFO(fcinfo, 1);

	if (numeric_is_nan(n) || numeric_is_inf(n))
		return 0;
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = NumericGetDatum(n);
	fcinfo->args[0].isnull = false;
	s = numeric_min_scale(fcinfo);
	return fcinfo->isnull ? 0 : DatumGetInt32(s);
}

Numeric
fp_numeric_round(Numeric n, int scale)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(n), Int32GetDatum(scale)));
}

Numeric
fp_numeric_trim(Numeric n)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(n)));
}

/* [+-]digits[.digits], as toDecimal() takes; NULL for anything else, and beyond a thousand digits. */
Numeric
fp_numeric_parse(const char *s, int len)
{
	char buf[1024];
	int i = 0, digits = 0;

	if (len <= 0 || len >= (int) sizeof(buf))
		return NULL;
	if (s[0] == '+' || s[0] == '-')
		i++;
	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		digits++;
	if (digits == 0)
		return NULL;
	if (i < len) {
		if (s[i++] != '.' || i == len)
			return NULL;
		for (; i < len; i++)
			if (s[i] < '0' || s[i] > '9')
				return NULL;
	}
	memcpy(buf, s, len);
	buf[len] = '\0';
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(buf), ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

#define BINARY(name, pgname) \
	Numeric name(Numeric a, Numeric b) \
	{ \
		return DatumGetNumeric(DirectFunctionCall2(pgname, NumericGetDatum(a), NumericGetDatum(b))); \
	}
BINARY(fp_add, numeric_add)
BINARY(fp_sub, numeric_sub)
BINARY(fp_mul, numeric_mul)

bool
fp_numeric_is_zero(Numeric n)
{
	return fp_numeric_cmp(n, fp_numeric(0)) == 0;
}

/* At least 20 significant digits, trailing zeros removed; b is not zero. */
Numeric
fp_div(Numeric a, Numeric b)
{
	return fp_numeric_trim(
		DatumGetNumeric(DirectFunctionCall2(numeric_div, NumericGetDatum(a), NumericGetDatum(b))));
}
