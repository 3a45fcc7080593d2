/*
 * client.c: the benchmark's load generator: prepared statements or HTTP GETs, closed loop, N connections. SQL has a thread
 * for each; HTTP has two threads that share the connections, as pgbench -j 2 does, which it is compared with.
 *
 *   client sql  CONNINFO CONNECTIONS SECONDS FILE STATEMENT    FILE: a line a call, its parameters separated by tabs
 *   client http PORT     CONNECTIONS SECONDS FILE              FILE: a path a line
 *   client feed CONNINFO CONNECTIONS STATEMENT                 standard input: a line a call, its only parameter
 *   client jobs CONNINFO CONNECTIONS                           standard input: a line a job, see run_jobs()
 *
 * Lines are taken in a random order; with SECONDS 0 each once, in order, shared out over the connections. In parameters @u becomes a new unique, ascending id and @r a random number.
 * Prints: calls a second, p50 and p99 in milliseconds, calls; for SQL also the processor time of a call in microseconds, of
 * client and server together (0 where /proc does not tell): unlike the others it hardly changes when the machine has other work.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
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
	double cpu;		/* seconds of the server's process */
} Worker;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Seconds that a process has run; 0 if that is not to be had. */
static double
process_cpu(int pid)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if ((f = fopen(path, "r")) != NULL) {
		if (fscanf(f, "%llu", &ns) != 1)
			ns = 0;
		fclose(f);
	}
	return ns / 1e9;
}

static double
own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
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
	w->cpu = process_cpu(PQbackendPID(c));
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
	w->cpu = process_cpu(PQbackendPID(c)) - w->cpu;
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

/* ---- feed: lines from standard input, each sent once by whichever connection is free ---- */

static pthread_mutex_t input = PTHREAD_MUTEX_INITIALIZER;
static atomic_long fed;

static void *
run_feed(void *arg)
{
	PGconn *c = PQconnectdb(conninfo);
	PGresult *r;
	char *line = NULL;
	size_t cap = 0;

	(void) arg;
	if (PQstatus(c) != CONNECTION_OK)
		fail("connect", PQerrorMessage(c));
	r = PQprepare(c, "s", statement, 1, NULL);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fail("prepare", PQerrorMessage(c));
	PQclear(r);
	for (;;) {
		const char *value;
		ssize_t n;

		pthread_mutex_lock(&input);
		n = getline(&line, &cap, stdin);
		pthread_mutex_unlock(&input);
		if (n <= 0)
			break;
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		value = line;
		r = PQexecPrepared(c, "s", 1, &value, NULL, NULL, 0);
		if (PQresultStatus(r) != PGRES_TUPLES_OK)
			fail("execute", PQerrorMessage(c));
		atomic_fetch_add(&fed, PQntuples(r) ? atol(PQgetvalue(r, 0, 0)) : 0);
		PQclear(r);
	}
	free(line);
	PQfinish(c);
	return NULL;
}

/* ---- jobs: one statement after the other over the same connections ---- */

/*
 * A job is a line of fields separated by tabs:
 *
 *   SECONDS CALLS WARM FILE SETUP STATEMENT
 *
 * Each connection first runs SETUP (a plain statement, may be empty), prepares STATEMENT and makes WARM calls that do not count, for 0.3 s at
 * most. Then all begin together and go on for SECONDS, each for at least one call, all together for at least CALLS, yet never for
 * longer than five times SECONDS and a call; with SECONDS 0 each connection makes CALLS calls. Lines of FILE are taken in turn, each connection from a
 * place of its own. Results come in binary, as the gateway asks for them; an answer whose first column is "status" and not 200 counts as an
 * error. Prints a line a job: calls a second; p50, p99 and mean in milliseconds; calls; bytes a call; the backends' milliseconds of CPU a call, as far as
 * the kernel tells (without parallel workers); errors, and the first error's text.
 */
typedef struct Job {
	double seconds, end, hard_end;
	long calls, warm, number;
	const char *setup, *statement;
	pthread_barrier_t *barrier;
	atomic_long done, bytes, errors, cpu; /* cpu: nanoseconds */
	char error[400];
} Job;

static Job job;
static bool jobs_over;

