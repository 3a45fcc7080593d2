/*
 * keys_sampled.c: SampledData as a quantity: the bounds of its values, as R4's definitions of value-quantity say.
 *
 * A value is origin + point * factor, in the unit of the origin. Points are numbers; "L" and "U" lie somewhere beyond the limits of
 * detection, so that the bound is open there; "E" is none.
 */
#include "postgres.h"
#include "base/base.h"

#include <ctype.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "keys/keys_internal.h"

typedef struct Bounds {
	const char *least, *most; /* points, NULL: none yet */
	int least_len, most_len;
	double low, high;  /* the same, to compare with */
	bool below, above; /* "L", "U" */
} Bounds;

static bool
is_number(const char *s, int len)
{
	for (int i = 0; i < len; i++)
		if (!isdigit((unsigned char) s[i]) && strchr("+-.eE", s[i]) == NULL)
			return false;
	return len > 0 && (isdigit((unsigned char) s[0]) || s[0] == '-' || s[0] == '+' || s[0] == '.');
}

static void
read_points(const char *s, Bounds *b)
{
	while (*s) {
		int len = strcspn(s, " \t\r\n");

		if (len == 1 && *s == 'L')
			b->below = true;
		else if (len == 1 && *s == 'U')
			b->above = true;
		else if (is_number(s, len)) {
			double x = strtod(s, NULL);

			if (b->least == NULL || x < b->low) {
				b->least = s;
				b->least_len = len;
				b->low = x;
			}
			if (b->most == NULL || x > b->high) {
				b->most = s;
				b->most_len = len;
				b->high = x;
			}
		}
		s += len;
		s += strspn(s, " \t\r\n");
	}
}

static Numeric
member_number(JsonbContainer *c, const char *name, int len)
{
	JsonbValue v;

	return c != NULL && keys_member(c, name, len, &v) && v.type == jbvNumeric ? v.val.numeric : NULL;
}

/* origin + point * factor; NULL if the point is no number after all. */
static Numeric
value_of(const char *point, int len, Numeric origin, Numeric factor)
{
	Numeric value, lo, hi;
	Datum d;

	if (!fhir_decimal_parse(point, len, &value, &lo, &hi))
		return NULL;
	d = NumericGetDatum(value);
	if (factor != NULL)
		d = DirectFunctionCall2(numeric_mul, d, NumericGetDatum(factor));
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, d, NumericGetDatum(origin)));
}

bool
keys_sampled_interval(const KeySource *salt, JsonbContainer *c, KeyInterval *out)
{
	JsonbValue o;
	JsonbContainer *origin = keys_member(c, "origin", 6, &o) ? keys_object(&o) : NULL;
	Numeric zero = member_number(origin, "value", 5), factor = member_number(c, "factor", 6), a, b;
	const char *data;
	Bounds bounds = {0};
	int len;

	data = keys_string_of(c, "data", &len);
	if (zero == NULL || len <= 0)
		return false;
	read_points(pnstrdup(data, len), &bounds);
	if (bounds.least == NULL && !bounds.below && !bounds.above)
		return false;
	keys_set_unit(out, salt, origin);
	out->lo = FHIR_DATE_MIN;
	out->hi = FHIR_DATE_MAX;
	if (bounds.least == NULL)
		return true;
	a = value_of(bounds.least, bounds.least_len, zero, factor);
	b = value_of(bounds.most, bounds.most_len, zero, factor);
	if (a == NULL || b == NULL)
		return false;
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(a), NumericGetDatum(b)))) {
		/* a negative factor turns it round */
		Numeric t = a;
		bool below = bounds.below;

		a = b;
		b = t;
		bounds.below = bounds.above;
		bounds.above = below;
	}
	if (!bounds.below)
		out->lo = fhir_dec64(a, FHIR_ROUND_DOWN);
	if (!bounds.above)
		out->hi = fhir_dec64(b, FHIR_ROUND_UP);
	return true;
}
