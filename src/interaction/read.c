/*
 * read.c: read and vread (R4, http.html#read): what the caller may not see is as if it were not there.
 */
#include "base/base.h"

#include "interaction/interaction_internal.h"

bool
interaction_read(const Caller *caller, const ModelType *type, const char *id, StoreResult *out)
{
	return store_read(type, id, out);
}

bool
interaction_read_text(const Caller *caller, const ModelType *type, const char *id, StoreResult *out, StringInfo text)
{
	return store_read_text(type, id, out, text);
}

bool
interaction_vread(const Caller *caller, const ModelType *type, const char *id, int32 version, StoreResult *out)
{
	return store_vread(type, id, version, out);
}
