/*
 * head.c: the gateway's parser of HTTP heads and chunks under AddressSanitizer: random mutations, cut into random pieces.
 *
 *   make fuzz-head        FUZZ_COUNT texts from FUZZ_SEED
 *
 * Every input is a malloc of its exact size, so that one byte read beyond is found. Checked besides: what arrives in pieces
 * is understood as what arrives at once; no part of a head has a control character.
 */
#include "../../src/gateway/head.c"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TEXT 2048

static const char *const corpus[] = {
	"GET /fhir/Patient/1?a=b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
	"POST / HTTP/1.0\r\nHost:x\r\nX-A:  a \t \r\nContent-Length: 5\r\n\r\nhello",
	"PUT http://a/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nA:\r\n\r\n",
	"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: u\r\n\r\n",
	"1f\r\n0123456789012345678901234567890\r\n00\r\n\r\nGET / HTTP/1.1\r\n",
	"0\r\n\r\n",
};
static const char *const words[] = {"\r\n", "\r", "\n", "\r\n\r\n", ":", " ", "\t", "0", "F", "HTTP/1.1", "\x80", ";", "\x7f"};

static unsigned seed;

static unsigned
below(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void
fail(const char *why, const char *text, size_t len)
{
	fprintf(stderr, "%s: ", why);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, (unsigned char) text[i] >= ' ' && text[i] != 0x7F ? "%c" : "\\x%02x", (unsigned char) text[i]);
	fputc('\n', stderr);
	abort();
}

static size_t
mutate(char *out)
{
	const char *from = corpus[below(sizeof corpus / sizeof corpus[0])];
	size_t len = strlen(from);

	memcpy(out, from, len);
	for (unsigned i = below(5); i > 0; i--) {
		size_t at = below((unsigned) len + 1);
		const char *word = words[below(sizeof words / sizeof words[0])];
		size_t n = strlen(word);

		switch (below(4)) {
			case 0: /* insert */
				if (len + n < MAX_TEXT) {
					memmove(out + at + n, out + at, len - at);
					memcpy(out + at, word, n);
					len += n;
				}
				break;
			case 1: /* take away */
				if (at < len) {
					memmove(out + at, out + at + 1, len - at - 1);
					len--;
				}
				break;
			case 2:
				if (at < len)
					out[at] = (char) below(256);
				break;
			default:
				len = at;
		}
	}
	return len;
}

static void
check_text(const char *s, size_t len, const char *text, size_t text_len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char) s[i] < ' ' && s[i] != '\t') || s[i] == 0x7F)
			fail("a control character", text, text_len);
	if (s[len] != '\0')
		fail("no end", text, text_len);
}

static void
try_head(const char *text, size_t len)
{
	size_t scanned = 0, once = 0;
	ssize_t whole = head_length(text, len, &once), pieces = 0;
	char *copy;
	Head head;

	for (size_t n = 0; n < len && pieces == 0;) {
		char *part;

		n += 1 + below(7);
		n = n < len ? n : len;
		part = malloc(n);
		memcpy(part, text, n);
		pieces = head_length(part, n, &scanned);
		free(part);
	}
	if (pieces != whole)
		fail("pieces differ from the whole", text, len);
	if (whole <= 0)
		return;
	copy = malloc((size_t) whole + 1);
	memcpy(copy, text, (size_t) whole);
	copy[whole] = '\0';
	if (head_parse(copy, (size_t) whole, &head) == HEAD_OK) {
		check_text(head.method, strlen(head.method), text, len);
		check_text(head.target, strlen(head.target), text, len);
		for (int i = 0; i < head.count; i++)
			check_text(head.fields[i].value, head.fields[i].value_len, text, len);
	}
	free(copy);
}

/* All pieces of data together; the length, -1 for an error, and whether it was complete */
static int
collect(const char *text, size_t len, bool in_pieces, char *out, size_t *used, bool *done)
{
	Chunks c = {0};
	int got = 0;

	*used = 0;
	while (*used < len && !c.done) {
		size_t n = in_pieces ? 1 + below(5) : len - *used, at = 0;
		char *part;

		n = n < len - *used ? n : len - *used;
		part = malloc(n);
		memcpy(part, text + *used, n);
		while (at < n && !c.done) {
			const char *piece = NULL;
			size_t piece_len;
			ssize_t took = chunks_next(&c, part + at, n - at, &piece, &piece_len);

			if (took < 0) {
				free(part);
				return -1;
			}
			memcpy(out + got, piece ? piece : "", piece_len);
			got += (int) piece_len;
			at += (size_t) took;
		}
		*used += at;
		free(part);
	}
	*done = c.done;
	return got;
}

static void
try_chunks(const char *text, size_t len)
{
	char one[MAX_TEXT], other[MAX_TEXT];
	size_t used, used_pieces;
	bool done = false, done_pieces = false;
	int got = collect(text, len, false, one, &used, &done), pieces = collect(text, len, true, other, &used_pieces, &done_pieces);

	if (got != pieces || done != done_pieces || (got >= 0 && (used != used_pieces || memcmp(one, other, (size_t) got) != 0)))
		fail("chunks in pieces differ", text, len);
}

int
main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 100000;

	seed = argc > 2 ? (unsigned) atol(argv[2]) : 1;
	for (long i = 0; i < count; i++) {
		char text[MAX_TEXT], *exact;
		size_t len = mutate(text);

		exact = malloc(len ? len : 1);
		memcpy(exact, text, len);
		try_head(exact, len);
		try_chunks(exact, len);
		free(exact);
	}
	printf("%ld texts\n", count);
	return 0;
}
