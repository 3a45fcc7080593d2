/*
 * query_ordered.c: dates, numbers and quantities -> boxes over the intervals (lo, hi) that resources hold.
 *
 * The comparisons are those of R4, Search, 3.1.1.4.3 "Prefixes", between the interval of the search value
 * [slo, shi] and the interval of the resource's value [lo, hi]:
 *
 *   eq  slo <= lo and hi <= shi           gt  hi > shi          sa  lo > shi
 *   ne  lo < slo or hi > shi              lt  lo < slo          eb  hi < slo
 *   ge  gt or eq    le  lt or eq          ap  overlaps the interval widened by 10 %
 *
 * eq, ne: the interval of a number is its implicit precision (3.1.1.4.6): 5.4 is [5.35, 5.45). The other
 * prefixes take a number as exact. A date's interval is its precision; without a time zone it is read as UTC.
 */
#include "base/base.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"
#include "search/query/query_internal.h"

#define MIN PG_INT64_MIN
#define MAX PG_INT64_MAX

SearchPrefix
search_prefix(const char **value)
{
	static const char names[][3] = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"};

	for (int i = 0; i < lengthof(names); i++)
		if (strncmp(*value, names[i], 2) == 0) {
			*value += 2;
			return (SearchPrefix) i;
		}
	return PREFIX_EQ;
}

/* No value above the largest or below the smallest. */
static void
add_above(Crit *c, uint64 key, int64 bound, bool whole)
{
	if (bound < MAX)
		crit_add_box(c, key, whole ? bound + 1 : MIN, MAX, bound + 1, MAX);
}

static void
add_below(Crit *c, uint64 key, int64 bound, bool whole)
{
	if (bound > MIN)
		crit_add_box(c, key, MIN, bound - 1, MIN, whole ? bound - 1 : MAX);
}

/*
 * The upper end of a precision lies between two neighbours in dec64, shi and top: a number within it of more digits than dec64
 * keeps may be stored as the interval of both.
 */
static void
add_between_eq(Crit *c, uint64 key, int64 slo, int64 shi, int64 top)
{
	crit_add_box(c, key, slo, MAX, MIN, shi);
	crit_add_box(c, key, shi, shi, top, top);
}

static void
add_between_ne(Crit *c, uint64 key, int64 slo, int64 shi, int64 top)
{
	add_below(c, key, slo, false);
	add_above(c, key, top, false);
	crit_add_box(c, key, MIN, shi - 1, top, top);
	crit_add_box(c, key, top, MAX, top, top);
}

/* slo, shi inclusive; for ap already widened. */
static void
add_boxes(Crit *c, uint64 key, SearchPrefix prefix, int64 slo, int64 shi)
{
	switch (prefix) {
		case PREFIX_EQ:
			crit_add_box(c, key, slo, MAX, MIN, shi);
			break;
		case PREFIX_NE:
			add_below(c, key, slo, false);
			add_above(c, key, shi, false);
			break;
		case PREFIX_GE:
			crit_add_box(c, key, slo, MAX, MIN, shi);
			/* fall through */
		case PREFIX_GT:
			add_above(c, key, shi, false);
			break;
		case PREFIX_LE:
			crit_add_box(c, key, slo, MAX, MIN, shi);
			/* fall through */
		case PREFIX_LT:
			add_below(c, key, slo, false);
			break;
		case PREFIX_SA:
			add_above(c, key, shi, true);
			break;
		case PREFIX_EB:
			add_below(c, key, slo, true);
			break;
		case PREFIX_AP:
			crit_add_box(c, key, MIN, shi, slo, MAX);
			break;
	}
}

