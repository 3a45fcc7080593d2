/*
 * subset.h: the part of a resource that _summary and _elements ask for.
 */
#ifndef FHIR_SUBSET_H
#define FHIR_SUBSET_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "model/model.h"

typedef enum ModelSubset {
	SUBSET_SUMMARY, /* _summary=true: elements marked so, at every level */
	SUBSET_TEXT,	/* _summary=text: text, id, meta and mandatory elements */
	SUBSET_DATA,	/* _summary=data: all but text */
	SUBSET_ELEMENTS /* _elements: the named ones */
} ModelSubset;

/*
 * A copy of the resource `doc` with that part, tagged SUBSETTED in its meta. Mandatory and modifier elements of the root
 * always stay. names: for SUBSET_ELEMENTS the element names, "value" for any valueX, perhaps "Type.name".
 */
extern Jsonb *model_subset(const ModelType *type, JsonbContainer *doc, ModelSubset what, const char *const *names,
						   int nnames);

#endif
