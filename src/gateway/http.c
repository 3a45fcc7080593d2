/*
 * http.c: the HTTP daemon's callbacks, and the life of client connections and requests.
 *
 * The daemon runs in the loop's thread. A request whose answer comes from the database is suspended when it is
 * complete and resumed when the answer is there. The daemon can answer before or after a body, not in the middle
 * of it; so where a body has to be refused while it arrives, the answer is written to the socket directly
 * (not with TLS) and what still arrives is dropped for a moment, so that the client gets to read the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "request.h"

#define BODY_RATE 1024			 /* bytes a second that a body must make on the average */
#define LINGER UINT64_C(2000000) /* how long bytes are dropped after an early answer */
#define HANG_UP_AGE UINT64_C(200000)
#define BACKLOG_RUNS 20
#define KEEP_BUFFER 65536		 /* larger buffers are not kept for the next request */

static char *tls_cert, *tls_key;

static void
client_phase(Client *client, Phase phase)
{
	client->phase = phase;
	client->since = client->loop->now;
}

static void
describe_peer(Client *client, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *) address)->sin_addr, client->address,
				  sizeof client->address);
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *) address)->sin6_addr, client->address,
				  sizeof client->address);
	else
		strcpy(client->address, "unix");
	client->trusted = trust_address(address);
}

static void
client_notify(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
	Loop *loop = arg;
	Client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		client = xalloc(sizeof *client);
		client->loop = loop;
		client->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		describe_peer(client,
					  MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
		client_phase(client, PHASE_HEADER);
		client->next = loop->clients;
		if (client->next != NULL)
			client->next->previous = client;
		loop->clients = client;
		*context = client;
		metric_add(&loop->metrics.connections_total, 1);
		metric_add(&loop->metrics.connections, 1);
	}
	else if (client != NULL)
	{
		if (client->next != NULL)
			client->next->previous = client->previous;
		if (client->previous != NULL)
			client->previous->next = client->next;
		else
			loop->clients = client->next;
		free(client);
		*context = NULL;
		metric_add(&loop->metrics.connections, (uint64_t) -1);
	}
}

/* The request line is parsed: a request begins. */
static void *
request_start(void *arg, const char *target, struct MHD_Connection *connection)
{
	Loop *loop = arg;
	Request *r = loop->spare_requests;

	if (r != NULL)
		loop->spare_requests = r->next_spare;
	else
		r = xalloc(sizeof *r);
	r->loop = loop;
	r->connection = connection;
	r->client = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	r->client->request = r;
	r->started = now_microseconds();
	r->method = METHOD_OTHER; /* until the header is complete */
	/* an absolute target (RFC 9112, 3.2.2) names the host once more: the path counts */
	if (strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0)
	{
		target = strstr(target, "://") + 3;
		target += strcspn(target, "/?#");
	}
	if (*target != '/' && *target != '*')
		buf_putc(&r->target, '/');
	buf_puts(&r->target, target);
	loop->requests++;
	metric_add(&loop->metrics.in_progress, 1);
	return r;
}

static void
keep_buffer(Buf *b)
{
	if (b->cap > KEEP_BUFFER)
		buf_free(b);
	buf_reset(b);
}

/* The daemon is done with the request. */
static void
request_end(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
	Loop *loop = arg;
	Request *r = *context, clean = {0};
	uint64_t took;
	int status;

	if (r == NULL)
		return;
	*context = NULL;
	took = now_microseconds() - r->started;
	if (r->status == 0)
	{
		/* the daemon itself refused a header it could not parse */
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);

		r->status = info != NULL ? (int) info->http_status : 0;
	}
	status = code == MHD_REQUEST_TERMINATED_COMPLETED_OK || r->client->phase == PHASE_LINGER ? r->status : 0;
	metrics_request(&loop->metrics, r->method, status, took, r->in, r->out);
	log_request(loop, r->id, r->peer[0] ? r->peer : r->client->address, r->method_text, r->target.data, status, r->in, r->out, took);
	r->client->request = NULL;
	client_phase(r->client, r->client->phase == PHASE_LINGER ? PHASE_LINGER : PHASE_HEADER);
	body_free(r);
	PQclear(r->result);
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	keep_buffer(&r->target);
	keep_buffer(&r->url);
	keep_buffer(&r->headers);
	keep_buffer(&r->body);
	keep_buffer(&r->text);
	clean.target = r->target;
	clean.url = r->url;
	clean.headers = r->headers;
	clean.body = r->body;
	clean.text = r->text;
	clean.next_spare = loop->spare_requests;
	*r = clean;
	loop->spare_requests = r;
	loop->requests--;
	metric_add(&loop->metrics.in_progress, (uint64_t) -1);
}

static enum MHD_Result
queue_response(Request *r)
{
	client_phase(r->client, PHASE_ANSWER);
	return MHD_queue_response(r->connection, (unsigned int) r->status, r->response);
}

