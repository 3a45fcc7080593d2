/*
 * fhirpath_path.c: navigation from an item to its elements.
 *
 * The hot path of the engine: a step looks up its property once per type (cached in the FpStep), then scans
 * the keys of the JSONB object in place. JSONB keeps an object's keys sorted by length, then bytes: a scan
 * stops at the first longer key, and "_name", where a primitive's extensions are, comes behind "name".
 * Nothing is copied or allocated except items.
 */
#include "fhirpath/fhirpath_int.h"

#define LINEAR_KEYS 32 /* larger objects are searched by bisection */
#define MAX_CHOICES 64

static void emit(FpExec *x, const ModelProperty *p, JsonbValue *v, JsonbValue *e, FpStep *next, FpStep *end,
				 FpList *out);

/* Reads child `index` of c. */
static void
value_at(JsonbContainer *c, int index, JsonbValue *out)
{
	JEntry e = c->children[index];
	int nchildren = JsonContainerIsObject(c) ? JsonContainerSize(c) * 2 : JsonContainerSize(c);
	char *base = (char *) &c->children[nchildren];
	uint32 offset;

	if (JBE_ISNULL(e))
		out->type = jbvNull;
	else if (JBE_ISBOOL(e)) {
		out->type = jbvBool;
		out->val.boolean = JBE_ISBOOL_TRUE(e);
	} else if (JBE_ISSTRING(e)) {
		out->type = jbvString;
		out->val.string.val = base + getJsonbOffset(c, index);
		out->val.string.len = getJsonbLength(c, index);
	} else if (JBE_ISNUMERIC(e)) {
		out->type = jbvNumeric;
		out->val.numeric = (Numeric) (base + INTALIGN(getJsonbOffset(c, index)));
	} else {
		offset = getJsonbOffset(c, index);
		out->type = jbvBinary;
		out->val.binary.data = (JsonbContainer *) (base + INTALIGN(offset));
		out->val.binary.len = getJsonbLength(c, index) - (INTALIGN(offset) - offset);
	}
}

static int
compare_key(const char *a, int alen, const char *b, int blen)
{
	return alen != blen ? (alen < blen ? -1 : 1) : memcmp(a, b, alen);
}

