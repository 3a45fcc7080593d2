/*
 * access.h: on whose behalf a statement acts: made at its entry and handed through reads, history, conditions, writes and Bundles. It never
 * changes, and is no global and no setting.
 *
 * So far every caller may do what PostgreSQL's rights on the functions and tables allow. What narrower ones may see enters here.
 */
#ifndef FHIR_ACCESS_H
#define FHIR_ACCESS_H

#include "base/base.h"

typedef struct Caller {
	const char *base; /* absolute base URL, without a slash at its end, of links; "": relative ones */
} Caller;

/* The session itself, with fhir.base_url. */
extern Caller caller_session(void);

#endif