bool
http_answer_early(Request *r)
{
	Buf out = {0};
	ssize_t sent;

	if (opt.tls_cert[0] != '\0')
		return false;
	reply_raw(r, &out);
	sent = send(r->client->fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_free(&out);
	body_free(r);
	buf_free(&r->body);
	client_phase(r->client, PHASE_LINGER);
	return sent > 0;
}

/* The header is complete: refuse, or let the body come. */
static enum MHD_Result
header_complete(Request *r, const char *method, const char *version)
{
	r->begun = true;
	if (intake_begin(r, method, version))
	{
		client_phase(r->client, r->has_body ? PHASE_BODY : PHASE_ANSWER);
		return MHD_YES;
	}
	/* without a body the answer can wait for its turn, and the connection lives on */
	if (!r->has_body && !r->must_close)
		return MHD_YES;
	if (r->expects_continue || r->must_close || !http_answer_early(r))
		return queue_response(r);
	return MHD_YES;
}

static enum MHD_Result
body_part(Request *r, const char *data, size_t len)
{
	if (r->client->phase == PHASE_LINGER)
		return MHD_YES;
	if (body_append(r, data, len) || http_answer_early(r))
		return MHD_YES;
	return MHD_NO;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
		   const char *data, size_t *len, void **context)
{
	Request *r = *context;

	(void) arg;
	(void) connection;
	(void) url;
	if (!r->begun)
		/* after an early answer the next bytes are not to be taken for a request */
		return r->client->phase == PHASE_LINGER ? MHD_NO : header_complete(r, method, version);
	if (*len > 0)
	{
		size_t n = *len;

		*len = 0;
		return body_part(r, data, n);
	}
	if (r->client->phase == PHASE_LINGER)
		return MHD_NO;
	if (r->response == NULL && !r->sent && body_end(r))
	{
		client_phase(r->client, PHASE_ANSWER);
		route(r);
		if (r->sent)
			return MHD_YES; /* suspended */
	}
	return r->response != NULL ? queue_response(r) : MHD_NO;
}

void
http_resume(Request *r)
{
	r->loop->resumed = true;
	MHD_resume_connection(r->connection);
}

/*
 * Has the client closed its side while the daemon waits for more? The daemon misses that when the end arrives together
 * with data (libmicrohttpd 0.9.75: edge-triggered, and a short read is taken for the last).
 */
static bool
hung_up(const Client *client, uint64_t age)
{
	char byte;
	ssize_t n;

	if (age < HANG_UP_AGE)
		return false;
	n = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/*
 * Closes connections that keep the daemon waiting. A body must come at a minimal rate. A read whose client is gone
 * is cancelled: its answer helps nobody, and it keeps a database connection busy. Writes run to their end.
 */
void
http_tick(Loop *loop)
{
	for (Client *client = loop->clients; client != NULL; client = client->next)
	{
		uint64_t age = loop->now - client->since;
		uint64_t idle = (uint64_t) opt.idle_timeout;
		Request *r = client->request;

		if (client->phase == PHASE_HEADER && (age > idle || hung_up(client, age)))
			shutdown(client->fd, SHUT_RDWR);
		else if (client->phase == PHASE_BODY && hung_up(client, age))
			shutdown(client->fd, SHUT_RDWR);
		else if (client->phase == PHASE_BODY && r != NULL && age > idle + r->in * 1000000 / BODY_RATE)
		{
			reply_error(r, 408, "timeout", "The body did not arrive in time");
			if (!http_answer_early(r))
				shutdown(client->fd, SHUT_RDWR);
		}
		else if (client->phase == PHASE_LINGER && age > LINGER)
			shutdown(client->fd, SHUT_RDWR);
		else if (client->phase == PHASE_ANSWER && r != NULL && r->job.active && r->job.read_only && hung_up(client, age))
			r->job.deadline = loop->now;
	}
}

/*
 * Accepts no more. Clients that wait between two requests are told so by closing the reading side: a request
 * that has already arrived is still answered.
 */
void
http_quiesce(Loop *loop)
{
	static atomic_int quiesced;
	int listen_fd;

	for (int i = 0; i < BACKLOG_RUNS; i++)
		MHD_run(loop->daemon); /* accepts what waits in the backlog, ten a run */
	listen_fd = MHD_quiesce_daemon(loop->daemon);
	loop->quiesced = true;
	/* all loops share it: the last one closes it, so that new clients are refused rather than kept waiting */
	if (atomic_fetch_add(&quiesced, 1) + 1 == loop_count && listen_fd >= 0)
		close(listen_fd);
	for (Client *client = loop->clients; client != NULL; client = client->next)
		if (client->phase == PHASE_HEADER)
			shutdown(client->fd, SHUT_RD);
}

static size_t
no_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
	(void) arg;
	(void) connection;
	return strlen(text); /* the database decodes what was sent */
}

static char *
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	Buf b = {0};
	char part[4096];
	size_t n;

	if (f == NULL)
	{
		log_error("cannot read \"%s\"", path);
		return NULL;
	}
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		buf_append(&b, part, n);
	fclose(f);
	return b.data;
}

struct MHD_Daemon *
http_start(Loop *loop, int listen_fd)
{
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
	size_t memory = (size_t) opt.max_header * 2; /* the daemon clears it for each request: not more than needed */
	unsigned int connections = (unsigned int) (opt.max_connections / opt.threads);
	struct MHD_OptionItem tls[] = {{MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};

	if (opt.tls_cert[0] != '\0')
	{
		if (tls_cert == NULL && ((tls_cert = read_file(opt.tls_cert)) == NULL ||
								 (tls_key = read_file(opt.tls_key)) == NULL))
			return NULL;
		flags |= MHD_USE_TLS;
		tls[0] = (struct MHD_OptionItem) {MHD_OPTION_HTTPS_MEM_CERT, 0, tls_cert};
		tls[1] = (struct MHD_OptionItem) {MHD_OPTION_HTTPS_MEM_KEY, 0, tls_key};
	}
	return MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, loop, MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory < 32768 ? (size_t) 32768 : memory,
		MHD_OPTION_CONNECTION_LIMIT, connections > 0 ? connections : 1, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int) ((opt.idle_timeout + 999999) / 1000000), MHD_OPTION_NOTIFY_COMPLETED, request_end, loop,
		MHD_OPTION_NOTIFY_CONNECTION, client_notify, loop, MHD_OPTION_URI_LOG_CALLBACK, request_start, loop,
		MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}
