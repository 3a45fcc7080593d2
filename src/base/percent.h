/*
 * percent.h: percent-encoded text.
 */
#ifndef FHIR_PERCENT_H
#define FHIR_PERCENT_H

#include "lib/stringinfo.h"

/*
 * Decoded copy of s[0..len), palloc'd and ended by NUL. form: "+" is a space. FH400 for an escape that is none, for U+0000 and for
 * bytes that are no UTF-8.
 */
extern char *fhir_percent_decode(const char *s, int len, bool form);
/* Appends text with everything but unreserved characters (RFC 3986) and those in keep percent-encoded. */
extern void fhir_percent_encode(StringInfo out, const char *s, const char *keep);

#endif
