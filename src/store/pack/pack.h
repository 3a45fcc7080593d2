/*
 * pack.h: a document <-> its stored form (version.doc, a bytea), and the dictionaries that a store packs with.
 */
#ifndef FHIR_STORE_PACK_H
#define FHIR_STORE_PACK_H

#include "base/base.h"

#include "utils/jsonb.h"

#include "store/catalog/catalog.h"

/* The stored form, palloc'd: with the newest dictionary of the current store, if it has one. */
extern Datum store_pack(Jsonb *doc);
/*
 * The document of a stored form (which may be toasted): palloc'd, or appended as compact JSON text. Raise
 * ERRCODE_DATA_CORRUPTED, or a syntax error with a context that says so, for anything else.
 */
extern Jsonb *store_unpack(Datum stored);
extern void store_unpack_text(StringInfo out, Datum stored);

/* ---- dictionaries of documents (dictionary.c) ---- */
#define STORE_DICTIONARY_STEP 4096
/* Is a new rid one of those at which it is looked up whether a dictionary is due? A session takes them 32 at a time, and may leave most of them. */
#define store_dictionary_step(rid) ((uint64) (rid) % STORE_DICTIONARY_STEP - 1 < 32)
/* A resource of that rid has been made: starts a worker on commit if it is time for a new dictionary. */
extern void store_dictionary_grown(StoreCatalog *cat, int64 rid);

#endif
