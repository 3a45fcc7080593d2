/*
 * match_order.c: comparison of dates, numbers and quantities by prefix (R4 search, 3.1.1.4.5 to 3.1.1.4.11).
 *
 * Dates are compared as ranges [lo, hi] of microseconds: the searched value's by its precision, the element's by its own. Numbers
 * and quantities: the element's value is exact, the searched one is a range only for eq and ne (half a unit of its last
 * digit on each side) and ap (a tenth).
 */
#include "base/base.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "search/match/match_internal.h"
#include "model/model.h"

typedef struct DateRange {
	int64 lo, hi;
} DateRange;

static void
no_modifier(const MatchCriterion *c)
{
	if (c->modifier != NULL)
		ereport(ERROR, errcode(FH400), errmsg("modifier \":%s\" does not exist for parameter \"%s\"", c->modifier, c->name), errhint("Dates, numbers and quantities take :missing alone."),
				fhir_issue("invalid", NULL));
}

/* ---- dates ---- */

static bool
date_range(MatchText t, DateRange *out)
{
	FhirDateTime d;

	if (t.s == NULL || (!fhir_date_parse(t.s, t.len, FHIR_KIND_DATETIME, &d) && !fhir_date_parse(t.s, t.len, FHIR_KIND_INSTANT, &d)))
		return false;
	fhir_date_interval(&d, &out->lo, &out->hi);
	return true;
}

static bool
period_range(JsonbContainer *o, DateRange *out)
{
	DateRange r;
	MatchText start = match_member(o, "start"), end = match_member(o, "end");

	out->lo = FHIR_DATE_MIN;
	out->hi = FHIR_DATE_MAX;
	if (start.s == NULL && end.s == NULL)
		return false;
	if (start.s != NULL && date_range(start, &r))
		out->lo = r.lo;
	if (end.s != NULL && date_range(end, &r))
		out->hi = r.hi;
	return true;
}

/* Only the outer limits of a schedule count. */
static bool
timing_range(JsonbContainer *o, DateRange *out)
{
	JsonbValue v;
	JsonbContainer **repeat, **bounds;
	DateRange r;
	bool any = false;

	if (fhir_json_get_lit(o, "event", &v) && v.type == jbvBinary && JsonContainerIsArray(v.val.binary.data)) {
		for (uint32 i = 0; i < JsonContainerSize(v.val.binary.data); i++) {
			JsonbValue *e = getIthJsonbValueFromContainer(v.val.binary.data, i);

			if (e->type != jbvString || !date_range((MatchText){e->val.string.val, e->val.string.len}, &r))
				continue;
			out->lo = any ? Min(out->lo, r.lo) : r.lo;
			out->hi = any ? Max(out->hi, r.hi) : r.hi;
			any = true;
		}
	}
	if (match_children(o, "repeat", &repeat) == 1 && match_children(repeat[0], "boundsPeriod", &bounds) == 1 && period_range(bounds[0], &r)) {
		out->lo = any ? Min(out->lo, r.lo) : r.lo;
		out->hi = any ? Max(out->hi, r.hi) : r.hi;
		any = true;
	}
	return any;
}

static DateRange
searched_range(const MatchCriterion *c, const char *text)
{
	FhirDateTime d;
	DateRange s;

	if (!fhir_date_parse(text, strlen(text), FHIR_KIND_SEARCH, &d))
		match_bad(c, "it is no date");
	fhir_date_interval(&d, &s.lo, &s.hi);
	return s;
}

static bool
item_range(const FpItem *item, DateRange *out)
{
	JsonbContainer *o;

	if (item->json.type != jbvBinary)
		return date_range(match_scalar(item), out);
	o = item->json.val.binary.data;
	return item->type == MODEL_T_Period ? period_range(o, out) : item->type == MODEL_T_Timing && timing_range(o, out);
}

