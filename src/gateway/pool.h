/*
 * pool.h: a bounded pool of asynchronous libpq connections, and the jobs that wait for one.
 *
 * A connection works for one job at a time, or for several quick ones in a row (a pipe, libpq's pipeline mode): each
 * with a Sync and so a transaction of its own. Only jobs that read one resource are quick, so that nothing quick
 * waits behind something slow, and whatever is in a pipe may be sent twice.
 */
#ifndef FHIR_GATEWAY_POOL_H
#define FHIR_GATEWAY_POOL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "metrics.h"

typedef struct Pool Pool;
typedef struct Conn Conn;

typedef enum JobEnd
{
	JOB_DONE,		 /* result holds the row, and the transaction is committed */
	JOB_FAILED,		 /* result holds the server's error: rolled back */
	JOB_UNAVAILABLE, /* nothing was executed: no database */
	JOB_FULL,		 /* nothing was executed: the queue is full */
	JOB_EXPIRED,	 /* the request timeout passed, nothing was executed or it was rolled back */
	JOB_UNKNOWN		 /* sent, no answer: executed or not, nobody knows */
} JobEnd;

/* One call of fhir_http, or a ping. Embedded in its owner, who keeps it alive until `done` was called. */
typedef struct Job
{
	bool ping;		/* only ask for the extension's version */
	bool read_only; /* may be sent twice */
	bool quick;		/* reads one resource: may share a connection with others of its kind */
	const char *method;
	const char *url;
	const char *headers;
	const char *body;
	size_t body_len;
	uint64_t deadline;
	void (*done)(struct Job *job); /* may submit or free; called once */
	JobEnd end;
	PGresult *result; /* the owner's from `done` on */

	/* the pool's own */
	Conn *conn;
	struct Job *behind;	 /* the next in the connection's pipe */
	uint64_t number;	 /* of its submission; comes back with the answer, which thereby proves to be its own */
	uint64_t expired_at; /* when the deadline passed and a cancel was sent, 0 before */
	bool retried;
	bool active;
	struct Job *next, *previous; /* in a queue or among the running */
} Job;

/* A pool of at most `size` connections; opens the first at once. */
extern Pool *pool_create(Loop *loop, const char *conninfo, int size, PoolMetrics *metrics, const char *name);

/*
 * Runs the job on a free connection or queues it. `done` is called later or, when the pool is full or has no
 * database, before this returns.
 */
extern void pool_submit(Pool *pool, Job *job);

/* Deadlines, reconnects; to be called about every 100 ms. */
extern void pool_tick(Pool *pool);

/* At least one connection is open. */
extern bool pool_alive(const Pool *pool);

/* No connection is free, but the server has answered within the last two seconds, with an extension that fits. */
extern bool pool_busy_but_well(const Pool *pool);

/* Nothing runs, waits or connects: the pool needs no tick soon. */
extern bool pool_quiet(const Pool *pool);

/* The extension's version fits this program; NULL fits not. */
extern bool pool_version_fits(const char *extversion);

/* What conn.c, one connection, and pool.c share. */

typedef enum ConnState
{
	CONN_CLOSED,
	CONN_CONNECTING,
	CONN_SETUP, /* preparing the statement, asking the version */
	CONN_IDLE,
	CONN_BUSY,
	CONN_STALE /* its job gave up waiting; closed when the server answers or soon */
} ConnState;

struct Conn
{
	Watch watch; /* first: the event's data */
	Pool *pool;
	PGconn *pg;
	ConnState state;
	int fd;
	uint32_t events;
	int setup_step;
	uint64_t since;	   /* of the state */
	Job *first, *last; /* its jobs, in the order in which they were sent; more than one only in a pipe */
	int jobs;
	bool pipe;	 /* busy with quick jobs, in pipeline mode */
	bool retire; /* takes no more jobs, and is closed after its last one */
	PGresult *result;
	size_t moved;  /* bytes of the current job, to bound libpq's buffers */
	bool complete; /* the statement's result arrived; its commit is not known yet */
	Conn *next;	   /* among the idle, or among the pipes */
};

/* libpq's buffers never shrink: a connection that moved more than this for one job is replaced */
#define LARGE_EXCHANGE ((size_t) 16 << 20)

struct Pool
{
	Loop *loop;
	const char *conninfo;
	const char *name;
	int size;
	Conn *conns;
	int slow_most;	/* so many connections at most for jobs that are not quick */
	int pipes_most; /* so many pipes are enough while they move */
	Conn *idle;		/* last used first, so that few backends stay warm */
	Conn *pipes;
	Job queue, quick, running; /* list heads: two queues, each in the order of the numbers */
	int queued, connecting, open, busy;
	int slow;		   /* connections that are busy with a job that is not quick */
	uint64_t number;   /* of the last job */
	uint64_t retry_at; /* no attempt to connect before */
	uint64_t backoff;
	uint64_t answered_at;
	bool down; /* no connection is open and the last attempt failed */
	bool fits; /* the extension's version, as of the last connection opened */
	PoolMetrics *metrics;
};

/* conn.c, called by pool.c */
extern void conn_open(Conn *conn);
extern void conn_close(Conn *conn);
extern bool conn_send(Conn *conn, Job *job, bool *perhaps_sent);
extern bool conn_end_pipe(Conn *conn);
extern void conn_cancel(Conn *conn);

/* pool.c, called by conn.c */
extern void pool_conn_ready(Conn *conn);  /* set up, or its job is done */
extern void pool_conn_failed(Conn *conn); /* could not be opened or set up */
extern void pool_conn_lost(Conn *conn, bool executed_nothing);
extern void pool_conn_answered(Conn *conn); /* the first job's result is complete */

#endif
