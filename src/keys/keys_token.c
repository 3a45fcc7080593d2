/*
 * keys_token.c: token and URI keys.
 *
 * Tokens are case-sensitive, as they stand (R4 leaves it to the code system; FHIR's own are case-sensitive). A coding has
 * the forms `code`, `system|code` or `|code`, and `system|`; its display text is a term. Where only primitives stand the
 * system is implied, and `code` alone is stored (fixed_system). The namespace of a ContactPoint is its use.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "keys/keys_internal.h"

/* A display text: folded, its hash an eq key, its text in the dictionary. */
static void
add_text(KeyBuilder *b, const char *raw, int len)
{
	char *folded;
	uint64 hash;
	int flen;

	if (len <= 0)
		return;
	/* CodeableConcept.text mostly repeats the display */
	if (len == b->last_len && memcmp(raw, b->last_text, len) == 0) {
		if (b->last_covered)
			keys_cover(b, raw);
		return;
	}
	b->last_text = raw;
	b->last_len = len;
	b->last_covered = false;
	folded = keys_fold(raw, len, &flen);
	if (flen == 0)
		return;
	hash = keys_text(b->source, folded, flen);
	keys_add_eq(b, hash, "text", folded, flen);
	keys_add_term(b, keys_term_group(b->source), hash, folded, flen);
	/* the dictionary has only the start of a longer one */
	b->last_covered = flen <= KEYS_STRING_MAX && !b->source->user;
	if (b->last_covered)
		keys_cover(b, raw);
}

/* system and code of anything that has them; either may be absent (length < 0). */
static void
add_token(KeyBuilder *b, const char *sys, int slen, const char *code, int clen)
{
	const KeySource *s = b->source;

	if (clen > 0) {
		keys_add_eq(b, keys_code(s, code, clen), "code", code, clen);
		keys_add_eq(b, keys_system_code(s, sys, Max(slen, 0), code, clen), slen > 0 ? "system|code" : "|code", code, clen);
	}
	if (slen > 0)
		keys_add_eq(b, keys_system(s, sys, slen), "system|", sys, slen);
}

static void
add_coding(KeyBuilder *b, JsonbContainer *c)
{
	const char *sys, *code, *display;
	int slen, clen, dlen;

	sys = keys_string_of(c, "system", &slen);
	code = keys_string_of(c, "code", &clen);
	display = keys_string_of(c, "display", &dlen);
	add_token(b, sys, slen, code, clen);
	keys_cover_code(b, code, clen);
	add_text(b, display, dlen);
}

/* Calls fn for each object of the array `name` of c. */
static void
each_object(JsonbContainer *c, const char *name, int len, void (*fn)(void *, JsonbContainer *), void *arg)
{
	JsonbValue v;
	JsonbContainer *array;
	uint32 n;

	if (!keys_member(c, name, len, &v) || (array = keys_array(&v)) == NULL)
		return;
	n = JsonContainerSize(array);
	for (uint32 i = 0; i < n; i++) {
		JsonbValue *e = getIthJsonbValueFromContainer(array, i);
		JsonbContainer *o = keys_object(e);

		if (o != NULL)
			fn(arg, o);
		pfree(e);
	}
}

static void
coding_fn(void *arg, JsonbContainer *coding)
{
	add_coding(arg, coding);
}

static void
add_concept(KeyBuilder *b, JsonbContainer *c)
{
	const char *text;
	int len;

	each_object(c, "coding", 6, coding_fn, b);
	text = keys_string_of(c, "text", &len);
	add_text(b, text, len);
}

typedef struct OfType {
	KeyBuilder *b;
	const char *value;
	int len;
} OfType;

static void
of_type_fn(void *arg, JsonbContainer *coding)
{
	OfType *o = arg;
	const char *sys, *code;
	int slen, clen;

	sys = keys_string_of(coding, "system", &slen);
	code = keys_string_of(coding, "code", &clen);
	if (slen > 0 && clen > 0)
		keys_add_eq(o->b, keys_of_type(o->b->source, sys, slen, code, clen, o->value, o->len), "of-type", o->value, o->len);
}

static void
add_identifier(KeyBuilder *b, JsonbContainer *c)
{
	const char *sys, *value, *text;
	int slen, vlen, tlen;
	JsonbValue type;
	JsonbContainer *t;

	sys = keys_string_of(c, "system", &slen);
	value = keys_string_of(c, "value", &vlen);
	add_token(b, sys, slen, value, vlen);
	if (!keys_member(c, "type", 4, &type) || (t = keys_object(&type)) == NULL)
		return;
	text = keys_string_of(t, "text", &tlen);
	add_text(b, text, tlen);
	if (vlen > 0) {
		OfType o = {b, value, vlen};

		each_object(t, "coding", 6, of_type_fn, &o);
	}
}

