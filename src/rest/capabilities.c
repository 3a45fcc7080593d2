/*
 * capabilities.c: the CapabilityStatement, generated from what answers requests: the routes, the model's resource types,
 * and the search parameters that the keys know.
 *
 * Written once per backend, base URL and set of users' search parameters, and kept as text (some 300 KB) in a context of its own.
 */
#include "base/base.h"

#include "utils/formatting.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "keys/keys.h"
#include "rest/rest_internal.h"
#include "store/catalog/catalog.h"

static MemoryContext cache_context = NULL;
static char *cached_text = NULL;
static int cached_len = 0;
static char *cached_base = NULL;
static uint64 cached_params = 0; /* serial of the set of users' parameters, 0: none */

/* Members and elements are written with a comma before each but the first. */
typedef struct ListArg {
	StringInfo out;
	int n;
	const ModelType *type;
} ListArg;

static void
put_string(StringInfo out, const char *s)
{
	fhir_json_write_string(out, s, (int) strlen(s));
}

static void
put_interaction(const char *code, void *arg)
{
	ListArg *l = arg;

	appendStringInfo(l->out, "%s{\"code\":\"%s\"}", l->n++ ? "," : "", code);
}

static const char *
param_type_name(uint8 type)
{
	static const char *const names[] = {[PARAM_NUMBER] = "number", [PARAM_DATE] = "date", [PARAM_STRING] = "string", [PARAM_TOKEN] = "token", [PARAM_REFERENCE] = "reference", [PARAM_COMPOSITE] = "composite", [PARAM_QUANTITY] = "quantity", [PARAM_URI] = "uri", [PARAM_SPECIAL] = "special"};

	return names[type];
}

static void
put_search_param(const KeyParam *p, void *arg)
{
	ListArg *l = arg;

	if (strcmp(p->code, "_query") == 0) /* published for every type, but there is no named query */
		return;
	appendStringInfo(l->out, "%s{\"name\":", l->n++ ? "," : "");
	put_string(l->out, p->code);
	if (p->url) {
		appendStringInfoString(l->out, ",\"definition\":");
		put_string(l->out, p->url);
	}
	appendStringInfo(l->out, ",\"type\":\"%s\"}", param_type_name(p->type));
}

static void
put_search_include(const KeyParam *p, void *arg)
{
	ListArg *l = arg;

	if (p->type != PARAM_REFERENCE)
		return;
	appendStringInfo(l->out, ",\"%s:%s\"", l->type->name, p->code);
}

#define ANY_TYPES 100 /* as many targets mean "any" */

/* A parameter that may point at any type is left out: it would stand at every type. */
static void
put_rev_include(const KeyParam *p, void *arg)
{
	ListArg *l = arg;

	int ntargets = 0;

	while (p->targets && p->targets[ntargets] != MODEL_NONE)
		ntargets++;
	if (p->type != PARAM_REFERENCE || ntargets >= ANY_TYPES)
		return;
	for (int i = 0; i < ntargets; i++)
		if (p->targets[i] == l->type->id) {
			appendStringInfo(l->out, "%s\"%s:%s\"", l->n++ ? "," : "", p->base->name, p->code);
			return;
		}
}

static bool
is_served(const ModelType *t)
{
	return t->kind == MODEL_RESOURCE && !t->abstract && model_resource(t->name, (int) strlen(t->name)) != NULL;
}

static void
put_rev_includes(StringInfo out, const ModelType *type)
{
	ListArg l = {out, 0, type};

	appendStringInfoString(out, "\"searchRevInclude\":[");
	for (int i = 1; i < model_ntypes; i++)
		if (is_served(&model_types[i]))
			keys_params_each(store_key_context(), &model_types[i], put_rev_include, &l);
	appendStringInfoChar(out, ']');
	if (l.n == 0) /* an empty array is no FHIR */
		out->len -= (int) strlen("\"searchRevInclude\":[]");
	else
		appendStringInfoChar(out, ',');
}

static void
put_resource_type(StringInfo out, const ModelType *type)
{
	ListArg l = {out, 0, type};

	appendStringInfo(out, "{\"type\":\"%s\",\"profile\":\"http://hl7.org/fhir/StructureDefinition/%s\",\"interaction\":[",
					 type->name, type->name);
	rest_interactions(false, put_interaction, &l);
	appendStringInfoString(out,
						   "],\"versioning\":\"versioned-update\",\"readHistory\":true,\"updateCreate\":true,"
						   "\"conditionalCreate\":true,\"conditionalRead\":\"full-support\",\"conditionalUpdate\":true,"
						   "\"conditionalDelete\":\"single\",\"referencePolicy\":[\"literal\",\"logical\",\"local\"],"
						   "\"searchInclude\":[\"*\"");
	keys_params_each(store_key_context(), type, put_search_include, &l);
	appendStringInfoString(out, "],");
	put_rev_includes(out, type);
	appendStringInfoString(out, "\"searchParam\":[");
	l.n = 0;
	keys_params_each(store_key_context(), type, put_search_param, &l);
	appendStringInfoString(out, "]}");
}

