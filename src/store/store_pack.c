/*
 * store_pack.c: documents as stored: compact JSON text, packed by zstd with a dictionary of FHIR's structure.
 *
 * One resource is too short to be compressed by itself: names of elements, systems and codes stand in it once. They stand
 * in the dictionary, which is compiled in, so that an Observation of 850 bytes takes some 260 (docs/design.md). Text, not
 * JSONB: it is shorter packed, goes to an HTTP client as it is, and depends on no byte order or version of PostgreSQL.
 *
 *   byte 0   format: 0x00 JSON text as it is; 0x01 zstd frame with dictionary 1
 *   byte 1.. the text as fhir_json_write makes it (resourceType, id, meta first), or its frame
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
#include "store/store_pack.h"

#define PACK_PLAIN 0x00
#define PACK_DICTIONARY1 0x01
#define PACK_LEVEL 3
#define PACK_TABLE_LOG 13 /* tables of 32 kB stay in the cache: a tenth of a create's CPU less than with zstd's own 256 kB */

static ZSTD_CCtx *pack_cctx;
static ZSTD_DCtx *pack_dctx;

static void
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
		ZSTD_isError(ZSTD_CCtx_loadDictionary(c, store_pack_dictionary1, store_pack_dictionary1_size))) {
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
	if (ZSTD_isError(ZSTD_DCtx_loadDictionary(d, store_pack_dictionary1, store_pack_dictionary1_size))) {
		ZSTD_freeDCtx(d);
		out_of_memory();
	}
	return pack_dctx = d;
}

Datum
store_pack(Jsonb *doc)
{
	StringInfoData text;
	size_t bound, n;
	bytea *out;
	unsigned char *to;

	initStringInfo(&text);
	fhir_json_write(&text, &doc->root, -1);
	bound = ZSTD_compressBound(text.len);
	if (!AllocSizeIsValid(VARHDRSZ + 1 + bound))
		bound = text.len; /* too large to be sure that it fits: only if it shrinks */
	out = palloc(VARHDRSZ + 1 + bound);
	to = (unsigned char *) VARDATA(out);
	n = ZSTD_compress2(compressor(), to + 1, bound, text.data, text.len);
	if (ZSTD_isError(n) || n >= (size_t) text.len) {
		to[0] = PACK_PLAIN;
		memcpy(to + 1, text.data, text.len);
		n = text.len;
	} else
		to[0] = PACK_DICTIONARY1;
	SET_VARSIZE(out, VARHDRSZ + 1 + n);
	pfree(text.data);
	return PointerGetDatum(out);
}

static void
corrupted(const char *why)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("stored document can't be read"),
			errdetail("%s", why),
			errhint("A newer version of the extension may have written it; otherwise restore it from a backup."));
}

static void
append_frame(StringInfo out, const unsigned char *frame, size_t len)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame, len);
	size_t n;

	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size >= MaxAllocSize)
		corrupted("Its size is not that of a document.");
	enlargeStringInfo(out, size);
	n = ZSTD_decompressDCtx(decompressor(), out->data + out->len, size, frame, len);
	if (ZSTD_isError(n) || n != size)
		corrupted("It is not a whole frame of zstd.");
	out->len += size;
	out->data[out->len] = '\0';
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
		case PACK_DICTIONARY1:
			append_frame(out, from + 1, len - 1);
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
