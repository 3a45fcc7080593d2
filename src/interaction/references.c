/*
 * references.c: links within a transaction, rewritten to the identities that the server assigns.
 *
 * R4, "Transaction processing rules": wherever a link may stand, a fullUrl of the Bundle becomes Type/id: in
 * Reference.reference, elements of type uri, url, oid and uuid, and href and src of the narrative; elements of type canonical
 * are not replaced. Version-specific references name the version that the transaction makes. A reference of the
 * form Type?query is replaced by its one match.
 *
 * The model tells what stands where, so nothing else that looks like a link is touched. Unchanged
 * parts are copied as bytes.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "interaction/bundle.h"
#include "interaction/interaction_internal.h"

typedef struct UrlEntry {
	uint64 hash;
	BundleEntry *entry;
} UrlEntry;

typedef struct ResolvedReference {
	uint64 hash;
	char *text; /* "Type/id" */
} ResolvedReference;

typedef struct Rewrite {
	Bundle *b;
	BundleEntry *entry;
	int base_len; /* of entry->full_url: "http://host/fhir/" when it is [base]/Type/id; else 0 */
} Rewrite;

static bool rewrite_value(Rewrite *r, const ModelType *t, JsonbValue *v);

static HTAB *
make_table(Bundle *b, const char *name, Size entrysize)
{
	HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = entrysize, .hcxt = b->context};

	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static uint64
hash_text(const char *s, int len)
{
	return fhir_hash(s, len, 0);
}

void
references_init(Bundle *b)
{
	b->full_urls = make_table(b, "FHIR fullUrls", sizeof(UrlEntry));
	b->conditions = make_table(b, "FHIR conditions", sizeof(UrlEntry));
	b->references = make_table(b, "FHIR conditional references", sizeof(ResolvedReference));
	for (int i = 0; i < b->n; i++) {
		BundleEntry *e = &b->entries[i];
		UrlEntry *u;
		uint64 h;
		bool found;

		if (e->method >= BUNDLE_GET || e->method == BUNDLE_DELETE)
			continue;
		if (bundle_creates(e) && e->condition) {
			u = hash_search(b->conditions, &e->condition_hash, HASH_ENTER, &found);
			u->entry = e;
		}
		if (!e->full_url)
			continue;
		h = hash_text(e->full_url, strlen(e->full_url));
		u = hash_search(b->full_urls, &h, HASH_ENTER, &found);
		if (found)
			ereport(ERROR,
					errcode(FH400),
					errmsg("two entries have the same fullUrl"),
					errdetail("Bundle.entry[%d] and Bundle.entry[%d]: %.200s", u->entry->index, e->index, e->full_url), errhint("Give each entry a fullUrl of its own, or send one of them in another Bundle."),
					fhir_issue("duplicate", psprintf("Bundle.entry[%d].fullUrl", e->index)));
		u->entry = e;
	}
}

static BundleEntry *
find_url(Rewrite *r, const char *s, int len)
{
	uint64 h = hash_text(s, len);
	UrlEntry *u = hash_search(r->b->full_urls, &h, HASH_FIND, NULL);

	return u && strlen(u->entry->full_url) == len && memcmp(u->entry->full_url, s, len) == 0 ? u->entry : NULL;
}

/* The entry that a link names: its fullUrl, or relative to the base of the fullUrl of the entry that it stands in. */
static BundleEntry *
find_link(Rewrite *r, const char *s, int len)
{
	BundleEntry *e = find_url(r, s, len);
	char *absolute;

	if (e || r->base_len == 0 || memchr(s, ':', len))
		return e;
	absolute = psprintf("%.*s%.*s", r->base_len, r->entry->full_url, len, s);
	e = find_url(r, absolute, strlen(absolute));
	pfree(absolute);
	return e;
}

