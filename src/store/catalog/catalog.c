/*
 * catalog.c: what a backend remembers of its stores: OIDs of tables, indexes and sequence, and
 * whether the current user may use them.
 *
 * Invariant: an entry is used only while `valid`; relcache, namespace and role invalidations clear that flag. OIDs
 * read from an entry stay right for a relation that is locked.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "store/catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static const char *const table_names[STORE_NTABLES] = {"resource", "version", "ordered", "string", "term", "word"};
static const char *const index_names[STORE_NINDEXES] = {"resource_identity", "resource_pkey", "version_pkey",
														"ordered_range", "string_rid", "term_hash", "word_rid"};

static HTAB *stores;
static uint64 changes = 1; /* that invalidated an entry */
static StoreCatalog *last; /* of the previous call: nearly always the right one */

static void
invalidate_all(void)
{
	HASH_SEQ_STATUS seq;
	StoreCatalog *cat;

	hash_seq_init(&seq, stores);
	while ((cat = hash_seq_search(&seq)) != NULL)
		cat->valid = false;
}

static void
on_relcache(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	StoreCatalog *cat;

	hash_seq_init(&seq, stores);
	while ((cat = hash_seq_search(&seq)) != NULL) {
		bool hit = !OidIsValid(relid);

		for (int i = 0; i < STORE_NTABLES && !hit; i++)
			hit = cat->table[i] == relid;
		for (int i = 0; i < STORE_NINDEXES && !hit; i++)
			hit = cat->index[i] == relid;
		if (cat->params == relid || !OidIsValid(relid))
			cat->params_valid = false;
		if (cat->dictionary == relid || !OidIsValid(relid)) {
			cat->dictionary_known = false;
			cat->dictionary_user = InvalidOid;
		}
		if (hit || cat->rid_sequence == relid) {
			cat->valid = false;
			changes++;
		}
	}
}

static void
on_syscache(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_all();
}

static void
make_cache(void)
{
	HASHCTL ctl = {.keysize = NAMEDATALEN, .entrysize = sizeof(StoreCatalog)};

	stores = hash_create("FHIR stores", 16, &ctl, HASH_ELEM | HASH_STRINGS);
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, on_syscache, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, on_syscache, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, on_syscache, (Datum) 0);
}

/* A value of store_info (palloc'd), NULL if it is not there or the table does not look like ours. */
static char *
read_info_text(Oid relid, const char *wanted)
{
	Relation rel = table_open(relid, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tup;
	char *found = NULL;

	if (rel->rd_rel->relkind != RELKIND_RELATION || RelationGetNumberOfAttributes(rel) != 2 ||
		TupleDescAttr(RelationGetDescr(rel), 0)->atttypid != TEXTOID ||
		TupleDescAttr(RelationGetDescr(rel), 1)->atttypid != TEXTOID) {
		table_close(rel, AccessShareLock);
		return NULL;
	}
	/* a handful of rows: no index needed */
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan))) {
		bool null1, null2;
		Datum name = heap_getattr(tup, 1, RelationGetDescr(rel), &null1);
		Datum value = heap_getattr(tup, 2, RelationGetDescr(rel), &null2);

		if (!null1 && !null2 && strcmp(TextDatumGetCString(name), wanted) == 0)
			found = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* A number of store_info, or -1. */
static int
read_info(Oid relid, const char *wanted)
{
	char *text = read_info_text(relid, wanted);

	return text ? (int) strtol(text, NULL, 10) : -1;
}

bool
store_exists(const char *name)
{
	Oid nsp = get_namespace_oid(name, true);
	Oid info = OidIsValid(nsp) ? get_relname_relid("store_info", nsp) : InvalidOid;

	return OidIsValid(info) && read_info(info, "format") > 0;
}

int64
store_info_number(StoreCatalog *cat, const char *name)
{
	Oid info = get_relname_relid("store_info", cat->namespace);
	char *text = OidIsValid(info) ? read_info_text(info, name) : NULL;

	return text ? strtoll(text, NULL, 10) : -1;
}

int
store_key_version(StoreCatalog *cat)
{
	Oid info = get_relname_relid("store_info", cat->namespace);

	return OidIsValid(info) ? read_info(info, "key_version") : -1;
}

static Oid
require_relation(const char *name, Oid nsp, const char *store)
{
	Oid oid = get_relname_relid(name, nsp);

	if (!OidIsValid(oid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("store \"%s\" is damaged: relation \"%s\" is missing", store, name),
				errhint("Restore it from a backup, or recreate the index under its name."));
	return oid;
}

static void
fill(StoreCatalog *cat)
{
	Oid nsp = get_namespace_oid(cat->name, true);
	Oid info = OidIsValid(nsp) ? get_relname_relid("store_info", nsp) : InvalidOid;
	int format = OidIsValid(info) ? read_info(info, "format") : -1;
	char *link_key = format > 0 ? read_info_text(info, "link_key") : NULL;

	if (format < 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_SCHEMA),
				errmsg("FHIR store \"%s\" does not exist", cat->name),
				errhint("Make it by SELECT fhir_store_create('%s'), or choose another by SET fhir.store.", cat->name));
	if (format != STORE_FORMAT)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("FHIR store \"%s\" has format %d, this server knows %d", cat->name, format, STORE_FORMAT),
				errhint("Install the version of the extension that made it, or upgrade the store."));
	cat->valid = true; /* before the look-ups below: an invalidation during them must win */
	cat->namespace = nsp;
	for (int i = 0; i < STORE_NTABLES; i++)
		cat->table[i] = i == STORE_WORD ? get_relname_relid(table_names[i], nsp) : require_relation(table_names[i], nsp, cat->name);
	for (int i = 0; i < STORE_NINDEXES; i++)
		cat->index[i] = i == STORE_IDX_WORD && !OidIsValid(cat->table[STORE_WORD]) ? InvalidOid
																				   : require_relation(index_names[i], nsp, cat->name);
	cat->rid_sequence = require_relation("resource_rid_seq", nsp, cat->name);
	cat->params = get_relname_relid("search_param", nsp);
	cat->params_valid = false;
	cat->dictionary = get_relname_relid("dictionary", nsp);
	cat->dictionary_known = false;
	cat->dictionary_probed = 0;
	cat->dictionary_user = InvalidOid;
	cat->acl_user = InvalidOid;
	cat->acl_known = 0;
	strlcpy(cat->link_key, link_key ? link_key : "", sizeof(cat->link_key));
	strlcpy(cat->quoted, quote_identifier(cat->name), sizeof(cat->quoted));
}

