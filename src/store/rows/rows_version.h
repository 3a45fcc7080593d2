/*
 * rows_version.h: rows of `version` by (rid, version), for readers: by their place where the hint holds, else by index.
 */
#ifndef FHIR_STORE_PLACE_H
#define FHIR_STORE_PLACE_H

#include "postgres.h"

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "storage/buf.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

/* Open between begin and end; an error closes it as it does every relation. */
typedef struct StoreVersions {
	Relation heap, index; /* index NULL: not needed so far */
	Oid index_oid;
	TupleTableSlot *slot; /* of a row found by index; NULL: none so far */
	HeapTupleData tuple;  /* of one found by its place */
	Buffer buffer;
	/* the row found last, until the next fetch */
	TimestampTz last_updated;
	Datum doc; /* in stored form (pack.h); 0: a delete */
} StoreVersions;

/* Of the current store; checks the right to read. */
extern void store_versions_begin(StoreVersions *v);
/* Sees the active snapshot the version? place: a hint, or NULL. */
extern bool store_versions_fetch(StoreVersions *v, int64 rid, int32 version, const ItemPointerData *place);
extern void store_versions_end(StoreVersions *v);

#endif
