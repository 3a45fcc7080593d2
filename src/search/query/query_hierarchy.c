/*
 * query_hierarchy.c: `location:below=42`, `:above`: what refers to a resource, or to one that is part of it, or that it is part of.
 *
 * R4, "Searching Hierarchies": where a type refers to itself as a part to its whole (Location.partOf), the modifiers of a
 * reference go along it. The parts are looked up level by level before the search; each resource once, so that circles end.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "search/exec/exec.h"
#include "search/query/query_internal.h"
#include "store/catalog/catalog.h"

#define KEYS_AT_ONCE 64

typedef struct Members {
	const ModelType *type;
	const KeyParam *part_of;
	char **ids;
	int n, max;
} Members;

/* The parameter by which resources of this type tell what they are part of; NULL if there is none. */
static const KeyParam *
part_of(const ModelType *t)
{
	static const char *const codes[] = {"partof", "part-of"};

	for (int i = 0; i < lengthof(codes); i++) {
		const KeyParam *p = search_param(t, codes[i], strlen(codes[i]));

		if (p && p->type == PARAM_REFERENCE && p->user == NULL && p->nlegs == 1 && search_reference_allows(p, t))
			return p;
	}
	return NULL;
}

static void
add_member(Members *m, const char *id, int len)
{
	for (int i = 0; i < m->n; i++)
		if (strncmp(m->ids[i], id, len) == 0 && m->ids[i][len] == '\0')
			return;
	if (m->n >= fhir_max_value_set_codes)
		ereport(ERROR, errcode(FH400), errmsg("hierarchy of %s has too many members", m->type->name),
				errdetail("More than fhir.max_value_set_codes, which is %d.", fhir_max_value_set_codes), errhint("Ask for a part further down, or raise the setting."),
				fhir_issue("too-costly", NULL));
	if (m->n == m->max) {
		m->max = Max(16, 2 * m->max);
		m->ids = m->ids ? repalloc(m->ids, m->max * sizeof(char *)) : palloc(m->max * sizeof(char *));
	}
	m->ids[m->n++] = pnstrdup(id, len);
}

/* The parts of members [from, to). */
static void
add_parts(SearchRequest *req, Members *m, int from, int to)
{
	Crit *keys = crit_new(CRIT_KEYS);
	SqlText s;

	for (int i = from; i < to; i++) {
		char *ref = psprintf("%s/%s", m->type->name, m->ids[i]);

		crit_add_key(keys, keys_reference(store_key_context(), m->part_of->legs[0].source, ref, strlen(ref)));
	}
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.id");
	sql_from_where(&s, "r", LEG_CHAIN, &m->type, 1, &keys, 1);
	search_run(req, &s, "hierarchy: the parts");
	for (uint64 row = 0; row < SPI_processed; row++) {
		bool null;
		text *id = DatumGetTextPP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null));

		add_member(m, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
add_whole(const char *type, int tlen, const char *id, int ilen, int32 version, void *arg)
{
	Members *m = arg;

	if (strlen(m->type->name) == (size_t) tlen && memcmp(type, m->type->name, tlen) == 0)
		add_member(m, id, ilen);
}

static void
read_whole(int i, Jsonb *doc, void *arg)
{
	Members *m = arg;

	search_references(m->part_of->legs[0].source, m->part_of->legs[0].targets, &doc->root, add_whole, m);
}

/* What members [from, to) are parts of. */
static void
add_wholes(SearchRequest *req, Members *m, int from, int to)
{
	Crit *ids = crit_new(CRIT_ID);
	SearchRow *rows;
	SqlText s;
	int n;

	for (int i = from; i < to; i++)
		crit_add_value(ids, m->ids[i]);
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version");
	sql_from_where(&s, "r", LEG_CHAIN, &m->type, 1, &ids, 1);
	search_run(req, &s, "hierarchy: the wholes");
	n = SPI_processed;
	rows = palloc0((n + 1) * sizeof(SearchRow));
	for (int i = 0; i < n; i++) {
		bool null;

		rows[i].rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		rows[i].version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	search_documents(req, rows, n, read_whole, m);
}

/* Keys of references from `leg` to the resource and what is below or above it. False if the type knows no hierarchy. */
static bool
add_hierarchy(Crit *c, const KeyLeg *leg, const ModelType *type, const char *id, bool below)
{
	SearchRequest req = {.context = CurrentMemoryContext};
	Members m = {.type = type, .part_of = part_of(type)};

	if (m.part_of == NULL)
		return false;
	add_member(&m, id, strlen(id));
	for (int from = 0; from < m.n;) {
		int to = Min(m.n, from + KEYS_AT_ONCE);

		(below ? add_parts : add_wholes)(&req, &m, from, to);
		from = to;
	}
	for (int i = 0; i < m.n; i++) {
		char *ref = psprintf("%s/%s", type->name, m.ids[i]);

		crit_add_key(c, keys_reference(store_key_context(), leg->source, ref, strlen(ref)));
	}
	return true;
}

Crit *
search_reference_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *ref, bool below)
{
	const char *slash = strchr(ref, '/');
	const ModelType *named = slash ? model_resource(ref, slash - ref) : NULL, **targets;
	Crit *c = crit_new(CRIT_KEYS);
	bool any = false;
	int n;

	if (slash && (named == NULL || strchr(slash + 1, '/')))
		return NULL;
	n = search_chain_targets(p, NULL, &targets);
	for (int i = 0; i < n; i++)
		if ((named == NULL || targets[i] == named) && search_target_allowed(leg->targets, targets[i]))
			any |= add_hierarchy(c, leg, targets[i], slash ? slash + 1 : ref, below);
	if (!any)
		return NULL;
	return c->nkeys ? c : crit_new(CRIT_FALSE);
}
