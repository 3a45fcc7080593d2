/*
 * check.c: the structural check of a resource against the model of R4.
 *
 * One walk over the JSONB. An object's keys come in JSONB's order, (length, bytes), and so do the properties of its type: the two
 * are merged, so that a key costs one comparison. Nothing is allocated and no path is built until there is a finding.
 * All findings are collected, up to fhir.max_issues.
 *
 * Checked here: names, JSON kinds, arrays and their nulls, the "_name" siblings of primitives, choices, mandatory
 * elements, and that nothing is empty. Formats of primitives: check_primitive.c. Words: check_report.c.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "check/check_internal.h"

#define SEEN_WORDS 2
StaticAssertDecl(MODEL_MAX_ELEMENTS <= SEEN_WORDS * 64, "SEEN_WORDS is too small");

typedef struct Seen {
	uint64 bits[SEEN_WORDS];
} Seen;

/* Walks the entries of one container in order; `index` counts entries, of an object first all keys and then all values. */
typedef struct Entries {
	const JEntry *next;
	const char *base;
	uint32 offset;
} Entries;

static void check_object(Check *c, const CheckPath *path, const ModelType *t, JsonbContainer *obj);
static void walk_resource(Check *c, const CheckPath *path, JsonbContainer *obj);

static inline void
next_entry(Entries *e, CheckValue *v)
{
	uint32 len = JBE_OFFLENFLD(*e->next);

	if (JBE_HAS_OFF(*e->next))
		len -= e->offset;
	v->entry = *e->next;
	if (JBE_ISSTRING(v->entry)) {
		v->data = e->base + e->offset;
		v->len = len;
	} else {
		/* numbers and containers are aligned; the padding counts towards the length */
		v->data = e->base + INTALIGN(e->offset);
		v->len = len - (INTALIGN(e->offset) - e->offset);
	}
	e->offset += len;
	e->next++;
}

static inline void
begin_array(Entries *e, const JsonbContainer *arr)
{
	e->next = arr->children;
	e->base = (const char *) &arr->children[JsonContainerSize(arr)];
	e->offset = 0;
}

static inline void
begin_object(Entries *keys, Entries *values, const JsonbContainer *obj)
{
	int n = JsonContainerSize(obj);

	keys->next = obj->children;
	keys->base = values->base = (const char *) &obj->children[n * 2];
	keys->offset = 0;
	values->next = obj->children + n;
	values->offset = n > 0 ? getJsonbOffset(obj, n) : 0;
}

static inline JsonbContainer *
value_container(const CheckValue *v)
{
	return JBE_ISCONTAINER(v->entry) ? (JsonbContainer *) v->data : NULL;
}

static inline bool
is_object(const CheckValue *v)
{
	return JBE_ISCONTAINER(v->entry) && JsonContainerIsObject((JsonbContainer *) v->data);
}

static inline bool
is_array(const CheckValue *v)
{
	return JBE_ISCONTAINER(v->entry) && JsonContainerIsArray((JsonbContainer *) v->data);
}

/* ids of elements and urls of extensions are attributes in XML: no Element, so no sibling. Resource.id has one. */
static inline bool
may_have_sibling(const ModelType *t, const ModelProperty *p)
{
	if (model_type_by_id(p->type)->kind != MODEL_PRIMITIVE || p->type == MODEL_T_xhtml)
		return false;
	if (t->kind == MODEL_RESOURCE)
		return true;
	if (p->name_len == 2 && memcmp(p->name, "id", 2) == 0)
		return false;
	return !(t->id == MODEL_T_Extension && p->name_len == 3 && memcmp(p->name, "url", 3) == 0);
}

/* Marks the element as given; a second property of the same choice is a finding. */
static inline void
mark_seen(Check *c, const CheckPath *path, const ModelProperty *p, Seen *seen)
{
	uint64 bit = UINT64CONST(1) << (p->element_index % 64);
	uint64 *word = &seen->bits[p->element_index / 64];

	if (p->is_choice && (*word & bit) != 0)
		check_finding(c, "structure", path, p->element, p->element_len,
					  "element \"%s[x]\" is given more than once, also as \"%s\"", p->element, p->name);
	*word |= bit;
}

