/*
 * dictionary_reduce.c: documents without anything that tells of a person, to train a dictionary on.
 *
 * A dictionary stays for good, in dumps and on replicas, and goes wherever one of its documents goes. So nothing may stand in it that was
 * written about somebody. What is kept of a document:
 *
 *   names of properties, brackets; true, false and null
 *   code, uri and canonical; Coding.display; CodeableConcept.text that is a display of one of its codings; Quantity.unit;
 *     but of these only values that stand in many documents of the sample, and no uri with a query, a fragment or a user
 *   the type in front of a reference's id
 *   the places of UUIDs and points in time, which pack_text_split() takes out: a fixed one stands for each
 *
 * Everything else is an empty string or 0: names, addresses, identifiers, ids, dates, narrative, notes, numbers. What the model does not know
 * is left out. What an element is, the model says, never its name alone.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "model/model.h"
#include "store/pack/dictionary_reduce.h"
#include "store/pack/pack_internal.h"
#include "store/pack/pack_text.h"

#define VALUE_MAX 200

typedef struct Value {
	uint64 hash; /* key */
	int documents, last;
} Value;

struct Reducer {
	int common;
	int document;
	HTAB *values;
	JsonbParseState *out; /* NULL while counting */
	bool writing;
	JsonbValue *whole;
	StringInfoData rest, taken; /* scratch */
};

static void reduce_object(Reducer *r, const ModelType *t, JsonbContainer *obj);

Reducer *
dictionary_reducer(int common)
{
	Reducer *r = palloc0_object(Reducer);
	HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(Value), .hcxt = CurrentMemoryContext};

	r->common = common;
	r->values = hash_create("FHIR values of a sample", 4096, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	initStringInfo(&r->rest);
	initStringInfo(&r->taken);
	return r;
}

static void
push(Reducer *r, JsonbIteratorToken token, JsonbValue *v)
{
	if (r->writing)
		r->whole = pushJsonbValue(&r->out, token, v);
}

static void
push_text(Reducer *r, JsonbIteratorToken token, const char *s, int len)
{
	JsonbValue v = {.type = jbvString};

	v.val.string.val = (char *) s;
	v.val.string.len = len;
	push(r, token, &v);
}

/* Counts the value, or says whether it was in enough documents. */
static bool
common(Reducer *r, const char *s, int len)
{
	uint64 hash = fhir_hash(s, len, 0);
	bool found;
	Value *v;

	if (len > VALUE_MAX)
		return false;
	if (r->writing) {
		v = hash_search(r->values, &hash, HASH_FIND, NULL);
		return v != NULL && v->documents >= r->common;
	}
	v = hash_search(r->values, &hash, HASH_ENTER, &found);
	if (!found)
		v->documents = v->last = 0;
	if (v->last != r->document)
		v->documents++;
	v->last = r->document;
	return false;
}

/* What stands for a UUID or a point in time that is the whole of the text; NULL if it is neither. */
static const char *
shape(Reducer *r, const char *s, int len)
{
	static const char *const fixed[] = {NULL, "00000000-0000-4000-8000-000000000000", "2000-01-01T00:00:00Z", "2000-01-01T00:00:00.000Z",
										"2000-01-01T00:00:00+00:00", "2000-01-01T00:00:00.000+00:00"};

	if (len < 20 || len > 36)
		return NULL;
	resetStringInfo(&r->rest);
	resetStringInfo(&r->taken);
	if (!pack_text_split(s, len, &r->rest, &r->taken) || r->rest.len != 1 || (unsigned char) r->rest.data[0] >= lengthof(fixed))
		return NULL;
	return fixed[(int) r->rest.data[0]];
}

/* Is the text of a CodeableConcept the display of one of its codings? */
static bool
is_display(JsonbContainer *concept, const char *s, int len)
{
	JsonbValue coding, *found = getKeyJsonValueFromContainer(concept, "coding", 6, &coding);
	JsonbContainer *list;

	if (found == NULL || coding.type != jbvBinary || !JsonContainerIsArray(coding.val.binary.data))
		return false;
	list = coding.val.binary.data;
	for (uint32 i = 0; i < JsonContainerSize(list); i++) {
		JsonbValue *one = getIthJsonbValueFromContainer(list, i), display;

		if (one != NULL && one->type == jbvBinary && JsonContainerIsObject(one->val.binary.data) &&
			getKeyJsonValueFromContainer(one->val.binary.data, "display", 7, &display) != NULL && display.type == jbvString &&
			display.val.string.len == len && memcmp(display.val.string.val, s, len) == 0)
			return true;
	}
	return false;
}

static bool
named(const ModelProperty *p, const char *name)
{
	return strlen(name) == p->name_len && memcmp(p->name, name, p->name_len) == 0;
}

/* May values of this element be kept? What says where a document came from may name its subject. */
static bool
may_keep(const ModelType *t, const ModelProperty *p, JsonbContainer *owner, const char *s, int len)
{
	switch (model_type_by_id(p->type)->primitive) {
		case PRIM_CODE:
			return true;
		case PRIM_URI:
		case PRIM_CANONICAL:
			for (int i = 0; i < len; i++)
				if (s[i] == '?' || s[i] == '#' || s[i] == '@')
					return false;
			return !(t->id == MODEL_T_Meta && named(p, "source"));
		case PRIM_STRING:
			return (t->id == MODEL_T_Coding && named(p, "display")) || (model_is_a(t->id, MODEL_T_Quantity) && named(p, "unit")) ||
				   (t->id == MODEL_T_CodeableConcept && named(p, "text") && is_display(owner, s, len));
		default:
			return false;
	}
}

