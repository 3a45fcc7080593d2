/*
 * fhirpath.h: what the FHIRPath engine offers to the rest of the extension.
 *
 * compile: text -> a flat varlena program (also the on-disk form of SQL type fhirpath, versioned);
 * eval: program x JSONB document -> list of items. The document is never copied: items point into it.
 */
#ifndef FHIR_FHIRPATH_H
#define FHIR_FHIRPATH_H

#include "postgres.h"
#include "fmgr.h"
#include "base/base.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "model/model.h"

typedef struct FhirPath FhirPath; /* varlena */

typedef enum FpKind {
	FP_ELEMENT, /* a FHIR element of complex type or resource: json is an object */
	FP_BOOLEAN,
	FP_INTEGER,
	FP_LONG,
	FP_DECIMAL,
	FP_STRING, /* also code, uri, id ... (type tells) */
	FP_DATE,
	FP_DATETIME,
	FP_TIME,
	FP_QUANTITY, /* System.Quantity: value + unit (FHIR Quantity elements are FP_ELEMENT until converted) */
	FP_TYPEINFO
} FpKind;

/*
 * One item. A FHIR primitive element has its value decoded lazily: `json` is the stored scalar; kind tells its System
 * type; type its FHIR type. A System value has type MODEL_NONE. A primitive without value but with
 * extensions has json.type == jbvNull and ext set.
 */
typedef struct FpItem {
	FpKind kind;
	ModelTypeId type;			   /* FHIR type of an element, MODEL_NONE for System values */
	JsonbValue json;			   /* object/array container (jbvBinary), string, numeric, bool; for FP_STRING, FP_DATE.. jbvString */
	JsonbContainer *ext;		   /* the "_name" sibling of a primitive, NULL if none */
	const ModelProperty *property; /* how it was reached, NULL for roots and computed values */
	void *priv;					   /* engine's own (parent link, decoded date, quantity parts) */
} FpItem;

typedef struct FpList {
	FpItem *items;
	int n, max;
} FpList;

/* What resolve() does. */
typedef enum FpResolve {
	FP_RESOLVE_TYPE,	 /* no look-up: a placeholder item whose type is that named by the reference (key extraction) */
	FP_RESOLVE_DOCUMENT, /* contained and Bundle entries, then FpContext.document */
	FP_RESOLVE_NEVER	 /* empty */
} FpResolve;

typedef struct FpContext {
	FpResolve resolve;
	JsonbContainer *root; /* %resource / %rootResource: the outermost document */
	Jsonb *env;			  /* caller's variables or NULL */
	bool strict;		  /* unknown elements are errors */
	const char *base_url; /* FP_RESOLVE_DOCUMENT: cut off references; NULL or "": unknown */
	/* FP_RESOLVE_DOCUMENT: reads "Type/id", "Type/id/_history/v" for resolve(): palloc'd or NULL. NULL: finds nothing */
	Jsonb *(*document)(void *arg, const char *reference, int len);
	/* memberOf(): is code (of system, NULL: unknown) in the value set? 1, 0, -1: can't be told. NULL: can't tell any */
	int (*member_of)(void *arg, const char *valueset, int vslen, const char *system, int slen, const char *code, int clen);
	void *arg; /* of both */
} FpContext;

/*
 * Compiles an expression. Syntax errors raise FH400 with position and caret. context_type (may be MODEL_NONE)
 * is the type of the root for checks. The program is palloc'd in CurrentMemoryContext.
 */
extern FhirPath *fhirpath_compile(const char *text, int len, ModelTypeId context_type);

/* Compiled once per backend and text, bounded LRU; the pointer is valid until the end of the statement or PIN. */
extern const FhirPath *fhirpath_cached(const char *text, int len, ModelTypeId context_type);

/*
 * Evaluates over `root`. Appends to *out (palloc'd in CurrentMemoryContext; out starts zeroed or reused with n = 0). Errors raise FH422
 * with the location. Items point into the document, which must outlive them.
 */
extern void fhirpath_eval(const FhirPath *prog, const FpContext *ctx, const FpItem *root, FpList *out);

/* Its canonical text, not NUL-terminated; points into p. */
extern const char *fhirpath_text(const FhirPath *p, int *len);
/* May its results differ between two calls with the same arguments (now(), resolve(), memberOf())? */
extern bool fhirpath_is_stable(const FhirPath *p);

/* The resource (0) and the variables (2) of a call from SQL; what may be asked beyond them is left to the caller to add. */
extern void fhirpath_arguments(FunctionCallInfo fcinfo, FpContext *ctx, FpItem *root);

/* The item as the SQL functions answer it. palloc'd. */
extern Jsonb *fhirpath_item_jsonb(const FpItem *item);

/* fhir.fhirpath_strict: unknown elements are errors when an expression is compiled. */
extern bool fhirpath_strict;

/* Settings of the engine; called once per backend, before the prefix fhir is reserved. */
extern void fhirpath_init(void);

/* Root item for a stored resource or any object; type from resourceType, or `type` if given. */
extern void fhirpath_root(JsonbContainer *doc, ModelTypeId type, FpItem *out);
/* Single boolean result as FHIRPath's criteria do: 1 true, 0 false, -1 empty. */
extern int fhirpath_eval_boolean(const FhirPath *prog, const FpContext *ctx, const FpItem *root);
/* Decodes an item of kind FP_DATE/FP_DATETIME/FP_TIME. */
extern bool fhirpath_item_date(const FpItem *item, FhirDateTime *out);

#endif
