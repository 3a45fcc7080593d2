/*
 * patch.h: places in a JSON document and edits of them, shared by both kinds of patch.
 */
#ifndef FHIR_INTERACTION_PATCH_H
#define FHIR_INTERACTION_PATCH_H

#include "postgres.h"

#include "utils/jsonb.h"

/* A place: member names and decimal array indexes from the root. */
typedef struct PatchPath {
	const char *text; /* for messages */
	int n;
	char **token;
} PatchPath;

typedef enum PatchOp { PATCH_ADD,
					   PATCH_REMOVE,
					   PATCH_REPLACE,
} PatchOp;

/* The operation at hand, for messages. */
typedef struct Patch {
	int index;
	const char *op;
} Patch;

extern JsonbValue patch_get(const Patch *p, const PatchPath *at, JsonbValue root);
/* The root with one place in it changed; the document itself stays. Raises FH422 where the place does not exist. */
extern JsonbValue patch_edit(const Patch *p, const PatchPath *at, JsonbValue root, PatchOp op, const JsonbValue *value);
pg_noreturn extern void patch_raise_malformed(const Patch *p, const char *what, const char *value);
pg_noreturn extern void patch_raise_misfit(const Patch *p, const char *what, const PatchPath *at);

#endif