bool
keys_mime_types(const KeySource *s)
{
	return s->fixed_system && s->system != NULL && strcmp(s->system, "urn:ietf:bcp:13") == 0;
}

/* Text of a primitive as a query would give it; NULL for anything else. */
static const char *
primitive_text(const JsonbValue *v, int *len)
{
	switch (v->type) {
		case jbvString:
			*len = v->val.string.len;
			return v->val.string.val;
		case jbvBool:
			*len = v->val.boolean ? 4 : 5;
			return v->val.boolean ? "true" : "false";
		case jbvNumeric: {
			const char *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(v->val.numeric)));

			*len = strlen(text);
			return text;
		}
		default:
			return NULL;
	}
}

void
keys_item_token(KeyBuilder *b, const FpItem *item)
{
	JsonbContainer *c = keys_object(&item->json);
	const char *text, *sys;
	int len, slen;

	if (c == NULL) {
		text = primitive_text(&item->json, &len);
		if (text == NULL || len == 0)
			return;
		keys_add_eq(b, keys_code(b->source, text, len), "code", text, len);
		/* fhir.check_mode = structure lets such in */
		if (b->source->codes != 0 && !model_code_known(b->source->codes, text, len))
			keys_add_eq(b, keys_other_code(b->source), "other code", text, len);
		if (keys_mime_types(b->source))
			keys_add_term(b, keys_term_group(b->source), keys_code(b->source, text, len), text, len);
		if (model_type_by_id(item->type)->primitive == PRIM_CODE)
			keys_cover_code(b, text, len);
		if (b->source->fixed_system)
			return;
		keys_add_eq(b, keys_system_code(b->source, NULL, 0, text, len), "|code", text, len);
		sys = item->property != NULL ? item->property->system : NULL;
		if (sys != NULL) {
			keys_add_eq(b, keys_system_code(b->source, sys, strlen(sys), text, len), "system|code", text, len);
			keys_add_eq(b, keys_system(b->source, sys, strlen(sys)), "system|", sys, strlen(sys));
		}
		return;
	}
	switch (item->type) {
		case MODEL_T_Coding:
			add_coding(b, c);
			break;
		case MODEL_T_CodeableConcept:
			add_concept(b, c);
			break;
		case MODEL_T_Identifier:
			add_identifier(b, c);
			break;
		case MODEL_T_ContactPoint:
			sys = keys_string_of(c, "use", &slen);
			text = keys_string_of(c, "value", &len);
			add_token(b, sys, slen, text, len);
			break;
		default:
			break;
	}
}

/* ---- tokens as parts of composites ---- */

typedef struct EachToken {
	const KeySource *salt;
	void (*fn)(void *, const KeyTokenHashes *);
	void *arg;
} EachToken;

static void
each_token(const EachToken *e, const char *sys, int slen, const char *code, int clen)
{
	KeyTokenHashes t;

	if (clen <= 0)
		return;
	t.code = keys_code(e->salt, code, clen);
	t.system_code = keys_system_code(e->salt, sys, Max(slen, 0), code, clen);
	t.has_system_code = true;
	e->fn(e->arg, &t);
}

static void
each_coding(void *arg, JsonbContainer *c)
{
	const char *sys, *code;
	int slen, clen;

	sys = keys_string_of(c, "system", &slen);
	code = keys_string_of(c, "code", &clen);
	each_token(arg, sys, slen, code, clen);
}

void
keys_token_each(const KeySource *salt, const FpItem *item, bool fixed_system, void (*fn)(void *, const KeyTokenHashes *), void *arg)
{
	EachToken e = {salt, fn, arg};
	JsonbContainer *c = keys_object(&item->json);
	const char *text, *sys;
	int len, slen;

	if (c == NULL) {
		text = primitive_text(&item->json, &len);
		sys = item->property != NULL ? item->property->system : NULL;
		if (text != NULL && len > 0 && fixed_system) {
			KeyTokenHashes t = {.code = keys_code(salt, text, len)};

			fn(arg, &t);
		} else if (text != NULL && len > 0) {
			each_token(&e, NULL, 0, text, len);
			if (sys != NULL)
				each_token(&e, sys, strlen(sys), text, len);
		}
		return;
	}
	switch (item->type) {
		case MODEL_T_Coding:
			each_coding(&e, c);
			break;
		case MODEL_T_CodeableConcept:
			each_object(c, "coding", 6, each_coding, &e);
			break;
		case MODEL_T_Identifier:
			sys = keys_string_of(c, "system", &slen);
			text = keys_string_of(c, "value", &len);
			each_token(&e, sys, slen, text, len);
			break;
		default:
			break;
	}
}
