/*
 * client.h: one client's connection: its socket, what was received and is not used yet, and where it stands.
 *
 * The socket is watched edge-triggered from accept to close, and its registration is never changed: `readable` and
 * `writable` remember what was announced and not yet used up. A connection has at most one request; what a client sends
 * ahead waits in the kernel.
 */
#ifndef FHIR_GATEWAY_CLIENT_H
#define FHIR_GATEWAY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "buffer.h"
#include "loop.h"
#include "tls.h"

struct Request;

/* What a client connection waits for: each has its deadline. */
typedef enum Phase
{
	PHASE_HEADER, /* idle, or a header is arriving */
	PHASE_BODY,
	PHASE_WORK,	  /* the database has the request */
	PHASE_ANSWER, /* the answer is on its way */
	PHASE_LINGER, /* answered for the last time: what still arrives is dropped for a moment, so that the client reads it */
	PHASE_CLOSED  /* freed at the end of the loop's turn, for events of this turn may still name it */
} Phase;

typedef struct Client
{
	Watch watch; /* first: the event's data */
	Loop *loop;
	struct Client *next, *previous;
	struct Client *next_later; /* in the loop's list of those that can go on */
	bool later;
	int fd;
	Tls *tls;
	Phase phase;
	uint64_t since; /* of the phase, or of the last progress of an answer */
	bool readable, writable;
	bool hung_up; /* its side is closed, though there may be bytes to read yet */
	bool trusted; /* a proxy whose X-Forwarded-* are believed */
	char address[64];
	Buf in;					 /* received */
	size_t at;				 /* the first byte not used */
	size_t scanned;			 /* behind `at`: no head ends there */
	struct Request *request; /* in progress, or NULL */
} Client;

/* Listens, watched by the loop; false with a message. */
extern bool client_listen(Loop *loop, int listen_fd);
extern void client_phase(Client *client, Phase phase);

/* Sends these two byte strings in one go: bytes sent, 0 when it has to wait, -1 when the connection is broken. */
extern ssize_t client_send(Client *client, const char *head, size_t head_len, const char *body, size_t body_len);

/* It can go on: it gets its turn when the loop's events have been handled. */
extern void client_later(Client *client);
extern void client_run_later(Loop *loop);

/* After the last answer: nothing more is sent; closes when the client does, or soon. */
extern void client_finish(Client *client);
extern void client_close(Client *client);

/* Deadlines, about once a second. */
extern void client_tick(Loop *loop);

/* Accepts what waits in the backlog and then no more; closes who is idle. */
extern void client_quiesce(Loop *loop);

/* Frees what was closed in this turn. */
extern void client_sweep(Loop *loop);

/* http.c: steps of a request. Each is true when the connection can go on at once. */
extern bool http_head(Client *client);
extern bool http_body(Client *client);
extern bool http_send(Client *client);
extern void http_gone(Client *client);
extern void http_slow_body(Client *client);

#endif