/* One call; false after an error. */
static bool
job_call(PGconn *c, const char *line, int nparams)
{
	char *copy = strdup(line), *p = copy;
	const char *values[32];
	PGresult *r;
	bool ok = true;
	const char *why = NULL;

	for (int i = 0; i < nparams; i++)
		values[i] = strsep(&p, "\t");
	r = PQexecPrepared(c, "j", nparams, values, NULL, NULL, 1);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		why = PQresultErrorMessage(r);
	else if (PQnfields(r) == 3 && strcmp(PQfname(r, 0), "status") == 0) {
		uint32_t status;

		memcpy(&status, PQgetvalue(r, 0, 0), 4);
		if (ntohl(status) != 200)
			why = PQgetvalue(r, 0, 2);
	}
	if (why) {
		if (atomic_fetch_add(&job.errors, 1) == 0)
			snprintf(job.error, sizeof(job.error), "%s", why);
		ok = false;
	} else {
		long n = 0;

		for (int i = 0; i < PQntuples(r); i++)
			for (int k = 0; k < PQnfields(r); k++)
				n += PQgetlength(r, i, k);
		atomic_fetch_add(&job.bytes, n);
	}
	PQclear(r);
	free(copy);
	return ok;
}

/* Nanoseconds that a local backend has been running, 0 if that can't be known. */
static long
backend_cpu(int pid)
{
	char path[64];
	long ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	if (fscanf(f, "%ld", &ns) != 1)
		ns = 0;
	fclose(f);
	return ns;
}

/* Prepares the job's statement; its number of parameters, or -1. */
static int
job_prepare(PGconn *c)
{
	PGresult *r;
	int nparams = 0;
	bool ok;

	PQclear(PQexec(c, "RESET ALL"));
	PQclear(PQexec(c, "DEALLOCATE ALL"));
	if (*job.setup)
		PQclear(PQexec(c, job.setup));
	for (const char *p = job.statement; *p; p++)
		if (p[0] == '$' && p[1] >= '1' && p[1] <= '9' && atoi(p + 1) > nparams)
			nparams = atoi(p + 1);
	r = PQprepare(c, "j", job.statement, nparams, NULL);
	ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	if (!ok && atomic_fetch_add(&job.errors, 1) == 0)
		snprintf(job.error, sizeof(job.error), "%s", PQresultErrorMessage(r));
	PQclear(r);
	return ok ? nparams : -1;
}

static void *
run_job_worker(void *arg)
{
	Worker *w = arg;
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK)
		fail("connect", PQerrorMessage(c));
	for (;;) {
		long at, cpu;
		int nparams;
		double t, warm_end;

		pthread_barrier_wait(job.barrier); /* a job is there */
		if (jobs_over)
			break;
		at = (long) w->number * 7919;
		w->calls = 0;
		nparams = job_prepare(c);
		warm_end = now() + 0.3;
		for (long i = 0; nparams >= 0 && i < job.warm && (i == 0 || now() < warm_end); i++)
			job_call(c, lines[at++ % nlines], nparams);
		cpu = backend_cpu(PQbackendPID(c));
		if (pthread_barrier_wait(job.barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
			atomic_store(&job.bytes, 0);
			job.end = now() + job.seconds;
			job.hard_end = now() + job.seconds * 5;
		}
		pthread_barrier_wait(job.barrier);
		while (nparams >= 0) {
			if (job.seconds == 0 ? w->calls >= job.calls
				: w->calls > 0 && (t = now()) >= job.end && (t >= job.hard_end || atomic_load(&job.done) >= job.calls))
				break;
			t = now();
			if (!job_call(c, lines[at++ % nlines], nparams) && atomic_load(&job.errors) > 20 + connections)
				break;
			if (w->calls < MAX_SAMPLES)
				w->latency[w->calls] = (now() - t) * 1000;
			w->calls++;
			atomic_fetch_add(&job.done, 1);
		}
		atomic_fetch_add(&job.cpu, backend_cpu(PQbackendPID(c)) - cpu);
		pthread_barrier_wait(job.barrier); /* done */
	}
	PQfinish(c);
	return NULL;
}

static void read_lines(const char *path);
static int by_value(const void *a, const void *b);

