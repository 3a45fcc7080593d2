/*
 * ucum.c: units for the rest of the extension: a cache of parsed ones, comparison, conversion, SQL functions.
 *
 * The cache has two generations of at most UNITS_MAX units, each in a memory context of its own below
 * CacheMemoryContext: when the young one is full, the old one is dropped and takes its place. A unit found in the old
 * one moves to the young one; so what is in use stays, and hostile variety costs no memory.
 */
#include "base/base.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "model/ucum.h"

#define UNITS_MAX 512
#define UNIT_TEXT_MAX 64 /* longer ones are parsed anew each time */
#define DIGITS 45		 /* of quotients that don't end */

typedef struct CacheEntry {
	char text[UNIT_TEXT_MAX];
	UcumUnit unit;
} CacheEntry;

typedef struct Generation {
	MemoryContext context;
	HTAB *units;
} Generation;

static Generation young, old;

/* ---- arithmetic ---- */

/* Decimal exponent of the first digit. */
static int
exponent_of(Numeric n)
{
	return (int) strtol(strchr(numeric_out_sci(n, 0), 'e') + 1, NULL, 10);
}

static Numeric
power_of_ten(int exp10)
{
	char *text = psprintf("1e%d", exp10);

	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

Numeric
ucum_divide(Numeric a, Numeric b)
{
	int shift = exponent_of(b) - exponent_of(a) + DIGITS;
	Numeric scaled = ucum_multiply(a, power_of_ten(shift));
	Datum q = DirectFunctionCall2(numeric_div_trunc, NumericGetDatum(scaled), NumericGetDatum(b));

	return DatumGetNumeric(
		DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(ucum_multiply(DatumGetNumeric(q), power_of_ten(-shift)))));
}

static Numeric
add(Numeric a, Numeric b)
{
	return b == NULL ? a : DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
subtract(Numeric a, Numeric b)
{
	return b == NULL ? a : DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(a), NumericGetDatum(b)));
}

bool
ucum_same_dimension(const UcumUnit *a, const UcumUnit *b)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): what is convertible has a canonical form */
	return a->convertible && b->convertible && strcmp(a->canonical, b->canonical) == 0;
}

Numeric
ucum_convert(Numeric value, const UcumUnit *from, const UcumUnit *to)
{
	/* ((value * num + shift) / den) * den' - shift') / num', with the divisions last */
	Numeric top = ucum_multiply(add(ucum_multiply(value, from->num), from->shift), to->den);

	if (to->shift != NULL)
		top = subtract(top, ucum_multiply(to->shift, from->den));
	return ucum_divide(top, ucum_multiply(from->den, to->num));
}

/* ---- cache ---- */

