/*
 * base_sql.c: the SQL functions of the base layer: fhir_json, fhir_json_text.
 */
#include "base/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/json.h"

PGDLLEXPORT Datum fhir_json(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum fhir_json_text(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_json);
PG_FUNCTION_INFO_V1(fhir_json_text);

Datum
fhir_json(PG_FUNCTION_ARGS)
{
	text *t = PG_GETARG_TEXT_PP(0);

	PG_RETURN_JSONB_P(fhir_json_parse(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)));
}

Datum
fhir_json_text(PG_FUNCTION_ARGS)
{
	Jsonb *j = PG_GETARG_JSONB_P(0);
	StringInfoData out;

	initStringInfo(&out);
	fhir_json_write(&out, &j->root, PG_GETARG_BOOL(1) ? 0 : -1);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
