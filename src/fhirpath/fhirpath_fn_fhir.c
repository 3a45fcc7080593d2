/*
 * fhirpath_fn_fhir.c: the functions that FHIR R4 adds (fhirpath.html, "Additional functions"), and
 * SQL-on-FHIR's two keys.
 */
#include "fhirpath/fhirpath_fn.h"

static bool
string_member(JsonbContainer *c, const char *key, JsonbValue *v)
{
	return fp_get(c, key, strlen(key), v) && v->type == jbvString;
}

void
fp_fn_extension(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *url;
	int len;
	FP_LIST_ON_STACK(all);

	if (!fp_arg_string(x, n, s, 0, &url, &len))
		return;
	for (int i = 0; i < in->n; i++)
		fp_member(x, &in->items[i], "extension", 9, &all);
	for (int i = 0; i < all.n; i++) {
		JsonbValue v;

		if (all.items[i].json.type == jbvBinary &&
			string_member(all.items[i].json.val.binary.data, "url", &v) && v.val.string.len == len &&
			memcmp(v.val.string.val, url, len) == 0)
			*fp_push(x, out) = all.items[i];
	}
	FP_LIST_FREE(all);
}

/* A FHIR primitive, or a computed value, that has a value. */
static bool
has_value(const FpItem *i)
{
	return i->kind != FP_ELEMENT && i->kind != FP_TYPEINFO &&
		   (i->json.type != jbvNull || i->kind == FP_QUANTITY);
}

void
fp_fn_hasValue(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_bool(x, out, in->n == 1 && has_value(&in->items[0]));
}

void
fp_fn_getValue(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpItem *item;

	if (in->n != 1 || !has_value(&in->items[0]))
		return;
	item = fp_push(x, out);
	*item = in->items[0];
	item->type = MODEL_NONE;
	item->ext = NULL;
	item->property = NULL;
}

/* ---- terminology ---- */

/* -1: cannot be told */
static int
coding_member(FpExec *x, const char *vs, int len, JsonbContainer *coding)
{
	JsonbValue system, code;
	bool has_system = string_member(coding, "system", &system);

	if (!string_member(coding, "code", &code))
		return 0;
	return x->ctx->member_of(x->ctx->arg, vs, len, has_system ? system.val.string.val : NULL,
							 has_system ? system.val.string.len : 0, code.val.string.val,
							 code.val.string.len);
}

static int
concept_member(FpExec *x, const char *vs, int len, JsonbContainer *concept)
{
	JsonbValue list, v;
	JsonbIterator *it;
	int result = 0;

	if (!fp_get(concept, "coding", 6, &list) || list.type != jbvBinary ||
		!JsonContainerIsArray(list.val.binary.data))
		return coding_member(x, vs, len, concept);
	it = JsonbIteratorInit(list.val.binary.data);
	JsonbIteratorNext(&it, &v, true);
	while (result != 1 && JsonbIteratorNext(&it, &v, true) == WJB_ELEM) {
		int r = v.type == jbvBinary ? coding_member(x, vs, len, v.val.binary.data) : 0;

		if (r != 0)
			result = r;
	}
	return result;
}

/* Codes, Codings and CodeableConcepts; empty when the value set is not known. */
void
fp_fn_memberOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = fp_single(x, in, "memberOf()");
	const char *vs;
	int len, r;

	if (i == NULL || !fp_arg_string(x, n, s, 0, &vs, &len) || x->ctx->member_of == NULL)
		return;
	if (i->json.type == jbvString) {
		const char *system = i->property != NULL ? i->property->system : NULL;

		r = x->ctx->member_of(x->ctx->arg, vs, len, system, system != NULL ? strlen(system) : 0,
							  i->json.val.string.val, i->json.val.string.len);
	} else if (i->json.type == jbvBinary)
		r = concept_member(x, vs, len, i->json.val.binary.data);
	else
		return;
	if (r >= 0)
		fp_push_bool(x, out, r);
}

/* ---- conformance ---- */

