/*
 * metrics.h: counters of one loop, and their sum over all loops in Prometheus' text format.
 *
 * Each counter has one writer, its loop's thread; /metrics reads those of all loops, so they are atomic, but
 * nothing is ordered by them.
 */
#ifndef FHIR_GATEWAY_METRICS_H
#define FHIR_GATEWAY_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "buffer.h"

typedef _Atomic uint64_t Count;

enum
{
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_OTHER,
	METHODS
};

#define METRICS_STATUSES 600
#define METRICS_BUCKETS 14

typedef struct PoolMetrics
{
	Count idle, busy, connecting; /* gauges */
	Count queued;				  /* gauge */
	Count connects, connect_failures, lost;
	Count cancels, retries, rejected, pipelined;
} PoolMetrics;

typedef struct Metrics
{
	Count requests[METHODS][METRICS_STATUSES]; /* status 0: the client went away first */
	Count bucket[METRICS_BUCKETS + 1];
	Count duration; /* microseconds, all requests */
	Count bytes_in, bytes_out;
	Count connections, connections_total; /* of clients; the first a gauge */
	Count in_progress;					  /* gauge */
	PoolMetrics pool[2];				  /* primary, replica */
} Metrics;

static inline void
metric_add(Count *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void
metric_set(Count *c, uint64_t n)
{
	atomic_store_explicit(c, n, memory_order_relaxed);
}

extern void metrics_request(Metrics *m, int method, int status, uint64_t microseconds, uint64_t in, uint64_t out);

/* Appends all metrics of all loops. */
extern void metrics_render(Buf *b);

/* METHOD_… of a method's name */
extern int method_number(const char *method);
extern const char *method_name(int number);

#endif
