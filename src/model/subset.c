/*
 * subset.c: the part of a resource that _summary and _elements ask for (R4 search, 3.1.1.5.8 and 3.1.1.5.9).
 *
 * The document is walked beside the model. What is not part of the answer is not copied; what stays whole is
 * copied as it is.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "model/subset.h"

#define TAG_SYSTEM "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
#define TAG_CODE "SUBSETTED"

typedef struct Subset {
	ModelSubset what;
	const char *const *names;
	int nnames;
	JsonbParseState *state;
} Subset;

#define is_lit(v, lit) ((v).val.string.len == sizeof(lit) - 1 && memcmp((v).val.string.val, lit, sizeof(lit) - 1) == 0)

static bool
is_named(const Subset *s, const ModelType *type, const ModelProperty *p)
{
	size_t tlen = strlen(type->name);

	for (int i = 0; i < s->nnames; i++) {
		const char *name = s->names[i];

		if (strncmp(name, type->name, tlen) == 0 && name[tlen] == '.')
			name += tlen + 1;
		if (strcmp(name, p->element) == 0 || strcmp(name, p->name) == 0)
			return true;
	}
	return false;
}

/* Does member `key` of an object of `type` stay? *prop receives its property, NULL if the model has none. */
static bool
keeps(const Subset *s, const ModelType *type, bool root, const JsonbValue *key, const ModelProperty **prop)
{
	const char *name = key->val.string.val;
	int len = key->val.string.len;
	const ModelProperty *p;

	*prop = NULL;
	if (is_lit(*key, "resourceType") || is_lit(*key, "id") || (root && is_lit(*key, "meta")))
		return true;
	if (len > 1 && name[0] == '_')
		p = model_property(type, name + 1, len - 1); /* a primitive's sibling shares its fate */
	else
		*prop = p = model_property(type, name, len);
	if (s->what == SUBSET_DATA)
		return !(root && is_lit(*key, "text"));
	if (p == NULL || p->required || p->is_modifier)
		return true;
	switch (s->what) {
		case SUBSET_SUMMARY:
			return p->is_summary;
		case SUBSET_TEXT:
			return is_lit(*key, "text");
		default:
			return is_named(s, type, p);
	}
}

static void copy_object(Subset *s, const ModelType *type, bool root, JsonbContainer *c, JsonbValue *result);

