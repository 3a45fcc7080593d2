/*
 * intake.c: from an HTTP header to what fhir_http gets: url, headers object; and the checks that come before.
 *
 * Refused here: a body whose length two parsers could see differently (Transfer-Encoding with Content-Length,
 * several Content-Length, unknown transfer codings), several Host, and what is over the limits. Clients cannot set x-fhir-*: these headers are the gateway's word to the database.
 */
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>

#include "options.h"
#include "request.h"

typedef struct Intake
{
	Request *r;
	Head *head;
	int lengths, codings, hosts;
	const char *length, *coding, *host, *encoding, *expect;
	const char *forwarded_proto, *forwarded_host, *forwarded_for, *id;
} Intake;

typedef struct Known
{
	const char *name;
	size_t len;
	size_t keep;	/* offset in Intake of a pointer to keep, 0 none */
	size_t request; /* offset in Request likewise */
	size_t counter; /* offset in Intake of a counter */
	bool hidden;
} Known;

#define NAME(text) text, sizeof(text) - 1
#define IN(field) offsetof(Intake, field)
#define OWN(field) offsetof(Request, field)

/* What is between client and gateway only, or used here. Everything else goes to the database. */
static const Known known[] = {
	{NAME("host"), IN(host), 0, IN(hosts), true},
	{NAME("content-length"), IN(length), 0, IN(lengths), true},
	{NAME("transfer-encoding"), IN(coding), 0, IN(codings), true},
	{NAME("content-encoding"), IN(encoding), 0, 0, true},
	{NAME("expect"), IN(expect), 0, 0, true},
	{NAME("origin"), 0, OWN(origin), 0, true},
	{NAME("access-control-request-method"), 0, OWN(preflight_method), 0, true},
	{NAME("access-control-request-headers"), 0, OWN(preflight_headers), 0, true},
	{NAME("x-request-id"), IN(id), 0, 0, true},
	{NAME("x-forwarded-proto"), IN(forwarded_proto), 0, 0, true},
	{NAME("x-forwarded-host"), IN(forwarded_host), 0, 0, true},
	{NAME("x-forwarded-for"), IN(forwarded_for), 0, 0, false},
	{NAME("accept-encoding"), 0, 0, 0, true},
	{NAME("connection"), 0, 0, 0, true},
	{NAME("keep-alive"), 0, 0, 0, true},
	{NAME("proxy-connection"), 0, 0, 0, true},
	{NAME("proxy-authorization"), 0, 0, 0, true},
	{NAME("te"), 0, 0, 0, true},
	{NAME("trailer"), 0, 0, 0, true},
	{NAME("upgrade"), 0, 0, 0, true},
	{NAME("cookie"), 0, 0, 0, true},
};

/* "gzip" or "*" with a weight above zero */
static bool
accepts_gzip(const char *value)
{
	while (*value != '\0')
	{
		size_t len;
		const char *weight;

		value += strspn(value, ", \t");
		len = strcspn(value, ",; \t");
		weight = value + len + strspn(value + len, " \t");
		if ((len == 4 && strncasecmp(value, "gzip", 4) == 0) || (len == 1 && *value == '*'))
		{
			if (*weight == ';')
			{
				weight++;
				weight += strspn(weight, " \t");
				if (strncasecmp(weight, "q=", 2) == 0)
					return strtod(weight + 2, NULL) > 0;
			}
			return true;
		}
		value += strcspn(value, ",");
	}
	return false;
}

/* Is this word among those of a list with commas? */
static bool
lists(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list != '\0')
	{
		size_t n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && strncasecmp(list, word, len) == 0)
			return true;
		list += n;
	}
	return false;
}

static void
take_field(Intake *in, Field *f)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
	{
		const Known *k = &known[i];

		if (k->len != f->name_len || strncasecmp(k->name, f->name, f->name_len) != 0)
			continue;
		f->hidden = k->hidden;
		if (k->keep)
			*(const char **) ((char *) in + k->keep) = f->value;
		if (k->request)
			*(const char **) ((char *) in->r + k->request) = f->value;
		if (k->counter)
			(*(int *) ((char *) in + k->counter))++;
		if (strcmp(k->name, "accept-encoding") == 0)
			in->r->accepts_gzip = accepts_gzip(f->value);
		else if (strcmp(k->name, "connection") == 0)
		{
			in->r->must_close |= lists(f->value, "close");
			in->r->keeps_alive |= lists(f->value, "keep-alive");
		}
		return;
	}
	f->hidden = f->name_len >= 7 && strncasecmp(f->name, "x-fhir-", 7) == 0;
}

