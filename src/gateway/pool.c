/*
 * pool.c: who gets a connection, when connections are opened, and what becomes of jobs whose connection breaks.
 *
 * A job ends exactly once. It is sent a second time only when the first certainly had no effect (it was not
 * sent, or the server announced its shutdown before the result), or when it only reads; never a third time.
 * A connection on which a cancel was sent is never used again: the cancel could hit the next statement.
 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "options.h"

#define CONNECT_TIMEOUT UINT64_C(10000000)
#define BACKOFF_FIRST UINT64_C(100000)
#define BACKOFF_MOST UINT64_C(5000000)
#define FRESH UINT64_C(2000000)
#define CANCEL_GRACE UINT64_C(2000000) /* how long a cancelled statement may take to end */

static void pool_dispatch(Pool *pool);

static void
list_append(Job *head, Job *job)
{
	job->previous = head->previous;
	job->next = head;
	head->previous->next = job;
	head->previous = job;
}

static void
list_push(Job *head, Job *job)
{
	list_append(head->next, job);
}

static void
list_remove(Job *job)
{
	job->previous->next = job->next;
	job->next->previous = job->previous;
}

static void
pool_count(Pool *pool)
{
	metric_set(&pool->metrics->queued, (uint64_t) pool->queued);
	metric_set(&pool->metrics->connecting, (uint64_t) pool->connecting);
	metric_set(&pool->metrics->busy, (uint64_t) pool->busy);
	metric_set(&pool->metrics->idle, (uint64_t) (pool->open - pool->busy));
}

Pool *
pool_create(Loop *loop, const char *conninfo, int size, PoolMetrics *metrics, const char *name)
{
	Pool *pool = xalloc(sizeof *pool);

	pool->loop = loop;
	pool->conninfo = conninfo;
	pool->name = name;
	pool->size = size;
	pool->metrics = metrics;
	pool->backoff = BACKOFF_FIRST;
	pool->queue.next = pool->queue.previous = &pool->queue;
	pool->running.next = pool->running.previous = &pool->running;
	pool->conns = xalloc((size_t) size * sizeof *pool->conns);
	for (int i = 0; i < size; i++)
		pool->conns[i].pool = pool;
	pool_tick(pool);
	return pool;
}

bool
pool_alive(const Pool *pool)
{
	return pool->open > 0;
}

bool
pool_busy_but_well(const Pool *pool)
{
	return pool->open > 0 && pool->idle == NULL && pool->fits && pool->loop->now - pool->answered_at < FRESH;
}

bool
pool_quiet(const Pool *pool)
{
	return pool->queued == 0 && pool->busy == 0 && pool->connecting == 0 && pool->open > 0;
}

/* Same major version; within 0.x the same minor version or a later one. */
bool
pool_version_fits(const char *extversion)
{
	char *end;
	long major, minor, own_major, own_minor;

	if (extversion == NULL)
		return false;
	major = strtol(extversion, &end, 10);
	minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	own_major = strtol(FHIR_VERSION, &end, 10);
	own_minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	return major == own_major && minor >= own_minor;
}

static void
job_finish(Pool *pool, Job *job, JobEnd end, PGresult *result)
{
	if (end == JOB_UNAVAILABLE || end == JOB_FULL)
		metric_add(&pool->metrics->rejected, 1);
	job->active = false;
	job->conn = NULL;
	job->end = end;
	job->result = result;
	job->done(job);
}

static void
dequeue(Pool *pool, Job *job)
{
	list_remove(job);
	pool->queued--;
}

/* Everybody who waits hears that there is no database. */
static void
pool_fail_queue(Pool *pool)
{
	while (pool->queue.next != &pool->queue)
	{
		Job *job = pool->queue.next;

		dequeue(pool, job);
		job_finish(pool, job, JOB_UNAVAILABLE, NULL);
	}
}

