/*
 * exec_documents.c: from a request's text to its rows and documents.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "search/exec/exec.h"
#include "store/pack/pack.h"
#include "store/rows/rows.h"

#define DOCUMENT_BATCH 500

void
search_prepare(SearchRequest *req, const ModelType *type, const char *query, SearchHandling handling,
			   bool all)
{
	req->type = type;
	req->handling = handling;
	req->context = CurrentMemoryContext;
	req->known_total = -1;
	search_parse(req, query);
	search_met_user_param(true);
	search_resolve(req);
	req->user_params = search_met_user_param(true);
	search_contained_prepare(req);
	/* no page is wanted */
	if (req->contained == CONTAINED_FALSE && req->total != TOTAL_ESTIMATE && (req->summary == SUMMARY_COUNT || req->count == 0))
		all = true;
	plan_subqueries(req, req->types, req->ntypes, req->where, req->nwhere, all);
	req->all_listed = all;
}

/* Gives each row its document: parsed, or as text. */
static void
fetch_batch(SearchRow *rows, int n, bool as_text)
{
	StoreVersions versions;

	store_versions_begin(&versions);
	for (int i = 0; i < n; i++) {
		CHECK_FOR_INTERRUPTS();
		if (!store_versions_fetch(&versions, rows[i].rid, rows[i].version, &rows[i].locator) || DatumGetPointer(versions.doc) == NULL)
			elog(ERROR, "version %d of row " INT64_FORMAT " has no document", rows[i].version, rows[i].rid);
		if (as_text) {
			rows[i].text = makeStringInfo();
			store_unpack_text(rows[i].text, versions.doc);
		} else
			rows[i].doc = store_unpack(versions.doc);
	}
	store_versions_end(&versions);
}

static void
each_document(SearchRow *rows, int n, bool as_text, void (*fn)(int i, Jsonb *doc, void *arg),
			  void *arg)
{
	for (int start = 0; start < n; start += DOCUMENT_BATCH) {
		int end = Min(n, start + DOCUMENT_BATCH);
		SearchRow *need = palloc((end - start) * sizeof(SearchRow));
		int nneed = 0;
		MemoryContext cxt =
			AllocSetContextCreate(CurrentMemoryContext, "fhir search documents", ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);

		/* documents already at hand stay; the others live for this batch */
		for (int i = start; i < end; i++)
			if (rows[i].doc == NULL)
				need[nneed++] = rows[i];
		if (nneed)
			fetch_batch(need, nneed, as_text);
		MemoryContextSwitchTo(old);
		nneed = 0;
		for (int i = start; i < end; i++) {
			bool at_hand = rows[i].doc != NULL;

			if (!at_hand)
				rows[i].text = need[nneed].text;
			fn(i, at_hand ? rows[i].doc : need[nneed++].doc, arg);
			rows[i].text = NULL;
		}
		MemoryContextDelete(cxt);
		pfree(need);
	}
}

void
search_documents(SearchRequest *req, SearchRow *rows, int n, void (*fn)(int i, Jsonb *doc, void *arg),
				 void *arg)
{
	each_document(rows, n, false, fn, arg);
}

void
search_document_texts(SearchRequest *req, SearchRow *rows, int n, void (*fn)(int i, Jsonb *doc, void *arg),
					  void *arg)
{
	each_document(rows, n, true, fn, arg);
}

void
search_keep_documents(SearchRequest *req, SearchRow *rows, int n)
{
	for (int start = 0; start < n; start += DOCUMENT_BATCH) {
		int end = Min(n, start + DOCUMENT_BATCH), nneed = 0;
		SearchRow *need = palloc((end - start) * sizeof(SearchRow));

		for (int i = start; i < end; i++)
			if (rows[i].doc == NULL)
				need[nneed++] = rows[i];
		if (nneed)
			fetch_batch(need, nneed, false);
		nneed = 0;
		for (int i = start; i < end; i++)
			if (rows[i].doc == NULL)
				rows[i].doc = need[nneed++].doc;
		pfree(need);
	}
}