/* Types that some type of resource can belong to by its parameters. */
static void
put_compartments(StringInfo out)
{
	static const char *const names[] = {"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"};

	appendStringInfoString(out, ",\"compartment\":[");
	for (int i = 0; i < lengthof(names); i++) {
		char *lower = asc_tolower(names[i], strlen(names[i]));

		appendStringInfo(out, "%s\"http://hl7.org/fhir/CompartmentDefinition/%s\"", i ? "," : "", lower);
	}
	appendStringInfoChar(out, ']');
}

static void
put_rest(StringInfo out)
{
	ListArg l = {out};
	int n = 0;

	appendStringInfoString(out, "\"rest\":[{\"mode\":\"server\",\"resource\":[");
	for (int i = 1; i < model_ntypes; i++)
		if (is_served(&model_types[i])) {
			if (n++ > 0)
				appendStringInfoChar(out, ',');
			put_resource_type(out, &model_types[i]);
		}
	appendStringInfoString(out, "],\"interaction\":[");
	rest_interactions(true, put_interaction, &l);
	/* of all types, and without a definition in R4 */
	appendStringInfoString(out, "],\"searchParam\":[{\"name\":\"_filter\",\"type\":\"special\"},{\"name\":\"_has\",\"type\":\"special\"},"
								"{\"name\":\"_list\",\"type\":\"special\"},{\"name\":\"_type\",\"type\":\"token\"}]");
	put_compartments(out);
	appendStringInfoString(out, "}]");
}

static void
put_statement(StringInfo out, const char *base, const KeyUserSet *user)
{
	char date[48];

	/* what is answered changes with the server's start, and with search parameters that users add */
	fhir_date_format_instant(Max(PgStartTime, user ? user->changed : 0) + INT64CONST(946684800000000), date);
	appendStringInfo(out,
					 "{\"resourceType\":\"CapabilityStatement\",\"status\":\"active\",\"date\":\"%s\",\"kind\":\"instance\","
					 "\"software\":{\"name\":\"fhir for PostgreSQL\",\"version\":\"%s\"},"
					 "\"implementation\":{\"description\":\"FHIR R4 server inside PostgreSQL\"",
					 date, FHIR_VERSION);
	if (base[0]) {
		appendStringInfoString(out, ",\"url\":");
		put_string(out, base);
	}
	appendStringInfoString(out, "},\"fhirVersion\":\"4.0.1\",\"format\":[\"application/fhir+json\",\"json\"],"
								"\"patchFormat\":[\"application/json-patch+json\",\"application/fhir+json\"],");
	put_rest(out);
	appendStringInfoChar(out, '}');
}

const char *
rest_capability_text(const char *base, int *len)
{
	const KeyUserSet *user = store_key_context().user;
	uint64 params = user ? user->serial : 0;

	if (cached_text == NULL || strcmp(cached_base, base) != 0 || cached_params != params) {
		StringInfoData s;
		MemoryContext old;

		initStringInfo(&s);
		put_statement(&s, base, user);
		cached_text = NULL;
		if (cache_context == NULL)
			cache_context = AllocSetContextCreate(TopMemoryContext, "fhir capabilities", ALLOCSET_SMALL_SIZES);
		MemoryContextReset(cache_context);
		old = MemoryContextSwitchTo(cache_context);
		cached_base = pstrdup(base);
		cached_len = s.len;
		cached_params = params;
		cached_text = pnstrdup(s.data, s.len);
		MemoryContextSwitchTo(old);
		pfree(s.data);
	}
	*len = cached_len;
	return cached_text;
}

void
rest_capabilities(RestRequest *req, RestResponse *res)
{
	int len;
	const char *text = rest_capability_text(req->caller.base, &len);

	if (req->summary || req->elements) {
		static const char type[] = "CapabilityStatement";

		req->type = model_resource(type, (int) strlen(type)); /* so that it is known what is to be left out */
		rest_put_resource(req, res, &fhir_json_parse_own(text, len)->root);
	} else if (req->pretty)
		fhir_json_indent_text(&res->body, text, len);
	else
		appendBinaryStringInfo(&res->body, text, len);
	res->status = 200;
}
