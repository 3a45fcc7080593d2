/*
 * keys_sql.c: the SQL functions that show keys: those of a resource in the current store.
 */
#include "base/base.h"

#include "fmgr.h"

#include "keys/keys.h"
#include "store/catalog/catalog.h"

PGDLLEXPORT Datum fhir_keys(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_keys);

Datum
fhir_keys(PG_FUNCTION_ARGS)
{
	return keys_trace_rows(store_key_context(), fcinfo);
}

PGDLLEXPORT Datum fhir_key_counts(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_key_counts);

Datum
fhir_key_counts(PG_FUNCTION_ARGS)
{
	return keys_counts(store_key_context(), fcinfo);
}

PGDLLEXPORT Datum fhir_key_sources(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_key_sources);

Datum
fhir_key_sources(PG_FUNCTION_ARGS)
{
	return keys_source_rows(store_key_context(), fcinfo);
}

PGDLLEXPORT Datum fhir_keys_verify(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(fhir_keys_verify);

Datum
fhir_keys_verify(PG_FUNCTION_ARGS)
{
	return keys_verify_rows(store_key_context(), fcinfo);
}
