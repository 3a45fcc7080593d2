/*
 * form.h: application/x-www-form-urlencoded text -> names and values.
 */
#ifndef FHIR_FORM_H
#define FHIR_FORM_H

#include "postgres.h"

typedef struct FormParam {
	char *name, *value; /* decoded; value "" when there is no "=" */
} FormParam;

/* Splits and decodes a query (a leading "?" is skipped); palloc'd. Returns how many. */
extern int form_parse(const char *query, FormParam **out);

#endif
