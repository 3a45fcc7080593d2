/*
 * match_walk.c: what stands at the places of a document: references, canonicals, texts, resources.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "keys/keys_internal.h"
#include "search/match/match.h"
#include "store/rows/rows.h"

static bool
id_like(const char *s, int len)
{
	if (len < 1 || len > FHIR_ID_MAX)
		return false;
	for (int i = 0; i < len; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
			  s[i] == '-' || s[i] == '.'))
			return false;
	return true;
}

/* "2" -> 2; what can't be the number of a version -> -1. */
static int32
version_number(const char *s, int len)
{
	int32 n = 0;

	if (len < 1 || len > 9 || *s == '0')
		return -1;
	for (int i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + s[i] - '0';
	}
	return n;
}

/* "Type/id" with or without "/_history/v", relative or below fhir.base_url; anything else refers to no
 * resource of this store. */
void
search_local_reference(const char *ref, int len, const ModelTypeId *targets, SearchRefFn fn, void *arg)
{
	int base = fhir_base_url ? strlen(fhir_base_url) : 0;
	const char *slash, *end, *stop;
	const ModelType *t;
	int32 version = 0;

	if (base > 0 && fhir_base_url[base - 1] == '/')
		base--;
	if (base > 0 && len > base && strncmp(ref, fhir_base_url, base) == 0 && ref[base] == '/') {
		ref += base + 1;
		len -= base + 1;
	}
	slash = memchr(ref, '/', len);
	if (slash == NULL || (t = model_resource(ref, slash - ref)) == NULL)
		return;
	stop = ref + len;
	end = memchr(slash + 1, '/', stop - (slash + 1));
	if (end && (stop - end <= 10 || memcmp(end, "/_history/", 10) != 0))
		return;
	if (end)
		version = version_number(end + 10, stop - end - 10);
	else
		end = stop;
	if (!id_like(slash + 1, end - slash - 1))
		return;
	if (targets && targets[0]) {
		while (*targets && *targets != t->id && !model_type_by_id(*targets)->abstract)
			targets++;
		if (*targets == MODEL_NONE)
			return;
	}
	fn(ref, slash - ref, slash + 1, end - slash - 1, version, arg);
}

/* Every item at a place. */
static void
each_item(const KeySource *source, JsonbContainer *doc, KeyItemFn fn, void *arg)
{
	FpItem root;

	fhirpath_root(doc, source->type->id, &root);
	keys_eval(source->path, source->program, doc, source->type->id, &root, fn, arg);
}

typedef struct ReferenceWalk {
	const ModelTypeId *targets;
	SearchRefFn fn;
	void *arg;
} ReferenceWalk;

static void
reference_item(void *arg, const FpItem *item)
{
	ReferenceWalk *w = arg;
	const JsonbValue *v = &item->json;
	JsonbValue ref;

	if (v->type == jbvString)
		search_local_reference(v->val.string.val, v->val.string.len, w->targets, w->fn, w->arg);
	else if (v->type == jbvBinary && fhir_json_get_lit(v->val.binary.data, "reference", &ref) &&
			 ref.type == jbvString)
		search_local_reference(ref.val.string.val, ref.val.string.len, w->targets, w->fn, w->arg);
}

void
search_references(const KeySource *source, const ModelTypeId *targets, JsonbContainer *doc, SearchRefFn fn,
				  void *arg)
{
	ReferenceWalk w = {targets, fn, arg};

	each_item(source, doc, reference_item, &w);
}

typedef struct PlainWalk {
	void (*fn)(const char *text, int len, void *arg);
	void *arg;
} PlainWalk;

static void
plain_reference_item(void *arg, const FpItem *item)
{
	PlainWalk *w = arg;
	const JsonbValue *v = &item->json;
	JsonbValue ref;

	if (v->type == jbvString)
		w->fn(v->val.string.val, v->val.string.len, w->arg);
	else if (v->type == jbvBinary && fhir_json_get_lit(v->val.binary.data, "reference", &ref) &&
			 ref.type == jbvString)
		w->fn(ref.val.string.val, ref.val.string.len, w->arg);
}

