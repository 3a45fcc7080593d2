/*
 * error.c: from an error to OperationOutcome findings and an HTTP status; the one table of both.
 *
 * Errors of this extension (SQLSTATE class FH) say what the client did wrong and are told in full. Errors of PostgreSQL
 * are told by a fixed sentence: their own text may hold SQL, values of other patients, or names of files.
 */
#include "base/compat.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "base/error.h"
#include "base/settings.h"

typedef struct ErrorRule {
	int sqlerrcode; /* a whole SQLSTATE, or its class when by_class */
	bool by_class;
	int status;
	const char *code; /* IssueType */
	const char *text; /* NULL: the error's own text is for the client */
} ErrorRule;

/* First match wins: single codes before their classes. */
static const ErrorRule rules[] = {
	{FH304, false, 304, "informational", NULL},
	{FH400, false, 400, "invalid", NULL},
	{FH401, false, 401, "login", NULL},
	{FH403, false, 403, "forbidden", NULL},
	{FH404, false, 404, "not-found", NULL},
	{FH405, false, 405, "not-supported", NULL},
	{FH406, false, 406, "not-supported", NULL},
	{FH409, false, 409, "conflict", NULL},
	{FH410, false, 410, "deleted", NULL},
	{FH412, false, 412, "conflict", NULL},
	{FH413, false, 413, "too-long", NULL},
	{FH414, false, 414, "too-long", NULL},
	{FH415, false, 415, "not-supported", NULL},
	{FH422, false, 422, "processing", NULL},
	{FH501, false, 501, "not-supported", NULL},
	{FH503, false, 503, "transient", NULL},
	{FH507, false, 507, "no-store", NULL},
	{ERRCODE_READ_ONLY_SQL_TRANSACTION, false, 405, "not-supported",
	 "this server is a read-only replica or in a read-only transaction: send writes to the primary"},
	{ERRCODE_T_R_SERIALIZATION_FAILURE, false, 409, "lock-error",
	 "a concurrent request changed the same resources: send the request again"},
	{ERRCODE_T_R_DEADLOCK_DETECTED, false, 409, "lock-error",
	 "a concurrent request holds the same resources: send the request again"},
	{ERRCODE_LOCK_NOT_AVAILABLE, false, 409, "lock-error",
	 "a concurrent request holds the same resource: send the request again"},
	{ERRCODE_UNIQUE_VIOLATION, false, 409, "lock-error",
	 "a concurrent request made the same resource: send the request again"},
	{ERRCODE_QUERY_CANCELED, false, 503, "timeout", "the request took longer than this server allows"},
	{ERRCODE_DISK_FULL, false, 507, "no-store", "the server has no space left to store the resource"},
	{ERRCODE_STATEMENT_TOO_COMPLEX, false, 400, "too-costly", "the request is nested too deeply"},
	{ERRCODE_PROGRAM_LIMIT_EXCEEDED, true, 413, "too-long", "the request holds a value that is too large to be stored"},
	{ERRCODE_INSUFFICIENT_PRIVILEGE, false, 403, "forbidden", "the database user may not do this"},
	{ERRCODE_INSUFFICIENT_RESOURCES, true, 503, "transient", "the server is out of resources: send the request again later"},
	{ERRCODE_OPERATOR_INTERVENTION, true, 503, "transient", "the server is shutting down or starting: send the request again"},
	{ERRCODE_FEATURE_NOT_SUPPORTED, false, 501, "not-supported", "this is not supported"},
};

static const ErrorRule internal_error = {ERRCODE_INTERNAL_ERROR, false, 500, "exception",
										 "internal error: the server's log tells more"};

static const ErrorRule *
find_rule(int sqlerrcode)
{
	for (int i = 0; i < lengthof(rules); i++) {
		int code = rules[i].by_class ? ERRCODE_TO_CATEGORY(sqlerrcode) : sqlerrcode;

		if (code == rules[i].sqlerrcode)
			return &rules[i];
	}
	return &internal_error;
}

