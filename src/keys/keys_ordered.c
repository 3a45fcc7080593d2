/*
 * keys_ordered.c: dates, numbers and quantities as closed intervals of 64-bit integers.
 *
 * Dates are microseconds, numbers dec64 (base/decimal.h); an open end is the least or greatest integer. A quantity has a row with
 * its plain value, and one in its unit: UCUM units in base units, so that 5.4 mg and 0.0054 g meet; codes of other
 * systems as they are. A comparator (< <= > >=) opens the interval.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/date.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "keys/keys_internal.h"
#include "model/ucum.h"

#define UCUM_SYSTEM "http://unitsofmeasure.org"
#define CURRENCY_SYSTEM "urn:iso:std:iso:4217"

/* ---- units ---- */

/* Units met before. Direct-mapped, so bounded; texts longer than UNIT_MAX are not kept. */
#define UNIT_SLOTS 256
#define UNIT_MAX 47

typedef struct Unit {
	uint8 len; /* 0: empty slot */
	bool valid;
	char text[UNIT_MAX + 1];
	Numeric factor, offset; /* NULL: 1 and 0 */
	char *canonical;
	int canonical_len;
} Unit;

static Unit *units = NULL;

static Numeric
keep_numeric(Numeric n, int64 trivial)
{
	Numeric copy, same = int64_to_numeric(trivial);

	if (n == NULL || numeric_is_nan(n) || DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(n), NumericGetDatum(same))))
		return NULL;
	copy = MemoryContextAlloc(keys_context, VARSIZE_ANY(n));
	memcpy(copy, n, VARSIZE_ANY(n));
	return copy;
}

/* The unit of a UCUM code; NULL if it is none. Valid until the next call. */
static const Unit *
find_unit(const char *code, int len)
{
	static Unit other;
	Unit *u;
	Numeric factor = NULL, offset = NULL;
	char *canonical;

	if (len <= 0 || len > PG_UINT8_MAX)
		return NULL;
	if (units == NULL)
		units = MemoryContextAllocZero(keys_context, UNIT_SLOTS * sizeof(Unit));
	u = len <= UNIT_MAX ? &units[fhir_hash(code, len, 0) % UNIT_SLOTS] : &other;
	if (u != &other && u->len == len && memcmp(u->text, code, len) == 0)
		return u->valid ? u : NULL;
	if (u->factor != NULL)
		pfree(u->factor);
	if (u->offset != NULL)
		pfree(u->offset);
	if (u->canonical != NULL)
		pfree(u->canonical);
	memset(u, 0, sizeof(*u));
	u->valid = ucum_canonical(code, len, &factor, &offset, &canonical);
	if (u->valid) {
		u->factor = keep_numeric(factor, 1);
		u->offset = keep_numeric(offset, 0);
		u->canonical = MemoryContextStrdup(keys_context, canonical);
		u->canonical_len = strlen(canonical);
	}
	if (u != &other) {
		memcpy(u->text, code, len);
		u->len = len;
	}
	return u->valid ? u : NULL;
}

static Numeric
convert(Numeric value, Numeric factor, Numeric offset)
{
	if (factor != NULL)
		value = DatumGetNumeric(DirectFunctionCall2(numeric_mul, NumericGetDatum(value), NumericGetDatum(factor)));
	if (offset != NULL)
		value = DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(value), NumericGetDatum(offset)));
	return value;
}

static inline bool
is_ucum(const char *sys, int slen)
{
	return slen == sizeof(UCUM_SYSTEM) - 1 && memcmp(sys, UCUM_SYSTEM, slen) == 0;
}

void
keys_quantity(const KeySource *s, const char *sys, int slen, const char *code, int clen, KeyQuantity *out)
{
	const Unit *u;

	memset(out, 0, sizeof(*out));
	if (keys_context == NULL)
		(void) keys_registry(s->type);
	if (slen > 0 && clen > 0) {
		u = is_ucum(sys, slen) ? find_unit(code, clen) : NULL;
		if (u == NULL) {
			out->key = keys_ordered_unit(s, sys, slen, code, clen);
			return;
		}
		out->key = keys_ordered_canonical(s, u->canonical, u->canonical_len);
		out->canonical = true;
		out->factor = u->factor != NULL ? DatumGetNumericCopy(NumericGetDatum(u->factor)) : int64_to_numeric(1);
		out->offset = u->offset != NULL ? DatumGetNumericCopy(NumericGetDatum(u->offset)) : int64_to_numeric(0);
		return;
	}
	out->key = keys_ordered(s);
	out->recheck = slen > 0 || clen > 0;
}

Numeric
keys_quantity_convert(const KeyQuantity *q, Numeric value)
{
	return q->canonical ? convert(value, q->factor, q->offset) : value;
}

/* ---- dates ---- */

