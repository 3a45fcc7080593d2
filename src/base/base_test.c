/*
 * base_test.c: windows into the base layer for the regression tests. The install script does not declare them.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/date.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/uuid.h"

PG_FUNCTION_INFO_V1(fhir_test_date);
PG_FUNCTION_INFO_V1(fhir_test_decimal);
PG_FUNCTION_INFO_V1(fhir_test_dec64);
PG_FUNCTION_INFO_V1(fhir_test_error);
PG_FUNCTION_INFO_V1(fhir_test_hash);
PG_FUNCTION_INFO_V1(fhir_test_uuid);

/* (text, FhirDateKind) -> "precision lo hi", NULL if refused */
Datum
fhir_test_date(PG_FUNCTION_ARGS)
{
	text *t = PG_GETARG_TEXT_PP(0);
	FhirDateTime d;
	int64 lo, hi;
	char from[48], to[48];

	if (!fhir_date_parse(VARDATA_ANY(t), (int) VARSIZE_ANY_EXHDR(t), PG_GETARG_INT32(1), &d))
		PG_RETURN_NULL();
	fhir_date_interval(&d, &lo, &hi);
	fhir_date_format_instant(lo, from);
	fhir_date_format_instant(hi, to);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d %s %s%s", d.precision, from, to, d.has_zone ? " zone" : "")));
}

static char *
text_of(Numeric n)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(n)));
}

/* text -> "value [lo, hi)", NULL if refused */
Datum
fhir_test_decimal(PG_FUNCTION_ARGS)
{
	text *t = PG_GETARG_TEXT_PP(0);
	Numeric v, lo, hi;

	if (!fhir_decimal_parse(VARDATA_ANY(t), (int) VARSIZE_ANY_EXHDR(t), &v, &lo, &hi))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s [%s, %s)", text_of(v), text_of(lo), text_of(hi))));
}

/* (numeric, up) -> dec64; the text form of the same number must give the same */
Datum
fhir_test_dec64(PG_FUNCTION_ARGS)
{
	Datum n = PG_GETARG_DATUM(0);
	FhirRound r = PG_GETARG_BOOL(1) ? FHIR_ROUND_UP : FHIR_ROUND_DOWN;
	char *s = DatumGetCString(DirectFunctionCall1(numeric_out, n));
	int64 a = fhir_dec64(DatumGetNumeric(n), r), b;

	if (!fhir_dec64_parse(s, (int) strlen(s), r, &b) || a != b)
		elog(ERROR, "dec64 differs between numeric and text");
	PG_RETURN_INT64(a);
}

/* SQLSTATE -> "status code text" of an error with the message "secret" */
Datum
fhir_test_error(PG_FUNCTION_ARGS)
{
	char *s = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ErrorData e = {.elevel = ERROR, .message = "secret"};
	FhirIssue *issues;

	if (strlen(s) != 5)
		elog(ERROR, "an SQLSTATE has five characters");
	e.sqlerrcode = MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4]);
	fhir_issues_take(&e, &issues);
	PG_RETURN_TEXT_P(cstring_to_text(
		psprintf("%d %s %s", fhir_http_status(e.sqlerrcode), issues[0].code, issues[0].diagnostics)));
}

Datum
fhir_test_hash(PG_FUNCTION_ARGS)
{
	bytea *b = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_INT64((int64) fhir_hash(VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b), (uint64) PG_GETARG_INT64(1)));
}

Datum
fhir_test_uuid(PG_FUNCTION_ARGS)
{
	char buf[37];

	fhir_uuid_new(buf);
	PG_RETURN_TEXT_P(cstring_to_text(buf));
}
