/*
 * loop.h: one event loop: its clients, its share of the database pool, its log and metrics.
 *
 * Invariant: everything that hangs on a Loop is touched by the loop's own thread only, except the metrics
 * (atomic) and the stop and reopen flags (atomic).
 */
#ifndef FHIR_GATEWAY_LOOP_H
#define FHIR_GATEWAY_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "metrics.h"

struct Client;
struct Pool;
struct Request;

/* Something epoll watches: the address of this struct is the event's data. */
typedef struct Watch
{
	void (*ready)(struct Watch *watch, uint32_t events);
} Watch;

typedef struct Loop
{
	pthread_t thread;
	int epoll_fd;
	int wake_fd;  /* eventfd by which another thread wakes this one */
	uint64_t now; /* microseconds, monotonic, as of the last wake-up */

	Watch listener;
	int listen_fd;
	bool listening;	   /* not while there are as many clients as may be */
	bool draining;	   /* SIGTERM was seen: unready */
	bool quiesced;	   /* accepts no more */
	uint64_t drain_at; /* when draining began */

	struct Client *clients;			   /* open client connections */
	struct Client *later, *later_last; /* can go on without an event */
	struct Client *closed;			   /* in this turn */
	int64_t client_count;
	struct Request *spare_requests;
	int64_t requests; /* in progress */

	struct Pool *primary;
	struct Pool *replica; /* NULL unless read-database is set */

	int log_fd;
	Buf log; /* lines not yet written */
	Metrics metrics;
} Loop;

extern Loop *loops;
extern int loop_count;

/* Opens log and pools, and listens on the socket; false with a message on stderr. */
extern bool loop_open(Loop *loop, int number, int listen_fd);

/* Runs until drained; true when no request was cut off. */
extern bool loop_run(Loop *loop);

extern bool loop_watch(Loop *loop, int fd, uint32_t events, Watch *watch);

/* From a signal's thread: all loops begin to drain, or reopen their logs. */
extern void loops_stop(void);
extern void loops_reopen_logs(void);

/* Request bodies held at once by all loops: reserves, or answers false when over --max-memory. */
extern bool memory_reserve(size_t bytes);
extern void memory_release(size_t bytes);

extern uint64_t now_microseconds(void);

#endif
