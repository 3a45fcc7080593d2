/*
 * pool.c: who gets a connection, when connections are opened, and what becomes of jobs whose connection breaks.
 *
 * A job ends exactly once. It is sent a second time only when the first certainly had no effect (it was not
 * sent, or the server announced its shutdown before the result), or when it only reads; never a third time.
 * A connection on which a cancel was sent is never used again: the cancel could hit the next statement. If it hits
 * another job of the same pipe, that one is repeated.
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
#define PIPE_DEPTH 16
#define PIPE_STUCK UINT64_C(5000) /* a job that takes longer was not quick: nothing joins its pipe */
#define CANCEL_AGE UINT64_C(50000)
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
	pool->slow_most = size >= 4 ? size - 1 : size; /* one is left for quick jobs */
	pool->pipes_most = (size + 3) / 4;			   /* the default pool has four connections a core */
	pool->queue.next = pool->queue.previous = &pool->queue;
	pool->quick.next = pool->quick.previous = &pool->quick;
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
enqueue(Pool *pool, Job *job, bool in_front)
{
	Job *queue = job->quick ? &pool->quick : &pool->queue;

	if (in_front)
		list_push(queue, job);
	else
		list_append(queue, job);
	pool->queued++;
}

static void
dequeue(Pool *pool, Job *job)
{
	list_remove(job);
	pool->queued--;
}

static Job *
first_of(Job *head)
{
	return head->next != head ? head->next : NULL;
}

/* Everybody who waits hears that there is no database. */
static void
pool_fail_queue(Pool *pool)
{
	Job *job;

	while ((job = first_of(&pool->queue)) != NULL || (job = first_of(&pool->quick)) != NULL)
	{
		dequeue(pool, job);
		job_finish(pool, job, JOB_UNAVAILABLE, NULL);
	}
}

/* Opens a connection if somebody waits for one, if there could be another pipe, or if none is open. */
static void
pool_grow(Pool *pool)
{
	int wanted = pool->queued;

	if (wanted == 0)
		wanted = pool->open == 0 || (pool->idle == NULL && pool->pipes != NULL && pool->pipes->jobs > 1 &&
									 pool->busy - pool->slow < pool->pipes_most);
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
	conn->next = conn->pool->idle;
	conn->pool->idle = conn;
}

static void
conn_unlink(Conn **list, Conn *conn)
{
	while (*list != conn)
		list = &(*list)->next;
	*list = conn->next;
}

/* Takes a connection that had work out of the count and its list. */
static void
conn_not_busy(Conn *conn)
{
	Pool *pool = conn->pool;

	pool->busy--;
	if (conn->pipe)
		conn_unlink(&pool->pipes, conn);
	else
		pool->slow--;
	conn->pipe = false;
}

/*
 * Where a quick job goes: on an idle connection while there are fewer pipes than processors, then into the shortest pipe
 * that moves: a backend that is awake takes the next request for half of what it costs to wake another.
 */
static Conn *
quick_place(const Pool *pool)
{
	Conn *best = NULL;
	int moving = 0;

	for (Conn *conn = pool->pipes; conn != NULL; conn = conn->next)
	{
		if (conn->retire || pool->loop->now - conn->since > PIPE_STUCK)
			continue;
		moving++;
		if (conn->jobs < PIPE_DEPTH && (best == NULL || conn->jobs < best->jobs))
			best = conn;
	}
	return pool->idle != NULL && (best == NULL || moving < pool->pipes_most) ? pool->idle : best;
}

/* Where a job goes that wants a connection for itself. */
static Conn *
slow_place(const Pool *pool, const Job *job)
{
	return pool->slow < pool->slow_most || job->ping ? pool->idle : NULL;
}

