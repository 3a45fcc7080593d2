/*
 * match_internal.h: what the files of the in-memory evaluation of search criteria share.
 *
 * fhir_matches() decides about one document with nothing but the published SearchParameter expressions, FHIRPath and R4's rules of
 * comparison: no keys, no tables, no SQL. It is slow and plain on purpose: the tests hold the search against it.
 */
#ifndef FHIR_MATCH_H
#define FHIR_MATCH_H

#include "postgres.h"
#include "utils/numeric.h"

#include "fhirpath/fhirpath.h"
#include "model/model.h"
#include "search/match/match.h"

/* A piece of text inside the query or the document; s is NULL when there is none. */
typedef struct MatchText {
	const char *s;
	int len;
} MatchText;

/* One criterion: name[:modifier]=values. */
typedef struct MatchCriterion {
	const ModelType *type;
	const ModelParam *param;
	char *name, *modifier; /* modifier NULL if none */
	char *value;		   /* decoded, escapes in place */
	const MatchContext *context;
} MatchCriterion;

typedef enum MatchPrefix {
	MATCH_EQ,
	MATCH_NE,
	MATCH_GT,
	MATCH_LT,
	MATCH_GE,
	MATCH_LE,
	MATCH_SA,
	MATCH_EB,
	MATCH_AP
} MatchPrefix;

/* ---- match.c ---- */
/* Splits at unescaped sep; the parts keep their escapes; palloc'd. Returns how many (at least one). */
extern int match_split(const char *s, char sep, char ***parts);
/* Without its escapes; palloc'd. */
extern char *match_unescape(const char *s);
pg_noreturn extern void match_bad(const MatchCriterion *c, const char *why);
/* Reads and removes a prefix from *s. */
extern MatchPrefix match_prefix(char **s);
extern bool match_text_is(MatchText t, const char *s);
/* String member of an object item, or {NULL, 0}. */
extern MatchText match_member(JsonbContainer *c, const char *name);
/* The text of a primitive item. */
extern MatchText match_scalar(const FpItem *item);
/* The members of an object's array (or the one value) as containers; palloc'd. */
extern int match_children(JsonbContainer *c, const char *name, JsonbContainer ***out);

/* ---- match_filter.c ---- */
/* A criterion of _filter, `code:~op`, over the items of its parameter. */
extern bool match_filter_op(const MatchCriterion *c, JsonbContainer *doc, const FpList *items);
extern bool match_filter_date(const MatchCriterion *c, const FpItem *item, const char *value);

extern bool match_item(const MatchCriterion *c, const FpItem *item, const char *value);
/* Does any of the items satisfy one value (after the split at ",") of a criterion? By type of parameter. */
extern bool match_token(const MatchCriterion *c, const FpItem *item, const char *value);
extern bool match_reference(const MatchCriterion *c, const FpItem *item, const char *value);
extern bool match_string(const MatchCriterion *c, const FpItem *item, const char *value);
extern bool match_uri(const MatchCriterion *c, const FpItem *item, const char *value);
extern bool match_date(const MatchCriterion *c, const FpItem *item, const char *value);
/* Does the element's time hold all of the value's? (co of _filter) */
extern bool match_date_contains(const MatchCriterion *c, const FpItem *item, const char *value);
extern bool match_number(const MatchCriterion *c, const FpItem *item, const char *value);
/* _text, _content (match_content.c) */
extern bool match_content(const MatchCriterion *c, JsonbContainer *doc, const FpItem *root);
extern bool match_quantity(const MatchCriterion *c, const FpItem *item, const char *value);

#endif