StoreCatalog *
store_catalog(void)
{
	const char *name = fhir_store && *fhir_store ? fhir_store : "fhir";
	char key[NAMEDATALEN];
	bool found;

	if (last && last->valid && strcmp(last->name, name) == 0)
		return last;
	if (!stores)
		make_cache();
	strlcpy(key, name, sizeof(key));
	last = NULL;
	StoreCatalog *cat = hash_search(stores, key, HASH_ENTER, &found);

	if (!found)
		memset((char *) cat + NAMEDATALEN, 0, sizeof(*cat) - NAMEDATALEN);
	for (int tries = 0; !cat->valid; tries++) {
		if (tries > 100)
			elog(ERROR, "catalog of store \"%s\" keeps changing", key);
		PG_TRY();
		{
			fill(cat);
		}
		PG_CATCH();
		{
			store_params_forget(cat);
			hash_search(stores, key, HASH_REMOVE, NULL);
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return last = cat;
}

StoreCatalog *
store_catalog_if_any(void)
{
	const char *name = fhir_store && *fhir_store ? fhir_store : "fhir";

	if (likely(last && last->valid && strcmp(last->name, name) == 0))
		return last;
	return store_exists(name) ? store_catalog() : NULL;
}

Oid
store_namespace(void)
{
	return store_catalog()->namespace;
}

const char *
store_schema(void)
{
	return store_catalog()->quoted;
}

const char *
store_link_key(void)
{
	StoreCatalog *cat = store_catalog();

	if (cat->link_key[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("store \"%s\" has no key for the links of searches", cat->name),
				errhint("INSERT INTO %s.store_info VALUES ('link_key', a long random text); then connect anew.", cat->quoted));
	return cat->link_key;
}

uint64
store_catalog_changes(void)
{
	return changes;
}

void
store_check_acl(StoreCatalog *cat, StoreTable table, bool write)
{
	Oid user = GetUserId();
	uint32 bit = 1u << (table * 2 + (write ? 1 : 0));
	AclMode mode = write ? ACL_INSERT | ACL_UPDATE | ACL_DELETE : ACL_SELECT;

	if (cat->acl_user != user) {
		cat->acl_user = user;
		cat->acl_known = 0;
	}
	if (cat->acl_known & bit)
		return;
	if (FhirNamespaceAclcheck(cat->namespace, user, ACL_USAGE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, cat->name);
	/* version is append-only and the dictionary only grows: INSERT alone is enough there */
	if (write && (table == STORE_VERSION || table == STORE_TERM))
		mode = ACL_INSERT;
	if (pg_class_aclmask(cat->table[table], user, mode, ACLMASK_ALL) != mode)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table_names[table]);
	/* The store reads its tables directly: a policy would be passed by, so that must not go unnoticed. */
	if (check_enable_rls(cat->table[table], InvalidOid, true) != RLS_NONE &&
		check_enable_rls(cat->table[table], InvalidOid, true) != RLS_NONE_ENV)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("row-level security is on for table \"%s\" of store \"%s\"", table_names[table], cat->name),
				errhint("Policies on the tables of a store are not supported yet; let the role bypass them, or switch them off."));
	/* RLS_NONE_ENV may change with the role's environment: such answers are not kept */
	if (check_enable_rls(cat->table[table], InvalidOid, true) == RLS_NONE)
		cat->acl_known |= bit;
}
