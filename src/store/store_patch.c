/*
 * store_patch.c: patching a resource.
 */
#include "base/compat.h"

#include "base/error.h"
#include "store/store_internal.h"

void
store_patch(const ModelType *type, const char *id, Jsonb *patch, const char *if_match, StoreResult *out)
{
	ereport(ERROR, errcode(FH501), errmsg("patch is not supported yet"), fhir_issue("not-supported", NULL));
}