/* Interval of a date, dateTime or instant; false if it is none. */
static bool
date_of(const JsonbValue *v, int64 *lo, int64 *hi)
{
	FhirDateTime d;

	if (v->type != jbvString || (!fhir_date_parse(v->val.string.val, v->val.string.len, FHIR_KIND_DATETIME, &d) &&
								 !fhir_date_parse(v->val.string.val, v->val.string.len, FHIR_KIND_INSTANT, &d)))
		return false;
	fhir_date_interval(&d, lo, hi);
	return true;
}

static bool
period_of(JsonbContainer *c, int64 *lo, int64 *hi)
{
	JsonbValue v;
	int64 ignored;
	bool start, end;

	start = keys_member(c, "start", 5, &v) && date_of(&v, lo, &ignored);
	end = keys_member(c, "end", 3, &v) && date_of(&v, &ignored, hi);
	if (!start)
		*lo = FHIR_DATE_MIN;
	if (!end)
		*hi = FHIR_DATE_MAX;
	return start || end;
}

/* From the first to the last of what a Timing names: its events and the bounds of its repeat. */
static bool
timing_of(JsonbContainer *c, int64 *lo, int64 *hi)
{
	JsonbValue v, bounds;
	JsonbContainer *array, *repeat;
	bool any = false;
	int64 l, h;

	if (keys_member(c, "event", 5, &v) && (array = keys_array(&v)) != NULL)
		for (uint32 i = 0; i < JsonContainerSize(array); i++) {
			JsonbValue *e = getIthJsonbValueFromContainer(array, i);

			if (date_of(e, &l, &h)) {
				*lo = any ? Min(*lo, l) : l;
				*hi = any ? Max(*hi, h) : h;
				any = true;
			}
			pfree(e);
		}
	if (keys_member(c, "repeat", 6, &v) && (repeat = keys_object(&v)) != NULL && keys_member(repeat, "boundsPeriod", 12, &bounds) &&
		keys_object(&bounds) != NULL && period_of(keys_object(&bounds), &l, &h)) {
		*lo = any ? Min(*lo, l) : l;
		*hi = any ? Max(*hi, h) : h;
		any = true;
	}
	return any;
}

static int
date_interval(const KeySource *salt, const FpItem *item, KeyInterval *out)
{
	JsonbContainer *c = keys_object(&item->json);
	bool got = false;

	if (c == NULL)
		got = date_of(&item->json, &out->lo, &out->hi);
	else if (item->type == MODEL_T_Period)
		got = period_of(c, &out->lo, &out->hi);
	else if (item->type == MODEL_T_Timing)
		got = timing_of(c, &out->lo, &out->hi);
	out->key = keys_ordered(salt);
	out->form = "date";
	return got ? 1 : 0;
}

/* ---- numbers and quantities ---- */

/* The numeric member `value` of a quantity, NULL if absent. */
static Numeric
value_of(JsonbContainer *c)
{
	JsonbValue v;

	return keys_member(c, "value", 5, &v) && v.type == jbvNumeric ? v.val.numeric : NULL;
}

static void
set_point(KeyInterval *out, Numeric n, const char *comparator, int clen)
{
	out->lo = fhir_dec64(n, FHIR_ROUND_DOWN);
	out->hi = fhir_dec64(n, FHIR_ROUND_UP);
	if (clen > 0 && *comparator == '<')
		out->lo = FHIR_DATE_MIN;
	else if (clen > 0 && *comparator == '>')
		out->hi = FHIR_DATE_MAX;
}

typedef struct UnitText {
	const char *sys, *code;
	int slen, clen;
} UnitText;

static UnitText
unit_of(JsonbContainer *c)
{
	UnitText t;

	t.sys = keys_string_of(c, "system", &t.slen);
	t.code = keys_string_of(c, "code", &t.clen);
	return t;
}

/* Key of a unit; false if there is none. *convert: the value must be multiplied and shifted by *factor and *offset (NULL: 1 and 0). */
static bool
unit_key(const KeySource *salt, UnitText t, uint64 *key, Numeric *factor, Numeric *offset)
{
	const Unit *u;

	*factor = *offset = NULL;
	if (t.slen <= 0 || t.clen <= 0)
		return false;
	u = is_ucum(t.sys, t.slen) ? find_unit(t.code, t.clen) : NULL;
	if (u == NULL)
		*key = keys_ordered_unit(salt, t.sys, t.slen, t.code, t.clen);
	else {
		*key = keys_ordered_canonical(salt, u->canonical, u->canonical_len);
		*factor = u->factor;
		*offset = u->offset;
	}
	return true;
}

/* Adds the row in its unit to the plain one in out[0]: now two. */
static int
add_unit(const KeySource *salt, KeyInterval *out, Numeric value, UnitText t)
{
	Numeric factor, offset;

	if (!unit_key(salt, t, &out[1].key, &factor, &offset))
		return 1;
	out[1].lo = out[0].lo;
	out[1].hi = out[0].hi;
	out[1].form = "unit";
	if (factor != NULL || offset != NULL) {
		Numeric base = convert(value, factor, offset);

		if (out[0].lo != FHIR_DATE_MIN)
			out[1].lo = fhir_dec64(base, FHIR_ROUND_DOWN);
		if (out[0].hi != FHIR_DATE_MAX)
			out[1].hi = fhir_dec64(base, FHIR_ROUND_UP);
	}
	return 2;
}

