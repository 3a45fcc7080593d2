/*
 * keys_ordered.c: dates, numbers and quantities as closed intervals of 64-bit integers.
 *
 * Dates are microseconds, numbers dec64 (base/decimal.h); an open end is the least or greatest integer. A quantity is stored as it is,
 * under a key of its unit; a search converts the searched value into each unit that is in use (see KeyQuantity in keys.h), so that 5.4 mg
 * finds 0.0054 g. A comparator (< <= > >=) opens the interval.
 */
#include "postgres.h"
#include "base/base.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "keys/keys_internal.h"
#include "model/model.h"

#define UCUM_SYSTEM "http://unitsofmeasure.org"
#define CURRENCY_SYSTEM "urn:iso:std:iso:4217"

/* ---- units ---- */

static inline bool
is_ucum(const char *sys, int slen)
{
	return slen == sizeof(UCUM_SYSTEM) - 1 && memcmp(sys, UCUM_SYSTEM, slen) == 0;
}

/* Can the searched UCUM unit be converted to one that rows have? */
static bool
conversion(const char *searched, int len, const KeyUnit *stored, KeyQuantity *out)
{
	const char *bar = memchr(stored->text, '|', stored->len);
	const UcumUnit *from, *to;

	if (bar == NULL || !is_ucum(stored->text, bar - stored->text))
		return false;
	out->from = searched;
	out->from_len = len;
	out->to = bar + 1;
	out->to_len = stored->text + stored->len - out->to;
	from = ucum_lookup(out->from, out->from_len);
	to = ucum_lookup(out->to, out->to_len);
	return from->convertible && to->convertible && ucum_same_dimension(from, to);
}

static uint64
row_key(const KeySource *s, const uint64 *token, uint64 key)
{
	return token != NULL ? keys_composite_ordered(s, *token, key) : key;
}

int
keys_quantity(const KeySource *s, const uint64 *token, const KeyUnit *units, int nunits, const char *sys, int slen, const char *code, int clen,
			  KeyQuantity *out, bool *recheck)
{
	int n = 0;

	memset(out, 0, (nunits + 1) * sizeof(KeyQuantity));
	*recheck = false;
	if (slen <= 0 || clen <= 0) {
		*recheck = slen > 0 || clen > 0;
		out[n++].key = row_key(s, token, keys_ordered(s));
		for (int i = 0; i < nunits; i++)
			out[n++].key = units[i].hash;
		return n;
	}
	if (!is_ucum(sys, slen) || !ucum_lookup(code, clen)->convertible) {
		out->key = row_key(s, token, keys_ordered_unit(s, sys, slen, code, clen));
		return 1;
	}
	for (int i = 0; i < nunits; i++)
		if (conversion(code, clen, &units[i], &out[n]))
			out[n++].key = units[i].hash;
	return n;
}

