/*
 * write.c: create, update and delete of single resources.
 *
 * Each is: check and extract once, then find the row, make the new version, change the row; on a concurrent
 * change start again from the row. The version number comes from the row that the change was made on.
 */
#include "base/base.h"

#include "access/xact.h"
#include "interaction/interaction_internal.h"
#include "miscadmin.h"

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
write_new(Writing *w, InteractionState *new, const KeySet *keys, char method, bool unique, StoreResult *out)
{
	StoreRow row = {.version = 1, .rid = store_writer_next_rid(w->rows), .last_updated = interaction_now(0)};
	Jsonb *stamped;
	KeySet fresh;

	interaction_admit(w, &(InteractionState){.type = new->type, .id = new->id}, new);
	stamped = interaction_stamp(new->doc, new->id, 1, row.last_updated);
	keys = store_writer_keys(w->rows, new->type, new->doc, keys, &fresh);
	if (unique)
		store_writer_insert_new(w->rows, new->type, &row, new->id, keys, method, stamped);
	else {
		row.locator = store_writer_locate_version(w->rows, new->type, row.rid, 1, row.last_updated, method, stamped);
		if (!store_writer_insert_resource(w->rows, new->type, &row, new->id, keys)) {
			store_writer_undo_version(w->rows);
			return false;
		}
		store_writer_index_version(w->rows);
	}
	new->version = 1;
	interaction_changed(w, NULL, new, row.rid, keys);
	fill_result(out, new->type, new->id, &row, stamped);
	out->created = true;
	return true;
}

/* Next version on a row that was found. False: it has changed since. */
static bool
write_next(Writing *w, InteractionState *new, const KeySet *keys, char method, StoreRow *row, StoreResult *out)
{
	InteractionState old = {.type = new->type, .id = new->id, .version = row->version, .row = row};
	StoreRow next = *row;
	Jsonb *stamped = NULL;
	KeySet fresh;

	interaction_admit(w, &old, new);
	next.version = row->version + 1;
	next.last_updated = interaction_now(row->last_updated);
	next.deleted = new->doc == NULL;
	if (new->doc) {
		stamped = interaction_stamp(new->doc, new->id, next.version, next.last_updated);
		keys = store_writer_keys(w->rows, new->type, new->doc, keys, &fresh);
	}
	if (row->deleted && method == 'U')
		method = 'R'; /* history shows that it came into being again */
	next.locator = store_writer_locate_version(w->rows, new->type, row->rid, next.version, next.last_updated, method, stamped);
	if (!store_writer_update_resource(w->rows, new->type, row, &next, new->id, keys)) {
		store_writer_undo_version(w->rows);
		return false;
	}
	store_writer_index_version(w->rows);
	new->version = next.version;
	interaction_changed(w, &old, new, row->rid, keys);
	fill_result(out, new->type, new->id, &next, stamped);
	out->created = row->deleted && new->doc;
	return true;
}

/* With fhir.update_noop: does the update leave the current version as it is? */
static bool
is_noop(Writing *w, const char *id, JsonbContainer *doc, const StoreRow *row, Jsonb **current)
{
	Jsonb *same;

	if (!fhir_update_noop || row->deleted)
		return false;
	*current = store_writer_document(w->rows, row, NULL);
	same = interaction_stamp(doc, id, row->version, row->last_updated);
	return *current && VARSIZE(*current) == VARSIZE(same) && memcmp(*current, same, VARSIZE(same)) == 0;
}

/* One attempt of an update within a call. False: concurrent change, to be tried again. */
bool
write_update(Writing *w, InteractionState *new, const KeySet *keys, const char *if_match, const char *if_none_match, char method, bool lock,
			 StoreResult *out)
{
	StoreRow row;
	Jsonb *current;

	if (!store_writer_find(w->rows, new->type, new->id, lock, &row)) {
		interaction_check_preconditions(new->type, new->id, NULL, if_match, if_none_match);
		return write_new(w, new, keys, method, false, out);
	}
	interaction_check_preconditions(new->type, new->id, &row, if_match, if_none_match);
	if (is_noop(w, new->id, new->doc, &row, &current)) {
		fill_result(out, new->type, new->id, &row, current);
		out->unchanged = true;
		return true;
	}
	return write_next(w, new, keys, method, &row, out);
}

static void
nothing_to_delete(const ModelType *type, const char *id, StoreResult *out)
{
	memset(out, 0, sizeof(*out));
	out->type = type;
	strlcpy(out->id, id, sizeof(out->id));
	out->deleted = out->unchanged = true;
}

/* One attempt of a delete. Absent or deleted before: nothing to do. */
bool
write_delete(Writing *w, const ModelType *type, const char *id, const char *if_match, bool lock, StoreResult *out)
{
	InteractionState gone = {.type = type, .id = id};
	StoreRow row;
	KeySet keys;

	if (!store_writer_find(w->rows, type, id, lock, &row)) {
		interaction_check_preconditions(type, id, NULL, if_match, NULL);
		nothing_to_delete(type, id, out);
		return true;
	}
	if (row.deleted) {
		interaction_check_preconditions(type, id, &row, if_match, NULL);
		fill_result(out, type, id, &row, NULL);
		out->unchanged = true;
		return true;
	}
	interaction_check_preconditions(type, id, &row, if_match, NULL);
	keys_extract_deleted(type, &keys);
	return write_next(w, &gone, &keys, 'D', &row, out);
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
	interaction_require_id(id);
	return id;
}

void
interaction_create(const Caller *caller, Jsonb *doc, const char *if_none_exist, StoreResult *out)
{
	InteractionState new = {.doc = &doc->root};

	interaction_admit(NULL, NULL, &new);
	if (if_none_exist && *if_none_exist)
		interaction_create_conditional(caller, doc, new.type, interaction_condition_query(new.type, if_none_exist), out);
	else
		interaction_create_plain(caller, doc, new.type, out);
}

void
interaction_update(const Caller *caller, Jsonb *doc, const char *if_match, const char *if_none_match, StoreResult *out)
{
	InteractionState new = {.doc = &doc->root};
	KeySet keys;
	Writing w;

	interaction_admit(NULL, NULL, &new);
	new.id = require_document_id(&doc->root);
	keys_extract(store_key_context(), new.type, &doc->root, &keys);
	writing_begin(&w, caller, "fhir_update()");
	for (int tries = 0; !write_update(&w, &new, &keys, if_match, if_none_match, 'U', tries > 0, out); tries++) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(w.rows);
	}
	writing_end(&w);
}

void
interaction_delete(const Caller *caller, const ModelType *type, const char *id, const char *if_match, StoreResult *out)
{
	Writing w;

	interaction_require_id(id);
	writing_begin(&w, caller, "fhir_delete()");
	for (int tries = 0; !write_delete(&w, type, id, if_match, tries > 0, out); tries++) {
		CHECK_FOR_INTERRUPTS();
		store_writer_snapshot(w.rows);
	}
	writing_end(&w);
}