static bool
keeps_any(const Subset *s, const ModelType *type, JsonbContainer *c)
{
	JsonbIterator *it = JsonbIteratorInit(c);
	JsonbIteratorToken t;
	JsonbValue v;
	const ModelProperty *p;

	while ((t = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		if (t == WJB_KEY && keeps(s, type, false, &v, &p))
			return true;
	return false;
}

/* A value of declared type `type`: objects are cut, too; a resource says its own type. */
static void
copy_value(Subset *s, const ModelType *type, JsonbIteratorToken token, JsonbValue *v)
{
	JsonbContainer *c;
	JsonbValue name;

	if (v->type != jbvBinary) {
		pushJsonbValue(&s->state, token, v);
		return;
	}
	check_stack_depth();
	c = v->val.binary.data;
	if (JsonContainerIsArray(c)) {
		JsonbIterator *it = JsonbIteratorInit(c);
		JsonbValue elem;
		JsonbIteratorToken t;

		pushJsonbValue(&s->state, WJB_BEGIN_ARRAY, NULL);
		while ((t = JsonbIteratorNext(&it, &elem, true)) != WJB_DONE)
			if (t == WJB_ELEM)
				copy_value(s, type, WJB_ELEM, &elem);
		pushJsonbValue(&s->state, WJB_END_ARRAY, NULL);
		return;
	}
	if (type->kind == MODEL_RESOURCE && fhir_json_get_lit(c, "resourceType", &name) && name.type == jbvString) {
		const ModelType *own = model_type(name.val.string.val, name.val.string.len);

		type = own ? own : type;
	}
	/* FHIR knows no empty element: one that has only extensions, say, stays as it is */
	if (keeps_any(s, type, c))
		copy_object(s, type, false, c, NULL);
	else
		pushJsonbValue(&s->state, token, v);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *s)
{
	JsonbValue v = {.type = jbvString};

	v.val.string.val = unconstify(char *, s);
	v.val.string.len = (int) strlen(s);
	pushJsonbValue(state, token, &v);
}

/* Copies the elements of meta.tag but our own. */
static void
copy_tags(Subset *s, JsonbContainer *tags)
{
	JsonbIterator *it = JsonbIteratorInit(tags);
	JsonbValue elem, code;
	JsonbIteratorToken t;

	while ((t = JsonbIteratorNext(&it, &elem, true)) != WJB_DONE)
		if (t == WJB_ELEM && !(elem.type == jbvBinary && fhir_json_get_lit(elem.val.binary.data, "code", &code) &&
							   code.type == jbvString && is_lit(code, TAG_CODE)))
			pushJsonbValue(&s->state, WJB_ELEM, &elem);
}

/* The root's meta with the tag that warns against writing the part back as the whole. */
static void
push_meta(Subset *s, JsonbContainer *meta)
{
	JsonbValue key, v;

	pushJsonbValue(&s->state, WJB_BEGIN_OBJECT, NULL);
	if (meta) {
		JsonbIterator *it = JsonbIteratorInit(meta);
		JsonbIteratorToken t;

		while ((t = JsonbIteratorNext(&it, &key, true)) != WJB_DONE) {
			if (t != WJB_KEY)
				continue;
			(void) JsonbIteratorNext(&it, &v, true);
			if (is_lit(key, "tag"))
				continue;
			pushJsonbValue(&s->state, WJB_KEY, &key);
			pushJsonbValue(&s->state, WJB_VALUE, &v);
		}
	}
	push_string(&s->state, WJB_KEY, "tag");
	pushJsonbValue(&s->state, WJB_BEGIN_ARRAY, NULL);
	if (meta && fhir_json_get_lit(meta, "tag", &v) && v.type == jbvBinary)
		copy_tags(s, v.val.binary.data);
	pushJsonbValue(&s->state, WJB_BEGIN_OBJECT, NULL);
	push_string(&s->state, WJB_KEY, "system");
	push_string(&s->state, WJB_VALUE, TAG_SYSTEM);
	push_string(&s->state, WJB_KEY, "code");
	push_string(&s->state, WJB_VALUE, TAG_CODE);
	pushJsonbValue(&s->state, WJB_END_OBJECT, NULL);
	pushJsonbValue(&s->state, WJB_END_ARRAY, NULL);
	pushJsonbValue(&s->state, WJB_END_OBJECT, NULL);
}

static void
copy_object(Subset *s, const ModelType *type, bool root, JsonbContainer *c, JsonbValue *result)
{
	JsonbIterator *it = JsonbIteratorInit(c);
	JsonbIteratorToken t;
	JsonbValue key, v, *end;
	const ModelProperty *p;
	bool whole = !root && s->what != SUBSET_SUMMARY;

	pushJsonbValue(&s->state, WJB_BEGIN_OBJECT, NULL);
	while ((t = JsonbIteratorNext(&it, &key, true)) != WJB_DONE) {
		if (t != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &v, true);
		if (root && is_lit(key, "meta"))
			continue;
		if (!whole && !keeps(s, type, root, &key, &p))
			continue;
		pushJsonbValue(&s->state, WJB_KEY, &key);
		if (!whole && p && s->what == SUBSET_SUMMARY)
			copy_value(s, model_type_by_id(p->type), WJB_VALUE, &v);
		else
			pushJsonbValue(&s->state, WJB_VALUE, &v);
	}
	if (root) {
		push_string(&s->state, WJB_KEY, "meta");
		push_meta(s, fhir_json_get_lit(c, "meta", &v) && v.type == jbvBinary ? v.val.binary.data : NULL);
	}
	end = pushJsonbValue(&s->state, WJB_END_OBJECT, NULL);
	if (result)
		*result = *end;
}

Jsonb *
model_subset(const ModelType *type, JsonbContainer *doc, ModelSubset what, const char *const *names, int nnames)
{
	Subset s = {what, names, nnames, NULL};
	JsonbValue result;

	copy_object(&s, type, true, doc, &result);
	return fhir_json_from_value(&result);
}
