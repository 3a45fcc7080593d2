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

typedef struct Stream
{
	z_stream z;
	const char *data;
	size_t left;
	bool finished;
} Stream;

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

static ssize_t
stream_read(void *arg, uint64_t position, char *out, size_t max)
{
	Stream *s = arg;

	(void) position;
	if (s->finished)
		return MHD_CONTENT_READER_END_OF_STREAM;
	s->z.next_out = (unsigned char *) out;
	s->z.avail_out = (unsigned int) max;
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
			return MHD_CONTENT_READER_END_WITH_ERROR;
	} while (!s->finished && s->z.avail_out > 0);
	return (ssize_t) (max - s->z.avail_out);
}

static void
stream_free(void *arg)
{
	Stream *s = arg;

	deflateEnd(&s->z);
	free(s);
}

struct MHD_Response *
gzip_stream(const char *data, size_t len)
{
	Stream *s = xalloc(sizeof *s);
	struct MHD_Response *response;

	if (deflateInit2(&s->z, (int) opt.gzip_level, Z_DEFLATED, WINDOW_GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
	{
		free(s);
		return NULL;
	}
	s->data = data;
	s->left = len;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, stream_read, s, stream_free);
	if (response == NULL)
		stream_free(s);
	return response;
}
