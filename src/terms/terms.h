/*
 * terms.h: ValueSets and CodeSystems, those in the store and those that R4 defines (compiled in).
 *
 * What the store holds goes before what is compiled in. Nothing is taken for empty: what is not known is an error with its name
 * (terms_member_of: no answer). Results live in a cache for as long as the active snapshot; read them, don't keep them.
 */
#ifndef FHIR_TERMS_H
#define FHIR_TERMS_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "model/model.h"

typedef struct TermCode {
	const char *system, *code; /* code NULL: every code of the system */
} TermCode;

typedef struct TermSet {
	TermCode *codes; /* each once */
	int n, max;
	int *slots; /* hash table of positions + 1 */
	int nslots;
	bool missing;		 /* there is no such value set */
	const char *unknown; /* why there may be more members, NULL: it is whole */
	bool uncertain;		 /* some of the members may be excluded */
} TermSet;

/* Where the documents of a store come from. */
typedef struct TermsSource {
	/*
	 * The newest resource of the store with that canonical URL (perhaps |version), or "Type/id"; NULL if there is none, or no store.
	 * palloc'd.
	 */
	Jsonb *(*document)(void *arg, const ModelType *type, const char *url);
	void *arg;
	uint64 caller; /* whose eyes they are seen with: answers are kept while this stays the same. 0: everybody's */
} TermsSource;

/* url: canonical, perhaps with |version, or "ValueSet/id". Raises FH400 when it is not known whole. */
extern const TermSet *terms_value_set(const TermsSource *from, const char *url);
/* The code and all below it, or above it. Raises FH400 when the system or the code is not known. */
extern const TermSet *terms_hierarchy(const TermsSource *from, const char *system, const char *code, bool below);
/* As FpContext.member_of: 1, 0, or -1 when it can't be told. system NULL: any. from: a TermsSource. */
extern int terms_member_of(void *from, const char *valueset, int vslen, const char *system, int slen, const char *code, int clen);

extern void terms_init(void);

#endif
