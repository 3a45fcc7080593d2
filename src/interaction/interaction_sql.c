/*
 * interaction_sql.c: the interactions as SQL functions: the caller is the session, whose rights are PostgreSQL's.
 */
#include "base/base.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "interaction/interaction_internal.h"

#define STORE_FUNCTION(name) \
	PG_FUNCTION_INFO_V1(name); \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS)

static const ModelType *
type_arg(FunctionCallInfo fcinfo, int n)
{
	text *t = PG_GETARG_TEXT_PP(n);

	return interaction_require_type(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static void
require_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				errcode(FH400),
				errmsg("argument \"%s\" must not be null", name),
				errdetail("The function is %s.", get_func_name(fcinfo->flinfo->fn_oid)),
				errhint("Where a query finds nothing to pass, leave the call out by WHERE."),
				fhir_issue("required", NULL));
}

STORE_FUNCTION(fhir_create);

Datum
fhir_create(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	StoreResult r;

	require_arg(fcinfo, 0, "resource");
	interaction_create(&caller, PG_GETARG_JSONB_P(0), text_arg(fcinfo, 1), &r);
	PG_RETURN_JSONB_P(r.resource);
}

STORE_FUNCTION(fhir_read);

Datum
fhir_read(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	const ModelType *type = type_arg(fcinfo, 0);
	char *id = text_arg(fcinfo, 1);
	StoreResult r;

	interaction_require_id(id);
	if (!interaction_read(&caller, type, id, &r))
		interaction_raise_unknown(type, id);
	if (r.deleted)
		interaction_raise_deleted(type, id, r.version, r.last_updated);
	PG_RETURN_JSONB_P(r.resource);
}

STORE_FUNCTION(fhir_vread);

Datum
fhir_vread(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	const ModelType *type = type_arg(fcinfo, 0);
	char *id = text_arg(fcinfo, 1);
	char *version_id = text_arg(fcinfo, 2);
	int32 version = store_version_number(version_id);
	StoreResult r;

	interaction_require_id(id);
	if (!store_id_valid(version_id, strlen(version_id)))
		ereport(ERROR,
				errcode(FH400),
				errmsg("invalid version id"),
				errdetail("Version \"%.100s\".", version_id), errhint("A version is a number from 1 on, as meta.versionId has it."),
				fhir_issue("value", NULL));
	if (version == 0 || !interaction_vread(&caller, type, id, version, &r))
		ereport(ERROR,
				errcode(FH404),
				errmsg("version %s of %s/%s is not known", version_id, type->name, id),
				errhint("fhir_history('%s', '%s') lists its versions.", type->name, id),
				fhir_issue("not-found", NULL));
	if (r.deleted)
		interaction_raise_deleted(type, id, r.version, r.last_updated);
	PG_RETURN_JSONB_P(r.resource);
}

STORE_FUNCTION(fhir_update);

Datum
fhir_update(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	StoreResult r;

	require_arg(fcinfo, 0, "resource");
	interaction_update(&caller, PG_GETARG_JSONB_P(0), text_arg(fcinfo, 1), NULL, &r);
	PG_RETURN_JSONB_P(r.resource);
}

STORE_FUNCTION(fhir_delete);

Datum
fhir_delete(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	const ModelType *type;
	char *id;
	FhirIssue done = {"information", "informational"};
	StoreResult r;

	require_arg(fcinfo, 0, "type");
	require_arg(fcinfo, 1, "id");
	type = type_arg(fcinfo, 0);
	id = text_arg(fcinfo, 1);
	interaction_delete(&caller, type, id, text_arg(fcinfo, 2), &r);
	done.diagnostics = r.version == 0 ? psprintf("%s/%s does not exist; nothing to delete", type->name, id)
					   : r.unchanged  ? psprintf("%s/%s was deleted before, by version %d", type->name, id, r.version)
									  : psprintf("%s/%s was deleted by version %d", type->name, id, r.version);
	PG_RETURN_JSONB_P(fhir_outcome(&done, 1));
}

STORE_FUNCTION(fhir_history);

Datum
fhir_history(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	const ModelType *type = PG_ARGISNULL(0) ? NULL : type_arg(fcinfo, 0);
	char *id = text_arg(fcinfo, 1);

	if (id && !type)
		ereport(ERROR,
				errcode(FH400),
				errmsg("the history of one resource needs its type"),
				errhint("fhir_history('Patient', '%.64s')", id),
				fhir_issue("required", NULL));
	PG_RETURN_JSONB_P(interaction_history(&caller, type, id, text_arg(fcinfo, 2), false));
}

STORE_FUNCTION(fhir_patch);

Datum
fhir_patch(PG_FUNCTION_ARGS)
{
	Caller caller = caller_session();
	const ModelType *type;
	StoreResult r;

	require_arg(fcinfo, 0, "type");
	require_arg(fcinfo, 1, "id");
	require_arg(fcinfo, 2, "patch");
	type = type_arg(fcinfo, 0);
	interaction_patch(&caller, type, text_arg(fcinfo, 1), PG_GETARG_JSONB_P(2), text_arg(fcinfo, 3), &r);
	PG_RETURN_JSONB_P(r.resource);
}
