/*
 * catalog.h: the stores of a database: their layout, what a backend knows of each, how they are made; workers.
 *
 * Tables of a store (layout B, see docs/design.md):
 *   resource(rid, type, id, version, last_updated, deleted, key_version, side_sig, place, keys, refs, ord)   one row per logical resource, HOT
 *   version(rid, version, type, last_updated, method, doc)                            append-only; doc NULL for a delete
 *   dictionary(id, made, rid, samples, data)                                           what documents are packed with
 *   ordered(key, lo, hi, rid)   string(key, value, rid)   term(key, value, hash)      search keys (keys.h)
 *
 * resource.ord bigint[] NOT NULL DEFAULT '{}': KeySet.ordered again, flat: key, lo, hi, key, lo, hi ... in its order. Search checks and
 * sorts the rows it has found by these without an index by rid on `ordered`; and an update deletes the old `ordered` rows
 * by their exact (key, lo, hi, rid). rid, type, id text/"C"; a deleted resource has empty keys, refs and ord.
 *
 * Indexes that search relies on:
 *   resource: PRIMARY KEY (rid), UNIQUE (type, id), GIN (keys)
 *   version:  PRIMARY KEY (rid, version), (type, last_updated)  -- a resource's times strictly increase
 *   ordered:  (key, lo, hi, rid); and of the few long intervals (key, hi, lo, rid) WHERE hi / 2 - lo / 2 > 43200000000
 *   string:   (key, left(value, 100), rid), (rid), GIN (value gin_trgm_ops)
 *   term:     PRIMARY KEY (key, hash) or the like, GIN (value gin_trgm_ops)
 */
#ifndef FHIR_STORE_CATALOG_H
#define FHIR_STORE_CATALOG_H

#include "base/base.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "keys/keys.h"
#include "model/model.h"

#define STORE_FORMAT 2 /* store_info 'format': layout of the tables */

/* ---- tables and their columns (attribute numbers - 1), see catalog_ddl.c ---- */
typedef enum StoreTable {
	STORE_RESOURCE,
	STORE_VERSION,
	STORE_ORDERED,
	STORE_STRING,
	STORE_TERM,
	STORE_WORD, /* a store that was made without it gets it when its keys are made anew; InvalidOid until then */
	STORE_NTABLES
} StoreTable;

enum { RES_RID,
	   RES_SIDE_SIG,
	   RES_PLACE,
	   RES_KEY_VERSION,
	   RES_UPDATED,
	   RES_VERSION,
	   RES_DELETED,
	   RES_TYPE,
	   RES_ID,
	   RES_KEYS,
	   RES_REFS,
	   RES_ORD,
	   RES_NATTS,
};
enum { VER_RID,
	   VER_UPDATED,
	   VER_VERSION,
	   VER_METHOD,
	   VER_TYPE,
	   VER_DOC,
	   VER_NATTS,
};
enum { ORD_KEY,
	   ORD_LO,
	   ORD_HI,
	   ORD_RID,
	   ORD_NATTS,
};
enum { STR_KEY,
	   STR_RID,
	   STR_VALUE,
	   STR_NATTS,
};
enum { TERM_KEY,
	   TERM_HASH,
	   TERM_VALUE,
	   TERM_NATTS,
};
enum { WORD_RID,
	   WORD_WORDS,
	   WORD_NATTS,
};

/* How the rows begin: columns of fixed length that are never null. Read so where a row is at hand on its page. */
typedef struct ResourceHead {
	int64 rid, side_sig;
	ItemPointerData locator;
	int16 key_version;
	TimestampTz last_updated;
	int32 version;
	bool deleted;
} ResourceHead;
typedef struct VersionHead {
	int64 rid;
	TimestampTz last_updated;
	int32 version;
	char method;
} VersionHead;
StaticAssertDecl(offsetof(ResourceHead, locator) == 16 && offsetof(ResourceHead, key_version) == 22 && offsetof(ResourceHead, last_updated) == 24 &&
					 offsetof(ResourceHead, deleted) == 36,
				 "as the columns are aligned");

/* Indexes that the store scans itself. */
typedef enum StoreIndex {
	STORE_IDX_IDENTITY, /* resource (type, id) */
	STORE_IDX_RID,		/* resource (rid) */
	STORE_IDX_VERSION,	/* version (rid, version) */
	STORE_IDX_ORDERED,	/* ordered (key, lo, hi, rid) */
	STORE_IDX_STRING,	/* string (rid) */
	STORE_IDX_TERM,		/* term (key, hash) */
	STORE_IDX_WORD,		/* word (rid) */
	STORE_NINDEXES
} StoreIndex;

