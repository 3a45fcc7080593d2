/*
 * dictionary.c: the dictionaries of a store: which one new documents are packed with, and those that stored documents need.
 *
 * A row of `dictionary` is never changed or deleted once it is committed. What must hold: whoever sees a document can read the
 * dictionary that it was packed with. So a writer takes the newest one that had been *committed* before he looked, by the newest snapshot, not
 * one of his own transaction (which a savepoint may yet take back); then its commit comes before the document's, in WAL, on a standby
 * and in every snapshot. Readers look up by id, by the newest snapshot too: the row may be younger than the snapshot of
 * an old transaction only if the document is its own.
 *
 * An id is a hash of the dictionary, so that a document that has come into another store is refused (or read, where that has the same
 * dictionary), and what was damaged is noticed when it is loaded. Ready dictionaries stay in the backend (pack_codec.c).
 *
 * A dictionary shows nothing to those who may read documents that these do not show. So it is used with the rights on `version`;
 * SELECT on `dictionary` itself is needed where somebody reads documents of a store through a view of another role's.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "store/pack/pack_internal.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define FIRST_DUE 4096 /* resources: a smaller sample does not tell what is common */
#define DUE_GROWTH 16  /* times as many as the newest dictionary has seen */
#define TRIED_GROWTH 2 /* the same after one that failed or was not worth it */

int32
store_dictionary_id(const void *data, size_t len)
{
	return (int32) fhir_hash(data, len, 0);
}

/* Calls fn for each row, by the newest snapshot, until it answers false. */
static void
each_row(StoreCatalog *cat, bool (*fn)(StoreCatalog *cat, HeapTuple tuple, const Datum *values, const bool *nulls, void *arg), void *arg)
{
	Relation rel = table_open(cat->dictionary, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tuple;
	Datum values[DICT_NATTS];
	bool nulls[DICT_NATTS];

	if (RelationGetNumberOfAttributes(rel) != DICT_NATTS)
		elog(ERROR, "table \"dictionary\" of store \"%s\" is not as it should be", cat->name);
	/* a handful of rows: no index needed */
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		if (!fn(cat, tuple, values, nulls, arg))
			break;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* ---- by id ---- */

typedef struct Wanted {
	int32 id;
	bool damaged;
	PackCodec *codec;
} Wanted;

static bool
load_row(StoreCatalog *cat, HeapTuple tuple, const Datum *v, const bool *nulls, void *arg)
{
	Wanted *w = arg;
	bytea *data;

	if (DatumGetInt32(v[DICT_ID]) != w->id)
		return true;
	data = nulls[DICT_DATA] ? NULL : DatumGetByteaPP(v[DICT_DATA]);
	w->damaged = data == NULL || store_dictionary_id(VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data)) != w->id;
	if (!w->damaged)
		w->codec = pack_codec_add(cat->dictionary, w->id, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
	return false;
}

static PackCodec *
load(StoreCatalog *cat, int32 id, bool *damaged)
{
	Wanted w = {id};

	each_row(cat, load_row, &w);
	*damaged = w.damaged;
	return w.codec;
}

static bool
may_read(StoreCatalog *cat)
{
	Oid user = GetUserId();

	if (likely(cat->dictionary_user == user))
		return true;
	if (FhirNamespaceAclcheck(cat->namespace, user, ACL_USAGE) != ACLCHECK_OK ||
		(pg_class_aclcheck(cat->table[STORE_VERSION], user, ACL_SELECT) != ACLCHECK_OK &&
		 pg_class_aclcheck(cat->dictionary, user, ACL_SELECT) != ACLCHECK_OK))
		return false;
	cat->dictionary_user = user;
	return true;
}

pg_noreturn static void
unreadable(StoreCatalog *cat, int32 id, bool damaged)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("stored document can't be read"),
			cat == NULL ? errdetail("It is packed with dictionary %d of a store.", id)
			: damaged	? errdetail("Dictionary %d of store \"%s\" is damaged.", id, cat->name)
						: errdetail("It is packed with dictionary %d, which store \"%s\" does not have.", id, cat->name),
			damaged ? errhint("Restore table \"dictionary\" from a backup.")
					: errhint("If it is of another store, choose that by SET fhir.store; otherwise restore table \"dictionary\" from a backup."));
}

