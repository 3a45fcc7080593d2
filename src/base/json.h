/*
 * json.h: JSON text -> Jsonb with the checks that FHIR needs, and Jsonb -> FHIR JSON text.
 */
#ifndef FHIR_JSON_H
#define FHIR_JSON_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/*
 * Parses len bytes of UTF-8 JSON text (RFC 8259). Raises FH400 with line, column and JSON path for: syntax errors,
 * duplicate keys, U+0000, lone surrogates, invalid UTF-8, nesting beyond fhir.max_depth, numbers of more than 1,000 digits
 * before or behind the point, control characters in strings, trailing text; FH413 beyond fhir.max_body_bytes. Numbers keep their digits (1.10 stays 1.10; 1e2 becomes 100, -0 becomes 0). A leading BOM is accepted.
 */
extern Jsonb *fhir_json_parse(const char *text, size_t len);

/* The same for text of this server's own making: without limits of length and depth (but the stack's). */
extern Jsonb *fhir_json_parse_own(const char *text, size_t len);
/* The quick way of that (json_load.c): NULL for a text that fhir_json_write does not make. */
extern Jsonb *fhir_json_load(const char *text, size_t len);

/* Appends compact JSON text of this server's own making with line breaks and 2 spaces a level. */
extern void fhir_json_indent_text(StringInfo out, const char *text, size_t len);

/*
 * Appends v as JSON text. Objects that have "resourceType" put resourceType, id, meta first (at every level where a
 * resource may stand: contained, Bundle entries ...); other keys keep JSONB's order except that "id", "extension" come
 * first in elements. indent < 0: compact; else pretty with that base indent (2 spaces a level).
 */
extern void fhir_json_write(StringInfo out, JsonbContainer *c, int indent);
extern void fhir_json_write_value(StringInfo out, JsonbValue *v, int indent);
/* Appends a JSON string literal with its quotes. */
extern void fhir_json_write_string(StringInfo out, const char *s, int len);

/* Object member by name (never copies): false if c is no object or has no such member. */
extern bool fhir_json_get(JsonbContainer *c, const char *key, int keylen, JsonbValue *out);
#define fhir_json_get_lit(c, lit, out) fhir_json_get((c), (lit), sizeof(lit) - 1, (out))
/* String member as palloc'd C string, NULL when absent or not a string. */
extern char *fhir_json_get_string(JsonbContainer *c, const char *key);

/* JsonbValue (any kind, also scalars and in-memory trees) -> Jsonb */
extern Jsonb *fhir_json_from_value(JsonbValue *v);

#endif