/* One value of property p that is not null. */
static void
check_single(Check *c, const CheckPath *path, const ModelProperty *p, const CheckValue *v)
{
	const ModelType *t = model_type_by_id(p->type);

	if (t->kind == MODEL_PRIMITIVE)
		check_primitive(c, path, p, v);
	else if (!is_object(v))
		check_finding(c, "structure", path, NULL, 0, "element \"%s\" must be an object (%s), found %s", p->name, t->name,
					  check_describe(v));
	else if (t->kind == MODEL_RESOURCE && t->abstract)
		walk_resource(c, path, value_container(v));
	else
		check_object(c, path, t, value_container(v));
}

/* The member of obj, if it is an array: its length, and in *out the array. */
static int
member_array(JsonbContainer *obj, const char *name, int len, JsonbContainer **out)
{
	JsonbValue v;

	if (getKeyJsonValueFromContainer(obj, name, len, &v) == NULL || v.type != jbvBinary || !JsonContainerIsArray(v.val.binary.data))
		return -1;
	*out = v.val.binary.data;
	return JsonContainerSize(*out);
}

/* Has the "_name" array of obj an object at this place? */
static bool
sibling_at(JsonbContainer *obj, const ModelProperty *p, int index)
{
	char name[NAMEDATALEN * 2];
	JsonbContainer *arr;

	Assert(p->name_len < sizeof(name) - 1);
	name[0] = '_';
	memcpy(name + 1, p->name, p->name_len);
	return index < member_array(obj, name, p->name_len + 1, &arr) && JBE_ISCONTAINER(arr->children[index]);
}

static void
check_array(Check *c, CheckPath *path, JsonbContainer *owner, const ModelProperty *p, JsonbContainer *arr)
{
	int n = JsonContainerSize(arr);
	bool primitive = model_type_by_id(p->type)->kind == MODEL_PRIMITIVE;
	Entries e;

	if (n == 0) {
		check_finding(c, "structure", path, NULL, 0, "array \"%s\" is empty", p->name);
		return;
	}
	begin_array(&e, arr);
	for (int i = 0; i < n && !c->full; i++) {
		CheckValue v;

		next_entry(&e, &v);
		path->index = i;
		if (!JBE_ISNULL(v.entry))
			check_single(c, path, p, &v);
		else if (!primitive || !sibling_at(owner, p, i))
			check_finding(c, "structure", path, NULL, 0, "null is not allowed in \"%s\"%s", p->name,
						  primitive ? ": there is no id or extension in its place" : "");
	}
	path->index = -1;
}

static void
check_property(Check *c, const CheckPath *up, JsonbContainer *owner, const ModelProperty *p, const CheckValue *v)
{
	CheckPath path = {up, p->element, p->element_len, -1};

	if (JBE_ISNULL(v->entry))
		check_finding(c, "structure", &path, NULL, 0, "element \"%s\" is null; leave it out instead", p->name);
	else if (is_array(v)) {
		if (p->is_array)
			check_array(c, &path, owner, p, value_container(v));
		else
			check_finding(c, "structure", &path, NULL, 0, "element \"%s\" must not be an array: it can be given only once", p->name);
	} else {
		if (p->is_array)
			check_finding(c, "structure", &path, NULL, 0, "element \"%s\" must be an array, found %s", p->name, check_describe(v));
		/* what the forgotten brackets hold, unless that is wrong altogether */
		if (!p->is_array || JBE_ISCONTAINER(v->entry) == (model_type_by_id(p->type)->kind != MODEL_PRIMITIVE))
			check_single(c, &path, p, v);
	}
}

/* ele-1: an id alone is no content. */
static void
only_id_finding(Check *c, const CheckPath *path)
{
	check_finding(c, "invariant", path, NULL, 0, "an element must have more than an id");
}

