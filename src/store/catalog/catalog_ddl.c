/*
 * catalog_ddl.c: making and dropping stores. A store is a schema with the tables below.
 *
 *   resource   one narrow row per logical resource. Nothing that an ordinary update changes is indexed, and pages
 *              keep room (fillfactor), so that updates with unchanged keys are HOT. Columns stand in the
 *              order of their alignment, those that change side by side, so that WAL of an update holds little else.
 *              place: where the version's row is, see rows_version.c.
 *   version    append-only documents; doc is NULL for a delete. Never updated or moved.
 *   ordered, string, term, word   search keys that are no equality hashes (keys.h).
 *   store_info name -> value; 'format' is the version of this layout, 'link_key' a random secret that seals the links of searches.
 *   search_param  search parameters that users have added, and how far their keys are (catalog_params.c, rows_reindex.c);
 *              rid 0 stands for all keys.
 *   dictionary what documents are packed with (dictionary.c); rows stay as long as the documents.
 *
 * A store's tables never belong to the extension: DROP EXTENSION must not take clinical data with it, and
 * pg_dump must dump them. So the extension's own default store is made with creating_extension off.
 */
#include "base/base.h"

#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "store/catalog/catalog.h"

/* Also made in stores of an earlier version. */
#define WORD_TABLE "CREATE TABLE %1$s.word (rid bigint NOT NULL, words tsvector NOT NULL)"
#define WORD_RID "CREATE INDEX word_rid ON %1$s.word (rid)"
#define WORD_GIN "CREATE INDEX word_words ON %1$s.word USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = 256)"
#define WORD_COMMENT "COMMENT ON TABLE %1$s.word IS 'words of texts that no other search key holds; written by the extension only'"
#define DICTIONARY_TABLE \
	"CREATE TABLE %1$s.dictionary (" \
	" id integer CONSTRAINT dictionary_pkey PRIMARY KEY," \
	" made timestamptz NOT NULL," \
	" rid bigint NOT NULL," \
	" samples integer NOT NULL," \
	" data bytea NOT NULL)"
/* it does not shrink */
#define DICTIONARY_STORAGE "ALTER TABLE %1$s.dictionary ALTER data SET STORAGE EXTERNAL"
#define DICTIONARY_COMMENT "COMMENT ON TABLE %1$s.dictionary IS 'what documents in table version are packed with: without its rows they can''t be read; written by the extension only'"

