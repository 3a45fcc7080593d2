/*
 * reply.c: answers. The head is written as text while the answer is set; what fhir_http answers as a body is passed on
 * without a copy: its bytes live in the PGresult until the request has ended. Every error of the gateway's own is an
 * OperationOutcome.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "gzip.h"
#include "log.h"
#include "options.h"
#include "request.h"

#define FHIR_JSON "application/fhir+json; charset=utf-8"
#define GZIP_LEAST 1024
#define GZIP_AT_ONCE (128 * 1024)
#define METHODS_ALLOWED "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
#define EXPOSED "Content-Location, ETag, Last-Modified, Location, Retry-After, X-Request-Id"

static const char *
reason(int status)
{
	static const struct
	{
		int status;
		const char *text;
	} reasons[] = {{200, "OK"},
				   {201, "Created"},
				   {202, "Accepted"},
				   {204, "No Content"},
				   {206, "Partial Content"},
				   {303, "See Other"},
				   {304, "Not Modified"},
				   {400, "Bad Request"},
				   {401, "Unauthorized"},
				   {403, "Forbidden"},
				   {404, "Not Found"},
				   {405, "Method Not Allowed"},
				   {406, "Not Acceptable"},
				   {408, "Request Timeout"},
				   {409, "Conflict"},
				   {410, "Gone"},
				   {412, "Precondition Failed"},
				   {413, "Content Too Large"},
				   {414, "URI Too Long"},
				   {415, "Unsupported Media Type"},
				   {417, "Expectation Failed"},
				   {422, "Unprocessable Content"},
				   {428, "Precondition Required"},
				   {429, "Too Many Requests"},
				   {431, "Request Header Fields Too Large"},
				   {500, "Internal Server Error"},
				   {501, "Not Implemented"},
				   {503, "Service Unavailable"},
				   {504, "Gateway Timeout"},
				   {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

void
reply_header(Request *r, const char *name, const char *value)
{
	/* what could be taken for two fields is left out */
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char) *p < ' ' && *p != '\t') || *p == 0x7F)
			return;
	if (*name == '\0' || strpbrk(name, "\r\n: \t") != NULL)
		return;
	buf_puts(&r->head, name);
	buf_append(&r->head, ": ", 2);
	buf_puts(&r->head, value);
	buf_append(&r->head, "\r\n", 2);
}

/* Has the answer this header already? */
static bool
has_header(const Request *r, const char *name)
{
	size_t len = strlen(name);
	const char *line = r->head.data;

	while ((line = strchr(line, '\n')) != NULL && *++line != '\0')
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return true;
	return false;
}

/* The value of Access-Control-Allow-Origin, NULL when this origin is not allowed. */
static const char *
allowed_origin(const Request *r)
{
	size_t len;

	if (r->origin == NULL || opt.cors[0] == '\0')
		return NULL;
	if (strcmp(opt.cors, "*") == 0)
		return "*";
	len = strlen(r->origin);
	for (const char *p = opt.cors; *p != '\0';)
	{
		size_t n;

		p += strspn(p, ", ");
		n = strcspn(p, ", ");
		if (n == len && n > 0 && strncmp(p, r->origin, n) == 0)
			return r->origin;
		p += n;
	}
	return NULL;
}

/* What every answer carries */
static void
add_common(Request *r)
{
	const char *origin = allowed_origin(r);

	reply_header(r, "X-Request-Id", r->id);
	if (origin != NULL)
	{
		reply_header(r, "Access-Control-Allow-Origin", origin);
		reply_header(r, "Access-Control-Expose-Headers", EXPOSED);
	}
	if (opt.cors[0] != '\0' && strcmp(opt.cors, "*") != 0)
		reply_header(r, "Vary", "Origin");
	/* not where the change may have been made: trying again could make it twice */
	if (r->status == 503 && !has_header(r, "Retry-After") && !(r->sent && r->job.end == JOB_UNKNOWN))
		reply_header(r, "Retry-After", "1");
	if (r->status == 405 && !has_header(r, "Allow"))
		reply_header(r, "Allow", METHODS_ALLOWED);
}