static void
give(Pool *pool, Job *job, Conn *conn)
{
	bool perhaps_sent;

	dequeue(pool, job);
	list_append(&pool->running, job);
	if (conn->state == CONN_IDLE)
	{
		pool->idle = conn->next;
		pool->busy++;
		conn->pipe = job->quick;
		if (job->quick)
		{
			conn->next = pool->pipes;
			pool->pipes = conn;
		}
		else
			pool->slow++;
	}
	else
		metric_add(&pool->metrics->pipelined, 1);
	if (!conn_send(conn, job, &perhaps_sent))
		pool_conn_lost(conn, !perhaps_sent);
}

/*
 * Gives waiting jobs to connections, the oldest first. While a slow job waits that may have a connection, no younger
 * quick one joins a pipe: so pipes run empty, and neither kind can starve the other.
 */
static void
pool_dispatch(Pool *pool)
{
	for (;;)
	{
		Job *slow = first_of(&pool->queue), *quick = first_of(&pool->quick);
		Conn *slow_conn = slow != NULL ? slow_place(pool, slow) : NULL;
		Conn *quick_conn = quick != NULL ? quick_place(pool) : NULL;
		bool quick_first = slow == NULL || (quick != NULL && quick->number < slow->number);

		if (quick_conn != NULL && (quick_first || pool->slow >= pool->slow_most))
			give(pool, quick, quick_conn);
		else if (slow_conn != NULL)
			give(pool, slow, slow_conn);
		else
			break;
	}
	pool_grow(pool);
	pool_count(pool);
}

/* Connections that can still be opened count as free: who takes one of them does not wait in the queue. */
void
pool_submit(Pool *pool, Job *job)
{
	bool has_place = (job->quick ? quick_place(pool) : slow_place(pool, job)) != NULL;

	job->active = true;
	job->retried = false;
	job->expired_at = 0;
	job->number = job->ping ? 0 : ++pool->number;
	if (pool->down)
		job_finish(pool, job, JOB_UNAVAILABLE, NULL);
	else if (!has_place && !job->ping && pool->queued >= (int) opt.queue + pool->size - pool->open)
		job_finish(pool, job, JOB_FULL, NULL);
	else
	{
		enqueue(pool, job, job->ping);
		pool_dispatch(pool);
	}
}

/* The connection was set up. */
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

/* To the front of its queue: it is older than what waits there. */
static void
job_again(Pool *pool, Job *job)
{
	metric_add(&pool->metrics->retries, 1);
	job->retried = true;
	job->conn = NULL;
	enqueue(pool, job, true);
}

static void
job_lost(Pool *pool, Job *job, bool executed_nothing)
{
	list_remove(job);
	if (job->expired_at != 0)
		job_finish(pool, job, executed_nothing || job->read_only ? JOB_EXPIRED : JOB_UNKNOWN, NULL);
	else if (!executed_nothing && !job->read_only)
		job_finish(pool, job, JOB_UNKNOWN, NULL);
	else if (job->retried)
		job_finish(pool, job, JOB_UNAVAILABLE, NULL);
	else
		job_again(pool, job);
}

/* The last one goes first, so that those which are repeated stand in the queue in their old order. */
static void
jobs_lost(Pool *pool, Job *job, bool executed_nothing)
{
	if (job == NULL)
		return;
	jobs_lost(pool, job->behind, executed_nothing); /* not deeper than PIPE_DEPTH */
	job_lost(pool, job, executed_nothing);
}

void
pool_conn_lost(Conn *conn, bool executed_nothing)
{
	Pool *pool = conn->pool;
	Job *jobs = conn->first;

	if (conn->state == CONN_IDLE)
		conn_unlink(&pool->idle, conn);
	else
		conn_not_busy(conn);
	pool->open--;
	metric_add(&pool->metrics->lost, 1);
	conn_close(conn);
	jobs_lost(pool, jobs, executed_nothing);
	pool_dispatch(pool);
}

/*
 * Serialization failures and deadlocks were rolled back whole: once more. And so what was cancelled in place of another job
 * of its pipe.
 */
