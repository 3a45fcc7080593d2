/*
 * store_pack.c: documents as stored: compact JSON text, packed by zstd with a dictionary of FHIR's structure.
 *
 * One resource is too short to be compressed by itself: names of elements, systems and codes stand in it once. They stand
 * in the dictionary, which is compiled in, so that an Observation of 850 bytes takes some 190 (docs/design.md). What a dictionary can't hold, UUIDs and times, is taken out
 * of the text first (pack_text.h). Text, not
 * JSONB: it is shorter packed, goes to an HTTP client as it is, and depends on no byte order or version of PostgreSQL.
 *
 *   byte 0   format: 0x00 JSON text as it is; 0x02 as follows (0x01 was never released)
 *   0x00     the text as fhir_json_write makes it (resourceType, id, meta first)
 *   0x02     length of the values (base 128, low part first, high bit: more follows), the values, and a zstd frame with
 *            dictionary 2, without its magic number, of the text without them
 *
 * Formats and dictionaries only grow: what was ever written stays readable. The contexts of zstd live as long as the
 * backend, in memory of their own (some 200 kB).
 */
#include "base/compat.h"

#include <zstd.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/json.h"
#include "store/pack_text.h"
#include "store/store_pack.h"

#define PACK_PLAIN 0x00
#define PACK_DICTIONARY2 0x02
#define PACK_LEVEL 3
#define PACK_MAGIC 4						/* bytes of the frame's magic number */
#define PACK_SPLIT_LIMIT (64 * 1024 * 1024) /* longer texts, which are attachments, are packed unsplit */
#define PACK_TABLE_LOG 13					/* tables of 32 kB stay in the cache: a tenth of a create's CPU less than with zstd's own 256 kB */

static ZSTD_CCtx *pack_cctx;
static ZSTD_DCtx *pack_dctx;

pg_noreturn static void
out_of_memory(void)
{
	ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
			errdetail("Could not set up the compression of documents."));
}

static ZSTD_CCtx *
compressor(void)
{
	ZSTD_CCtx *c;

	if (pack_cctx)
		return pack_cctx;
	c = ZSTD_createCCtx();
	if (!c)
		out_of_memory();
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, PACK_LEVEL)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, PACK_TABLE_LOG)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_chainLog, PACK_TABLE_LOG)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 0)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_dictIDFlag, 0)) ||
		ZSTD_isError(ZSTD_CCtx_loadDictionary(c, store_pack_dictionary2, store_pack_dictionary2_size))) {
		ZSTD_freeCCtx(c);
		out_of_memory();
	}
	return pack_cctx = c;
}

static ZSTD_DCtx *
decompressor(void)
{
	ZSTD_DCtx *d;

	if (pack_dctx)
		return pack_dctx;
	d = ZSTD_createDCtx();
	if (!d)
		out_of_memory();
	if (ZSTD_isError(ZSTD_DCtx_loadDictionary(d, store_pack_dictionary2, store_pack_dictionary2_size))) {
		ZSTD_freeDCtx(d);
		out_of_memory();
	}
	return pack_dctx = d;
}

/* Packs `text` into `out`, which has room for as much and the format; 0 if that makes it no shorter. */
static size_t
pack(const StringInfoData *text, unsigned char *out)
{
	StringInfoData rest, values;
	unsigned char *to = out, *frame;
	size_t room = text->len, n, bound;

	initStringInfo(&rest);
	initStringInfo(&values);
	if (text->len > PACK_SPLIT_LIMIT)
		appendBinaryStringInfo(&rest, text->data, text->len);
	else if (!pack_text_split(text->data, text->len, &rest, &values))
		return 0;
	*to++ = PACK_DICTIONARY2;
	for (n = values.len; n >= 0x80; n >>= 7)
		*to++ = (unsigned char) (n | 0x80);
	*to++ = (unsigned char) n;
	if (values.len + (to - out) >= room)
		return 0;
	memcpy(to, values.data, values.len);
	to += values.len;
	room -= to - out;
	bound = ZSTD_compressBound(rest.len);
	frame = palloc(bound);
	n = ZSTD_compress2(compressor(), frame, bound, rest.data, rest.len);
	if (ZSTD_isError(n) || n - PACK_MAGIC > room)
		return 0;
	memcpy(to, frame + PACK_MAGIC, n - PACK_MAGIC);
	pfree(frame);
	pfree(rest.data);
	pfree(values.data);
	return to - out + n - PACK_MAGIC;
}

