/*
 * bundle.c: reading a batch or transaction Bundle: entries, requests, URLs.
 */
#include "base/base.h"

#include "common/base64.h"
#include "utils/memutils.h"

#include "interaction/bundle.h"
#include "interaction/interaction_internal.h"

static const char *const method_names[] = {"DELETE", "POST", "PUT", "PATCH", "GET", "HEAD"};

pg_noreturn static void
raise_entry(const char *what, const char *value, const char *element)
{
	ereport(ERROR,
			errcode(FH400),
			errmsg("%s", what),
			value ? errdetail("Value: %.200s", value) : 0,
			errhint("An entry has a request with a method and a url (POST Patient, PUT Patient/id, GET Patient?name=x), and the resource that is to be written."),
			fhir_issue("value", element));
}

static void
parse_method(BundleEntry *e, JsonbContainer *request)
{
	char *method = fhir_json_get_string(request, "method");

	if (!method)
		raise_entry("the request has no method", NULL, "Bundle.request.method");
	for (int i = 0; i < lengthof(method_names); i++)
		if (strcmp(method, method_names[i]) == 0) {
			e->method = (BundleMethod) i;
			return;
		}
	raise_entry("unknown method of a request", method, "Bundle.request.method");
}

/* Relative to our base: absolute URLs may name this server only. */
static char *
relative_url(const Caller *caller, char *url)
{
	size_t base = strlen(caller->base);

	if (base > 0 && strncmp(url, caller->base, base) == 0 && strchr("/?", url[base]))
		url += base;
	else if (strstr(url, "://") && strcspn(url, "?") > strstr(url, "://") - url)
		raise_entry("the request's URL is not of this server", url, "Bundle.request.url");
	while (*url == '/')
		url++;
	return url;
}

/* Type, Type/id, Type?condition of a write. */
static void
parse_target(BundleEntry *e)
{
	size_t len = strcspn(e->url, "/?");
	const char *rest = e->url + len;

	if (e->method == BUNDLE_POST && strchr(e->url, '$'))
		ereport(ERROR, errcode(FH501), errmsg("operations in a Bundle are not supported"), errdetail("URL: %.200s", e->url),
				errhint("The CapabilityStatement tells which operations this server has; none can stand in a Bundle."),
				fhir_issue("not-supported", "Bundle.request.url"));
	e->type = interaction_require_type(e->url, len);
	if (*rest == '/') {
		strlcpy(e->id, rest + 1, sizeof(e->id));
		interaction_require_id(rest + 1);
	} else if (*rest == '?')
		e->condition = pstrdup(rest + 1);
	if (e->method == BUNDLE_POST ? *rest == '/' || *rest == '?' : *rest == '\0')
		raise_entry(e->method == BUNDLE_POST ? "the URL of a POST is a resource type"
											 : "the URL of this request is Type/id or Type?condition",
					e->url, "Bundle.request.url");
}

static void
require_resource(BundleEntry *e)
{
	char *type;

	if (e->method == BUNDLE_DELETE || e->method >= BUNDLE_GET)
		return;
	if (!e->resource)
		raise_entry("the entry has no resource", NULL, "Bundle.resource");
	type = fhir_json_get_string(e->resource, "resourceType");
	if (!type)
		raise_entry("the entry's resource has no resourceType", NULL, "Bundle.resource");
	if (e->method != BUNDLE_PATCH && strcmp(type, e->type->name) != 0)
		raise_entry("the resource is not of the type that the URL names", psprintf("%s, URL: %s", type, e->url),
					"Bundle.request.url");
	if (e->method == BUNDLE_PUT && !e->condition) {
		char *id = fhir_json_get_string(e->resource, "id");

		if (!id || strcmp(id, e->id) != 0)
			raise_entry("the resource's id is not that of the URL", psprintf("%s, URL: %s", id ? id : "(none)", e->url),
						"Bundle.resource.id");
	}
}