/* "Type/id" and "urn:uuid:...": what is not the id, and the place of a UUID. */
static bool
reduce_reference(Reducer *r, JsonbIteratorToken token, const char *s, int len)
{
	const char *slash = memchr(s, '/', len);
	const char *id = NULL;
	int head = 0;
	char *text;

	if (slash != NULL && model_resource(s, slash - s) != NULL)
		head = slash - s + 1;
	else if (len > 9 && memcmp(s, "urn:uuid:", 9) == 0)
		head = 9;
	if (head == 0)
		return false;
	id = shape(r, s + head, len - head);
	text = psprintf("%.*s%s", head, s, id ? id : "");
	push_text(r, token, text, strlen(text));
	return true;
}

static void
reduce_string(Reducer *r, const ModelType *t, const ModelProperty *p, JsonbContainer *owner, JsonbIteratorToken token, const JsonbValue *v)
{
	const char *s = v->val.string.val;
	int len = v->val.string.len;
	const char *fixed = shape(r, s, len);

	if (fixed != NULL)
		push_text(r, token, fixed, strlen(fixed));
	else if (t->id == MODEL_T_Meta && named(p, "versionId") && len == 1)
		push_text(r, token, "1", 1);
	else if (((t->id == MODEL_T_Reference && named(p, "reference")) || (len > 9 && memcmp(s, "urn:uuid:", 9) == 0)) &&
			 reduce_reference(r, token, s, len))
		return;
	else if (may_keep(t, p, owner, s, len) && common(r, s, len))
		push_text(r, token, s, len);
	else
		push_text(r, token, "", 0);
}

static void
reduce_value(Reducer *r, const ModelType *t, const ModelProperty *p, const ModelType *type, JsonbContainer *owner, JsonbIteratorToken token,
			 JsonbValue *v)
{
	JsonbIterator *it;
	JsonbIteratorToken next;
	JsonbValue element;

	switch (v->type) {
		case jbvString:
			reduce_string(r, t, p, owner, token, v);
			break;
		case jbvNumeric:
			v->val.numeric = int64_to_numeric(0);
			push(r, token, v);
			break;
		case jbvBinary:
			if (JsonContainerIsObject(v->val.binary.data)) {
				reduce_object(r, type, v->val.binary.data);
				break;
			}
			push(r, WJB_BEGIN_ARRAY, NULL);
			it = JsonbIteratorInit(v->val.binary.data);
			while ((next = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
				if (next == WJB_ELEM)
					reduce_value(r, t, p, type, owner, WJB_ELEM, &element);
			push(r, WJB_END_ARRAY, NULL);
			break;
		default:
			push(r, token, v);
	}
}

/* The type that a resource names, NULL if there is none of that name. */
static const ModelType *
named_type(JsonbContainer *obj)
{
	JsonbValue v;

	if (getKeyJsonValueFromContainer(obj, "resourceType", 12, &v) == NULL || v.type != jbvString)
		return NULL;
	return model_resource(v.val.string.val, v.val.string.len);
}

/* An object of type t; a nested resource has the one that it names. One of an unknown type becomes an empty one. */
static void
reduce_object(Reducer *r, const ModelType *t, JsonbContainer *obj)
{
	JsonbIterator *it = JsonbIteratorInit(obj);
	JsonbIteratorToken next;
	JsonbValue key, v;

	check_stack_depth();
	if (t->kind == MODEL_RESOURCE)
		t = named_type(obj);
	push(r, WJB_BEGIN_OBJECT, NULL);
	while ((next = JsonbIteratorNext(&it, &key, true)) != WJB_DONE) {
		const ModelProperty *p;
		bool sibling;

		if (next != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&it, &v, true);
		if (t == NULL)
			continue;
		if (t->kind == MODEL_RESOURCE && key.val.string.len == 12 && memcmp(key.val.string.val, "resourceType", 12) == 0) {
			push(r, WJB_KEY, &key);
			push(r, WJB_VALUE, &v);
			continue;
		}
		sibling = key.val.string.len > 1 && key.val.string.val[0] == '_';
		p = model_property(t, key.val.string.val + sibling, key.val.string.len - sibling);
		if (p == NULL)
			continue;
		push(r, WJB_KEY, &key);
		reduce_value(r, t, p, model_type_by_id(p->type), obj, WJB_VALUE, &v);
	}
	push(r, WJB_END_OBJECT, NULL);
}

void
dictionary_count(Reducer *r, Jsonb *doc)
{
	const ModelType *t = JB_ROOT_IS_OBJECT(doc) ? named_type(&doc->root) : NULL;

	r->writing = false;
	r->document++;
	if (t != NULL)
		reduce_object(r, t, &doc->root);
}

Jsonb *
dictionary_reduce(Reducer *r, Jsonb *doc)
{
	const ModelType *t = JB_ROOT_IS_OBJECT(doc) ? named_type(&doc->root) : NULL;

	if (t == NULL)
		return NULL;
	r->writing = true;
	r->out = NULL;
	reduce_object(r, t, &doc->root);
	return JsonbValueToJsonb(r->whole);
}