bool
match_date_contains(const MatchCriterion *c, const FpItem *item, const char *value)
{
	DateRange s = searched_range(c, match_unescape(value)), t;

	return item_range(item, &t) && t.lo <= s.lo && t.hi >= s.hi;
}

bool
match_date(const MatchCriterion *c, const FpItem *item, const char *value)
{
	char *text = match_unescape(value);
	MatchPrefix prefix = match_prefix(&text);
	DateRange s, t;
	bool within;

	no_modifier(c);
	s = searched_range(c, text);
	if (!item_range(item, &t))
		return false;
	within = t.lo >= s.lo && t.hi <= s.hi;
	switch (prefix) {
		case MATCH_EQ:
			return within;
		case MATCH_NE:
			return !within;
		case MATCH_GT:
			return t.hi > s.hi;
		case MATCH_LT:
			return t.lo < s.lo;
		case MATCH_GE:
			return t.hi > s.hi || within;
		case MATCH_LE:
			return t.lo < s.lo || within;
		case MATCH_SA:
			return t.lo > s.hi;
		case MATCH_EB:
			return t.hi < s.lo;
		case MATCH_AP: {
			/* a tenth of the time between then and now */
			int64 now = GetCurrentTransactionStartTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
			int64 mid = s.lo / 2 + s.hi / 2, gap = (now > mid ? now - mid : mid - now) / 10;

			return t.hi >= s.lo - gap && t.lo <= s.hi + gap;
		}
	}
	return false;
}

/* ---- numbers ---- */

/* NULL: open end */
typedef struct NumberRange {
	Numeric lo, hi;
} NumberRange;

