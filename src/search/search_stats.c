/*
 * search_stats.c: how many resources a criterion lets pass, from PostgreSQL's statistics (ANALYZE) of
 * resource.type and resource.keys.
 *
 * Used to choose between "find the matches, then sort" and "walk in order and check", and for
 * _total=estimate. A wrong estimate costs time only: a walk is bounded.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/settings.h"
#include "search/search_internal.h"
#include "store/store.h"

static Oid
resource_table(double *rows)
{
	Oid rel = get_relname_relid("resource", get_namespace_oid(fhir_store, false));
	HeapTuple tup = SearchSysCache1(RELOID, ObjectIdGetDatum(rel));

	*rows = -1;
	if (HeapTupleIsValid(tup)) {
		*rows = ((Form_pg_class)GETSTRUCT(tup))->reltuples;
		ReleaseSysCache(tup);
	}
	return rel;
}

/* Fills slot for a column's statistics of a kind; false if there are none. Free with free_attstatsslot +
 * ReleaseSysCache. */
static bool
open_stats(Oid rel, const char *column, int kind, HeapTuple *tup, AttStatsSlot *slot)
{
	*tup = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rel), Int16GetDatum(get_attnum(rel, column)),
	                       BoolGetDatum(false));
	if (!HeapTupleIsValid(*tup))
		return false;
	if (get_attstatsslot(slot, *tup, kind, InvalidOid, ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
		return true;
	ReleaseSysCache(*tup);
	return false;
}

double
search_type_rows(const ModelType *const *types, int ntypes)
{
	double rows, sum = 0, known = 0;
	Oid rel = resource_table(&rows);
	HeapTuple tup;
	AttStatsSlot slot;
	int found = 0;

	if (rows <= 0)
		return 1000;
	if (!open_stats(rel, "type", STATISTIC_KIND_MCV, &tup, &slot))
		return rows;
	for (int i = 0; i < slot.nvalues; i++) {
		char *name = TextDatumGetCString(slot.values[i]);

		known += slot.numbers[i];
		for (int k = 0; k < ntypes; k++)
			if (strcmp(types[k]->name, name) == 0) {
				sum += slot.numbers[i];
				found++;
			}
		pfree(name);
	}
	if (found < ntypes)
		sum += Max(0, 1 - known);
	free_attstatsslot(&slot);
	ReleaseSysCache(tup);
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

		if (v == (int64)key)
			return slot->numbers[mid];
		if (v < (int64)key)
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
	HeapTuple tup;
	AttStatsSlot slot;

	if (rows <= 0 || !open_stats(rel, "keys", STATISTIC_KIND_MCELEM, &tup, &slot))
		return rows <= 0 ? 100 : rows * 0.005 * c->nkeys;
	/* rarer than the rarest known one */
	if (slot.nnumbers > slot.nvalues)
		others = slot.numbers[slot.nvalues] / 10;
	for (int i = 0; i < c->nkeys; i++)
		sum += key_fraction(&slot, c->keys[i], Min(0.005, others));
	free_attstatsslot(&slot);
	ReleaseSysCache(tup);
	return Min(sum, 1) * rows;
}

double
search_keys_at_least(const Crit *c)
{
	double rows, most = 0;
	Oid rel = resource_table(&rows);
	HeapTuple tup;
	AttStatsSlot slot;

	if (rows <= 0 || !open_stats(rel, "keys", STATISTIC_KIND_MCELEM, &tup, &slot))
		return 0;
	for (int i = 0; i < c->nkeys; i++)
		most = Max(most, key_fraction(&slot, c->keys[i], 0));
	free_attstatsslot(&slot);
	ReleaseSysCache(tup);
	return most * rows;
}

double
search_crit_rows(Crit *c, double type_rows)
{
	double n = 0;

	if (c->matches >= 0)
		return c->matches;
	switch (c->kind) {
		case CRIT_FALSE:
			return 0;
		case CRIT_KEYS:
			n = c->nkeys <= 2000 ? keys_rows(c) : type_rows / 3;
			break;
		case CRIT_ROWS:
			n = c->nrows;
			break;
		case CRIT_ID:
			n = c->nvalues;
			break;
		case CRIT_AND:
			n = type_rows;
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
		case CRIT_UPDATED:
		case CRIT_HAS:
			n = type_rows / 3; /* found by search_sets to be many */
			break;
		default:
			n = type_rows;
			break;
	}
	c->matches = Min(n, type_rows);
	return c->matches;
}