/* %1$s: the store's schema, %2$s: the schema of pg_trgm */
static const char *const store_ddl[] = {
	"CREATE TABLE %1$s.store_info ("
	" name text COLLATE \"C\" PRIMARY KEY,"
	" value text COLLATE \"C\" NOT NULL)",

	"CREATE TABLE %1$s.resource ("
	" rid bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME %1$s.resource_rid_seq CACHE 32),"
	" side_sig bigint NOT NULL,"
	" place tid NOT NULL DEFAULT '(0,0)',"
	" key_version smallint NOT NULL,"
	" last_updated timestamptz NOT NULL,"
	" version integer NOT NULL,"
	" deleted boolean NOT NULL,"
	" type text COLLATE \"C\" NOT NULL,"
	" id text COLLATE \"C\" NOT NULL,"
	" keys bigint[] NOT NULL,"
	" refs bigint[] NOT NULL,"
	" ord bigint[] NOT NULL DEFAULT '{}',"
	" CONSTRAINT resource_pkey PRIMARY KEY (rid),"
	" CONSTRAINT resource_identity UNIQUE (type, id)"
	") WITH (fillfactor = 85, toast_tuple_target = 4080)",
	"ALTER TABLE %1$s.resource ALTER keys SET STORAGE EXTERNAL, ALTER refs SET STORAGE EXTERNAL,"
	" ALTER ord SET STORAGE EXTERNAL",
	"CREATE INDEX resource_keys ON %1$s.resource USING gin (keys) WITH (fastupdate = on, gin_pending_list_limit = 256)",

	"CREATE TABLE %1$s.version ("
	" rid bigint NOT NULL,"
	" last_updated timestamptz NOT NULL,"
	" version integer NOT NULL,"
	" method \"char\" NOT NULL,"
	" type text COLLATE \"C\" NOT NULL,"
	" doc bytea,"
	" CONSTRAINT version_pkey PRIMARY KEY (rid, version)"
	")",
	/* documents come packed: compressing them once more would be in vain */
	"ALTER TABLE %1$s.version ALTER doc SET STORAGE EXTERNAL",
	"CREATE INDEX version_changed ON %1$s.version (type, last_updated)",

	"CREATE TABLE %1$s.ordered ("
	" key bigint NOT NULL, lo bigint NOT NULL, hi bigint NOT NULL, rid bigint NOT NULL)",
	"CREATE INDEX ordered_range ON %1$s.ordered (key, lo, hi, rid)",
	/* the few long intervals: those that an overlap query could miss by looking near its bounds only */
	"CREATE INDEX ordered_long ON %1$s.ordered (key, hi, lo, rid) WHERE hi / 2 - lo / 2 > 43200000000",

	"CREATE TABLE %1$s.string ("
	" key bigint NOT NULL, rid bigint NOT NULL, value text COLLATE \"C\" NOT NULL)",
	"CREATE INDEX string_prefix ON %1$s.string (key, (\"left\"(value, 100)), rid)",
	"CREATE INDEX string_rid ON %1$s.string (rid)",
	"CREATE INDEX string_trigram ON %1$s.string USING gin (value %2$s.gin_trgm_ops) WITH (fastupdate = on, gin_pending_list_limit = 256)",

	"CREATE TABLE %1$s.term ("
	" key bigint NOT NULL, hash bigint NOT NULL, value text COLLATE \"C\" NOT NULL)",
	"CREATE INDEX term_hash ON %1$s.term (key, hash)",
	"CREATE INDEX term_trigram ON %1$s.term USING gin (value %2$s.gin_trgm_ops) WITH (fastupdate = on, gin_pending_list_limit = 256)",

	WORD_TABLE,
	WORD_RID,
	WORD_GIN,

	DICTIONARY_TABLE,
	DICTIONARY_STORAGE,

	"CREATE TABLE %1$s.search_param ("
	" rid bigint CONSTRAINT search_param_pkey PRIMARY KEY,"
	" version integer NOT NULL,"
	" active boolean NOT NULL,"
	" id text COLLATE \"C\" NOT NULL,"
	" url text COLLATE \"C\","
	" code text COLLATE \"C\","
	" kind text COLLATE \"C\","
	" bases text[] COLLATE \"C\" NOT NULL,"
	" expression text COLLATE \"C\","
	" targets text[] COLLATE \"C\" NOT NULL,"
	" components jsonb NOT NULL,"
	" scope text[] COLLATE \"C\" NOT NULL,"
	" state text COLLATE \"C\" NOT NULL,"
	" \"position\" bigint NOT NULL,"
	" done bigint NOT NULL,"
	" total bigint,"
	" base_url text COLLATE \"C\" NOT NULL,"
	" queued timestamptz NOT NULL,"
	" started timestamptz,"
	" finished timestamptz,"
	" error text)",

	"REVOKE ALL ON ALL TABLES IN SCHEMA %1$s FROM PUBLIC",
	"REVOKE ALL ON ALL SEQUENCES IN SCHEMA %1$s FROM PUBLIC",
	"COMMENT ON TABLE %1$s.store_info IS 'properties of this FHIR store; written by the extension only'",
	"COMMENT ON TABLE %1$s.resource IS 'one row per logical FHIR resource: identity, current version, search keys; "
	"written by the extension only'",
	"COMMENT ON COLUMN %1$s.resource.place IS 'where the row of the current version was written in table version: a hint, checked by each "
	"read'",
	"COMMENT ON TABLE %1$s.version IS 'every version of every resource; append-only; doc is null for a delete; written by "
	"the extension only'",
	"COMMENT ON TABLE %1$s.ordered IS 'search keys: dates, numbers, quantities as intervals; written by the extension only'",
	"COMMENT ON TABLE %1$s.string IS 'search keys: folded text; written by the extension only'",
	"COMMENT ON TABLE %1$s.search_param IS 'search parameters added by users, and the state of their keys; written by the extension only'",
	"COMMENT ON TABLE %1$s.term IS 'dictionary of folded display texts; written by the extension only'",
	WORD_COMMENT,
	DICTIONARY_COMMENT,
	"INSERT INTO %1$s.store_info (name, value) VALUES ('format', '2'), ('key_version', '" CppAsString2(FHIR_KEY_VERSION) "'),"
																														 " ('link_key', pg_catalog.replace(pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, '-', ''))",
};