Datum
store_pack(Jsonb *doc)
{
	StringInfoData text;
	bytea *out;
	unsigned char *to;
	size_t n;

	initStringInfo(&text);
	fhir_json_write(&text, &doc->root, -1);
	out = palloc(VARHDRSZ + 1 + text.len);
	to = (unsigned char *) VARDATA(out);
	n = pack(&text, to);
	if (n == 0) {
		to[0] = PACK_PLAIN;
		memcpy(to + 1, text.data, text.len);
		n = text.len + 1;
	}
	SET_VARSIZE(out, VARHDRSZ + n);
	pfree(text.data);
	return PointerGetDatum(out);
}

pg_noreturn static void
corrupted(const char *why)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("stored document can't be read"),
			errdetail("%s", why),
			errhint("A newer version of the extension may have written it; otherwise restore it from a backup."));
}

/* Appends the text of what follows the format byte. */
static void
append_packed(StringInfo out, const unsigned char *from, const unsigned char *end)
{
	static const unsigned char magic[PACK_MAGIC] = {0x28, 0xB5, 0x2F, 0xFD};
	const unsigned char *values;
	unsigned char *frame;
	char *rest;
	size_t values_len = 0, len, n;
	unsigned long long size;
	int shift = 0;

	do {
		if (from == end || shift > 28)
			corrupted("Its values have no length.");
		values_len |= (size_t) (*from & 0x7F) << shift;
		shift += 7;
	} while (*from++ & 0x80);
	if (values_len > (size_t) (end - from))
		corrupted("Its values are cut off.");
	values = from;
	from += values_len;
	len = PACK_MAGIC + (end - from);
	frame = palloc(len);
	memcpy(frame, magic, PACK_MAGIC);
	memcpy(frame + PACK_MAGIC, from, end - from);
	size = ZSTD_getFrameContentSize(frame, len);
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size >= MaxAllocSize)
		corrupted("Its size is not that of a document.");
	rest = palloc(size + 1);
	n = ZSTD_decompressDCtx(decompressor(), rest, size, frame, len);
	if (ZSTD_isError(n) || n != size)
		corrupted("It is not a whole frame of zstd.");
	if (!pack_text_join(rest, size, values, values_len, out))
		corrupted("Its text and its values don't belong together.");
	pfree(rest);
	pfree(frame);
}

void
store_unpack_text(StringInfo out, Datum stored)
{
	bytea *in = PG_DETOAST_DATUM_PACKED(stored);
	const unsigned char *from = (const unsigned char *) VARDATA_ANY(in);
	size_t len = VARSIZE_ANY_EXHDR(in);

	if (len < 2)
		corrupted("It is empty.");
	switch (from[0]) {
		case PACK_PLAIN:
			appendBinaryStringInfo(out, (const char *) from + 1, len - 1);
			break;
		case PACK_DICTIONARY2:
			append_packed(out, from + 1, from + len);
			break;
		default:
			corrupted("Its format is unknown.");
	}
	if (in != (bytea *) DatumGetPointer(stored))
		pfree(in);
}

/* A text that is no JSON was not written by store_pack: the parser's error is given that context. */
static void
reading_stored(void *arg)
{
	errcontext("reading a stored document");
}

Jsonb *
store_unpack(Datum stored)
{
	ErrorContextCallback context = {.callback = reading_stored, .previous = error_context_stack};
	StringInfoData text;
	Jsonb *doc;

	initStringInfo(&text);
	store_unpack_text(&text, stored);
	error_context_stack = &context;
	doc = fhir_json_parse_own(text.data, text.len);
	error_context_stack = context.previous;
	pfree(text.data);
	return doc;
}

/* fhir_document(stored bytea) -> jsonb: the document in version.doc, for DBAs */
PG_FUNCTION_INFO_V1(fhir_document);
PGDLLEXPORT Datum
fhir_document(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(store_unpack(PG_GETARG_DATUM(0)));
}

/* fhir_document_pack(resource jsonb) -> bytea: the stored form */
PG_FUNCTION_INFO_V1(fhir_document_pack);
PGDLLEXPORT Datum
fhir_document_pack(PG_FUNCTION_ARGS)
{
	return store_pack(PG_GETARG_JSONB_P(0));
}
