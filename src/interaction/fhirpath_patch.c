/*
 * fhirpath_patch.c: FHIRPath Patch (R4, fhirpatch.html): a Parameters resource with operations add, insert, delete,
 * replace and move at places that FHIRPath expressions name.
 *
 * An expression answers items that point into the document; an item's place is found by its address. A boolean
 * has no address: its place is that of the element before the last "." and the name behind it. Emptied lists and
 * elements are removed, since FHIR knows none.
 */
#include "base/base.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "fhirpath/fhirpath.h"
#include "interaction/interaction_internal.h"
#include "interaction/patch.h"

#define MAX_DEPTH 200

/* An operation of the patch. */
typedef struct Operation {
	Patch p;
	char *path, *name;
	JsonbContainer *value;			/* the part "value" */
	int index, source, destination; /* -1: not given */
} Operation;

typedef struct Found {
	PatchPath at;
	const ModelType *type;
	bool array_element;
} Found;

/* ---- reading the patch ---- */

static JsonbContainer *
as_array(JsonbContainer *c, const char *key)
{
	JsonbValue v;

	return fhir_json_get(c, key, strlen(key), &v) && v.type == jbvBinary && JsonContainerIsArray(v.val.binary.data)
			   ? v.val.binary.data
			   : NULL;
}

/* The member value[x] of a part; suffix receives the type in its name ("HumanName"). */
static bool
part_member(JsonbContainer *part, JsonbValue *v, char **suffix)
{
	JsonMember *m;
	int n = json_members(part, &m);

	for (int i = 0; i < n; i++)
		if (m[i].keylen > 5 && memcmp(m[i].key, "value", 5) == 0) {
			*v = m[i].value;
			*suffix = pnstrdup(m[i].key + 5, m[i].keylen - 5);
			return true;
		}
	return false;
}

static int
part_integer(const Operation *op, JsonbContainer *part)
{
	JsonbValue v;
	char *suffix;
	int64 i;

	if (!part_member(part, &v, &suffix) || v.type != jbvNumeric)
		patch_raise_malformed(&op->p, "index, source and destination are integers", NULL);
	i = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(v.val.numeric)));
	if (i < 0 || i > PG_INT32_MAX)
		patch_raise_malformed(&op->p, "index, source and destination are 0 or more", NULL);
	return (int) i;
}

static char *
part_text(const Operation *op, JsonbContainer *part)
{
	JsonbValue v;
	char *suffix;

	if (!part_member(part, &v, &suffix) || v.type != jbvString)
		patch_raise_malformed(&op->p, "type, path and name are texts", NULL);
	return pnstrdup(v.val.string.val, v.val.string.len);
}

static void
read_part(Operation *op, JsonbContainer *part)
{
	char *name = fhir_json_get_string(part, "name");

	if (!name)
		patch_raise_malformed(&op->p, "a part has no name", NULL);
	if (strcmp(name, "type") == 0)
		op->p.op = part_text(op, part);
	else if (strcmp(name, "path") == 0)
		op->path = part_text(op, part);
	else if (strcmp(name, "name") == 0)
		op->name = part_text(op, part);
	else if (strcmp(name, "value") == 0)
		op->value = part;
	else if (strcmp(name, "index") == 0)
		op->index = part_integer(op, part);
	else if (strcmp(name, "source") == 0)
		op->source = part_integer(op, part);
	else if (strcmp(name, "destination") == 0)
		op->destination = part_integer(op, part);
	else
		patch_raise_malformed(&op->p, "unknown part", name);
}

static void
read_operation(Operation *op, int index, JsonbContainer *parameter)
{
	char *name = fhir_json_get_string(parameter, "name");
	JsonbContainer *parts = as_array(parameter, "part");
	JsonbValue *elems;
	int n;

	memset(op, 0, sizeof(*op));
	op->p.index = index;
	op->p.op = "?";
	op->index = op->source = op->destination = -1;
	if (!name || strcmp(name, "operation") != 0 || !parts)
		patch_raise_malformed(&op->p, "parameters of a patch are operations with parts", name);
	n = json_elements(parts, &elems);
	for (int i = 0; i < n; i++)
		if (elems[i].type == jbvBinary && JsonContainerIsObject(elems[i].val.binary.data))
			read_part(op, elems[i].val.binary.data);
	if (!op->path)
		patch_raise_malformed(&op->p, "the operation has no path", NULL);
}

/* ---- places ---- */

