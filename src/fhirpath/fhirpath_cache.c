/*
 * fhirpath_cache.c: the backend's two caches, both bounded.
 *
 * programs: content of a FhirPath varlena -> FpProgram, for evaluation;
 * texts:    (text, context type, strict) -> FhirPath, for callers who have only text.
 *
 * Both are chained hash tables over a ring of entries, bounded in entries and bytes; a clock hand picks the
 * entry to replace. A program that is replaced while any evaluation runs, and a text's FhirPath that was
 * handed out, are freed at the end of the transaction. An error leaves `depth` too high until then: that only
 * delays the freeing.
 */
#include "fhirpath/fhirpath_int.h"

#include "access/xact.h"

#define CACHE_ENTRIES 8192
#define CACHE_BYTES (64 * 1024 * 1024) /* of each cache; beyond, it starts anew */
#define CACHE_BUCKETS 8192

typedef struct Entry {
	uint64 hash;
	int32 next;		   /* in the bucket, -1 end */
	bool used;		   /* since the hand last passed */
	uint64 handed_out; /* texts: in which transaction, by transactions */
	Size size;
	bool strict;
	ModelTypeId context;
	int textlen;
	char *text;		 /* texts */
	FhirPath *path;	 /* texts */
	FpProgram *prog; /* programs */
} Entry;

typedef struct Cache {
	int32 buckets[CACHE_BUCKETS];
	Entry *entries;
	int n, max, hand;
	Size bytes;
} Cache;

static Cache *programs, *texts;
static MemoryContext cache_mcxt;
static MemoryContext dead_texts; /* FhirPaths that were handed out */
static FpProgram *dead_programs;
static int depth;
static uint64 transactions = 1;

static void
free_dead(void)
{
	while (dead_programs != NULL) {
		FpProgram *p = dead_programs;

		dead_programs = p->next_dead;
		MemoryContextDelete(p->mcxt);
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE &&
		event != XACT_EVENT_PARALLEL_COMMIT && event != XACT_EVENT_PARALLEL_ABORT)
		return;
	depth = 0;
	free_dead();
	MemoryContextReset(dead_texts);
	transactions++;
}

static void
init(void)
{
	MemoryContext mcxt;

	if (cache_mcxt != NULL)
		return;
	mcxt = AllocSetContextCreate(CacheMemoryContext, "fhirpath cache", ALLOCSET_DEFAULT_SIZES);
	dead_texts = AllocSetContextCreate(mcxt, "fhirpath replaced texts", ALLOCSET_SMALL_SIZES);
	programs = MemoryContextAllocZero(mcxt, sizeof(Cache));
	texts = MemoryContextAllocZero(mcxt, sizeof(Cache));
	for (int i = 0; i < CACHE_BUCKETS; i++)
		programs->buckets[i] = texts->buckets[i] = -1;
	RegisterXactCallback(at_transaction_end, NULL);
	cache_mcxt = mcxt;
}

static void
unlink_entry(Cache *c, int at)
{
	int32 *p = &c->buckets[c->entries[at].hash % CACHE_BUCKETS];

	while (*p != at)
		p = &c->entries[*p].next;
	*p = c->entries[at].next;
}

static void
drop(Entry *e)
{
	if (e->prog != NULL) {
		if (depth > 0) {
			e->prog->next_dead = dead_programs;
			dead_programs = e->prog;
		} else
			MemoryContextDelete(e->prog->mcxt);
	}
	if (e->path != NULL) {
		if (e->handed_out == transactions) {
			/* whoever holds the pointer keeps this block; the context that frees it changes */
			MemoryContextSetParent(GetMemoryChunkContext(e->path), dead_texts);
		} else
			MemoryContextDelete(GetMemoryChunkContext(e->path));
	}
}