/* The id and extensions of a primitive, one object. */
static void
check_sibling_single(Check *c, const CheckPath *path, const ModelProperty *p, const CheckValue *v, bool has_value)
{
	if (is_object(v)) {
		JsonbContainer *obj = value_container(v);
		JsonbValue id;

		check_object(c, path, model_type_by_id(p->type), obj);
		if (!has_value && JsonContainerSize(obj) == 1 && getKeyJsonValueFromContainer(obj, "id", 2, &id) != NULL)
			only_id_finding(c, path);
	} else
		check_finding(c, "structure", path, NULL, 0, "\"_%s\" must be an object with id or extension, found %s", p->name,
					  check_describe(v));
}

static void
check_sibling_array(Check *c, CheckPath *path, JsonbContainer *owner, const ModelProperty *p, JsonbContainer *arr)
{
	JsonbContainer *values = NULL;
	int n = JsonContainerSize(arr);
	int nvalues = member_array(owner, p->name, p->name_len, &values);
	Entries e;

	if (n == 0)
		check_finding(c, "structure", path, NULL, 0, "array \"_%s\" is empty", p->name);
	else if (nvalues >= 0 && nvalues != n)
		check_finding(c, "structure", path, NULL, 0, "arrays \"%s\" and \"_%s\" must be equally long, found %d and %d; fill with null",
					  p->name, p->name, nvalues, n);
	begin_array(&e, arr);
	for (int i = 0; i < n && !c->full; i++) {
		CheckValue v;

		next_entry(&e, &v);
		path->index = i;
		if (!JBE_ISNULL(v.entry))
			check_sibling_single(c, path, p, &v, i < nvalues && !JBE_ISNULL(values->children[i]));
		else if (nvalues < 0)
			/* a null in both places is reported by check_array() */
			check_finding(c, "structure", path, NULL, 0, "null is not allowed in \"_%s\": there is no value in its place", p->name);
	}
}

/* "_name": id and extensions of the primitive `name`. */
static void
check_sibling(Check *c, const CheckPath *up, JsonbContainer *owner, const ModelProperty *p, const CheckValue *v)
{
	CheckPath path = {up, p->element, p->element_len, -1};
	JsonbValue value;

	if (is_array(v) && p->is_array)
		check_sibling_array(c, &path, owner, p, value_container(v));
	else if (p->is_array)
		check_finding(c, "structure", &path, NULL, 0, "\"_%s\" must be an array, found %s", p->name, check_describe(v));
	else
		check_sibling_single(c, &path, p, v, getKeyJsonValueFromContainer(owner, p->name, p->name_len, &value) != NULL);
}

/* A key that is no property of its type: a sibling, resourceType, or unknown. */
static void
check_other_key(Check *c, const CheckPath *path, const ModelType *t, JsonbContainer *obj, const CheckValue *key,
				const CheckValue *v, Seen *seen)
{
	const ModelProperty *p;

	if (key->len > 1 && key->data[0] == '_') {
		p = model_property(t, key->data + 1, key->len - 1);
		if (p != NULL && may_have_sibling(t, p)) {
			JsonbValue value;

			/* with the value itself present, that one marks the element */
			if (!p->is_choice || getKeyJsonValueFromContainer(obj, p->name, p->name_len, &value) == NULL)
				mark_seen(c, path, p, seen);
			check_sibling(c, path, obj, p, v);
			return;
		}
	} else if (t->kind == MODEL_RESOURCE && key->len == 12 && memcmp(key->data, "resourceType", 12) == 0)
		return;
	check_finding(c, "structure", path, key->data, key->len, "unknown element %s in %s%s", check_quote(key->data, key->len), t->name,
				  check_suggest_property(t, key->data, key->len));
}

static void
check_required(Check *c, const CheckPath *path, const ModelType *t, const Seen *seen)
{
	for (int i = 0; i < t->nrequired; i++) {
		const ModelProperty *p = &t->properties[t->required[i]];

		if ((seen->bits[p->element_index / 64] >> (p->element_index % 64) & 1) == 0)
			check_finding(c, "required", path, p->element, p->element_len, "element \"%s%s\" of %s is missing", p->element,
						  p->is_choice ? "[x]" : "", t->name);
	}
}

