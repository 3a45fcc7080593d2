/*
 * client.c: client connections: accepting, reading, sending, closing, deadlines.
 */
#define _GNU_SOURCE /* accept4 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "request.h"

#define ACCEPTS 64 /* a turn, so that who is connected has its turn, too */
#define STEPS 32   /* likewise for a client that sends many requests at once */
#define READ_LEAST 4096
#define READ_BODY 65536
#define KEEP_INPUT 65536		 /* a larger buffer is not kept */
#define BODY_RATE 1024			 /* bytes a second that a body must make on the average */
#define LINGER UINT64_C(2000000) /* how long bytes are dropped after the last answer */
#define HANG_UP_AGE UINT64_C(200000)
#define TLS_TOGETHER 8192 /* head and body of an answer up to this are one record */

static void client_event(Watch *watch, uint32_t events);

void
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

/* How many connections this loop may have */
static int64_t
client_most(void)
{
	return opt.max_connections >= opt.threads ? opt.max_connections / opt.threads : 1;
}

/* Connections beyond the limit wait in the kernel. */
static void
listen_on(Loop *loop, bool on)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &loop->listener};

	if (loop->quiesced || loop->listening == on)
		return;
	if (epoll_ctl(loop->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, loop->listen_fd, &event) == 0)
		loop->listening = on;
}