static int
compare(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
scaled(Numeric a, Numeric factor, Numeric offset)
{
	Datum d = DirectFunctionCall2(numeric_mul, NumericGetDatum(a), NumericGetDatum(factor));

	return DatumGetNumeric(offset ? DirectFunctionCall2(numeric_add, d, NumericGetDatum(offset)) : d);
}

typedef struct Number {
	MatchPrefix prefix;
	Numeric value, lo, hi; /* the value itself; [lo, hi) for eq and ne */
} Number;

static bool
compare_number(const Number *s, NumberRange t)
{
	bool within = t.lo && t.hi && compare(t.lo, s->lo) >= 0 && compare(t.hi, s->hi) < 0;

	switch (s->prefix) {
		case MATCH_EQ:
			return within;
		case MATCH_NE:
			return !within;
		case MATCH_GT:
			return !t.hi || compare(t.hi, s->value) > 0;
		case MATCH_LT:
			return !t.lo || compare(t.lo, s->value) < 0;
		/* greater, or all of it equal: a range that only touches the value from below is not greater or equal */
		case MATCH_GE:
			return !t.hi || compare(t.hi, s->value) > 0 || (t.lo && compare(t.lo, s->value) == 0);
		case MATCH_LE:
			return !t.lo || compare(t.lo, s->value) < 0 || (t.hi && compare(t.hi, s->value) == 0);
		case MATCH_SA:
			return t.lo && compare(t.lo, s->value) > 0;
		case MATCH_EB:
			return t.hi && compare(t.hi, s->value) < 0;
		case MATCH_AP:
			return (!t.hi || compare(t.hi, s->lo) >= 0) && (!t.lo || compare(t.lo, s->hi) <= 0);
	}
	return false;
}

static void
read_number(const MatchCriterion *c, char *text, Number *out)
{
	out->prefix = match_prefix(&text);
	if (!fhir_decimal_parse(text, strlen(text), &out->value, &out->lo, &out->hi))
		match_bad(c, "it is no number");
	if (out->prefix == MATCH_AP) {
		Datum v = NumericGetDatum(out->value);
		Datum tenth = DirectFunctionCall2(numeric_mul, DirectFunctionCall1(numeric_abs, v),
										  DirectFunctionCall3(numeric_in, CStringGetDatum("0.1"), ObjectIdGetDatum(0), Int32GetDatum(-1)));

		out->lo = DatumGetNumeric(DirectFunctionCall2(numeric_sub, v, tenth));
		out->hi = DatumGetNumeric(DirectFunctionCall2(numeric_add, v, tenth));
	}
}

/* ---- quantities ---- */

static Numeric
number_member(JsonbContainer *o, const char *name)
{
	JsonbValue v;

	return o != NULL && fhir_json_get(o, name, strlen(name), &v) && v.type == jbvNumeric ? v.val.numeric : NULL;
}

/* The searched unit: none, `||code` (system NULL) or `|system|code`. */
typedef struct Unit {
	const char *system, *code;
	bool ucum;
	Numeric factor, offset;
	char *canonical;
} Unit;

#define UCUM_SYSTEM "http://unitsofmeasure.org"

static void
ucum(Unit *u, MatchText code)
{
	u->ucum = code.s != NULL && ucum_canonical(code.s, code.len, &u->factor, &u->offset, &u->canonical);
}

/*
 * Brings one quantity into the searched unit's terms: false when the units do not fit. *convert tells whether the searched value
 * must be converted by `unit`, as the element's value was by its own.
 */
static bool
unit_fits(const Unit *unit, MatchText system, MatchText code, MatchText text, Numeric *value, bool *convert)
{
	*convert = false;
	if (unit->code == NULL)
		return true;
	if (unit->system == NULL)
		return match_text_is(code, unit->code) || match_text_is(text, unit->code);
	if (!match_text_is(system, unit->system))
		return false;
	if (unit->ucum) {
		Unit own = {0};

		ucum(&own, code);
		if (!own.ucum || strcmp(own.canonical, unit->canonical) != 0)
			return match_text_is(code, unit->code);
		*value = *value ? scaled(*value, own.factor, own.offset) : NULL;
		*convert = true;
		return true;
	}
	return match_text_is(code, unit->code);
}

/* convert: t is in the canonical unit, and what is searched becomes so. */
static bool
compare_in_unit(const Number *s, const Unit *unit, bool convert, NumberRange t)
{
	Number want = *s;

	if (convert) {
		want.value = scaled(s->value, unit->factor, unit->offset);
		want.lo = scaled(s->lo, unit->factor, unit->offset);
		want.hi = scaled(s->hi, unit->factor, unit->offset);
	}
	return compare_number(&want, t);
}

static bool
quantity_is(const Number *s, const Unit *unit, JsonbContainer *o)
{
	MatchText comparator = match_member(o, "comparator"), code = match_member(o, "code"), system = match_member(o, "system");
	Numeric value = number_member(o, "value");
	NumberRange t;
	bool convert;

	if (value == NULL)
		return false;
	if (code.s == NULL && (code = match_member(o, "currency")).s != NULL)
		system = (MatchText){"urn:iso:std:iso:4217", 20};
	if (!unit_fits(unit, system, code, match_member(o, "unit"), &value, &convert))
		return false;
	t.lo = t.hi = value;
	if (comparator.s != NULL && comparator.s[0] == '<')
		t.lo = NULL;
	else if (comparator.s != NULL && comparator.s[0] == '>')
		t.hi = NULL;
	return compare_in_unit(s, unit, convert, t);
}

static bool
range_is(const Number *s, const Unit *unit, JsonbContainer *o)
{
	JsonbContainer **ends, *low = NULL, *high = NULL;
	NumberRange t;
	bool convert = false;

	if (match_children(o, "low", &ends) == 1)
		low = ends[0];
	if (match_children(o, "high", &ends) == 1)
		high = ends[0];
	t.lo = number_member(low, "value");
	t.hi = number_member(high, "value");
	if (t.lo == NULL && t.hi == NULL)
		return false;
	if (t.lo && !unit_fits(unit, match_member(low, "system"), match_member(low, "code"), match_member(low, "unit"), &t.lo, &convert))
		return false;
	if (t.hi && !unit_fits(unit, match_member(high, "system"), match_member(high, "code"), match_member(high, "unit"), &t.hi, &convert))
		return false;
	return compare_in_unit(s, unit, convert, t);
}

bool
match_number(const MatchCriterion *c, const FpItem *item, const char *value)
{
	Number s;

	no_modifier(c);
	read_number(c, match_unescape(value), &s);
	if (item->json.type == jbvBinary && item->type == MODEL_T_Range)
		return range_is(&s, &(Unit){0}, item->json.val.binary.data);
	return item->json.type == jbvNumeric && compare_number(&s, (NumberRange){item->json.val.numeric, item->json.val.numeric});
}

/* SampledData: from the least to the greatest of its values; "L" and "U" are beyond any. */
static bool
sampled_is(const Number *s, const Unit *unit, JsonbContainer *o)
{
	JsonbContainer **origin;
	MatchText data = match_member(o, "data"), all;
	Numeric factor = number_member(o, "factor"), zero;
	NumberRange t = {NULL, NULL};
	char **points;
	bool below = false, above = false, convert = false, up;
	int n;

	if (data.s == NULL || match_children(o, "origin", &origin) != 1 || (zero = number_member(origin[0], "value")) == NULL)
		return false;
	n = match_split(pnstrdup(data.s, data.len), ' ', &points);
	up = factor == NULL || compare(factor, DatumGetNumeric(DirectFunctionCall1(int4_numeric, Int32GetDatum(0)))) >= 0;
	for (int i = 0; i < n; i++) {
		Numeric v, lo, hi;

		below = below || strcmp(points[i], up ? "L" : "U") == 0;
		above = above || strcmp(points[i], up ? "U" : "L") == 0;
		if (!fhir_decimal_parse(points[i], strlen(points[i]), &v, &lo, &hi))
			continue;
		v = factor ? scaled(v, factor, zero) : DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(v), NumericGetDatum(zero)));
		t.lo = t.lo == NULL || compare(v, t.lo) < 0 ? v : t.lo;
		t.hi = t.hi == NULL || compare(v, t.hi) > 0 ? v : t.hi;
	}
	if (t.lo == NULL && !below && !above)
		return false;
	all = match_member(origin[0], "unit");
	t.lo = below ? NULL : t.lo;
	t.hi = above ? NULL : t.hi;
	if (!unit_fits(unit, match_member(origin[0], "system"), match_member(origin[0], "code"), all, &t.lo, &convert) ||
		!unit_fits(unit, match_member(origin[0], "system"), match_member(origin[0], "code"), all, &t.hi, &convert))
		return false;
	return compare_in_unit(s, unit, convert, t);
}