Numeric
keys_quantity_convert(const KeyQuantity *q, Numeric value)
{
	if (q->to == NULL)
		return value;
	/* looked up anew: the cache of units keeps only so many */
	return ucum_convert(value, ucum_lookup(q->from, q->from_len), ucum_lookup(q->to, q->to_len));
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

static bool
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
	return got;
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

/* The unit of a quantity that has both system and code. */
static void
set_unit(KeyInterval *out, const KeySource *salt, JsonbContainer *c, bool money)
{
	if (money) {
		out->sys = CURRENCY_SYSTEM;
		out->slen = sizeof(CURRENCY_SYSTEM) - 1;
		out->code = keys_string_of(c, "currency", &out->clen);
	} else {
		out->sys = keys_string_of(c, "system", &out->slen);
		out->code = keys_string_of(c, "code", &out->clen);
	}
	if (out->slen > 0 && out->clen > 0)
		out->key = keys_ordered_unit(salt, out->sys, out->slen, out->code, out->clen);
	else {
		out->slen = 0;
		out->key = keys_ordered(salt);
	}
}

void
keys_set_unit(KeyInterval *out, const KeySource *salt, JsonbContainer *quantity)
{
	set_unit(out, salt, quantity, false);
}

static bool
quantity_interval(const KeySource *salt, JsonbContainer *c, bool money, KeyInterval *out)
{
	Numeric value = value_of(c);
	const char *comparator;
	int len;

	if (value == NULL)
		return false;
	comparator = keys_string_of(c, "comparator", &len);
	set_point(out, value, comparator, len);
	set_unit(out, salt, c, money);
	return true;
}

/* low..high; an end that is missing is open. The unit counts if both ends have the same, as R4 demands. */
static bool
range_interval(const KeySource *salt, JsonbContainer *c, KeyInterval *out)
{
	JsonbValue l, h;
	JsonbContainer *low = keys_member(c, "low", 3, &l) ? keys_object(&l) : NULL;
	JsonbContainer *high = keys_member(c, "high", 4, &h) ? keys_object(&h) : NULL;
	Numeric lo = low != NULL ? value_of(low) : NULL, hi = high != NULL ? value_of(high) : NULL;

	if (lo == NULL && hi == NULL)
		return false;
	set_unit(out, salt, lo != NULL ? low : high, false);
	if (lo != NULL && hi != NULL) {
		KeyInterval other;

		set_unit(&other, salt, high, false);
		if (other.key != out->key) {
			out->slen = 0;
			out->key = keys_ordered(salt);
		}
	}
	out->lo = lo != NULL ? fhir_dec64(lo, FHIR_ROUND_DOWN) : FHIR_DATE_MIN;
	out->hi = hi != NULL ? fhir_dec64(hi, FHIR_ROUND_UP) : FHIR_DATE_MAX;
	return true;
}

bool
keys_interval(const KeySource *salt, uint8 klass, const FpItem *item, KeyInterval *out)
{
	JsonbContainer *c = keys_object(&item->json);

	memset(out, 0, sizeof(*out));
	out->form = klass == KEYS_DATE ? "date" : klass == KEYS_NUMBER ? "number"
																   : "quantity";
	if (klass == KEYS_DATE)
		return date_interval(salt, item, out);
	if (c == NULL) {
		if (item->json.type != jbvNumeric)
			return false;
		set_point(out, item->json.val.numeric, NULL, -1);
		out->key = keys_ordered(salt);
		return true;
	}
	if (item->type == MODEL_T_Range && range_interval(salt, c, out)) {
		if (klass == KEYS_NUMBER) { /* by its bounds alone, as a number has no unit */
			out->slen = 0;
			out->key = keys_ordered(salt);
		}
		return true;
	}
	if (klass != KEYS_QUANTITY || item->type == MODEL_T_Range)
		return false;
	if (item->type == MODEL_T_SampledData)
		return keys_sampled_interval(salt, c, out);
	return quantity_interval(salt, c, item->type == MODEL_T_Money, out);
}

void
keys_add_interval(KeyBuilder *b, uint64 key, const uint64 *token, const KeyInterval *iv)
{
	char *unit;

	if (iv->slen <= 0) {
		keys_add_ordered(b, key, iv->lo, iv->hi, iv->form, NULL, 0);
		return;
	}
	unit = palloc(iv->slen + iv->clen + 1);
	memcpy(unit, iv->sys, iv->slen);
	unit[iv->slen] = '|';
	memcpy(unit + iv->slen + 1, iv->code, iv->clen);
	keys_add_ordered(b, key, iv->lo, iv->hi, iv->form, unit, iv->slen + 1 + iv->clen);
	keys_add_term(b, keys_units(b->source, token), key, unit, iv->slen + 1 + iv->clen);
}

void
keys_item_ordered(KeyBuilder *b, const FpItem *item)
{
	KeyInterval iv;

	if (!keys_interval(b->source, b->source->klass, item, &iv))
		return;
	keys_add_interval(b, iv.key, NULL, &iv);
	if (b->source->klass == KEYS_QUANTITY && keys_object(&item->json) != NULL)
		keys_cover_unit(b, keys_object(&item->json), item->type != MODEL_T_Range && item->type != MODEL_T_Money && item->type != MODEL_T_SampledData, &iv);
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
