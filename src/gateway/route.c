/*
 * route.c: what a complete request asks for: health, metrics, a preflight, or FHIR.
 */
#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "request.h"

#define PING_TIMEOUT UINT64_C(2000000)

int
route_base(const char *target)
{
	size_t len = strlen(opt.base);

	if (strncmp(target, opt.base, len) != 0)
		return -1;
	if (target[len] != '\0' && target[len] != '/' && target[len] != '?')
		return -1;
	return (int) len;
}

/*
 * The path below the base and the query, as fhir_http takes them. Bytes that should have been percent-encoded
 * (a browser's address line, curl) are encoded here, so that what arrives is always ASCII.
 */
static void
make_url(Buf *b, const char *below)
{
	size_t len = strcspn(below, "#");

	if (*below != '/')
		buf_putc(b, '/');
	for (size_t i = 0, plain = 0; plain < len; plain = ++i)
	{
		while (i < len && below[i] > 0x20 && below[i] < 0x7F)
			i++;
		buf_append(b, below + plain, i - plain);
		if (i < len)
			buf_printf(b, "%%%02X", (unsigned char) below[i]);
	}
}

static bool
path_is(const char *target, const char *path)
{
	size_t len = strlen(path);

	return strncmp(target, path, len) == 0 && (target[len] == '\0' || target[len] == '?');
}

static void
fhir_done(Job *job)
{
	Request *r = (Request *) job;

	reply_job(r);
	http_answer(r);
}

/* Does this request only read, so that a replica may answer it and it may be sent twice? */
static bool
only_reads(const Request *r)
{
	static const char search[] = "/_search";
	size_t path = strcspn(r->url.data, "?");

	if (r->method == METHOD_GET || r->method == METHOD_HEAD)
		return true;
	return r->method == METHOD_POST && path >= sizeof search - 1 &&
		   memcmp(r->url.data + path - (sizeof search - 1), search, sizeof search - 1) == 0;
}

/*
 * /Type/id or /Type/id/_history/version: answered by one look into an index. Such requests may follow each other on
 * one database connection without waiting for the answers in between.
 */
static bool
reads_one_resource(const Request *r)
{
	const char *p = r->url.data;
	size_t type = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), id;

	if ((r->method != METHOD_GET && r->method != METHOD_HEAD) || p[1] < 'A' || p[1] > 'Z' || p[1 + type] != '/')
		return false;
	p += 1 + type + 1;
	id = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");
	p += id;
	if (id > 0 && strncmp(p, "/_history/", 10) == 0)
	{
		size_t version = strcspn(p + 10, "/?");

		p += 10 + version;
		id = version;
	}
	return id > 0 && (*p == '\0' || *p == '?');
}

static void
call_fhir(Request *r, const char *below)
{
	Job *job = &r->job;
	Pool *pool = r->loop->primary;

	make_url(&r->url, below);
	job->ping = false;
	/* HEAD is GET without the body, which reply.c leaves out */
	job->method = r->method == METHOD_HEAD ? "GET" : r->method_text;
	job->url = r->url.data;
	job->headers = r->headers.data;
	job->body = r->body.data;
	job->body_len = r->body.len;
	job->read_only = only_reads(r);
	job->quick = reads_one_resource(r);
	job->deadline = now_microseconds() + (uint64_t) opt.request_timeout;
	job->done = fhir_done;
	if (job->read_only && r->loop->replica != NULL && pool_alive(r->loop->replica))
		pool = r->loop->replica;
	r->sent = true;
	pool_submit(pool, job);
}

static void
reply_word(Request *r, const char *word)
{
	buf_reset(&r->text);
	buf_puts(&r->text, word);
	reply_text(r, 200, "text/plain");
}

static void
ping_done(Job *job)
{
	Request *r = (Request *) job;
	PGresult *result = job->result;

	job->result = NULL;
	if (job->end != JOB_DONE)
		reply_error(r, 503, "transient", "The database does not answer");
	else if (!pool_version_fits(PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : NULL))
		reply_error(r, 503, "transient", "The database has no fhir extension of a version that fits " FHIR_VERSION);
	else
		reply_word(r, "ready\n");
	PQclear(result);
	http_answer(r);
}

/* Ready: not draining, the database answers, and its extension fits. A busy database is asked no more. */
static bool
ready(Request *r)
{
	Job *job = &r->job;

	if (r->loop->draining)
	{
		reply_error(r, 503, "transient", "Shutting down");
		return true;
	}
	if (pool_busy_but_well(r->loop->primary))
	{
		reply_word(r, "ready\n");
		return true;
	}
	memset(job, 0, sizeof *job);
	job->ping = true;
	job->read_only = true;
	job->deadline = now_microseconds() + PING_TIMEOUT;
	job->done = ping_done;
	r->sent = true;
	pool_submit(r->loop->primary, job);
	return false;
}

/* /livez, /readyz, /metrics */
static bool
is_own(const char *target)
{
	return path_is(target, "/livez") || path_is(target, "/readyz") || path_is(target, "/metrics");
}

static bool
route_own(Request *r)
{
	const char *target = r->target.data;

	if (r->method != METHOD_GET && r->method != METHOD_HEAD)
		reply_error(r, 405, "not-supported", "Only GET and HEAD are answered here");
	else if (path_is(target, "/readyz"))
		return ready(r);
	else if (path_is(target, "/livez"))
		reply_word(r, "alive\n");
	else
	{
		buf_reset(&r->text);
		metrics_render(&r->text);
		reply_text(r, 200, "text/plain; version=0.0.4");
	}
	return true;
}

bool
route(Request *r)
{
	int base;

	if (r->method == METHOD_OTHER)
		reply_error(r, 405, "not-supported", "Method %.20s is not supported", r->method_text);
	else if (r->method == METHOD_OPTIONS && r->preflight_method != NULL)
		reply_preflight(r);
	else if (is_own(r->target.data))
		return route_own(r);
	else if ((base = route_base(r->target.data)) < 0)
		reply_error(r, 404, "not-found", "FHIR is served below %s/", opt.base);
	else if (r->method == METHOD_OPTIONS)
		reply_preflight(r);
	else
	{
		call_fhir(r, r->target.data + base);
		return false;
	}
	return true;
}
