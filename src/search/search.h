/*
 * search.h: a query string -> one SQL statement -> rows or a Bundle.
 */
#ifndef FHIR_SEARCH_H
#define FHIR_SEARCH_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "access/access.h"
#include "model/model.h"
#include "terms/terms.h"

typedef enum SearchHandling { SEARCH_STRICT,
							  SEARCH_LENIENT,
} SearchHandling;

/*
 * searchset Bundle for `type` (NULL: system level). query: application/x-www-form-urlencoded text. base:
 * absolute base for links and fullUrl, "" for relative ones. Written straight as JSON text into out.
 */
extern void search_bundle(const ModelType *type, const char *query, SearchHandling handling, const char *base,
						  StringInfo out);
/* The same within a compartment (GET /Patient/1/Observation; type NULL: /Patient/1/ *, every type of the
 * compartment). */
extern void search_compartment_bundle(const ModelType *compartment, const char *id, const ModelType *type,
									  const char *query, SearchHandling handling, const char *base,
									  StringInfo out);
extern int64 search_count(const ModelType *type, const char *query);

/* A match of the condition of a conditional interaction. */
typedef struct SearchMatch {
	int64 rid;
	char id[65];
} SearchMatch;
/* Matches in a snapshot of now, at most max; returns how many (max + 1 means more). */
extern int search_match(const Caller *caller, const ModelType *type, const char *query, SearchMatch *out, int max);

/* ValueSets and CodeSystems of the current store, as a search finds them now. */
extern TermsSource search_terms_source(void);

#endif
