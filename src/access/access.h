/*
 * access.h: on whose behalf a statement acts: a value that is made at its entry and handed through reads, history, search of conditions, writes
 * and Bundles. It never changes, and is no global and no setting.
 *
 * So far there is one Access, everything: whoever may call the functions. What narrower ones will say enters here.
 */
#ifndef FHIR_ACCESS_H
#define FHIR_ACCESS_H

#include "base/base.h"

typedef struct Access Access;

/* Everything: for SQL callers, whose rights are PostgreSQL's. */
extern const Access *access_all(void);

typedef struct Caller {
	const Access *access;
	const char *base; /* absolute base URL, without a slash at its end, of links; "": relative ones */
} Caller;

/* The session itself: everything, and fhir.base_url. */
extern Caller caller_session(void);

#endif
