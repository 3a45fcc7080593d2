/*
 * keys_reference.c: keys of references and URIs.
 *
 * A literal reference to this server has the key identity ^ salt and its identity in refs; others are hashed as text. What
 * a Reference.identifier says is searched by :identifier. A reference to a contained resource is nothing that anybody outside the document
 * can name: its key says of which type that is, for chains.
 */
#include "postgres.h"

#include "keys/keys_internal.h"

static void
add_type(KeyBuilder *b, ModelTypeId type)
{
	if (type == MODEL_NONE)
		return;
	for (int i = 0; i < b->nref_types; i++)
		if (b->ref_types[i] == type)
			return;
	if (b->nref_types < lengthof(b->ref_types))
		b->ref_types[b->nref_types++] = type;
}

/* Type of the contained resource "#id". */
static ModelTypeId
contained_type(JsonbContainer *doc, const char *id, int len)
{
	JsonbValue v;
	JsonbContainer *array;
	ModelTypeId found = MODEL_NONE;

	if (!keys_member(doc, "contained", 9, &v) || (array = keys_array(&v)) == NULL)
		return MODEL_NONE;
	for (uint32 i = 0; i < JsonContainerSize(array) && found == MODEL_NONE; i++) {
		JsonbValue *e = getIthJsonbValueFromContainer(array, i);
		JsonbContainer *o = keys_object(e);
		const char *own, *name;
		int olen, nlen;

		own = o != NULL ? keys_string_of(o, "id", &olen) : NULL;
		if (own != NULL && olen == len && memcmp(own, id, len) == 0 && (name = keys_string_of(o, "resourceType", &nlen)) != NULL) {
			const ModelType *t = model_resource(name, nlen);

			found = t != NULL ? t->id : MODEL_NONE;
		}
		pfree(e);
	}
	return found;
}

static void
add_literal(KeyBuilder *b, const char *ref, int len, bool canonical)
{
	uint64 forms[KEYS_MAX_REF_FORMS], identity;
	ModelTypeId type;
	int n;

	if (len <= 0)
		return;
	if (*ref == '#') {
		type = contained_type(b->doc, ref + 1, len - 1);
		add_type(b, type);
		if (type != MODEL_NONE && !b->contained)
			keys_add_eq(b, keys_contained_link(b->source, model_type_by_id(type)), "contained", ref, len);
		return;
	}
	n = keys_reference_forms(b->context, b->source, ref, len, canonical, forms, &identity, &type);
	for (int i = 0; i < n; i++)
		keys_add_eq(b, forms[i], "reference", ref, len);
	if (identity != 0)
		keys_add_ref(b, identity);
	add_type(b, type);
}

static void
add_identifier(KeyBuilder *b, JsonbContainer *c)
{
	const KeySource *s = b->source;
	const char *sys, *value;
	int slen, vlen;

	sys = keys_string_of(c, "system", &slen);
	value = keys_string_of(c, "value", &vlen);
	if (vlen > 0) {
		keys_add_eq(b, keys_ref_identifier(s, NULL, 0, value, vlen, 'c'), "identifier", value, vlen);
		keys_add_eq(b, keys_ref_identifier(s, sys, Max(slen, 0), value, vlen, 's'), slen > 0 ? "identifier system|value" : "identifier |value", value, vlen);
	}
	if (slen > 0)
		keys_add_eq(b, keys_ref_identifier(s, sys, slen, NULL, 0, 'y'), "identifier system|", sys, slen);
}

ModelTypeId
keys_reference_type(KeyContext context, const KeySource *s, JsonbContainer *doc, JsonbContainer *c)
{
	uint64 forms[KEYS_MAX_REF_FORMS], identity;
	ModelTypeId found = MODEL_NONE;
	const ModelType *t;
	const char *ref, *type;
	int rlen, tlen;

	ref = keys_string_of(c, "reference", &rlen);
	if (rlen > 0 && *ref == '#')
		found = contained_type(doc, ref + 1, rlen - 1);
	else if (rlen > 0)
		(void) keys_reference_forms(context, s, ref, rlen, false, forms, &identity, &found);
	if (found == MODEL_NONE && (type = keys_string_of(c, "type", &tlen)) != NULL && (t = model_resource(type, tlen)) != NULL)
		found = t->id;
	return found;
}

