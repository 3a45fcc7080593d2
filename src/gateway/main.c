/*
 * main.c: fhir-gateway: serves FHIR over HTTP by one SQL function, fhir_http.
 *
 * The main thread waits for signals; each event loop has a thread of its own.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "options.h"
#include "request.h"
#include "tls.h"

#define BACKLOG 1024

static int
listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof address.sun_path)
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
	{
		errno = EADDRINUSE;
		return -1;
	}
	unlink(path); /* nobody listens there: it was left by a gateway that was killed */
	return bind(fd, (struct sockaddr *) &address, sizeof address) == 0 && listen(fd, BACKLOG) == 0 ? fd : -1;
}

static int
listen_tcp(const char *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found, *a;
	char host[256] = "";
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t) (colon - address) : 0;
	int fd = -1, on = 1;

	if (colon == NULL || len >= sizeof host || colon[1] == '\0')
	{
		errno = EINVAL;
		return -1;
	}
	if (len > 1 && address[0] == '[' && address[len - 1] == ']')
		memcpy(host, address + 1, len - 2);
	else
		memcpy(host, address, len);
	if (getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found) != 0)
	{
		errno = EADDRNOTAVAIL;
		return -1;
	}
	for (a = found; a != NULL && fd < 0; a = a->ai_next)
	{
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
		{
			int reason = errno;

			close(fd);
			fd = -1;
			errno = reason;
		}
	}
	freeaddrinfo(found);
	return fd;
}

/* Where it listens, with the port that was chosen if 0 was asked for. */
static void
announce(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	char host[128], port[16];

	if (getsockname(fd, (struct sockaddr *) &address, &len) != 0 || address.ss_family == AF_UNIX ||
		getnameinfo((struct sockaddr *) &address, len, host, sizeof host, port, sizeof port,
					NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		log_error("listening on %s, base %s", opt.listen, opt.base);
	else
		log_error(address.ss_family == AF_INET6 ? "listening on %s://[%s]:%s%s" : "listening on %s://%s:%s%s",
				  opt.tls_cert[0] ? "https" : "http", host, port, opt.base);
}

/* Room for a descriptor for each client and database connection; fewer clients if the system does not give it. */
static void
raise_descriptor_limit(void)
{
	rlim_t others = (rlim_t) (2 * opt.pool + 8 * opt.threads + 32);
	rlim_t needed = (rlim_t) opt.max_connections + others;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed ? needed : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < needed)
	{
		opt.max_connections = limit.rlim_cur > others ? (int64_t) (limit.rlim_cur - others) : 1;
		log_error("max-connections is lowered to %lld by the limit of open files", (long long) opt.max_connections);
	}
}

static void *
loop_thread(void *arg)
{
	return loop_run(arg) ? NULL : arg;
}

/* Waits for signals until a loop ends; a second SIGTERM ends the process at once. */
static void
wait_for_signals(const sigset_t *signals)
{
	int received, stops = 0;

	while (sigwait(signals, &received) == 0)
	{
		if (received == SIGHUP)
			loops_reopen_logs();
		else if (received == SIGUSR1) /* from the loops' last thread: all have ended */
			return;
		else if (++stops > 1)
			_exit(EXIT_FAILURE);
		else
		{
			log_error("draining");
			loops_stop();
		}
	}
}

/* Joins the loops and tells the main thread. */
static void *
join_thread(void *arg)
{
	bool *clean = arg;

	for (int i = 0; i < loop_count; i++)
	{
		void *result;

		pthread_join(loops[i].thread, &result);
		if (result != NULL)
			*clean = false;
	}
	kill(getpid(), SIGUSR1);
	return NULL;
}

int
main(int argc, char **argv)
{
	sigset_t signals;
	pthread_t joiner;
	bool clean = true;
	int fd;

	options_read(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by all threads */
	if (!trust_read(opt.trust_proxy))
		return 2;
	if (opt.tls_cert[0] != '\0' && !tls_open(opt.tls_cert, opt.tls_key))
		return 2;
	raise_descriptor_limit();
	fd = strncmp(opt.listen, "unix:", 5) == 0 ? listen_unix(opt.listen + 5) : listen_tcp(opt.listen);
	if (fd < 0)
	{
		log_error("cannot listen on \"%s\": %s", opt.listen, strerror(errno));
		return 2;
	}
	loops = xalloc((size_t) opt.threads * sizeof *loops);
	loop_count = (int) opt.threads;
	for (int i = 0; i < loop_count; i++)
		if (!loop_open(&loops[i], i, fd))
			return 2;
	announce(fd);
	for (int i = 0; i < loop_count; i++)
		if (pthread_create(&loops[i].thread, NULL, loop_thread, &loops[i]) != 0)
			return 2;
	if (pthread_create(&joiner, NULL, join_thread, &clean) != 0)
		return 2;
	wait_for_signals(&signals);
	pthread_join(joiner, NULL);
	if (strncmp(opt.listen, "unix:", 5) == 0)
		unlink(opt.listen + 5);
	log_error(clean ? "stopped" : "stopped; requests were cut off");
	return clean ? 0 : 1;
}
