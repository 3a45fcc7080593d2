/*
 * store_valueset.c: is a code in a value set? For FHIRPath's memberOf(); by the ValueSets and CodeSystems of the store.
 *
 * An expansion decides, if the ValueSet has a whole one; else what its compose lists: concepts, other value sets, systems whose
 * CodeSystem the store holds completely. Filters and unknown systems leave the answer open (-1).
 */
#include "base/compat.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/json.h"
#include "fhirpath/fhirpath.h"
#include "store/store_internal.h"
#include "store/store_query.h"

#define MAX_NESTING 20 /* value sets that include others */

typedef struct Code {
	const char *system; /* NULL: not known, any */
	int slen;
	const char *code;
	int clen;
} Code;

static int value_set_member(const char *url, int len, const Code *c, int depth);

static bool
string_is(const JsonbValue *v, const char *s, int len)
{
	return v->type == jbvString && v->val.string.len == len && memcmp(v->val.string.val, s, len) == 0;
}

/* The array `key` of c as an iterator; NULL if there is none. */
static JsonbIterator *
array_of(JsonbContainer *c, const char *key)
{
	JsonbValue v;
	JsonbIterator *it;

	if (!fhir_json_get(c, key, strlen(key), &v) || v.type != jbvBinary || !JsonContainerIsArray(v.val.binary.data))
		return NULL;
	it = JsonbIteratorInit(v.val.binary.data);
	JsonbIteratorNext(&it, &v, true);
	return it;
}

static bool
next(JsonbIterator **it, JsonbValue *v)
{
	return *it != NULL && JsonbIteratorNext(it, v, true) == WJB_ELEM;
}

/* A search value: what separates values in a query is escaped. */
static void
append_value(StringInfo query, const char *s, int len)
{
	StringInfoData value;

	initStringInfo(&value);
	for (int i = 0; i < len; i++) {
		if (strchr(",|$\\", s[i]) != NULL)
			appendStringInfoChar(&value, '\\');
		appendStringInfoChar(&value, s[i]);
	}
	store_query_encode(query, value.data);
}

/* The one resource of the type with this canonical URL ("url" or "url|version"), NULL if there is none or more. */
static JsonbContainer *
by_url(const ModelType *type, const char *url, int len)
{
	const char *bar = memchr(url, '|', len);
	StringInfoData query;
	StoreMatch match[2];
	StoreResult r;

	if (store_match_hook == NULL || len == 0)
		return NULL;
	initStringInfo(&query);
	appendStringInfoString(&query, "url=");
	append_value(&query, url, bar ? bar - url : len);
	if (bar) {
		appendStringInfoString(&query, "&version=");
		append_value(&query, bar + 1, url + len - bar - 1);
	}
	if (store_match_hook(type, query.data, match, 1) != 1 || !store_read(type, match[0].id, &r) || r.deleted)
		return NULL;
	return &r.resource->root;
}

/* Is the code among c's list `key` (concept, contains), nested ones too? *seen counts the entries. */
static bool
listed(JsonbContainer *c, const char *key, const Code *code, int *seen)
{
	JsonbIterator *it = array_of(c, key);
	JsonbValue v, part;

	check_stack_depth();
	while (next(&it, &v)) {
		if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
			continue;
		CHECK_FOR_INTERRUPTS();
		(*seen)++;
		if (fhir_json_get(v.val.binary.data, "code", 4, &part) && string_is(&part, code->code, code->clen) &&
			(code->system == NULL || !fhir_json_get(v.val.binary.data, "system", 6, &part) ||
			 string_is(&part, code->system, code->slen)) &&
			!(fhir_json_get(v.val.binary.data, "abstract", 8, &part) && part.type == jbvBool && part.val.boolean))
			return true;
		if (listed(v.val.binary.data, key, code, seen))
			return true;
	}
	return false;
}

/* All of a system: only a complete CodeSystem tells. */
static int
system_member(const char *url, int len, const Code *code)
{
	const ModelType *type = model_resource("CodeSystem", 10);
	JsonbContainer *cs = by_url(type, url, len);
	JsonbValue v;
	int seen = 0;

	if (cs == NULL || !fhir_json_get(cs, "content", 7, &v) || !string_is(&v, "complete", 8))
		return -1;
	return listed(cs, "concept", code, &seen);
}

/* One include or exclude: all that it says must hold. */
static int
part_member(JsonbContainer *part, const Code *code, int depth)
{
	JsonbIterator *sets = array_of(part, "valueSet");
	JsonbValue v, system;
	bool has_system = fhir_json_get(part, "system", 6, &system) && system.type == jbvString;
	int result = 1, r, seen = 0;

	if (has_system && code->system != NULL && !string_is(&system, code->system, code->slen))
		return 0;
	while (next(&sets, &v)) {
		r = v.type == jbvString ? value_set_member(v.val.string.val, v.val.string.len, code, depth + 1) : -1;
		if (r == 0)
			return 0;
		if (r < 0)
			result = -1;
	}
	if (!has_system)
		return result;
	if (array_of(part, "concept") != NULL)
		r = listed(part, "concept", code, &seen);
	else if (array_of(part, "filter") != NULL)
		r = -1;
	else
		r = system_member(system.val.string.val, system.val.string.len, code);
	return r == 0 ? 0 : r < 0 ? -1 : result;
}

static int
compose_member(JsonbContainer *compose, const Code *code, int depth)
{
	JsonbIterator *it = array_of(compose, "include");
	JsonbValue v;
	int result = 0, r;

	while (result != 1 && next(&it, &v))
		if (v.type == jbvBinary && (r = part_member(v.val.binary.data, code, depth)) != 0)
			result = r;
	if (result == 0)
		return 0;
	it = array_of(compose, "exclude");
	while (next(&it, &v)) {
		r = v.type == jbvBinary ? part_member(v.val.binary.data, code, depth) : 0;
		if (r == 1)
			return 0;
		if (r < 0)
			result = -1;
	}
	return result;
}

static int
value_set_member(const char *url, int len, const Code *code, int depth)
{
	const ModelType *type = model_resource("ValueSet", 8);
	JsonbContainer *vs = depth < MAX_NESTING ? by_url(type, url, len) : NULL;
	JsonbValue v, total;
	int seen = 0;

	if (vs == NULL)
		return -1;
	if (fhir_json_get(vs, "expansion", 9, &v) && v.type == jbvBinary) {
		if (listed(v.val.binary.data, "contains", code, &seen))
			return 1;
		/* a page of an expansion, or one that is too long to be listed, does not tell what is missing */
		if (seen > 0 && !(fhir_json_get(v.val.binary.data, "total", 5, &total) && total.type == jbvNumeric &&
						  DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(total.val.numeric))) > seen))
			return 0;
	}
	if (fhir_json_get(vs, "compose", 7, &v) && v.type == jbvBinary)
		return compose_member(v.val.binary.data, code, depth);
	return -1;
}

/* For fhirpath_member_of_hook. */
int
store_value_set_member(const char *valueset, int vslen, const char *system, int slen, const char *code, int clen)
{
	Code c = {system, slen, code, clen};

	return value_set_member(valueset, vslen, &c, 0);
}
