/*
 * keys_words.c: words of a document, for _text and _content.
 *
 * What counts: elements of type string, markdown and code, and the narrative without its tags; wherever they stand, also in extensions and
 * contained resources. What does not: identity and links (id, uri, canonical, Reference.reference), dates and times, base64 data.
 *
 * Most of it is in the store already: display texts and codes in the dictionary, their hashes in resource.keys; units in the dictionary, with
 * ordered rows under their keys. Extraction notes the address of every text that a search can find that way ("covered"). Of what is left
 * when all sources are done, codes, names of codes, units and names of what is referred to are kept the same way, under a place of their own: they are
 * few and come again. The rest is cut into words, which go into side rows. So no text is missed: it is in the dictionary or in a side row.
 *
 * A user's parameters cover nothing: their keys come and go.
 */
#include "postgres.h"
#include "base/base.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tsearch/ts_type.h"
#include "tsearch/ts_utils.h"

#include "keys/keys_internal.h"

/* ---- texts of a document ---- */

typedef struct Walk {
	KeyTextFn fn;
	void *arg;
} Walk;

typedef enum Place { AT_ROOT,
					 IN_NARRATIVE,
					 INSIDE,
} Place;

static void walk_object(const Walk *w, const ModelType *type, JsonbContainer *c, Place place);

static const ModelType *
type_of_object(const ModelType *type, JsonbContainer *c)
{
	const char *name;
	int len;

	if (type->kind != MODEL_RESOURCE)
		return type;
	name = keys_string_of(c, "resourceType", &len);
	return len > 0 ? model_resource(name, len) : NULL;
}

static inline bool
is_name(const ModelProperty *p, const char *name, int len)
{
	return p->name_len == len && memcmp(p->name, name, len) == 0;
}
#define IS_NAME(p, literal) is_name((p), literal, sizeof(literal) - 1)

/* False: it does not count. */
static bool
kind_of(const ModelType *owner, const ModelProperty *p, Place place, KeyTextKind *kind)
{
	*kind = KEYS_PLAIN;
	switch (model_type_by_id(p->type)->primitive) {
		case PRIM_STRING:
			if (owner->id == MODEL_T_Reference || owner->id == MODEL_T_Coding ? IS_NAME(p, "display")
				: owner->id == MODEL_T_CodeableConcept						  ? IS_NAME(p, "text")
																			  : IS_NAME(p, "unit"))
				*kind = KEYS_COMMON;
			return !IS_NAME(p, "id") && !(owner->id == MODEL_T_Reference && IS_NAME(p, "reference"));
		case PRIM_CODE:
			*kind = KEYS_COMMON;
			return true;
		case PRIM_XHTML:
			*kind = place == IN_NARRATIVE ? KEYS_NARRATIVE : KEYS_MARKUP;
			return true;
		case PRIM_MARKDOWN:
			return true;
		default:
			return false;
	}
}

/* Calls fn for each text of an array. */
static void
walk_texts(const Walk *w, KeyTextKind kind, JsonbContainer *c)
{
	int n = JsonContainerSize(c);
	char *base = (char *) &c->children[n];
	uint32 end = 0;

	for (int i = 0; i < n; i++) {
		uint32 start = end;

		JBE_ADVANCE_OFFSET(end, c->children[i]);
		if (JBE_ISSTRING(c->children[i]))
			w->fn(w->arg, kind, base + start, end - start);
	}
}

static void
walk_object_of(const Walk *w, const ModelType *type, JsonbContainer *c, Place place)
{
	type = type_of_object(type, c);
	if (type != NULL)
		walk_object(w, type, c, place);
}

/* An object, or each of an array of objects. */
static void
walk_objects(const Walk *w, const ModelType *type, JsonbContainer *c, Place place)
{
	int n = JsonContainerSize(c);
	char *base = (char *) &c->children[n];
	uint32 end = 0;

	if (JsonContainerIsObject(c)) {
		walk_object_of(w, type, c, place);
		return;
	}
	for (int i = 0; i < n; i++) {
		JsonbContainer *e = (JsonbContainer *) (base + INTALIGN(end));

		JBE_ADVANCE_OFFSET(end, c->children[i]);
		if (JBE_ISCONTAINER(c->children[i]) && JsonContainerIsObject(e))
			walk_object_of(w, type, e, place);
	}
}