/* A member that is a condition or unknown to R4 must not be passed by: it was meant to keep something from being done. */
static void
check_request(JsonbContainer *r)
{
	static const char *const known[] = {"method", "url", "ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist", "id", "extension", "modifierExtension"};
	JsonMember *members;
	int n = json_members(r, &members);

	for (int i = 0; i < n; i++) {
		const char *name = pnstrdup(members[i].key, members[i].keylen);
		const JsonbValue *v = &members[i].value;
		int k = 0;

		while (k < lengthof(known) && strcmp(known[k], name[0] == '_' ? name + 1 : name) != 0)
			k++;
		if (k == lengthof(known))
			raise_entry("unknown element of a request", name, "Bundle.request");
		if (k < 6 && name[0] != '_' && (v->type != jbvString || v->val.string.len == 0))
			raise_entry("an element of a request is a text that is not empty", name, psprintf("Bundle.request.%s", name));
	}
}

static void
parse_entry(Bundle *b, BundleEntry *e)
{
	JsonbValue request;
	const char *condition;

	JsonbContainer *c = e->resource; /* the entry itself, until now */

	if (!fhir_json_get_lit(c, "request", &request) || request.type != jbvBinary ||
		!JsonContainerIsObject(request.val.binary.data))
		raise_entry("the entry has no request", NULL, "Bundle.request");
	JsonbContainer *r = request.val.binary.data;
	JsonbValue resource;

	e->full_url = fhir_json_get_string(c, "fullUrl");
	e->resource = NULL;
	if (fhir_json_get_lit(c, "resource", &resource) && resource.type == jbvBinary &&
		JsonContainerIsObject(resource.val.binary.data))
		e->resource = resource.val.binary.data;
	check_request(r);
	parse_method(e, r);
	e->url = fhir_json_get_string(r, "url");
	if (!e->url || !*e->url)
		raise_entry("the request has no URL", NULL, "Bundle.request.url");
	e->url = relative_url(b->caller, e->url);
	if (e->method == BUNDLE_POST && bundle_is_search(e->url)) {
		if (fhir_json_get_string(r, "ifNoneExist"))
			raise_entry("a search has no ifNoneExist", e->url, "Bundle.request.ifNoneExist");
		e->form = bundle_form(e->resource);
		e->method = BUNDLE_GET;
	}
	e->if_match = fhir_json_get_string(r, "ifMatch");
	e->if_none_match = fhir_json_get_string(r, "ifNoneMatch");
	e->if_modified_since = fhir_json_get_string(r, "ifModifiedSince");
	if (e->method < BUNDLE_GET) {
		parse_target(e);
		if (e->method == BUNDLE_POST && (condition = fhir_json_get_string(r, "ifNoneExist")) != NULL)
			e->condition = interaction_condition_query(e->type, condition);
		if (e->condition && !*e->condition)
			raise_entry("the condition is empty", NULL,
						e->method == BUNDLE_POST ? "Bundle.request.ifNoneExist" : "Bundle.request.url");
	}
	require_resource(e);
	if (e->condition)
		e->condition_hash = condition_key(e->type, e->condition);
}

