/*
 * json_build.h: short words for building Jsonb values.
 */
#ifndef FHIR_JSON_BUILD_H
#define FHIR_JSON_BUILD_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef struct Build {
	JsonbParseState *state;
	JsonbValue *result;
} Build;

extern void build_object(Build *b);
extern void build_array(Build *b);
extern void build_end_object(Build *b);
extern void build_end_array(Build *b);
extern void build_key(Build *b, const char *key);
/* key NULL: an element of an array. Strings are not copied. */
extern void build_string(Build *b, const char *key, const char *value);
extern void build_integer(Build *b, const char *key, int64 value);
extern void build_jsonb(Build *b, const char *key, JsonbContainer *value);
extern Jsonb *build_done(Build *b);

#endif