bool
match_quantity(const MatchCriterion *c, const FpItem *item, const char *value)
{
	char **parts;
	int n = match_split(value, '|', &parts);
	Number s;
	Unit unit = {0};

	no_modifier(c);
	if (n != 1 && n != 3)
		match_bad(c, "a quantity is number or number|system|code");
	read_number(c, match_unescape(parts[0]), &s);
	if (n == 3) {
		unit.system = *parts[1] ? match_unescape(parts[1]) : NULL;
		unit.code = *parts[2] ? match_unescape(parts[2]) : NULL;
		if (unit.system && !unit.code)
			match_bad(c, "the unit has a system but no code");
		if (unit.system && unit.code && strcmp(unit.system, UCUM_SYSTEM) == 0)
			ucum(&unit, (MatchText){unit.code, strlen(unit.code)});
	}
	if (item->json.type == jbvNumeric) /* a number where a quantity is searched */
		return unit.code == NULL && compare_number(&s, (NumberRange){item->json.val.numeric, item->json.val.numeric});
	if (item->json.type != jbvBinary)
		return false;
	if (item->type == MODEL_T_Range)
		return range_is(&s, &unit, item->json.val.binary.data);
	if (item->type == MODEL_T_SampledData)
		return sampled_is(&s, &unit, item->json.val.binary.data);
	return quantity_is(&s, &unit, item->json.val.binary.data);
}