/* Opens a connection if somebody waits for one, or if none is open. */
static void
pool_grow(Pool *pool)
{
	int wanted = pool->queued > 0 ? pool->queued : pool->open == 0 ? 1 : 0;

	if (pool->loop->now < pool->retry_at)
		return;
	for (int i = 0; i < pool->size && pool->connecting < wanted; i++)
		if (pool->conns[i].state == CONN_CLOSED)
		{
			pool->connecting++;
			conn_open(&pool->conns[i]);
			/* a failure within conn_open has set retry_at */
			if (pool->loop->now < pool->retry_at)
				break;
		}
}

static void
conn_idle(Conn *conn)
{
	conn->state = CONN_IDLE;
	conn->next_idle = conn->pool->idle;
	conn->pool->idle = conn;
}

static void
unlink_idle(Conn *conn)
{
	Conn **at = &conn->pool->idle;

	while (*at != conn)
		at = &(*at)->next_idle;
	*at = conn->next_idle;
}

/* Gives waiting jobs to idle connections. */
static void
pool_dispatch(Pool *pool)
{
	while (pool->idle != NULL && pool->queue.next != &pool->queue)
	{
		Job *job = pool->queue.next;
		Conn *conn = pool->idle;
		bool perhaps_sent;

		pool->idle = conn->next_idle;
		dequeue(pool, job);
		list_append(&pool->running, job);
		pool->busy++;
		if (!conn_send(conn, job, &perhaps_sent))
			pool_conn_lost(conn, !perhaps_sent);
	}
	pool_grow(pool);
	pool_count(pool);
}

/* Connections that can still be opened count as free: who takes one of them does not wait in the queue. */
void
pool_submit(Pool *pool, Job *job)
{
	job->active = true;
	job->retried = false;
	job->expired_at = 0;
	if (pool->down)
		job_finish(pool, job, JOB_UNAVAILABLE, NULL);
	else if (pool->idle == NULL && !job->ping && pool->queued >= (int) opt.queue + pool->size - pool->open)
		job_finish(pool, job, JOB_FULL, NULL);
	else
	{
		if (job->ping)
			list_push(&pool->queue, job);
		else
			list_append(&pool->queue, job);
		pool->queued++;
		pool_dispatch(pool);
	}
}

/* The connection's job is answered, or the connection was set up. */
void
pool_conn_ready(Conn *conn)
{
	Pool *pool = conn->pool;

	pool->connecting--;
	pool->open++;
	if (pool->down)
		log_error("%s database: connected", pool->name);
	pool->down = false;
	pool->backoff = BACKOFF_FIRST;
	pool->answered_at = pool->loop->now;
	metric_add(&pool->metrics->connects, 1);
	conn_idle(conn);
	pool_dispatch(pool);
}

void
pool_conn_failed(Conn *conn)
{
	Pool *pool = conn->pool;
	const char *why = PQresultErrorMessage(conn->result);

	if (why == NULL || *why == '\0')
		why = conn->pg ? PQerrorMessage(conn->pg) : "out of memory";
	metric_add(&pool->metrics->connect_failures, 1);
	/* said once while the database is down; each time when others are open, which backs off, too */
	if (!pool->down)
		log_error("%s database: %s: %.500s", pool->name, pool->open > 0 ? "no further connection" : "not available",
				  *why ? why : "no answer in time");
	pool->down = pool->open == 0;
	conn_close(conn);
	pool->connecting--;
	pool->retry_at = pool->loop->now + pool->backoff;
	pool->backoff = pool->backoff * 2 < BACKOFF_MOST ? pool->backoff * 2 : BACKOFF_MOST;
	if (pool->open == 0)
		pool_fail_queue(pool);
	pool_count(pool);
}

