/*
 * gzip.h: compressed answers.
 */
#ifndef FHIR_GATEWAY_GZIP_H
#define FHIR_GATEWAY_GZIP_H

#include <stdbool.h>

#include "buffer.h"

/* Compresses all at once; false when it cannot. */
extern bool gzip_whole(const char *data, size_t len, Buf *out);

/* Compresses an answer as it is sent, so that a long one does not hold up the loop. */
typedef struct GzipStream GzipStream;

/* The data must stay; NULL when it cannot. */
extern GzipStream *gzip_stream(const char *data, size_t len);

/* The next piece as a chunk, nothing when the last one was made; false when it cannot go on. */
extern bool gzip_stream_next(GzipStream *s, Buf *out);
extern void gzip_stream_free(GzipStream *s);

#endif