static int
bisect(JsonbContainer *c, const char *key, int len)
{
	int n = JsonContainerSize(c), lo = 0, hi = n;
	char *base = (char *) &c->children[n * 2];

	while (lo < hi) {
		int mid = (lo + hi) / 2;
		int cmp = compare_key(base + getJsonbOffset(c, mid), getJsonbLength(c, mid), key, len);

		if (cmp == 0)
			return mid;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -1;
}

/*
 * Index of the key in object c, or -1. ext (may be NULL): the index of "_key", or -1; extkey is that name.
 */
static int
find_key(JsonbContainer *c, const char *key, int len, const char *extkey, int *ext)
{
	int n = JsonContainerSize(c), found = -1;
	const char *base = (const char *) &c->children[n * 2];
	uint32 off = 0;

	if (ext != NULL)
		*ext = -1;
	if (n > LINEAR_KEYS) {
		if (ext != NULL)
			*ext = bisect(c, extkey, len + 1);
		return bisect(c, key, len);
	}
	for (int i = 0; i < n; i++) {
		JEntry e = c->children[i];
		uint32 end = JBE_HAS_OFF(e) ? JBE_OFFLENFLD(e) : off + JBE_OFFLENFLD(e);
		int klen = end - off;

		if (klen == len) {
			if (found < 0 && memcmp(base + off, key, len) == 0) {
				found = i;
				if (ext == NULL)
					return found;
			}
		} else if (klen > len) {
			if (ext == NULL || klen > len + 1)
				return found;
			if (memcmp(base + off, extkey, len + 1) == 0) {
				*ext = i;
				return found;
			}
		}
		off = end;
	}
	return found;
}

bool
fp_get(JsonbContainer *c, const char *key, int len, JsonbValue *out)
{
	int at;

	if (!JsonContainerIsObject(c) || (at = find_key(c, key, len, NULL, NULL)) < 0)
		return false;
	value_at(c, at + JsonContainerSize(c), out);
	return true;
}

/* A resource's type is named by the document, whatever the model says about the place ("Resource"). */
static ModelTypeId
resource_type(const JsonbValue *v, ModelTypeId declared)
{
	JsonbValue name;
	const ModelType *t;

	if (v->type == jbvBinary && fp_get(v->val.binary.data, "resourceType", 12, &name) &&
		name.type == jbvString && (t = model_type(name.val.string.val, name.val.string.len)) != NULL &&
		t->kind == MODEL_RESOURCE)
		return t->id;
	return declared;
}

/* One value that is no array: an item, filtered by the type steps that follow, then pushed or walked on. */
static void
emit_one(FpExec *x, const ModelProperty *p, const JsonbValue *v, const JsonbValue *e, FpStep *next,
		 FpStep *end, FpList *out)
{
	const ModelType *t = p != NULL ? model_type_by_id(p->type) : NULL;
	FpItem item;

	item.json = *v;
	item.type = p != NULL ? p->type : MODEL_NONE;
	item.property = p;
	item.priv = NULL;
	item.ext = e != NULL && e->type == jbvBinary && JsonContainerIsObject(e->val.binary.data)
				   ? e->val.binary.data
				   : NULL;
	if (v->type == jbvNull && item.ext == NULL)
		return;
	item.kind = fp_kind_of(t, v);
	if (v->type == jbvBinary && (t == NULL || t->kind == MODEL_RESOURCE))
		item.type = resource_type(v, item.type);
	while (next < end && next->kind == FP_STEP_TYPE) {
		if (!fp_item_as(&item, &next->type))
			return;
		next++;
	}
	if (next == end)
		*fp_push(x, out) = item;
	else
		fp_walk(x, next, end, &item, out);
}

/* All values of a property: the array's elements, or the value itself. v and e may be NULL (one of them is
 * not). */
static void
emit(FpExec *x, const ModelProperty *p, JsonbValue *v, JsonbValue *e, FpStep *next, FpStep *end, FpList *out)
{
	static const JsonbValue null_value = {.type = jbvNull};
	bool varray = v != NULL && v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data);
	bool earray = e != NULL && e->type == jbvBinary && JsonContainerIsArray(e->val.binary.data);
	int nv, ne;

	if (likely(!varray && !earray)) {
		emit_one(x, p, v != NULL ? v : &null_value, e, next, end, out);
		return;
	}
	nv = varray ? JsonContainerSize(v->val.binary.data) : 0;
	ne = earray ? JsonContainerSize(e->val.binary.data) : 0;
	for (int i = 0; i < Max(nv, ne); i++) {
		JsonbValue one = null_value, ext = null_value;

		if (i < nv)
			value_at(v->val.binary.data, i, &one);
		if (i < ne)
			value_at(e->val.binary.data, i, &ext);
		if (one.type == jbvBinary && JsonContainerIsArray(one.val.binary.data)) {
			check_stack_depth();
			emit(x, p, &one, NULL, next, end, out);
		} else
			emit_one(x, p, &one, &ext, next, end, out);
	}
}

static void
emit_at(FpExec *x, JsonbContainer *c, const ModelProperty *p, int vi, int ei, FpStep *next, FpStep *end,
		FpList *out)
{
	JsonbValue v, e;
	int n = JsonContainerSize(c);

	if (vi >= 0)
		value_at(c, vi + n, &v);
	if (ei >= 0)
		value_at(c, ei + n, &e);
	emit(x, p, vi >= 0 ? &v : NULL, ei >= 0 ? &e : NULL, next, end, out);
}

/* Fills the step's cache for type t. A type step right behind a choice already selects among its properties.
 */