/* "…/_history/3": length before it, or -1. */
static int
before_history(const char *s, int len)
{
	for (int i = len - 1; i > 0; i--)
		if (s[i] == '/')
			return i >= 9 && memcmp(s + i - 9, "/_history", 9) == 0 ? i - 9 : -1;
	return -1;
}

/* Replacement of a link to an entry of the Bundle, NULL if it is none. */
static char *
replace_link(Rewrite *r, const char *s, int len)
{
	BundleEntry *e = find_link(r, s, len);
	int cut;

	if (e)
		return psprintf("%s/%s", e->type->name, e->id);
	cut = before_history(s, len);
	if (cut > 0 && (e = find_link(r, s, cut)) != NULL)
		return e->version > 0 ? psprintf("%s/%s/_history/%d", e->type->name, e->id, e->version)
							  : psprintf("%s/%s", e->type->name, e->id);
	return NULL;
}

pg_noreturn static void
raise_unresolved(const char *reference, int len)
{
	ereport(ERROR,
			errcode(FH412),
			errmsg("a conditional reference matches nothing"),
			errdetail("Reference: %.*s", Min(len, 500), reference),
			errhint("Create its target first, or in the same transaction on the same condition."),
			fhir_issue("not-found", NULL));
}

/* "Practitioner?identifier=…" -> its match, in the store or among the entries that are created on that condition. */
static char *
replace_conditional(Rewrite *r, const char *s, int len)
{
	int tlen = (const char *) memchr(s, '?', len) - s;
	const ModelType *type = model_resource(s, tlen);
	uint64 h = hash_text(s, len);
	ResolvedReference *known;
	char *query;
	SearchMatch m;
	bool found;

	if (!type)
		return NULL;
	known = hash_search(r->b->references, &h, HASH_FIND, NULL);
	if (known)
		return known->text;
	query = pnstrdup(s + tlen + 1, len - tlen - 1);
	if (!condition_match(r->b->caller, type, query, &m)) {
		uint64 condition = condition_key(type, query);
		UrlEntry *u = hash_search(r->b->conditions, &condition, HASH_FIND, NULL);

		if (!u)
			raise_unresolved(s, len);
		strlcpy(m.id, u->entry->id, sizeof(m.id));
	}
	known = hash_search(r->b->references, &h, HASH_ENTER, &found);
	known->text = MemoryContextStrdup(r->b->context, psprintf("%s/%s", type->name, m.id));
	return known->text;
}

static bool
set_text(JsonbValue *v, char *s)
{
	if (!s || (strlen(s) == v->val.string.len && memcmp(s, v->val.string.val, v->val.string.len) == 0))
		return false;
	v->val.string.val = s;
	v->val.string.len = strlen(s);
	return true;
}

/* href="…" and src="…" of the narrative. */
static bool
rewrite_narrative(Rewrite *r, JsonbValue *v)
{
	const char *s = v->val.string.val, *end = s + v->val.string.len, *done = s;
	StringInfoData out;
	bool changed = false;

	for (const char *p = s; p + 6 < end; p++) {
		int attr = memcmp(p, "href=", 5) == 0 ? 5 : memcmp(p, "src=", 4) == 0 ? 4
																			  : 0;
		const char *from, *to;
		char *link;

		if (attr == 0 || (p[attr] != '"' && p[attr] != '\''))
			continue;
		from = p + attr + 1;
		to = memchr(from, p[attr], end - from);
		if (!to)
			break;
		link = replace_link(r, from, to - from);
		if (link) {
			if (!changed)
				initStringInfo(&out);
			changed = true;
			appendBinaryStringInfo(&out, done, from - done);
			appendStringInfoString(&out, link);
			done = to;
		}
		p = to;
	}
	if (!changed)
		return false;
	appendBinaryStringInfo(&out, done, end - done);
	v->val.string.val = out.data;
	v->val.string.len = out.len;
	return true;
}