/* A host and port as they may stand in a URL */
static bool
is_host(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]");

	return len > 0 && len < 256 && s[len] == '\0';
}

/* The absolute base as the client knows it: the operator's word, else a trusted proxy's, else the request's. */
static void
append_base(const Intake *in, Buf *b)
{
	const char *host = in->host && is_host(in->host) ? in->host : opt.listen;
	const char *scheme = opt.tls_cert[0] ? "https" : "http";

	if (opt.public_url[0] != '\0')
	{
		buf_puts(b, opt.public_url);
		return;
	}
	if (in->r->client->trusted)
	{
		if (in->forwarded_proto != NULL &&
			(strcmp(in->forwarded_proto, "http") == 0 || strcmp(in->forwarded_proto, "https") == 0))
			scheme = in->forwarded_proto;
		if (in->forwarded_host != NULL && is_host(in->forwarded_host))
			host = in->forwarded_host;
	}
	if (strncmp(host, "unix:", 5) == 0)
		host = "localhost";
	buf_puts(b, scheme);
	buf_puts(b, "://");
	buf_puts(b, host);
	buf_puts(b, opt.base);
}

/* {"name": "value", …}: names in lower case, values of repeated fields joined by commas (RFC 9110, 5.3) */
static void
append_headers(Intake *in, Buf *b)
{
	Buf joined = {0};

	buf_puts(b, "{\"x-fhir-base\":\"");
	append_base(in, b);
	buf_puts(b, "\",\"x-request-id\":\"");
	buf_puts(b, in->r->id);
	buf_putc(b, '"');
	for (int i = 0; i < in->head->count; i++)
	{
		Field *f = &in->head->fields[i];
		bool again = false;

		if (f->hidden)
			continue;
		buf_puts(b, ",\"");
		buf_append(b, f->name, f->name_len);
		for (char *c = b->data + b->len - f->name_len; *c != '\0'; c++)
			*c = (char) tolower((unsigned char) *c);
		buf_puts(b, "\":");
		for (int j = i + 1; j < in->head->count; j++)
		{
			Field *g = &in->head->fields[j];

			if (g->hidden || g->name_len != f->name_len || strncasecmp(g->name, f->name, f->name_len) != 0)
				continue;
			if (!again)
			{
				buf_reset(&joined);
				buf_append(&joined, f->value, f->value_len);
			}
			buf_puts(&joined, ", ");
			buf_append(&joined, g->value, g->value_len);
			g->hidden = again = true;
		}
		if (again)
			buf_json_string(b, joined.data, joined.len);
		else
			buf_json_string(b, f->value, f->value_len);
	}
	buf_putc(b, '}');
	buf_free(&joined);
}

