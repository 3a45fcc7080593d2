/*
 * rows_side.c: side rows of a resource (ordered, string, word) and the dictionary of display texts (term).
 *
 * Invariant: the side rows of a resource are changed only by the transaction that has changed its row in
 * `resource`; so look-ups here need no MVCC snapshot, and deletes never meet a concurrent change.
 * The dictionary only grows; the same text may stand in it twice when two transactions were first, which
 * readers must (and do) bear: a unique constraint would make writers of the same word wait for each other.
 */
#include "base/base.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

/* Dictionary rows known to be committed: direct-mapped, bounded. */
#define KNOWN_TERMS 8192
typedef struct KnownTerm {
	Oid relid;
	uint64 key, hash;
} KnownTerm;
static KnownTerm *known_terms;
static uint64 known_since; /* store_catalog_changes() */

static KnownTerm *
known_slot(const TermKey *k)
{
	if (!known_terms)
		known_terms = MemoryContextAllocZero(TopMemoryContext, sizeof(KnownTerm) * KNOWN_TERMS);
	if (unlikely(known_since != store_catalog_changes())) {
		memset(known_terms, 0, sizeof(KnownTerm) * KNOWN_TERMS);
		known_since = store_catalog_changes();
	}
	return &known_terms[(k->hash ^ (k->key >> 7)) % KNOWN_TERMS];
}

/* Is the text in the dictionary, visibly to us? Remembers only what others have committed. */
bool
store_writer_term_known(StoreWriter *w, const TermKey *k)
{
	KnownTerm *known = known_slot(k);
	WriterTable *t;
	ScanKeyData keys[2];
	Oid relid = w->cat->table[STORE_TERM];
	bool found;

	if (known->relid == relid && known->key == k->key && known->hash == k->hash)
		return true;
	t = store_writer_table(w, STORE_TERM);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) k->key));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) k->hash));
	found = store_index_row(t->open.rel, store_open_index(w->cat, STORE_IDX_TERM, &t->open), SnapshotSelf, t->scan, 2, keys);
	if (found) {
		bool isnull;
		TransactionId xmin = DatumGetTransactionId(slot_getsysattr(t->scan, MinTransactionIdAttributeNumber, &isnull));

		if (!TransactionIdIsCurrentTransactionId(xmin))
			*known = (KnownTerm){relid, k->key, k->hash};
		ExecClearTuple(t->scan);
	}
	return found;
}

typedef struct NewTerm {
	uint64 key, hash;
} NewTerm;