int
fhir_http_status(int sqlerrcode)
{
	return find_rule(sqlerrcode)->status;
}

int
fhir_issue(const char *code, const char *expression)
{
	if (code)
		err_generic_string(PG_DIAG_DATATYPE_NAME, code);
	if (expression)
		err_generic_string(PG_DIAG_COLUMN_NAME, expression);
	return 0;
}

/* ---- the pending findings: a list in a context of its own, emptied by take and reset ---- */

static MemoryContext pending_context = NULL;
static FhirIssue *pending = NULL;
static int npending = 0;
static int max_pending = 0;
static int nsuppressed = 0;

void
fhir_issues_reset(void)
{
	if (npending > 0)
		MemoryContextReset(pending_context);
	pending = NULL;
	npending = max_pending = nsuppressed = 0;
}

int
fhir_issues_pending(void)
{
	return npending + nsuppressed;
}

void
fhir_issue_add(const char *severity, const char *code, const char *expression, const char *diagnostics)
{
	MemoryContext old;

	if (npending >= fhir_max_issues) {
		nsuppressed++;
		return;
	}
	if (pending_context == NULL)
		pending_context = AllocSetContextCreate(TopMemoryContext, "fhir issues", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(pending_context);
	if (npending == max_pending) {
		int max = max_pending ? max_pending * 2 : 8;

		pending = pending ? repalloc_array(pending, FhirIssue, max) : palloc_array(FhirIssue, max);
		max_pending = max;
	}
	pending[npending] = (FhirIssue){
		.severity = pstrdup(severity),
		.code = pstrdup(code),
		.diagnostics = diagnostics ? pstrdup(diagnostics) : NULL,
		.expression = expression ? pstrdup(expression) : NULL,
	};
	npending++;
	MemoryContextSwitchTo(old);
}

static char *
copy_or_null(const char *s)
{
	return s ? pstrdup(s) : NULL;
}

/* "message: detail (hint)" of an error of our own. */
static char *
diagnostics_of(const ErrorData *edata)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoString(&s, edata->message ? edata->message : "");
	if (edata->detail)
		appendStringInfo(&s, ": %s", edata->detail);
	if (edata->hint)
		appendStringInfo(&s, " (%s)", edata->hint);
	return s.data;
}

/* Copies the pending findings into CurrentMemoryContext. */
static int
take_pending(FhirIssue **issues)
{
	int n = npending;
	FhirIssue *out = palloc_array(FhirIssue, n + 1);

	for (int i = 0; i < n; i++)
		out[i] = (FhirIssue){
			.severity = pstrdup(pending[i].severity),
			.code = pstrdup(pending[i].code),
			.diagnostics = copy_or_null(pending[i].diagnostics),
			.expression = copy_or_null(pending[i].expression),
		};
	if (nsuppressed > 0)
		out[n++] = (FhirIssue){
			.severity = "information",
			.code = "informational",
			.diagnostics = psprintf("%d more findings are not shown", nsuppressed),
		};
	*issues = out;
	return n;
}

int
fhir_issues_take(const ErrorData *edata, FhirIssue **issues)
{
	const ErrorRule *rule = find_rule(edata->sqlerrcode);
	FhirIssue *one;

	if (rule->text == NULL && npending > 0) {
		int n = take_pending(issues);

		fhir_issues_reset();
		return n;
	}
	fhir_issues_reset();
	one = palloc0_object(FhirIssue);
	one->severity = "error";
	if (rule->text) {
		one->code = rule->code;
		one->diagnostics = one->text = rule->text;
	} else {
		one->code = edata->datatype_name ? pstrdup(edata->datatype_name) : rule->code;
		one->expression = copy_or_null(edata->column_name);
		one->text = copy_or_null(edata->message);
		one->diagnostics = diagnostics_of(edata);
	}
	*issues = one;
	return 1;
}
