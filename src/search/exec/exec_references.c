/*
 * exec_references.c: fhir_sort_references: what a reference of a document leads to, canonicals by a search of their own.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "search/exec/exec.h"
#include "store/pack/pack.h"

typedef struct RefIds {
	Datum *ids;
	int n, max;
} RefIds;

static void
add_ref_id(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	RefIds *r = arg;

	if (r->n == r->max) {
		r->max = r->max ? r->max * 2 : 8;
		r->ids = r->ids ? repalloc(r->ids, r->max * sizeof(Datum)) : palloc(r->max * sizeof(Datum));
	}
	r->ids[r->n++] = PointerGetDatum(cstring_to_text_with_len(id, ilen));
}

/* The resources that canonicals mean: looked up within the statement that asks. */
static void
add_meant(const CanonicalRefs *canonicals, RefIds *ids)
{
	MemoryContext cxt = CurrentMemoryContext, own;
	SearchRequest req = {0};
	SearchRow *rows;
	int level = search_begin(), n;

	req.context = CurrentMemoryContext;
	n = search_canonical_rows(&req, LEG_SORT, canonicals, &rows);
	own = MemoryContextSwitchTo(cxt);
	for (int i = 0; i < n; i++)
		add_ref_id(rows[i].type, strlen(rows[i].type), rows[i].id, strlen(rows[i].id), 0, ids);
	MemoryContextSwitchTo(own);
	search_end(level);
	MemoryContextSwitchTo(cxt);
}

/* Ids of the resources of a type that a reference parameter leads to. */
PG_FUNCTION_INFO_V1(fhir_sort_references);
Datum
fhir_sort_references(PG_FUNCTION_ARGS)
{
	Jsonb *doc = store_unpack(PG_GETARG_DATUM(0));
	char *code = text_to_cstring(PG_GETARG_TEXT_PP(1)), *target = text_to_cstring(PG_GETARG_TEXT_PP(2)),
		 *type_name = fhir_json_get_string(&doc->root, "resourceType");
	const ModelType *type = type_name ? model_resource(type_name, strlen(type_name)) : NULL,
					*to = model_resource(target, strlen(target));
	const KeyParam *p = type && to ? search_param(type, code, strlen(code)) : NULL;
	ModelTypeId targets[2] = {to ? to->id : MODEL_NONE, MODEL_NONE};
	CanonicalRefs canonicals = {0};
	RefIds ids = {0};

	for (int i = 0; p && i < p->nlegs; i++)
		if (search_target_allowed(p->legs[i].targets, to)) {
			search_references(p->legs[i].source, targets, &doc->root, add_ref_id, &ids);
			if (search_canonical_link(p->legs[i].source, to))
				search_canonicals_of(p->legs[i].source, targets, &doc->root, &canonicals);
		}
	if (canonicals.n)
		add_meant(&canonicals, &ids);
	PG_RETURN_ARRAYTYPE_P(construct_array(ids.ids, ids.n, TEXTOID, -1, false, TYPALIGN_INT));
}
