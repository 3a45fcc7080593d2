/*
 * keys_extract.c: all keys of one document.
 *
 * Each source of the type is evaluated once; its items go to the file of its class, which adds keys to the builder. Work memory is a context that
 * is emptied after each document; the builder's arrays are kept between documents, up to a bound. What leaves is sorted
 * and free of duplicates, so that equal documents have equal keys. Contained resources follow, each with the sources of its own type; what
 * they refer to is not referred to by their container.
 */
#include "postgres.h"
#include "base/base.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"

/* A builder array beyond this is not kept for the next document. */
#define KEEP_ENTRIES 8192

static MemoryContext work_context = NULL;	/* emptied after each document */
static MemoryContext arrays_context = NULL; /* the kept builder's arrays */
static KeyBuilder kept;
static bool kept_in_use = false;

/* ---- sorting ---- */

#define ST_SORT sort_u64
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static inline int
compare_ordered(const OrderedKey *a, const OrderedKey *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return a->hi < b->hi ? -1 : a->hi > b->hi;
}

static inline int
compare_text(const char *a, int alen, const char *b, int blen)
{
	int cmp = memcmp(a, b, Min(alen, blen));

	return cmp != 0 ? cmp : alen - blen;
}

static inline int
compare_string(const StringKey *a, const StringKey *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return compare_text(a->value, a->len, b->value, b->len);
}

static inline int
compare_term(const TermKey *a, const TermKey *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return compare_text(a->value, a->len, b->value, b->len);
}

#define ST_SORT sort_ordered
#define ST_ELEMENT_TYPE OrderedKey
#define ST_COMPARE(a, b) compare_ordered(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_strings
#define ST_ELEMENT_TYPE StringKey
#define ST_COMPARE(a, b) compare_string(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_terms
#define ST_ELEMENT_TYPE TermKey
#define ST_COMPARE(a, b) compare_term(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static int
unique_u64(uint64 *a, int n)
{
	int k = 0;

	sort_u64(a, n);
	for (int i = 0; i < n; i++)
		if (k == 0 || a[k - 1] != a[i])
			a[k++] = a[i];
	return k;
}

#define UNIQUE(array, n, sort, compare) \
	do { \
		int k_ = 0; \
		sort(array, n); \
		for (int i_ = 0; i_ < (n); i_++) \
			if (k_ == 0 || compare(&(array)[k_ - 1], &(array)[i_]) != 0) \
				(array)[k_++] = (array)[i_]; \
		(n) = k_; \
	} while (0)

static void *
copied(MemoryContext to, const void *array, int n, Size size)
{
	void *copy;

	if (n == 0)
		return NULL;
	copy = MemoryContextAllocHuge(to, n * size);
	memcpy(copy, array, n * size);
	return copy;
}

static uint64
side_signature(const KeyBuilder *b, const KeySet *out)
{
	uint64 h = fhir_hash(b->ordered, b->nordered * sizeof(OrderedKey), FHIR_KEY_VERSION);

	for (int i = 0; i < b->nstrings; i++)
		h = fhir_hash(b->strings[i].value, b->strings[i].len, h ^ b->strings[i].key);
	for (int i = 0; i < out->nwords; i++)
		h = fhir_hash(out->words[i], VARSIZE(out->words[i]), h ^ 1);
	return h;
}

static void
finish(KeyBuilder *b, KeySet *out)
{
	b->neq = unique_u64(b->eq, b->neq);
	b->nrefs = unique_u64(b->refs, b->nrefs);
	UNIQUE(b->ordered, b->nordered, sort_ordered, compare_ordered);
	UNIQUE(b->strings, b->nstrings, sort_strings, compare_string);
	UNIQUE(b->terms, b->nterms, sort_terms, compare_term);
	out->neq = b->neq;
	out->eq = copied(b->result, b->eq, b->neq, sizeof(uint64));
	out->nrefs = b->nrefs;
	out->refs = copied(b->result, b->refs, b->nrefs, sizeof(uint64));
	out->nordered = b->nordered;
	out->ordered = copied(b->result, b->ordered, b->nordered, sizeof(OrderedKey));
	out->nstrings = b->nstrings;
	out->strings = copied(b->result, b->strings, b->nstrings, sizeof(StringKey));
	out->nterms = b->nterms;
	out->terms = copied(b->result, b->terms, b->nterms, sizeof(TermKey));
	/* terms are made in the work context */
	for (int i = 0; i < out->nterms; i++) {
		char *value = MemoryContextAlloc(b->result, out->terms[i].len + 1);

		memcpy(value, out->terms[i].value, out->terms[i].len);
		value[out->terms[i].len] = '\0';
		out->terms[i].value = value;
	}
	out->side_sig = side_signature(b, out);
}

