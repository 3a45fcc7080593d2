/*
 * access.c: the caller that a session is.
 */
#include "base/base.h"

#include "access/access.h"

struct Access {
	bool all;
};

static const Access everything = {.all = true};

const Access *
access_all(void)
{
	return &everything;
}

Caller
caller_session(void)
{
	return (Caller){access_all(), fhir_base_url ? fhir_base_url : ""};
}
