/*
 * pack_codec.h: dictionaries made ready for zstd, kept by the backend.
 */
#ifndef FHIR_PACK_CODEC_H
#define FHIR_PACK_CODEC_H

#include "postgres.h"

#define PACK_CODEC_LEVEL 5 /* of zstd, with a dictionary of a store's own */

/* One dictionary. Valid until the next pack_codec_add or _forget. */
typedef struct PackCodec PackCodec;

/* The one that is compiled in. */
extern PackCodec *pack_codec_builtin(void);
/* Of a store's table, as it was added; NULL: not (or no longer) in memory. */
extern PackCodec *pack_codec_get(Oid table, int32 id);
/* Copies the dictionary; drops the one that was used longest ago if there are many. */
extern PackCodec *pack_codec_add(Oid table, int32 id, const void *data, size_t len);
/* One for a moment, that is in no table: _free it, in case of an error, too. */
extern PackCodec *pack_codec_make(const void *data, size_t len);
extern void pack_codec_free(PackCodec *c);

/* Most bytes that `len` bytes may take. */
extern size_t pack_codec_bound(size_t len);
/* A frame without its magic number, at `to`; 0: it has not worked. */
extern size_t pack_codec_compress(PackCodec *c, void *to, size_t room, const void *text, size_t len);
/* Content of such a frame, palloc'd with a byte to spare; NULL and *why if it is none. */
extern char *pack_codec_decompress(PackCodec *c, const void *frame, size_t len, size_t *text_len, const char **why);

#endif
