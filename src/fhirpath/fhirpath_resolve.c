/*
 * fhirpath_resolve.c: resolve() (FHIR R4 fhirpath.html): contained resources, entries of a Bundle, then the
 * store.
 *
 * For search keys (FP_RESOLVE_TYPE) nothing is read: the answer is an empty resource of the type that the
 * reference names, which is what `resolve() is Patient` asks for.
 */
#include "fhirpath/fhirpath_fn.h"

static JsonbContainer *
empty_object(void)
{
	static union {
		JsonbContainer c;
		uint32 header;
	} object = {.header = JB_FOBJECT};

	return &object.c;
}

/* The reference of an item: Reference.reference, or the text of a uri, canonical or string. */
static bool
reference_of(const FpItem *item, const char **ref, int *len)
{
	JsonbValue v;

	if (item->json.type == jbvString)
		v = item->json;
	else if (item->json.type != jbvBinary || !fp_get(item->json.val.binary.data, "reference", 9, &v) ||
			 v.type != jbvString)
		return false;
	*ref = v.val.string.val;
	*len = v.val.string.len;
	return *len > 0;
}

/* Type and id in "Patient/1", "http://a/fhir/Patient/1", "Patient/1/_history/2"; NULL if it is not of that
 * form. */
const ModelType *
fp_reference_type(const char *ref, int len, const char **id, int *idlen)
{
	const char *end = ref + len, *slash, *p;
	const ModelType *t;

	for (p = end - 1; p > ref && end - p < 80; p--)
		if (end - p >= 11 && memcmp(p, "/_history/", 10) == 0) {
			end = p;
			break;
		}
	for (slash = end - 1; slash > ref && *slash != '/'; slash--)
		;
	if (slash <= ref || slash == end - 1)
		return NULL;
	for (p = slash; p > ref && p[-1] != '/'; p--)
		;
	t = model_resource(p, slash - p);
	*id = slash + 1;
	*idlen = end - slash - 1;
	return t;
}

static JsonbContainer *
outermost(FpExec *x)
{
	if (x->ctx->root != NULL)
		return x->ctx->root;
	return x->root->json.type == jbvBinary ? x->root->json.val.binary.data : NULL;
}

static bool
has_string(JsonbContainer *c, const char *key, const char *s, int len)
{
	JsonbValue v;

	return fp_get(c, key, strlen(key), &v) && v.type == jbvString && v.val.string.len == len &&
		   memcmp(v.val.string.val, s, len) == 0;
}

/* "#id" among the contained resources of c; "#" is c itself. */
static JsonbContainer *
find_contained(JsonbContainer *c, const char *id, int len)
{
	JsonbValue list, v;
	JsonbIterator *it;

	if (len == 0)
		return c;
	if (!fp_get(c, "contained", 9, &list) || list.type != jbvBinary ||
		!JsonContainerIsArray(list.val.binary.data))
		return NULL;
	it = JsonbIteratorInit(list.val.binary.data);
	JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_ELEM)
		if (v.type == jbvBinary && JsonContainerIsObject(v.val.binary.data) &&
			has_string(v.val.binary.data, "id", id, len))
			return v.val.binary.data;
	return NULL;
}

/* Does the entry of a Bundle answer to the reference: by its fullUrl, or by type and id? */
static bool
entry_matches(JsonbContainer *entry, JsonbContainer *resource, const char *ref, int len)
{
	const char *id;
	int idlen;
	const ModelType *t;

	if (has_string(entry, "fullUrl", ref, len))
		return true;
	t = fp_reference_type(ref, len, &id, &idlen);
	/* relative references only: an absolute one is another server's, unless its fullUrl says otherwise */
	if (t == NULL || strlen(t->name) + 1 + idlen > len || memcmp(ref, t->name, strlen(t->name)) != 0)
		return false;
	return has_string(resource, "resourceType", t->name, strlen(t->name)) &&
		   has_string(resource, "id", id, idlen);
}

static JsonbContainer *
find_entry(JsonbContainer *c, const char *ref, int len)
{
	JsonbValue list, v, resource;
	JsonbIterator *it;

	if (!has_string(c, "resourceType", "Bundle", 6) || !fp_get(c, "entry", 5, &list) ||
		list.type != jbvBinary || !JsonContainerIsArray(list.val.binary.data))
		return NULL;
	it = JsonbIteratorInit(list.val.binary.data);
	JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_ELEM)
		if (v.type == jbvBinary && fp_get(v.val.binary.data, "resource", 8, &resource) &&
			resource.type == jbvBinary &&
			entry_matches(v.val.binary.data, resource.val.binary.data, ref, len))
			return resource.val.binary.data;
	return NULL;
}

/* The type that a reference names, without reading it: by its form, else by Reference.type. */
static ModelTypeId
named_type(FpExec *x, const FpItem *item, const char *ref, int len)
{
	const ModelType *t = NULL;
	const char *id;
	int idlen;
	JsonbValue v;

	if (ref[0] != '#' && (t = fp_reference_type(ref, len, &id, &idlen)) != NULL)
		return t->id;
	if (item->json.type == jbvBinary && fp_get(item->json.val.binary.data, "type", 4, &v) &&
		v.type == jbvString)
		t = model_resource(v.val.string.val, v.val.string.len);
	return t != NULL ? t->id : MODEL_NONE;
}

/* An absolute reference to this server is one to its store. */
static void
strip_base(const char *base_url, const char **ref, int *len)
{
	int base = base_url != NULL ? strlen(base_url) : 0;

	if (base > 0 && *len > base + 1 && memcmp(*ref, base_url, base) == 0 && (*ref)[base] == '/') {
		*ref += base + 1;
		*len -= base + 1;
	}
}

static void
resolve_one(FpExec *x, const FpItem *item, FpList *out)
{
	JsonbContainer *root = outermost(x), *found = NULL;
	ModelTypeId type;
	const char *ref;
	int len;
	Jsonb *doc;

	if (!reference_of(item, &ref, &len)) {
		/* a logical reference: Reference.type alone may tell what it refers to */
		if (x->ctx->resolve != FP_RESOLVE_TYPE || item->json.type != jbvBinary)
			return;
		ref = "";
		len = 0;
	}
	if (root != NULL && ref[0] == '#')
		found = find_contained(root, ref + 1, len - 1);
	else if (root != NULL && x->ctx->resolve == FP_RESOLVE_DOCUMENT)
		found = find_entry(root, ref, len);
	if (found == NULL && x->ctx->resolve == FP_RESOLVE_TYPE) {
		type = named_type(x, item, ref, len);
		if (type != MODEL_NONE)
			fhirpath_root(empty_object(), type, fp_push(x, out));
		return;
	}
	if (found == NULL && ref[0] != '#' && x->ctx->document != NULL) {
		strip_base(x->ctx->base_url, &ref, &len);
		doc = x->ctx->document(x->ctx->arg, ref, len);
		found = doc != NULL ? &doc->root : NULL;
	}
	if (found != NULL)
		fhirpath_root(found, MODEL_NONE, fp_push(x, out));
}

void
fp_fn_resolve(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	if (x->ctx->resolve == FP_RESOLVE_NEVER)
		return;
	for (int i = 0; i < in->n; i++)
		resolve_one(x, &in->items[i], out);
}
