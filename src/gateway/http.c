/*
 * http.c: the life of a request: its head, its body, the way to the database, its answer.
 *
 * A request begins when its head is complete. Its answer is sent as soon as it is there, from wherever that is found
 * out; whoever may answer a request touches neither it nor its client's phase afterwards. An answer before the end
 * of the request's body is the connection's last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "client.h"
#include "log.h"
#include "options.h"
#include "request.h"

#define KEEP_BUFFER 65536 /* larger buffers are not kept for the next request */

static Request *
request_start(Client *client)
{
	Loop *loop = client->loop;
	Request *r = loop->spare_requests;

	if (r != NULL)
		loop->spare_requests = r->next_spare;
	else
		r = xalloc(sizeof *r);
	r->next_spare = NULL;
	r->loop = loop;
	r->client = client;
	r->started = now_microseconds();
	r->method = METHOD_OTHER; /* until the head is read */
	client->request = r;
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

/* Counts, logs and puts the request away. */
static void
request_end(Request *r, bool completed)
{
	Loop *loop = r->loop;
	Request clean = {0};
	uint64_t took = now_microseconds() - r->started;
	int status = completed ? r->status : 0;

	metrics_request(&loop->metrics, r->method, status, took, r->in, r->out);
	log_request(loop, r->id, r->peer[0] ? r->peer : r->client->address, r->method_text, r->target.data ? r->target.data : "",
				status, r->in, r->out, took);
	r->client->request = NULL;
	body_free(r);
	PQclear(r->result);
	if (r->gzip != NULL)
		gzip_stream_free(r->gzip);
	keep_buffer(&r->raw);
	keep_buffer(&r->target);
	keep_buffer(&r->url);
	keep_buffer(&r->headers);
	keep_buffer(&r->body);
	keep_buffer(&r->text);
	keep_buffer(&r->head);
	clean.raw = r->raw;
	clean.target = r->target;
	clean.url = r->url;
	clean.headers = r->headers;
	clean.body = r->body;
	clean.text = r->text;
	clean.head = r->head;
	clean.next_spare = loop->spare_requests;
	*r = clean;
	loop->spare_requests = r;
	loop->requests--;
	metric_add(&loop->metrics.in_progress, (uint64_t) -1);
}

/* The connection broke, or was closed. */
void
http_gone(Client *client)
{
	request_end(client->request, false);
}

/* The answer is complete: the next request, or the end. */
static bool
answered(Client *client)
{
	bool last = client->request->must_close;

	request_end(client->request, true);
	if (last)
	{
		client_finish(client);
		return false;
	}
	client_phase(client, PHASE_HEADER);
	return true;
}

/* Sends what can be sent; true when that was all. */
bool
http_send(Client *client)
{
	Request *r = client->request;

	for (;;)
	{
		size_t head = r->head.len - r->head_sent, body = r->body_left;
		ssize_t n;

		if (head + body == 0)
		{
			if (r->gzip == NULL)
				return answered(client);
			if (!gzip_stream_next(r->gzip, &r->text))
			{
				client_close(client); /* cut off, so that it is not taken for the whole */
				return false;
			}
			r->data = r->text.data;
			r->body_left = r->text.len;
			if (r->text.len > 0)
				continue;
			gzip_stream_free(r->gzip);
			r->gzip = NULL;
			continue;
		}
		n = client_send(client, r->head.data + r->head_sent, head, r->data, body);
		if (n < 0)
			client_close(client);
		if (n <= 0)
			return false;
		head = (size_t) n < head ? (size_t) n : head;
		r->head_sent += head;
		r->data += (size_t) n - head;
		r->body_left -= (size_t) n - head;
		/* a long answer lets others have their turn between its pieces */
		if (r->gzip != NULL && r->body_left == 0)
		{
			client_later(client);
			return false;
		}
	}
}

/* The answer is set: on its way with it. */
void
http_answer(Request *r)
{
	Client *client = r->client;

	if (client->phase == PHASE_BODY)
		r->must_close = true;
	reply_finish(r);
	client_phase(client, PHASE_ANSWER);
	/* what came behind this request waits for its turn */
	if (http_send(client) && (client->at < client->in.len || client->readable))
		client_later(client);
}

/* The body, if any, is complete. */
static void
body_complete(Request *r)
{
	client_phase(r->client, PHASE_WORK);
	if (!body_end(r) || route(r))
		http_answer(r);
}

/* 414, 431 or 400: what came is no head, or longer than one may be. */
static void
refuse_head(Request *r, ssize_t length, const char *data, size_t len)
{
	static const Head nothing = {.method = "", .target = ""};

	r->must_close = true;
	intake_name(r, &nothing);
	if (length < 0)
		reply_error(r, 400, "structure", "The request is not valid HTTP");
	else if (memchr(data, '\n', len) == NULL)
		reply_error(r, 414, "too-long", "The request target is longer than the limit of %lld bytes. A search can be sent by POST",
					(long long) (opt.max_url < opt.max_header ? opt.max_url : opt.max_header));
	else
		reply_error(r, 431, "too-long", "The header is longer than the limit of %lld bytes", (long long) opt.max_header);
}

/* The head is complete: refuse, or let the body come. */
static void
head_complete(Request *r, Head *head)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	Client *client = r->client;

	if (!intake_begin(r, head))
	{
		/* without a body the connection can live on */
		if (r->has_body)
			r->must_close = true;
		http_answer(r);
		return;
	}
	if (!r->has_body)
	{
		body_complete(r);
		return;
	}
	client_phase(client, PHASE_BODY);
	/* it fits into an empty socket; a client that does not get it sends its body after a while */
	if (r->expects_continue && client->at == client->in.len && client_send(client, go_on, sizeof go_on - 1, NULL, 0) < 0)
		client_close(client);
}

