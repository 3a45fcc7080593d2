/*
 * terms_tables.h: shape of the generated tables (terms_tables.c). Texts are offsets into terms_pool; offset 0 is "".
 */
#ifndef FHIR_TERMS_TABLES_H
#define FHIR_TERMS_TABLES_H

#include "postgres.h"

/* Both are positions among the codes of one system. */
typedef struct TermsEdge {
	uint32 child, parent;
} TermsEdge;

typedef struct TermsSystem {
	uint32 url, version;
	uint32 first, n; /* of terms_codes */
	uint32 first_edge, nedges;
	bool complete; /* no code is missing */
} TermsSystem;

typedef enum TermsGroupKind {
	TERMS_CODES,     /* the codes of a system that are listed */
	TERMS_WHOLE,     /* all of a system */
	TERMS_MORE,      /* more codes that are not known here; text: what they need */
	TERMS_UNCERTAIN, /* the same, and what is excluded is not known either */
} TermsGroupKind;

typedef struct TermsGroup {
	uint32 text;     /* system */
	uint32 first, n; /* of terms_members */
	TermsGroupKind kind;
} TermsGroup;

typedef struct TermsValueSet {
	uint32 url, version;
	uint32 first, n; /* of terms_groups */
} TermsValueSet;

extern const TermsSystem terms_systems[];
extern const int terms_nsystems;
extern const uint32 terms_codes[];
extern const TermsEdge terms_edges[];
extern const TermsValueSet terms_value_sets[];
extern const int terms_nvalue_sets;
extern const TermsGroup terms_groups[];
extern const uint32 terms_members[];
extern const char terms_pool[];

#endif
