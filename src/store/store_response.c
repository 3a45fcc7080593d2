/*
 * store_response.c: the response Bundle of a batch or transaction: one entry for each entry, in their order.
 */
#include "base/compat.h"

#include "base/error.h"
#include "base/settings.h"
#include "store/store_build.h"
#include "store/store_bundle.h"

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

static void
build_entry(Build *b, const BundleEntry *e)
{
	bool failed = entry_status(e) >= 400;

	build_object(b);
	if (e->answer && !failed)
		build_jsonb(b, "resource", &e->answer->root);
	build_key(b, "response");
	build_object(b);
	build_string(b, "status", status_text(entry_status(e)));
	if (!failed && e->method < BUNDLE_GET && e->method != BUNDLE_DELETE)
		build_string(b, "location",
					 psprintf("%s%s%s/%s/_history/%d", fhir_base_url, *fhir_base_url ? "/" : "", e->type->name, e->id,
							  e->result.version));
	if (!failed && e->result.version > 0)
		build_string(b, "etag", psprintf("W/\"%d\"", e->result.version));
	if (!failed && e->result.last_updated != 0)
		build_string(b, "lastModified", store_instant(e->result.last_updated));
	if (e->answer && failed)
		build_jsonb(b, "outcome", &e->answer->root);
	build_end_object(b);
	build_end_object(b);
}

Jsonb *
store_bundle_response(const Bundle *bundle)
{
	Build b = {0};

	build_object(&b);
	build_string(&b, "resourceType", "Bundle");
	build_string(&b, "type", bundle->transaction ? "transaction-response" : "batch-response");
	if (bundle->n > 0) {
		build_key(&b, "entry");
		build_array(&b);
		for (int i = 0; i < bundle->n; i++)
			build_entry(&b, &bundle->entries[i]);
		build_end_array(&b);
	}
	build_end_object(&b);
	return build_done(&b);
}

/* OperationOutcome of a caught error. */
Jsonb *
store_error_outcome(const ErrorData *edata)
{
	FhirIssue *issues;
	int n = fhir_issues_take(edata, &issues);
	Build b = {0};

	build_object(&b);
	build_string(&b, "resourceType", "OperationOutcome");
	build_key(&b, "issue");
	build_array(&b);
	for (int i = 0; i < n; i++) {
		build_object(&b);
		build_string(&b, "severity", issues[i].severity);
		build_string(&b, "code", issues[i].code);
		if (issues[i].diagnostics)
			build_string(&b, "diagnostics", issues[i].diagnostics);
		if (issues[i].expression) {
			build_key(&b, "expression");
			build_array(&b);
			build_string(&b, NULL, issues[i].expression);
			build_end_array(&b);
		}
		build_end_object(&b);
	}
	build_end_array(&b);
	build_end_object(&b);
	return build_done(&b);
}