static const char *
parse_error(HeadError error)
{
	switch (error)
	{
		case HEAD_BAD_VERSION:
			return "The only versions of HTTP that are understood are 1.1 and 1.0";
		case HEAD_BAD_FIELD:
			return "A header field is not valid";
		default:
			return "The request line is not valid";
	}
}

bool
http_head(Client *client)
{
	const char *data;
	size_t len;
	ssize_t length;
	Request *r;
	Head head;
	HeadError error;

	/* empty lines before a request are a habit of old clients (RFC 9112, 2.2) */
	while (client->at < client->in.len && client->scanned == 0 &&
		   (client->in.data[client->at] == '\r' || client->in.data[client->at] == '\n'))
		client->at++;
	data = client->in.data + client->at;
	len = client->in.len - client->at;
	if (len == 0)
		return false;
	length = head_length(data, len, &client->scanned);
	if (length == 0 && len <= (size_t) opt.max_header)
		return false;
	client->scanned = 0;
	r = request_start(client);
	if (length <= 0)
	{
		refuse_head(r, length, data, len);
		http_answer(r);
		return true;
	}
	buf_append(&r->raw, data, (size_t) length);
	client->at += (size_t) length;
	error = head_parse(r->raw.data, (size_t) length, &head);
	if (error == HEAD_OK)
	{
		head_complete(r, &head);
		return true;
	}
	r->must_close = true;
	intake_name(r, &head);
	reply_error(r, error == HEAD_BAD_VERSION ? 505 : 400, "structure", "%s", parse_error(error));
	http_answer(r);
	return true;
}

/* One piece of a body in chunks: false when it was refused. */
static bool
take_chunks(Request *r, const char *data, size_t len, size_t *used)
{
	const char *piece = NULL;
	size_t piece_len;
	ssize_t n = chunks_next(&r->chunks, data, len, &piece, &piece_len);

	if (n < 0)
	{
		reply_error(r, 400, "structure", "The body is not valid in its transfer coding");
		return false;
	}
	*used = (size_t) n;
	return piece_len == 0 || body_append(r, piece, piece_len);
}

bool
http_body(Client *client)
{
	Request *r = client->request;
	const char *data = client->in.data + client->at;
	size_t len = client->in.len - client->at, used = len;
	bool taken;

	if (r->chunked)
		taken = take_chunks(r, data, len, &used);
	else
	{
		used = len < r->expected ? len : (size_t) r->expected;
		r->expected -= used;
		taken = body_append(r, data, used);
	}
	client->at += used;
	if (!taken)
		http_answer(r);
	else if (r->chunked ? r->chunks.done : r->expected == 0)
		body_complete(r);
	return true;
}

void
http_slow_body(Client *client)
{
	Request *r = client->request;

	reply_error(r, 408, "timeout", "The body did not arrive in time");
	http_answer(r);
}
