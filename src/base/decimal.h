/*
 * decimal.h: decimals as order-preserving 64-bit integers, and their implicit precision.
 *
 * dec64: total order equal to the decimals' order. Exact for up to 16 significant digits and exponents within
 * -120..120 (beyond: clamped); the 17th digit and later are rounded down (lo) or up (hi).
 */
#ifndef FHIR_DECIMAL_H
#define FHIR_DECIMAL_H

#include "postgres.h"
#include "utils/numeric.h"

typedef enum FhirRound { FHIR_ROUND_DOWN,
						 FHIR_ROUND_UP,
} FhirRound;

extern int64 fhir_dec64(Numeric n, FhirRound r);
/* The same from text such as "5.40", "-1e-3". False if s is no FHIR decimal. */
extern bool fhir_dec64_parse(const char *s, int len, FhirRound r, int64 *out);

/*
 * The interval of a decimal's implicit precision: 5.4 -> [5.35, 5.45), 100 -> [99.5, 100.5), 1e2 -> [95, 105)... per R4
 * search section 3.1.1.4.6: half a unit of the last given digit on each side. Results as Numeric.
 */
extern bool fhir_decimal_parse(const char *s, int len, Numeric *value, Numeric *lo, Numeric *hi);

#endif