static inline bool
element_seen(const ModelType *t, const char *name, int len, const Seen *seen)
{
	const ModelProperty *p;

	return model_element(t, name, len, &p, 1) > 0 && (seen->bits[p->element_index / 64] >> (p->element_index % 64) & 1) != 0;
}

/* ext-1: an extension has either a value or extensions. */
static void
check_extension(Check *c, const CheckPath *path, const ModelType *t, const Seen *seen)
{
	bool value = element_seen(t, "value", 5, seen);
	bool nested = element_seen(t, "extension", 9, seen);

	if (value == nested)
		check_finding(c, "invariant", path, NULL, 0, value ? "an extension has either a value or extensions, not both" : "an extension must have a value or extensions");
}

static void
check_object(Check *c, const CheckPath *path, const ModelType *t, JsonbContainer *obj)
{
	const ModelProperty *p = t->properties;
	const ModelProperty *end = p + t->nproperties;
	int n = JsonContainerSize(obj);
	Seen seen = {{0}};
	Entries keys, values;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (n == 0) {
		check_finding(c, "structure", path, NULL, 0, "an object must not be empty");
		return;
	}
	begin_object(&keys, &values, obj);
	for (int i = 0; i < n && !c->full; i++) {
		CheckValue key, v;
		int cmp = 1;

		next_entry(&keys, &key);
		next_entry(&values, &v);
		while (p < end && p->name_len < key.len)
			p++;
		while (p < end && p->name_len == key.len && (cmp = memcmp(p->name, key.data, key.len)) < 0)
			p++;
		if (p < end && p->name_len == key.len && cmp == 0) {
			mark_seen(c, path, p, &seen);
			check_property(c, path, obj, p, &v);
			p++;
		} else
			check_other_key(c, path, t, obj, &key, &v, &seen);
	}
	if (c->full)
		return;
	check_required(c, path, t, &seen);
	if (t->id == MODEL_T_Extension)
		check_extension(c, path, t, &seen);
	else if (n == 1 && t->kind != MODEL_RESOURCE && t->kind != MODEL_PRIMITIVE && element_seen(t, "id", 2, &seen))
		only_id_finding(c, path);
}

/* The concrete resource type that obj names, NULL with a finding otherwise. */
static const ModelType *
resource_type(Check *c, const CheckPath *path, JsonbContainer *obj)
{
	const ModelType *t = NULL;
	JsonbValue v;

	if (getKeyJsonValueFromContainer(obj, "resourceType", 12, &v) == NULL)
		check_finding(c, "structure", path, NULL, 0, "element \"resourceType\" is missing");
	else if (v.type != jbvString)
		check_finding(c, "structure", path, NULL, 0, "\"resourceType\" must be a string");
	else if ((t = model_resource(v.val.string.val, v.val.string.len)) == NULL)
		check_finding(c, "structure", path, NULL, 0, "unknown resource type %s", check_quote(v.val.string.val, v.val.string.len));
	return t;
}

/* A resource inside another: contained, Bundle.entry.resource, Parameters.parameter.resource ... */
static void
walk_resource(Check *c, const CheckPath *path, JsonbContainer *obj)
{
	const ModelType *t = resource_type(c, path, obj);

	if (t != NULL)
		check_object(c, path, t, obj);
}

const ModelType *
check_document(Check *c, JsonbContainer *doc)
{
	const ModelType *t;

	if (!JsonContainerIsObject(doc)) {
		check_finding(c, "structure", NULL, NULL, 0, "a resource must be a JSON object");
		return NULL;
	}
	t = resource_type(c, NULL, doc);
	if (t != NULL) {
		CheckPath root = {NULL, t->name, t->name_len, -1};

		check_object(c, &root, t, doc);
	}
	return t;
}
