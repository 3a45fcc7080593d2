/*
 * outcome.c: the one writer of OperationOutcomes (R4, operationoutcome.html), as compact JSON text.
 */
#include "base/compat.h"

#include "base/error.h"
#include "base/json.h"

static void
put_member(StringInfo out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(out, ",\"%s\":", name);
	fhir_json_write_string(out, value, (int) strlen(value));
}

static void
put_issue(StringInfo out, const FhirIssue *issue)
{
	appendStringInfo(out, "{\"severity\":\"%s\"", issue->severity);
	put_member(out, "code", issue->code);
	if (issue->text) {
		appendStringInfoString(out, ",\"details\":{\"text\":");
		fhir_json_write_string(out, issue->text, (int) strlen(issue->text));
		appendStringInfoChar(out, '}');
	}
	put_member(out, "diagnostics", issue->diagnostics);
	if (issue->expression) {
		appendStringInfoString(out, ",\"expression\":[");
		fhir_json_write_string(out, issue->expression, (int) strlen(issue->expression));
		appendStringInfoChar(out, ']');
	}
	appendStringInfoChar(out, '}');
}

void
fhir_outcome_write(StringInfo out, const char *id, const FhirIssue *issues, int n)
{
	appendStringInfoString(out, "{\"resourceType\":\"OperationOutcome\"");
	put_member(out, "id", id);
	appendStringInfoString(out, ",\"issue\":[");
	for (int i = 0; i < n; i++) {
		if (i > 0)
			appendStringInfoChar(out, ',');
		put_issue(out, &issues[i]);
	}
	appendStringInfoString(out, "]}");
}

Jsonb *
fhir_outcome(const FhirIssue *issues, int n)
{
	StringInfoData text;

	initStringInfo(&text);
	fhir_outcome_write(&text, NULL, issues, n);
	return fhir_json_parse_own(text.data, text.len);
}
