/*
 * store_pack.c: documents as stored: JSONB, packed by zstd with a dictionary of FHIR's structure.
 *
 * One resource is too short to be compressed by itself: names of elements, systems and codes stand in it once. They stand
 * in the dictionary, which is compiled in, so that an Observation of 880 bytes takes some 300 (docs/design.md).
 *
 *   byte 0   format: 0x00 JSONB as it is; 0x01 zstd frame with dictionary 1
 *            bit 0x80 is set when the JSONB is in big-endian order
 *   byte 1.. the frame, or the JSONB without its varlena header
 *
 * Formats and dictionaries only grow: what was ever written stays readable. The contexts of zstd live as long as the
 * backend, in memory of their own (some 200 kB).
 */
#include "base/compat.h"

#include <zstd.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "store/store_pack.h"

#define PACK_PLAIN 0x00
#define PACK_DICTIONARY1 0x01
#define PACK_BIG_ENDIAN 0x80
#ifdef WORDS_BIGENDIAN
#define PACK_ORDER PACK_BIG_ENDIAN
#else
#define PACK_ORDER 0x00
#endif
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
	const char *data = (const char *) doc + VARHDRSZ;
	size_t size = VARSIZE(doc) - VARHDRSZ;
	size_t bound = ZSTD_compressBound(size);
	size_t n = 0;
	bytea *out;
	unsigned char *to;

	if (!AllocSizeIsValid(VARHDRSZ + 1 + bound))
		bound = size; /* too large to be sure that it fits: only if it shrinks */
	out = palloc(VARHDRSZ + 1 + bound);
	to = (unsigned char *) VARDATA(out);
	n = ZSTD_compress2(compressor(), to + 1, bound, data, size);
	if (ZSTD_isError(n) || n >= size) {
		to[0] = PACK_PLAIN | PACK_ORDER;
		memcpy(to + 1, data, size);
		n = size;
	} else
		to[0] = PACK_DICTIONARY1 | PACK_ORDER;
	SET_VARSIZE(out, VARHDRSZ + 1 + n);
	return PointerGetDatum(out);
}

static void
corrupted(const char *why)
{
	ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("stored document can't be read"), errdetail("%s", why),
			errhint("A newer version of the extension may have written it; otherwise restore it from a backup."));
}

static Jsonb *
unpack_frame(const unsigned char *frame, size_t len)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame, len);
	Jsonb *doc;
	size_t n;

	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size < sizeof(uint32) ||
		size > MaxAllocSize - VARHDRSZ)
		corrupted("Its size is not that of a document.");
	doc = palloc(VARHDRSZ + size);
	n = ZSTD_decompressDCtx(decompressor(), (char *) doc + VARHDRSZ, size, frame, len);
	if (ZSTD_isError(n) || n != size)
		corrupted("It is not a whole frame of zstd.");
	SET_VARSIZE(doc, VARHDRSZ + size);
	return doc;
}

Jsonb *
store_unpack(Datum stored)
{
	bytea *in = PG_DETOAST_DATUM_PACKED(stored);
	const unsigned char *from = (const unsigned char *) VARDATA_ANY(in);
	size_t len = VARSIZE_ANY_EXHDR(in);
	Jsonb *doc = NULL;

	if (len < 2)
		corrupted("It is empty.");
	if ((from[0] & PACK_BIG_ENDIAN) != PACK_ORDER)
		corrupted("It was written on a machine of the other byte order.");
	switch (from[0] & ~PACK_BIG_ENDIAN) {
		case PACK_PLAIN:
			doc = palloc(VARHDRSZ + len - 1);
			SET_VARSIZE(doc, VARHDRSZ + len - 1);
			memcpy((char *) doc + VARHDRSZ, from + 1, len - 1);
			break;
		case PACK_DICTIONARY1:
			doc = unpack_frame(from + 1, len - 1);
			break;
		default:
			corrupted("Its format is unknown.");
	}
	if (!store_pack_well_formed((char *) doc + VARHDRSZ, VARSIZE(doc) - VARHDRSZ))
		corrupted("Its parts do not fit together.");
	if (in != (bytea *) DatumGetPointer(stored))
		pfree(in);
	return doc;
}

/* fhir_document(stored bytea) -> jsonb: the document in version.doc, for DBAs and the search's own statements */
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

/* fhir_document_bytes(resource jsonb) -> bytea: the JSONB that is packed, for the dictionary's generator */
PG_FUNCTION_INFO_V1(fhir_document_bytes);
PGDLLEXPORT Datum
fhir_document_bytes(PG_FUNCTION_ARGS)
{
	Jsonb *doc = PG_GETARG_JSONB_P(0);

	PG_RETURN_BYTEA_P(cstring_to_text_with_len((char *) doc + VARHDRSZ, VARSIZE(doc) - VARHDRSZ));
}
