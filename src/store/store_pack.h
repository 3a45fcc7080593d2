/*
 * store_pack.h: a document <-> its stored form (version.doc, a bytea).
 */
#ifndef FHIR_STORE_PACK_H
#define FHIR_STORE_PACK_H

#include "postgres.h"
#include "utils/jsonb.h"

/* The stored form, palloc'd. */
extern Datum store_pack(Jsonb *doc);
/* The document of a stored form (which may be toasted), palloc'd. Raises ERRCODE_DATA_CORRUPTED for anything else. */
extern Jsonb *store_unpack(Datum stored);

/* Is this a JSONB container that PostgreSQL's functions can be given? (store_pack_check.c) */
extern bool store_pack_well_formed(const char *container, size_t len);

/* Generated: the dictionary of format 1. */
extern const unsigned char store_pack_dictionary1[];
extern const size_t store_pack_dictionary1_size;

#endif
