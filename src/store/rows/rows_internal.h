/*
 * rows_internal.h: the writer's inside, for the files that implement it: rows_writer.c (life, batches),
 * rows_resource.c (resource rows), rows_version.c (version rows), rows_side.c (side rows and the dictionary).
 */
#ifndef FHIR_STORE_ROWS_INTERNAL_H
#define FHIR_STORE_ROWS_INTERNAL_H

#include "postgres.h"

#include "utils/hsearch.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "store/rows/rows.h"

/* Tables as opened for writing, with the indexes' descriptions kept by the backend (rows_open.c). */
typedef struct StoreOpen {
	Relation rel;
	ResultRelInfo *result;
} StoreOpen;
extern void store_open_table(StoreCatalog *cat, StoreTable table, StoreOpen *out);
extern void store_close_table(StoreOpen *open);
extern Relation store_open_index(StoreCatalog *cat, StoreIndex index, StoreOpen *open);

/* ---- reading (rows_read.c) ---- */
extern bool store_index_row(Relation heap, Relation index, Snapshot snapshot, TupleTableSlot *slot, int nkeys, ScanKey keys);
extern void store_identity_keys(ScanKey keys, const ModelType *type, const char *id);
extern bool store_identity_fetch(Relation rel, Relation index, Snapshot snapshot, ScanKey keys, bool for_update, HeapTuple tuple,
								 Buffer *buffer);

/* Do stored and new keys differ, or the format that they were made by? (rows_resource.c) */
extern bool store_row_keys_differ(const StoreRow *row, const KeySet *keys);
extern void store_read_row(TupleTableSlot *slot, StoreRow *row);

#define STORE_BATCH_ROWS 256
#define STORE_BATCH_BYTES (256 * 1024)

typedef struct WriterTable {
	StoreOpen open;			/* open.rel NULL: not opened yet */
	TupleTableSlot **slots; /* rows waiting to be inserted, materialized */
	int nwaiting;
	Size bytes;
	TupleTableSlot *scan; /* of look-ups */
} WriterTable;

struct StoreWriter {
	MemoryContext context;
	StoreCatalog *cat;
	EState *estate;
	CommandId cid;
	bool nested_snapshot;
	WriterTable table[STORE_NTABLES];
	HTAB *new_terms;		/* dictionary rows that wait */
	TupleTableSlot *placed; /* version row that waits for its index entries */
	/* of each waiting version row: the resource row that waits for its place, NULL if none does */
	TupleTableSlot *locator_of[STORE_BATCH_ROWS];
};

/* Opened on first use. */
extern WriterTable *store_writer_table(StoreWriter *w, StoreTable table);
/* An empty slot to be filled; then _put. */
extern TupleTableSlot *store_writer_slot(StoreWriter *w, StoreTable table);
extern void store_writer_put(StoreWriter *w, StoreTable table, TupleTableSlot *slot, Size bytes);
extern void store_writer_index(StoreWriter *w, WriterTable *t, TupleTableSlot *slot, bool update);
/* Fills a slot of `resource`; returns about how many bytes. */
extern Size store_fill_resource(StoreWriter *w, TupleTableSlot *slot, const ModelType *type, const StoreRow *row, const char *id, const KeySet *keys);

/* ---- re-indexing: its runner (rows_reindex.c), for its SQL functions and worker (reindex_sql.c) ---- */
/* Does all that waits, committing on the way. */
extern void store_reindex_run(int batch, bool everything, bool failed);
/* Notes the error that ended a run. */
extern void store_reindex_failed(const char *message);

#endif
