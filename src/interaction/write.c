/*
 * write.c: create, update and delete of single resources.
 *
 * Each is: check and extract once, then find the row, make the new version, change the row; on a concurrent
 * change start again from the row. The version number comes from the row that the change was made on.
 */
#include "base/base.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "store/store_internal.h"

static void
fill_result(StoreResult *out, const ModelType *type, const char *id, const StoreRow *row, Jsonb *doc)
{
	memset(out, 0, sizeof(*out));
	out->type = type;
	strlcpy(out->id, id, sizeof(out->id));
	out->version = row->version;
	out->rid = row->rid;
	out->last_updated = row->last_updated;
	out->deleted = row->deleted;
	out->resource = doc;
}

/* First version of a new identity. False: another transaction was first (never if unique). */
bool
store_write_new(StoreWriter *w, const ModelType *type, const char *id, JsonbContainer *doc, const KeySet *keys, char method,
				bool unique, StoreResult *out)
{
	StoreRow row = {.version = 1, .rid = store_writer_next_rid(w), .last_updated = store_now(0)};
	Jsonb *stamped = store_doc_stamp(doc, id, 1, row.last_updated);
	KeySet fresh;

	keys = store_params_keys(w, type, doc, keys, &fresh);
	if (unique)
		store_writer_insert_new(w, type, &row, id, keys, method, stamped);
	else {
		row.place = store_writer_place_version(w, type, row.rid, 1, row.last_updated, method, stamped);
		if (!store_writer_insert_resource(w, type, &row, id, keys)) {
			store_writer_undo_version(w);
			return false;
		}
		store_writer_index_version(w);
	}
	store_side_insert(w, row.rid, keys);
	if (unlikely(type->id == MODEL_T_SearchParameter))
		store_params_written(w, row.rid, id, 1, doc);
	if (unlikely(store_dictionary_step(row.rid)))
		store_dictionary_grown(store_writer_catalog(w), row.rid);
	fill_result(out, type, id, &row, stamped);
	out->created = true;
	return true;
}

/* Next version on a row that was found. False: it has changed since. */
static bool
write_next(StoreWriter *w, const ModelType *type, const char *id, JsonbContainer *doc, const KeySet *keys, char method,
		   const StoreRow *row, StoreResult *out)
{
	StoreRow next = *row;
	Jsonb *stamped = NULL;
	KeySet fresh;

	next.version = row->version + 1;
	next.last_updated = store_now(row->last_updated);
	next.deleted = doc == NULL;
	if (doc) {
		stamped = store_doc_stamp(doc, id, next.version, next.last_updated);
		keys = store_params_keys(w, type, doc, keys, &fresh);
	}
	if (row->deleted && method == 'U')
		method = 'R'; /* history shows that it came into being again */
	next.place = store_writer_place_version(w, type, row->rid, next.version, next.last_updated, method, stamped);
	if (!store_writer_update_resource(w, type, row, &next, id, keys)) {
		store_writer_undo_version(w);
		return false;
	}
	store_writer_index_version(w);
	if (row->side_sig != (int64) keys->side_sig || row->key_version != FHIR_KEY_VERSION)
		store_side_sync(w, row->rid, row->ord, keys);
	for (int i = 0; i < keys->nterms; i++)
		store_writer_insert_term(w, &keys->terms[i]);
	if (unlikely(type->id == MODEL_T_SearchParameter))
		store_params_written(w, row->rid, id, next.version, doc);
	fill_result(out, type, id, &next, stamped);
	out->created = row->deleted && doc;
	return true;
}

pg_noreturn static void
raise_mismatch(const ModelType *type, const char *id, const char *wanted, const StoreRow *row)
{
	ereport(ERROR,
			errcode(FH412),
			errmsg("%s/%s is not at the version that If-Match names", type->name, id),
			!row		   ? errdetail("If-Match is %.100s, but the resource does not exist.", wanted)
			: row->deleted ? errdetail("If-Match is %.100s, but the resource is deleted, by version %d.", wanted, row->version)
						   : errdetail("If-Match is %.100s, the current version is %d.", wanted, row->version),
			errhint("Read the current version, apply the change to it, and send that."),
			fhir_issue("conflict", NULL));
}