static void
resolve_step(FpExec *x, FpStep *s, FpStep *end, const ModelType *t)
{
	const ModelProperty *found[MAX_CHOICES];
	int n = model_element(t, s->name, s->len, found, MAX_CHOICES), kept = 0;

	Assert(n <= MAX_CHOICES);
	if (n > 1 && s + 1 < end && s[1].kind == FP_STEP_TYPE) {
		for (int i = 0; i < n; i++) {
			JsonbValue any = {.type = jbvString};
			FpItem probe = {.type = found[i]->type};

			probe.kind = fp_kind_of(model_type_by_id(found[i]->type), &any);
			if (model_type_by_id(found[i]->type)->kind != MODEL_PRIMITIVE)
				probe.kind = FP_ELEMENT;
			/* booleans and numbers: the JSON decides, so they stay candidates for System types */
			if (fp_item_as(&probe, &s[1].type) || (s[1].type.fhir == MODEL_NONE && probe.kind != FP_ELEMENT))
				found[kept++] = found[i];
		}
		n = kept;
	}
	s->one = n == 1 ? found[0] : NULL;
	if (n > 1) {
		if (s->props == NULL)
			s->props = MemoryContextAlloc(x->prog->mcxt, MAX_CHOICES * sizeof(ModelProperty *));
		memcpy(s->props, found, n * sizeof(ModelProperty *));
	}
	s->nprops = n;
	s->ctype = t;
}

static const ModelProperty *
candidate(const ModelProperty *const *props, int n, const char *name, int len)
{
	for (int i = 0; i < n; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): model_element() filled all n */
		if (props[i]->name_len == len && memcmp(props[i]->name, name, len) == 0)
			return props[i];
	return NULL;
}

/* A choice element: the object's keys that start with its name are compared with the candidates. */
static void
walk_choice(FpExec *x, FpStep *s, FpStep *end, JsonbContainer *c, FpList *out)
{
	int n = JsonContainerSize(c), elen = s->len;
	const char *base = (const char *) &c->children[n * 2];
	uint32 off = 0;

	for (int i = 0; i < n; i++) {
		JEntry e = c->children[i];
		uint32 stop = JBE_HAS_OFF(e) ? JBE_OFFLENFLD(e) : off + JBE_OFFLENFLD(e);
		const char *key = base + off;
		int klen = stop - off, ext = -1;
		const ModelProperty *p;

		off = stop;
		if (klen > elen + 1 && key[0] == '_' && memcmp(key + 1, s->name, elen) == 0) {
			p = candidate((const ModelProperty *const *) s->props, s->nprops, key + 1, klen - 1);
			if (p != NULL && find_key(c, p->name, p->name_len, NULL, NULL) < 0)
				emit_at(x, c, p, -1, i, s + 1, end, out);
		} else if (klen > elen && memcmp(key, s->name, elen) == 0) {
			p = candidate((const ModelProperty *const *) s->props, s->nprops, key, klen);
			if (p == NULL)
				continue;
			if (model_type_by_id(p->type)->kind == MODEL_PRIMITIVE) {
				char name[NAMEDATALEN * 2];

				snprintf(name, sizeof(name), "_%s", p->name);
				find_key(c, p->name, p->name_len, name, &ext);
			}
			emit_at(x, c, p, i, ext, s + 1, end, out);
		}
	}
}

static void
walk_one(FpExec *x, FpStep *s, FpStep *end, JsonbContainer *c, FpList *out)
{
	const ModelProperty *p = s->one;
	int vi, ei = -1;

	if (model_type_by_id(p->type)->kind == MODEL_PRIMITIVE) {
		char name[NAMEDATALEN * 2];
		const char *ext = s->ext;

		if (p->is_choice || s->ext[0] == '\0') {
			snprintf(name, sizeof(name), "_%s", p->name);
			ext = name;
		}
		vi = find_key(c, p->name, p->name_len, ext, &ei);
	} else
		vi = find_key(c, p->name, p->name_len, NULL, NULL);
	if (vi >= 0 || ei >= 0)
		emit_at(x, c, p, vi, ei, s + 1, end, out);
}

