/*
 * conn.c: one asynchronous database connection, from PQconnectStart to PQfinish.
 *
 * A call is Bind, Execute, Sync on a statement prepared once. The server commits at the Sync, after it sent the
 * result: so a job is done only when the server is ready for the next query. A connection that breaks between
 * the two leaves the outcome unknown.
 *
 * Quick jobs are sent in libpq's pipeline mode, without waiting for those before them; the server answers in order.
 * That an answer is the job's own does not rest on order alone: each call carries a number, which comes back as a
 * column of its row. A connection that answers another number is closed, and nothing of it reaches a client.
 */
#include "pool.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "cancel.h"
#include "log.h"

#define STATEMENT "fhir_http"
#define CALL "SELECT status, headers, body, $5 FROM fhir_http($1, $2, $3, $4)"
#define PARAMETERS 5
#define COLUMNS 4
#define VERSION "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'fhir'"

static const Oid parameter_types[PARAMETERS] = {25, 25, 3802, 17, 20}; /* text, text, jsonb, bytea, int8 */

static void conn_event(Watch *watch, uint32_t events);

static bool
conn_wait(Conn *conn, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = &conn->watch};
	int fd = PQsocket(conn->pg);

	/* while connecting, libpq may close its socket and open another under the same number */
	if (fd == conn->fd && conn->events == events && conn->state != CONN_CONNECTING)
		return true;
	if (fd < 0)
		return false;
	if (epoll_ctl(conn->pool->loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0 &&
		(errno != ENOENT || epoll_ctl(conn->pool->loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0))
		return false;
	conn->fd = fd;
	conn->events = events;
	return true;
}

void
conn_open(Conn *conn)
{
	const char *const keys[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
	const char *const values[] = {conn->pool->conninfo, "UTF8", "fhir-gateway", NULL};

	conn->watch.ready = conn_event;
	conn->fd = -1;
	conn->events = 0;
	conn->setup_step = 0;
	conn->retire = false;
	conn->since = conn->pool->loop->now;
	conn->state = CONN_CONNECTING;
	conn->pg = PQconnectStartParams(keys, values, 1);
	if (conn->pg == NULL || PQstatus(conn->pg) == CONNECTION_BAD || !conn_wait(conn, EPOLLOUT))
		pool_conn_failed(conn);
}

void
conn_close(Conn *conn)
{
	PQclear(conn->result);
	conn->result = NULL;
	if (conn->pg != NULL)
	{
		/* libpq closes the socket, which takes it out of the epoll set */
		PQfinish(conn->pg);
		conn->pg = NULL;
	}
	conn->fd = -1;
	conn->state = CONN_CLOSED;
	conn->first = conn->last = NULL;
	conn->jobs = 0;
	conn->pipe = false;
}

/* Notices may quote data and help nobody here. */
static void
ignore_notice(void *arg, const char *message)
{
	(void) arg;
	(void) message;
}

static bool
conn_flush(Conn *conn)
{
	int left = PQflush(conn->pg);

	return left >= 0 && conn_wait(conn, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
setup_next(Conn *conn)
{
	bool sent;

	conn->state = CONN_SETUP;
	if (conn->setup_step == 0)
		sent = PQsetnonblocking(conn->pg, 1) == 0 && PQsendPrepare(conn->pg, STATEMENT, CALL, PARAMETERS, parameter_types);
	else
		sent = PQsendQuery(conn->pg, VERSION);
	if (!sent || !conn_flush(conn))
		pool_conn_failed(conn);
}

static void
connect_step(Conn *conn)
{
	bool waits = true;

	switch (PQconnectPoll(conn->pg))
	{
		case PGRES_POLLING_READING:
			waits = conn_wait(conn, EPOLLIN);
			break;
		case PGRES_POLLING_WRITING:
			waits = conn_wait(conn, EPOLLOUT);
			break;
		case PGRES_POLLING_OK:
			PQsetNoticeProcessor(conn->pg, ignore_notice, NULL);
			setup_next(conn);
			return;
		default:
			waits = false;
	}
	if (!waits)
		pool_conn_failed(conn);
}

/* The answer to a set-up query is complete. */
static void
setup_answered(Conn *conn)
{
	PGresult *result = conn->result;
	ExecStatusType status = PQresultStatus(result);

	if (conn->setup_step == 0 && status == PGRES_COMMAND_OK)
	{
		PQclear(result);
		conn->result = NULL;
		conn->setup_step = 1;
		setup_next(conn);
	}
	else if (conn->setup_step == 1 && status == PGRES_TUPLES_OK)
	{
		const char *version = PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : NULL;

		conn->pool->fits = pool_version_fits(version);
		if (!conn->pool->fits)
			log_error("%s database: version \"%s\" of the extension does not fit gateway version " FHIR_VERSION,
					  conn->pool->name, version ? version : "none");
		PQclear(result);
		conn->result = NULL;
		pool_conn_ready(conn);
	}
	else
		pool_conn_failed(conn);
}

static bool
send_call(Conn *conn, const Job *job)
{
	uint64_t number = htobe64(job->number);
	const char *values[PARAMETERS] = {job->method, job->url, job->headers, job->body_len ? job->body : "",
									  (const char *) &number};
	int lengths[PARAMETERS] = {0, 0, 0, (int) job->body_len, sizeof number};
	static const int formats[PARAMETERS] = {0, 0, 0, 1, 1};

	return PQsendQueryPrepared(conn->pg, STATEMENT, PARAMETERS, values, lengths, formats, 1);
}

bool
conn_send(Conn *conn, Job *job, bool *perhaps_sent)
{
	job->conn = conn;
	job->behind = NULL;
	if (conn->first == NULL)
	{
		conn->first = job;
		conn->since = conn->pool->loop->now;
		conn->complete = false;
		conn->moved = 0;
	}
	else
		conn->last->behind = job;
	conn->last = job;
	conn->jobs++;
	conn->state = CONN_BUSY;
	if (job->ping)
		*perhaps_sent = PQsendQuery(conn->pg, VERSION);
	else if (conn->pipe)
		*perhaps_sent = PQenterPipelineMode(conn->pg) && send_call(conn, job) && PQpipelineSync(conn->pg);
	else
	{
		conn->moved = job->body_len;
		/* false: the Sync at the end of the message did not go out, so that nothing can have been executed */
		*perhaps_sent = send_call(conn, job);
	}
	return *perhaps_sent && conn_flush(conn);
}

/* Back from pipeline mode: so that what does not share a connection is sent as ever. */
bool
conn_end_pipe(Conn *conn)
{
	return PQexitPipelineMode(conn->pg) == 1;
}

void
conn_cancel(Conn *conn)
{
	PGcancel *cancel = PQgetCancel(conn->pg);

	if (cancel != NULL)
		cancel_later(cancel);
}

/* Keeps the first error, else the first result: a commit may fail after the result was sent. */
static void
keep_result(Conn *conn, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK)
		conn->complete = true;
	if (conn->result == NULL || (status == PGRES_FATAL_ERROR && PQresultStatus(conn->result) != PGRES_FATAL_ERROR))
	{
		PQclear(conn->result);
		conn->result = result;
	}
	else
		PQclear(result);
}

/* The server ended the session itself before the result: the transaction was rolled back. */
static bool
rolled_back_by_shutdown(const Conn *conn)
{
	const char *state = conn->result ? PQresultErrorField(conn->result, PG_DIAG_SQLSTATE) : NULL;

	return !conn->complete && state != NULL && strncmp(state, "57P0", 4) == 0;
}

static void
conn_broken(Conn *conn)
{
	if (conn->state == CONN_SETUP || conn->state == CONN_CONNECTING)
		pool_conn_failed(conn);
	else
		pool_conn_lost(conn, rolled_back_by_shutdown(conn));
}

/* Does the answer carry the number of the job? An error carries none, and no data. */
static bool
answers(const Conn *conn, const Job *job)
{
	const PGresult *result = conn->result;
	uint64_t number;

	if (job == NULL || job->ping || PQresultStatus(result) != PGRES_TUPLES_OK)
		return true;
	if (PQntuples(result) != 1 || PQnfields(result) != COLUMNS || PQgetlength(result, 0, COLUMNS - 1) != sizeof number)
		return false;
	memcpy(&number, PQgetvalue(result, 0, COLUMNS - 1), sizeof number);
	return be64toh(number) == job->number;
}

/* The server has answered the first job and its transaction has ended. False: the connection is not to be trusted. */
static bool
job_answered(Conn *conn)
{
	if (!answers(conn, conn->first))
	{
		log_error("%s database: an answer came that belongs to another request; the connection is closed",
				  conn->pool->name);
		return false;
	}
	if (conn->result != NULL)
		conn->moved += PQresultMemorySize(conn->result);
	pool_conn_answered(conn);
	return true;
}

/* Takes what has arrived; false when the connection is of no more use. */
static bool
take_results(Conn *conn)
{
	int nothing = 0;

	while (conn->pg != NULL && !PQisBusy(conn->pg))
	{
		PGresult *result = PQgetResult(conn->pg);
		bool synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;

		if (PQstatus(conn->pg) == CONNECTION_BAD)
		{
			if (result != NULL)
				keep_result(conn, result);
			return false;
		}
		if (result != NULL && !synced)
		{
			keep_result(conn, result);
			nothing = 0;
			continue;
		}
		PQclear(result);
		/* in a pipe each statement's results end with nothing, and then comes its Sync */
		if (conn->pipe && conn->first != NULL && !synced)
		{
			if (++nothing > 1)
				return false;
			continue;
		}
		nothing = 0;
		/* ready for the next query; on an idle connection only a parameter status or the like arrived */
		if (conn->state == CONN_SETUP)
			setup_answered(conn);
		else if (conn->state != CONN_BUSY && conn->state != CONN_STALE)
			return true;
		else if (synced != conn->pipe || !job_answered(conn))
			return false;
		/* what else has arrived is for the jobs behind */
		if (conn->first == NULL || !conn->pipe)
			return true;
	}
	return true;
}

static void
conn_event(Watch *watch, uint32_t events)
{
	Conn *conn = (Conn *) watch;
	bool consumed, sound;

	if (conn->state == CONN_CLOSED)
		return;
	if (conn->state == CONN_CONNECTING)
	{
		connect_step(conn);
		return;
	}
	if ((events & EPOLLOUT) && !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
	{
		if (!conn_flush(conn))
			conn_broken(conn);
		return;
	}
	consumed = PQconsumeInput(conn->pg) == 1;
	sound = take_results(conn);
	/* closed, perhaps even opened anew, by what its answer led to */
	if (conn->pg == NULL || conn->state == CONN_CONNECTING)
		return;
	if (!sound || !consumed || PQstatus(conn->pg) == CONNECTION_BAD)
		conn_broken(conn);
	else if ((events & EPOLLOUT) && !conn_flush(conn))
		conn_broken(conn);
}
