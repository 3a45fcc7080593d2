/*
 * fold.h: case and accent folding of one code point, from generated facts, the same under every locale.
 *
 * NFKD, without accents (marks of a combining class other than virama; vowel signs stay) and default-ignorable characters,
 * full case folding, and the Latin letters that Unicode does not decompose as their plain ones (o-slash as o, the ae ligature as ae). Folding is idempotent, and folding code
 * point by code point equals folding the text, whether it came composed or decomposed.
 *
 * Part of the stored keys' format: a new table that differs for assigned characters needs a new FHIR_KEY_VERSION.
 */
#ifndef FHIR_FOLD_H
#define FHIR_FOLD_H

#include "postgres.h"
#include "mb/pg_wchar.h"

#define MODEL_FOLD_MAX 18 /* the longest expansion (U+FDFA) */

extern int model_fold_other(pg_wchar c, pg_wchar *out);

/* Folds c into out[0..n-1] and returns n: 0 for a character that vanishes, at most MODEL_FOLD_MAX. */
static inline int
model_fold(pg_wchar c, pg_wchar *out)
{
	if (c < 0x80) {
		out[0] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
		return 1;
	}
	return model_fold_other(c, out);
}

#endif