static void
new_generation(Generation *g)
{
	HASHCTL ctl = {.keysize = UNIT_TEXT_MAX, .entrysize = sizeof(CacheEntry)};

	g->units = NULL;
	g->context = AllocSetContextCreate(CacheMemoryContext, "fhir UCUM units", ALLOCSET_SMALL_SIZES);
	ctl.hcxt = g->context;
	g->units = hash_create("fhir UCUM units", 64, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

static Numeric
copy_numeric(Numeric n)
{
	return n == NULL ? NULL : DatumGetNumeric(datumCopy(NumericGetDatum(n), false, -1));
}

/* Stores a copy of unit in the young generation; nothing is half stored when memory runs out. */
static const UcumUnit *
remember(const char *text, const UcumUnit *unit)
{
	MemoryContext caller;
	UcumUnit copy = *unit;
	CacheEntry *entry;
	bool found;

	if (young.units != NULL && hash_get_num_entries(young.units) >= UNITS_MAX) {
		MemoryContext dropped = old.context;

		old = young;
		young.context = NULL;
		young.units = NULL;
		if (dropped != NULL)
			MemoryContextDelete(dropped);
	}
	if (young.units == NULL)
		new_generation(&young);
	caller = MemoryContextSwitchTo(young.context);
	copy.canonical = unit->canonical != NULL ? pstrdup(unit->canonical) : NULL;
	copy.num = copy_numeric(unit->num);
	copy.den = copy_numeric(unit->den);
	copy.shift = copy_numeric(unit->shift);
	copy.factor = copy_numeric(unit->factor);
	copy.offset = copy_numeric(unit->offset);
	MemoryContextSwitchTo(caller);
	entry = hash_search(young.units, text, HASH_ENTER, &found);
	entry->unit = copy;
	return &entry->unit;
}

const UcumUnit *
ucum_lookup(const char *unit, int len)
{
	char text[UNIT_TEXT_MAX];
	CacheEntry *entry;
	UcumUnit parsed;

	if (len >= UNIT_TEXT_MAX || memchr(unit, '\0', len) != NULL) {
		UcumUnit *once = palloc(sizeof(UcumUnit));

		ucum_parse(unit, len, once);
		return once;
	}
	memset(text, 0, sizeof(text));
	memcpy(text, unit, len);
	if (young.units != NULL && (entry = hash_search(young.units, text, HASH_FIND, NULL)) != NULL)
		return &entry->unit;
	if (old.units != NULL && (entry = hash_search(old.units, text, HASH_FIND, NULL)) != NULL) {
		/* copied, not parsed: remember() may drop the old generation */
		parsed = entry->unit;
		if (young.units != NULL && hash_get_num_entries(young.units) >= UNITS_MAX)
			ucum_parse(unit, len, &parsed);
	} else
		ucum_parse(unit, len, &parsed);
	return remember(text, &parsed);
}

bool
ucum_canonical(const char *unit, int len, Numeric *factor, Numeric *offset, char **canonical)
{
	const UcumUnit *u = ucum_lookup(unit, len);

	if (!u->convertible)
		return false;
	*factor = copy_numeric(u->factor);
	*offset = copy_numeric(u->offset);
	*canonical = pstrdup(u->canonical);
	return true;
}

/* ---- SQL ---- */

PG_FUNCTION_INFO_V1(fhir_ucum_canonical);
PG_FUNCTION_INFO_V1(fhir_ucum_convert);

/* fhir_ucum_canonical(unit text) -> (canonical text, factor numeric, offset_ numeric); NULL if the unit has no canonical form. */
PGDLLEXPORT Datum
fhir_ucum_canonical(PG_FUNCTION_ARGS)
{
	text *unit = PG_GETARG_TEXT_PP(0);
	TupleDesc desc;
	Numeric factor, offset;
	char *canonical;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!ucum_canonical(VARDATA_ANY(unit), VARSIZE_ANY_EXHDR(unit), &factor, &offset, &canonical))
		PG_RETURN_NULL();
	values[0] = CStringGetTextDatum(canonical);
	values[1] = NumericGetDatum(factor);
	values[2] = NumericGetDatum(offset);
	nulls[2] = offset == NULL;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

static const UcumUnit *
unit_argument(text *unit)
{
	const UcumUnit *u = ucum_lookup(VARDATA_ANY(unit), VARSIZE_ANY_EXHDR(unit));

	if (!u->convertible)
		ereport(ERROR, (errcode(FH422), errmsg(u->valid ? "unit can't be converted" : "not a UCUM unit"),
						errdetail("Unit: \"%s\".", text_to_cstring(unit)),
						errhint("Units are case-sensitive UCUM codes such as \"mg/dL\" or \"mm[Hg]\"."), fhir_issue("value", NULL)));
	return u;
}

/* fhir_ucum_convert(value numeric, from_unit text, to_unit text) -> numeric */
PGDLLEXPORT Datum
fhir_ucum_convert(PG_FUNCTION_ARGS)
{
	Numeric value = PG_GETARG_NUMERIC(0);
	const UcumUnit *from = unit_argument(PG_GETARG_TEXT_PP(1));
	const UcumUnit *to = unit_argument(PG_GETARG_TEXT_PP(2));

	if (!ucum_same_dimension(from, to))
		ereport(ERROR, (errcode(FH422), errmsg("units measure different things"),
						errdetail("In base units they are \"%s\" and \"%s\".", from->canonical, to->canonical),
						fhir_issue("value", NULL)));
	if (numeric_is_nan(value) || numeric_is_inf(value))
		ereport(ERROR, (errcode(FH422), errmsg("value is not finite"), fhir_issue("value", NULL)));
	PG_RETURN_NUMERIC(ucum_convert(value, from, to));
}
