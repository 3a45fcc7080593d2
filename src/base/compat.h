/*
 * compat.h: the one place for differences between PostgreSQL 14 and 18.
 *
 * Included directly after postgres.h by every file that needs it; no other
 * file tests PG_VERSION_NUM.
 */
#ifndef FHIR_COMPAT_H
#define FHIR_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "fhir needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * All is built with hidden visibility: what the server looks up is exported by this word, which says nothing
 * before 16. So this header comes before fmgr.h.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#include "fmgr.h"
#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
	extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
	extern PGDLLEXPORT const Pg_finfo_record *CppConcat(pg_finfo_, funcname)(void); \
	const Pg_finfo_record *CppConcat(pg_finfo_, funcname)(void) \
	{ \
		static const Pg_finfo_record my_finfo = {1}; \
		return &my_finfo; \
	} \
	extern int no_such_variable
#endif

/* 18 has it; earlier ones pg_attribute_noreturn(), behind the declaration. */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* Absent from older minor releases of 14 and 15. */
#ifndef palloc_array
#define palloc_object(type) ((type *) palloc(sizeof(type)))
#define palloc0_object(type) ((type *) palloc0(sizeof(type)))
#define palloc_array(type, count) ((type *) palloc(sizeof(type) * (count)))
#define palloc0_array(type, count) ((type *) palloc0(sizeof(type) * (count)))
#define repalloc_array(pointer, type, count) ((type *) repalloc(pointer, sizeof(type) * (count)))
#endif

/* 14 can only warn about unknown names under our prefix; later versions refuse them. */
#if PG_VERSION_NUM < 150000
#define FhirReserveGUCPrefix(prefix) EmitWarningsOnPlaceholders(prefix)
#else
#define FhirReserveGUCPrefix(prefix) MarkGUCPrefixReserved(prefix)
#endif

/* SPI_commit() begins the next transaction by itself only since 14.3. */
#if PG_VERSION_NUM < 150000
#define FhirSPICommit() (SPI_commit(), SPI_start_transaction())
#else
#define FhirSPICommit() SPI_commit()
#endif

/* From 18 on the bytes are uint8, before char: a void pointer is either. */
#define FhirBase64Encode(bytes, len, text, size) pg_b64_encode((const void *) (bytes), len, text, size)
#define FhirBase64Decode(text, len, bytes, size) pg_b64_decode(text, len, (void *) (bytes), size)

/* Table and index access: macros, so that only files that use them need the headers. */
#if PG_VERSION_NUM >= 160000
#define FhirNamespaceAclcheck(oid, user, mode) object_aclcheck(NamespaceRelationId, oid, user, mode)
#define FhirInsertIndexTuples(result, slot, estate, update, nodup, conflict, arbiters) \
	ExecInsertIndexTuples(result, slot, estate, update, nodup, conflict, arbiters, false)
#define FhirUpdateIndexes TU_UpdateIndexes
#define FhirNeedsIndexes(u) ((u) == TU_All)
#else
#define FhirNamespaceAclcheck(oid, user, mode) pg_namespace_aclcheck(oid, user, mode)
#define FhirInsertIndexTuples(result, slot, estate, update, nodup, conflict, arbiters) \
	ExecInsertIndexTuples(result, slot, estate, update, nodup, conflict, arbiters)
#define FhirUpdateIndexes bool
#define FhirNeedsIndexes(u) (u)
#endif

#if PG_VERSION_NUM >= 160000
#define FhirRelationLocator(rel) ((rel)->rd_locator)
#else
#define FhirRelationLocator(rel) ((rel)->rd_node)
#endif

/* How many blocks a table has at least, as the backend has seen it; InvalidBlockNumber if it has not. */
#if PG_VERSION_NUM >= 150000
#define FhirHeapFetch(rel, snapshot, tuple, buffer) heap_fetch(rel, snapshot, tuple, buffer, false)
#define FhirKnownBlocks(rel) (RelationGetSmgr(rel)->smgr_cached_nblocks[MAIN_FORKNUM])
#else
#define FhirHeapFetch(rel, snapshot, tuple, buffer) heap_fetch(rel, snapshot, tuple, buffer)
#define FhirKnownBlocks(rel) (smgropen((rel)->rd_node, (rel)->rd_backend)->smgr_cached_nblocks[MAIN_FORKNUM])
#endif

/* What an index names, page by page; FhirBitmapOffsets answers how many, -1: any on that page. */
#if PG_VERSION_NUM >= 180000
#define FhirBitmapIterator TBMPrivateIterator
#define FhirBitmapPage TBMIterateResult
#define FhirBitmapBegin(bitmap) tbm_begin_private_iterate(bitmap)
#define FhirBitmapNext(iterator, page) tbm_private_iterate(iterator, &(page))
#define FhirBitmapBlock(page) ((page).blockno)
#define FhirBitmapRecheck(page) ((page).recheck)
#define FhirBitmapOffsets(page, into) \
	((page).lossy ? -1 : tbm_extract_page_tuple(&(page), (into), MaxHeapTuplesPerPage))
#define FhirBitmapEnd(iterator) tbm_end_private_iterate(iterator)
#define FhirIndexBeginscanBitmap(index, snapshot, nkeys) index_beginscan_bitmap(index, snapshot, NULL, nkeys)
#else
#define FhirBitmapIterator TBMIterator
#define FhirBitmapPage TBMIterateResult *
#define FhirBitmapBegin(bitmap) tbm_begin_iterate(bitmap)
#define FhirBitmapNext(iterator, page) (((page) = tbm_iterate(iterator)) != NULL)
#define FhirBitmapBlock(page) ((page)->blockno)
#define FhirBitmapRecheck(page) ((page)->recheck)
#define FhirBitmapOffsets(page, into) \
	((page)->ntuples < 0 ? -1 : (memcpy(into, (page)->offsets, (page)->ntuples * sizeof(OffsetNumber)), (page)->ntuples))
#define FhirBitmapEnd(iterator) tbm_end_iterate(iterator)
#define FhirIndexBeginscanBitmap(index, snapshot, nkeys) index_beginscan_bitmap(index, snapshot, nkeys)
#endif

#if PG_VERSION_NUM >= 180000
#define FhirIndexBeginscan(heap, index, snapshot, nkeys) index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#define FhirCheckIndexConstraints(result, slot, estate, tid, arbiters) \
	ExecCheckIndexConstraints(result, slot, estate, tid, NULL, arbiters)
#else
#define FhirIndexBeginscan(heap, index, snapshot, nkeys) index_beginscan(heap, index, snapshot, nkeys, 0)
#define FhirCheckIndexConstraints(result, slot, estate, tid, arbiters) \
	ExecCheckIndexConstraints(result, slot, estate, tid, arbiters)
#endif

#endif