/* Types and operators are PostgreSQL's, whatever the caller's search_path. */
static void
run(const char *sql, int expected)
{
	store_spi(sql, 0, NULL, NULL, NULL, false, expected);
}

/* A store's name is a plain identifier: it goes into statements, URLs of gateways and file names of dumps. */
static void
require_name(const char *name)
{
	size_t len = strlen(name);
	bool ok = len > 0 && len < NAMEDATALEN && (name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z'));

	for (size_t i = 0; ok && i < len; i++)
		ok = name[i] == '_' || (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9');
	if (!ok || strncmp(name, "pg_", 3) == 0 || strcmp(name, "information_schema") == 0)
		ereport(ERROR,
				errcode(FH400),
				errmsg("invalid name of a store"),
				errdetail("Name \"%.100s\".", name),
				errhint("Use lower-case letters, digits and _, at most %d, starting with a letter.", NAMEDATALEN - 1),
				fhir_issue("value", NULL));
}

/* Schema in which pg_trgm lives, quoted. */
static const char *
trigram_schema(void)
{
	bool isnull;
	Datum d;

	if (SPI_execute("SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
					" ON n.oid OPERATOR(pg_catalog.=) e.extnamespace WHERE e.extname OPERATOR(pg_catalog.=) 'pg_trgm'",
					true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("extension pg_trgm is not installed"),
				errhint("CREATE EXTENSION pg_trgm;"));
	d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return quote_identifier(TextDatumGetCString(d));
}

/* Does the schema hold anything, if only functions or an extension? Such a schema could never be dropped as a store. Default privileges may be set before. */
static bool
schema_in_use(Oid nsp)
{
	Oid argtypes[1] = {OIDOID};
	Datum args[1] = {ObjectIdGetDatum(nsp)};

	if (SPI_execute_with_args("SELECT 1 FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass"
							  " AND refobjid OPERATOR(pg_catalog.=) $1 AND classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_default_acl'::pg_catalog.regclass",
							  1, argtypes,
							  args, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "cannot look at a schema");
	return SPI_processed > 0;
}

/* Statements that the query answers, one a row. */
static void
run_answers(const char *query, Oid argument)
{
	Oid types[1] = {OIDOID};
	Datum values[1] = {ObjectIdGetDatum(argument)};
	List *statements = NIL;
	ListCell *cell;

	store_spi(query, 1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
		statements = lappend(statements, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	foreach(cell, statements)
		run(lfirst(cell), SPI_OK_UTILITY);
}

/* Makes a table that earlier stores have not; owner and privileges are those of its sister. */
static void
add_table(StoreCatalog *cat, const char *name, const char *const *ddl, int n, StoreTable sister)
{
	for (int i = 0; i < n; i++)
		run(psprintf(ddl[i], cat->quoted), SPI_OK_UTILITY);
	run(psprintf("REVOKE ALL ON %s.%s FROM PUBLIC", cat->quoted, name), SPI_OK_UTILITY);
	run_answers(psprintf("SELECT format('GRANT %%s ON %s.%s TO %%s', a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE"
						 " quote_ident(pg_get_userbyid(a.grantee)) END) FROM pg_class c, aclexplode(c.relacl) a"
						 " WHERE c.oid = $1 AND a.grantee <> c.relowner",
						 cat->quoted, name),
				cat->table[sister]);
	run_answers(psprintf("SELECT format('ALTER TABLE %s.%s OWNER TO %%I', pg_get_userbyid(relowner)) FROM pg_class"
						 " WHERE oid = $1 AND relowner <> (SELECT relowner FROM pg_class WHERE oid = '%s.%s'::regclass)",
						 cat->quoted, name, cat->quoted, name),
				cat->table[sister]);
	/* who writes hears of it when he locks `resource` */
	CacheInvalidateRelcacheByRelid(cat->table[STORE_RESOURCE]);
}

void
store_add_word_table(StoreCatalog *cat)
{
	static const char *const ddl[] = {WORD_TABLE, WORD_RID, WORD_GIN, WORD_COMMENT};

	add_table(cat, "word", ddl, lengthof(ddl), STORE_STRING);
}

void
store_add_dictionary_table(StoreCatalog *cat)
{
	static const char *const ddl[] = {DICTIONARY_TABLE, DICTIONARY_STORAGE, DICTIONARY_COMMENT};

	add_table(cat, "dictionary", ddl, lengthof(ddl), STORE_VERSION);
}

static void
create_tables(const char *name, Oid nsp)
{
	const char *quoted = quote_identifier(name);
	const char *trgm;

	SPI_connect();
	if (OidIsValid(nsp) && schema_in_use(nsp))
		ereport(ERROR,
				errcode(FH409),
				errmsg("schema \"%s\" is in use", name),
				errdetail("It is no FHIR store, and holds other things."),
				errhint("Choose another name."),
				fhir_issue("conflict", NULL));
	trgm = trigram_schema();
	if (!OidIsValid(nsp))
		run(psprintf("CREATE SCHEMA %s", quoted), SPI_OK_UTILITY);
	for (int i = 0; i < lengthof(store_ddl); i++)
		run(psprintf(store_ddl[i], quoted, trgm),
			strncmp(store_ddl[i], "INSERT", 6) == 0 ? SPI_OK_INSERT : SPI_OK_UTILITY);
	SPI_finish();
}

PG_FUNCTION_INFO_V1(fhir_store_create);
PGDLLEXPORT Datum fhir_store_create(PG_FUNCTION_ARGS);

Datum
fhir_store_create(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid nsp;
	bool saved = creating_extension;

	require_name(name);
	nsp = get_namespace_oid(name, true);
	if (OidIsValid(nsp) && store_exists(name))
		ereport(ERROR,
				errcode(FH409),
				errmsg("store \"%s\" exists already", name), errhint("Choose another name, or drop that store with fhir_store_drop()."),
				fhir_issue("duplicate", NULL));

	/* In the extension's own script: a store's tables are nobody's members. */
	creating_extension = false;
	PG_TRY();
	{
		create_tables(name, nsp);
	}
	PG_FINALLY();
	{
		creating_extension = saved;
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

static bool
store_is_empty(const char *quoted)
{
	if (SPI_execute(psprintf("SELECT 1 FROM %s.version LIMIT 1", quoted), false, 1) != SPI_OK_SELECT)
		elog(ERROR, "cannot read a store");
	return SPI_processed == 0;
}

PG_FUNCTION_INFO_V1(fhir_store_drop);
PGDLLEXPORT Datum fhir_store_drop(PG_FUNCTION_ARGS);

Datum
fhir_store_drop(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool force = PG_GETARG_BOOL(1);
	const char *quoted = quote_identifier(name);

	if (strlen(name) >= NAMEDATALEN || !store_exists(name))
		ereport(ERROR,
				errcode(FH404),
				errmsg("\"%.100s\" is not a FHIR store", name),
				errdetail("Only schemas made by fhir_store_create can be dropped."), errhint("To drop another schema, use DROP SCHEMA."),
				fhir_issue("not-found", NULL));
	SPI_connect();
	run(psprintf("LOCK TABLE %s.version IN ACCESS EXCLUSIVE MODE", quoted), SPI_OK_UTILITY);
	if (!force && !store_is_empty(quoted))
		ereport(ERROR,
				errcode(FH409),
				errmsg("store \"%s\" is not empty", name),
				errdetail("Every version of every resource in it would be lost."),
				errhint("To drop it with its data: SELECT fhir_store_drop('%s', force => true).", name),
				fhir_issue("conflict", NULL));
	/* Without CASCADE: what others built on the store (views, foreign keys) stops the drop. */
	run(psprintf("DROP TABLE %1$s.resource, %1$s.version, %1$s.ordered, %1$s.string, %1$s.term, %1$s.store_info", quoted),
		SPI_OK_UTILITY);
	run(psprintf("DROP TABLE IF EXISTS %1$s.search_param, %1$s.word, %1$s.dictionary", quoted), SPI_OK_UTILITY);
	run(psprintf("DROP SCHEMA %s", quoted), SPI_OK_UTILITY);
	SPI_finish();
	PG_RETURN_VOID();
}
