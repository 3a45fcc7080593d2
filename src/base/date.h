/*
 * date.h: FHIR date, dateTime, instant, time: parse, precision, interval.
 */
#ifndef FHIR_DATE_H
#define FHIR_DATE_H

#include "postgres.h"

typedef enum FhirDatePrecision {
	FHIR_DATE_YEAR = 1,
	FHIR_DATE_MONTH,
	FHIR_DATE_DAY,
	FHIR_DATE_HOUR, /* FHIRPath and search only */
	FHIR_DATE_MINUTE,
	FHIR_DATE_SECOND,
	FHIR_DATE_MILLI /* fraction given; fraction_digits says how many */
} FhirDatePrecision;

typedef struct FhirDateTime {
	int year, month, day, hour, minute, second; /* absent parts are at their lowest value */
	int micros;
	int fraction_digits;
	FhirDatePrecision precision;
	bool has_zone;
	int zone_minutes; /* east of UTC */
	bool has_date, has_time;
} FhirDateTime;

/*
 * What a text may be. Search also takes minutes without seconds, a missing zone, and a blank where an
 * unescaped "+" of a zone was decoded. FHIRPath (the literal without its "@") takes hours alone, "T" after any date, and
 * times as "T14:30".
 */
typedef enum FhirDateKind {
	FHIR_KIND_DATE,
	FHIR_KIND_DATETIME,
	FHIR_KIND_INSTANT,
	FHIR_KIND_TIME,
	FHIR_KIND_SEARCH,
	FHIR_KIND_FHIRPATH
} FhirDateKind;

/* Parses strictly: ranges of every part, days of month, leap years, years from 0001; second 60 is allowed, as R4's
 * patterns do. Returns false on any defect; never raises. */
extern bool fhir_date_parse(const char *s, int len, FhirDateKind kind, FhirDateTime *out);

/*
 * The interval [lo, hi] in microseconds since 1970-01-01T00:00:00Z that the value covers at its precision:
 * "2020" is lo=2020-01-01T00:00:00.000000 hi=2020-12-31T23:59:59.999999. Values without a zone
 * are read as UTC (documented in docs/search.md). Fractions beyond microseconds are truncated.
 */
extern void fhir_date_interval(const FhirDateTime *d, int64 *lo, int64 *hi);

#define FHIR_DATE_MIN PG_INT64_MIN /* open start of a Period */
#define FHIR_DATE_MAX PG_INT64_MAX /* open end */

/* TimestampTz -> "2026-01-02T03:04:05.123456Z" form (UTC, always microseconds trimmed to milliseconds if they fit); buf >= 40 bytes. Returns length. */
extern int fhir_date_format_instant(int64 unix_micros, char *buf);

#endif
