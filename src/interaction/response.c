/*
 * response.c: the response Bundle of a batch or transaction: one entry for each entry, in their order.
 */
#include "base/base.h"

#include "interaction/bundle.h"
#include "interaction/interaction_internal.h"

static const char *
status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {{200, "200 OK"},
				 {201, "201 Created"},
				 {204, "204 No Content"},
				 {304, "304 Not Modified"},
				 {400, "400 Bad Request"},
				 {401, "401 Unauthorized"},
				 {403, "403 Forbidden"},
				 {404, "404 Not Found"},
				 {405, "405 Method Not Allowed"},
				 {409, "409 Conflict"},
				 {410, "410 Gone"},
				 {412, "412 Precondition Failed"},
				 {413, "413 Content Too Large"},
				 {422, "422 Unprocessable Entity"},
				 {500, "500 Internal Server Error"},
				 {501, "501 Not Implemented"},
				 {503, "503 Service Unavailable"}};

	for (int i = 0; i < lengthof(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return psprintf("%d", status);
}

static int
entry_status(const BundleEntry *e)
{
	if (e->status != 0)
		return e->status;
	if (e->method == BUNDLE_DELETE)
		return 204;
	return e->result.created ? 201 : 200;
}

/* The version that the entry left or found, for return=representation */
static Jsonb *
written(const BundleEntry *e)
{
	StoreResult r;

	if (e->method != BUNDLE_DELETE && e->method < BUNDLE_GET && e->result.version > 0 &&
		store_vread(e->type, e->id, e->result.version, &r))
		return r.resource;
	return NULL;
}

/* What was done, for return=OperationOutcome: as a single interaction says it */
static void
build_done_outcome(Build *b, const BundleEntry *e)
{
	const StoreResult *r = &e->result;
	FhirIssue issue = {"information", "informational"};

	if (e->method == BUNDLE_DELETE)
		issue.diagnostics = e->id[0] ? psprintf("deleted %s/%s", e->type->name, e->id) : pstrdup("deleted nothing: there was no match");
	else
		issue.diagnostics = psprintf("%s %s/%s, version %d", r->created ? "created" : r->unchanged ? "unchanged"
																								   : "updated",
									 e->type->name, e->id, r->version);
	build_jsonb(b, "outcome", &fhir_outcome(&issue, 1)->root);
}

static void
build_entry(Build *b, const Bundle *bundle, const BundleEntry *e)
{
	InteractionReturn wanted = bundle->wanted;
	const char *base = bundle->caller->base;
	int status = entry_status(e);
	bool failed = status >= 400;
	Jsonb *resource = failed ? NULL : e->answer;

	if (!failed && !resource && wanted == INTERACTION_RETURN_RESOURCE)
		resource = written(e);
	build_object(b);
	if (resource)
		build_jsonb(b, "resource", &resource->root);
	build_key(b, "response");
	build_object(b);
	/* 204 has no content */
	build_string(b, "status", status_text(status == 204 && wanted == INTERACTION_RETURN_OUTCOME ? 200 : status));
	if (!failed && e->method < BUNDLE_GET && e->method != BUNDLE_DELETE)
		build_string(b, "location",
					 psprintf("%s%s%s/%s/_history/%d", base, *base ? "/" : "", e->type->name, e->id,
							  e->result.version));
	if (!failed && e->result.version > 0)
		build_string(b, "etag", psprintf("W/\"%d\"", e->result.version));
	if (!failed && e->result.last_updated != 0)
		build_string(b, "lastModified", interaction_instant(e->result.last_updated));
	if (e->answer && failed)
		build_jsonb(b, "outcome", &e->answer->root);
	else if (!failed && wanted == INTERACTION_RETURN_OUTCOME && e->method < BUNDLE_GET)
		build_done_outcome(b, e);
	build_end_object(b);
	build_end_object(b);
}

Jsonb *
bundle_response(const Bundle *bundle)
{
	Build b = {0};

	build_object(&b);
	build_string(&b, "resourceType", "Bundle");
	build_string(&b, "type", bundle->transaction ? "transaction-response" : "batch-response");
	if (bundle->n > 0) {
		build_key(&b, "entry");
		build_array(&b);
		for (int i = 0; i < bundle->n; i++)
			build_entry(&b, bundle, &bundle->entries[i]);
		build_end_array(&b);
	}
	build_end_object(&b);
	return build_done(&b);
}

/* OperationOutcome of a caught error. */
Jsonb *
interaction_error_outcome(const ErrorData *edata)
{
	FhirIssue *issues;
	int n = fhir_issues_take(edata, &issues);

	for (int i = 0; i < n; i++)
		issues[i].text = NULL; /* said by the diagnostics, which begin with it */
	return fhir_outcome(issues, n);
}
