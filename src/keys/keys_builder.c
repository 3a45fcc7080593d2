/*
 * keys_builder.c: what the files of the classes add keys to, and the evaluation of places.
 *
 * The arrays live in a context of the builder's, which is kept between documents (keys_extract.c).
 */
#include "postgres.h"
#include "base/base.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"

/* Room for one more element. The new size is noted only when there is room: the builder outlives an error. */
#define ENSURE(b, array, n, max) \
	do { \
		if (unlikely((b)->n == (b)->max)) { \
			Size wanted_ = (b)->max > 0 ? (Size) (b)->max * 2 : 64; \
			(b)->array = (b)->array == NULL ? MemoryContextAllocHuge((b)->arrays, wanted_ * sizeof(*(b)->array)) \
											: repalloc_huge((b)->array, wanted_ * sizeof(*(b)->array)); \
			(b)->max = wanted_; \
		} \
	} while (0)

/* A key as this document carries it. */
static inline uint64
own(const KeyBuilder *b, uint64 key)
{
	return unlikely(b->contained) ? keys_contained(key) : key;
}

void
keys_add_eq(KeyBuilder *b, uint64 key, const char *form, const char *value, int len)
{
	key = own(b, key);
	ENSURE(b, eq, neq, maxeq);
	b->eq[b->neq++] = key;
	if (unlikely(b->trace != NULL))
		b->trace->fn(b->trace->arg, b->source->expression, "keys", form, key, 0, 0, value, len);
}

void
keys_add_ref(KeyBuilder *b, uint64 identity)
{
	if (b->contained)
		return;
	ENSURE(b, refs, nrefs, maxrefs);
	b->refs[b->nrefs++] = identity;
	if (unlikely(b->trace != NULL))
		b->trace->fn(b->trace->arg, b->source->expression, "refs", "identity", identity, 0, 0, NULL, 0);
}

void
keys_add_ordered(KeyBuilder *b, uint64 key, int64 lo, int64 hi, const char *form, const char *value, int len)
{
	key = own(b, key);
	ENSURE(b, ordered, nordered, maxordered);
	b->ordered[b->nordered].key = key;
	b->ordered[b->nordered].lo = lo;
	b->ordered[b->nordered++].hi = hi;
	if (unlikely(b->trace != NULL))
		b->trace->fn(b->trace->arg, b->source->expression, "ordered", form, key, lo, hi, value, len);
}

/* Where a piece that starts at text ends: at most KEYS_STRING_MAX bytes, between characters. */
static int
piece_length(const char *text, int len)
{
	return len <= KEYS_STRING_MAX ? len : pg_mbcliplen(text, len, KEYS_STRING_MAX);
}

/* Start of the piece after [at, at + n): overlaps by KEYS_STRING_OVERLAP bytes or a character more. */
static int
next_piece(const char *text, int at, int n)
{
	int next = at + n - KEYS_STRING_OVERLAP;

	while (next > at && (text[next] & 0xC0) == 0x80)
		next--;
	return next;
}

void
keys_add_string(KeyBuilder *b, uint64 key, const char *raw, int len)
{
	MemoryContext old = MemoryContextSwitchTo(b->result);
	int flen, at = 0;
	char *folded = keys_fold(raw, len, &flen);

	MemoryContextSwitchTo(old);
	while (at < flen || at == 0) {
		int n = piece_length(folded + at, flen - at);
		StringKey *s;

		ENSURE(b, strings, nstrings, maxstrings);
		s = &b->strings[b->nstrings++];
		s->key = own(b, at == 0 ? key : keys_more(key));
		s->value = folded + at;
		s->len = n;
		if (unlikely(b->trace != NULL))
			b->trace->fn(b->trace->arg, b->source->expression, "string", at == 0 ? "text" : "more", s->key, 0, 0, s->value, n);
		if (at + n >= flen)
			break;
		at = next_piece(folded, at, n);
	}
}

/* Terms are searched by their start only: one piece is enough. */
void
keys_add_term(KeyBuilder *b, uint64 group, uint64 hash, const char *value, int len)
{
	TermKey *t;

	ENSURE(b, terms, nterms, maxterms);
	t = &b->terms[b->nterms++];
	t->key = group;
	t->hash = hash;
	t->value = value;
	t->len = piece_length(value, len);
	if (unlikely(b->trace != NULL))
		b->trace->fn(b->trace->arg, b->source->expression, "term", "term", hash, 0, 0, t->value, t->len);
}

/* ---- evaluation ---- */

/* Calls fn for each item with a value. */
static void
run_program(const FhirPath *program, JsonbContainer *doc, const FpItem *start, KeyItemFn fn, void *arg)
{
	FpContext cxt = {.resolve = FP_RESOLVE_TYPE, .root = doc};
	FpList list = {0};

	fhirpath_eval(program, &cxt, start, &list);
	for (int i = 0; i < list.n; i++)
		if (list.items[i].json.type != jbvNull)
			fn(arg, &list.items[i]);
}

void
keys_eval(const KeyPath *path, const FhirPath *program, JsonbContainer *doc, ModelTypeId type, const FpItem *start, KeyItemFn fn, void *arg)
{
	if (path == NULL)
		run_program(program, doc, start, fn, arg);
	else if (path->from_root)
		keys_path_walk(path, doc, type, fn, arg);
	else if (keys_object(&start->json) != NULL)
		keys_path_walk(path, start->json.val.binary.data, start->type, fn, arg);
}
