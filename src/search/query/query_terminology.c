/*
 * query_terminology.c: token :in, :not-in, :above, :below: sets of codes (terms.h) -> hashes; and how terms
 * finds ValueSets and CodeSystems in the store.
 */
#include "base/base.h"

#include "catalog/pg_type.h"

#include "search/exec/exec.h"
#include "terms/terms.h"
#include "store/rows/rows.h"
#include "search/query/query_internal.h"

/* ---- documents ---- */

typedef struct Found {
	Jsonb *doc;
	const char *version;
} Found;

static void
take_document(int i, Jsonb *doc, void *arg)
{
	Found *f = arg;
	char *version = fhir_json_get_string(&doc->root, "version");

	if (f->doc == NULL && (f->version == NULL || (version && strcmp(version, f->version) == 0))) {
		f->doc = palloc(VARSIZE(doc));
		memcpy(f->doc, doc, VARSIZE(doc));
	}
}

/* The resource with that canonical URL (perhaps `|version`), or "Type/id": the newest; NULL if there is none.
 */
static Jsonb *
load(const ModelType *type, const char *url)
{
	SearchRequest req = {0};
	Found found = {0};
	SearchRow rows[20];
	SqlText s;
	char *canonical = pstrdup(url), *bar = strchr(canonical, '|');
	const KeyParam *p = search_param(type, "url", 3);
	Crit *c;
	int n, tlen = strlen(type->name);

	memset(rows, 0, sizeof(rows));
	req.context = CurrentMemoryContext;
	if (bar) {
		*bar = '\0';
		found.version = bar + 1;
	}
	if (strncmp(url, type->name, tlen) == 0 && url[tlen] == '/') {
		c = crit_new(CRIT_ID);
		crit_add_value(c, canonical + tlen + 1);
	} else {
		c = crit_new(CRIT_KEYS);
		crit_add_key(c, keys_uri(p->legs[0].source, canonical, strlen(canonical)));
	}
	sql_init(&s);
	appendStringInfoString(&s.sql, "SELECT r.rid, r.version, r.place");
	sql_from_where(&s, "r", LEG_TERMINOLOGY, &type, 1, &c, 1);
	appendStringInfo(&s.sql, " ORDER BY r.last_updated DESC, r.rid DESC LIMIT %d", (int) lengthof(rows));
	search_run(&req, &s, "value set");
	n = SPI_processed;
	for (int i = 0; i < n; i++) {
		bool null;

		rows[i].rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
		rows[i].version =
			DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &null));
		rows[i].locator = *(ItemPointer) DatumGetPointer(
			SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &null));
	}
	SPI_freetuptable(SPI_tuptable);
	search_documents(&req, rows, n, take_document, &found);
	return found.doc;
}

static Jsonb *
terminology_document(void *unused, const ModelType *type, const char *url)
{
	MemoryContext cxt = CurrentMemoryContext;
	int level, base = strlen(fhir_base_url);
	Jsonb *doc;

	if (!store_exists(fhir_store))
		return NULL;
	if (base > 0 && strncmp(url, fhir_base_url, base) == 0 && url[base] == '/')
		url += base + 1;
	level = search_begin();
	doc = load(type, url);
	/* SPI frees what is its own */
	MemoryContextSwitchTo(cxt);
	if (doc)
		doc = memcpy(palloc(VARSIZE(doc)), doc, VARSIZE(doc));
	search_end(level);
	return doc;
}

TermsSource
search_terms_source(void)
{
	return (TermsSource){.document = terminology_document, .caller = search_caller()};
}

/* ---- criteria ---- */

static Crit *
codes_criterion(const KeyParam *p, const KeyLeg *leg, const TermSet *set)
{
	Crit *keys = crit_new(CRIT_KEYS), *c = NULL;

	for (int i = 0; i < set->n; i++) {
		const TermCode *code = &set->codes[i];
		uint64 key;

		switch (keys_token(leg->source, code->system, strlen(code->system), code->code,
						   code->code ? (int) strlen(code->code) : -1, &key)) {
			case KEYS_NEVER:
				break;
			case KEYS_BY_KEY:
				crit_add_key(keys, key);
				break;
			case KEYS_PRESENT:
				c = crit_join(CRIT_OR, c, search_present(leg));
				break;
			case KEYS_RECHECK:
				ereport(ERROR, errcode(FH400),
						errmsg("search parameter \"%s\" can't be compared with value sets", p->code), errdetail("Only tokens can."),
						fhir_issue("not-supported", NULL));
		}
	}
	return crit_join(CRIT_OR, keys->nkeys ? keys : crit_new(CRIT_FALSE), c);
}

Crit *
search_in_value_set(const KeyParam *p, const KeyLeg *leg, const char *url)
{
	TermsSource source = search_terms_source();

	return codes_criterion(p, leg, terms_value_set(&source, url));
}

Crit *
search_code_hierarchy(const KeyParam *p, const KeyLeg *leg, const char *value, bool below)
{
	TermsSource source = search_terms_source();
	char **parts;
	int n = search_split(value, '|', &parts);
	const char *system = n == 2 ? search_unescape(parts[0]) : leg->source->system;

	if (n > 2 || system == NULL || *system == '\0' || *parts[n - 1] == '\0')
		search_bad_value(p->code, value, "a hierarchy needs system|code", NULL);
	return codes_criterion(p, leg, terms_hierarchy(&source, system, search_unescape(parts[n - 1]), below));
}