/* ---- sources ---- */

static void
add_item(void *arg, const FpItem *item)
{
	KeyBuilder *b = arg;

	if (b->source->klass != KEYS_COMPOSITE)
		b->present = true;
	switch ((KeyClass) b->source->klass) {
		case KEYS_TOKEN:
			keys_item_token(b, item);
			break;
		case KEYS_REFERENCE:
			keys_item_reference(b, item);
			break;
		case KEYS_URI:
			keys_item_uri(b, item);
			break;
		case KEYS_STRING:
			keys_item_string(b, item);
			break;
		case KEYS_DATE:
		case KEYS_NUMBER:
		case KEYS_QUANTITY:
			keys_item_ordered(b, item);
			break;
		case KEYS_COMPOSITE:
			keys_item_composite(b, item);
			break;
		case KEYS_SPECIAL:
			keys_item_position(b, item);
			break;
	}
}

static bool
has_target(const KeyBuilder *b, const ModelTypeId *targets)
{
	for (; *targets != MODEL_NONE; targets++)
		for (int i = 0; i < b->nref_types; i++)
			if (b->ref_types[i] == *targets)
				return true;
	return false;
}

/* The missing keys of the source just extracted. */
static void
add_missing(KeyBuilder *b)
{
	const KeyRegistry *r = b->registry;

	for (int i = r->first_rule[b->source->number]; i < r->first_rule[b->source->number + 1]; i++) {
		const KeyMissingRule *rule = &r->rules[i];
		bool present = rule->targets != NULL ? has_target(b, rule->targets) : b->present;

		if (present != rule->absence)
			keys_add_eq(b, rule->key, rule->absence ? "missing" : "present", NULL, 0);
	}
}

static void
extract_source(KeyBuilder *b, const FpItem *root)
{
	keys_eval(b->source->path, b->source->program, b->doc, root->type, root, add_item, b);
	add_missing(b);
}

