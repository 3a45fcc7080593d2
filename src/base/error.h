/*
 * error.h: how every FHIR error is raised.
 *
 * An error has SQLSTATE "FH" + HTTP status, a message (what is wrong), DETAIL (the value and where),
 * HINT (what to do). OperationOutcome details that ErrorData has no room for (issue code,
 * FHIRPath expression, further issues) wait in a backend-local list that fhir_http takes over.
 */
#ifndef FHIR_ERROR_H
#define FHIR_ERROR_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#define FHIR_SQLSTATE(a, b, c) MAKE_SQLSTATE('F', 'H', a, b, c)
#define FH304 FHIR_SQLSTATE('3', '0', '4')
#define FH400 FHIR_SQLSTATE('4', '0', '0')
#define FH401 FHIR_SQLSTATE('4', '0', '1')
#define FH403 FHIR_SQLSTATE('4', '0', '3')
#define FH404 FHIR_SQLSTATE('4', '0', '4')
#define FH405 FHIR_SQLSTATE('4', '0', '5')
#define FH406 FHIR_SQLSTATE('4', '0', '6')
#define FH409 FHIR_SQLSTATE('4', '0', '9')
#define FH410 FHIR_SQLSTATE('4', '1', '0')
#define FH412 FHIR_SQLSTATE('4', '1', '2')
#define FH413 FHIR_SQLSTATE('4', '1', '3')
#define FH414 FHIR_SQLSTATE('4', '1', '4')
#define FH415 FHIR_SQLSTATE('4', '1', '5')
#define FH422 FHIR_SQLSTATE('4', '2', '2')
#define FH500 FHIR_SQLSTATE('5', '0', '0')
#define FH501 FHIR_SQLSTATE('5', '0', '1')
#define FH503 FHIR_SQLSTATE('5', '0', '3')
#define FH507 FHIR_SQLSTATE('5', '0', '7')

/* One finding of an OperationOutcome. Strings live as long as the list (see fhir_issues_take). */
typedef struct FhirIssue {
	const char *severity;	 /* "error", "warning", "information" */
	const char *code;		 /* IssueType, e.g. "structure" */
	const char *diagnostics; /* what is wrong, the value */
	const char *expression;	 /* FHIRPath location or NULL */
	const char *text;		 /* details.text: short statement, or NULL */
} FhirIssue;

/*
 * Auxiliary for ereport(), like errdetail(): records the IssueType and the FHIRPath location of the error being
 * raised. Use: ereport(ERROR, errcode(FH400), errmsg(...), fhir_issue("invalid", "Patient.name[0]")).
 * Either may be NULL: the code then follows from the SQLSTATE. They travel in the error itself (as its DATATYPE NAME and
 * COLUMN NAME fields), so an error that someone catches and drops leaves nothing behind, and PL/pgSQL can read them
 * with GET STACKED DIAGNOSTICS.
 */
extern int fhir_issue(const char *code, const char *expression);

/* Adds a finding to the pending list (copied); used before one ereport that stands for many. At most
 * fhir.max_issues are kept; the rest is counted and told in a last finding. */
extern void fhir_issue_add(const char *severity, const char *code, const char *expression,
						   const char *diagnostics);
extern void fhir_issues_reset(void);

/*
 * Returns the findings of the error edata as an array palloc'd in CurrentMemoryContext, at least one,
 * and resets the pending list. An error of PostgreSQL itself is told in general words: its own message may hold SQL
 * or names of internal objects, which no client shall see. Also translates PostgreSQL's own SQLSTATEs (deadlock, cancel, read-only ...).
 */
extern int fhir_issues_take(const ErrorData *edata, FhirIssue **issues);

/* How many findings are pending. */
extern int fhir_issues_pending(void);

/* HTTP status for an SQLSTATE (FHxyz -> xyz; others by a fixed table, else 500). */
extern int fhir_http_status(int sqlerrcode);

/* ---- the one writer of OperationOutcomes (outcome.c) ---- */
/* Appends it as compact JSON; id NULL: none. */
extern void fhir_outcome_write(StringInfo out, const char *id, const FhirIssue *issues, int n);
extern Jsonb *fhir_outcome(const FhirIssue *issues, int n);

#endif
