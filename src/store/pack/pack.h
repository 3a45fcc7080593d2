/*
 * pack.h: a document <-> its stored form (version.doc, a bytea).
 */
#ifndef FHIR_STORE_PACK_H
#define FHIR_STORE_PACK_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "store/pack/pack_codec.h"

/* The stored form, palloc'd: with the newest dictionary of the current store, if it has one. */
extern Datum store_pack(Jsonb *doc);
/*
 * The document of a stored form (which may be toasted): palloc'd, or appended as compact JSON text. Raise
 * ERRCODE_DATA_CORRUPTED, or a syntax error with a context that says so, for anything else.
 */
extern Jsonb *store_unpack(Datum stored);
extern void store_unpack_text(StringInfo out, Datum stored);

/* How many bytes the stored form takes with a dictionary; own: of a store. */
extern size_t store_pack_size(Jsonb *doc, PackCodec *codec, bool own);

/* Generated: the dictionary of format 2. */
extern const unsigned char store_pack_dictionary2[];
extern const size_t store_pack_dictionary2_size;

#endif