PackCodec *
store_dictionary_codec(int32 id)
{
	StoreCatalog *cat = store_catalog_if_any();
	bool damaged = false;
	PackCodec *codec;

	if (cat == NULL || !OidIsValid(cat->dictionary))
		unreadable(cat, id, false);
	if (!may_read(cat))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(cat->table[STORE_VERSION]));
	codec = pack_codec_get(cat->dictionary, id);
	if (unlikely(codec == NULL) && (codec = load(cat, id, &damaged)) == NULL)
		unreadable(cat, id, damaged);
	return codec;
}

/* ---- the newest ---- */

typedef struct Newest {
	bool any;
	int32 id;
	int64 rid;
	TimestampTz made;
} Newest;

static bool
newest_row(StoreCatalog *cat, HeapTuple tuple, const Datum *v, const bool *nulls, void *arg)
{
	Newest *n = arg;
	int64 rid = DatumGetInt64(v[DICT_RID]);
	TimestampTz made = DatumGetTimestampTz(v[DICT_MADE]);

	if (nulls[DICT_DATA] || TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) ||
		(n->any && (rid < n->rid || (rid == n->rid && made < n->made))))
		return true;
	*n = (Newest){true, DatumGetInt32(v[DICT_ID]), rid, made};
	return true;
}

static void
look(StoreCatalog *cat)
{
	Newest n = {0};
	int64 due = FIRST_DUE;
	int64 tried;

	cat->dictionary_known = true; /* before the scan: an invalidation during it must win */
	each_row(cat, newest_row, &n);
	if (n.any)
		due = Max(due, n.rid * DUE_GROWTH);
	tried = store_info_number(cat, "dictionary_tried");
	if (tried > 0)
		due = Max(due, tried * TRIED_GROWTH);
	cat->dictionary_any = n.any;
	cat->dictionary_id = n.id;
	cat->dictionary_due = due;
}

PackCodec *
store_dictionary_newest(int32 *id)
{
	StoreCatalog *cat = fhir_dictionary == FHIR_DICTIONARY_OFF ? NULL : store_catalog_if_any();
	bool damaged;
	PackCodec *codec;

	if (cat == NULL || !OidIsValid(cat->dictionary))
		return NULL;
	while (unlikely(!cat->dictionary_known))
		look(cat);
	if (!cat->dictionary_any)
		return NULL;
	*id = cat->dictionary_id;
	codec = pack_codec_get(cat->dictionary, *id);
	if (unlikely(codec == NULL) && (codec = load(cat, *id, &damaged)) == NULL) {
		ereport(WARNING,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("dictionary %d of store \"%s\" is damaged", *id, cat->name),
				errdetail("New documents are packed without it; those that it has packed can't be read."),
				errhint("Restore table \"dictionary\" from a backup."));
		cat->dictionary_any = false;
	}
	return codec;
}

int64
store_dictionary_due(StoreCatalog *cat)
{
	while (!cat->dictionary_known)
		look(cat);
	return cat->dictionary_due;
}

void
store_dictionary_grown(StoreCatalog *cat, int64 rid)
{
	if (fhir_dictionary != FHIR_DICTIONARY_ON || !OidIsValid(cat->dictionary) || cat->dictionary_probed == rid / STORE_DICTIONARY_STEP ||
		rid < store_dictionary_due(cat))
		return;
	cat->dictionary_probed = rid / STORE_DICTIONARY_STEP; /* not for each of the next rows */
	store_worker_want(STORE_WORKER_DICTIONARY);
}
