/*
 * head.c: taking HTTP/1.1 heads and chunks apart.
 */
#include "head.h"

#include <string.h>

#define MAX_CHUNK_DIGITS 15
#define MAX_CHUNK_LINES 16384 /* extensions and trailers of a body together */

/* Characters of a token (RFC 9110, 5.6.2) */
static bool
is_token_char(unsigned char c)
{
	static const uint32_t set[8] = {0, 0x03FF6CFA, 0xC7FFFFFE, 0x57FFFFFF, 0, 0, 0, 0};

	return (set[c >> 5] >> (c & 31)) & 1;
}

ssize_t
head_length(const char *data, size_t len, size_t *scanned)
{
	/* a scan ends behind a line's end, so that a line which begins with CRLF there is the empty one */
	size_t at = *scanned;
	const char *end;

	if (len > 0 && !is_token_char((unsigned char) data[0]))
		return -1;
	while ((end = memchr(data + at, '\n', len - at)) != NULL)
	{
		size_t line = (size_t) (end - data) - at;

		if (line == 0 || end[-1] != '\r')
			return -1;
		at += line + 1;
		if (line == 1)
			return (ssize_t) at;
		*scanned = at;
	}
	return 0;
}

static HeadError
parse_request_line(char *line, char *end, Head *head)
{
	char *p = line, *target, *version;

	*end = '\0'; /* its CR */
	while (p < end && is_token_char((unsigned char) *p))
		p++;
	if (p == line || p == end || *p != ' ')
		return HEAD_BAD_LINE;
	*p++ = '\0';
	head->method = line;
	target = p;
	while (p < end && (unsigned char) *p > ' ' && *p != 0x7F)
		p++;
	if (p == target || p == end || *p != ' ')
		return HEAD_BAD_LINE;
	*p++ = '\0';
	head->target = target;
	version = p;
	if (end - version != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' || version[5] < '0' ||
		version[5] > '9' || version[7] < '0' || version[7] > '9')
		return HEAD_BAD_LINE;
	head->minor = version[7] - '0';
	return version[5] == '1' ? HEAD_OK : HEAD_BAD_VERSION;
}

/* A field's line: name, colon, value without the white space around it */
static HeadError
parse_field(char *line, char *end, Head *head)
{
	char *p = line, *value;
	Field *f;

	while (p < end && is_token_char((unsigned char) *p))
		p++;
	if (p == line || p == end || *p != ':')
		return HEAD_BAD_FIELD;
	value = p + 1;
	for (char *c = value; c < end; c++)
		if (((unsigned char) *c < ' ' && *c != '\t') || *c == 0x7F)
			return HEAD_BAD_FIELD;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (head->count == MAX_FIELDS)
	{
		head->too_many = true;
		return HEAD_OK;
	}
	f = &head->fields[head->count++];
	f->name = line;
	f->name_len = (size_t) (p - line);
	f->value = value;
	f->value_len = (size_t) (end - value);
	f->hidden = false;
	*end = '\0'; /* at the latest the CR of the line's end */
	return HEAD_OK;
}

HeadError
head_parse(char *text, size_t len, Head *head)
{
	char *line = text, *last = text + len - 2; /* the empty line */
	HeadError error = HEAD_OK;

	head->method = head->target = "";
	head->minor = 1;
	head->count = 0;
	head->too_many = false;
	while (line < last && error == HEAD_OK)
	{
		char *end = (char *) memchr(line, '\n', (size_t) (last - line)) - 1; /* the CR */

		error = line == text ? parse_request_line(line, end, head) : parse_field(line, end, head);
		line = end + 2;
	}
	return error;
}

enum
{
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_END, /* CR was seen */
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_BEGIN, /* of a line */
	TRAILER,
	TRAILER_LF,
	LAST_LF
};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static bool
size_char(Chunks *c, char ch)
{
	int digit = hex_digit(ch);

	if (digit >= 0)
	{
		c->left = c->left * 16 + (uint64_t) digit;
		return ++c->digits <= MAX_CHUNK_DIGITS;
	}
	c->state = ch == '\r' ? CHUNK_SIZE_END : CHUNK_EXTENSION;
	return c->digits > 0 && (ch == '\r' || ch == ';' || ch == ' ' || ch == '\t');
}

/* One character that is not data; false when it may not stand here. */
static bool
chunk_char(Chunks *c, char ch)
{
	bool plain = (unsigned char) ch >= ' ' || ch == '\t';

	if (c->state != CHUNK_SIZE && ++c->line > MAX_CHUNK_LINES)
		return false;
	switch (c->state)
	{
		case CHUNK_SIZE:
			return size_char(c, ch);
		case CHUNK_EXTENSION:
			if (ch == '\r')
				c->state = CHUNK_SIZE_END;
			return plain || ch == '\r';
		case CHUNK_SIZE_END:
			c->line--; /* line ends don't count: chunks may be many */
			c->state = c->left > 0 ? CHUNK_DATA : TRAILER_BEGIN;
			return ch == '\n';
		case CHUNK_DATA_CR:
			c->line--;
			c->state = CHUNK_DATA_LF;
			return ch == '\r';
		case CHUNK_DATA_LF:
			c->line--;
			c->state = CHUNK_SIZE;
			c->digits = 0;
			return ch == '\n';
		case TRAILER_BEGIN:
			c->state = ch == '\r' ? LAST_LF : TRAILER;
			return plain || ch == '\r';
		case TRAILER:
			if (ch == '\r')
				c->state = TRAILER_LF;
			return plain || ch == '\r';
		case TRAILER_LF:
			c->state = TRAILER_BEGIN;
			return ch == '\n';
		default: /* LAST_LF */
			c->done = true;
			return ch == '\n';
	}
}

ssize_t
chunks_next(Chunks *c, const char *data, size_t len, const char **piece, size_t *piece_len)
{
	size_t at = 0;

	*piece_len = 0;
	while (at < len && !c->done)
	{
		if (c->state == CHUNK_DATA)
		{
			*piece = data + at;
			*piece_len = len - at < c->left ? len - at : (size_t) c->left;
			c->left -= *piece_len;
			if (c->left == 0)
				c->state = CHUNK_DATA_CR;
			return (ssize_t) (at + *piece_len);
		}
		if (!chunk_char(c, data[at++]))
			return -1;
	}
	return (ssize_t) at;
}
