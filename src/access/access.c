/*
 * access.c: the caller that a session is.
 */
#include "base/base.h"

#include "access/access.h"

Caller
caller_session(void)
{
	return (Caller){fhir_base_url ? fhir_base_url : ""};
}
