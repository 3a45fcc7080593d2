/*
 * pack_codec.c: dictionaries made ready for zstd: tables of the compressor, and of the decompressor, filled once and kept.
 *
 * Filling them takes some 100 µs, a document 3. So they stay, in zstd's own memory (malloc), for as many dictionaries as a backend may
 * use by turns: a store has a few, of which all but the newest are only read. Nothing here raises an error while it holds memory that
 * is not noted.
 *
 * The compressor has a context for each dictionary, since only so its tables can be kept small: 32 kB of them (zstd's own choice for
 * this size: 256 kB) stay in the processor's cache, and the result is not larger. With a dictionary of a store's own little is left to
 * search for, so that a higher level of zstd is cheap (docs/design.md has the figures).
 */
#include "base/base.h"

#include <zstd.h>

#include "utils/inval.h"
#include "utils/memutils.h"

#include "store/pack/pack_internal.h"

#define CODEC_KEPT 8
#define CODEC_LEVEL_BUILTIN 3
#define CODEC_TABLE_LOG 13
#define CODEC_MAGIC 4 /* bytes of the frame's magic number */

struct PackCodec {
	Oid table;
	int32 id;
	bool stale;
	uint64 used;
	ZSTD_CCtx *compressor; /* made when it is needed */
	ZSTD_DDict *decompressor;
	void *data; /* until there is a compressor; NULL: compiled in */
	size_t len;
};

static PackCodec builtin;
static PackCodec *kept[CODEC_KEPT];
static PackCodec *last; /* found before: nearly always the right one */
static bool any_stale;
static uint64 uses;
static ZSTD_DCtx *decompression;

pg_noreturn static void
out_of_memory(void)
{
	ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
			errdetail("Could not set up the compression of documents."));
}

void
pack_codec_free(PackCodec *c)
{
	if (c == NULL)
		return;
	ZSTD_freeCCtx(c->compressor);
	ZSTD_freeDDict(c->decompressor);
	free(c->data);
	free(c);
}

PackCodec *
pack_codec_make(const void *data, size_t len)
{
	PackCodec *c = calloc(1, sizeof(PackCodec));

	if (c != NULL) {
		c->data = malloc(len);
		c->len = len;
		c->decompressor = ZSTD_createDDict(data, len);
	}
	if (c == NULL || c->data == NULL || c->decompressor == NULL) {
		pack_codec_free(c);
		out_of_memory();
	}
	memcpy(c->data, data, len);
	return c;
}

PackCodec *
pack_codec_builtin(void)
{
	if (builtin.decompressor == NULL) {
		builtin.len = store_pack_dictionary2_size;
		builtin.decompressor = ZSTD_createDDict(store_pack_dictionary2, store_pack_dictionary2_size);
		if (builtin.decompressor == NULL)
			out_of_memory();
	}
	return &builtin;
}

/* ---- those that are kept ---- */

static void
drop_stale(void)
{
	for (int i = 0; i < CODEC_KEPT; i++)
		if (kept[i] != NULL && kept[i]->stale) {
			if (last == kept[i])
				last = NULL;
			pack_codec_free(kept[i]);
			kept[i] = NULL;
		}
	any_stale = false;
}

/* Of relcache invalidations: frees nothing before the next _get or _add. */
static void
on_relcache(Datum arg, Oid table)
{
	for (int i = 0; i < CODEC_KEPT; i++)
		if (kept[i] != NULL && (!OidIsValid(table) || kept[i]->table == table))
			any_stale = kept[i]->stale = true;
}

PackCodec *
pack_codec_get(Oid table, int32 id)
{
	if (unlikely(any_stale))
		drop_stale();
	if (likely(last != NULL && last->id == id && last->table == table))
		return last;
	for (int i = 0; i < CODEC_KEPT; i++)
		if (kept[i] != NULL && kept[i]->id == id && kept[i]->table == table) {
			kept[i]->used = ++uses;
			return last = kept[i];
		}
	return NULL;
}

PackCodec *
pack_codec_add(Oid table, int32 id, const void *data, size_t len)
{
	static bool registered = false;
	PackCodec *c;
	int at = 0;

	if (!registered) {
		CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
		registered = true;
	}
	c = pack_codec_make(data, len);

	if (any_stale)
		drop_stale();
	for (int i = 1; i < CODEC_KEPT && kept[at] != NULL; i++)
		if (kept[i] == NULL || kept[i]->used < kept[at]->used)
			at = i;
	pack_codec_free(kept[at]);
	c->table = table;
	c->id = id;
	c->used = ++uses;
	return last = kept[at] = c;
}

/* ---- using one ---- */

static ZSTD_CCtx *
compressor(PackCodec *codec)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	if (c == NULL)
		out_of_memory();
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, codec == &builtin ? CODEC_LEVEL_BUILTIN : PACK_CODEC_LEVEL)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, CODEC_TABLE_LOG)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_chainLog, CODEC_TABLE_LOG)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 0)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_dictIDFlag, 0)) ||
		ZSTD_isError(ZSTD_CCtx_loadDictionary(c, codec->data ? codec->data : store_pack_dictionary2, codec->len))) {
		ZSTD_freeCCtx(c);
		out_of_memory();
	}
	free(codec->data);
	codec->data = NULL;
	return codec->compressor = c;
}

size_t
pack_codec_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

size_t
pack_codec_compress(PackCodec *c, void *to, size_t room, const void *text, size_t len)
{
	size_t n = ZSTD_compress2(c->compressor ? c->compressor : compressor(c), to, room, text, len);

	if (ZSTD_isError(n) || n < CODEC_MAGIC)
		return 0;
	memmove(to, (char *) to + CODEC_MAGIC, n - CODEC_MAGIC);
	return n - CODEC_MAGIC;
}

char *
pack_codec_decompress(PackCodec *c, const void *frame, size_t len, size_t *text_len, const char **why)
{
	static const unsigned char magic[CODEC_MAGIC] = {0x28, 0xB5, 0x2F, 0xFD};
	unsigned char *whole = palloc(CODEC_MAGIC + len);
	unsigned long long size;
	char *text;
	size_t n;

	if (decompression == NULL && (decompression = ZSTD_createDCtx()) == NULL)
		out_of_memory();
	memcpy(whole, magic, CODEC_MAGIC);
	memcpy(whole + CODEC_MAGIC, frame, len);
	size = ZSTD_getFrameContentSize(whole, CODEC_MAGIC + len);
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size >= MaxAllocSize) {
		*why = "Its size is not that of a document.";
		return NULL;
	}
	text = palloc(size + 1);
	n = ZSTD_decompress_usingDDict(decompression, text, size, whole, CODEC_MAGIC + len, c->decompressor);
	pfree(whole);
	if (ZSTD_isError(n) || n != size) {
		*why = "It is not a whole frame of zstd.";
		return NULL;
	}
	*text_len = size;
	return text;
}
