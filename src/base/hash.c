/*
 * hash.c: the 64-bit hash of all stored keys: Austin Appleby's MurmurHash64A, read as little-endian words on every
 * machine. Part of the on-disk format.
 */
#include "base/compat.h"

#include "port/pg_bswap.h"

#include "base/hash.h"

static inline uint64
load_word(const uint8 *p)
{
	uint64 w;

	memcpy(&w, p, sizeof(w));
#ifdef WORDS_BIGENDIAN
	w = pg_bswap64(w);
#endif
	return w;
}

uint64
fhir_hash(const void *data, size_t len, uint64 seed)
{
	const uint64 m = UINT64CONST(0xc6a4a7935bd1e995);
	const int r = 47;
	const uint8 *p = data;
	const uint8 *end = p + (len & ~(size_t) 7);
	uint64 h = seed ^ (len * m);

	for (; p != end; p += 8) {
		uint64 k = load_word(p) * m;

		k ^= k >> r;
		h = (h ^ (k * m)) * m;
	}
	if (len & 7) {
		uint64 tail = 0;

		for (int i = (int) (len & 7) - 1; i >= 0; i--)
			tail = (tail << 8) | p[i];
		h = (h ^ tail) * m;
	}
	h ^= h >> r;
	h *= m;
	h ^= h >> r;
	return h;
}
