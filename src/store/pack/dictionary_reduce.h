/*
 * dictionary_reduce.h: documents without anything that tells of a person, to train a dictionary on.
 */
#ifndef FHIR_DICTIONARY_REDUCE_H
#define FHIR_DICTIONARY_REDUCE_H

#include "postgres.h"

#include "utils/jsonb.h"

/* In the current memory context. */
typedef struct Reducer Reducer;

/* Values are kept that stand in at least `common` documents. */
extern Reducer *dictionary_reducer(int common);
/* First of all documents: counts the values that may be kept. */
extern void dictionary_count(Reducer *r, Jsonb *doc);
/* Then: the document with such values only; NULL if it is no resource. */
extern Jsonb *dictionary_reduce(Reducer *r, Jsonb *doc);

#endif
