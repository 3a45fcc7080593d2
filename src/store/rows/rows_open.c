/*
 * rows_open.c: opening a store's tables for writing.
 *
 * ExecOpenIndices describes every index anew for each statement, and GIN looks up its operator class each time:
 * too expensive for a call that inserts one resource. Here descriptions (IndexInfo, with the states of
 * expressions and predicates and GIN's own cache) live in the backend, one context for each table, until
 * the table or one of its indexes is invalidated. Any index that an administrator adds is served, too.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/table.h"
#include "store/pack/pack.h"
#include "store/rows/rows_internal.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/relcache.h"

#define MAX_INDEXES 16

typedef struct TableIndexes {
	Oid relid; /* hash key */
	bool valid;
	int n;
	Oid oid[MAX_INDEXES];
	IndexInfo *info[MAX_INDEXES];
	MemoryContext context;
} TableIndexes;

static HTAB *tables;

static void
on_relcache(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS seq;
	TableIndexes *t;

	hash_seq_init(&seq, tables);
	while ((t = hash_seq_search(&seq)) != NULL) {
		bool hit = !OidIsValid(relid) || t->relid == relid;

		for (int i = 0; i < t->n && !hit; i++)
			hit = t->oid[i] == relid;
		if (hit)
			t->valid = false;
	}
}

static TableIndexes *
lookup(Oid relid)
{
	bool found;
	TableIndexes *t;

	if (!tables) {
		HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(TableIndexes)};

		tables = hash_create("FHIR index descriptions", 32, &ctl, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
	}
	t = hash_search(tables, &relid, HASH_ENTER, &found);
	if (!found) {
		t->valid = false;
		t->n = 0;
		t->context = NULL;
	}
	return t;
}

static IndexInfo *
describe(Relation index)
{
	IndexInfo *info = BuildIndexInfo(index);
	ListCell *lc;

	foreach(lc, info->ii_Expressions)
		info->ii_ExpressionsState =
			lappend(info->ii_ExpressionsState, ExecInitExpr(expression_planner((Expr *) lfirst(lc)), NULL));
	if (info->ii_Predicate)
		info->ii_PredicateState = ExecInitQual((List *) expression_planner((Expr *) info->ii_Predicate), NULL);
	if (info->ii_Unique)
		BuildSpeculativeIndexInfo(index, info);
	return info;
}

/* Describes all indexes of rel, already open, in a fresh context. */
static void
rebuild(TableIndexes *t, Relation *indexes, int n)
{
	MemoryContext old;

	if (t->context)
		MemoryContextReset(t->context);
	else
		t->context = AllocSetContextCreate(CacheMemoryContext, "FHIR index descriptions", ALLOCSET_SMALL_SIZES);
	t->n = n;
	for (int i = 0; i < n; i++)
		t->oid[i] = RelationGetRelid(indexes[i]);
	t->valid = true; /* before the look-ups below: an invalidation during them must win */
	old = MemoryContextSwitchTo(t->context);
	for (int i = 0; i < n; i++)
		t->info[i] = NULL;
	for (int i = 0; i < n; i++)
		t->info[i] = describe(indexes[i]);
	MemoryContextSwitchTo(old);
}

static bool
same_indexes(const TableIndexes *t, Relation *indexes, int n)
{
	if (!t->valid || t->n != n)
		return false;
	for (int i = 0; i < n; i++)
		if (t->oid[i] != RelationGetRelid(indexes[i]) || t->info[i] == NULL)
			return false;
	return true;
}

void
store_open_table(StoreCatalog *cat, StoreTable table, StoreOpen *out)
{
	Relation rel = table_open(cat->table[table], RowExclusiveLock);
	List *list = RelationGetIndexList(rel);
	int n = list_length(list);
	Relation *indexes = palloc(sizeof(Relation) * Max(n, 1));
	ResultRelInfo *r = makeNode(ResultRelInfo);
	TableIndexes *t = lookup(RelationGetRelid(rel));

	if (n > MAX_INDEXES)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("table \"%s\" of a FHIR store has more than %d indexes", RelationGetRelationName(rel), MAX_INDEXES), errhint("Drop indexes that were added to it."));
	for (int i = 0; i < n; i++)
		indexes[i] = index_open(list_nth_oid(list, i), RowExclusiveLock);
	if (!same_indexes(t, indexes, n))
		rebuild(t, indexes, n);

	r->ri_RelationDesc = rel;
	r->ri_NumIndices = n;
	r->ri_IndexRelationDescs = indexes;
	r->ri_IndexRelationInfo = palloc(sizeof(IndexInfo *) * Max(n, 1));
	memcpy(r->ri_IndexRelationInfo, t->info, sizeof(IndexInfo *) * n);
	out->rel = rel;
	out->result = r;
	list_free(list);
}

/* Locks stay to the end of the transaction. */
void
store_close_table(StoreOpen *open)
{
	for (int i = 0; i < open->result->ri_NumIndices; i++)
		index_close(open->result->ri_IndexRelationDescs[i], NoLock);
	table_close(open->rel, NoLock);
	open->rel = NULL;
}

/* One of the opened table's indexes. */
Relation
store_open_index(StoreCatalog *cat, StoreIndex index, StoreOpen *open)
{
	for (int i = 0; i < open->result->ri_NumIndices; i++)
		if (RelationGetRelid(open->result->ri_IndexRelationDescs[i]) == cat->index[index])
			return open->result->ri_IndexRelationDescs[i];
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("an index of table \"%s\" of FHIR store \"%s\" is missing", RelationGetRelationName(open->rel), cat->name), errhint("Make it again as a new store has it (\\d in another store shows it)."));
}
