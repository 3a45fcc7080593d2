/*
 * dictionary_train.c: makes a dictionary of a sample of the store's documents: fhir_dictionary_train(), and its background worker.
 *
 * The sample is some thousands of current documents all over the store. Of seven in eight, reduced to what tells of nobody
 * (dictionary_reduce.c), zstd chooses the contents; how often which byte stands in the documents themselves, which no text can be
 * made from, gives its tables of codes. Behind it stands what is compiled in, so that rare types, of which the sample has little, lose nothing.
 * The eighth document tells whether it pays: a dictionary that is not a tenth better than what is in use is not stored.
 */
#include "base/base.h"

#include <zdict.h>

#include "access/xact.h"
#include "store/pack/dictionary_reduce.h"
#include "store/pack/pack_internal.h"
#include "store/pack/pack_text.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define SAMPLE_DOCUMENTS 4000
#define SAMPLE_LEAST 200			   /* fewer say nothing */
#define SAMPLE_DOCUMENT (32 * 1024)	   /* larger ones are attachments, or pay by themselves */
#define SAMPLE_BYTES (8 * 1024 * 1024) /* of text */
#define HELD_OUT 8					   /* one in so many is for the trial */
#define COMMON 10					   /* documents in which a value must stand */
#define BETTER_BY 10				   /* percent */

/* Texts one after another, as zdict.h wants them. */
typedef struct Texts {
	StringInfoData bytes;
	size_t *sizes;
	unsigned n;
} Texts;

typedef struct Sample {
	Datum *stored; /* bytea */
	int n;
	Texts whole, reduced;
} Sample;

