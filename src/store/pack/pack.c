/*
 * pack.c: documents as stored: compact JSON text, packed by zstd with a dictionary.
 *
 * One resource is too short to be compressed by itself: names of elements, systems and codes stand in it once. They stand
 * in the dictionary: one of FHIR's structure is compiled in; a store may have trained its own (dictionary.h), and an Observation
 * of 850 bytes takes some 200 or 110 (docs/design.md). What a dictionary can't hold, UUIDs and times, is taken out
 * of the text first (pack_text.h). Text, not
 * JSONB: it is shorter packed, goes to an HTTP client as it is, and depends on no byte order or version of PostgreSQL.
 *
 *   byte 0   format: 0x00 JSON text as it is; 0x02, 0x03 as follows (0x01 was never released)
 *   0x00     the text as fhir_json_write makes it (resourceType, id, meta first)
 *   0x02     length of the values (base 128, low part first, high bit: more follows), the values, and a zstd frame with
 *            dictionary 2, without its magic number, of the text without them
 *   0x03     4 bytes, big-endian: id of a dictionary of the store; then as 0x02, but with that dictionary
 *
 * Formats and dictionaries only grow: what was ever written stays readable.
 */
#include "base/base.h"

#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "store/pack/pack_internal.h"
#include "store/pack/pack_text.h"

#define PACK_PLAIN 0x00
#define PACK_DICTIONARY2 0x02
#define PACK_STORE 0x03
#define PACK_ID 4							/* bytes of a dictionary's id */
#define PACK_SPLIT_LIMIT (64 * 1024 * 1024) /* longer texts, which are attachments, are packed unsplit */

/* Format and dictionary: what stands before the length of the values. */
static unsigned char *
put_head(unsigned char *to, bool own, int32 id)
{
	uint32 n = pg_hton32((uint32) id);

	*to++ = own ? PACK_STORE : PACK_DICTIONARY2;
	if (own) {
		memcpy(to, &n, PACK_ID);
		to += PACK_ID;
	}
	return to;
}

/* Packs `text` into `out`, which has room for as much and the format; 0 if that makes it no shorter. */
static size_t
pack(const StringInfoData *text, PackCodec *codec, bool own, int32 id, unsigned char *out)
{
	StringInfoData rest, values;
	unsigned char *to, *frame;
	size_t room = text->len, n, bound;

	if (room < PACK_ID + 16)
		return 0;
	initStringInfo(&rest);
	initStringInfo(&values);
	if (text->len > PACK_SPLIT_LIMIT)
		appendBinaryStringInfo(&rest, text->data, text->len);
	else if (!pack_text_split(text->data, text->len, &rest, &values))
		return 0;
	to = put_head(out, own, id);
	for (n = values.len; n >= 0x80; n >>= 7)
		*to++ = (unsigned char) (n | 0x80);
	*to++ = (unsigned char) n;
	if (values.len + (to - out) >= room)
		return 0;
	memcpy(to, values.data, values.len);
	to += values.len;
	room -= to - out;
	bound = pack_codec_bound(rest.len);
	frame = palloc(bound);
	n = pack_codec_compress(codec, frame, bound, rest.data, rest.len);
	if (n == 0 || n > room)
		return 0;
	memcpy(to, frame, n);
	pfree(frame);
	pfree(rest.data);
	pfree(values.data);
	return to - out + n;
}

size_t
store_pack_size(Jsonb *doc, PackCodec *codec, bool own)
{
	StringInfoData text;
	unsigned char *out;
	size_t n;

	initStringInfo(&text);
	fhir_json_write(&text, &doc->root, -1);
	out = palloc(1 + text.len);
	n = pack(&text, codec, own, 0, out);
	if (n == 0)
		n = text.len + 1;
	pfree(out);
	pfree(text.data);
	return n;
}

Datum
store_pack(Jsonb *doc)
{
	StringInfoData text;
	bytea *out;
	unsigned char *to;
	int32 id = 0;
	PackCodec *codec = store_dictionary_newest(&id);
	size_t n;

	initStringInfo(&text);
	fhir_json_write(&text, &doc->root, -1);
	out = palloc(VARHDRSZ + 1 + text.len);
	to = (unsigned char *) VARDATA(out);
	n = pack(&text, codec ? codec : pack_codec_builtin(), codec != NULL, id, to);
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

/* Appends the text of what follows the format, and the id of the dictionary. */
static void
append_packed(StringInfo out, PackCodec *codec, const unsigned char *from, const unsigned char *end)
{
	const unsigned char *values;
	const char *why;
	char *rest;
	size_t values_len = 0, n;
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
	rest = pack_codec_decompress(codec, from, end - from, &n, &why);
	if (rest == NULL)
		corrupted(why);
	if (!pack_text_join(rest, n, values, values_len, out))
		corrupted("Its text and its values don't belong together.");
	pfree(rest);
}

static PackCodec *
codec_of(const unsigned char *from, size_t len)
{
	uint32 n;

	if (len < PACK_ID)
		corrupted("It is cut off.");
	memcpy(&n, from, PACK_ID);
	return store_dictionary_codec((int32) pg_ntoh32(n));
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
			append_packed(out, pack_codec_builtin(), from + 1, from + len);
			break;
		case PACK_STORE:
			append_packed(out, codec_of(from + 1, len - 1), from + 1 + PACK_ID, from + len);
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