static void
walk_member(const Walk *w, const ModelType *owner, const ModelProperty *p, JEntry entry, char *value, int len, JsonbContainer *c, Place place)
{
	const ModelType *type = model_type_by_id(p->type);
	KeyTextKind kind;

	if (type->kind != MODEL_PRIMITIVE) {
		if (JBE_ISCONTAINER(entry))
			walk_objects(w, type, c, place == AT_ROOT && p->type == MODEL_T_Narrative ? IN_NARRATIVE : INSIDE);
	} else if (kind_of(owner, p, place, &kind)) {
		if (JBE_ISSTRING(entry))
			w->fn(w->arg, kind, value, len);
		else if (JBE_ISCONTAINER(entry) && JsonContainerIsArray(c))
			walk_texts(w, kind, c);
	}
}

/* By the entries themselves: an iterator for each object would take longer than all else here. */
static void
walk_object(const Walk *w, const ModelType *type, JsonbContainer *c, Place place)
{
	int n = JsonContainerSize(c);
	char *base = (char *) &c->children[n * 2];
	uint32 name_end = 0, value_end = n > 0 ? getJsonbOffset(c, n) : 0;
	const ModelProperty *p = type->properties, *end = p + type->nproperties;

	check_stack_depth();
	for (int i = 0; i < n; i++) {
		const char *name = base + name_end;
		uint32 name_start = name_end, start = value_end;
		JEntry entry = c->children[n + i];
		JsonbContainer *value = (JsonbContainer *) (base + INTALIGN(start));
		int len;

		JBE_ADVANCE_OFFSET(name_end, c->children[i]);
		JBE_ADVANCE_OFFSET(value_end, entry);
		if (!JBE_ISSTRING(entry) && !JBE_ISCONTAINER(entry))
			continue;
		len = name_end - name_start;
		if (len > 1 && *name == '_') { /* id and extensions of a primitive */
			if (JBE_ISCONTAINER(entry) && model_property(type, name + 1, len - 1) != NULL)
				walk_objects(w, model_type_by_id(MODEL_T_Element), value, INSIDE);
			continue;
		}
		/* both in JSONB's order */
		while (p < end && (p->name_len < len || (p->name_len == len && memcmp(p->name, name, len) < 0)))
			p++;
		if (p < end && p->name_len == len && memcmp(p->name, name, len) == 0)
			walk_member(w, type, p, entry, base + start, value_end - start, value, place);
	}
}

void
keys_texts(const ModelType *type, JsonbContainer *doc, KeyTextFn fn, void *arg)
{
	Walk w = {fn, arg};

	walk_object(&w, type, doc, AT_ROOT);
}

/* ---- words ---- */

/* Letters and digits of a folded text; whatever is no ASCII counts as a letter. */
static inline bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char) c >= 0x80;
}

bool
keys_next_word(const char **at, const char *end, const char **word, int *len)
{
	const char *p = *at;

	while (p < end && !is_word_char(*p))
		p++;
	*word = p;
	while (p < end && is_word_char(*p))
		p++;
	*len = p - *word;
	*at = p;
	return *len > 0;
}

const char *
keys_find_word(const char *text, const char *word)
{
	/* text may be the rest of one: what stands before it was a part of that */
	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		if (!is_word_char(word[0]) || !is_word_char(p[-1]))
			return p;
	return NULL;
}

const char *
keys_word_end(const char *p)
{
	while (is_word_char(*p))
		p++;
	return p;
}

bool
keys_has_word(const char *text, const char *word)
{
	int len = strlen(word);

	return strncmp(text, word, len) == 0 || (*text && keys_find_word(text + 1, word) != NULL);
}

void
keys_word_tag(const ModelType *type, bool narrative, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ZZ";
	uint64 h = fhir_hash(type->name, type->name_len, 0);

	out[0] = narrative ? 'n' : 'c';
	for (int i = 1; i < KEYS_WORD_TAG; i++, h >>= 6)
		out[i] = digits[h & 63];
}

/* ---- the dictionary ---- */

/* The text at this address can be found by the dictionary. (Not those of contained resources: their container has other keys.) */
void
keys_cover(KeyBuilder *b, const char *text)
{
	if (b->contained)
		return;
	if (b->ncovered == b->maxcovered) {
		/* in the work context: a new one for each document */
		b->maxcovered = Max(64, b->maxcovered * 2);
		b->covered = b->covered == NULL ? palloc(b->maxcovered * sizeof(char *)) : repalloc(b->covered, b->maxcovered * sizeof(char *));
	}
	b->covered[b->ncovered++] = text;
}

/* A code, whose hash is an eq key. */
void
keys_cover_code(KeyBuilder *b, const char *code, int len)
{
	char *folded;
	int flen;

	if (b->source->user || b->contained || len <= 0 || len > KEYS_STRING_MAX / 4)
		return;
	folded = keys_fold(code, len, &flen);
	if (flen > KEYS_STRING_MAX)
		return;
	keys_add_term(b, keys_word_codes(b->source), keys_code(b->source, code, len), folded, flen);
	keys_cover(b, code);
}

