/*
 * preconditions.c: If-Match and If-None-Match (R4, http.html#concurrency; RFC 9110, 13.1).
 */
#include "base/base.h"

#include "interaction/interaction_internal.h"

pg_noreturn static void
raise_mismatch(const ModelType *type, const char *id, const char *wanted, const StoreRow *row)
{
	ereport(ERROR,
			errcode(FH412),
			errmsg("%s/%s is not at the version that If-Match names", type->name, id),
			!row		   ? errdetail("If-Match is %.100s, but the resource does not exist.", wanted)
			: row->deleted ? errdetail("If-Match is %.100s, but the resource is deleted, by version %d.", wanted, row->version)
						   : errdetail("If-Match is %.100s, the current version is %d.", wanted, row->version),
			errhint("Read the current version, apply the change to it, and send that."),
			fhir_issue("conflict", NULL));
}

/* No tag names a resource that is not there, or is deleted (RFC 9110, 13.1.1). */
void
interaction_check_preconditions(const ModelType *type, const char *id, const StoreRow *row, const char *if_match, const char *if_none_match)
{
	bool exists = row && !row->deleted;

	if (if_match && *if_match && (!interaction_etags_name(if_match, row ? row->version : 0, "If-Match") || !exists))
		raise_mismatch(type, id, if_match, row);
	if (if_none_match && *if_none_match && interaction_etags_name(if_none_match, row ? row->version : 0, "If-None-Match") && exists)
		ereport(ERROR,
				errcode(FH412),
				errmsg("%s/%s exists already", type->name, id),
				errdetail("Current version %d; If-None-Match is %.100s.", row->version, if_none_match), errhint("To change it, send the update without If-None-Match."),
				fhir_issue("duplicate", NULL));
}
