/*
 * rest_outcome.c: the response that an error becomes.
 */
#include "base/base.h"

#include "utils/elog.h"

#include "rest/rest_internal.h"

/* Each issue also says in words for people what its diagnostics are. */
void
rest_write_outcome(StringInfo out, const char *id, const FhirIssue *issues, int n, bool pretty)
{
	FhirIssue *shown = palloc(n * sizeof(FhirIssue));
	StringInfoData text;

	for (int i = 0; i < n; i++) {
		shown[i] = issues[i];
		if (shown[i].text == NULL)
			shown[i].text = shown[i].diagnostics;
	}
	if (!pretty) {
		fhir_outcome_write(out, id, shown, n);
		return;
	}
	initStringInfo(&text);
	fhir_outcome_write(&text, id, shown, n);
	fhir_json_indent_text(out, text.data, text.len);
	pfree(text.data);
}

/* The request's own id, so that the client's, the gateway's and the server's logs can be joined by it. */
static const char *
outcome_id(const RestRequest *req)
{
	char *id = rest_header(req, "x-request-id");

	if (id == NULL || !rest_valid_id(id, strlen(id))) {
		id = palloc(37);
		fhir_uuid_new(id);
	}
	return id;
}

/* What the client is not told goes to the log, under the outcome's id. */
static void
log_error(const ErrorData *edata, const char *id)
{
	ereport(LOG_SERVER_ONLY, errcode(edata->sqlerrcode),
			errmsg("fhir_http: %s", edata->message ? edata->message : "unknown error"),
			errdetail_log("SQLSTATE %s, outcome %s. %s", unpack_sql_state(edata->sqlerrcode), id,
						  edata->detail ? edata->detail : ""),
			edata->context ? errcontext("%s", edata->context) : 0);
}

void
rest_error_response(const RestRequest *req, const ErrorData *edata, RestResponse *res)
{
	FhirIssue *issues;
	int n = fhir_issues_take(edata, &issues);
	const char *id = outcome_id(req);

	res->status = fhir_http_status(edata->sqlerrcode);
	res->location = res->content_type = NULL;
	if (res->status != 410)
		res->version = 0;
	for (int i = 0; i < n; i++)
		if (strcmp(issues[i].code, "transient") == 0 || strcmp(issues[i].code, "lock-error") == 0 ||
			strcmp(issues[i].code, "timeout") == 0)
			res->retry = true;
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) != MAKE_SQLSTATE('F', 'H', '0', '0', '0') || res->status >= 500)
		log_error(edata, id);
	if (res->allow == NULL && res->status == 405)
		res->allow = "GET, HEAD"; /* a read-only node */
	res->body.len = VARHDRSZ;
	rest_write_outcome(&res->body, id, issues, n, req->pretty);
}
