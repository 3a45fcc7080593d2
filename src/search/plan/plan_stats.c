/*
 * plan_stats.c: how many resources a criterion lets pass, from PostgreSQL's statistics (ANALYZE) of
 * resource.type and resource.keys.
 *
 * Used to choose between "find the matches, then sort" and "walk in order and check", and for
 * _total=estimate. A wrong estimate costs time only: a walk is bounded.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "search/plan/plan.h"
#include "store/rows/rows.h"
#include "search/plan/plan_internal.h"

static Oid
resource_table(double *rows)
{
	Oid rel = get_relname_relid("resource", store_namespace());
	HeapTuple tup = SearchSysCache1(RELOID, ObjectIdGetDatum(rel));

	*rows = -1;
	if (HeapTupleIsValid(tup)) {
		*rows = ((Form_pg_class) GETSTRUCT(tup))->reltuples;
		ReleaseSysCache(tup);
	}
	return rel;
}

/* A column's statistics of a kind, decoded once for as long as ANALYZE does not change them. */
typedef struct Stats {
	const char *column;
	int kind;
	MemoryContext context; /* of the slot; NULL: nothing yet */
	Oid rel;
	TransactionId xmin; /* of the row in pg_statistic */
	ItemPointerData tid;
	AttStatsSlot slot;
} Stats;

static Stats type_stats = {"type", STATISTIC_KIND_MCV}, key_stats = {"keys", STATISTIC_KIND_MCELEM};

/* NULL if there are none. */
static const AttStatsSlot *
read_stats(Stats *st, Oid rel)
{
	HeapTuple tup = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rel),
									Int16GetDatum(get_attnum(rel, st->column)), BoolGetDatum(false));
	TransactionId xmin;

	if (!HeapTupleIsValid(tup))
		return NULL;
	xmin = HeapTupleHeaderGetRawXmin(tup->t_data);
	if (st->context == NULL || st->rel != rel || st->xmin != xmin || !ItemPointerEquals(&st->tid, &tup->t_self)) {
		MemoryContext cxt, caller;

		if (st->context)
			MemoryContextDelete(st->context);
		st->context = NULL;
		cxt = AllocSetContextCreate(CurrentMemoryContext, "fhir search statistics", ALLOCSET_SMALL_SIZES);
		caller = MemoryContextSwitchTo(cxt);
		if (!get_attstatsslot(&st->slot, tup, st->kind, InvalidOid, ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
			memset(&st->slot, 0, sizeof(st->slot));
		MemoryContextSwitchTo(caller);
		MemoryContextSetParent(cxt, CacheMemoryContext);
		st->context = cxt;
		st->rel = rel;
		st->xmin = xmin;
		st->tid = tup->t_self;
	}
	ReleaseSysCache(tup);
	return st->slot.nvalues ? &st->slot : NULL;
}

double
search_type_rows(const ModelType *const *types, int ntypes)
{
	double rows, sum = 0, known = 0;
	Oid rel = resource_table(&rows);
	const AttStatsSlot *slot;
	int found = 0;

	if (rows <= 0)
		return 1000;
	if ((slot = read_stats(&type_stats, rel)) == NULL)
		return rows;
	for (int i = 0; i < slot->nvalues; i++) {
		const text *name = DatumGetTextPP(slot->values[i]);
		int len = VARSIZE_ANY_EXHDR(name);

		known += slot->numbers[i];
		for (int k = 0; k < ntypes; k++)
			if (strncmp(types[k]->name, VARDATA_ANY(name), len) == 0 && types[k]->name[len] == '\0') {
				sum += slot->numbers[i];
				found++;
			}
	}
	if (found < ntypes)
		sum += Max(0, 1 - known);
	return Max(1, sum * rows);
}

/* Fraction of rows that have a hash, by sorted search in the most common elements; others: if it is none of
 * them. */
static double
key_fraction(const AttStatsSlot *slot, uint64 key, double others)
{
	int lo = 0, hi = slot->nvalues - 1;

	while (lo <= hi) {
		int mid = (lo + hi) / 2;
		int64 v = DatumGetInt64(slot->values[mid]);

		if (v == (int64) key)
			return slot->numbers[mid];
		if (v < (int64) key)
			lo = mid + 1;
		else
			hi = mid - 1;
	}
	return others;
}

static double
keys_rows(const Crit *c)
{
	double rows, sum = 0, others = 0.0001;
	Oid rel = resource_table(&rows);
	const AttStatsSlot *slot;

	if (rows <= 0 || (slot = read_stats(&key_stats, rel)) == NULL)
		return rows <= 0 ? 100 : rows * 0.005 * c->nkeys;
	/* rarer than the rarest known one */
	if (slot->nnumbers > slot->nvalues)
		others = slot->numbers[slot->nvalues] / 10;
	for (int i = 0; i < c->nkeys; i++)
		sum += key_fraction(slot, c->keys[i], Min(0.005, others));
	return Min(sum, 1) * rows;
}

double
search_keys_at_least(const Crit *c)
{
	double rows, most = 0;
	Oid rel = resource_table(&rows);
	const AttStatsSlot *slot;

	if (rows <= 0 || (slot = read_stats(&key_stats, rel)) == NULL)
		return 0;
	for (int i = 0; i < c->nkeys; i++)
		most = Max(most, key_fraction(slot, c->keys[i], 0));
	return most * rows;
}

double
search_crit_rows(Crit *c, double type_rows)
{
	double n = 0;

	if (c->kind == CRIT_FALSE)
		return 0; /* whatever it was before */
	if (c->matches >= 0)
		return c->matches;
	switch (c->kind) {
		case CRIT_KEYS:
			n = c->nkeys <= 2000 ? keys_rows(c) : type_rows / 3;
			break;
		case CRIT_ROWS:
			n = c->nrows;
			break;
		case CRIT_REFERRED:
			n = c->nkeys;
			break;
		case CRIT_ID:
			n = c->nvalues;
			break;
		case CRIT_AND:
			n = type_rows;
			/* the rest of a fixed list of codes beside `none of these`: one says what the other does */
			if (c->nargs == 2 && c->args[0]->kind == CRIT_KEYS && c->args[1]->kind == CRIT_NOT)
				n = Min(search_crit_rows(c->args[0], type_rows), search_crit_rows(c->args[1], type_rows));
			else
				for (int i = 0; i < c->nargs; i++)
					n *= Min(1, search_crit_rows(c->args[i], type_rows) / type_rows);
			break;
		case CRIT_OR:
			for (int i = 0; i < c->nargs; i++)
				n += search_crit_rows(c->args[i], type_rows);
			break;
		case CRIT_NOT:
			n = Max(type_rows * 0.01, type_rows - search_crit_rows(c->args[0], type_rows));
			break;
		case CRIT_ORDERED:
		case CRIT_SIDE:
		case CRIT_UPDATED:
		case CRIT_HAS:
		case CRIT_CHAIN:
		case CRIT_STRING:
			n = type_rows / 3; /* found by plan_subqueries to be many */
			break;
		default:
			n = type_rows;
			break;
	}
	c->matches = Min(n, type_rows);
	return c->matches;
}

double
search_probe_cost(const Crit *c)
{
	double sum = c->asking;

	for (int i = 0; i < c->nargs; i++)
		sum += search_probe_cost(c->args[i]);
	return sum;
}

double
search_list_cost(const Crit *c)
{
	double sum = c->listing;

	for (int i = 0; i < c->nargs; i++)
		sum += search_list_cost(c->args[i]);
	return sum;
}