/* An object of no known type: members by their JSON names. */
static void
walk_untyped(FpExec *x, FpStep *s, FpStep *end, JsonbContainer *c, FpList *out)
{
	int vi = find_key(c, s->name, s->len, NULL, NULL);

	if (vi >= 0)
		emit_at(x, c, NULL, vi, -1, s + 1, end, out);
}

/* Members of computed values: a quantity's value and unit, a type's namespace and name. */
static void
walk_computed(FpExec *x, FpStep *s, FpStep *end, const FpItem *item, FpList *out)
{
	JsonbValue v = {.type = jbvNull};

#define IS(lit) (s->len == sizeof(lit) - 1 && memcmp(s->name, lit, s->len) == 0)
	if (item->kind == FP_QUANTITY) {
		FpQuantity *q = item->priv;

		if (IS("value")) {
			v.type = jbvNumeric;
			v.val.numeric = q->value;
		} else if (IS("unit") || (IS("code") && !q->calendar)) {
			v.type = jbvString;
			v.val.string.val = (char *) q->unit;
			v.val.string.len = q->len;
		}
	} else if (item->kind == FP_TYPEINFO) {
		FpTypeInfo *t = item->priv;
		const char *str = IS("namespace") ? t->ns : IS("name") ? t->name
															   : NULL;

		if (str != NULL) {
			v.type = jbvString;
			v.val.string.val = (char *) str;
			v.val.string.len = strlen(str);
		}
	}
#undef IS
	emit_one(x, NULL, &v, NULL, s + 1, end, out);
	if (item->kind == FP_QUANTITY && s + 1 == end && v.type == jbvNumeric)
		out->items[out->n - 1].kind = FP_DECIMAL;
}

/*
 * An error in strict mode, on paths from the root. Behind choices and resources of any type the next element
 * may well be one that only some of the types have.
 */
static void
unknown_element(FpExec *x, const FpItem *item, FpStep *s)
{
	const ModelProperty *p = item->property;

	if (x->strict && (p == NULL || (!p->is_choice && !model_type_by_id(p->type)->abstract)))
		fp_error(x, item,
				 psprintf("%s has no element \"%.*s\"", model_type_by_id(item->type)->name, s->len, s->name),
				 "Setting fhir.fhirpath_strict makes unknown elements an error.");
}

/* Follows the steps [s, end) from item; appends what they lead to. */
void
fp_walk(FpExec *x, FpStep *s, FpStep *end, const FpItem *item, FpList *out)
{
	const ModelType *t;
	JsonbContainer *c;

	check_stack_depth();
	if ((s->kind == FP_STEP_ROOT && item->type != MODEL_NONE && model_is_a(item->type, s->type.fhir)) ||
		(s->kind == FP_STEP_TYPE && fp_item_as(item, &s->type))) {
		if (s + 1 == end)
			*fp_push(x, out) = *item;
		else
			fp_walk(x, s + 1, end, item, out);
		return;
	}
	if (s->kind == FP_STEP_TYPE)
		return;
	if (item->json.type == jbvBinary)
		c = item->json.val.binary.data;
	else if (item->type != MODEL_NONE)
		c = item->ext; /* a primitive: its id and extensions */
	else {
		walk_computed(x, s, end, item, out);
		return;
	}
	if (item->type == MODEL_NONE) {
		if (JsonContainerIsObject(c))
			walk_untyped(x, s, end, c, out);
		return;
	}
	t = model_type_by_id(item->type);
	if (unlikely(s->ctype != t))
		resolve_step(x, s, end, t);
	if (s->nprops == 0) {
		if (s->kind != FP_STEP_ROOT)
			unknown_element(x, item, s);
		return;
	}
	if (c == NULL || !JsonContainerIsObject(c))
		return;
	if (s->one != NULL)
		walk_one(x, s, end, c, out);
	else
		walk_choice(x, s, end, c, out);
}

