/*
 * client.c: the benchmark's load generator: prepared statements or HTTP GETs, closed loop, N connections. SQL has a thread
 * for each; HTTP has two threads that share the connections, as pgbench -j 2 does, which it is compared with.
 *
 *   client sql  CONNINFO CONNECTIONS SECONDS FILE STATEMENT    FILE: a line a call, its parameters separated by tabs
 *   client http PORT     CONNECTIONS SECONDS FILE              FILE: a path a line
 *
 * Lines are taken in a random order; with SECONDS 0 each once, in order, shared out over the connections. In parameters @u becomes a new unique, ascending id and @r a random number.
 * Prints: calls a second, p50 and p99 in milliseconds, calls.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_PARAMS 4
#define MAX_SAMPLES 2000000

static char **lines;
static int nlines;
static const char *conninfo, *statement;
static int port;
static double seconds;
static int connections;
static atomic_int ready;
static atomic_bool go;

typedef struct Worker {
	pthread_t thread;
	unsigned seed;
	int number;
	long calls;
	float *latency; /* milliseconds */
} Worker;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* Copies s into out with its placeholders filled in. */
static void
fill(char *out, size_t size, const char *s, Worker *w)
{
	size_t n = 0;

	for (; *s && n + 64 < size; s++) {
		if (s[0] == '@' && s[1] == 'u') {
			n += sprintf(out + n, "01%06lx-%04x-7%03x-8000-%012lx", (long) time(NULL) & 0xffffff, (unsigned) (w->calls >> 12) & 0xffff,
						 (unsigned) w->calls & 0xfff, (long) w->number << 32 | rand_r(&w->seed));
			s++;
		} else if (s[0] == '@' && s[1] == 'r') {
			n += sprintf(out + n, "%d", rand_r(&w->seed));
			s++;
		} else {
			out[n++] = *s;
		}
	}
	out[n] = 0;
}

/* The next line to use, NULL when it is time to stop. */
static const char *
next_line(Worker *w, double end)
{
	long i = w->number + w->calls * connections;

	if (seconds > 0)
		return now() < end ? lines[rand_r(&w->seed) % nlines] : NULL;
	return i < nlines ? lines[i] : NULL;
}

static void
start_together(void)
{
	atomic_fetch_add(&ready, 1);
	while (!atomic_load(&go))
		usleep(100);
}

static void *
run_sql(void *arg)
{
	Worker *w = arg;
	PGconn *c = PQconnectdb(conninfo);
	PGresult *r;
	const char *values[MAX_PARAMS];
	static const size_t size = 1 << 20;
	char *buf[MAX_PARAMS];
	const char *line;
	double end, t;
	int nparams = 0, i;

	if (PQstatus(c) != CONNECTION_OK)
		fail("connect", PQerrorMessage(c));
	for (const char *p = statement; *p; p++)
		if (p[0] == '$' && p[1] - '0' > nparams)
			nparams = p[1] - '0';
	r = PQprepare(c, "s", statement, nparams, NULL);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail("prepare", PQerrorMessage(c));
	PQclear(r);
	for (i = 0; i < nparams; i++)
		values[i] = buf[i] = malloc(size);
	start_together();
	end = now() + seconds;
	while ((line = next_line(w, end)) != NULL) {
		char *copy = strdup(line), *p = copy;

		t = now();
		for (i = 0; i < nparams; i++)
			fill(buf[i], size, strsep(&p, "\t"), w);
		r = PQexecPrepared(c, "s", nparams, values, NULL, NULL, 0);
		if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
			fail("execute", PQerrorMessage(c));
		PQclear(r);
		free(copy);
		if (w->calls < MAX_SAMPLES)
			w->latency[w->calls] = (now() - t) * 1000;
		w->calls++;
	}
	PQfinish(c);
	return NULL;
}

typedef struct HttpConnection {
	int fd;
	char *buf;
	size_t have, want;
	double sent;
} HttpConnection;

#define HTTP_THREADS 2
#define HTTP_BUFFER ((size_t) 1 << 20)

static void
http_open(HttpConnection *c, int epoll)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	c->buf = malloc(HTTP_BUFFER);
	if (connect(c->fd, (struct sockaddr *) &a, sizeof(a)) != 0)
		fail("connect", "no gateway");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

