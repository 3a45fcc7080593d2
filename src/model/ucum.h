/*
 * ucum.h: UCUM units (case-sensitive symbols) from generated facts: parsing, base units, conversion.
 *
 * Factors are exact rationals: comparing and converting never goes through a rounded factor.
 */
#ifndef FHIR_UCUM_H
#define FHIR_UCUM_H

#include "postgres.h"
#include "utils/numeric.h"

/*
 * A parsed unit. value in base units = (value * num + shift) / den; two units measure the same if their canonical
 * texts are equal.
 */
typedef struct UcumUnit {
	bool valid;			   /* syntax and symbols are UCUM's */
	bool convertible;	   /* on a ratio scale, or a temperature; else ([pH], dB ...) the fields below are NULL */
	const char *canonical; /* base units in order of their codes: "g.m-3", "[iU].m-3", "1" if dimensionless */
	Numeric num, den;
	Numeric shift;	/* NULL but for the temperatures */
	Numeric factor; /* num / den, exact or with 45 significant digits */
	Numeric offset; /* shift / den, NULL but for the temperatures */
} UcumUnit;

/*
 * Parses a unit expression ("mg/dL", "10*3/uL", "kg.m2", "[lb_av]", "{score}"). Never NULL, never raises for odd text. The result is
 * cached in the backend and stays valid for the next 512 different units at least; the caller doesn't change it.
 */
extern const UcumUnit *ucum_lookup(const char *unit, int len);

/* Both convertible and of the same dimension. */
extern bool ucum_same_dimension(const UcumUnit *a, const UcumUnit *b);
/* value in unit from, expressed in unit to: exact, or with 45 significant digits. The units must have the same dimension. palloc'd. */
extern Numeric ucum_convert(Numeric value, const UcumUnit *from, const UcumUnit *to);
/* a / b: exact where the decimal ends, else 45 significant digits, no trailing zeros. b not 0. */
extern Numeric ucum_divide(Numeric a, Numeric b);

/*
 * Reduces a unit expression to base units. canonical: its canonical text, palloc'd; value_in_base = value * factor
 * (+ offset for Cel, [degF] ...; *offset is NULL for all others). All results are copies.
 * False if the text is no valid UCUM unit (or is a non-ratio special unit other than the temperatures).
 */
extern bool ucum_canonical(const char *unit, int len, Numeric *factor, Numeric *offset, char **canonical);

/* ---- between ucum.c and ucum_parse.c ---- */

/* Parses into a struct whose parts are palloc'd in CurrentMemoryContext. */
extern void ucum_parse(const char *unit, int len, UcumUnit *out);
extern Numeric ucum_multiply(Numeric a, Numeric b);

#endif