/* Has this writer the text among its waiting rows? Notes it. */
static bool
waits(StoreWriter *w, const TermKey *k)
{
	NewTerm term = {k->key, k->hash};
	bool found;

	if (!w->new_terms) {
		HASHCTL ctl = {.keysize = sizeof(NewTerm), .entrysize = sizeof(NewTerm), .hcxt = w->context};

		w->new_terms = hash_create("FHIR new terms", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	hash_search(w->new_terms, &term, HASH_ENTER, &found);
	return found;
}

void
store_writer_insert_term(StoreWriter *w, const TermKey *k)
{
	TupleTableSlot *slot;

	if (store_writer_term_known(w, k) || waits(w, k))
		return;
	slot = store_writer_slot(w, STORE_TERM);
	slot->tts_values[TERM_KEY] = Int64GetDatum((int64) k->key);
	slot->tts_values[TERM_HASH] = Int64GetDatum((int64) k->hash);
	slot->tts_values[TERM_VALUE] = PointerGetDatum(cstring_to_text_with_len(k->value, k->len));
	store_writer_put(w, STORE_TERM, slot, k->len + 48);
}

void
store_writer_insert_ordered(StoreWriter *w, const OrderedKey *k, int64 rid)
{
	TupleTableSlot *slot = store_writer_slot(w, STORE_ORDERED);

	slot->tts_values[ORD_KEY] = Int64GetDatum((int64) k->key);
	slot->tts_values[ORD_LO] = Int64GetDatum(k->lo);
	slot->tts_values[ORD_HI] = Int64GetDatum(k->hi);
	slot->tts_values[ORD_RID] = Int64GetDatum(rid);
	store_writer_put(w, STORE_ORDERED, slot, 64);
}

void
store_writer_insert_string(StoreWriter *w, const StringKey *k, int64 rid)
{
	TupleTableSlot *slot = store_writer_slot(w, STORE_STRING);

	slot->tts_values[STR_KEY] = Int64GetDatum((int64) k->key);
	slot->tts_values[STR_RID] = Int64GetDatum(rid);
	slot->tts_values[STR_VALUE] = PointerGetDatum(cstring_to_text_with_len(k->value, k->len));
	store_writer_put(w, STORE_STRING, slot, k->len + 48);
}

bool
store_writer_has_words(StoreWriter *w)
{
	if (unlikely(!OidIsValid(w->cat->table[STORE_WORD]) && !w->cat->valid))
		store_catalog(); /* the same entry, filled anew */
	return OidIsValid(w->cat->table[STORE_WORD]);
}

void
store_writer_insert_words(StoreWriter *w, const struct varlena *words, int64 rid)
{
	TupleTableSlot *slot = store_writer_slot(w, STORE_WORD);

	slot->tts_values[WORD_RID] = Int64GetDatum(rid);
	slot->tts_values[WORD_WORDS] = PointerGetDatum(words);
	store_writer_put(w, STORE_WORD, slot, VARSIZE(words) + 48);
}

/* Deletes one side row; it may be missing only if the store was tampered with, which is no reason to refuse an update. */
void
store_writer_delete_ordered(StoreWriter *w, const OrderedKey *k, int64 rid)
{
	WriterTable *t = store_writer_table(w, STORE_ORDERED);
	Relation index = store_open_index(w->cat, STORE_IDX_ORDERED, &t->open);
	ScanKeyData keys[4];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) k->key));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(k->lo));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(k->hi));
	ScanKeyInit(&keys[3], 4, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(rid));
	if (store_index_row(t->open.rel, index, SnapshotSelf, t->scan, 4, keys)) {
		simple_table_tuple_delete(t->open.rel, &t->scan->tts_tid, GetActiveSnapshot());
		ExecClearTuple(t->scan);
	}
}

static int
compare_strings(const void *a, const void *b)
{
	const StringKey *x = a, *y = b;
	int cmp;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	cmp = memcmp(x->value, y->value, Min(x->len, y->len));
	return cmp != 0 ? cmp : x->len - y->len;
}

/* keys: sorted, as keys_extract makes them. */
static int
find_string(const StringKey *keys, int n, uint64 key, const char *value, int len)
{
	StringKey wanted = {.key = key, .value = value, .len = len};
	const StringKey *found = n > 0 ? bsearch(&wanted, keys, n, sizeof(StringKey), compare_strings) : NULL;

	return found ? found - keys : -1;
}

void
store_writer_sync_strings(StoreWriter *w, int64 rid, const StringKey *keep, int nkeep, bool *found)
{
	WriterTable *t = store_writer_table(w, STORE_STRING);
	Relation index = store_open_index(w->cat, STORE_IDX_STRING, &t->open);
	IndexScanDesc scan = FhirIndexBeginscan(t->open.rel, index, SnapshotSelf, 1);
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(rid));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, t->scan)) {
		text *value;
		int i;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(t->scan);
		value = DatumGetTextPP(t->scan->tts_values[STR_VALUE]);
		i = find_string(keep, nkeep, (uint64) DatumGetInt64(t->scan->tts_values[STR_KEY]), VARDATA_ANY(value),
						VARSIZE_ANY_EXHDR(value));
		if (i >= 0 && !found[i])
			found[i] = true;
		else
			simple_table_tuple_delete(t->open.rel, &t->scan->tts_tid, GetActiveSnapshot());
	}
	index_endscan(scan);
	ExecClearTuple(t->scan);
}