int64
search_now_micros(void)
{
	return GetCurrentTransactionStartTimestamp() +
		   (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

void
search_date_boxes(Crit *c, const char *code, uint64 key, const char *value)
{
	const char *text = value;
	SearchPrefix prefix = search_prefix(&text);
	FhirDateTime d;
	int64 lo, hi;
	char *zone;
	char *copy = pstrdup(text);

	/* A '+' that was not percent-encoded arrived as a space. */
	if ((zone = strrchr(copy, ' ')) != NULL && strchr(copy, 'T') != NULL)
		*zone = '+';
	if (!fhir_date_parse(copy, strlen(copy), FHIR_KIND_SEARCH, &d))
		search_bad_value(code, value, "not a date or date and time",
						 "Use [prefix]YYYY[-MM[-DD[Thh:mm[:ss[.sss]][zone]]]], for example ge2020-02-01.");
	fhir_date_interval(&d, &lo, &hi);
	if (prefix == PREFIX_AP) {
		int64 gap = (search_now_micros() - (lo / 2 + hi / 2)) / 10;

		gap = gap < 0 ? -gap : gap;
		lo -= gap;
		hi += gap;
	}
	add_boxes(c, key, prefix, lo, hi);
}

static Numeric
numeric_op(PGFunction fn, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(fn, NumericGetDatum(a), NumericGetDatum(b)));
}

/* What a searched number asks for, in dec64: [lo, hi], where its end is no dec64 up to somewhere before top. */
typedef struct NumberInterval {
	int64 lo, hi, top;
} NumberInterval;

/* For a prefix, through a unit's conversion if q is given. */
static NumberInterval
number_interval(SearchPrefix prefix, const char *code, const char *whole, const char *text,
				const KeyQuantity *q)
{
	NumberInterval out;
	Numeric value, lo, hi;
	bool open = false;

	if (!fhir_decimal_parse(text, strlen(text), &value, &lo, &hi))
		search_bad_value(code, whole, "not a number", "Use [prefix]number, for example 5.4, lt100 or 1e-2.");
	if (prefix == PREFIX_AP) {
		Numeric tenth =
			numeric_op(numeric_mul, DatumGetNumeric(DirectFunctionCall1(numeric_abs, NumericGetDatum(value))),
					   DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum("0.1"),
														   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));

		lo = numeric_op(numeric_sub, value, tenth);
		hi = numeric_op(numeric_add, value, tenth);
	} else if (prefix == PREFIX_EQ || prefix == PREFIX_NE)
		open = true;
	else
		lo = hi = value;
	if (q) {
		lo = keys_quantity_convert(q, lo);
		hi = keys_quantity_convert(q, hi);
	}
	out.lo = fhir_dec64(lo, FHIR_ROUND_DOWN);
	out.hi = out.top = fhir_dec64(hi, FHIR_ROUND_UP);
	if (open) {
		out.hi = fhir_dec64(hi, FHIR_ROUND_DOWN);
		if (out.hi == out.top && out.hi > out.lo)
			out.top = --out.hi; /* the upper end is not in the interval */
	}
	return out;
}

static void
add_number(Crit *c, uint64 key, SearchPrefix prefix, NumberInterval n)
{
	if (n.hi == n.top)
		add_boxes(c, key, prefix, n.lo, n.hi);
	else if (prefix == PREFIX_EQ)
		add_between_eq(c, key, n.lo, n.hi, n.top);
	else
		add_between_ne(c, key, n.lo, n.hi, n.top);
}

void
search_number_boxes(Crit *c, const char *code, uint64 key, const char *value)
{
	const char *text = value;
	SearchPrefix prefix = search_prefix(&text);

	add_number(c, key, prefix, number_interval(prefix, code, value, text, NULL));
}

/* The units that the rows of a quantity's place have, from the dictionary (keys_units). */
int
search_units(const KeySource *source, const uint64 *token, KeyUnit **units)
{
	SearchRequest none = {0};
	SqlText s;
	int n;

	sql_init(&s);
	appendStringInfo(&s.sql, "SELECT DISTINCT t.hash, t.value FROM %s.term t WHERE t.key" OP("="),
					 store_schema());
	sql_param(&s, INT8OID, Int64GetDatum((int64) keys_units(source, token)));
	search_run(&none, &s, "units of a quantity");
	n = SPI_processed;
	*units = palloc((n + 1) * sizeof(KeyUnit));
	for (int i = 0; i < n; i++) {
		bool null;
		text *value;

		(*units)[i].hash =
			(uint64) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		value = DatumGetTextPP(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
		(*units)[i].len = VARSIZE_ANY_EXHDR(value);
		(*units)[i].text = pnstrdup(VARDATA_ANY(value), (*units)[i].len);
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

bool
search_quantity_boxes(Crit *c, const char *code, const KeySource *source, const uint64 *composite_hash,
					  const char *value)
{
	const char *text = value;
	SearchPrefix prefix = search_prefix(&text);
	char **parts;
	int n = search_split(text, '|', &parts);
	KeyUnit *units;
	KeyQuantity *q;
	int nunits;
	bool recheck;

	if (n > 3 || n == 2)
		search_bad_value(code, value, "not of the form number or number|system|code",
						 "For example 5.4|http://unitsofmeasure.org|mg, or 5.4||mg.");
	for (int i = 1; i < n; i++)
		parts[i] = search_unescape(parts[i]);
	if (n == 3 && *parts[2] == '\0') {
		if (*parts[1])
			search_bad_value(code, value, "the unit's code is empty",
							 "Give number|system|code, or the number alone.");
		n = 1; /* 5.4|| is 5.4 */
	}
	nunits = search_units(source, composite_hash, &units);
	q = palloc((nunits + 1) * sizeof(KeyQuantity));
	if (n == 1)
		n = keys_quantity(source, composite_hash, units, nunits, NULL, -1, NULL, -1, q, &recheck);
	else
		n = keys_quantity(source, composite_hash, units, nunits, parts[1], strlen(parts[1]), parts[2],
						  strlen(parts[2]), q, &recheck);
	for (int i = 0; i < Max(n, 1); i++) {
		/* the number is checked though no row has a unit that fits */
		NumberInterval interval = number_interval(prefix, code, value, parts[0], n > 0 ? &q[i] : NULL);

		if (n > 0)
			add_number(c, q[i].key, prefix, interval);
	}
	return recheck;
}
