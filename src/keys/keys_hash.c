/*
 * keys_hash.c: every form of key as a 64-bit hash. Stored and searched keys come from the same functions.
 *
 * Part of the on-disk format (FHIR_KEY_VERSION): the source's id, mixed with the number of the form, seeds the hash of the value.
 * Form numbers are never reused.
 *
 * Where keys stand (see docs/design.md):
 *   resource.keys bigint[]            equality: every form below, one GIN index
 *   resource.refs bigint[]            identity hashes (of "Type/id") of all that the resource refers to
 *   ordered(key, lo, hi, rid)         dates (microseconds), numbers and quantities (dec64); for near: latitude under keys_ordered, longitude
 *                                     under keys_more of it, both in 1e-7 degrees
 *   string(key, value, rid)           folded text of string parameters
 *   word(rid, words)                  words of texts that stand in none of the others (tsvector; see keys_words.c)
 *   term(key, value, hash)            dictionary under keys_term_group(source): folded display texts (token :text; hash = keys_text) and, as
 *                                     they are, URIs of uri sources and canonicals of reference sources and MIME types (:below; hash = the value's eq key);
 *                                     under keys_units: the units of quantities (hash = ordered.key); for words: codes under
 *                                     keys_word_codes (hash = the code's eq key), texts of units under keys_word_units
 *
 * A piece in the middle of a long string has a key of its own, keys_more(key), so that it answers no prefix.
 * missing: places that documents of the type usually fill are marked when absent, others when present: so the rare case is the indexed one.
 */
#include "postgres.h"
#include "base/base.h"

#include "keys/keys_internal.h"

enum Form {
	FORM_CODE = 1,
	FORM_SYSTEM_CODE,
	FORM_SYSTEM,
	FORM_TEXT,
	FORM_TERM_GROUP,
	FORM_OF_TYPE,
	FORM_REFERENCE,
	FORM_REFERENCE_URL,
	FORM_REF_IDENTIFIER,
	FORM_URI,
	FORM_EXACT,
	FORM_IDENTITY,
	FORM_ORDERED,
	FORM_UNITS,
	FORM_UNIT,
	FORM_COMPOSITE,
	FORM_COMPOSITE_ORDERED,
	FORM_MORE,
	FORM_CANONICAL_NEWEST,
	FORM_CONTAINED,
	FORM_CONTAINED_TYPE,
	FORM_CONTAINED_LINK,
	FORM_WORD_CODES,
	FORM_WORD_UNITS,
	FORM_WORD_TEXTS,
	FORM_DELETED
};

static inline uint64
mix(uint64 seed, uint64 form)
{
	uint64 h = seed + form * UINT64CONST(0x9E3779B97F4A7C15);

	h ^= h >> 30;
	h *= UINT64CONST(0xBF58476D1CE4E5B9);
	h ^= h >> 27;
	h *= UINT64CONST(0x94D049BB133111EB);
	return h ^ (h >> 31);
}

uint64
keys_source_id(const ModelType *type, const char *canonical, uint8 klass)
{
	uint64 h = fhir_hash(type->name, strlen(type->name), 0);

	return mix(fhir_hash(canonical, strlen(canonical), h), klass);
}

uint64
keys_code(const KeySource *s, const char *code, int len)
{
	return fhir_hash(code, len, mix(s->id, FORM_CODE));
}

uint64
keys_system_code(const KeySource *s, const char *sys, int slen, const char *code, int clen)
{
	return fhir_hash(code, clen, fhir_hash(sys, slen, mix(s->id, FORM_SYSTEM_CODE)));
}

uint64
keys_system(const KeySource *s, const char *sys, int slen)
{
	return fhir_hash(sys, slen, mix(s->id, FORM_SYSTEM));
}

uint64
keys_text(const KeySource *s, const char *folded, int len)
{
	return fhir_hash(folded, len, mix(s->id, FORM_TEXT));
}

uint64
keys_term_group(const KeySource *s)
{
	return mix(s->id, FORM_TERM_GROUP);
}

uint64
keys_word_codes(const KeySource *s)
{
	return mix(s->id, FORM_WORD_CODES);
}

uint64
keys_word_units(const KeySource *s)
{
	return mix(s->id, FORM_WORD_UNITS);
}

uint64
keys_word_texts(const ModelType *t)
{
	return mix(fhir_hash(t->name, t->name_len, 0), FORM_WORD_TEXTS);
}

uint64
keys_word_text(const ModelType *t, const char *folded, int len)
{
	return fhir_hash(folded, len, keys_word_texts(t));
}

uint64
keys_deleted(const ModelType *t)
{
	return mix(fhir_hash(t->name, t->name_len, 0), FORM_DELETED);
}

