/*
 * rows_read.c: reading a resource's current or an earlier version, by the caller's snapshot: one index look-up, and the version's row by
 * its place or another look-up (rows_version.c).
 * Takes no XID and no row lock: works on a hot standby.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "fhirpath/fhirpath.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"

static void
take_head(const ResourceHead *head, StoreResult *out, ItemPointer locator)
{
	out->rid = head->rid;
	out->version = head->version;
	out->last_updated = head->last_updated;
	out->deleted = head->deleted;
	*locator = head->locator;
}

/* Tables of another access method than heap. */
static bool
read_resource_slot(Relation rel, Relation index, ScanKey keys, StoreResult *out, ItemPointer locator)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool found = store_index_row(rel, index, GetActiveSnapshot(), slot, 2, keys);

	if (found) {
		StoreRow row;

		store_read_row(slot, &row);
		out->rid = row.rid;
		out->version = row.version;
		out->last_updated = row.last_updated;
		out->deleted = row.deleted;
		*locator = row.locator;
	}
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

static bool
read_resource(StoreCatalog *cat, const ModelType *type, const char *id, StoreResult *out, ItemPointer locator)
{
	Relation rel = table_open(cat->table[STORE_RESOURCE], AccessShareLock);
	Relation index = index_open(cat->index[STORE_IDX_IDENTITY], AccessShareLock);
	ScanKeyData keys[2];
	HeapTupleData tuple;
	Buffer buffer;
	bool found;

	store_identity_keys(keys, type, id);
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		found = read_resource_slot(rel, index, keys, out, locator);
	else if ((found = store_identity_fetch(rel, index, GetActiveSnapshot(), keys, false, &tuple, &buffer))) {
		take_head((ResourceHead *) GETSTRUCT(&tuple), out, locator);
		ReleaseBuffer(buffer);
	}
	/* locks stay to the end of the transaction, as those of a statement */
	index_close(index, NoLock);
	table_close(rel, NoLock);
	return found;
}

/* place: NULL without a hint. The document goes to text, if given, else to out->resource. */
static bool
read_version(int64 rid, int32 version, ItemPointer locator, StoreResult *out, StringInfo text)
{
	StoreVersions v;
	bool found;

	store_versions_begin(&v);
	found = store_versions_fetch(&v, rid, version, locator);
	if (found) {
		out->version = version;
		out->last_updated = v.last_updated;
		out->deleted = DatumGetPointer(v.doc) == NULL;
		if (!out->deleted && text)
			store_unpack_text(text, v.doc);
		else if (!out->deleted)
			out->resource = store_unpack(v.doc);
	}
	store_versions_end(&v);
	return found;
}

static bool
read_identity(StoreCatalog *cat, const ModelType *type, const char *id, StoreResult *out, ItemPointer locator)
{
	memset(out, 0, sizeof(*out));
	out->type = type;
	strlcpy(out->id, id, sizeof(out->id));
	store_check_acl(cat, STORE_RESOURCE, false);
	return read_resource(cat, type, id, out, locator);
}

static bool
read_current(const ModelType *type, const char *id, StoreResult *out, StringInfo text)
{
	StoreCatalog *cat = store_catalog();
	ItemPointerData locator;

	if (!read_identity(cat, type, id, out, &locator))
		return false;
	if (!out->deleted && !read_version(out->rid, out->version, &locator, out, text))
		elog(ERROR, "version %d of %s/%s is missing", out->version, type->name, id);
	return true;
}

bool
store_read(const ModelType *type, const char *id, StoreResult *out)
{
	return read_current(type, id, out, NULL);
}

bool
store_read_text(const ModelType *type, const char *id, StoreResult *out, StringInfo text)
{
	return read_current(type, id, out, text);
}

bool
store_vread(const ModelType *type, const char *id, int32 version, StoreResult *out)
{
	StoreCatalog *cat = store_catalog();
	ItemPointerData locator;

	return read_identity(cat, type, id, out, &locator) &&
		   read_version(out->rid, version, version == out->version ? &locator : NULL, out, NULL);
}

/* ---- ids ---- */

static const bool in_ids[256] = {['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true, ['.'] = true};

/* R4 id: [A-Za-z0-9\-\.]{1,64} */
bool
store_id_valid(const char *id, int len)
{
	if (len < 1 || len > FHIR_ID_MAX)
		return false;
	for (int i = 0; i < len; i++)
		if (!in_ids[(unsigned char) id[i]])
			return false;
	return true;
}

int32
store_version_number(const char *s)
{
	int64 v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9' && v <= PG_INT32_MAX; p++)
		v = v * 10 + (*p - '0');
	return *p || p == s || *s == '0' || v > PG_INT32_MAX ? 0 : (int32) v;
}

Jsonb *
store_resolve(void *unused, const char *reference, int len)
{
	const char *slash = memchr(reference, '/', len);
	const ModelType *type = slash ? model_resource(reference, slash - reference) : NULL;
	char *id, *history;
	StoreResult r;

	if (!type)
		return NULL;
	id = pnstrdup(slash + 1, reference + len - slash - 1);
	history = strstr(id, "/_history/");
	if (history)
		*history = '\0';
	if (!store_id_valid(id, strlen(id)))
		return NULL;
	if (history ? !store_vread(type, id, store_version_number(history + 10), &r) : !store_read(type, id, &r))
		return NULL;
	return r.deleted ? NULL : r.resource;
}

void
store_init(void)
{
	store_params_init();
}
