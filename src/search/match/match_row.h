/*
 * match_row.h: rows of table resource, read from their pages, and criteria on hashes, intervals and identities decided on them without the executor.
 */
#ifndef FHIR_SEARCH_ROW_H
#define FHIR_SEARCH_ROW_H

#include "postgres.h"
#include "access/htup_details.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "search/match/match.h"

typedef struct SearchReader {
	Relation table;
	Snapshot snapshot;
	AttrNumber keys, ord, type, id;
	MemoryContext row;						  /* emptied for each row */
	HeapTupleData rows[MaxHeapTuplesPerPage]; /* of one page */
} SearchReader;

/* The row context is made in the current one. */
extern void search_reader_begin(SearchReader *r, Relation table);
/* Pins a page. A session remembers where it was: see match_row.c. */
extern Buffer search_pin_page(Relation table, BlockNumber block);
extern void search_fetch_ahead(Relation table, BlockNumber block, OffsetNumber offset);
/* Rows that the snapshot sees at these places of a pinned page (noffsets < 0: at any), into r->rows: they are there as long as it is pinned. */
extern int search_page_rows(SearchReader *r, Buffer buffer, BlockNumber block, const OffsetNumber *offsets, int noffsets);
/* Can it be decided on a row? */
extern bool search_decidable(const Crit *c);
/* Does the row satisfy all? */
extern bool search_row_satisfies(SearchReader *r, HeapTuple row, Crit *const *where, int nwhere);

#endif