static int
quantity_interval(const KeySource *salt, JsonbContainer *c, bool money, KeyInterval *out)
{
	Numeric value = value_of(c);
	const char *comparator = NULL;
	UnitText unit;
	int len = -1;

	if (value == NULL)
		return 0;
	if (money) {
		unit.sys = CURRENCY_SYSTEM;
		unit.slen = sizeof(CURRENCY_SYSTEM) - 1;
		unit.code = keys_string_of(c, "currency", &unit.clen);
	}
	else {
		comparator = keys_string_of(c, "comparator", &len);
		unit = unit_of(c);
	}
	set_point(&out[0], value, comparator, len);
	out[0].key = keys_ordered(salt);
	out[0].form = "plain";
	return add_unit(salt, out, value, unit);
}

/* low..high; an end that is missing is open. Its unit counts if both ends have the same, in canonical terms. */
static int
range_interval(const KeySource *salt, JsonbContainer *c, KeyInterval *out)
{
	JsonbValue l, h;
	JsonbContainer *low = keys_member(c, "low", 3, &l) ? keys_object(&l) : NULL;
	JsonbContainer *high = keys_member(c, "high", 4, &h) ? keys_object(&h) : NULL;
	Numeric lo = low != NULL ? value_of(low) : NULL, hi = high != NULL ? value_of(high) : NULL;
	Numeric factor, offset;
	uint64 key;

	if (lo == NULL && hi == NULL)
		return 0;
	out[0].lo = out[1].lo = lo != NULL ? fhir_dec64(lo, FHIR_ROUND_DOWN) : FHIR_DATE_MIN;
	out[0].hi = out[1].hi = hi != NULL ? fhir_dec64(hi, FHIR_ROUND_UP) : FHIR_DATE_MAX;
	out[0].key = keys_ordered(salt);
	out[0].form = "plain";
	out[1].form = "unit";
	if (lo != NULL) {
		if (!unit_key(salt, unit_of(low), &out[1].key, &factor, &offset))
			return 1;
		out[1].lo = fhir_dec64(convert(lo, factor, offset), FHIR_ROUND_DOWN);
	}
	if (hi != NULL) {
		if (!unit_key(salt, unit_of(high), &key, &factor, &offset) || (lo != NULL && key != out[1].key))
			return 1;
		out[1].key = key;
		out[1].hi = fhir_dec64(convert(hi, factor, offset), FHIR_ROUND_UP);
	}
	return 2;
}

int
keys_intervals(const KeySource *salt, uint8 klass, const FpItem *item, KeyInterval *out)
{
	JsonbContainer *c = keys_object(&item->json);

	if (klass == KEYS_DATE)
		return date_interval(salt, item, out);
	if (c == NULL) {
		if (item->json.type != jbvNumeric)
			return 0;
		set_point(out, item->json.val.numeric, NULL, -1);
		out->key = keys_ordered(salt);
		out->form = klass == KEYS_NUMBER ? "number" : "plain";
		return 1;
	}
	if (klass != KEYS_QUANTITY)
		return 0;
	if (item->type == MODEL_T_Range)
		return range_interval(salt, c, out);
	return quantity_interval(salt, c, item->type == MODEL_T_Money, out);
}

void
keys_item_ordered(KeyBuilder *b, const FpItem *item)
{
	KeyInterval got[2];
	int n = keys_intervals(b->source, b->source->klass, item, got);

	for (int i = 0; i < n; i++)
		keys_add_ordered(b, got[i].key, got[i].lo, got[i].hi, got[i].form, NULL, 0);
}

/* ---- positions ---- */

/* A coordinate in units of 1e-7 degrees (about a centimetre); false if it is no number on the globe. */
static bool
coordinate(JsonbContainer *c, const char *name, int len, int64 *out)
{
	JsonbValue v;
	double degrees;

	if (!keys_member(c, name, len, &v) || v.type != jbvNumeric)
		return false;
	degrees = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(v.val.numeric)));
	if (!(degrees >= -360 && degrees <= 360))
		return false;
	*out = (int64) rint(degrees * 1e7);
	return true;
}

/* Location.position: latitude under the key, longitude under keys_more(key). */
void
keys_item_position(KeyBuilder *b, const FpItem *item)
{
	JsonbContainer *c = keys_object(&item->json);
	uint64 key = keys_ordered(b->source);
	int64 lat, lon;

	if (c == NULL || !coordinate(c, "latitude", 8, &lat) || !coordinate(c, "longitude", 9, &lon))
		return;
	keys_add_ordered(b, key, lat, lat, "latitude", NULL, 0);
	keys_add_ordered(b, keys_more(key), lon, lon, "longitude", NULL, 0);
}