#define CORE "http://hl7.org/fhir/StructureDefinition/"

void
fp_fn_conformsTo(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = fp_single(x, in, "conformsTo()");
	const ModelType *t = NULL;
	const char *url;
	int len, skip = strlen(CORE);

	if (i == NULL || !fp_arg_string(x, n, s, 0, &url, &len))
		return;
	if (len > skip && memcmp(url, CORE, skip) == 0)
		t = model_type(url + skip, len - skip);
	if (t == NULL)
		fp_error(x, i, psprintf("the profile %.*s is not known", len, url),
				 "The types of FHIR R4 itself are known.");
	fp_push_bool(x, out, i->type != MODEL_NONE && model_is_a(i->type, t->id));
}

/* Definitions of elements and slices are those of profiles: the compiled-in model has none of them. */
void
fp_fn_elementDefinition(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
}

void
fp_fn_slice(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *url, *name;
	int ulen, nlen;

	if (!fp_arg_string(x, n, s, 0, &url, &ulen) || !fp_arg_string(x, n, s, 1, &name, &nlen))
		return;
	if (ulen <= (int) strlen(CORE) || memcmp(url, CORE, strlen(CORE)) != 0)
		fp_error(x, NULL, psprintf("the profile %.*s is not known", ulen, url),
				 "The types of FHIR R4 itself are known; they have no slices.");
}

/* The input again, unless an element has a modifier extension that is not among the arguments: that is an
 * error. */
void
fp_fn_checkModifiers(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FP_LIST_ON_STACK(ext);

	for (int i = 0; i < in->n; i++)
		fp_member(x, &in->items[i], "modifierExtension", 17, &ext);
	for (int i = 0; i < ext.n; i++) {
		JsonbValue v;
		bool known = false;

		if (ext.items[i].json.type != jbvBinary ||
			!string_member(ext.items[i].json.val.binary.data, "url", &v))
			continue;
		for (int k = 0; k < n->nargs && !known; k++) {
			const char *url;
			int len;

			known = fp_arg_string(x, n, s, k, &url, &len) && len == v.val.string.len &&
					memcmp(url, v.val.string.val, len) == 0;
		}
		if (!known)
			fp_error(x, &ext.items[i],
					 psprintf("unexpected modifier extension %.*s", v.val.string.len, v.val.string.val),
					 NULL);
	}
	fp_append(x, out, in);
	FP_LIST_FREE(ext);
}

/* ---- SQL-on-FHIR ---- */

void
fp_fn_getResourceKey(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	JsonbValue v;

	for (int i = 0; i < in->n; i++)
		if (in->items[i].json.type == jbvBinary && string_member(in->items[i].json.val.binary.data, "id", &v))
			fp_push_string(x, out, v.val.string.val, v.val.string.len);
}

/* The id of what is referred to, if its type is the one asked for: equal to that resource's getResourceKey().
 */
void
fp_fn_getReferenceKey(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *id, *wanted = NULL;
	char *name;
	int idlen, wlen = 0;
	JsonbValue v;

	if (n->nargs == 1 && fp_type_argument(n->right, &name)) {
		wanted = name;
		wlen = strlen(name);
	} else if (n->nargs == 1 && !fp_arg_string(x, n, s, 0, &wanted, &wlen))
		return;
	for (int i = 0; i < in->n; i++) {
		const ModelType *t;

		if (in->items[i].json.type != jbvBinary ||
			!string_member(in->items[i].json.val.binary.data, "reference", &v))
			continue;
		t = fp_reference_type(v.val.string.val, v.val.string.len, &id, &idlen);
		if (t != NULL && (wanted == NULL || (strlen(t->name) == wlen && memcmp(t->name, wanted, wlen) == 0)))
			fp_push_string(x, out, id, idlen);
	}
}

void
fp_fn_htmlChecks(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = fp_single(x, in, "htmlChecks()");

	if (i != NULL && i->json.type == jbvString)
		fp_push_bool(x, out, fp_html_ok(i->json.val.string.val, i->json.val.string.len));
}