/* "Sat, 31 Jan 2026 12:00:00 GMT", made once a second */
static const char *
date(void)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char text[40];
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);

	if (now != second)
	{
		struct tm tm;

		second = now;
		gmtime_r(&now, &tm);
		snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
				 months + 3 * tm.tm_mon, (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
	return text;
}

/* Begins the answer: data lives as long as the request. */
static void
set_answer(Request *r, int status, const char *data, size_t len)
{
	r->answered = true;
	r->status = status;
	r->data = data;
	r->body_left = r->out = len;
	r->head_sent = 0;
	buf_reset(&r->head);
	buf_append(&r->head, "HTTP/1.1 ", 9);
	buf_number(&r->head, (uint64_t) status, 3);
	buf_putc(&r->head, ' ');
	buf_puts(&r->head, reason(status));
	buf_append(&r->head, "\r\n", 2);
}

void
reply_finish(Request *r)
{
	Buf *b = &r->head;

	buf_append(b, "Date: ", 6);
	buf_puts(b, date());
	if (r->loop->draining)
		r->must_close = true;
	if (r->must_close)
		buf_puts(b, "\r\nConnection: close");
	else if (r->old)
		buf_puts(b, "\r\nConnection: keep-alive");
	if (r->gzip != NULL)
		buf_puts(b, "\r\nTransfer-Encoding: chunked");
	else if (r->status != 204 && r->status != 304)
	{
		buf_puts(b, "\r\nContent-Length: ");
		buf_number(b, r->body_left, 1);
	}
	buf_append(b, "\r\n\r\n", 4);
	if (r->method == METHOD_HEAD || r->status == 204 || r->status == 304)
		r->body_left = 0;
}

static void
append_outcome(Buf *b, const char *code, const char *text)
{
	buf_reset(b);
	buf_printf(b,
			   "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"%s\","
			   "\"diagnostics\":",
			   code);
	buf_json_string(b, text, strlen(text));
	buf_puts(b, "}]}");
}

void
reply_error(Request *r, int status, const char *code, const char *format, ...)
{
	char text[500];
	va_list args;

	if (r->answered)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	append_outcome(&r->text, code, text);
	set_answer(r, status, r->text.data, r->text.len);
	reply_header(r, "Content-Type", FHIR_JSON);
	add_common(r);
}

void
reply_text(Request *r, int status, const char *type)
{
	set_answer(r, status, r->text.data ? r->text.data : "", r->text.len);
	reply_header(r, "Content-Type", type);
	reply_header(r, "Cache-Control", "no-store");
	add_common(r);
}

void
reply_preflight(Request *r)
{
	set_answer(r, 204, "", 0);
	reply_header(r, "Allow", METHODS_ALLOWED);
	if (r->preflight_method != NULL && allowed_origin(r) != NULL)
	{
		reply_header(r, "Access-Control-Allow-Methods", METHODS_ALLOWED);
		if (r->preflight_headers != NULL)
			reply_header(r, "Access-Control-Allow-Headers", r->preflight_headers);
		reply_header(r, "Access-Control-Max-Age", "86400");
	}
	add_common(r);
}

/* Headers of the connection are the gateway's, not the database's. */
static bool
is_own_header(const char *name)
{
	static const char *const own[] = {"connection", "content-length", "date", "transfer-encoding", "x-request-id"};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (strcasecmp(name, own[i]) == 0)
			return true;
	return false;
}

/* Compresses the body of the answer if the client takes it and it is worth it. */
static bool
set_compressed(Request *r, int status, const char *data, size_t len, const char *type)
{
	if (type == NULL || (strstr(type, "json") == NULL && strstr(type, "xml") == NULL && strncmp(type, "text/", 5) != 0))
		return false;
	if (len <= GZIP_AT_ONCE)
	{
		if (!gzip_whole(data, len, &r->text))
			return false;
		set_answer(r, status, r->text.data, r->text.len);
	}
	else
	{
		/* in pieces, which HTTP/1.0 does not know */
		r->gzip = r->old ? NULL : gzip_stream(data, len);
		if (r->gzip == NULL)
			return false;
		set_answer(r, status, NULL, 0);
	}
	r->out = len;
	reply_header(r, "Content-Encoding", "gzip");
	return true;
}

/* The row of fhir_http: status int4, headers jsonb, body bytea, all in binary; behind them the number that conn.c checks */
static bool
reply_row(Request *r, PGresult *row)
{
	uint32_t status;
	json_t *headers, *value;
	const char *name, *body;
	size_t len;
	bool wants_gzip;

	if (PQntuples(row) != 1 || PQnfields(row) < 3 || PQgetisnull(row, 0, 0) || PQgetlength(row, 0, 0) != 4)
		return false;
	memcpy(&status, PQgetvalue(row, 0, 0), 4);
	status = ntohl(status);
	if (status < 200 || status > 599)
		return false;
	/* jsonb in binary: a version byte, then the text */
	if (PQgetisnull(row, 0, 1) || PQgetlength(row, 0, 1) < 1 || PQgetvalue(row, 0, 1)[0] != 1)
		headers = NULL;
	else
		headers = json_loadb(PQgetvalue(row, 0, 1) + 1, (size_t) PQgetlength(row, 0, 1) - 1, 0, NULL);
	body = PQgetvalue(row, 0, 2);
	len = PQgetisnull(row, 0, 2) ? 0 : (size_t) PQgetlength(row, 0, 2);
	wants_gzip = r->accepts_gzip && opt.gzip_level > 0 && len > GZIP_LEAST && r->method != METHOD_HEAD;
	if (wants_gzip)
	{
		const char *type = NULL;

		json_object_foreach(headers, name, value)
		{
			if (strcasecmp(name, "content-type") == 0)
				type = json_string_value(value);
			else if (strcasecmp(name, "content-encoding") == 0)
				wants_gzip = false;
		}
		wants_gzip = wants_gzip && set_compressed(r, (int) status, body, len, type);
	}
	if (!wants_gzip)
		set_answer(r, (int) status, body, len);
	if (opt.gzip_level > 0 && len > GZIP_LEAST)
		reply_header(r, "Vary", "Accept-Encoding");
	json_object_foreach(headers, name, value)
	{
		if (is_own_header(name))
			continue;
		if (json_is_array(value))
		{
			size_t i;
			json_t *item;

			json_array_foreach(value, i, item) if (json_is_string(item))
				reply_header(r, name, json_string_value(item));
		}
		else if (json_is_string(value))
			reply_header(r, name, json_string_value(value));
	}
	json_decref(headers);
	add_common(r);
	return true;
}

typedef struct StateReply
{
	const char *state; /* beginning of an SQLSTATE */
	int status;
	const char *code;
	const char *text; /* NULL: the server's message is meant for the client */
} StateReply;

static const StateReply states[] = {
	{"40001", 409, "conflict", "Another request changed the same data at the same time; try again"},
	{"40P01", 409, "conflict", "Another request changed the same data at the same time; try again"},
	{"57014", 504, "timeout", "The request took too long and was cancelled"},
	{"57P", 503, "transient", "The database is shutting down or restarting; nothing was changed"},
	{"25006", 503, "transient", "This database is read-only"},
	{"53", 503, "throttled", "The database is short of resources"},
	{"54", 400, "too-costly", "The request is too large or too complex for the database"},
	{"22021", 400, "structure", "The request is not valid UTF-8"},
	{"22P05", 400, "structure", "The request has a character that cannot be stored"},
	{"42501", 403, "forbidden", "The gateway's database role may not do this"},
	{"42883", 503, "transient", "The fhir extension is not installed in the database"},
	{"3F000", 503, "transient", "The fhir extension is not installed in the database"},
};

/* The status that an SQLSTATE of the extension names ("FH404"), 0 if it is none. */
static int
fhir_status(const char *state)
{
	int status = 0;

	if (strncmp(state, "FH", 2) != 0 || strlen(state) != 5)
		return 0;
	for (const char *digit = state + 2; *digit; digit++)
	{
		if (*digit < '0' || *digit > '9')
			return 0;
		status = status * 10 + *digit - '0';
	}
	return status >= 400 && status <= 599 ? status : 0;
}

/* An SQL error, where fhir_http would have rendered its own: cancelled, out of memory, at commit … */
static void
reply_sql_error(Request *r, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL)
		state = "XX000";
	if (message == NULL)
		message = "";
	if (fhir_status(state) != 0)
	{
		reply_error(r, fhir_status(state), "processing", "%s", message);
		return;
	}
	log_error("request %s: SQLSTATE %s: %.300s", r->id, state, message);
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
		if (strncmp(states[i].state, state, strlen(states[i].state)) == 0)
		{
			reply_error(r, states[i].status, states[i].code, "%s", states[i].text);
			return;
		}
	reply_error(r, 500, "exception", "Internal error; the log has it under request %s", r->id);
}

void
reply_job(Request *r)
{
	r->result = r->job.result;
	r->job.result = NULL;
	switch (r->job.end)
	{
		case JOB_DONE:
			if (!reply_row(r, r->result))
			{
				log_error("request %s: fhir_http gave no valid answer", r->id);
				reply_error(r, 500, "exception", "Internal error; the log has it under request %s", r->id);
			}
			break;
		case JOB_FAILED:
			reply_sql_error(r, r->result);
			break;
		case JOB_UNAVAILABLE:
			reply_error(r, 503, "transient", "The database is not available; nothing was changed");
			break;
		case JOB_FULL:
			reply_error(r, 503, "throttled", "Too many requests are waiting; nothing was changed");
			break;
		case JOB_EXPIRED:
			reply_error(r, 504, "timeout", "The request took too long and was cancelled; nothing was changed");
			break;
		case JOB_UNKNOWN:
			/* the transaction may have been committed: only the client can look */
			if (r->job.expired_at != 0)
				reply_error(r, 504, "timeout", "The request took too long; whether the change was made is not known");
			else
				reply_error(r, 503, "transient",
							"The connection to the database broke before it answered; "
							"whether the change was made is not known");
			break;
	}
}