static bool
rewrite_string(Rewrite *r, const ModelType *t, JsonbValue *v)
{
	switch (t->primitive) {
		case PRIM_URI:
		case PRIM_URL:
		case PRIM_OID:
		case PRIM_UUID:
			return set_text(v, replace_link(r, v->val.string.val, v->val.string.len));
		case PRIM_XHTML:
			return rewrite_narrative(r, v);
		default:
			return false;
	}
}

static bool
rewrite_reference(Rewrite *r, JsonbValue *v)
{
	const char *s = v->val.string.val;
	int len = v->val.string.len;

	if (len > 0 && *s == '#')
		return false;
	if (memchr(s, '?', len) && !memchr(s, ':', strcspn(s, "?")))
		return set_text(v, replace_conditional(r, s, len));
	return set_text(v, replace_link(r, s, len));
}

static const ModelType *
type_of_resource(JsonbContainer *c)
{
	JsonbValue v;

	if (!fhir_json_get_lit(c, "resourceType", &v) || v.type != jbvString)
		return NULL;
	return model_resource(v.val.string.val, v.val.string.len);
}

static bool
rewrite_member(Rewrite *r, const ModelType *t, JsonMember *m)
{
	const ModelProperty *p;

	if (t->id == MODEL_T_Reference && m->keylen == 9 && memcmp(m->key, "reference", 9) == 0 && m->value.type == jbvString)
		return rewrite_reference(r, &m->value);
	if (m->value.type != jbvString && m->value.type != jbvBinary)
		return false;
	if (m->keylen > 1 && m->key[0] == '_') /* id and extensions of a primitive */
		return rewrite_value(r, model_type_by_id(MODEL_T_Element), &m->value);
	p = model_property(t, m->key, m->keylen);
	return p && rewrite_value(r, model_type_by_id(p->type), &m->value);
}

static bool
rewrite_object(Rewrite *r, const ModelType *t, JsonbValue *v)
{
	JsonMember *members;
	int n, changed = 0;

	if (t->kind == MODEL_RESOURCE && (t = type_of_resource(v->val.binary.data)) == NULL)
		return false;
	n = json_members(v->val.binary.data, &members);
	for (int i = 0; i < n; i++)
		if (rewrite_member(r, t, &members[i]))
			members[changed++] = members[i];
	if (changed > 0)
		json_set_binary(v, json_splice(v->val.binary.data, members, changed));
	pfree(members);
	return changed > 0;
}

static bool
rewrite_array(Rewrite *r, const ModelType *t, JsonbValue *v)
{
	JsonbValue *elems;
	int n = json_elements(v->val.binary.data, &elems);
	bool changed = false;

	for (int i = 0; i < n; i++)
		changed |= rewrite_value(r, t, &elems[i]);
	if (changed)
		json_set_binary(v, json_array(elems, n));
	pfree(elems);
	return changed;
}

/* Rewrites a value of type t; true if it is another one now. */
static bool
rewrite_value(Rewrite *r, const ModelType *t, JsonbValue *v)
{
	check_stack_depth();
	if (v->type == jbvString)
		return rewrite_string(r, t, v);
	if (v->type != jbvBinary)
		return false;
	return JsonContainerIsArray(v->val.binary.data) ? rewrite_array(r, t, v) : rewrite_object(r, t, v);
}

/* "http://host/fhir/Patient/1" -> length of "http://host/fhir/"; 0 when the URL has not that form. */
static int
restful_base(const char *url)
{
	const char *id = url ? strrchr(url, '/') : NULL;
	const char *type = id;

	if (!id || strncmp(url, "http", 4) != 0)
		return 0;
	while (type > url && type[-1] != '/')
		type--;
	return model_resource(type, id - type) ? type - url : 0;
}

JsonbContainer *
references_rewrite(Bundle *b, BundleEntry *e)
{
	Rewrite r = {.b = b, .entry = e, .base_len = restful_base(e->full_url)};
	JsonbValue v = {.type = jbvBinary};

	v.val.binary.data = e->resource;
	rewrite_value(&r, e->type, &v);
	return v.val.binary.data;
}
