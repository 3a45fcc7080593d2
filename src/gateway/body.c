/*
 * body.c: collecting a request's body, decompressed, within the limits.
 *
 * The limit holds for the decompressed bytes, so a small body that would unfold to a huge one is refused as soon
 * as it passes the limit. Bytes are counted against the memory all requests share before they are stored.
 */
#include <stdlib.h>
#include <strings.h>

#include "options.h"
#include "request.h"

#define WINDOW_GZIP (15 + 16) /* zlib: largest window, gzip header required */

bool
body_begin(Request *r, const char *encoding)
{
	if (encoding == NULL || strcasecmp(encoding, "identity") == 0)
		return true;
	if (strcasecmp(encoding, "gzip") != 0 && strcasecmp(encoding, "x-gzip") != 0)
	{
		reply_error(r, 415, "not-supported", "The only content coding that is understood is gzip");
		return false;
	}
	r->inflate = xalloc(sizeof *r->inflate);
	if (inflateInit2(r->inflate, WINDOW_GZIP) != Z_OK)
	{
		free(r->inflate);
		r->inflate = NULL;
		reply_error(r, 503, "throttled", "No memory to decompress the body");
		return false;
	}
	return true;
}

static bool
body_store(Request *r, const char *data, size_t len)
{
	if (r->body.len + len > (size_t) opt.max_body)
	{
		reply_error(r, 413, "too-long", "The body is longer than the limit of %lld bytes", (long long) opt.max_body);
		return false;
	}
	if (!memory_reserve(len))
	{
		reply_error(r, 503, "throttled", "Too many bytes of requests are in progress");
		return false;
	}
	r->reserved += len;
	if (!buf_reserve(&r->body, len))
	{
		reply_error(r, 503, "throttled", "No memory for the body");
		return false;
	}
	buf_append(&r->body, data, len);
	return true;
}

static bool
body_inflate(Request *r, const char *data, size_t len)
{
	z_stream *z = r->inflate;
	char out[65536];

	z->next_in = (unsigned char *) (uintptr_t) data;
	z->avail_in = (unsigned int) len;
	do
	{
		int rc;

		if (r->inflated)
		{
			reply_error(r, 400, "structure", "Data follows the end of the compressed body");
			return false;
		}
		z->next_out = (unsigned char *) out;
		z->avail_out = sizeof out;
		rc = inflate(z, Z_NO_FLUSH);
		if (rc == Z_STREAM_END)
			r->inflated = true;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
		{
			reply_error(r, 400, "structure", "The body is not valid gzip");
			return false;
		}
		if (!body_store(r, out, sizeof out - z->avail_out))
			return false;
	} while (z->avail_in > 0 || (z->avail_out == 0 && !r->inflated));
	return true;
}

bool
body_append(Request *r, const char *data, size_t len)
{
	r->in += len;
	if (r->inflate != NULL)
		return body_inflate(r, data, len);
	return body_store(r, data, len);
}

bool
body_end(Request *r)
{
	if (r->inflate != NULL && !r->inflated)
	{
		reply_error(r, 400, "structure", "The compressed body is incomplete");
		return false;
	}
	return true;
}

void
body_free(Request *r)
{
	if (r->inflate != NULL)
	{
		inflateEnd(r->inflate);
		free(r->inflate);
		r->inflate = NULL;
	}
	memory_release(r->reserved);
	r->reserved = 0;
}
