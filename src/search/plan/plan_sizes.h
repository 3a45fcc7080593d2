/*
 * plan_sizes.h: at which size one way gives way to another.
 */
#ifndef FHIR_SEARCH_PLAN_SIZES_H
#define FHIR_SEARCH_PLAN_SIZES_H

/* ---- sizes at which one way of doing it gives way to another: all give the same answer (make
 * COPT=-DSEARCH_TINY tests that) ---- */
#ifdef SEARCH_TINY
#define SEARCH_INDEXED_KEYS 2
#define SEARCH_FEW_ROWS 3
#define SEARCH_FEW_REFERRING 2
#define SEARCH_FEW_WHEN_ALL 5
#define SEARCH_FEW_TO_SORT 1
#define SEARCH_MANY_REFERRING 2
#define SEARCH_FEW_TARGETS 2
#define SEARCH_MANY_TARGETS 2
#define SEARCH_FEW_LOOKED_UP 4
#define SEARCH_FEW_PROBED 2
#define SEARCH_FEW_EACH 3
#define SEARCH_REMEMBERED 3
#define SEARCH_TRIED 2
#define SEARCH_FEW_COMPLEMENT 1
#define SEARCH_FEW_LONG 3
#define SEARCH_PLANS 5
#define SEARCH_FAR_ROWS 0
#define SEARCH_ROWS_A_REFERRING 3
#define SEARCH_PAGES_A_ROW 1000
#define SEARCH_WALKED_PART 0
#else
#define SEARCH_INDEXED_KEYS \
	64							   /* more hashes are listed one by one, or looked up in each row: a GIN scan for n costs n a row */
#define SEARCH_FEW_ROWS 2000	   /* a set up to this size becomes a list of rows */
#define SEARCH_FEW_REFERRING 200   /* documents that are read for _has */
#define SEARCH_FEW_WHEN_ALL 50000  /* the same where every match is needed, not a page */
#define SEARCH_FEW_TO_SORT 1000	   /* matches that are sorted rather than met on a walk */
#define SEARCH_MANY_REFERRING 3000 /* the same, at most, where each saves much */
#define SEARCH_FEW_TARGETS 300	   /* resources at the other end of a chain that are listed for a page, */
#define SEARCH_MANY_TARGETS 5000   /* and at most */
#define SEARCH_FEW_LOOKED_UP 1000  /* hashes that are looked up one by one for a page */
#define SEARCH_FEW_PROBED 500	   /* rows that are probed for what they refer to rather than find that first */
#define SEARCH_FEW_EACH 16		   /* on average, that refer to a row: all of them are looked at */
#define SEARCH_FEW_COMPLEMENT 0.05 /* of a type are estimated to lack hashes: then these are found rather than met on a walk */
#define SEARCH_TRIED 8			   /* times: a walk of so many rows as that the list would be cheaper is tried for a part of the list's time */
#define SEARCH_REMEMBERED 20000	   /* answers of what is referred to that a search keeps */
#define SEARCH_FEW_LONG 5000	   /* long intervals that are sorted by their start */
#define SEARCH_PLANS 400		   /* statements whose plans a session keeps */
#define SEARCH_FAR_ROWS 3		   /* rows that are asked for their chained sort value in the time in which one at the chain's end is probed for who refers to it */
#define SEARCH_ROWS_A_REFERRING 10 /* rows of a walk that are probed in the time in which one that refers has its document read */
#define SEARCH_WALKED_PART 2	   /* of the matches of _contained: if more are on the way to a page, all are read */
#define SEARCH_PAGES_A_ROW 20	   /* pages whose visibility is looked up in the time of one row */
#endif

#endif
