/*
 * catalog_spi.c: statements of the store's own, on its tables and catalogs.
 */
#include "base/base.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "store/catalog/catalog.h"

void
store_spi(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls, bool read_only, int expected)
{
	int nest = NewGUCNestLevel();
	bool bare = !ActiveSnapshotSet(); /* after a commit within a procedure or worker */
	int rc;

	if (bare)
		PushActiveSnapshot(GetTransactionSnapshot());
	(void) set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	rc = SPI_execute_with_args(sql, nargs, types, values, nulls, read_only, 0);
	AtEOXact_GUC(false, nest);
	if (bare)
		PopActiveSnapshot();
	if (rc != expected)
		elog(ERROR, "unexpected result %s of: %s", SPI_result_code_string(rc), sql);
}

static char schema[NAMEDATALEN * 2 + 3] = "";

static void
forget_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	schema[0] = '\0';
}

/* Quoted schema of the extension's functions; looked up again when functions change (DROP and CREATE EXTENSION).
 */
const char *
store_extension_schema(void)
{
	static bool registered = false;

	if (!registered) {
		CacheRegisterSyscacheCallback(PROCOID, forget_schema, (Datum) 0);
		registered = true;
	}
	if (schema[0] == '\0') {
		bool isnull;
		Datum d;

		if (SPI_execute("SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_extension e JOIN "
						"pg_catalog.pg_namespace n"
						" ON n.oid OPERATOR(pg_catalog.=) e.extnamespace WHERE e.extname "
						"OPERATOR(pg_catalog.=) 'fhir'",
						true, 1) != SPI_OK_SELECT ||
			SPI_processed != 1)
			elog(ERROR, "extension fhir is not installed");
		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		strlcpy(schema, quote_identifier(TextDatumGetCString(d)), sizeof(schema));
		SPI_freetuptable(SPI_tuptable);
	}
	return schema;
}
