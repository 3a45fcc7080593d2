/*
 * check_internal.h: between the files of the structural check (check*.c); check_resource() itself is in check.h.
 */
#ifndef FHIR_CHECK_INTERNAL_H
#define FHIR_CHECK_INTERNAL_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "check/check.h"
#include "model/model.h"

/* Where the walk is: one link per element, built on the stack; turned into text only for a finding. */
typedef struct CheckPath {
	const struct CheckPath *up;
	const char *name; /* element name (choices without their type); the resource type for the root */
	int len;
	int index; /* place in an array, -1 if none */
} CheckPath;

/* A JSON value inside a container, undecoded. */
typedef struct CheckValue {
	JEntry entry;	  /* its kind */
	const char *data; /* string bytes, Numeric or JsonbContainer */
	int len;
} CheckValue;

typedef struct CheckFinding {
	const char *severity; /* "error" or "warning" */
	const char *code;	  /* IssueType */
	char *expression;
	char *diagnostics;
} CheckFinding;

/* The findings so far: at most fhir.max_issues errors, and as many warnings. */
typedef struct Check {
	CheckFinding *findings;
	int n, allocated;
	int nerrors;
	bool keep_warnings; /* record what fhir.check_mode lets pass, as warnings */
	bool full;			/* the cap on errors is reached: stop walking */
} Check;

/*
 * Records a finding at path, or at its member `name` (NULL: path itself). fmt as for psprintf. With fhir.check_mode = structure, the
 * codes "required", "invariant" and "code-invalid" are warnings.
 */
extern void check_finding(Check *c, const char *code, const CheckPath *path, const char *name, int len, const char *fmt, ...)
	pg_attribute_printf(6, 7);
/* Names a value for people: kind and content, cut short. palloc'd. */
extern char *check_describe(const CheckValue *v);
/* Quotes text for people, cut short. palloc'd. */
extern char *check_quote(const char *s, int len);
/* ", did you mean ...?" or "". */
extern char *check_suggest_property(const ModelType *t, const char *name, int len);
extern char *check_suggest_code(uint16 codes, const char *code, int len);

/* Checks the scalar of a primitive element. */
extern void check_primitive(Check *c, const CheckPath *path, const ModelProperty *p, const CheckValue *v);

/* The whole walk. NULL (with one finding) when doc is no FHIR resource at all. */
extern const ModelType *check_document(Check *c, JsonbContainer *doc);

#endif