/* Folded text, a line feed, and of what unit the ordered rows are that it belongs to. */
static void
add_unit_text(KeyBuilder *b, const char *raw, const char *folded, int len, const KeyInterval *iv)
{
	StringInfoData value;

	initStringInfo(&value);
	appendBinaryStringInfo(&value, folded, len);
	appendStringInfoChar(&value, '\n');
	if (iv->slen > 0)
		appendStringInfo(&value, "%.*s|%.*s", iv->slen, iv->sys, iv->clen, iv->code);
	if (value.len <= KEYS_STRING_MAX)
		keys_add_term(b, keys_word_units(b->source), fhir_hash(raw, strlen(raw), iv->key), value.data, value.len);
}

/*
 * Unit and code of a quantity that has an ordered row: the dictionary leads from its text to the key of those rows. A quantity that is not covered says so by
 * an empty text: then the rows of its key do not all have what other texts of the key say.
 */
void
keys_cover_unit(KeyBuilder *b, JsonbContainer *quantity, bool plain, const KeyInterval *iv)
{
	const char *unit, *code;
	char *folded, *both;
	int ulen, clen, flen;

	unit = keys_string_of(quantity, "unit", &ulen);
	code = keys_string_of(quantity, "code", &clen);
	if (b->source->user || b->contained)
		return;
	if (!plain || (ulen <= 0 && clen <= 0) || Max(ulen, 0) + Max(clen, 0) + iv->slen > KEYS_STRING_MAX / 8) {
		add_unit_text(b, "", "", 0, iv);
		return;
	}
	both = psprintf("%.*s %.*s", Max(ulen, 0), unit != NULL ? unit : "", Max(clen, 0), code != NULL ? code : "");
	folded = keys_fold(both, strlen(both), &flen);
	if (flen > KEYS_STRING_MAX / 2)
		flen = 0;
	add_unit_text(b, flen > 0 ? both : "", folded, flen, iv);
	if (flen > 0 && unit != NULL)
		keys_cover(b, unit);
	if (flen > 0 && code != NULL)
		keys_cover(b, code);
}

uint64
keys_unit_text_key(const KeySource *s, const char *after, int len)
{
	const char *bar = memchr(after, '|', len);

	if (bar == NULL)
		return keys_ordered(s);
	return keys_ordered_unit(s, after, bar - after, bar + 1, after + len - bar - 1);
}

int
keys_word_groups(const ModelType *t, KeyWordGroup **out)
{
	const KeyRegistry *r = keys_registry_r4(t);
	int n = 0;

	*out = palloc((2 * r->nsources + 1) * sizeof(KeyWordGroup));
	(*out)[n++] = (KeyWordGroup){keys_word_texts(t), NULL, false};
	for (int i = 0; i < r->nsources; i++) {
		const KeySource *s = r->sources[i];

		if (s->klass == KEYS_TOKEN) {
			(*out)[n++] = (KeyWordGroup){keys_term_group(s), s, false};
			(*out)[n++] = (KeyWordGroup){keys_word_codes(s), s, false};
		} else if (s->klass == KEYS_QUANTITY)
			(*out)[n++] = (KeyWordGroup){keys_word_units(s), s, true};
	}
	return n;
}

/* ---- side rows ---- */

typedef struct Word {
	const char *s; /* begins with its tag */
	int len;
} Word;

typedef struct Words {
	KeyBuilder *b;
	char tags[2][KEYS_WORD_TAG];
	Word *list;
	int n, max;
} Words;

static int
compare_pointers(const void *a, const void *b)
{
	const char *x = *(const char *const *) a, *y = *(const char *const *) b;

	return x < y ? -1 : x > y;
}

static inline int
compare_words(const Word *a, const Word *b)
{
	int cmp = memcmp(a->s, b->s, Min(a->len, b->len));

	return cmp != 0 ? cmp : a->len - b->len;
}

#define ST_SORT sort_words
#define ST_ELEMENT_TYPE Word
#define ST_COMPARE(a, b) compare_words(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Bytes of a word that are kept. */
int
keys_word_length(const char *word, int len)
{
	return len <= KEYS_WORD_MAX ? len : pg_encoding_mbcliplen(PG_UTF8, word, len, KEYS_WORD_MAX);
}

