/*
 * match_functions.c: functions that search's statements call: each decides, or takes a value, of one row or document.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "search/match/match.h"
#include "store/pack/pack.h"

static int64 *
int8_elements(ArrayType *a, int *n)
{
	if (ARR_NDIM(a) == 0) {
		*n = 0;
		return NULL;
	}
	if (ARR_NDIM(a) != 1 || ARR_HASNULL(a) || ARR_ELEMTYPE(a) != INT8OID)
		elog(ERROR, "not an array of bigint without nulls");
	*n = ARR_DIMS(a)[0];
	return (int64 *) ARR_DATA_PTR(a);
}

/* Is any element of a in sorted array b? */
PG_FUNCTION_INFO_V1(fhir_keys_any);
Datum
fhir_keys_any(PG_FUNCTION_ARGS)
{
	ArrayType *a = PG_GETARG_ARRAYTYPE_P(0), *b = PG_GETARG_ARRAYTYPE_P(1);
	int na, nb;
	int64 *x = int8_elements(a, &na), *y = int8_elements(b, &nb);

	for (int i = 0; i < na; i++) {
		int lo = 0, hi = nb - 1;

		while (lo <= hi) {
			int mid = (lo + hi) / 2;

			if (y[mid] == x[i])
				PG_RETURN_BOOL(true);
			if (y[mid] < x[i])
				lo = mid + 1;
			else
				hi = mid - 1;
		}
	}
	PG_RETURN_BOOL(false);
}

bool
search_ordered_any(const int64 *ord, int n, const OrdBox *boxes, int nboxes)
{
	for (int i = 0; i + 2 < n; i += 3)
		for (int k = 0; k < nboxes; k++) {
			const OrdBox *box = boxes + k;

			if (ord[i] == (int64) box->key && ord[i + 1] >= box->lo_min && ord[i + 1] <= box->lo_max &&
				ord[i + 2] >= box->hi_min && ord[i + 2] <= box->hi_max)
				return true;
		}
	return false;
}

/* ord: (key, lo, hi) ...; boxes: OrdBox ... */
PG_FUNCTION_INFO_V1(fhir_ordered_any);
Datum
fhir_ordered_any(PG_FUNCTION_ARGS)
{
	ArrayType *a = PG_GETARG_ARRAYTYPE_P(0), *b = PG_GETARG_ARRAYTYPE_P(1);
	int na, nb;
	int64 *v = int8_elements(a, &na), *boxes = int8_elements(b, &nb);

	PG_RETURN_BOOL(search_ordered_any(v, na, (OrdBox *) boxes, nb / (sizeof(OrdBox) / sizeof(int64))));
}

/* Lowest or highest lo under any of the keys; NULL if there is none. */
PG_FUNCTION_INFO_V1(fhir_ordered_value);
Datum
fhir_ordered_value(PG_FUNCTION_ARGS)
{
	ArrayType *a = PG_GETARG_ARRAYTYPE_P(0), *b = PG_GETARG_ARRAYTYPE_P(1);
	bool highest = PG_GETARG_BOOL(2), found = false;
	int na, nb;
	int64 *v = int8_elements(a, &na), *keys = int8_elements(b, &nb), best = 0;

	for (int i = 0; i + 2 < na; i += 3)
		for (int k = 0; k < nb; k++)
			if (v[i] == keys[k] && (!found || (highest ? v[i + 1] > best : v[i + 1] < best))) {
				best = v[i + 1];
				found = true;
			}
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_INT64(best);
}

PG_FUNCTION_INFO_V1(fhir_identity);
Datum
fhir_identity(PG_FUNCTION_ARGS)
{
	text *type = PG_GETARG_TEXT_PP(0), *id = PG_GETARG_TEXT_PP(1);

	PG_RETURN_INT64((int64) keys_identity(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type), VARDATA_ANY(id),
										  VARSIZE_ANY_EXHDR(id)));
}

/* The text that a token, reference or uri parameter sorts by: code, reference, uri; lowest or highest. */
PG_FUNCTION_INFO_V1(fhir_sort_text);
Datum
fhir_sort_text(PG_FUNCTION_ARGS)
{
	Jsonb *doc = store_unpack(PG_GETARG_DATUM(0));
	char *code = text_to_cstring(PG_GETARG_TEXT_PP(1)),
		 *type_name = fhir_json_get_string(&doc->root, "resourceType");
	bool highest = PG_GETARG_BOOL(2);
	const ModelType *type = type_name ? model_resource(type_name, strlen(type_name)) : NULL;
	const KeyParam *p = type ? search_param(type, code, strlen(code)) : NULL;
	char *best = NULL;

	for (int i = 0; p && i < p->nlegs; i++)
		search_texts(&p->legs[i], &doc->root, highest, &best);
	if (best == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(best));
}

static bool
matches(Jsonb *doc, const char *query)
{
	MatchContext context = {store_key_context(), search_terms_source()};

	return match_resource(&context, doc, query);
}

bool
search_document_matches(Jsonb *doc, const char *name, const char *value)
{
	StringInfoData query;

	if (strcmp(name, "_text") == 0 || strcmp(name, "_content") == 0)
		return search_text_matches(&doc->root, name[1] == 'c', value);
	initStringInfo(&query);
	fhir_percent_encode(&query, name, ":");
	appendStringInfoChar(&query, '=');
	fhir_percent_encode(&query, value, "");
	return matches(doc, query.data);
}

PG_FUNCTION_INFO_V1(fhir_matches);
Datum
fhir_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(PG_GETARG_JSONB_P(0), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/* One criterion on one document, by the in-memory evaluation: where keys give a superset only. */
PG_FUNCTION_INFO_V1(fhir_search_recheck);
Datum
fhir_search_recheck(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(search_document_matches(store_unpack(PG_GETARG_DATUM(0)),
										   text_to_cstring(PG_GETARG_TEXT_PP(1)),
										   text_to_cstring(PG_GETARG_TEXT_PP(2))));
}
