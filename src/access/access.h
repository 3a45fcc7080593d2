/*
 * access.h: what a caller may see and do: a value that is made once and handed through reads, history, search and writes.
 *
 * Rights are searches: a rule gives interactions on resources of a type, all of them or those that satisfy criteria. What no rule gives
 * is not there for the caller. The value never changes; it lives in the memory context that it was made in.
 */
#ifndef FHIR_ACCESS_H
#define FHIR_ACCESS_H

#include "base/base.h"

#include "utils/jsonb.h"

#include "model/model.h"

typedef enum AccessInteraction {
	ACCESS_READ = 1 << 0, /* read, vread */
	ACCESS_SEARCH = 1 << 1,
	ACCESS_HISTORY = 1 << 2,
	ACCESS_CREATE = 1 << 3,
	ACCESS_UPDATE = 1 << 4, /* patch is an update */
	ACCESS_DELETE = 1 << 5
} AccessInteraction;
#define ACCESS_EVERY 0x3f

typedef struct Access Access;

/* Everything: for SQL callers, whose rights are PostgreSQL's. */
extern const Access *access_all(void);
/*
 * [{"type": "Observation" or "*", "interactions": ["read", "search", ...] or "*", "criteria": "patient=Patient/1&status=final"}, ...];
 * interactions: read, search, history, create, update, delete; without them every one, without criteria every resource of the type.
 * Raises FH400 with the rule's place.
 */
extern const Access *access_parse(Jsonb *rules);
extern bool access_is_all(const Access *a);

/* On whose behalf a statement acts: made at its entry, handed through, never changed. */
typedef struct Caller {
	const Access *access;
	const char *base; /* absolute base URL, without a slash at its end, of links; "": relative ones */
} Caller;

/* The session itself: everything, and fhir.base_url. */
extern Caller caller_session(void);

#define ACCESS_EVERYTHING (-1)
/*
 * What of a type an interaction may concern: ACCESS_EVERYTHING; 0: nothing; or so many alternatives, each the criteria of a search
 * (*criteria: palloc'd array).
 */
extern int access_criteria(const Access *a, const ModelType *t, AccessInteraction what, const char *const **criteria);
/* May it do this to any resource of the type? */
extern bool access_any(const Access *a, const ModelType *t, AccessInteraction what);

/*
 * Tests only, in builds with FHIR_TEST_LEAKS: the rule set names a leg of searches (rule {"leak": "chain"}) that is left open, so that it can be
 * shown that a leak there is found. Always false in other builds.
 */
extern bool access_leaks(const Access *a, const char *leg);

#endif
