/*
 * form.h: application/x-www-form-urlencoded text -> names and values.
 */
#ifndef FHIR_STORE_QUERY_H
#define FHIR_STORE_QUERY_H

#include "postgres.h"
#include "lib/stringinfo.h"

typedef struct FormParam {
	char *name, *value; /* decoded; value "" when there is no "=" */
} FormParam;

/* Splits and decodes a query (a leading "?" is skipped); palloc'd. Returns how many. */
extern int form_parse(const char *query, FormParam **out);
/* Appends text with everything but unreserved characters percent-encoded. */
extern void form_encode(StringInfo out, const char *s);

#endif
