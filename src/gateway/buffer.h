/*
 * buffer.h: a growing byte string, always NUL-terminated once something was appended.
 *
 * Small appends end the process when memory is exhausted (nothing sensible can be answered then); whoever
 * collects data of a size that the client chooses calls buf_reserve first and refuses the request on false.
 */
#ifndef FHIR_GATEWAY_BUFFER_H
#define FHIR_GATEWAY_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Buf
{
	char *data;
	size_t len;
	size_t cap;
} Buf;

/* Room for `more` bytes and the NUL; false when memory is exhausted (the buffer is unchanged then). */
extern bool buf_reserve(Buf *b, size_t more);

extern void buf_append(Buf *b, const char *data, size_t len);
extern void buf_printf(Buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a decimal number of at least `digits` digits. */
extern void buf_number(Buf *b, uint64_t number, int digits);

/*
 * Appends a JSON string with its quotes. Bytes that are no valid UTF-8 are taken as Latin-1, as HTTP header
 * values once were; control characters are escaped; NUL cannot occur in what HTTP delivers.
 */
extern void buf_json_string(Buf *b, const char *data, size_t len);

extern void buf_free(Buf *b);

/* malloc that ends the process instead of answering NULL */
extern void *xalloc(size_t size);

static inline void
buf_puts(Buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

static inline void
buf_putc(Buf *b, char c)
{
	buf_append(b, &c, 1);
}

static inline void
buf_reset(Buf *b)
{
	b->len = 0;
}

#endif
