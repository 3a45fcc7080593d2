/*
 * search_terminology.c: token :in, :not-in, :above, :below, by the ValueSets and CodeSystems in the store.
 *
 * A value set is made a list of (system, code), code NULL for a whole system, and each becomes a hash.
 * Nothing is taken for empty: what is not in the store, or uses a filter that is not understood, is refused
 * by name.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "base/error.h"
#include "base/json.h"
#include "base/settings.h"
#include "search/search_internal.h"
#include "store/store.h"

typedef struct Code {
	const char *system, *code; /* code NULL: every code of the system */
} Code;

typedef struct CodeSet {
	Code *codes;
	int n, max;
} CodeSet;

static void
add_code(CodeSet *set, const char *system, const char *code)
{
	if (set->n == set->max) {
		set->max = set->max ? set->max * 2 : 64;
		set->codes =
		    set->codes ? repalloc(set->codes, set->max * sizeof(Code)) : palloc(set->max * sizeof(Code));
	}
	set->codes[set->n++] = (Code){system, code};
}

static bool
covers(const Code *a, const Code *b)
{
	return strcmp(a->system, b->system) == 0 &&
	       (a->code == NULL || (b->code && strcmp(a->code, b->code) == 0));
}

static bool
set_has(const CodeSet *set, const Code *c)
{
	for (int i = 0; i < set->n; i++)
		if (covers(&set->codes[i], c))
			return true;
	return false;
}

/* a and b, either of which may name whole systems. */
static CodeSet
intersect(const CodeSet *a, const CodeSet *b)
{
	CodeSet out = {0};

	for (int i = 0; i < a->n; i++)
		if (set_has(b, &a->codes[i]))
			add_code(&out, a->codes[i].system, a->codes[i].code);
	for (int i = 0; i < b->n; i++)
		if (set_has(a, &b->codes[i]) && !set_has(&out, &b->codes[i]))
			add_code(&out, b->codes[i].system, b->codes[i].code);
	return out;
}

static void
not_supported(const char *what, const char *url)
{
	ereport(ERROR, errcode(FH400), errmsg("%s", what), errdetail("In \"%.200s\".", url),
	        fhir_issue("not-supported", NULL));
}

/* ---- JSON ---- */

static JsonbContainer *
array_of(JsonbContainer *c, const char *name)
{
	JsonbValue v;

	if (!fhir_json_get(c, name, strlen(name), &v) || v.type != jbvBinary ||
	    !JsonContainerIsArray(v.val.binary.data))
		return NULL;
	return v.val.binary.data;
}

static JsonbContainer *
object_of(JsonbContainer *c, const char *name)
{
	JsonbValue v;

	if (!fhir_json_get(c, name, strlen(name), &v) || v.type != jbvBinary ||
	    !JsonContainerIsObject(v.val.binary.data))
		return NULL;
	return v.val.binary.data;
}

static JsonbContainer *
object_at(JsonbContainer *array, int i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	return v && v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data) ? v->val.binary.data : NULL;
}

#define FOREACH_OBJECT(array, o)                                                                             \
	for (int i_ = 0, n_ = (array) ? (int)JsonContainerSize(array) : 0; i_ < n_; i_++)                        \
		if ((o = object_at(array, i_)) != NULL)

/* ---- documents ---- */

typedef struct Found {
	Jsonb *doc;
	const char *version;
} Found;

static void
take_document(int i, Jsonb *doc, void *arg)
{
	Found *f = arg;
	char *version = fhir_json_get_string(&doc->root, "version");

	if (f->doc == NULL && (f->version == NULL || (version && strcmp(version, f->version) == 0))) {
		f->doc = palloc(VARSIZE(doc));
		memcpy(f->doc, doc, VARSIZE(doc));
	}
}

/* The resource with that canonical URL (perhaps `|version`), or "Type/id": the newest; NULL if there is none.
 */