static const void *
address(const JsonbValue *v)
{
	switch (v->type) {
		case jbvBinary:
			return v->val.binary.data;
		case jbvString:
			return v->val.string.val;
		case jbvNumeric:
			return v->val.numeric;
		default:
			return NULL;
	}
}

/* Depth-first search for a value by its address; fills tokens, returns their number or -1. */
static int
find_address(const JsonbValue *v, const void *wanted, char **token, int depth)
{
	check_stack_depth();
	if (address(v) == wanted)
		return depth;
	if (v->type != jbvBinary || depth >= MAX_DEPTH)
		return -1;
	if (JsonContainerIsArray(v->val.binary.data)) {
		JsonbValue *elems;
		int n = json_elements(v->val.binary.data, &elems);

		for (int i = 0; i < n; i++) {
			int found = find_address(&elems[i], wanted, token, depth + 1);

			if (found >= 0) {
				token[depth] = psprintf("%d", i);
				return found;
			}
		}
	} else {
		JsonMember *m;
		int n = json_members(v->val.binary.data, &m);

		for (int i = 0; i < n; i++) {
			int found = find_address(&m[i].value, wanted, token, depth + 1);

			if (found >= 0) {
				token[depth] = pnstrdup(m[i].key, m[i].keylen);
				return found;
			}
		}
	}
	return -1;
}

static void
evaluate(const char *path, const ModelType *type, const JsonbValue *root, FpList *out)
{
	TermsSource terms = search_terms_source();
	FpContext ctx = {.resolve = FP_RESOLVE_NEVER, .root = root->val.binary.data, .member_of = terms_member_of, .arg = &terms};
	FpItem item;

	memset(out, 0, sizeof(*out));
	fhirpath_root(root->val.binary.data, type->id, &item);
	fhirpath_eval(fhirpath_cached(path, strlen(path), type->id), &ctx, &item, out);
}

static bool
is_index(const char *token)
{
	return *token >= '0' && *token <= '9';
}

static bool
place_of_item(const Operation *op, const char *text, const FpItem *item, const JsonbValue *root, Found *f)
{
	char **token = palloc(sizeof(char *) * (MAX_DEPTH + 1));
	int n = address(&item->json) ? find_address(root, address(&item->json), token, 0) : -1;

	f->at = (PatchPath){.text = text, .n = n, .token = token};
	f->type = item->type != MODEL_NONE ? model_type_by_id(item->type) : NULL;
	f->array_element = n > 0 && is_index(token[n - 1]);
	return n >= 0;
}

/* The key under which an object holds an element: "deceased" -> "deceasedBoolean". NULL: it has none. */
static char *
key_of_element(const ModelType *t, JsonbContainer *object, const char *name)
{
	const ModelProperty *props[64];
	int n = t ? model_element(t, name, strlen(name), props, lengthof(props)) : 0;

	for (int i = 0; i < n; i++) {
		JsonbValue v;

		if (fhir_json_get(object, props[i]->name, props[i]->name_len, &v))
			return pnstrdup(props[i]->name, props[i]->name_len);
	}
	return NULL;
}

