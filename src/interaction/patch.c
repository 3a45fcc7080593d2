/*
 * patch.c: patching a resource: the current version is locked, read, patched, checked and stored as a new one.
 */
#include "base/base.h"

#include "miscadmin.h"

#include "interaction/interaction_internal.h"

/* An array is JSON Patch, a Parameters resource FHIRPath Patch. */
static Jsonb *
apply(const ModelType *type, JsonbContainer *doc, Jsonb *patch)
{
	char *kind;

	if (JB_ROOT_IS_ARRAY(patch) && !JB_ROOT_IS_SCALAR(patch))
		return patch_json(doc, &patch->root);
	kind = JB_ROOT_IS_OBJECT(patch) ? fhir_json_get_string(&patch->root, "resourceType") : NULL;
	if (!kind || strcmp(kind, "Parameters") != 0)
		ereport(ERROR,
				errcode(FH400),
				errmsg("no patch"),
				errdetail("It is neither an array (JSON Patch) nor a Parameters resource (FHIRPath Patch)."), errhint("For example [{\"op\": \"replace\", \"path\": \"/active\", \"value\": false}]."),
				fhir_issue("structure", NULL));
	return patch_fhirpath(type, doc, &patch->root);
}

/* A patch may change anything but which resource it is. */
static void
require_same(const ModelType *type, const char *id, JsonbContainer *doc)
{
	char *t = fhir_json_get_string(doc, "resourceType");
	char *i = fhir_json_get_string(doc, "id");

	if (!t || strcmp(t, type->name) != 0)
		ereport(ERROR,
				errcode(FH422),
				errmsg("a patch cannot change the resource's type"), errhint("Create a resource of the other type instead."),
				fhir_issue("business-rule", "resourceType"));
	if (!i || strcmp(i, id) != 0)
		ereport(ERROR,
				errcode(FH422),
				errmsg("a patch cannot change the resource's id"), errhint("Create a resource with the other id instead."),
				fhir_issue("business-rule", "id"));
}

bool
write_patch(Writing *w, const ModelType *type, const char *id, Jsonb *patch, const char *if_match, StoreResult *out)
{
	InteractionState new = {.type = type, .id = id};
	StoreRow row;
	Jsonb *doc;
	KeySet keys;

	if (!store_writer_find(w->rows, type, id, true, &row))
		interaction_raise_unknown(type, id);
	if (row.deleted)
		interaction_raise_deleted(type, id, row.version, row.last_updated);
	/* first: a patch that was made for another version may well not fit this one */
	interaction_check_preconditions(type, id, &row, if_match, NULL);
	doc = apply(type, &store_writer_document(w->rows, &row, NULL)->root, patch);
	if (!JB_ROOT_IS_OBJECT(doc))
		ereport(ERROR, errcode(FH422), errmsg("the patched document is no object"), errhint("A patch changes elements of the resource; it can't replace the whole by something else."), fhir_issue("structure", NULL));
	require_same(type, id, &doc->root);
	new.doc = &doc->root;
	interaction_admit(w, NULL, &new);
	keys_extract(store_key_context(), type, &doc->root, &keys);
	return write_update(w, &new, &keys, if_match, NULL, 'P', true, out);
}

void
interaction_patch(const Caller *caller, const ModelType *type, const char *id, Jsonb *patch, const char *if_match, StoreResult *out)
{
	Writing w;

	interaction_require_id(id);
	writing_begin(&w, caller, "fhir_patch()");
	while (!write_patch(&w, type, id, patch, if_match, out)) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(w.rows);
	}
	writing_end(&w);
}