/* The client's id of the request if it is harmless, else one of our own. */
static void
choose_id(Request *r, const char *given)
{
	static _Thread_local uint64_t state;
	size_t len = given ? strlen(given) : 0;
	uint64_t z;

	if (len > 0 && len < sizeof r->id &&
		strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/+=") == len)
	{
		memcpy(r->id, given, len + 1);
		return;
	}
	while (state == 0)
		if (getrandom(&state, sizeof state, 0) != (ssize_t) sizeof state)
			state = r->loop->now + 1;
	/* splitmix64: unique is enough, these ids protect nothing */
	z = (state += UINT64_C(0x9E3779B97F4A7C15));
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	z ^= z >> 31;
	for (int i = 0; i < 16; i++)
		r->id[i] = "0123456789abcdef"[(z >> (4 * i)) & 15];
	r->id[16] = '\0';
}

/* For the log: the address that a trusted proxy added last, else the peer's own. */
static void
choose_peer(Request *r, const char *forwarded_for)
{
	const char *last;
	size_t len;

	if (forwarded_for == NULL || !r->client->trusted)
		return;
	last = strrchr(forwarded_for, ',');
	last = last != NULL ? last + 1 : forwarded_for;
	last += strspn(last, " \t");
	len = strspn(last, "0123456789abcdefABCDEF.:[]");
	if (len > 0 && len < sizeof r->peer)
	{
		memcpy(r->peer, last, len);
		r->peer[len] = '\0';
	}
}

static bool
is_number(const char *s)
{
	return *s != '\0' && strlen(s) < 19 && s[strspn(s, "0123456789")] == '\0';
}

/* How long is the body, and is that beyond doubt? */
static bool
check_framing(const Intake *in)
{
	Request *r = in->r;

	if (in->lengths > 0 && in->codings > 0)
		reply_error(r, 400, "structure", "Both Content-Length and Transfer-Encoding are given");
	else if (in->lengths > 1)
		reply_error(r, 400, "structure", "Content-Length is given more than once");
	else if (in->codings > 1 || (in->coding != NULL && strcasecmp(in->coding, "chunked") != 0))
		reply_error(r, 501, "not-supported", "The only transfer coding that is understood is chunked");
	else if (in->coding != NULL && r->old)
		reply_error(r, 400, "structure", "HTTP/1.0 has no transfer codings");
	else if (in->length != NULL && !is_number(in->length))
		reply_error(r, 400, "structure", "Content-Length is not a number");
	else if (in->hosts == 0 && !r->old)
		reply_error(r, 400, "structure", "The Host header is missing");
	else if (in->hosts > 1 || (in->host != NULL && !is_host(in->host)))
		reply_error(r, 400, "structure", "The Host header is not valid");
	else
		return true;
	r->must_close = true;
	return false;
}

static bool
check_limits(const Intake *in)
{
	Request *r = in->r;

	if (r->target.len > (size_t) opt.max_url)
		reply_error(r, 414, "too-long", "The request target has %zu bytes; the limit is %lld. A search can be sent by POST",
					r->target.len, (long long) opt.max_url);
	else if (in->head->too_many)
		reply_error(r, 431, "too-long", "More than %d header fields", MAX_FIELDS);
	else if (r->raw.len > (size_t) opt.max_header)
		reply_error(r, 431, "too-long", "The header has %zu bytes; the limit is %lld", r->raw.len,
					(long long) opt.max_header);
	else if (in->length != NULL && strtoll(in->length, NULL, 10) > opt.max_body)
		reply_error(r, 413, "too-long", "The body has %s bytes; the limit is %lld", in->length,
					(long long) opt.max_body);
	else if (in->expect != NULL && strcasecmp(in->expect, "100-continue") != 0)
		reply_error(r, 417, "not-supported", "The only expectation that is understood is 100-continue");
	else
		return true;
	/* fields that were left out may have been about the framing */
	r->must_close |= in->head->too_many;
	return false;
}

/* An absolute target (RFC 9112, 3.2.2) names the host once more: the path counts. */
static void
take_target(Request *r, const char *target)
{
	if (strncmp(target, "http://", 7) == 0 || strncmp(target, "https://", 8) == 0)
	{
		target = strstr(target, "://") + 3;
		target += strcspn(target, "/?#");
	}
	if (*target != '/' && *target != '*')
		buf_putc(&r->target, '/');
	buf_puts(&r->target, target);
}

static void
take_method(Request *r, const char *method)
{
	r->method = method_number(method);
	strncpy(r->method_text, method, sizeof r->method_text - 1);
	r->method_text[sizeof r->method_text - 1] = '\0';
}

void
intake_name(Request *r, const Head *head)
{
	choose_id(r, NULL);
	take_method(r, head->method);
	take_target(r, head->target);
}

bool
intake_begin(Request *r, Head *head)
{
	Intake in = {.r = r, .head = head};

	for (int i = 0; i < head->count; i++)
		take_field(&in, &head->fields[i]);
	choose_id(r, in.id);
	choose_peer(r, in.forwarded_for);
	take_method(r, head->method);
	take_target(r, head->target);
	r->old = head->minor == 0;
	r->must_close |= r->old && !r->keeps_alive;
	r->expects_continue = in.expect != NULL && !r->old;
	r->chunked = in.coding != NULL;
	r->has_body = r->chunked || (in.length != NULL && strcmp(in.length, "0") != 0);
	if (!check_framing(&in) || !check_limits(&in))
		return false;
	r->expected = in.length != NULL ? strtoull(in.length, NULL, 10) : 0;
	r->has_body = r->chunked || r->expected > 0;
	if (r->has_body && !body_begin(r, in.encoding))
		return false;
	append_headers(&in, &r->headers);
	return true;
}
