/*
 * head.h: the syntax of HTTP/1.1 messages (RFC 9112): where a head ends, its parts, the chunks of a body.
 *
 * Strict where two parsers could differ: lines end with CRLF, a name is followed by its colon at once, there are no folded
 * lines and no control characters. Nothing here reads a socket or allocates.
 */
#ifndef FHIR_GATEWAY_HEAD_H
#define FHIR_GATEWAY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_FIELDS 100

typedef struct Field
{
	const char *name, *value; /* the value ends with NUL, the name does not */
	size_t name_len, value_len;
	bool hidden; /* intake.c: not for the database, or joined to an earlier one */
} Field;

typedef struct Head
{
	const char *method, *target; /* end with NUL */
	int minor;					 /* of HTTP/1.x */
	Field fields[MAX_FIELDS];
	int count;
	bool too_many; /* fields; the further ones are left out */
} Head;

typedef enum HeadError
{
	HEAD_OK,
	HEAD_BAD_LINE,	  /* the request line */
	HEAD_BAD_VERSION, /* HTTP, but not 1.x */
	HEAD_BAD_FIELD
} HeadError;

/*
 * Bytes of a head with its empty line; 0 when it is not complete, -1 when it can't become one. `scanned` is where the next
 * search goes on; 0 at first.
 */
extern ssize_t head_length(const char *data, size_t len, size_t *scanned);

/* Takes a complete head apart, in place: `text` must live as long as what comes out. */
extern HeadError head_parse(char *text, size_t len, Head *head);

/* A body in chunks; all zero at first. */
typedef struct Chunks
{
	int state;
	uint64_t left; /* of the chunk */
	int digits;
	size_t line; /* bytes of extensions and trailers so far */
	bool done;
} Chunks;

/*
 * Goes on in the body: answers how many bytes it consumed, up to and with the next piece of data (which is empty when
 * there was none), -1 when this is no chunked body.
 */
extern ssize_t chunks_next(Chunks *c, const char *data, size_t len, const char **piece, size_t *piece_len);

#endif