/* No tag names a resource that is not there, or is deleted (RFC 9110, 13.1.1). */
void
store_check_preconditions(const ModelType *type, const char *id, const StoreRow *row, const char *if_match, const char *if_none_match)
{
	bool exists = row && !row->deleted;

	if (if_match && *if_match && (!store_etags_name(if_match, row ? row->version : 0, "If-Match") || !exists))
		raise_mismatch(type, id, if_match, row);
	if (if_none_match && *if_none_match && store_etags_name(if_none_match, row ? row->version : 0, "If-None-Match") && exists)
		ereport(ERROR,
				errcode(FH412),
				errmsg("%s/%s exists already", type->name, id),
				errdetail("Current version %d; If-None-Match is %.100s.", row->version, if_none_match), errhint("To change it, send the update without If-None-Match."),
				fhir_issue("duplicate", NULL));
}

/* With fhir.update_noop: does the update leave the current version as it is? */
static bool
is_noop(StoreWriter *w, const char *id, JsonbContainer *doc, const StoreRow *row, Jsonb **current)
{
	Jsonb *same;

	if (!fhir_update_noop || row->deleted)
		return false;
	*current = store_writer_document(w, row, NULL);
	same = store_doc_stamp(doc, id, row->version, row->last_updated);
	return *current && VARSIZE(*current) == VARSIZE(same) && memcmp(*current, same, VARSIZE(same)) == 0;
}

/* One attempt of an update within a writer. False: concurrent change, to be tried again. */
bool
store_write_update(StoreWriter *w, const ModelType *type, const char *id, JsonbContainer *doc, const KeySet *keys,
				   const char *if_match, const char *if_none_match, char method, bool lock, StoreResult *out)
{
	StoreRow row;
	Jsonb *current;

	if (!store_writer_find(w, type, id, lock, &row)) {
		store_check_preconditions(type, id, NULL, if_match, if_none_match);
		return store_write_new(w, type, id, doc, keys, method, false, out);
	}
	store_check_preconditions(type, id, &row, if_match, if_none_match);
	if (is_noop(w, id, doc, &row, &current)) {
		fill_result(out, type, id, &row, current);
		out->unchanged = true;
		return true;
	}
	return write_next(w, type, id, doc, keys, method, &row, out);
}

/* One attempt of a delete. Absent or deleted before: nothing to do. */
bool
store_write_delete(StoreWriter *w, const ModelType *type, const char *id, const char *if_match, bool lock, StoreResult *out)
{
	StoreRow row;
	KeySet keys;

	if (!store_writer_find(w, type, id, lock, &row)) {
		store_check_preconditions(type, id, NULL, if_match, NULL);
		memset(out, 0, sizeof(*out));
		out->type = type;
		strlcpy(out->id, id, sizeof(out->id));
		out->deleted = out->unchanged = true;
		return true;
	}
	if (row.deleted) {
		store_check_preconditions(type, id, &row, if_match, NULL);
		fill_result(out, type, id, &row, NULL);
		out->unchanged = true;
		return true;
	}
	store_check_preconditions(type, id, &row, if_match, NULL);
	keys_extract_deleted(type, &keys);
	return write_next(w, type, id, NULL, &keys, 'D', &row, out);
}

/* The id that an update names. */
static char *
require_document_id(JsonbContainer *doc)
{
	char *id = fhir_json_get_string(doc, "id");

	if (!id)
		ereport(ERROR,
				errcode(FH400),
				errmsg("an update needs the id of the resource"),
				errhint("Put \"id\" into the resource, or create it without an id."),
				fhir_issue("required", "id"));
	store_require_id(id);
	return id;
}

void
store_create(Jsonb *doc, const char *if_none_exist, StoreResult *out)
{
	const ModelType *type = store_check(&doc->root);

	if (if_none_exist && *if_none_exist)
		store_create_conditional(doc, type, store_condition_query(type, if_none_exist), out);
	else
		store_create_plain(doc, type, out);
}

void
store_update(Jsonb *doc, const char *if_match, const char *if_none_match, StoreResult *out)
{
	const ModelType *type = store_check(&doc->root);
	char *id = require_document_id(&doc->root);
	KeySet keys;
	StoreWriter *w;

	keys_extract(type, &doc->root, &keys);
	w = store_writer_begin("fhir_update()");
	for (int tries = 0; !store_write_update(w, type, id, &doc->root, &keys, if_match, if_none_match, 'U', tries > 0, out); tries++) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(w);
	}
	store_writer_end(w);
}

void
store_delete(const ModelType *type, const char *id, const char *if_match, StoreResult *out)
{
	StoreWriter *w;

	store_require_id(id);
	w = store_writer_begin("fhir_delete()");
	for (int tries = 0; !store_write_delete(w, type, id, if_match, tries > 0, out); tries++) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(w);
	}
	store_writer_end(w);
}
