/*
 * store_fhirpath_patch.c: FHIRPath Patch.
 */
#include "base/compat.h"

#include "base/error.h"
#include "store/store_internal.h"

Jsonb *
store_fhirpath_patch(const ModelType *type, JsonbContainer *doc, JsonbContainer *patch)
{
	ereport(ERROR, errcode(FH501), errmsg("FHIRPath Patch is not supported yet"), fhir_issue("not-supported", NULL));
}
