/*
 * catalog_spi.c: statements of the store's own, on its tables and catalogs.
 */
#include "base/base.h"

#include "executor/spi.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

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