bool
store_dictionary_lock(StoreCatalog *cat, bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, cat->namespace, STORE_LOCK_TRAINER, STORE_LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Current documents at random places between the first and the last; where rids are missing, the next one. */
static void
take_sample(Sample *s, int64 last)
{
	Oid types[3] = {INT8OID, INT4OID, INT4OID};
	Datum values[3] = {Int64GetDatum(last), Int32GetDatum(SAMPLE_DOCUMENTS), Int32GetDatum(SAMPLE_DOCUMENT)};

	store_spi(psprintf("SELECT v.doc FROM (SELECT DISTINCT r.rid FROM (SELECT pg_catalog.floor(pg_catalog.random() * $1)::bigint AS point"
					   " FROM pg_catalog.generate_series(1, $2)) g, LATERAL (SELECT rid FROM %1$s.resource WHERE rid > g.point ORDER BY rid LIMIT 1) r) d"
					   " JOIN %1$s.resource r USING (rid) JOIN %1$s.version v ON v.rid = r.rid AND v.version = r.version"
					   " WHERE v.doc IS NOT NULL AND pg_catalog.octet_length(v.doc) <= $3 ORDER BY pg_catalog.random()",
					   store_schema()),
			  3, types, values, NULL, false, SPI_OK_SELECT);
	s->n = (int) SPI_processed;
	s->stored = palloc_array(Datum, s->n + 1);
	for (int i = 0; i < s->n; i++) {
		bool isnull;

		s->stored[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	}
}

static bool
held_out(int i)
{
	return i % HELD_OUT == 0;
}

/* Appends the document as it comes to the compressor. */
static void
add_text(Texts *t, Jsonb *doc)
{
	StringInfoData text, values;
	int before = t->bytes.len;

	initStringInfo(&text);
	initStringInfo(&values);
	fhir_json_write(&text, &doc->root, -1);
	if (text.len <= SAMPLE_DOCUMENT && before + text.len <= SAMPLE_BYTES && pack_text_split(text.data, text.len, &t->bytes, &values))
		t->sizes[t->n++] = t->bytes.len - before;
	pfree(text.data);
	pfree(values.data);
}

/* Calls fn for each document, in a context that is emptied each time. */
static void
each_document(Sample *s, bool wanted_held_out, void (*fn)(Jsonb *doc, void *arg), void *arg)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "FHIR sample document", ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < s->n; i++) {
		MemoryContext old;

		if (held_out(i) != wanted_held_out)
			continue;
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(scratch);
		fn(store_unpack(s->stored[i]), arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
}

typedef struct Reading {
	Sample *sample;
	Reducer *reducer;
} Reading;

static void
count_document(Jsonb *doc, void *arg)
{
	dictionary_count(((Reading *) arg)->reducer, doc);
}

static void
reduce_document(Jsonb *doc, void *arg)
{
	Reading *r = arg;
	Jsonb *reduced = dictionary_reduce(r->reducer, doc);

	add_text(&r->sample->whole, doc);
	if (reduced != NULL)
		add_text(&r->sample->reduced, reduced);
}

static void
read_sample(Sample *s)
{
	Reading r = {s, dictionary_reducer(COMMON)};

	initStringInfo(&s->whole.bytes);
	initStringInfo(&s->reduced.bytes);
	s->whole.sizes = palloc_array(size_t, s->n + 1);
	s->reduced.sizes = palloc_array(size_t, s->n + 1);
	each_document(s, false, count_document, &r);
	each_document(s, false, reduce_document, &r);
}

/* One with `size` bytes of the sample, into out (of `room` bytes); 0: zstd can make none of it. */
static size_t
make_dictionary(const Sample *s, size_t size, char *out, size_t room)
{
	size_t header = ZDICT_getDictHeaderSize(store_pack_dictionary2, store_pack_dictionary2_size);
	size_t fixed = store_pack_dictionary2_size - header;
	char *content = palloc(fixed + size), *trained = palloc(size);
	ZDICT_params_t params = {.compressionLevel = PACK_CODEC_LEVEL};
	size_t n = ZDICT_trainFromBuffer(trained, size, s->reduced.bytes.data, s->reduced.sizes, s->reduced.n);

	if (ZDICT_isError(n))
		return 0;
	header = ZDICT_getDictHeaderSize(trained, n);
	if (ZDICT_isError(header))
		return 0;
	/* what stands at the end is the cheapest to refer to */
	memcpy(content, store_pack_dictionary2 + (store_pack_dictionary2_size - fixed), fixed);
	memcpy(content + fixed, trained + header, n - header);
	n = ZDICT_finalizeDictionary(out, room, content, fixed + n - header, s->whole.bytes.data, s->whole.sizes, s->whole.n, params);
	pfree(content);
	pfree(trained);
	return ZDICT_isError(n) ? 0 : n;
}

/* ---- does it pay? ---- */

typedef struct Trial {
	PackCodec *codec;
	int64 before, after;
	int n;
} Trial;

static void
try_document(Jsonb *doc, void *arg)
{
	Trial *t = arg;
	int32 id;
	PackCodec *now = store_dictionary_newest(&id);

	t->before += store_pack_size(doc, now ? now : pack_codec_builtin(), now != NULL);
	t->after += store_pack_size(doc, t->codec, true);
	t->n++;
}

static Trial
try_dictionary(Sample *s, const char *data, size_t len)
{
	Trial t = {.codec = pack_codec_make(data, len)};

	PG_TRY();
	{
		each_document(s, true, try_document, &t);
	}
	PG_FINALLY();
	{
		pack_codec_free(t.codec);
	}
	PG_END_TRY();
	return t;
}

/* The best of some sizes: a small sample may not fill a large one, and then zstd chooses badly. Palloc'd; NULL: none. */
static char *
best_dictionary(Sample *s, size_t *len, Training *out)
{
	static const int sizes[] = {16 * 1024, 24 * 1024, 32 * 1024};
	char *best = NULL;

	for (int i = 0; i < lengthof(sizes); i++) {
		size_t room = sizes[i] + store_pack_dictionary2_size;
		char *data = palloc(room);
		size_t n = make_dictionary(s, sizes[i], data, room);
		Trial t = {0};

		if (n > 0)
			t = try_dictionary(s, data, n);
		if (t.n == 0 || (best != NULL && (double) t.after / t.n >= out->after)) {
			pfree(data);
			continue;
		}
		best = data;
		*len = n;
		out->before = (double) t.before / t.n;
		out->after = (double) t.after / t.n;
	}
	return best;
}

/* ---- one training ---- */

int64
store_dictionary_last(StoreCatalog *cat)
{
	bool isnull;

	store_spi(psprintf("SELECT coalesce(max(rid), 0) FROM %s.resource", cat->quoted), 0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

void
store_dictionary_require(StoreCatalog *cat)
{
	if (pg_class_aclcheck(cat->dictionary, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "dictionary");
}

static void
insert(StoreCatalog *cat, const Training *t, const char *data, size_t len)
{
	Oid types[5] = {INT4OID, TIMESTAMPTZOID, INT8OID, INT4OID, BYTEAOID};
	bytea *b = palloc(VARHDRSZ + len);
	Datum values[5] = {Int32GetDatum(t->id), TimestampTzGetDatum(GetCurrentTimestamp()), Int64GetDatum(t->rid), Int32GetDatum(t->samples), PointerGetDatum(b)};

	SET_VARSIZE(b, VARHDRSZ + len);
	memcpy(VARDATA(b), data, len);
	store_spi(psprintf("INSERT INTO %s.dictionary (id, made, rid, samples, data) VALUES ($1, $2, $3, $4, $5)", store_schema()), 5, types, values, NULL,
			  false, SPI_OK_INSERT);
	CacheInvalidateRelcacheByRelid(cat->dictionary);
}

void
store_dictionary_note(StoreCatalog *cat)
{
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(psprintf("%lld", (long long) store_dictionary_last(cat)))};

	store_spi(psprintf("INSERT INTO %s.store_info AS s (name, value) VALUES ('dictionary_tried', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
					   store_schema()),
			  1, types, values, NULL, false, SPI_OK_INSERT);
	CacheInvalidateRelcacheByRelid(cat->dictionary);
}

void
store_dictionary_train(StoreCatalog *cat, Training *out)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "FHIR dictionary training", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Sample s = {0};
	size_t len;
	char *data = NULL;

	memset(out, 0, sizeof(*out));
	out->rid = store_dictionary_last(cat);
	take_sample(&s, out->rid);
	out->samples = s.n;
	if (s.n >= SAMPLE_LEAST) {
		read_sample(&s);
		data = best_dictionary(&s, &len, out);
	}
	if (data != NULL && out->after * 100 <= out->before * (100 - BETTER_BY)) {
		out->stored = true;
		out->id = store_dictionary_id(data, len);
		insert(cat, out, data, len);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