/* item.name for a name that is known only now; not cached. */
void
fp_member(FpExec *x, const FpItem *item, const char *name, int len, FpList *out)
{
	FpStep s = {.kind = FP_STEP_MEMBER, .name = name, .len = len};
	const ModelProperty *props[MAX_CHOICES];

	s.props = props;
	if (len < (int) sizeof(s.ext)) {
		s.ext[0] = '_';
		memcpy(s.ext + 1, name, len);
	}
	fp_walk(x, &s, &s + 1, item, out);
}

/* All elements of an item, in the document's order of keys. */
void
fp_children(FpExec *x, const FpItem *item, FpList *out)
{
	const ModelType *t = item->type != MODEL_NONE ? model_type_by_id(item->type) : NULL;
	JsonbContainer *c = item->json.type == jbvBinary ? item->json.val.binary.data
						: t != NULL					 ? item->ext
													 : NULL;
	int n;
	const char *base;

	if (c == NULL || !JsonContainerIsObject(c))
		return;
	n = JsonContainerSize(c);
	base = (const char *) &c->children[n * 2];
	for (int i = 0; i < n; i++) {
		const char *key = base + getJsonbOffset(c, i);
		int len = getJsonbLength(c, i), ext = -1;
		bool under = len > 1 && key[0] == '_';
		const ModelProperty *p = NULL;
		char name[NAMEDATALEN * 2];

		if (len == 12 && memcmp(key, "resourceType", 12) == 0)
			continue;
		if (t != NULL && (p = model_property(t, key + under, len - under)) == NULL)
			continue;
		if (t != NULL && under) {
			if (find_key(c, key + 1, len - 1, NULL, NULL) < 0)
				emit_at(x, c, p, -1, i, NULL, NULL, out);
			continue;
		}
		if (p != NULL && model_type_by_id(p->type)->kind == MODEL_PRIMITIVE && len < (int) sizeof(name) - 2) {
			snprintf(name, sizeof(name), "_%s", p->name);
			find_key(c, key, len, name, &ext);
		}
		emit_at(x, c, p, i, ext, NULL, NULL, out);
	}
}

/* Items for a JSON value of the given type (MODEL_NONE: by what it looks like); an array gives one item per
 * element. */
void
fp_from_json(FpExec *x, const JsonbValue *v, ModelTypeId type, FpList *out)
{
	JsonbValue copy = *v;
	int from = out->n;

	emit(x, NULL, &copy, NULL, NULL, NULL, out);
	for (int i = from; type != MODEL_NONE && i < out->n; i++)
		if (out->items[i].type == MODEL_NONE) {
			out->items[i].type = type;
			out->items[i].kind = fp_kind_of(model_type_by_id(type), &out->items[i].json);
		}
}

/* The size of a container is not stored in it: it ends where its last child ends. */
static int
container_size(JsonbContainer *c)
{
	int n = JsonContainerIsObject(c) ? JsonContainerSize(c) * 2 : JsonContainerSize(c);
	uint32 end = n == 0 ? 0 : getJsonbOffset(c, n - 1) + getJsonbLength(c, n - 1);

	return offsetof(JsonbContainer, children) + n * sizeof(JEntry) + end;
}

void
fhirpath_root(JsonbContainer *doc, ModelTypeId type, FpItem *out)
{
	memset(out, 0, sizeof(*out));
	out->json.type = jbvBinary;
	out->json.val.binary.data = doc;
	out->json.val.binary.len = container_size(doc);
	out->kind = FP_ELEMENT;
	out->type = type;
	if (JsonContainerIsScalar(doc)) {
		value_at(doc, 0, &out->json);
		out->kind = fp_kind_of(type != MODEL_NONE ? model_type_by_id(type) : NULL, &out->json);
	} else if (type == MODEL_NONE && JsonContainerIsObject(doc))
		out->type = resource_type(&out->json, MODEL_NONE);
}
