/*
 * exec_count_type.c: totals of whole types, and of all but what hashes find (`code:not=x`, `:missing` of what is usually there).
 *
 * Rows of the types are counted in the index of identities, of which PostgreSQL reads no row where its page is visible to all; deleted
 * ones carry a key that says so. They and what is excluded are one set of hashes, counted from the bitmap of resource_keys and taken off.
 */
#include "base/base.h"

#include "executor/spi.h"

#include "search/exec/exec.h"
#include "store/rows/rows.h"

/* The hashes that no match has; NULL: there are criteria of other kinds, or more hashes than one scan takes. */
static Crit *
excluded(const SearchRequest *req)
{
	Crit *out = crit_new(CRIT_KEYS);

	for (int i = 0; i < req->ntypes; i++)
		crit_add_key(out, keys_deleted(req->types[i]));
	for (int i = 0; i < req->nwhere; i++) {
		const Crit *c = req->where[i]->kind == CRIT_NOT ? req->where[i]->args[0] : NULL;

		if (c == NULL || c->kind != CRIT_KEYS)
			return NULL;
		for (int k = 0; k < c->nkeys; k++)
			crit_add_key(out, c->keys[k]);
	}
	return out->nkeys <= SEARCH_INDEXED_KEYS ? out : NULL;
}

bool
search_count_types(SearchRequest *req, int64 *out)
{
	SearchRequest rest = *req;
	SqlText s;
	int64 less;
	bool null;
	Crit *complement = req->all_types ? NULL : excluded(req);

	if (complement == NULL)
		return false;
	rest.where = &complement;
	rest.nwhere = 1;
	if (!search_count_hashes(&rest, &less))
		return false;
	req->explain = rest.explain;
	sql_init(&s);
	appendStringInfo(&s.sql, "SELECT pg_catalog.count(*) FROM %s.resource r WHERE true", store_schema());
	sql_type(&s, "r", req->types, req->ntypes);
	search_run(req, &s, "total: resources of the type, less those");
	*out = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null)) - less;
	SPI_freetuptable(SPI_tuptable);
	return true;
}