void
search_plain_references(const KeySource *source, JsonbContainer *doc,
						void (*fn)(const char *ref, int len, void *arg), void *arg)
{
	PlainWalk w = {fn, arg};

	each_item(source, doc, plain_reference_item, &w);
}

typedef struct ResourceWalk {
	void (*fn)(const JsonbValue *resource, void *arg);
	void *arg;
} ResourceWalk;

static void
resource_item(void *arg, const FpItem *item)
{
	ResourceWalk *w = arg;

	if (item->json.type == jbvBinary && JsonContainerIsObject(item->json.val.binary.data))
		w->fn(&item->json, w->arg);
}

void
search_resources_inside(const KeySource *source, JsonbContainer *doc, void (*fn)(const JsonbValue *resource, void *arg), void *arg)
{
	ResourceWalk w = {fn, arg};

	each_item(source, doc, resource_item, &w);
}

static void
plain_item(void *arg, const FpItem *item)
{
	PlainWalk *w = arg;

	if (item->json.type == jbvString)
		w->fn(item->json.val.string.val, item->json.val.string.len, w->arg);
}

void
search_plain_texts(const KeySource *source, JsonbContainer *doc,
				   void (*fn)(const char *text, int len, void *arg), void *arg)
{
	PlainWalk w = {fn, arg};

	each_item(source, doc, plain_item, &w);
}

/* ---- texts to sort by ---- */

typedef struct TextWalk {
	const KeyLeg *leg;
	JsonbContainer *doc;
	bool highest;
	char **best;
} TextWalk;

static void
offer_text(TextWalk *w, const char *s, int len)
{
	char *t = pnstrdup(s, len);

	if (*w->best == NULL || (w->highest ? strcmp(t, *w->best) > 0 : strcmp(t, *w->best) < 0))
		*w->best = t;
}

static void
offer_member(TextWalk *w, JsonbContainer *c, const char *name)
{
	JsonbValue m;

	if (fhir_json_get(c, name, strlen(name), &m) && m.type == jbvString)
		offer_text(w, m.val.string.val, m.val.string.len);
}

static void
text_item(void *arg, const FpItem *item)
{
	TextWalk *w = arg;
	const JsonbValue *v = &item->json;
	JsonbValue coding;

	if (v->type == jbvString)
		offer_text(w, v->val.string.val, v->val.string.len);
	else if (v->type == jbvBool)
		offer_text(w, v->val.boolean ? "true" : "false", v->val.boolean ? 4 : 5);
	if (v->type != jbvBinary)
		return;
	/* `patient` sorts by a subject that is one */
	if (w->leg->targets && w->leg->targets[0] != MODEL_NONE &&
		w->leg->targets[0] != keys_reference_type(store_key_context(), w->leg->source, w->doc, v->val.binary.data))
		return;
	offer_member(w, v->val.binary.data, "code");
	offer_member(w, v->val.binary.data, "value");
	offer_member(w, v->val.binary.data, "reference");
	/* CodeableConcept */
	if (!fhir_json_get_lit(v->val.binary.data, "coding", &coding) || coding.type != jbvBinary ||
		!JsonContainerIsArray(coding.val.binary.data))
		return;
	for (uint32 k = 0; k < JsonContainerSize(coding.val.binary.data); k++) {
		JsonbValue *c = getIthJsonbValueFromContainer(coding.val.binary.data, k);

		if (c->type == jbvBinary)
			offer_member(w, c->val.binary.data, "code");
	}
}

void
search_texts(const KeyLeg *leg, JsonbContainer *doc, bool highest, char **best)
{
	TextWalk w = {leg, doc, highest, best};

	each_item(leg->source, doc, text_item, &w);
}
