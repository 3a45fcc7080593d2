/*
 * writer.h: the writer's inside, for the files that implement it: writer.c (life, batches),
 * rows_resource.c (resource rows), rows_version.c (version rows), rows_side.c (side rows and the dictionary).
 */
#ifndef FHIR_STORE_WRITER_H
#define FHIR_STORE_WRITER_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "store/store_internal.h"

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
	List *params;  /* of int64 *: resource rows of SearchParameters that were written and concern the store's parameters */
	int64 culprit; /* the SearchParameter that store_params_settle looks at, or that it refuses; 0: none */
	bool nested_snapshot;
	WriterTable table[STORE_NTABLES];
	HTAB *new_terms;		/* dictionary rows that wait */
	TupleTableSlot *placed; /* version row that waits for its index entries */
	/* of each waiting version row: the resource row that waits for its place, NULL if none does */
	TupleTableSlot *place_of[STORE_BATCH_ROWS];
};

/* Opened on first use. */
extern WriterTable *store_writer_table(StoreWriter *w, StoreTable table);
/* An empty slot to be filled; then _put. */
extern TupleTableSlot *store_writer_slot(StoreWriter *w, StoreTable table);
extern void store_writer_put(StoreWriter *w, StoreTable table, TupleTableSlot *slot, Size bytes);
extern void store_writer_index(StoreWriter *w, WriterTable *t, TupleTableSlot *slot, bool update);
/* Fills a slot of `resource`; returns about how many bytes. */
extern Size store_fill_resource(StoreWriter *w, TupleTableSlot *slot, const ModelType *type, const StoreRow *row, const char *id, const KeySet *keys);
extern Datum store_int8_array(const void *values, int n);

#endif