/* Is the error the document's fault: FHIRPath that fails on it, a number out of range, nesting too deep? */
static bool
is_data_error(int code)
{
	return ERRCODE_TO_CATEGORY(code) == ERRCODE_DATA_EXCEPTION || ERRCODE_TO_CATEGORY(code) == MAKE_SQLSTATE('F', 'H', '0', '0', '0') ||
		   ERRCODE_TO_CATEGORY(code) == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/*
 * A source that fails on a document has no value there. To go on after an error without a subtransaction is safe: extraction computes in
 * memory only (no locks, no buffers, no catalogs).
 */
static void
extract_all(KeyBuilder *b, const FpItem *root)
{
	MemoryContext current = CurrentMemoryContext;
	int volatile i = 0;

	while (i < b->registry->nsources) {
		KeyBuilder volatile before = {0};

		PG_TRY();
		{
			for (; i < b->registry->nsources; i++) {
				b->source = b->registry->sources[i];
				b->present = false;
				b->nref_types = 0;
				b->last_len = -1;
				before.neq = b->neq;
				before.nrefs = b->nrefs;
				before.nordered = b->nordered;
				before.nstrings = b->nstrings;
				before.nterms = b->nterms;
				before.ncovered = b->ncovered;
				extract_source(b, root);
			}
		}
		PG_CATCH();
		{
			if (!is_data_error(geterrcode()))
				PG_RE_THROW();
			MemoryContextSwitchTo(current);
			FlushErrorState();
			b->neq = before.neq;
			b->nrefs = before.nrefs;
			b->nordered = before.nordered;
			b->nstrings = before.nstrings;
			b->nterms = before.nterms;
			b->ncovered = before.ncovered;
			b->present = false;
			b->nref_types = 0;
			add_missing(b);
			i++;
		}
		PG_END_TRY();
	}
}

/* The keys of a resource within the document; marked: and that it is there. */
static void
extract_inner(KeyBuilder *b, JsonbContainer *o, bool marked)
{
	int len;
	const char *name = keys_string_of(o, "resourceType", &len);
	const ModelType *type = name != NULL ? model_resource(name, len) : NULL;
	FpItem root;

	if (type == NULL)
		return;
	b->registry = keys_registry_r4(type);
	b->source = b->registry->sources[0]; /* of whose place a trace tells */
	if (marked)
		keys_add_eq(b, keys_contained_type(type), "contained", name, len);
	b->doc = o;
	b->contained = true;
	fhirpath_root(o, type->id, &root);
	extract_all(b, &root);
	b->contained = false;
}

static void
extract_contained(KeyBuilder *b, JsonbContainer *doc)
{
	JsonbValue v;
	JsonbContainer *array;

	if (!keys_member(doc, "contained", 9, &v) || (array = keys_array(&v)) == NULL)
		return;
	for (uint32 i = 0; i < JsonContainerSize(array); i++) {
		JsonbContainer *o = keys_object(getIthJsonbValueFromContainer(array, i));

		if (o != NULL)
			extract_inner(b, o, true);
	}
}

/* An empty builder: the kept one, or (in a nested call) a new one. */
static KeyBuilder *
begin(void)
{
	KeyBuilder *b = &kept;

	if (arrays_context == NULL) {
		arrays_context = AllocSetContextCreate(keys_context, "fhir key arrays", ALLOCSET_DEFAULT_SIZES);
		work_context = AllocSetContextCreate(keys_context, "fhir key extraction", ALLOCSET_DEFAULT_SIZES);
	}
	if (b->maxeq + b->maxrefs + b->maxordered + b->maxstrings + b->maxterms > KEEP_ENTRIES) {
		MemoryContextReset(arrays_context);
		memset(b, 0, sizeof(*b));
	}
	b->arrays = arrays_context;
	b->neq = b->nrefs = b->nordered = b->nstrings = b->nterms = 0;
	b->covered = NULL;
	b->ncovered = b->maxcovered = 0;
	return b;
}

void
keys_extract_traced(KeyContext context, const ModelType *type, JsonbContainer *doc, KeySet *out, const KeyTrace *trace)
{
	const KeyRegistry *registry = keys_registry(context.user, type);
	MemoryContext result = CurrentMemoryContext;
	KeyBuilder *b;
	ListCell *inner;
	FpItem root;

	if (kept_in_use)
		elog(ERROR, "search keys are extracted within their extraction");
	b = begin();
	b->context = context;
	b->registry = registry;
	b->doc = doc;
	b->contained = false; /* an error may have left it */
	b->result = result;
	b->trace = trace;
	b->inner = NIL;
	kept_in_use = true;
	PG_TRY();
	{
		MemoryContextSwitchTo(work_context);
		fhirpath_root(doc, type->id, &root);
		extract_all(b, &root);
		keys_words_finish(b, out);
		extract_contained(b, doc);
		foreach(inner, b->inner)
			extract_inner(b, lfirst(inner), false);
		finish(b, out);
		out->generation = registry->generation;
	}
	PG_FINALLY();
	{
		kept_in_use = false;
		MemoryContextSwitchTo(result);
		MemoryContextReset(work_context);
	}
	PG_END_TRY();
}

void
keys_extract(KeyContext context, const ModelType *type, JsonbContainer *doc, KeySet *out)
{
	keys_extract_traced(context, type, doc, out, NULL);
}

void
keys_extract_deleted(const ModelType *type, KeySet *out)
{
	memset(out, 0, sizeof(*out));
	out->eq = palloc(sizeof(uint64));
	out->eq[out->neq++] = keys_deleted(type);
}
