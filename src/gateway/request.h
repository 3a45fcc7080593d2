/*
 * request.h: one HTTP request on its way: intake, body, call of the database, answer.
 *
 * A request is made when its head is complete and lives until its answer is sent, or its client gone and the database done
 * with it. Requests are reused, with their buffers, when small.
 */
#ifndef FHIR_GATEWAY_REQUEST_H
#define FHIR_GATEWAY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <zlib.h>

#include "buffer.h"
#include "client.h"
#include "gzip.h"
#include "head.h"
#include "pool.h"

typedef struct Request
{
	Job job; /* first: the job's address is the request's */
	Loop *loop;
	Client *client;
	struct Request *next_spare;

	char id[129];
	char peer[64]; /* the client's address as a trusted proxy gave it, "" if none did */
	int method;	   /* METHOD_… */
	char method_text[24];
	Buf raw;		 /* its head, taken apart in place */
	Buf target;		 /* as sent */
	Buf url;		 /* below the base, for fhir_http */
	Buf headers;	 /* JSON object for fhir_http */
	Buf body;		 /* decompressed */
	size_t reserved; /* of the memory budget */
	uint64_t started;
	uint64_t in, out;
	int status; /* of the answer, 0 = none yet */

	bool sent;	   /* to the database */
	bool answered; /* the answer is set */
	bool expects_continue;
	bool has_body;
	bool accepts_gzip;
	bool must_close;  /* the connection ends with this answer */
	bool old;		  /* HTTP/1.0 */
	bool keeps_alive; /* which asked to go on */
	bool chunked;	  /* the body */
	Chunks chunks;
	uint64_t expected; /* bytes of the body yet to come, if not chunked */
	z_stream *inflate; /* the body arrives compressed */
	bool inflated;	   /* its end was seen */

	/* header fields the gateway itself uses; they live as long as the HTTP request */
	const char *origin, *preflight_method, *preflight_headers;

	Buf head; /* of the answer */
	size_t head_sent;
	const char *data; /* of its body: in result, text or a constant */
	size_t body_left;
	GzipStream *gzip; /* makes the further pieces of the body */
	PGresult *result;
	Buf text;
} Request;

/* intake.c: looks at the header; false when the request was refused (an answer is set). */
extern bool intake_begin(Request *r, Head *head);

/* What the log says of a request whose head is not valid: method and target as far as they were, an id. */
extern void intake_name(Request *r, const Head *head);

/* body.c: false when the request was refused or the connection must end. */
extern bool body_begin(Request *r, const char *encoding);
extern bool body_append(Request *r, const char *data, size_t len);
extern bool body_end(Request *r);
extern void body_free(Request *r);

/* route.c: the request is complete: true when its answer is set, false when the database got it, and perhaps has answered. */
extern bool route(Request *r);

/* Length of the base if the target lies at or below it, -1 if not. */
extern int route_base(const char *target);

/* reply.c */

/* Sets an answer of an OperationOutcome; the first one set stays. */
extern void reply_error(Request *r, int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Sets the answer from a text the request owns. */
extern void reply_text(Request *r, int status, const char *type);

/* Sets the answer from what fhir_http answered, or from how the job ended otherwise. */
extern void reply_job(Request *r);

extern void reply_preflight(Request *r);

/* Adds a header to the answer. */
extern void reply_header(Request *r, const char *name, const char *value);

/* Ends the head: length, date, what becomes of the connection. */
extern void reply_finish(Request *r);

/* http.c: the answer is set: sends it. The request may be gone afterwards. */
extern void http_answer(Request *r);

/* trust.c */
extern bool trust_read(const char *list);
extern bool trust_address(const struct sockaddr *address);

#endif
