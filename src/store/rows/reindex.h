/*
 * reindex.h: re-indexing, for its runner (reindex.c), its SQL functions and worker (reindex_sql.c).
 */
#ifndef FHIR_STORE_REINDEX_H
#define FHIR_STORE_REINDEX_H

#include "postgres.h"

#include "store/store_internal.h"

/* Session locks of a store (STORE_LOCK_CLASS): who runs, and who waits to. */
#define REINDEX_RUNNER 1
#define REINDEX_NEXT 2

extern bool store_reindex_lock(StoreCatalog *cat, uint16 role, bool wait);
extern void store_reindex_unlock(StoreCatalog *cat, uint16 role);
/* Does all that waits, committing on the way. */
extern void store_reindex_run(int batch, bool everything, bool failed);
/* Notes the error that ended a run. */
extern void store_reindex_failed(const char *message);

#endif