void
pool_conn_lost(Conn *conn, bool executed_nothing)
{
	Pool *pool = conn->pool;
	Job *job = conn->job;

	if (conn->state == CONN_IDLE)
		unlink_idle(conn);
	else
		pool->busy--;
	pool->open--;
	metric_add(&pool->metrics->lost, 1);
	conn_close(conn);
	if (job != NULL)
	{
		list_remove(job);
		if (job->expired_at != 0)
			job_finish(pool, job, executed_nothing || job->read_only ? JOB_EXPIRED : JOB_UNKNOWN, NULL);
		else if (!executed_nothing && !job->read_only)
			job_finish(pool, job, JOB_UNKNOWN, NULL);
		else if (job->retried)
			job_finish(pool, job, JOB_UNAVAILABLE, NULL);
		else
		{
			metric_add(&pool->metrics->retries, 1);
			job->retried = true;
			job->conn = NULL;
			list_push(&pool->queue, job);
			pool->queued++;
		}
	}
	pool_dispatch(pool);
}

/* Serialization failures and deadlocks were rolled back whole: once more. */
static bool
worth_retrying(const Job *job, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return !job->retried && job->expired_at == 0 && state != NULL &&
		   (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0);
}

/* The schema under the prepared statement changed: such a connection is opened anew. */
static bool
statement_is_stale(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state != NULL && (strcmp(state, "42883") == 0 || strcmp(state, "0A000") == 0 ||
							 strcmp(state, "26000") == 0 || strcmp(state, "3F000") == 0);
}

void
pool_conn_answered(Conn *conn)
{
	Pool *pool = conn->pool;
	Job *job = conn->job;
	PGresult *result = conn->result;
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;
	bool replace = conn->moved > LARGE_EXCHANGE || conn->state == CONN_STALE || job->expired_at != 0 ||
				   (!ok && statement_is_stale(result));

	conn->result = NULL;
	conn->job = NULL;
	conn->moved = 0;
	pool->answered_at = pool->loop->now;
	pool->busy--;
	if (replace)
	{
		pool->open--;
		conn_close(conn);
	}
	else
		conn_idle(conn);
	if (job == NULL)
		PQclear(result);
	else
	{
		list_remove(job);
		if (!ok && worth_retrying(job, result))
		{
			PQclear(result);
			metric_add(&pool->metrics->retries, 1);
			job->retried = true;
			job->conn = NULL;
			list_push(&pool->queue, job);
			pool->queued++;
		}
		else if (!ok && job->expired_at != 0)
		{
			PQclear(result);
			job_finish(pool, job, JOB_EXPIRED, NULL);
		}
		else
			job_finish(pool, job, ok ? JOB_DONE : JOB_FAILED, result);
	}
	pool_dispatch(pool);
}

static void
expire_queue(Pool *pool)
{
	for (Job *job = pool->queue.next, *next; job != &pool->queue; job = next)
	{
		next = job->next;
		if (job->deadline <= pool->loop->now)
		{
			dequeue(pool, job);
			job_finish(pool, job, JOB_EXPIRED, NULL);
		}
	}
}

/* Cancels what is late; what does not end after the cancel is left behind, its outcome unknown. */
static void
expire_running(Pool *pool)
{
	for (Job *job = pool->running.next, *next; job != &pool->running; job = next)
	{
		next = job->next;
		if (job->deadline > pool->loop->now)
			continue;
		if (job->expired_at == 0)
		{
			job->expired_at = pool->loop->now;
			metric_add(&pool->metrics->cancels, 1);
			conn_cancel(job->conn);
		}
		else if (pool->loop->now - job->expired_at > CANCEL_GRACE)
		{
			job->conn->state = CONN_STALE;
			job->conn->since = pool->loop->now;
			job->conn->job = NULL;
			list_remove(job);
			job_finish(pool, job, job->read_only ? JOB_EXPIRED : JOB_UNKNOWN, NULL);
		}
	}
}

void
pool_tick(Pool *pool)
{
	expire_queue(pool);
	expire_running(pool);
	for (int i = 0; i < pool->size; i++)
	{
		Conn *conn = &pool->conns[i];
		uint64_t age = pool->loop->now - conn->since;

		if ((conn->state == CONN_CONNECTING || conn->state == CONN_SETUP) && age > CONNECT_TIMEOUT)
			pool_conn_failed(conn);
		else if (conn->state == CONN_STALE && age > CANCEL_GRACE)
			pool_conn_lost(conn, false);
	}
	pool_grow(pool);
	pool_count(pool);
}