static void
report_job(Worker *w, double took)
{
	long calls = 0, n = 0;
	double sum = 0;
	float *all;

	for (int i = 0; i < connections; i++)
		calls += w[i].calls;
	all = malloc((calls + 1) * sizeof(float));
	for (int i = 0; i < connections; i++) {
		long k = w[i].calls < MAX_SAMPLES ? w[i].calls : MAX_SAMPLES;

		memcpy(all + n, w[i].latency, k * sizeof(float));
		n += k;
	}
	qsort(all, n, sizeof(float), by_value);
	for (long i = 0; i < n; i++)
		sum += all[i];
	for (char *p = job.error; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	printf("%.1f\t%.3f\t%.3f\t%.3f\t%ld\t%ld\t%.3f\t%ld\t%s\n", calls / took, n ? all[n / 2] : 0, n ? all[n * 99 / 100] : 0, n ? sum / n : 0,
		   calls, calls ? atomic_load(&job.bytes) / calls : 0, calls ? atomic_load(&job.cpu) / 1e6 / calls : 0, atomic_load(&job.errors), job.error);
	fflush(stdout);
	free(all);
}

static void
run_jobs(Worker *w)
{
	pthread_barrier_t barrier;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	pthread_barrier_init(&barrier, NULL, connections + 1);
	job.barrier = &barrier;
	for (int i = 0; i < connections; i++) {
		w[i].number = i;
		w[i].latency = malloc(MAX_SAMPLES * sizeof(float));
		pthread_create(&w[i].thread, NULL, run_job_worker, &w[i]);
	}
	while ((n = getline(&line, &cap, stdin)) > 0) {
		char *p = line, *field[6];
		double start;

		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		for (int i = 0; i < 6; i++)
			if ((field[i] = i < 5 ? strsep(&p, "\t") : p) == NULL)
				fail("job", line);
		for (int i = 0; i < nlines; i++)
			free(lines[i]);
		free(lines);
		lines = NULL;
		nlines = 0;
		read_lines(field[3]);
		job.seconds = atof(field[0]);
		job.calls = atol(field[1]);
		job.warm = atol(field[2]);
		job.setup = field[4];
		job.statement = field[5];
		job.error[0] = 0;
		atomic_store(&job.done, 0);
		atomic_store(&job.bytes, 0);
		atomic_store(&job.errors, 0);
		atomic_store(&job.cpu, 0);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier); /* warm */
		start = now();
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		report_job(w, now() - start);
	}
	jobs_over = true;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < connections; i++)
		pthread_join(w[i].thread, NULL);
	free(line);
}

int
main(int argc, char **argv)
{
	bool http = argc == 6 && strcmp(argv[1], "http") == 0;
	Worker *w;
	int n, i, threads;
	long calls = 0, samples = 0;
	float *all;
	bool whole = true;
	double cpu, start;

	if (argc == 5 && strcmp(argv[1], "feed") == 0) {
		conninfo = argv[2];
		n = atoi(argv[3]);
		statement = argv[4];
		w = calloc(n, sizeof(Worker));
		for (i = 0; i < n; i++)
			pthread_create(&w[i].thread, NULL, run_feed, &w[i]);
		for (i = 0; i < n; i++)
			pthread_join(w[i].thread, NULL);
		printf("%ld\n", atomic_load(&fed));
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "jobs") == 0) {
		conninfo = argv[2];
		connections = atoi(argv[3]);
		run_jobs(calloc(connections, sizeof(Worker)));
		return 0;
	}
	if (!http && (argc != 7 || strcmp(argv[1], "sql") != 0))
		fail("usage", "client sql CONNINFO CONNECTIONS SECONDS FILE STATEMENT | client http PORT CONNECTIONS SECONDS FILE | client feed CONNINFO CONNECTIONS STATEMENT"
			 " | client jobs CONNINFO CONNECTIONS");
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
	cpu = -own_cpu();
	atomic_store(&go, true);
	for (i = 0; i < threads; i++)
		pthread_join(w[i].thread, NULL);
	seconds = now() - start;
	cpu += own_cpu();
	for (i = 0; i < threads; i++) {
		calls += w[i].calls;
		cpu += w[i].cpu;
		whole = whole && w[i].cpu > 0;
	}
	all = malloc((calls + 1) * sizeof(float));
	for (i = 0; i < threads; i++) {
		long k = w[i].calls < MAX_SAMPLES ? w[i].calls : MAX_SAMPLES;

		memcpy(all + samples, w[i].latency, k * sizeof(float));
		samples += k;
	}
	qsort(all, samples, sizeof(float), by_value);
	printf("%.0f %.3f %.3f %ld", calls / seconds, samples ? all[samples / 2] : 0, samples ? all[samples * 99 / 100] : 0, calls);
	if (!http)
		printf(" %.2f", whole && calls ? cpu / calls * 1e6 : 0);
	printf("\n");
	return 0;
}