void
store_writer_sync_words(StoreWriter *w, int64 rid, struct varlena *const *keep, int nkeep, bool *found)
{
	WriterTable *t = store_writer_table(w, STORE_WORD);
	Relation index = store_open_index(w->cat, STORE_IDX_WORD, &t->open);
	IndexScanDesc scan = FhirIndexBeginscan(t->open.rel, index, SnapshotSelf, 1);
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(rid));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, t->scan)) {
		struct varlena *words;
		int i = 0;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(t->scan);
		words = PG_DETOAST_DATUM(t->scan->tts_values[WORD_WORDS]);
		while (i < nkeep && (found[i] || VARSIZE(words) != VARSIZE(keep[i]) || memcmp(words, keep[i], VARSIZE(words)) != 0))
			i++;
		if (i < nkeep)
			found[i] = true;
		else
			simple_table_tuple_delete(t->open.rel, &t->scan->tts_tid, GetActiveSnapshot());
	}
	index_endscan(scan);
	ExecClearTuple(t->scan);
}

static void
sync_words(StoreWriter *w, int64 rid, const KeySet *keys)
{
	bool *found = palloc0(sizeof(bool) * Max(keys->nwords, 1));

	if (!store_writer_has_words(w))
		return;
	store_writer_sync_words(w, rid, keys->words, keys->nwords, found);
	for (int i = 0; i < keys->nwords; i++)
		if (!found[i])
			store_writer_insert_words(w, keys->words[i], rid);
	pfree(found);
}

void
store_side_insert(StoreWriter *w, int64 rid, const KeySet *keys)
{
	for (int i = 0; i < keys->nordered; i++)
		store_writer_insert_ordered(w, &keys->ordered[i], rid);
	for (int i = 0; i < keys->nstrings; i++)
		store_writer_insert_string(w, &keys->strings[i], rid);
	for (int i = 0; i < keys->nterms; i++)
		store_writer_insert_term(w, &keys->terms[i]);
	for (int i = 0; i < keys->nwords && store_writer_has_words(w); i++)
		store_writer_insert_words(w, keys->words[i], rid);
}

static int
compare_ordered(const void *a, const void *b)
{
	const OrderedKey *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->hi < y->hi ? -1 : x->hi > y->hi;
}

static bool
has_ordered(const OrderedKey *sorted, int n, const OrderedKey *k)
{
	return n > 0 && bsearch(k, sorted, n, sizeof(OrderedKey), compare_ordered) != NULL;
}

void
store_side_sync(StoreWriter *w, int64 rid, Datum ord, const KeySet *keys)
{
	ArrayType *a = DatumGetArrayTypeP(ord);
	int nold = ARR_NDIM(a) == 0 ? 0 : ARR_DIMS(a)[0] / 3;
	OrderedKey *old = palloc(sizeof(OrderedKey) * Max(nold, 1));
	bool *found = palloc0(sizeof(bool) * Max(keys->nstrings, 1));

	memcpy(old, ARR_DATA_PTR(a), sizeof(OrderedKey) * nold);
	qsort(old, nold, sizeof(OrderedKey), compare_ordered); /* as it was stored, by whatever version */
	for (int i = 0; i < nold; i++)
		if (!has_ordered(keys->ordered, keys->nordered, &old[i]))
			store_writer_delete_ordered(w, &old[i], rid);
	for (int i = 0; i < keys->nordered; i++)
		if (!has_ordered(old, nold, &keys->ordered[i]))
			store_writer_insert_ordered(w, &keys->ordered[i], rid);
	store_writer_sync_strings(w, rid, keys->strings, keys->nstrings, found);
	for (int i = 0; i < keys->nstrings; i++)
		if (!found[i])
			store_writer_insert_string(w, &keys->strings[i], rid);
	sync_words(w, rid, keys);
	pfree(old);
	pfree(found);
}