static void
add_words(Words *w, const char *text, int len, bool narrative)
{
	const char *at = text, *word;
	int n;

	while (keys_next_word(&at, text + len, &word, &n)) {
		char *copy;

		n = keys_word_length(word, n);
		if (w->n == w->max) {
			w->max = Max(256, w->max * 2);
			w->list = w->list == NULL ? palloc(w->max * sizeof(Word)) : repalloc_huge(w->list, w->max * sizeof(Word));
		}
		copy = palloc(KEYS_WORD_TAG + n);
		memcpy(copy, w->tags[narrative], KEYS_WORD_TAG);
		memcpy(copy + KEYS_WORD_TAG, word, n);
		w->list[w->n++] = (Word){copy, KEYS_WORD_TAG + n};
	}
}

#define FEW_COVERED 24 /* are not sorted */

static inline bool
is_covered(const KeyBuilder *b, const char *text)
{
	if (b->ncovered > FEW_COVERED)
		return bsearch(&text, b->covered, b->ncovered, sizeof(char *), compare_pointers) != NULL;
	for (int i = 0; i < b->ncovered; i++)
		if (b->covered[i] == text)
			return true;
	return false;
}

#define COMMON_MAX 200

/* A text that other resources probably have, too: one eq key, and the dictionary has its words. */
static void
add_common(KeyBuilder *b, const char *folded, int len)
{
	const ModelType *type = b->registry->type;
	KeySource place = {.type = type, .expression = type->name};
	uint64 hash = keys_word_text(type, folded, len);

	if (len == 0)
		return;
	b->source = &place;
	keys_add_eq(b, hash, "words", folded, len);
	keys_add_term(b, keys_word_texts(type), hash, folded, len);
	b->source = NULL;
}

static void
text_words(void *arg, KeyTextKind kind, const char *raw, int len)
{
	Words *w = arg;
	KeyBuilder *b = w->b;
	char *folded;

	if (is_covered(b, raw))
		return;
	if (kind == KEYS_NARRATIVE || kind == KEYS_MARKUP)
		raw = fhir_xhtml_text(raw, len, &len);
	folded = keys_fold(raw, len, &len);
	if (kind == KEYS_COMMON && len <= COMMON_MAX) {
		add_common(b, folded, len);
		return;
	}
	add_words(w, folded, len, kind == KEYS_NARRATIVE);
}

/* A tsvector of sorted words, without positions. */
static TSVector
vector_of(MemoryContext to, const Word *words, int n)
{
	Size bytes = 0;
	TSVector v;
	char *s;

	for (int i = 0; i < n; i++)
		bytes += words[i].len;
	v = MemoryContextAllocZero(to, CALCDATASIZE(n, bytes));
	SET_VARSIZE(v, CALCDATASIZE(n, bytes));
	v->size = n;
	s = STRPTR(v);
	for (int i = 0; i < n; i++) {
		ARRPTR(v)
		[i] = (WordEntry){.haspos = 0, .len = words[i].len, .pos = s - STRPTR(v)};
		memcpy(s, words[i].s, words[i].len);
		s += words[i].len;
	}
	return v;
}

void
keys_words_finish(KeyBuilder *b, KeySet *out)
{
	Words w = {b};
	int n = 0;

	out->nwords = 0;
	out->words = NULL;
	keys_word_tag(b->registry->type, false, w.tags[0]);
	keys_word_tag(b->registry->type, true, w.tags[1]);
	if (b->ncovered > FEW_COVERED)
		qsort(b->covered, b->ncovered, sizeof(char *), compare_pointers);
	keys_texts(b->registry->type, b->doc, text_words, &w);
	if (w.n == 0)
		return;
	sort_words(w.list, w.n);
	for (int i = 0; i < w.n; i++)
		if (n == 0 || compare_words(&w.list[n - 1], &w.list[i]) != 0)
			w.list[n++] = w.list[i];
	if (unlikely(b->trace != NULL))
		for (int i = 0; i < n; i++)
			b->trace->fn(b->trace->arg, b->registry->type->name, "word", w.list[i].s[0] == 'n' ? "narrative" : "content", 0, 0, 0,
						 w.list[i].s + KEYS_WORD_TAG, w.list[i].len - KEYS_WORD_TAG);
	out->nwords = (n + KEYS_ROW_WORDS - 1) / KEYS_ROW_WORDS;
	out->words = MemoryContextAlloc(b->result, out->nwords * sizeof(struct varlena *));
	for (int i = 0; i < out->nwords; i++)
		out->words[i] = (struct varlena *) vector_of(b->result, w.list + i * KEYS_ROW_WORDS, Min(KEYS_ROW_WORDS, n - i * KEYS_ROW_WORDS));
}
