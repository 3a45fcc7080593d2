/*
 * gzip.h: compressed answers.
 */
#ifndef FHIR_GATEWAY_GZIP_H
#define FHIR_GATEWAY_GZIP_H

#include <microhttpd.h>
#include <stdbool.h>

#include "buffer.h"

/* Compresses all at once; false when it cannot. */
extern bool gzip_whole(const char *data, size_t len, Buf *out);

/* A response that compresses as it is sent, so that a long one does not hold up the loop; NULL when it cannot. */
extern struct MHD_Response *gzip_stream(const char *data, size_t len);

#endif