uint64
keys_of_type(const KeySource *s, const char *tsys, int tslen, const char *tcode, int tclen, const char *value, int vlen)
{
	uint64 h = fhir_hash(tsys, tslen, mix(s->id, FORM_OF_TYPE));

	return fhir_hash(value, vlen, fhir_hash(tcode, tclen, h));
}

uint64
keys_ref_identifier(const KeySource *s, const char *sys, int slen, const char *val, int vlen, char form)
{
	uint64 seed = mix(mix(s->id, FORM_REF_IDENTIFIER), (unsigned char) form);

	if (form == 'c')
		return fhir_hash(val, vlen, seed);
	if (form == 'y')
		return fhir_hash(sys, slen, seed);
	return fhir_hash(val, vlen, fhir_hash(sys, slen, seed));
}

uint64
keys_uri(const KeySource *s, const char *uri, int len)
{
	return fhir_hash(uri, len, mix(s->id, FORM_URI));
}

uint64
keys_exact(const KeySource *s, const char *value, int len)
{
	return fhir_hash(value, len, mix(s->id, FORM_EXACT));
}

uint64
keys_identity(const char *type, int tlen, const char *id, int ilen)
{
	return fhir_hash(id, ilen, fhir_hash(type, tlen, FORM_IDENTITY));
}

uint64
keys_reference_salt(const KeySource *s)
{
	return mix(s->id, FORM_REFERENCE);
}

uint64
keys_ordered(const KeySource *s)
{
	return mix(s->id, FORM_ORDERED);
}

uint64
keys_ordered_unit(const KeySource *s, const char *sys, int slen, const char *code, int clen)
{
	return fhir_hash(code, clen, fhir_hash(sys, slen, mix(s->id, FORM_UNIT)));
}

uint64
keys_units(const KeySource *s, const uint64 *token)
{
	uint64 h = mix(s->id, FORM_UNITS);

	return token != NULL ? mix(h ^ *token, 1) : h;
}

uint64
keys_composite(const KeySource *s, const uint64 *part_hashes, int n)
{
	uint64 h = mix(s->id, FORM_COMPOSITE);

	for (int i = 0; i < n; i++)
		h = mix(h ^ part_hashes[i], i + 1);
	return h;
}

uint64
keys_composite_ordered(const KeySource *s, uint64 token_hash, uint64 unit_key)
{
	return mix(mix(mix(s->id, FORM_COMPOSITE_ORDERED) ^ token_hash, 1) ^ unit_key, 2);
}

uint64
keys_more(uint64 key)
{
	return mix(key, FORM_MORE);
}

/* ---- references ---- */