/* A free entry for hash, linked into its bucket; the caller fills it without raising errors. */
static Entry *
allot(Cache *c, uint64 hash)
{
	Entry *e;
	int at;

	if (c->n < CACHE_ENTRIES) {
		if (c->n >= c->max) {
			int max = c->max == 0 ? 64 : c->max * 2;

			if (c->entries == NULL)
				c->entries = MemoryContextAllocZero(cache_mcxt, max * sizeof(Entry));
			else
				c->entries = repalloc(c->entries, max * sizeof(Entry));
			c->max = max;
		}
		at = c->n++;
	} else {
		while (c->entries[c->hand].used) {
			c->entries[c->hand].used = false;
			c->hand = (c->hand + 1) % CACHE_ENTRIES;
		}
		at = c->hand;
		c->hand = (c->hand + 1) % CACHE_ENTRIES;
		unlink_entry(c, at);
		c->bytes -= c->entries[at].size;
		drop(&c->entries[at]);
	}
	e = &c->entries[at];
	memset(e, 0, sizeof(Entry));
	e->hash = hash;
	e->used = true;
	e->next = c->buckets[hash % CACHE_BUCKETS];
	c->buckets[hash % CACHE_BUCKETS] = at;
	return e;
}

/* Empties the cache when size more bytes would be too many. */
static void
make_room(Cache *c, Size size)
{
	if (c->bytes + size > CACHE_BYTES) {
		for (int i = 0; i < c->n; i++)
			drop(&c->entries[i]);
		for (int i = 0; i < CACHE_BUCKETS; i++)
			c->buckets[i] = -1;
		c->n = c->hand = 0;
		c->bytes = 0;
	}
	c->bytes += size;
}

FpProgram *
fp_load(const FhirPath *flat)
{
	uint64 hash = (uint64) flat->hash[1] << 32 | flat->hash[0];
	FpProgram *prog;
	Size size;
	Entry *e;

	init();
	for (int32 i = programs->buckets[hash % CACHE_BUCKETS]; i >= 0; i = programs->entries[i].next) {
		e = &programs->entries[i];
		if (e->hash == hash && VARSIZE(e->prog->flat) == VARSIZE(flat) &&
			memcmp(e->prog->flat, flat, VARSIZE(flat)) == 0) {
			e->used = true;
			return e->prog;
		}
	}
	prog = fp_program_build(flat, cache_mcxt);
	size = MemoryContextMemAllocated(prog->mcxt, true);
	make_room(programs, size);
	e = allot(programs, hash);
	e->prog = prog;
	e->size = size;
	return prog;
}

/* Evaluation is running: no program may be freed. */
void
fp_programs_enter(void)
{
	depth++;
}

void
fp_programs_leave(void)
{
	if (--depth == 0 && dead_programs != NULL)
		free_dead();
}

static Entry *
find_text(uint64 hash, const char *text, int len, ModelTypeId context)
{
	for (int32 i = texts->buckets[hash % CACHE_BUCKETS]; i >= 0; i = texts->entries[i].next) {
		Entry *e = &texts->entries[i];

		if (e->hash == hash && e->context == context && e->strict == fhirpath_strict && e->textlen == len &&
			memcmp(e->text, text, len) == 0)
			return e;
	}
	return NULL;
}

static Entry *
cached(const char *text, int len, ModelTypeId context_type)
{
	uint64 hash = fhir_hash(text, len, context_type);
	MemoryContext mcxt;
	FhirPath *path;
	char *copy;
	Entry *e;

	init();
	e = find_text(hash, text, len, context_type);
	if (e == NULL) {
		path = fhirpath_compile(text, len, context_type);
		mcxt = AllocSetContextCreate(cache_mcxt, "fhirpath text", ALLOCSET_SMALL_SIZES);
		copy = MemoryContextAlloc(mcxt, len + 1);
		memcpy(copy, text, len);
		make_room(texts, VARSIZE(path) + len);
		e = allot(texts, hash);
		e->size = VARSIZE(path) + len;
		e->text = copy;
		e->textlen = len;
		e->context = context_type;
		e->strict = fhirpath_strict;
		e->path = MemoryContextAlloc(mcxt, VARSIZE(path));
		memcpy(e->path, path, VARSIZE(path));
		pfree(path);
	}
	e->used = true;
	return e;
}

const FhirPath *
fhirpath_cached(const char *text, int len, ModelTypeId context_type)
{
	Entry *e = cached(text, len, context_type);

	e->handed_out = transactions;
	return e->path;
}

/* The same as a palloc'd copy. */
FhirPath *
fp_compile_cached(const char *text, int len)
{
	FhirPath *path = cached(text, len, MODEL_NONE)->path;
	FhirPath *copy = palloc(VARSIZE(path));

	memcpy(copy, path, VARSIZE(path));
	return copy;
}
