/*
 * store_place.h: rows of `version` by (rid, version), for readers: by their place where the hint holds, else by index.
 */
#ifndef FHIR_STORE_PLACE_H
#define FHIR_STORE_PLACE_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

/* Open between begin and end; an error closes it as it does every relation. */
typedef struct StoreVersions {
	Relation heap, index; /* index NULL: not needed so far */
	Oid index_oid;
	TupleTableSlot *slot;
} StoreVersions;

/* Of the current store; checks the right to read. */
extern void store_versions_begin(StoreVersions *v);
/* The row that the active snapshot sees, all columns at hand until the next fetch; NULL if there is none. place may be NULL. */
extern TupleTableSlot *store_versions_fetch(StoreVersions *v, int64 rid, int32 version, const ItemPointerData *place);
/* The same: its document in stored form (store_pack.h), 0 if there is none. */
extern Datum store_versions_document(StoreVersions *v, int64 rid, int32 version, const ItemPointerData *place);
extern void store_versions_end(StoreVersions *v);

#endif
