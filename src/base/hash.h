/*
 * hash.h: the 64-bit hash of all stored keys. Part of the on-disk format: never changes
 * without a new FHIR_KEY_VERSION. Independent of byte order, locale and PostgreSQL version.
 */
#ifndef FHIR_HASH_H
#define FHIR_HASH_H

#include "postgres.h"

/* Hashes len bytes, seeded (MurmurHash64A over little-endian words). Chain parts by passing the hash so far. */
extern uint64 fhir_hash(const void *data, size_t len, uint64 seed);

#endif
