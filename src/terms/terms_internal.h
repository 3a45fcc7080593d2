/*
 * terms_internal.h: what the files of terms share.
 */
#ifndef FHIR_TERMS_INTERNAL_H
#define FHIR_TERMS_INTERNAL_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "terms/terms.h"
#include "terms/terms_tables.h"

/* ---- terms_set.c ---- */
/* Position of the code, -1 if it is not there. */
extern int terms_find(const TermSet *set, const char *system, const char *code);
/* Adds it unless it is there; its position. */
extern int terms_put(TermSet *set, const char *system, const char *code);
/* The same for the members of value sets, of which there may not be more than fhir.max_value_set_codes. */
extern void terms_add(TermSet *set, const char *system, const char *code);
/* Is it there, or its whole system? */
extern bool terms_covers(const TermSet *set, const char *system, const char *code);
/* Notes why the set is not known whole; the first reason stays. */
extern void terms_lacks(TermSet *set, const char *fmt, ...) pg_attribute_printf(2, 3);

/* ---- terms_system.c ---- */
typedef struct TermConcepts {
	const char *system;
	bool complete;
	TermSet codes;		   /* code i is codes.codes[i] */
	JsonbContainer **docs; /* of each code; NULL: compiled in */
	const TermsEdge *edges;
	int nedges;
} TermConcepts;

/* system: perhaps with |version. NULL if no codes of it are known. */
extern TermConcepts *terms_concepts(const TermsSource *from, const char *system);
/* One flag for each code: is it `at`, or below (above) it? */
extern bool *terms_closure(const TermConcepts *c, int at, bool below);

/* ---- terms_filter.c ---- */
/* Adds the codes of the system that pass all filters of an include. */
extern void terms_filter(const TermsSource *from, TermSet *out, const char *system, const char *version, JsonbContainer *filters);

/* ---- terms_valueset.c ---- */
extern void terms_resolve(const TermsSource *from, TermSet *out, const char *url, List *path);

/* ---- terms_cache.c ---- */
extern const TermConcepts *terms_cached_concepts(const TermsSource *from, const char *system);

/* ---- terms_json.c ---- */
extern JsonbContainer *terms_array(JsonbContainer *c, const char *name);
extern JsonbContainer *terms_object(JsonbContainer *c, const char *name);
extern JsonbContainer *terms_object_at(JsonbContainer *array, int i);

#define TERMS_EACH(array, o) \
	for (int i_ = 0, n_ = (array) ? (int) JsonContainerSize(array) : 0; i_ < n_; i_++) \
		if ((o = terms_object_at(array, i_)) != NULL)

/* Table entry by URL and perhaps |version; NULL if none. */
extern const TermsSystem *terms_builtin_system(const char *url);
extern const TermsValueSet *terms_builtin_value_set(const char *url);

#endif
