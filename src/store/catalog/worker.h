/*
 * worker.h: background workers of a store: started by a session as its transaction commits.
 */
#ifndef FHIR_STORE_WORKER_H
#define FHIR_STORE_WORKER_H

#include "postgres.h"

#include "store/store_internal.h"

/* In a worker's main function: connects to the database and chooses the store that it was started for. */
extern void store_worker_begin(Oid database, const char *activity);
/* From here on with the rights of the table's owner, in a restricted context. Within a transaction. */
extern void store_worker_become_owner(Oid table);
/* After an error: reports it and begins a transaction anew. Its message, palloc'd in `context`. */
extern char *store_worker_recover(MemoryContext context);

#endif
