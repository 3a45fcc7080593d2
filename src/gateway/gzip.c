/*
 * gzip.c: compressing answers, the short ones at once with a deflater that each thread keeps, the long ones
 * piece by piece between other requests.
 */
#include "gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "options.h"

#define WINDOW_GZIP (15 + 16)
#define PIECE (32 * 1024)
#define INPUT_PIECE (256u * 1024)

struct GzipStream
{
	z_stream z;
	const char *data;
	size_t left;
	bool finished, ended;
};

bool
gzip_whole(const char *data, size_t len, Buf *out)
{
	static _Thread_local z_stream z;
	static _Thread_local bool open;
	size_t bound;

	if (!open)
	{
		if (deflateInit2(&z, (int) opt.gzip_level, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
			return false;
		open = true;
	}
	else if (deflateReset(&z) != Z_OK)
		return false;
	bound = deflateBound(&z, len);
	buf_reset(out);
	if (!buf_reserve(out, bound))
		return false;
	z.next_in = (unsigned char *) (uintptr_t) data;
	z.avail_in = (unsigned int) len;
	z.next_out = (unsigned char *) out->data;
	z.avail_out = (unsigned int) bound;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		return false;
	out->len = bound - z.avail_out;
	return true;
}

GzipStream *
gzip_stream(const char *data, size_t len)
{
	GzipStream *s = xalloc(sizeof *s);

	if (deflateInit2(&s->z, (int) opt.gzip_level, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
	{
		free(s);
		return NULL;
	}
	s->data = data;
	s->left = len;
	return s;
}

void
gzip_stream_free(GzipStream *s)
{
	deflateEnd(&s->z);
	free(s);
}

/* Fills the output, or comes to the end of the data. */
static bool
stream_deflate(GzipStream *s)
{
	do
	{
		int rc;

		if (s->z.avail_in == 0 && s->left > 0)
		{
			s->z.next_in = (unsigned char *) (uintptr_t) s->data;
			s->z.avail_in = s->left < INPUT_PIECE ? (unsigned int) s->left : INPUT_PIECE;
			s->data += s->z.avail_in;
			s->left -= s->z.avail_in;
		}
		rc = deflate(&s->z, s->left == 0 ? Z_FINISH : Z_NO_FLUSH);
		if (rc == Z_STREAM_END)
			s->finished = true;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return false;
	} while (!s->finished && s->z.avail_out > 0);
	return true;
}

bool
gzip_stream_next(GzipStream *s, Buf *out)
{
	static const char end[] = "\r\n0\r\n\r\n";
	char piece[PIECE];
	size_t len;

	buf_reset(out);
	if (s->ended)
		return true;
	s->z.next_out = (unsigned char *) piece;
	s->z.avail_out = sizeof piece;
	if (!stream_deflate(s))
		return false;
	len = sizeof piece - s->z.avail_out;
	if (len > 0)
	{
		buf_printf(out, "%zx\r\n", len);
		buf_append(out, piece, len);
	}
	s->ended = s->finished;
	/* the end of this chunk, and of all */
	buf_append(out, len > 0 ? end : end + 2, s->ended ? sizeof end - 1 - (len > 0 ? 0 : 2) : 2);
	return true;
}