/* False when it is time to stop. */
static bool
http_send(HttpConnection *c, Worker *w, double end)
{
	char request[2048];
	const char *line = next_line(w, end);
	int n;

	if (line == NULL)
		return false;
	n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/fhir+json\r\n\r\n", line);
	c->have = c->want = 0;
	c->sent = now();
	if (write(c->fd, request, n) != n)
		fail("write", "connection lost");
	return true;
}

/* True when the answer is complete. */
static bool
http_receive(HttpConnection *c)
{
	ssize_t got = read(c->fd, c->buf + c->have, HTTP_BUFFER - 1 - c->have);
	char *body, *length;

	if (got <= 0)
		fail("read", "connection lost");
	c->have += got;
	c->buf[c->have] = 0;
	if (c->want == 0 && (body = strstr(c->buf, "\r\n\r\n")) != NULL) {
		if (strncmp(c->buf, "HTTP/1.1 200", 12) != 0)
			fail("status", c->buf);
		length = strcasestr(c->buf, "\r\ncontent-length:");
		if (length == NULL || length > body)
			fail("response", "no Content-Length");
		c->want = (body + 4 - c->buf) + strtoul(length + 17, NULL, 10);
	}
	return c->want > 0 && c->have >= c->want;
}

static void *
run_http(void *arg)
{
	Worker *w = arg;
	int threads = connections < HTTP_THREADS ? connections : HTTP_THREADS, epoll = epoll_create1(0), open = 0;
	int mine = connections / threads + (w->number < connections % threads ? 1 : 0);
	HttpConnection *c = calloc(mine, sizeof(HttpConnection));
	struct epoll_event events[64];
	double end;

	for (int i = 0; i < mine; i++)
		http_open(&c[i], epoll);
	start_together();
	end = now() + seconds;
	for (int i = 0; i < mine; i++)
		open += http_send(&c[i], w, end);
	while (open > 0) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			HttpConnection *ready_one = events[i].data.ptr;

			if (!http_receive(ready_one))
				continue;
			if (w->calls < MAX_SAMPLES)
				w->latency[w->calls] = (now() - ready_one->sent) * 1000;
			w->calls++;
			open -= !http_send(ready_one, w, end);
		}
	}
	for (int i = 0; i < mine; i++)
		close(c[i].fd);
	return NULL;
}

static void
read_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (f == NULL)
		fail(path, "can't open");
	while ((n = getline(&line, &cap, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		lines = realloc(lines, (nlines + 1) * sizeof(char *));
		lines[nlines++] = strdup(line);
	}
	free(line);
	fclose(f);
	if (nlines == 0)
		fail(path, "empty");
}

static int
by_value(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	bool http = argc == 6 && strcmp(argv[1], "http") == 0;
	Worker *w;
	int n, i, threads;
	long calls = 0, samples = 0;
	float *all;
	double start;

	if (!http && (argc != 7 || strcmp(argv[1], "sql") != 0))
		fail("usage", "client sql CONNINFO CONNECTIONS SECONDS FILE STATEMENT | client http PORT CONNECTIONS SECONDS FILE");
	conninfo = argv[2];
	port = atoi(argv[2]);
	n = connections = atoi(argv[3]);
	seconds = atof(argv[4]);
	read_lines(argv[5]);
	statement = argv[6];
	threads = http && n > HTTP_THREADS ? HTTP_THREADS : n;
	w = calloc(n, sizeof(Worker));
	for (i = 0; i < threads; i++) {
		w[i].seed = (unsigned) (i * 7919 + getpid() + time(NULL));
		w[i].number = i;
		w[i].latency = malloc(MAX_SAMPLES * sizeof(float));
		pthread_create(&w[i].thread, NULL, http ? run_http : run_sql, &w[i]);
	}
	while (atomic_load(&ready) < threads)
		usleep(100);
	start = now();
	atomic_store(&go, true);
	for (i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	seconds = now() - start;
	for (i = 0; i < threads; i++)
		calls += w[i].calls;
	all = malloc((calls + 1) * sizeof(float));
	for (i = 0; i < threads; i++) {
		long k = w[i].calls < MAX_SAMPLES ? w[i].calls : MAX_SAMPLES;

		memcpy(all + samples, w[i].latency, k * sizeof(float));
		samples += k;
	}
	qsort(all, samples, sizeof(float), by_value);
	printf("%.0f %.3f %.3f %ld\n", calls / seconds, samples ? all[samples / 2] : 0, samples ? all[samples * 99 / 100] : 0, calls);
	return 0;
}
