/*
 * buffer.c: growing byte strings and JSON string escapes.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void
out_of_memory(void)
{
	fputs("fhir-gateway: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

void *
xalloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

bool
buf_reserve(Buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 256;
	char *data;

	if (more >= SIZE_MAX - b->len - 1)
		return false;
	if (b->len + more + 1 <= b->cap)
		return true;
	while (cap < b->len + more + 1)
	{
		if (cap > SIZE_MAX / 2)
			return false;
		cap *= 2;
	}
	data = realloc(b->data, cap);
	if (data == NULL)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

void
buf_append(Buf *b, const char *data, size_t len)
{
	if (!buf_reserve(b, len))
		out_of_memory();
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_printf(Buf *b, const char *format, ...)
{
	va_list args;
	int need;

	va_start(args, format);
	need = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (need < 0 || !buf_reserve(b, (size_t) need))
		out_of_memory();
	va_start(args, format);
	vsnprintf(b->data + b->len, (size_t) need + 1, format, args);
	va_end(args);
	b->len += (size_t) need;
}

void
buf_number(Buf *b, uint64_t number, int digits)
{
	char text[24], *p = text + sizeof text;

	do
	{
		*--p = (char) ('0' + number % 10);
		number /= 10;
		digits--;
	} while (number > 0 || digits > 0);
	buf_append(b, p, (size_t) (text + sizeof text - p));
}

/*
 * Length of the valid UTF-8 sequence at s, 0 when there is none. Overlong forms, surrogates and code points
 * above U+10FFFF are not valid (RFC 3629).
 */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	size_t len;
	unsigned char low = 0x80, high = 0xBF;

	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		len = 2;
	else if (s[0] >= 0xE0 && s[0] <= 0xEF)
	{
		len = 3;
		if (s[0] == 0xE0)
			low = 0xA0;
		else if (s[0] == 0xED)
			high = 0x9F;
	}
	else if (s[0] >= 0xF0 && s[0] <= 0xF4)
	{
		len = 4;
		if (s[0] == 0xF0)
			low = 0x90;
		else if (s[0] == 0xF4)
			high = 0x8F;
	}
	else
		return 0;
	if (left < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	return len;
}

void
buf_json_string(Buf *b, const char *data, size_t len)
{
	const unsigned char *s = (const unsigned char *) data;
	size_t plain = 0; /* start of the run that needs no escape */
	size_t i = 0;

	buf_putc(b, '"');
	while (i < len)
	{
		unsigned char c = s[i];
		size_t utf8;

		if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\')
		{
			i++;
			continue;
		}
		if (c >= 0x80 && (utf8 = utf8_length(s + i, len - i)) > 0)
		{
			i += utf8;
			continue;
		}
		buf_append(b, data + plain, i - plain);
		if (c == '"' || c == '\\')
		{
			buf_putc(b, '\\');
			buf_putc(b, (char) c);
		}
		else
			buf_printf(b, "\\u%04x", c);
		plain = ++i;
	}
	buf_append(b, data + plain, len - plain);
	buf_putc(b, '"');
}

void
buf_free(Buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