static bool
worth_retrying(const Conn *conn, const Job *job, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (job->retried || job->expired_at != 0 || state == NULL)
		return false;
	return strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 ||
		   (conn->pipe && conn->retire && strcmp(state, "57014") == 0);
}

/* The schema under the prepared statement changed: such a connection is opened anew. */
static bool
statement_is_stale(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state != NULL && (strcmp(state, "42883") == 0 || strcmp(state, "0A000") == 0 ||
							 strcmp(state, "26000") == 0 || strcmp(state, "3F000") == 0);
}

/* What becomes of a connection whose last job was answered */
static void
conn_done(Conn *conn)
{
	Pool *pool = conn->pool;
	bool ended = !conn->pipe || conn_end_pipe(conn);

	conn_not_busy(conn);
	if (ended && !conn->retire)
	{
		conn_idle(conn);
		return;
	}
	pool->open--;
	conn_close(conn);
}

void
pool_conn_answered(Conn *conn)
{
	Pool *pool = conn->pool;
	Job *job = conn->first;
	PGresult *result = conn->result;
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK, again;

	if (conn->moved > LARGE_EXCHANGE || conn->state == CONN_STALE || (!ok && statement_is_stale(result)))
		conn->retire = true;
	again = job != NULL && !ok && worth_retrying(conn, job, result);
	conn->result = NULL;
	conn->moved = 0;
	conn->complete = false;
	conn->since = pool->loop->now;
	pool->answered_at = pool->loop->now;
	if (job != NULL)
	{
		list_remove(job);
		conn->first = job->behind;
		conn->jobs--;
	}
	if (conn->first == NULL)
		conn_done(conn);
	if (job != NULL && !again && (ok || job->expired_at == 0))
		job_finish(pool, job, ok ? JOB_DONE : JOB_FAILED, result);
	else
	{
		PQclear(result);
		if (again)
			job_again(pool, job);
		else if (job != NULL)
			job_finish(pool, job, JOB_EXPIRED, NULL);
	}
	pool_dispatch(pool);
}

static void
expire_queue(Pool *pool, Job *queue)
{
	for (Job *job = queue->next, *next; job != queue; job = next)
	{
		next = job->next;
		if (job->deadline <= pool->loop->now)
		{
			dequeue(pool, job);
			job_finish(pool, job, JOB_EXPIRED, NULL);
		}
	}
}

/* Gives up waiting for a cancelled job. A write's outcome is unknown; its connection may still tell that it has ended. */
static void
leave_behind(Pool *pool, Job *job)
{
	Conn *conn = job->conn;

	if (conn->pipe)
	{
		pool_conn_lost(conn, true);
		return;
	}
	conn->state = CONN_STALE;
	conn->since = pool->loop->now;
	conn->first = conn->last = NULL;
	conn->jobs = 0;
	list_remove(job);
	job_finish(pool, job, job->read_only ? JOB_EXPIRED : JOB_UNKNOWN, NULL);
}

/*
 * Cancels what is late; what does not end after the cancel is left behind. Of a pipe only the first job runs: the others
 * have their turn when it has ended, one way or the other.
 */
static void
expire_running(Pool *pool)
{
	for (Job *job = pool->running.next, *next; job != &pool->running; job = next)
	{
		uint64_t now = pool->loop->now;

		next = job->next;
		if (job->deadline > now || job->conn->first != job || (job->quick && now - job->conn->since < CANCEL_AGE))
			continue;
		if (job->expired_at == 0)
		{
			job->expired_at = now;
			job->conn->retire = true;
			metric_add(&pool->metrics->cancels, 1);
			conn_cancel(job->conn);
		}
		else if (now - job->expired_at > CANCEL_GRACE)
		{
			leave_behind(pool, job);
			next = pool->running.next; /* others of its pipe may have left the list, too */
		}
	}
}

void
pool_tick(Pool *pool)
{
	expire_queue(pool, &pool->queue);
	expire_queue(pool, &pool->quick);
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