static void
add_reference(KeyBuilder *b, JsonbContainer *c)
{
	const char *ref, *type;
	int rlen, tlen;
	JsonbValue identifier;
	int before = b->nref_types;

	ref = keys_string_of(c, "reference", &rlen);
	add_literal(b, ref, rlen, false);
	if (b->nref_types == before && (type = keys_string_of(c, "type", &tlen)) != NULL) {
		const ModelType *t = model_resource(type, tlen);

		if (t != NULL)
			add_type(b, t->id);
	}
	if (keys_member(c, "identifier", 10, &identifier) && keys_object(&identifier) != NULL)
		add_identifier(b, keys_object(&identifier));
}

/* Does any parameter mean resources of this type in the place that is being extracted? */
static bool
is_meant(const KeyBuilder *b, const ModelType *t)
{
	const KeyRegistry *r = b->registry;

	for (int i = r->first_rule[b->source->number]; i < r->first_rule[b->source->number + 1]; i++) {
		const ModelTypeId *targets = r->rules[i].targets;

		if (targets == NULL || targets[0] == MODEL_NONE)
			return true;
		for (; *targets != MODEL_NONE; targets++)
			if (*targets == t->id)
				return true;
	}
	return false;
}

/*
 * A resource that stands in the place itself (the first entry of a Bundle): found by its id, and by chains, which lead into it; but it
 * is not referred to.
 */
static void
add_resource(KeyBuilder *b, JsonbContainer *c)
{
	const char *name, *id;
	int nlen, ilen;
	const ModelType *t;

	name = keys_string_of(c, "resourceType", &nlen);
	id = keys_string_of(c, "id", &ilen);
	t = name != NULL ? model_resource(name, nlen) : NULL;
	if (t == NULL)
		return;
	if (ilen > 0)
		keys_add_eq(b, keys_identity(name, nlen, id, ilen) ^ keys_reference_salt(b->source), "reference", id, ilen);
	add_type(b, t->id);
	if (b->contained || !b->source->resources || !is_meant(b, t))
		return;
	keys_add_eq(b, keys_contained_link(b->source, t), "contained", id, Max(ilen, 0));
	if (!b->source->user)
		b->inner = list_append_unique_ptr(b->inner, c);
}

void
keys_item_reference(KeyBuilder *b, const FpItem *item)
{
	JsonbContainer *c = keys_object(&item->json);

	if (c == NULL) {
		if (item->json.type != jbvString || item->json.val.string.len == 0)
			return;
		add_literal(b, item->json.val.string.val, item->json.val.string.len, true);
		if (*item->json.val.string.val != '#')
			keys_add_term(b, keys_term_group(b->source), keys_reference(b->context, b->source, item->json.val.string.val, item->json.val.string.len),
						  item->json.val.string.val, item->json.val.string.len);
	} else if (item->type == MODEL_T_Reference)
		add_reference(b, c);
	else if (model_is_a(item->type, MODEL_T_Resource))
		add_resource(b, c);
}

void
keys_item_uri(KeyBuilder *b, const FpItem *item)
{
	const char *uri = item->json.val.string.val, *bar;
	int len = item->json.val.string.len;

	if (item->json.type != jbvString || len == 0)
		return;
	keys_add_eq(b, keys_uri(b->source, uri, len), "uri", uri, len);
	keys_add_term(b, keys_term_group(b->source), keys_uri(b->source, uri, len), uri, len);
	/* a canonical with a version is found without it, too */
	if (item->type == MODEL_T_canonical && (bar = memchr(uri, '|', len)) != NULL && bar > uri)
		keys_add_eq(b, keys_uri(b->source, uri, bar - uri), "uri", uri, bar - uri);
}
