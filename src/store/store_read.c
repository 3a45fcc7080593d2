/*
 * store_read.c: reading a resource's current or an earlier version: two index look-ups, by the caller's snapshot.
 * Takes no XID and no row lock: works on a hot standby.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/error.h"
#include "fhirpath/fhirpath.h"
#include "store/store_internal.h"
#include "store/store_pack.h"

typedef struct Reader {
	Relation heap, index;
	TupleTableSlot *slot;
} Reader;

static void
reader_open(Reader *r, StoreCatalog *cat, StoreTable table, StoreIndex index)
{
	r->heap = table_open(cat->table[table], AccessShareLock);
	r->index = index_open(cat->index[index], AccessShareLock);
	r->slot = table_slot_create(r->heap, NULL);
}

/* Locks stay to the end of the transaction, as those of a statement. */
static void
reader_close(Reader *r)
{
	ExecDropSingleTupleTableSlot(r->slot);
	index_close(r->index, NoLock);
	table_close(r->heap, NoLock);
}

static bool
read_resource(StoreCatalog *cat, const ModelType *type, const char *id, StoreResult *out)
{
	Reader r;
	ScanKeyData keys[2];
	bool found;

	reader_open(&r, cat, STORE_RESOURCE, STORE_IDX_IDENTITY);
	store_identity_keys(keys, type, id);
	found = store_index_row(r.heap, r.index, GetActiveSnapshot(), r.slot, 2, keys);
	if (found) {
		slot_getsomeattrs(r.slot, RES_DELETED + 1);
		out->rid = DatumGetInt64(r.slot->tts_values[RES_RID]);
		out->version = DatumGetInt32(r.slot->tts_values[RES_VERSION]);
		out->last_updated = DatumGetTimestampTz(r.slot->tts_values[RES_UPDATED]);
		out->deleted = DatumGetBool(r.slot->tts_values[RES_DELETED]);
	}
	reader_close(&r);
	return found;
}

/* The document goes to text, if given, else to out->resource. */
static bool
read_version(StoreCatalog *cat, int64 rid, int32 version, StoreResult *out, StringInfo text)
{
	Reader r;
	ScanKeyData keys[2];
	bool found;

	reader_open(&r, cat, STORE_VERSION, STORE_IDX_VERSION);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(rid));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	found = store_index_row(r.heap, r.index, GetActiveSnapshot(), r.slot, 2, keys);
	if (found) {
		slot_getallattrs(r.slot);
		out->version = version;
		out->last_updated = DatumGetTimestampTz(r.slot->tts_values[VER_UPDATED]);
		out->deleted = r.slot->tts_isnull[VER_DOC];
		if (!out->deleted && text)
			store_unpack_text(text, r.slot->tts_values[VER_DOC]);
		else if (!out->deleted)
			out->resource = store_unpack(r.slot->tts_values[VER_DOC]);
	}
	reader_close(&r);
	return found;
}

static bool
read_identity(StoreCatalog *cat, const ModelType *type, const char *id, StoreResult *out)
{
	memset(out, 0, sizeof(*out));
	out->type = type;
	strlcpy(out->id, id, sizeof(out->id));
	store_check_acl(cat, STORE_RESOURCE, false);
	store_check_acl(cat, STORE_VERSION, false);
	return read_resource(cat, type, id, out);
}

static bool
read_current(const ModelType *type, const char *id, StoreResult *out, StringInfo text)
{
	StoreCatalog *cat = store_catalog();

	if (!read_identity(cat, type, id, out))
		return false;
	if (!out->deleted && !read_version(cat, out->rid, out->version, out, text))
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

	return read_identity(cat, type, id, out) && read_version(cat, out->rid, version, out, NULL);
}

/* For FHIRPath's resolve(): the current version that "Type/id" or "Type/id/_history/3" names, NULL if there is none. */
static Jsonb *
resolve(const char *reference, int len)
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
	if (history ? !store_vread(type, id, atoi(history + 10), &r) : !store_read(type, id, &r))
		return NULL;
	return r.deleted ? NULL : r.resource;
}

void
store_init(void)
{
	fhirpath_resolve_hook = resolve;
	store_params_init();
}