/* Is it [A-Za-z0-9.-]{1,64}? */
static bool
is_id(const char *s, int len)
{
	if (len < 1 || len > 64)
		return false;
	for (int i = 0; i < len; i++)
		if (!((s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '-' || s[i] == '.'))
			return false;
	return true;
}

typedef struct RefParts {
	const ModelType *named; /* of "...Type/anything", NULL if it has no such end */
	const ModelType *type;	/* the same if an id follows */
	const char *id;
	int id_len;
	int start;		 /* where Type begins */
	int unversioned; /* length without /_history/v */
} RefParts;

/* Takes "[base/]Type/id[/_history/v]" apart, from its end. */
static void
parse_reference(const char *ref, int len, RefParts *p)
{
	int slash, start;

	memset(p, 0, sizeof(*p));
	p->unversioned = len;
	for (slash = len - 1; slash >= 0 && ref[slash] != '/'; slash--)
		;
	if (slash >= 10 && memcmp(ref + slash - 9, "/_history", 9) == 0) {
		p->unversioned = slash - 9;
		for (slash = p->unversioned - 1; slash >= 0 && ref[slash] != '/'; slash--)
			;
	}
	if (slash <= 0)
		return;
	for (start = slash - 1; start >= 0 && ref[start] != '/'; start--)
		;
	start++;
	p->named = model_resource(ref + start, slash - start);
	if (p->named == NULL || !is_id(ref + slash + 1, p->unversioned - slash - 1))
		return;
	p->type = p->named;
	p->id = ref + slash + 1;
	p->id_len = p->unversioned - slash - 1;
	p->start = start;
}

/* Cuts our own base ("http://host/fhir/") off. */
static void
strip_base(const char *base_url, const char **ref, int *len)
{
	int n;

	if (base_url[0] == '\0')
		return;
	n = strlen(base_url);
	if (base_url[n - 1] == '/')
		n--;
	if (*len > n + 1 && (*ref)[n] == '/' && memcmp(*ref, base_url, n) == 0) {
		*ref += n + 1;
		*len -= n + 1;
	}
}

/*
 * A literal reference: all its keys. "Type/id" is identity ^ salt; whatever else is hashed as text: versioned, absolute to other
 * servers, urn. A version has the key of the resource, too, here or elsewhere; a canonical with |version that of the url alone.
 * *identity: of the local resource, else 0; *type: by the text, else MODEL_NONE.
 */
int
keys_reference_forms(KeyContext context, const KeySource *s, const char *ref, int len, bool canonical, uint64 *out, uint64 *identity,
					 ModelTypeId *type)
{
	uint64 seed = mix(s->id, FORM_REFERENCE_URL);
	const char *bar;
	RefParts p;
	int n = 0;

	*identity = 0;
	*type = MODEL_NONE;
	if (len < 1 || *ref == '#')
		return 0;
	strip_base(context.base_url, &ref, &len);
	parse_reference(ref, len, &p);
	if (p.named != NULL)
		*type = p.named->id;
	if (p.type != NULL && p.start == 0) {
		*identity = keys_identity(p.type->name, strlen(p.type->name), p.id, p.id_len);
		out[n++] = *identity ^ keys_reference_salt(s);
		if (p.unversioned == len)
			return n;
	} else if (p.type != NULL && p.unversioned < len)
		out[n++] = fhir_hash(ref, p.unversioned, seed);
	out[n++] = fhir_hash(ref, len, seed);
	if (!canonical)
		return n;
	if ((bar = memchr(ref, '|', len)) == NULL)
		out[n++] = keys_canonical_newest(s, ref, len);
	else if (bar > ref)
		out[n++] = keys_reference(context, s, ref, bar - ref);
	return n;
}

uint64
keys_reference(KeyContext context, const KeySource *s, const char *ref, int len)
{
	RefParts p;

	strip_base(context.base_url, &ref, &len);
	parse_reference(ref, len, &p);
	if (p.type != NULL && p.start == 0 && p.unversioned == len)
		return keys_identity(p.type->name, strlen(p.type->name), p.id, p.id_len) ^ keys_reference_salt(s);
	return fhir_hash(ref, len, mix(s->id, FORM_REFERENCE_URL));
}

uint64
keys_canonical_newest(const KeySource *s, const char *url, int len)
{
	return fhir_hash(url, len, mix(s->id, FORM_CANONICAL_NEWEST));
}

/* ---- contained resources ---- */

uint64
keys_contained(uint64 key)
{
	return mix(key, FORM_CONTAINED);
}

uint64
keys_contained_type(const ModelType *t)
{
	return fhir_hash(t->name, strlen(t->name), FORM_CONTAINED_TYPE);
}

uint64
keys_contained_link(const KeySource *s, const ModelType *t)
{
	return fhir_hash(t->name, strlen(t->name), mix(s->id, FORM_CONTAINED_LINK));
}

/* ---- what search asks ---- */

static KeyAnswer
fixed_token(const KeySource *s, const char *system, const char *sys, int slen, const char *code, int clen, const KeySource *salt, uint64 *key)
{
	/* `|code` finds the code whatever system is implied */
	if (slen > 0 && (system == NULL || slen != strlen(system) || memcmp(sys, system, slen) != 0))
		return KEYS_NEVER;
	if (clen < 0)
		return slen > 0 ? KEYS_PRESENT : KEYS_NEVER;
	*key = keys_code(salt, code, clen);
	return KEYS_BY_KEY;
}

KeyAnswer
keys_token(const KeySource *s, const char *sys, int slen, const char *code, int clen, uint64 *key)
{
	if (s->fixed_system)
		return fixed_token(s, s->system, sys, slen, code, clen, s, key);
	if (clen < 0)
		*key = keys_system(s, sys, Max(slen, 0));
	else if (slen < 0)
		*key = keys_code(s, code, clen);
	else
		*key = keys_system_code(s, sys, slen, code, clen);
	return KEYS_BY_KEY;
}

KeyAnswer
keys_part_token(const KeySource *s, int part, const char *sys, int slen, const char *code, int clen, uint64 *hash)
{
	const KeySource *p = s->composite->parts[part].sources[0];

	if (clen < 0)
		return KEYS_RECHECK;
	if (p->fixed_system)
		return fixed_token(p, p->system, sys, slen, code, clen, s, hash);
	*hash = slen < 0 ? keys_code(s, code, clen) : keys_system_code(s, sys, slen, code, clen);
	return KEYS_BY_KEY;
}

KeyAnswer
keys_part_reference(KeyContext context, const KeySource *s, int part, const char *ref, int len, uint64 *hash)
{
	*hash = keys_reference(context, s, ref, len);
	return KEYS_BY_KEY;
}