/* What one backend knows of one store. Valid until the next look-up; its OIDs stay right while a relation is locked. */
typedef struct StoreCatalog {
	char name[NAMEDATALEN]; /* hash key */
	bool valid;
	Oid namespace;
	Oid table[STORE_NTABLES];
	Oid index[STORE_NINDEXES];
	Oid rid_sequence;
	Oid params;			   /* search_param; InvalidOid in a store that was made without it */
	bool params_valid;	   /* user is what that table says */
	KeyUserSet *user;	   /* parameters added by users; NULL: none */
	uint64 params_digest;  /* of what user was made from */
	bool keys_stale;	   /* rows may have keys of an older format */
	Oid dictionary;		   /* dictionary; InvalidOid in a store that was made without it */
	bool dictionary_known; /* the four below are what that table says */
	bool dictionary_any;
	int32 dictionary_id;	 /* the newest */
	int64 dictionary_due;	 /* rid from which on another one shall be trained */
	int64 dictionary_probed; /* step of rids at which a worker was wanted last */
	Oid dictionary_user;	 /* who is known to have the right to use them */
	Oid acl_user;			 /* whose rights are known */
	uint32 acl_known;		 /* bit (table * 2): SELECT, (table * 2 + 1): INSERT, UPDATE, DELETE */
	char quoted[NAMEDATALEN * 2 + 3];
	char link_key[72]; /* "": there is none */
} StoreCatalog;

extern StoreCatalog *store_catalog(void);
/* The same, but NULL if there is no such store. */
extern StoreCatalog *store_catalog_if_any(void);
/* A number of store_info, or -1; by the newest snapshot. */
extern int64 store_info_number(StoreCatalog *cat, const char *name);
/* Of all rows of the store, by the newest snapshot. */
extern int store_key_version(StoreCatalog *cat);
/* Raises 42501 unless the current user may read (or change) a table of the store. */
extern void store_check_acl(StoreCatalog *cat, StoreTable table, bool write);
/* Counts invalidations of any store's tables: what is remembered of their rows holds while it stays the same. */
extern uint64 store_catalog_changes(void);
/* Is there a store of that name? */
extern bool store_exists(const char *name);

/* Its schema. */
extern Oid store_namespace(void);
/* Quoted schema of the current store ("fhir"), checked to exist and be a store; cached, invalidated on change. */
extern const char *store_schema(void);
/* What seals the links of the current store's searches: a secret text, the same on replicas and in dumps. */
extern const char *store_link_key(void);

/* Makes the table of words, of dictionaries, for a store that has none. Within SPI. (catalog_ddl.c) */
extern void store_add_word_table(StoreCatalog *cat);
extern void store_add_dictionary_table(StoreCatalog *cat);

/* ---- parameters that users have added (catalog_params.c) ---- */
/*
 * What keys of the current store follow from: its users' parameters as they are now (valid until the end of the transaction), and
 * fhir.base_url. A null context where there is no store.
 */
extern KeyContext store_key_context(void);
/* ModelParamType of a SearchParameter.type, -1 if unknown. */
extern int store_params_kind(const char *name);
extern void store_params_init(void);
/* The set of the entry is not needed any more once the transaction ends. */
extern void store_params_forget(StoreCatalog *cat);
/* How far the keys of a user's search parameter are: text for a hint, NULL if nothing is known. rid: KeyUserParam.rid. */
extern char *store_params_progress(int64 rid);
/* Have rows of the store keys of an older format, until they are re-indexed? Searches by keys would miss them. */
extern bool store_keys_stale(void);

/* Quoted schema of the extension's functions. Within SPI. */
extern const char *store_extension_schema(void);
/* SPI with a search path that nobody can divert; raises unless the result is `expected`. */
extern void store_spi(const char *sql, int nargs, Oid *types, Datum *values, const char *nulls, bool read_only, int expected);

/* ---- background workers (worker.c) ---- */
typedef enum StoreWorkerKind {
	STORE_WORKER_REINDEX,
	STORE_WORKER_DICTIONARY,
	STORE_NWORKERS
} StoreWorkerKind;
/* Advisory locks of a store, which pg_advisory_lock() never meets; and who takes which. */
#define STORE_LOCK_CLASS 8127
#define STORE_LOCK_RUNNER 1 /* re-indexes */
#define STORE_LOCK_NEXT 2	/* waits to */
#define STORE_LOCK_TRAINER 3
/* Starts a worker for the current store when this transaction commits. */
extern void store_worker_want(StoreWorkerKind kind);
/* For the session; false: somebody has it. */
extern bool store_lock(StoreCatalog *cat, uint16 role, bool wait);
extern void store_unlock(StoreCatalog *cat, uint16 role);
/* Starts a re-indexing worker when this transaction commits. */
extern void store_reindex_want(void);
/* Is someone at work on the store's keys? */
extern bool store_reindex_running(StoreCatalog *cat);
/* In a worker's main function: connects to the database and chooses the store that it was started for. */
extern void store_worker_begin(Oid database, const char *activity);
/* From here on with the rights of the table's owner, in a restricted context. Within a transaction. */
extern void store_worker_become_owner(Oid table);
/* After an error: reports it and begins a transaction anew. Its message, palloc'd in `context`. */
extern char *store_worker_recover(MemoryContext context);

#endif