/* Splits "Patient.contact[0].active" at its last dot; false if what follows is no plain name. */
static bool
split_path(const char *path, char **parent, char **name)
{
	const char *dot = strrchr(path, '.');

	if (!dot || dot == path || strspn(dot + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != strlen(dot + 1))
		return false;
	*parent = pnstrdup(path, dot - path);
	*name = pstrdup(dot + 1);
	return true;
}

/* The one element before the last dot, as an object. */
static bool
find_parent(const Operation *op, const ModelType *type, const JsonbValue *root, Found *f, char **name)
{
	FpList items;
	char *parent;

	if (!split_path(op->path, &parent, name))
		return false;
	evaluate(parent, type, root, &items);
	return items.n == 1 && items.items[0].json.type == jbvBinary &&
		   place_of_item(op, op->path, &items.items[0], root, f);
}

static PatchPath
child(const PatchPath *at, const char *key)
{
	PatchPath out = {.text = at->text, .n = at->n + 1, .token = palloc(sizeof(char *) * (at->n + 2))};

	memcpy(out.token, at->token, sizeof(char *) * at->n);
	out.token[at->n] = pstrdup(key);
	return out;
}

/* The place of the one item that the path names; false: there is none. More than one is refused. */
static bool
find_one(const Operation *op, const ModelType *type, const JsonbValue *root, Found *f)
{
	FpList items;
	char *name, *key;
	Found parent;

	evaluate(op->path, type, root, &items);
	if (items.n == 0)
		return false;
	f->at = (PatchPath){.text = op->path};
	if (items.n > 1)
		patch_raise_misfit(&op->p, "the path names more than one element", &f->at);
	if (place_of_item(op, op->path, &items.items[0], root, f))
		return true;
	if (find_parent(op, type, root, &parent, &name)) {
		JsonbValue object = patch_get(&op->p, &parent.at, *root);

		key = key_of_element(parent.type, object.val.binary.data, name);
		if (key) {
			f->at = child(&parent.at, key);
			f->array_element = false;
			return true;
		}
	}
	f->at = (PatchPath){.text = op->path};
	patch_raise_misfit(&op->p, "the path names no place in the resource", &f->at);
	return false;
}

/* ---- values ---- */

static JsonbValue add_child(const Operation *op, JsonbValue object, const ModelType *t, const char *name, JsonbContainer *part);

/* The value that a part holds, of type t: value[x], or an object of parts. */
static JsonbValue
part_value(const Operation *op, JsonbContainer *part, const ModelType *t)
{
	JsonbContainer *parts = as_array(part, "part");
	JsonbValue v, *elems;
	char *suffix;
	int n;

	check_stack_depth();
	if (part_member(part, &v, &suffix) || fhir_json_get_lit(part, "resource", &v))
		return v;
	if (!parts)
		patch_raise_malformed(&op->p, "a part has neither a value nor parts", NULL);
	json_set_binary(&v, json_splice(NULL, NULL, 0));
	n = json_elements(parts, &elems);
	for (int i = 0; i < n; i++) {
		char *name = elems[i].type == jbvBinary && JsonContainerIsObject(elems[i].val.binary.data)
						 ? fhir_json_get_string(elems[i].val.binary.data, "name")
						 : NULL;

		if (!name)
			patch_raise_malformed(&op->p, "a part has no name", NULL);
		v = add_child(op, v, t, name, elems[i].val.binary.data);
	}
	return v;
}

/* The property that an element of the given name and value is held by: "value" + valueString -> "valueString". */
static const ModelProperty *
property_for(const Operation *op, const ModelType *t, const char *name, JsonbContainer *part)
{
	const ModelProperty *props[64];
	int n = t ? model_element(t, name, strlen(name), props, lengthof(props)) : 0;
	PatchPath at = {.text = op->path};
	JsonbValue v;
	char *suffix, *key;
	const ModelProperty *p;

	if (n > 0 && !props[0]->is_choice)
		return props[0];
	if (n > 0 && part_member(part, &v, &suffix)) {
		key = psprintf("%s%s", name, suffix);
		p = model_property(t, key, strlen(key));
		if (p)
			return p;
	}
	p = t ? model_property(t, name, strlen(name)) : NULL; /* "valueString" itself */
	if (!p)
		patch_raise_misfit(&op->p, psprintf("there is no element \"%.60s\" of that type", name), &at);
	return p;
}

/* The object with one more element: appended to its list, or set where there was none. */
static JsonbValue
add_child(const Operation *op, JsonbValue object, const ModelType *t, const char *name, JsonbContainer *part)
{
	const ModelProperty *p = property_for(op, t, name, part);
	JsonMember m = {.key = p->name, .keylen = p->name_len};
	PatchPath at = {.text = op->path};
	JsonbValue old = {.type = jbvNull}, *elems;
	bool exists = p->is_choice ? key_of_element(t, object.val.binary.data, p->element) != NULL
							   : fhir_json_get(object.val.binary.data, p->name, p->name_len, &old);
	int n = 0;

	m.value = part_value(op, part, model_type_by_id(p->type));
	if (exists && !p->is_array)
		patch_raise_misfit(&op->p, psprintf("the element \"%.60s\" exists already", name), &at);
	if (p->is_array) {
		if (exists && old.type == jbvBinary)
			n = json_elements(old.val.binary.data, &elems);
		else
			elems = palloc(sizeof(JsonbValue));
		elems = repalloc(elems, sizeof(JsonbValue) * (n + 1));
		elems[n] = m.value;
		json_set_binary(&m.value, json_array(elems, n + 1));
	}
	json_set_binary(&object, json_splice(object.val.binary.data, &m, 1));
	return object;
}

/* ---- operations ---- */

static JsonbValue
do_add(const Operation *op, const ModelType *type, JsonbValue root)
{
	Found f;
	JsonbValue object;

	if (!op->name || !op->value)
		patch_raise_malformed(&op->p, "add needs a name and a value", NULL);
	if (!find_one(op, type, &root, &f)) {
		f.at = (PatchPath){.text = op->path};
		patch_raise_misfit(&op->p, "there is nothing at the path", &f.at);
	}
	object = patch_get(&op->p, &f.at, root);
	if (object.type != jbvBinary || !JsonContainerIsObject(object.val.binary.data))
		patch_raise_misfit(&op->p, "the path names no element that may have others", &f.at);
	object = add_child(op, object, f.type, op->name, op->value);
	return patch_edit(&op->p, &f.at, root, PATCH_REPLACE, &object);
}

/* Id and extensions of a primitive stand beside it under "_name": they go with it. */
static JsonbValue
remove_sibling(const Operation *op, const Found *f, JsonbValue root)
{
	int key = f->array_element ? f->at.n - 2 : f->at.n - 1;
	PatchPath parent = {.text = op->path, .n = key, .token = f->at.token};
	JsonbValue object = patch_get(&op->p, &parent, root), v;
	char *name = psprintf("_%s", f->at.token[key]);
	PatchPath at;

	if (!fhir_json_get(object.val.binary.data, name, strlen(name), &v))
		return root;
	at = child(&parent, name);
	if (f->array_element && v.type == jbvBinary && JsonContainerIsArray(v.val.binary.data)) {
		if (JsonContainerSize(v.val.binary.data) <= strtoul(f->at.token[f->at.n - 1], NULL, 10))
			return root;
		at = child(&at, f->at.token[f->at.n - 1]);
	}
	return patch_edit(&op->p, &at, root, PATCH_REMOVE, NULL);
}

/* Removes a place, and what becomes empty by that. */
static JsonbValue
remove_place(const Operation *op, const Found *f, JsonbValue root)
{
	PatchPath at = f->at;

	if (at.n == 0)
		patch_raise_misfit(&op->p, "the whole resource cannot be deleted", &at);
	root = remove_sibling(op, f, root);
	while (at.n > 0) {
		JsonbValue parent;

		root = patch_edit(&op->p, &at, root, PATCH_REMOVE, NULL);
		at.n--;
		parent = patch_get(&op->p, &at, root);
		if (JsonContainerSize(parent.val.binary.data) > 0)
			break;
	}
	return root;
}

static JsonbValue
do_delete(const Operation *op, const ModelType *type, JsonbValue root)
{
	Found f;

	return find_one(op, type, &root, &f) ? remove_place(op, &f, root) : root;
}

/* The type of the element's parent and the element's property. */
static const ModelProperty *
property_at(const ModelType *type, const JsonbValue *root, const PatchPath *at)
{
	const ModelType *t = type;
	const ModelProperty *p = NULL;

	for (int i = 0; i < at->n; i++) {
		if (is_index(at->token[i]))
			continue;
		p = t ? model_property(t, at->token[i], strlen(at->token[i])) : NULL;
		t = p ? model_type_by_id(p->type) : NULL;
	}
	return p;
}

static JsonbValue
do_replace(const Operation *op, const ModelType *type, JsonbValue root)
{
	Found f;
	const ModelProperty *p;
	JsonbValue v, old;
	char *suffix;

	if (!op->value)
		patch_raise_malformed(&op->p, "replace needs a value", NULL);
	if (!find_one(op, type, &root, &f)) {
		f.at = (PatchPath){.text = op->path};
		patch_raise_misfit(&op->p, "there is nothing at the path", &f.at);
	}
	if (f.at.n == 0)
		patch_raise_misfit(&op->p, "the whole resource cannot be replaced", &f.at);
	p = property_at(type, &root, &f.at);
	v = part_value(op, op->value, p ? model_type_by_id(p->type) : NULL);
	old = patch_get(&op->p, &f.at, root);
	if (old.type != jbvBinary && !f.array_element)
		root = remove_sibling(op, &f, root);
	if (p && p->is_choice && part_member(op->value, &old, &suffix)) {
		PatchPath parent = {.text = op->path, .n = f.at.n - 1, .token = f.at.token};
		PatchPath at = child(&parent, psprintf("%.*s%s", p->element_len, p->element, suffix));

		root = patch_edit(&op->p, &f.at, root, PATCH_REMOVE, NULL);
		return patch_edit(&op->p, &at, root, PATCH_ADD, &v);
	}
	return patch_edit(&op->p, &f.at, root, PATCH_REPLACE, &v);
}

/* The list that the path names: place of the array and its length. */
static int
find_list(const Operation *op, const ModelType *type, const JsonbValue *root, Found *f)
{
	FpList items;
	JsonbValue list;

	evaluate(op->path, type, root, &items);
	f->at = (PatchPath){.text = op->path};
	if (items.n == 0)
		return 0;
	if (!place_of_item(op, op->path, &items.items[0], root, f) || !f->array_element)
		patch_raise_misfit(&op->p, "the path names no list", &f->at);
	f->at.n--;
	list = patch_get(&op->p, &f->at, *root);
	for (int i = 1; i < items.n; i++) {
		Found other;

		if (!place_of_item(op, op->path, &items.items[i], root, &other) || other.at.n - 1 != f->at.n ||
			patch_get(&op->p, &(PatchPath){.n = f->at.n, .token = other.at.token, .text = op->path}, *root).val.binary.data !=
				list.val.binary.data)
			patch_raise_misfit(&op->p, "the path names more than one list", &f->at);
	}
	return JsonContainerSize(list.val.binary.data);
}

static JsonbValue
do_insert(const Operation *op, const ModelType *type, JsonbValue root)
{
	Found f;
	int n = find_list(op, type, &root, &f);
	PatchPath at;
	char *name;
	const ModelProperty *p;
	JsonbValue v;

	if (!op->value || op->index < 0)
		patch_raise_malformed(&op->p, "insert needs an index and a value", NULL);
	if (op->index > n)
		patch_raise_misfit(&op->p, "the index is beyond the list", &f.at);
	if (n == 0) { /* the first one: the list is made */
		JsonbValue object;

		if (!find_parent(op, type, &root, &f, &name))
			patch_raise_misfit(&op->p, "the path names no list", &f.at);
		object = patch_get(&op->p, &f.at, root);
		object = add_child(op, object, f.type, name, op->value);
		return patch_edit(&op->p, &f.at, root, PATCH_REPLACE, &object);
	}
	p = property_at(type, &root, &f.at);
	v = part_value(op, op->value, p ? model_type_by_id(p->type) : NULL);
	at = child(&f.at, psprintf("%d", op->index));
	return patch_edit(&op->p, &at, root, PATCH_ADD, &v);
}

static JsonbValue
do_move(const Operation *op, const ModelType *type, JsonbValue root)
{
	Found f;
	int n = find_list(op, type, &root, &f);
	PatchPath at;
	JsonbValue v;

	if (op->source < 0 || op->destination < 0)
		patch_raise_malformed(&op->p, "move needs a source and a destination", NULL);
	if (op->source >= n || op->destination >= n)
		patch_raise_misfit(&op->p, "source or destination is beyond the list", &f.at);
	at = child(&f.at, psprintf("%d", op->source));
	v = patch_get(&op->p, &at, root);
	root = patch_edit(&op->p, &at, root, PATCH_REMOVE, NULL);
	at = child(&f.at, psprintf("%d", op->destination));
	return patch_edit(&op->p, &at, root, PATCH_ADD, &v);
}

static JsonbValue
apply(const Operation *op, const ModelType *type, JsonbValue root)
{
	if (strcmp(op->p.op, "add") == 0)
		return do_add(op, type, root);
	if (strcmp(op->p.op, "insert") == 0)
		return do_insert(op, type, root);
	if (strcmp(op->p.op, "delete") == 0)
		return do_delete(op, type, root);
	if (strcmp(op->p.op, "replace") == 0)
		return do_replace(op, type, root);
	if (strcmp(op->p.op, "move") == 0)
		return do_move(op, type, root);
	patch_raise_malformed(&op->p, "unknown type of operation", op->p.op);
	return root;
}

Jsonb *
patch_fhirpath(const ModelType *type, JsonbContainer *doc, JsonbContainer *patch)
{
	JsonbContainer *parameters = as_array(patch, "parameter");
	JsonbValue root, *elems;
	int n = parameters ? json_elements(parameters, &elems) : 0;

	json_set_binary(&root, json_splice(doc, NULL, 0));
	for (int i = 0; i < n; i++) {
		Operation op = {.p = {.index = i, .op = "?"}};

		CHECK_FOR_INTERRUPTS();
		if (elems[i].type != jbvBinary || !JsonContainerIsObject(elems[i].val.binary.data))
			patch_raise_malformed(&op.p, "a parameter is an object", NULL);
		read_operation(&op, i, elems[i].val.binary.data);
		root = apply(&op, type, root);
	}
	return fhir_json_from_value(&root);
}
