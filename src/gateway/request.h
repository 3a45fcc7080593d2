/*
 * request.h: one HTTP request on its way: intake, body, call of the database, answer.
 *
 * A request is made when its request line is parsed and lives until the HTTP daemon reports it completed; its
 * connection is suspended while the database works. Requests are reused, with their buffers, when small.
 */
#ifndef FHIR_GATEWAY_REQUEST_H
#define FHIR_GATEWAY_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <zlib.h>

#include "buffer.h"
#include "pool.h"

/* What a client connection waits for: each has its deadline. */
typedef enum Phase
{
	PHASE_HEADER, /* idle, or a header is arriving */
	PHASE_BODY,
	PHASE_ANSWER,
	PHASE_LINGER /* answered early: what still arrives is dropped for a moment, then the connection is closed */
} Phase;

typedef struct Client
{
	Loop *loop;
	struct Client *next, *previous;
	int fd;
	Phase phase;
	uint64_t since;	   /* of the phase */
	bool trusted;	   /* a proxy whose X-Forwarded-* are believed */
	char address[64];
	struct Request *request; /* in progress, or NULL */
} Client;

typedef struct Request
{
	Job job; /* first: the job's address is the request's */
	Loop *loop;
	Client *client;
	struct MHD_Connection *connection;
	struct Request *next_spare;

	char id[129];
	char peer[64]; /* the client's address as a trusted proxy gave it, "" if none did */
	int method; /* METHOD_… */
	char method_text[24];
	Buf target;	 /* as sent */
	Buf url;	 /* below the base, for fhir_http */
	Buf headers; /* JSON object for fhir_http */
	Buf body;	 /* decompressed */
	size_t reserved; /* of the memory budget */
	uint64_t started;
	uint64_t in, out;
	int status; /* of the answer, 0 = none yet */

	bool begun; /* its header was looked at */
	bool sent;	/* to the database, or answered */
	bool expects_continue;
	bool has_body;
	bool accepts_gzip;
	bool must_close; /* the framing is not to be trusted */
	z_stream *inflate; /* the body arrives compressed */
	bool inflated;	   /* its end was seen */

	/* header fields the gateway itself uses; they live as long as the HTTP request */
	const char *origin, *preflight_method, *preflight_headers;

	struct MHD_Response *response; /* ready to be queued */
	PGresult *result;			   /* what the response's bytes live in */
	Buf text;					   /* or here */
} Request;

/* intake.c: looks at the header; false when the request was refused (a response is set). */
extern bool intake_begin(Request *r, const char *method, const char *version);

/* body.c: false when the request was refused or the connection must end. */
extern bool body_begin(Request *r, const char *encoding);
extern bool body_append(Request *r, const char *data, size_t len);
extern bool body_end(Request *r);
extern void body_free(Request *r);

/* route.c: the request is complete: answers it or hands it to the database. */
extern void route(Request *r);

/* Length of the base if the target lies at or below it, -1 if not. */
extern int route_base(const char *target);

/* reply.c */

/* Sets a response of an OperationOutcome; the first one set stays. */
extern void reply_error(Request *r, int status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Sets a response from a text the request owns. */
extern void reply_text(Request *r, int status, const char *type);

/* Sets a response from what fhir_http answered, or from how the job ended otherwise. */
extern void reply_job(Request *r);

extern void reply_preflight(Request *r);

/* Adds a header to the response. */
extern void reply_header(Request *r, const char *name, const char *value);

/* The whole response as bytes, for a socket that is closed afterwards. */
extern void reply_raw(Request *r, Buf *out);

/* http.c */
extern struct MHD_Daemon *http_start(Loop *loop, int listen_fd);
extern void http_resume(Request *r);
extern void http_tick(Loop *loop);
extern void http_quiesce(Loop *loop);

/* Answers at once and lets the rest of the body arrive unread, since the daemon cannot answer in mid-body. */
extern bool http_answer_early(Request *r);

/* trust.c */
extern bool trust_read(const char *list);
extern bool trust_address(const struct sockaddr *address);

#endif
