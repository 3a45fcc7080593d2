/*
 * log.h: the access log (JSON lines) and the error log (standard error).
 */
#ifndef FHIR_GATEWAY_LOG_H
#define FHIR_GATEWAY_LOG_H

#include <stdint.h>

#include "loop.h"

/* Opens the access log; -1 when off, -2 with a message when it cannot be opened. */
extern int log_open(void);

/*
 * One request. `target` is the request target as sent: the path is logged, of the query only the names of the
 * parameters, for their values may identify patients.
 */
extern void log_request(Loop *loop, const char *id, const char *peer, const char *method, const char *target,
						int status, uint64_t in, uint64_t out, uint64_t microseconds);

/* Writes what is collected. */
extern void log_flush(Loop *loop);

/* A line on standard error. */
extern void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
