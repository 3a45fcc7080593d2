/*
 * metrics.c: counting and rendering for Prometheus.
 */
#include "metrics.h"

#include <stddef.h>

#include "loop.h"
#include "options.h"

static const char *const methods[METHODS] = {"GET", "HEAD", "POST", "PUT",
											 "PATCH", "DELETE", "OPTIONS", "other"};

static const uint64_t bounds[METRICS_BUCKETS] = {500, 1000, 2500, 5000, 10000, 25000, 50000,
												 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

int
method_number(const char *method)
{
	int i = 0;

	while (i < METHOD_OTHER && strcmp(methods[i], method) != 0)
		i++;
	return i;
}

const char *
method_name(int number)
{
	return methods[number];
}

void
metrics_request(Metrics *m, int method, int status, uint64_t microseconds, uint64_t in, uint64_t out)
{
	int i = 0;

	if (status < 0 || status >= METRICS_STATUSES)
		status = 0;
	metric_add(&m->requests[method][status], 1);
	while (i < METRICS_BUCKETS && microseconds > bounds[i])
		i++;
	metric_add(&m->bucket[i], 1);
	metric_add(&m->duration, microseconds);
	metric_add(&m->bytes_in, in);
	metric_add(&m->bytes_out, out);
}

/* Sum over the loops of the counter at an offset in Metrics */
static uint64_t
sum(size_t offset)
{
	uint64_t total = 0;

	for (int i = 0; i < loop_count; i++)
		total += atomic_load_explicit((Count *) ((char *) &loops[i].metrics + offset), memory_order_relaxed);
	return total;
}

#define SUM(field) ((unsigned long long) sum(offsetof(Metrics, field)))

static void
head(Buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP fhir_gateway_%s %s\n# TYPE fhir_gateway_%s %s\n", name, help, name, type);
}

static void
simple(Buf *b, const char *name, const char *type, const char *help, unsigned long long value)
{
	head(b, name, type, help);
	buf_printf(b, "fhir_gateway_%s %llu\n", name, value);
}

static void
render_requests(Buf *b)
{
	unsigned long long cumulated = 0;

	head(b, "requests_total", "counter", "Requests answered, by method and status (0: the client went away first).");
	for (int method = 0; method < METHODS; method++)
		for (int status = 0; status < METRICS_STATUSES; status++)
		{
			unsigned long long n = SUM(requests[method][status]);

			if (n > 0)
				buf_printf(b, "fhir_gateway_requests_total{method=\"%s\",status=\"%d\"} %llu\n", methods[method],
						   status, n);
		}
	head(b, "request_seconds", "histogram", "Time from a request's header to the last byte of its answer.");
	for (int i = 0; i < METRICS_BUCKETS; i++)
	{
		cumulated += SUM(bucket[i]);
		buf_printf(b, "fhir_gateway_request_seconds_bucket{le=\"%g\"} %llu\n", (double) bounds[i] / 1e6, cumulated);
	}
	cumulated += SUM(bucket[METRICS_BUCKETS]);
	buf_printf(b,
			   "fhir_gateway_request_seconds_bucket{le=\"+Inf\"} %llu\n"
			   "fhir_gateway_request_seconds_sum %.6f\n"
			   "fhir_gateway_request_seconds_count %llu\n",
			   cumulated, (double) SUM(duration) / 1e6, cumulated);
}

static void
render_pool_counter(Buf *b, const char *name, const char *type, const char *help, size_t offset)
{
	head(b, name, type, help);
	for (int i = 0; i < (opt.read_database[0] ? 2 : 1); i++)
		buf_printf(b, "fhir_gateway_%s{database=\"%s\"} %llu\n", name, i ? "replica" : "primary",
				   (unsigned long long) sum(offsetof(Metrics, pool) + (size_t) i * sizeof(PoolMetrics) + offset));
}

static void
render_pools(Buf *b)
{
	static const struct
	{
		const char *state;
		size_t offset;
	} states[] = {{"idle", offsetof(PoolMetrics, idle)},
				  {"busy", offsetof(PoolMetrics, busy)},
				  {"connecting", offsetof(PoolMetrics, connecting)}};

	head(b, "pool_connections", "gauge", "Database connections, by state.");
	for (int i = 0; i < (opt.read_database[0] ? 2 : 1); i++)
		for (int j = 0; j < 3; j++)
			buf_printf(b, "fhir_gateway_pool_connections{database=\"%s\",state=\"%s\"} %llu\n",
					   i ? "replica" : "primary", states[j].state,
					   (unsigned long long) sum(offsetof(Metrics, pool) + (size_t) i * sizeof(PoolMetrics) +
												states[j].offset));
#define POOL(name, type, help, field) render_pool_counter(b, name, type, help, offsetof(PoolMetrics, field))
	POOL("pool_queued", "gauge", "Requests waiting for a database connection.", queued);
	POOL("pool_connects_total", "counter", "Database connections opened, reconnects included.", connects);
	POOL("pool_connect_failures_total", "counter", "Attempts to connect that failed.", connect_failures);
	POOL("pool_lost_total", "counter", "Database connections lost while open.", lost);
	POOL("pool_cancels_total", "counter", "Statements cancelled: the request timeout, or a read whose client had gone.", cancels);
	POOL("pool_retries_total", "counter", "Requests sent a second time.", retries);
	POOL("pool_pipelined_total", "counter", "Requests sent on a connection that still worked on another.", pipelined);
	POOL("pool_rejected_total", "counter", "Requests refused: queue full or no database.", rejected);
}

void
metrics_render(Buf *b)
{
	head(b, "info", "gauge", "Version of the gateway.");
	buf_puts(b, "fhir_gateway_info{version=\"" FHIR_VERSION "\"} 1\n");
	render_requests(b);
	simple(b, "requests_in_progress", "gauge", "Requests whose answer is not complete.", SUM(in_progress));
	simple(b, "request_bytes_total", "counter", "Bytes of request bodies as received.", SUM(bytes_in));
	simple(b, "response_bytes_total", "counter", "Bytes of response bodies before compression.", SUM(bytes_out));
	simple(b, "connections", "gauge", "Open client connections.", SUM(connections));
	simple(b, "connections_total", "counter", "Client connections accepted.", SUM(connections_total));
	simple(b, "pool_size", "gauge", "Largest number of connections to each database.", (unsigned long long) opt.pool);
	render_pools(b);
}
