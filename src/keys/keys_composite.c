/*
 * keys_composite.c: keys of composite parameters (keys_composite_define.c says which they are).
 *
 * On the resource itself a composite is no more than the AND of its parts, since each part is looked up from the same
 * single base: only code + quantity has rows of its own there, because an ordered scan of exactly one code is so much faster.
 * Below the resource (Observation.component) the base matters: all forms of the token times all forms of the other part are stored.
 *
 * How search answers a branch of a composite parameter exactly:
 *
 *  root (the base is the resource itself): the AND of the parts' criteria, each on its sources (any of them), is exact.
 *    Faster for kind ORDERED when part 0 names a code: ordered rows with token hash = keys_code(s, code) and the keys of keys_quantity(s,
 *    &token hash, ...); for `sys|code` AND the eq key of sys|code on parts[0].sources. Both are exact.
 *  not root, kind EQ: one eq key, keys_composite(s, {part hashes}), exact when keys_part_token / keys_part_reference give every hash.
 *  not root, kind ORDERED: ordered rows: token hash by keys_part_token (`code`, `sys|code`, `|code`); quantities: keys_quantity(s, &token hash,
 *    ...); dates and numbers: key = keys_composite_ordered(s, token hash, keys_ordered(s)). Exact.
 *  all else (`sys|`, `||unit`, kind AND): the AND of the parts' criteria is a superset: recheck each match.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"

typedef struct HashList {
	uint64 *hashes;
	int n, max;
} HashList;

typedef struct IntervalList {
	KeyInterval *items;
	int n, max;
} IntervalList;

typedef struct PartValues {
	const KeyPart *part;
	KeyContext context;
	const KeySource *salt;
	uint8 klass;
	bool present;
	HashList hashes;
	IntervalList intervals;
} PartValues;

static void
add_hash(HashList *l, uint64 hash)
{
	if (l->n == l->max) {
		l->max = l->max > 0 ? l->max * 2 : 8;
		l->hashes = l->hashes == NULL ? palloc(l->max * sizeof(uint64)) : repalloc_huge(l->hashes, l->max * sizeof(uint64));
	}
	l->hashes[l->n++] = hash;
}

static void
part_token(void *arg, const KeyTokenHashes *t)
{
	PartValues *v = arg;

	add_hash(&v->hashes, t->code);
	/* on the resource itself only the code form has rows */
	if (t->has_system_code && !v->salt->composite->root)
		add_hash(&v->hashes, t->system_code);
}

static void
part_reference(PartValues *v, const FpItem *item)
{
	uint64 forms[KEYS_MAX_REF_FORMS], identity;
	ModelTypeId type;
	const char *ref = item->json.type == jbvString ? item->json.val.string.val : NULL;
	int len = ref != NULL ? item->json.val.string.len : -1;
	JsonbContainer *c = keys_object(&item->json);

	if (c != NULL)
		ref = keys_string_of(c, "reference", &len);
	if (len <= 0)
		return;
	for (int i = 0, n = keys_reference_forms(v->context, v->salt, ref, len, c == NULL, forms, &identity, &type); i < n; i++)
		add_hash(&v->hashes, forms[i]);
}

static void
part_item(void *arg, const FpItem *item)
{
	PartValues *v = arg;
	KeyInterval got;

	v->present = true;
	switch (v->klass) {
		case KEYS_TOKEN:
			keys_token_each(v->salt, item, v->part->sources[0]->fixed_system, part_token, v);
			break;
		case KEYS_REFERENCE:
			part_reference(v, item);
			break;
		case KEYS_DATE:
		case KEYS_NUMBER:
		case KEYS_QUANTITY:
			if (keys_interval(v->salt, v->klass, item, &got)) {
				IntervalList *l = &v->intervals;

				if (l->n == l->max) {
					l->max = l->max > 0 ? l->max * 2 : 4;
					l->items = l->items == NULL ? palloc(l->max * sizeof(KeyInterval)) : repalloc_huge(l->items, l->max * sizeof(KeyInterval));
				}
				l->items[l->n++] = got;
			}
			break;
		default:
			break;
	}
}

static void
emit_combinations(KeyBuilder *b, const KeyComposite *c, PartValues *v)
{
	for (int i = 0; i < v[0].hashes.n; i++) {
		if (c->kind == KEYS_COMPOSITE_EQ)
			for (int k = 0; k < v[1].hashes.n; k++) {
				uint64 pair[2] = {v[0].hashes.hashes[i], v[1].hashes.hashes[k]};

				keys_add_eq(b, keys_composite(b->source, pair, 2), "composite", NULL, 0);
			}
		else
			for (int k = 0; k < v[1].intervals.n; k++) {
				const KeyInterval *iv = &v[1].intervals.items[k];

				keys_add_interval(b, keys_composite_ordered(b->source, v[0].hashes.hashes[i], iv->key), &v[0].hashes.hashes[i], iv);
			}
	}
}

/* One base item: its parts' values, and their combinations. */
void
keys_item_composite(KeyBuilder *b, const FpItem *item)
{
	const KeyComposite *c = b->source->composite;
	PartValues v[KEYS_MAX_PARTS];
	bool all = true;

	if (c->root && c->kind == KEYS_COMPOSITE_AND)
		return;
	memset(v, 0, sizeof(v));
	for (int i = 0; i < c->nparts && all; i++) {
		v[i].part = &c->parts[i];
		v[i].context = b->context;
		v[i].salt = b->source;
		for (int k = 0; k < c->parts[i].nevals; k++) {
			const KeyEval *e = &c->parts[i].evals[k];

			v[i].klass = e->klass;
			keys_eval(e->path, e->program, b->doc, b->registry->type->id, item, part_item, &v[i]);
		}
		all = v[i].present;
	}
	if (!all)
		return;
	b->present = true;
	if (c->kind != KEYS_COMPOSITE_AND)
		emit_combinations(b, c, v);
}