static void
client_open(Loop *loop, int fd, const struct sockaddr *address)
{
	Client *client = xalloc(sizeof *client);
	int on = 1;

	client->watch.ready = client_event;
	client->loop = loop;
	client->fd = fd;
	client->writable = true;
	describe_peer(client, address);
	client_phase(client, PHASE_HEADER);
	if (address->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if ((opt.tls_cert[0] != '\0' && (client->tls = tls_accept(fd)) == NULL) ||
		!loop_watch(loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &client->watch))
	{
		if (client->tls != NULL)
			tls_close(client->tls);
		free(client);
		close(fd);
		return;
	}
	client->next = loop->clients;
	if (client->next != NULL)
		client->next->previous = client;
	loop->clients = client;
	loop->client_count++;
	metric_add(&loop->metrics.connections_total, 1);
	metric_add(&loop->metrics.connections, 1);
}

/* False when nobody waits any more, or none can be taken. */
static bool
accept_one(Loop *loop)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	int fd;

	if (loop->client_count >= client_most())
	{
		listen_on(loop, false);
		return false;
	}
	fd = accept4(loop->listen_fd, (struct sockaddr *) &address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		client_open(loop, fd, (struct sockaddr *) &address);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
	{
		/* until the next tick: it would be announced again and again */
		listen_on(loop, false);
		return false;
	}
	return fd >= 0 || errno == EINTR || errno == ECONNABORTED;
}

static void
accept_event(Watch *watch, uint32_t events)
{
	Loop *loop = (Loop *) ((char *) watch - offsetof(Loop, listener));

	(void) events;
	for (int i = 0; i < ACCEPTS && !loop->quiesced; i++)
		if (!accept_one(loop))
			break;
}

bool
client_listen(Loop *loop, int listen_fd)
{
	loop->listen_fd = listen_fd;
	loop->listener.ready = accept_event;
	listen_on(loop, true);
	if (!loop->listening)
		log_error("cannot watch the listening socket: %s", strerror(errno));
	return loop->listening;
}

/* Reads once: 1 when there are more bytes, 0 when none has arrived, -1 when the connection is at its end. */
static int
client_receive(Client *client)
{
	Buf *in = &client->in;
	size_t room;
	ssize_t n;

	if (client->at > 0)
	{
		in->len -= client->at;
		memmove(in->data, in->data + client->at, in->len);
		client->at = 0;
	}
	if (!buf_reserve(in, client->phase == PHASE_BODY ? READ_BODY : READ_LEAST))
		return -1;
	room = in->cap - in->len - 1;
	n = client->tls != NULL ? tls_read(client->tls, in->data + in->len, room)
							: recv(client->fd, in->data + in->len, room, 0);
	if (n == 0)
		return -1;
	if (n < 0)
	{
		if (errno == EINTR)
			return 1;
		client->readable = false;
		return errno == EAGAIN ? 0 : -1;
	}
	in->len += (size_t) n;
	/* fewer than asked for: there is no more now; the end of the stream may be, and that was announced */
	if (client->tls == NULL && (size_t) n < room && !client->hung_up)
		client->readable = false;
	return 1;
}

ssize_t
client_send(Client *client, const char *head, size_t head_len, const char *body, size_t body_len)
{
	ssize_t n;

	if (client->tls != NULL)
	{
		char both[TLS_TOGETHER];
		bool together = head_len > 0 && head_len + body_len <= sizeof both;

		if (together)
		{
			memcpy(both, head, head_len);
			if (body_len > 0)
				memcpy(both + head_len, body, body_len);
		}
		n = tls_write(client->tls, together ? both : head_len > 0 ? head
																  : body,
					  together ? head_len + body_len : head_len > 0 ? head_len
																	: body_len);
	}
	else
	{
		struct iovec parts[2] = {{(void *) (uintptr_t) head, head_len}, {(void *) (uintptr_t) body, body_len}};
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

		n = sendmsg(client->fd, &message, MSG_NOSIGNAL);
	}
	if (n >= 0)
	{
		client->since = client->loop->now;
		return n;
	}
	if (errno == EINTR)
		return client_send(client, head, head_len, body, body_len);
	client->writable = false;
	return errno == EAGAIN ? 0 : -1;
}

void
client_later(Client *client)
{
	Loop *loop = client->loop;

	if (client->later)
		return;
	client->later = true;
	client->next_later = NULL;
	if (loop->later_last != NULL)
		loop->later_last->next_later = client;
	else
		loop->later = client;
	loop->later_last = client;
}

/* What was received is used up: more, if there is some now. */
static bool
step_receive(Client *client)
{
	int got;

	if (!client->readable)
		return false;
	got = client_receive(client);
	if (got < 0)
		client_close(client);
	return got > 0;
}

/* Nothing is asked: waits for a request's head. */
static bool
step_header(Client *client)
{
	if (client->at < client->in.len && http_head(client))
		return true;
	return step_receive(client);
}

static bool
step_body(Client *client)
{
	if (client->at < client->in.len)
		return http_body(client);
	return step_receive(client);
}

/* Drops what arrives until the client closes, too. */
static bool
step_linger(Client *client)
{
	client->at = client->in.len;
	if (!client->readable)
		return false;
	if (client_receive(client) >= 0)
		return client->readable;
	client_close(client);
	return false;
}

static void
client_run(Client *client)
{
	bool more = true;

	for (int i = 0; i < STEPS && more; i++)
		switch (client->phase)
		{
			case PHASE_HEADER:
				more = step_header(client);
				break;
			case PHASE_BODY:
				more = step_body(client);
				break;
			case PHASE_ANSWER:
				more = client->writable && http_send(client);
				break;
			case PHASE_LINGER:
				more = step_linger(client);
				break;
			case PHASE_WORK:
			case PHASE_CLOSED:
				return;
		}
	if (more)
		client_later(client);
	else if (client->phase == PHASE_HEADER && client->at == client->in.len && client->in.cap > KEEP_INPUT)
	{
		buf_free(&client->in);
		client->at = 0;
	}
}

void
client_run_later(Loop *loop)
{
	Client *client = loop->later, *next;

	loop->later = loop->later_last = NULL;
	for (; client != NULL; client = next)
	{
		next = client->next_later;
		client->later = false;
		client_run(client);
	}
}

static void
client_event(Watch *watch, uint32_t events)
{
	Client *client = (Client *) watch;
	bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;

	if (client->phase == PHASE_CLOSED)
		return;
	/* TLS may have to write in order to read, and the reverse */
	if ((events & (EPOLLIN | EPOLLRDHUP)) || broken || client->tls != NULL)
		client->readable = true;
	if ((events & EPOLLOUT) || broken || client->tls != NULL)
		client->writable = true;
	if ((events & EPOLLRDHUP) || broken)
		client->hung_up = true;
	client_run(client);
}

void
client_finish(Client *client)
{
	if (client->tls != NULL)
		tls_goodbye(client->tls);
	else if (client->loop->draining && client->at == client->in.len && !client->readable)
	{
		client_close(client);
		return;
	}
	shutdown(client->fd, SHUT_WR);
	client_phase(client, PHASE_LINGER);
	client_later(client);
}

/* Not while the database works for it: its request ends first. */
void
client_close(Client *client)
{
	Loop *loop = client->loop;

	if (client->phase == PHASE_CLOSED)
		return;
	client->phase = PHASE_CLOSED;
	if (client->request != NULL)
		http_gone(client);
	if (client->tls != NULL)
	{
		tls_goodbye(client->tls);
		tls_close(client->tls);
	}
	close(client->fd);
	buf_free(&client->in);
	if (client->next != NULL)
		client->next->previous = client->previous;
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		loop->clients = client->next;
	client->next = loop->closed;
	loop->closed = client;
	loop->client_count--;
	metric_add(&loop->metrics.connections, (uint64_t) -1);
	listen_on(loop, true);
}

void
client_sweep(Loop *loop)
{
	Client **at = &loop->closed, *client;

	while ((client = *at) != NULL)
		if (client->later)
			at = &client->next;
		else
		{
			*at = client->next;
			free(client);
		}
}

/*
 * Closes connections that keep the gateway waiting. A body must come at a minimal rate. A read whose client is gone
 * is cancelled: its answer helps nobody, and it keeps a database connection busy. Writes run to their end.
 */
void
client_tick(Loop *loop)
{
	Client *next;

	listen_on(loop, loop->client_count < client_most());
	for (Client *client = loop->clients; client != NULL; client = next)
	{
		uint64_t age = loop->now - client->since;
		uint64_t idle = (uint64_t) opt.idle_timeout;
		struct Request *r = client->request;

		next = client->next;
		switch (client->phase)
		{
			case PHASE_HEADER:
				if (age > idle || (loop->quiesced && age > HANG_UP_AGE))
					client_close(client);
				break;
			case PHASE_ANSWER:
				if (age > idle)
					client_close(client);
				break;
			case PHASE_BODY:
				if (age > idle + r->in * 1000000 / BODY_RATE)
					http_slow_body(client);
				break;
			case PHASE_LINGER:
				if (age > LINGER)
					client_close(client);
				break;
			case PHASE_WORK:
				if (client->hung_up && r->job.read_only && age > HANG_UP_AGE)
					r->job.deadline = loop->now;
				break;
			case PHASE_CLOSED:
				break;
		}
	}
}

void
client_quiesce(Loop *loop)
{
	static atomic_int quiesced;
	Client *next;

	while (accept_one(loop))
		;
	listen_on(loop, false);
	loop->quiesced = true;
	/* all loops share it: the last one closes it, so that new clients are refused rather than kept waiting */
	if (atomic_fetch_add(&quiesced, 1) + 1 == loop_count)
		close(loop->listen_fd);
	for (Client *client = loop->clients; client != NULL; client = next)
	{
		next = client->next;
		if (client->phase != PHASE_HEADER)
			continue;
		/* a request that has already arrived is still answered */
		client->readable = true;
		client_run(client);
		if (client->phase == PHASE_HEADER)
			client_close(client);
	}
}