/* Runs in a batch too: there an entry that cannot be read is answered by its own error (batch.c). */
void
bundle_parse(Bundle *b, JsonbContainer *doc)
{
	char *resource_type = fhir_json_get_string(doc, "resourceType");
	char *type = fhir_json_get_string(doc, "type");
	JsonbValue entry;
	JsonbValue *elems = NULL;

	if (!resource_type || strcmp(resource_type, "Bundle") != 0)
		raise_entry("a batch or transaction is a Bundle", resource_type, NULL);
	if (!type || (strcmp(type, "batch") != 0 && strcmp(type, "transaction") != 0))
		raise_entry("the Bundle is no batch and no transaction", type ? type : "(no type)", "Bundle.type");
	b->transaction = strcmp(type, "transaction") == 0;
	if (fhir_json_get_lit(doc, "entry", &entry)) {
		if (entry.type != jbvBinary || !JsonContainerIsArray(entry.val.binary.data))
			raise_entry("entry is no array", NULL, "Bundle.entry");
		b->n = json_elements(entry.val.binary.data, &elems);
	}
	if (b->n > fhir_max_bundle_entries)
		ereport(ERROR,
				errcode(FH413),
				errmsg("the Bundle has too many entries"),
				errdetail("It has %d; fhir.max_bundle_entries is %d.", b->n, fhir_max_bundle_entries),
				errhint("Send it in parts, or raise the setting."),
				fhir_issue("too-costly", "Bundle.entry"));
	b->entries = palloc0(sizeof(BundleEntry) * Max(b->n, 1));
	for (int i = 0; i < b->n; i++) {
		BundleEntry *e = &b->entries[i];

		Assert(elems != NULL);
		e->index = i;
		if (elems[i].type != jbvBinary || !JsonContainerIsObject(elems[i].val.binary.data))
			raise_entry(psprintf("Bundle.entry[%d] is no object", i), NULL, "Bundle.entry");
		e->resource = elems[i].val.binary.data;
		if (b->transaction)
			bundle_do(b, e, parse_entry);
	}
}

void
bundle_parse_entry(Bundle *b, BundleEntry *e)
{
	parse_entry(b, e);
}

/* "Patient.name[0]" within entry 3 -> "Bundle.entry[3].resource.name[0]" */
const char *
bundle_place(const BundleEntry *e, const char *expression)
{
	const char *dot = expression ? strchr(expression, '.') : NULL;

	if (expression && strncmp(expression, "Bundle.", 7) == 0)
		return psprintf("Bundle.entry[%d].%s", e->index, expression + 7);
	if (dot)
		return psprintf("Bundle.entry[%d].resource%s", e->index, dot);
	return psprintf("Bundle.entry[%d]", e->index);
}

void
bundle_raise(Bundle *b, const BundleEntry *e)
{
	ErrorData *edata;
	FhirIssue *issues;
	bool many;

	MemoryContextSwitchTo(b->context);
	edata = CopyErrorData();
	FlushErrorState();
	many = fhir_issues_pending() > 0;
	if (many) {
		int n = fhir_issues_take(edata, &issues);

		for (int i = 0; i < n; i++)
			fhir_issue_add(issues[i].severity, issues[i].code, bundle_place(e, issues[i].expression), issues[i].diagnostics);
	} else
		edata->column_name = (char *) bundle_place(e, edata->column_name);
	edata->message = psprintf("Bundle.entry[%d]: %s", e->index, edata->message);
	ReThrowError(edata);
}

void
bundle_do(Bundle *b, BundleEntry *e, void (*fn)(Bundle *b, BundleEntry *e))
{
	fhir_issues_reset(); /* of an error that somebody has caught before */
	PG_TRY();
	{
		fn(b, e);
	}
	PG_CATCH();
	{
		bundle_raise(b, e);
	}
	PG_END_TRY();
}

Jsonb *
bundle_patch(BundleEntry *e)
{
	char *type = fhir_json_get_string(e->resource, "resourceType");
	char *data, *text;
	int len;

	if (strcmp(type, "Parameters") == 0)
		return json_splice(e->resource, NULL, 0);
	data = strcmp(type, "Binary") == 0 ? fhir_json_get_string(e->resource, "data") : NULL;
	if (!data)
		raise_entry("a patch in a Bundle is a Parameters resource, or a Binary with a JSON Patch", type, "Bundle.resource");
	text = palloc(pg_b64_dec_len(strlen(data)) + 1);
	len = FhirBase64Decode(data, strlen(data), text, pg_b64_dec_len(strlen(data)));
	if (len < 0)
		raise_entry("the Binary's data is no base64", NULL, "Bundle.resource.data");
	return fhir_json_parse(text, len);
}
