/*
 * hide.c: for the tests alone: sets search_restriction_hook, as a module that knows the caller's rights would.
 *
 * hide.predicate is SQL text in which %r stands for the alias of table resource; empty: nothing is hidden.
 * hide.leave_out is a set of legs (bit 1 << SearchLeg) that stay unrestricted: so a test can show that it would notice.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

typedef const char *(*RestrictionHook)(const char *alias, int leg);

static char *predicate = NULL;
static int leave_out = 0;

extern PGDLLEXPORT void _PG_init(void);

static const char *
restriction(const char *alias, int leg)
{
	StringInfoData s;

	if (predicate == NULL || *predicate == '\0' || (leave_out & (1 << leg)))
		return NULL;
	initStringInfo(&s);
	for (const char *p = predicate; *p; p++) {
		if (p[0] == '%' && p[1] == 'r') {
			appendStringInfoString(&s, alias);
			p++;
		} else
			appendStringInfoChar(&s, *p);
	}
	return s.data;
}

void
_PG_init(void)
{
	RestrictionHook *hook = (RestrictionHook *) load_external_function("$libdir/fhir", "search_restriction_hook", true, NULL);

	DefineCustomStringVariable("hide.predicate", "What may be seen, of table resource as %r.", NULL, &predicate, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hide.leave_out", "Legs that stay unrestricted.", NULL, &leave_out, 0, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
	*hook = restriction;
}