static Jsonb *
load(const ModelType *type, const char *url)
{
	SearchRequest req = {0};
	Found found = {0};
	SearchRow rows[20];
	SqlText s;
	char *canonical = pstrdup(url), *bar = strchr(canonical, '|');
	const KeyParam *p = search_param(type, "url", 3);
	Crit *c;
	int n, tlen = strlen(type->name);

	memset(rows, 0, sizeof(rows));
	req.context = CurrentMemoryContext;
	if (bar) {
		*bar = '\0';
		found.version = bar + 1;
	}
	if (strncmp(url, type->name, tlen) == 0 && url[tlen] == '/') {
		c = crit_new(CRIT_ID);
		crit_add_value(c, canonical + tlen + 1);
	} else {
		c = crit_new(CRIT_KEYS);
		crit_add_key(c, keys_uri(p->legs[0].source, canonical, strlen(canonical)));
	}
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version");
	sql_from_where(&s, "r", LEG_TERMINOLOGY, &type, 1, &c, 1);
	appendStringInfo(&s.sql, " ORDER BY r.last_updated DESC, r.rid DESC LIMIT %d", (int)lengthof(rows));
	search_run(&req, &s, "value set");
	n = SPI_processed;
	for (int i = 0; i < n; i++) {
		bool null;

		rows[i].rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		rows[i].version =
		    DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	search_documents(&req, rows, n, take_document, &found);
	return found.doc;
}

static Jsonb *
require(const ModelType *type, const char *url)
{
	Jsonb *doc = load(type, url);

	if (doc == NULL)
		ereport(ERROR, errcode(FH400),
		        errmsg("%s \"%.200s\" is not in this store",
		               type->id == MODEL_T_ValueSet ? "value set" : "code system", url),
		        errhint("Store it as a %s resource first.", type->name), fhir_issue("not-found", NULL));
	return doc;
}

/* ---- code systems ---- */

/* Adds the codes of a concept list; with root: only below (or, below false, above) the code `root`. True if
 * root was met. */
static bool
concepts(CodeSet *out, const char *system, JsonbContainer *list, const char *root, bool below, bool self,
         bool inside)
{
	JsonbContainer *o;
	bool met = false;

	check_stack_depth();
	FOREACH_OBJECT(list, o)
	{
		char *code = fhir_json_get_string(o, "code");
		bool is_root = root && code && strcmp(code, root) == 0;
		bool in_children;

		if (code == NULL)
			continue;
		if (root == NULL || (is_root && self) || (below && inside))
			add_code(out, system, code);
		in_children =
		    concepts(out, system, array_of(o, "concept"), root, below, self, inside || (is_root && below));
		if (in_children && !below && !is_root)
			add_code(out, system, code); /* an ancestor */
		met = met || is_root || in_children;
	}
	return met;
}

static void
hierarchy(CodeSet *out, const char *system, const char *code, bool below, bool self)
{
	Jsonb *doc = require(model_type_by_id(MODEL_T_CodeSystem), system);

	if (!concepts(out, system, array_of(&doc->root, "concept"), code, below, self, false))
		ereport(ERROR, errcode(FH400), errmsg("code system \"%.200s\" has no code \"%.100s\"", system, code),
		        fhir_issue("not-found", NULL));
}

/* ---- value sets ---- */

static CodeSet value_set(const char *url, int depth);

static CodeSet
filtered(JsonbContainer *filters, const char *system, const char *url)
{
	CodeSet out = {0};
	JsonbContainer *f;
	bool first = true;

	FOREACH_OBJECT(filters, f)
	{
		char *property = fhir_json_get_string(f, "property"), *op = fhir_json_get_string(f, "op"),
		     *value = fhir_json_get_string(f, "value");
		CodeSet one = {0};

		if (!property || !op || !value || (strcmp(property, "concept") != 0 && strcmp(property, "code") != 0))
			not_supported("a filter of the value set is not supported: property other than concept", url);
		if (strcmp(op, "is-a") == 0)
			hierarchy(&one, system, value, true, true);
		else if (strcmp(op, "descendent-of") == 0)
			hierarchy(&one, system, value, true, false);
		else if (strcmp(op, "generalizes") == 0)
			hierarchy(&one, system, value, false, true);
		else if (strcmp(op, "=") == 0)
			add_code(&one, system, value);
		else
			not_supported(psprintf("a filter of the value set is not supported: op \"%s\"", op), url);
		out = first ? one : intersect(&out, &one);
		first = false;
	}
	return out;
}

static CodeSet
component(JsonbContainer *include, const char *url, int depth)
{
	CodeSet out = {0};
	char *system = fhir_json_get_string(include, "system");
	JsonbContainer *list = array_of(include, "concept"), *filters = array_of(include, "filter"),
	               *sets = array_of(include, "valueSet"), *o;
	bool first = system == NULL;

	if (system && list) {
		FOREACH_OBJECT(list, o)
		{
			char *code = fhir_json_get_string(o, "code");

			if (code)
				add_code(&out, system, code);
		}
	} else if (system && filters)
		out = filtered(filters, system, url);
	else if (system)
		add_code(&out, system, NULL);
	for (int i = 0; sets && i < JsonContainerSize(sets); i++) {
		JsonbValue *v = getIthJsonbValueFromContainer(sets, i);
		CodeSet other;

		if (v->type != jbvString)
			continue;
		other = value_set(pnstrdup(v->val.string.val, v->val.string.len), depth + 1);
		out = first ? other : intersect(&out, &other);
		first = false;
	}
	return out;
}

static CodeSet
subtract(const CodeSet *a, const CodeSet *b, const char *url)
{
	CodeSet out = {0};

	for (int i = 0; i < a->n; i++) {
		if (set_has(b, &a->codes[i]))
			continue;
		if (a->codes[i].code == NULL)
			for (int k = 0; k < b->n; k++)
				if (strcmp(b->codes[k].system, a->codes[i].system) == 0)
					not_supported("the value set excludes codes of a system that it includes as a whole",
					              url);
		add_code(&out, a->codes[i].system, a->codes[i].code);
	}
	return out;
}

static void
expansion(CodeSet *out, JsonbContainer *contains)
{
	JsonbContainer *o;

	check_stack_depth();
	FOREACH_OBJECT(contains, o)
	{
		char *system = fhir_json_get_string(o, "system"), *code = fhir_json_get_string(o, "code");

		if (system && code)
			add_code(out, system, code);
		expansion(out, array_of(o, "contains"));
	}
}

static CodeSet
value_set(const char *url, int depth)
{
	Jsonb *doc;
	JsonbContainer *compose, *o;
	CodeSet out = {0}, excluded = {0};

	if (depth > 20)
		not_supported("value sets include each other too deeply, or in a circle", url);
	doc = require(model_type_by_id(MODEL_T_ValueSet), url);
	compose = object_of(&doc->root, "compose");
	if (compose == NULL) {
		JsonbContainer *e = object_of(&doc->root, "expansion");

		if (e == NULL)
			not_supported("the value set has neither compose nor expansion", url);
		expansion(&out, array_of(e, "contains"));
		return out;
	}
	FOREACH_OBJECT(array_of(compose, "include"), o)
	{
		CodeSet part = component(o, url, depth);

		for (int i = 0; i < part.n; i++)
			add_code(&out, part.codes[i].system, part.codes[i].code);
	}
	FOREACH_OBJECT(array_of(compose, "exclude"), o)
	{
		CodeSet part = component(o, url, depth);

		for (int i = 0; i < part.n; i++)
			add_code(&excluded, part.codes[i].system, part.codes[i].code);
	}
	return excluded.n ? subtract(&out, &excluded, url) : out;
}

/* ---- criteria ---- */

static Crit *
codes_criterion(const KeyParam *p, const KeyLeg *leg, const CodeSet *set)
{
	Crit *c = crit_new(CRIT_FALSE);

	if (set->n > fhir_max_search_values)
		ereport(ERROR, errcode(FH400), errmsg("too many codes for search parameter \"%s\"", p->code),
		        errdetail("%d codes; fhir.max_search_values is %d.", set->n, fhir_max_search_values),
		        fhir_issue("too-costly", NULL));
	for (int i = 0; i < set->n; i++) {
		const Code *code = &set->codes[i];
		Crit *one;
		uint64 key;

		switch (keys_token(leg->source, code->system, strlen(code->system), code->code,
		                   code->code ? (int)strlen(code->code) : -1, &key)) {
			case KEYS_NEVER:
				continue;
			case KEYS_BY_KEY:
				one = crit_new(CRIT_KEYS);
				crit_add_key(one, key);
				break;
			case KEYS_PRESENT:
				one = search_present(leg);
				break;
			default:
				not_supported("this parameter can't be compared with value sets", p->code);
				continue;
		}
		c = crit_join(CRIT_OR, c, one);
	}
	return c;
}

Crit *
search_in_value_set(const KeyParam *p, const KeyLeg *leg, const char *url)
{
	CodeSet set = value_set(url, 0);

	return codes_criterion(p, leg, &set);
}

Crit *
search_code_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *value, bool below)
{
	char **parts;
	int n = search_split(value, '|', &parts);
	const char *system = n == 2 ? search_unescape(parts[0]) : leg->source->system;
	CodeSet set = {0};

	if (n > 2 || system == NULL || *system == '\0' || *parts[n - 1] == '\0')
		search_bad_value(p->code, value, "a hierarchy needs system|code", NULL);
	hierarchy(&set, system, search_unescape(parts[n - 1]), below, true);
	return codes_criterion(p, leg, &set);
}
