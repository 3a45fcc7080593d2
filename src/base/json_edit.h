/*
 * json_edit.h: parts of JSON documents taken, replaced and put together, without parsing text.
 */
#ifndef FHIR_JSON_EDIT_H
#define FHIR_JSON_EDIT_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef struct JsonMember {
	const char *key;
	int keylen;
	bool remove;
	JsonbValue value; /* string, numeric, bool, null or jbvBinary */
} JsonMember;

/* Copy of an object (NULL: empty) with members replaced, added or removed; m sorted by (length, bytes). */
extern Jsonb *json_splice(JsonbContainer *src, const JsonMember *m, int n);
/* Members of an object, elements of an array: values point into the container. Return how many. */
extern int json_members(JsonbContainer *c, JsonMember **out);
extern int json_elements(JsonbContainer *c, JsonbValue **out);
extern Jsonb *json_array(const JsonbValue *elems, int n);
extern void json_set_binary(JsonbValue *v, Jsonb *j);

#endif
