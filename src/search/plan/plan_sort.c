/*
 * plan_sort.c: the SQL that computes what _sort orders by.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "search/plan/plan.h"
#include "store/rows/rows.h"

/* The lowest or highest value of the resources that alias refers to: each is looked up by its identity. */
static void
sql_sort_chain(SqlText *s, const SearchSort *sort, const char *alias)
{
	SearchName name = search_split_name(sort->code);

	appendStringInfo(&s->sql, "(SELECT pg_catalog.%s(x.v) FROM (", sort->descending ? "max" : "min");
	for (int i = 0; i < sort->nends; i++) {
		char inner[16];

		snprintf(inner, sizeof(inner), "s%d_", ++s->naliases);
		appendStringInfoString(&s->sql, i ? " UNION ALL SELECT " : "SELECT ");
		sql_sort_expression(s, &sort->ends[i], inner);
		appendStringInfo(&s->sql,
						 " AS v FROM pg_catalog.unnest(%s.fhir_sort_references((SELECT d.doc FROM %s.version d "
						 "WHERE d.rid" OP("=") "%s.rid AND d.version" OP("=") "%s.version), ",
						 store_extension_schema(), store_schema(), alias, alias);
		sql_param(s, TEXTOID, CStringGetTextDatum(name.code));
		appendStringInfoString(&s->sql, ", ");
		sql_param(s, TEXTOID, CStringGetTextDatum(sort->targets[i]->name));
		appendStringInfo(&s->sql,
						 ")) u(id) CROSS JOIN LATERAL (SELECT * FROM %s.resource %s WHERE %s.type" OP("="),
						 store_schema(), inner, inner);
		sql_param(s, TEXTOID, CStringGetTextDatum(sort->targets[i]->name));
		appendStringInfo(&s->sql, " AND %s.id" OP("=") "u.id AND NOT %s.deleted", inner, inner);
		search_restrict(s, inner, LEG_SORT);
		appendStringInfo(&s->sql, " OFFSET 0) %s", inner);
	}
	appendStringInfoString(&s->sql, ") x)");
}

void
sql_sort_expression(SqlText *s, const SearchSort *sort, const char *alias)
{
	switch (sort->kind) {
		case SORT_ID:
			appendStringInfo(&s->sql, "%s.id", alias);
			break;
		case SORT_UPDATED:
			appendStringInfo(&s->sql, "%s.last_updated", alias);
			break;
		case SORT_ORDERED:
			appendStringInfo(&s->sql, "%s.fhir_ordered_value(%s.ord, ", store_extension_schema(), alias);
			sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) sort->keys, sort->nkeys));
			appendStringInfo(&s->sql, ", %s)", sort->descending ? "true" : "false");
			break;
		case SORT_STRING:
			appendStringInfo(
				&s->sql,
				"(SELECT pg_catalog.%s(pg_catalog.\"left\"(t.value, 100)) FROM %s.string t WHERE t.rid" OP(
					"=") "%s.rid AND t.key" OP("=") "ANY (",
				sort->descending ? "max" : "min", store_schema(), alias);
			sql_param(s, INT8ARRAYOID, sql_int8_array((int64 *) sort->keys, sort->nkeys));
			appendStringInfoString(&s->sql, "))");
			break;
		case SORT_DOC:
			appendStringInfo(&s->sql,
							 "%s.fhir_sort_text((SELECT d.doc FROM %s.version d WHERE d.rid" OP(
								 "=") "%s.rid AND d.version" OP("=") "%s.version), ",
							 store_extension_schema(), store_schema(), alias, alias);
			sql_param(s, TEXTOID, CStringGetTextDatum(sort->code));
			appendStringInfo(&s->sql, ", %s) COLLATE pg_catalog.\"C\"", sort->descending ? "true" : "false");
			break;
		case SORT_SCORE:
			appendStringInfo(&s->sql,
							 "%s.fhir_search_score((SELECT d.doc FROM %s.version d WHERE d.rid" OP(
								 "=") "%s.rid AND d.version" OP("=") "%s.version), ",
							 store_extension_schema(), store_schema(), alias, alias);
			sql_param(s, TEXTARRAYOID, sql_text_array(sort->texts, sort->ntexts));
			appendStringInfoChar(&s->sql, ')');
			break;
		case SORT_CHAIN:
			sql_sort_chain(s, sort, alias);
			break;
	}
}
