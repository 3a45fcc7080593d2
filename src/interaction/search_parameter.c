/*
 * search_parameter.c: SearchParameter resources as they are written.
 *
 * Only those of status active are live; drafts, retired ones and those of unknown status are kept as any resource, unchecked. An active one
 * must be servable (FH422 tells why not) and gets a row in search_param with state `waiting`: from this transaction's commit on
 * every write makes its keys, existing rows get theirs by rows_reindex.c. One that ends (retired, draft, deleted) turns to
 * inactive at once; its keys are removed in the same way. R4's own definitions are served in any case and have no rows.
 *
 * The components of a composite are R4's parameters or live ones of the store. That is looked at when the call's writes are done, so
 * that a Bundle may bring them in any order. A component that ends, or no longer fits, while a composite has need of it is refused; one that
 * says something else is indexed anew together with its composites, for their keys follow from both.
 *
 * Writes of SearchParameters of one store wait for each other (a lock to the end of the transaction): no two get the same code.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "interaction/interaction_internal.h"

/* ---- from the resource to a definition ---- */

pg_noreturn static void
refuse(const char *element, const char *what, const char *detail, const char *hint)
{
	ereport(ERROR,
			errcode(FH422),
			errmsg("SearchParameter can't be served: %s", what),
			detail ? errdetail("%s", detail) : 0,
			hint ? errhint("%s", hint) : 0,
			fhir_issue("business-rule", psprintf("SearchParameter.%s", element)));
}

/* Strings of an array member; palloc'd. */
static int
strings(JsonbContainer *doc, const char *member, char ***out)
{
	JsonbValue v, *elements;
	int n, k = 0;

	*out = NULL;
	if (!fhir_json_get(doc, member, strlen(member), &v) || v.type != jbvBinary)
		return 0;
	n = json_elements(v.val.binary.data, &elements);
	*out = palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		if (elements[i].type == jbvString)
			(*out)[k++] = pnstrdup(elements[i].val.string.val, elements[i].val.string.len);
	return k;
}

/* Codes stand in URLs, before ':' and '.'; a leading _ is R4's own. */
static void
check_code(const char *code)
{
	size_t len = code ? strlen(code) : 0;
	bool ok = len > 0 && len <= 64 && ((code[0] >= 'a' && code[0] <= 'z') || (code[0] >= 'A' && code[0] <= 'Z'));

	for (size_t i = 0; ok && i < len; i++)
		ok = (code[i] >= 'a' && code[i] <= 'z') || (code[i] >= 'A' && code[i] <= 'Z') || (code[i] >= '0' && code[i] <= '9') ||
			 code[i] == '-' || code[i] == '_';
	if (!ok)
		refuse("code", "its code can't be a parameter's name", psprintf("Code \"%.100s\".", code ? code : ""),
			   "Use 1 to 64 letters, digits, - and _, starting with a letter.");
}

static int
compare_types(const void *a, const void *b)
{
	return (int) *(const ModelTypeId *) a - (int) *(const ModelTypeId *) b;
}

/* Concrete types named by `base`: Resource and DomainResource stand for all that are such. 0-terminated, each once. */
static ModelTypeId *
concrete_bases(JsonbContainer *doc)
{
	ModelTypeId *list = palloc0((model_ntypes + 1) * sizeof(ModelTypeId));
	bool *seen = palloc0(model_ntypes * sizeof(bool));
	char **names;
	int n = strings(doc, "base", &names), k = 0;

	for (int i = 0; i < n; i++) {
		const ModelType *t = model_type(names[i], strlen(names[i]));

		if (t == NULL || t->kind != MODEL_RESOURCE)
			refuse(psprintf("base[%d]", i), "a base is no type of resource", psprintf("Base \"%.100s\".", names[i]), NULL);
		for (int m = 1; m < model_ntypes; m++)
			if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract && model_is_a(m, t->id) && !seen[m]) {
				seen[m] = true;
				list[k++] = m;
			}
	}
	if (k == 0)
		refuse("base", "it has no base", NULL, NULL);
	qsort(list, k, sizeof(ModelTypeId), compare_types);
	return list;
}

static ModelTypeId *
targets(JsonbContainer *doc)
{
	char **names;
	int n = strings(doc, "target", &names);
	ModelTypeId *list = palloc0((n + 1) * sizeof(ModelTypeId));

	for (int i = 0; i < n; i++) {
		const ModelType *t = model_type(names[i], strlen(names[i]));

		if (t == NULL || t->kind != MODEL_RESOURCE)
			refuse(psprintf("target[%d]", i), "a target is no type of resource", psprintf("Target \"%.100s\".", names[i]), NULL);
		list[i] = t->id;
	}
	return list;
}

/* Canonical URL without its version. */
static char *
without_version(char *url)
{
	char *bar = url ? strchr(url, '|') : NULL;

	if (bar)
		*bar = '\0';
	return url;
}

static void
components(JsonbContainer *doc, ModelParam *p)
{
	JsonbValue v, *elements;
	ModelComponent *list;
	int n;

	if (!fhir_json_get_lit(doc, "component", &v) || v.type != jbvBinary)
		return;
	n = json_elements(v.val.binary.data, &elements);
	if (n > 100)
		refuse("component", "it has too many components", NULL, NULL);
	list = palloc0(Max(n, 1) * sizeof(ModelComponent));
	for (int i = 0; i < n; i++) {
		JsonbContainer *c = elements[i].val.binary.data;

		list[i].definition = elements[i].type == jbvBinary ? without_version(fhir_json_get_string(c, "definition")) : NULL;
		list[i].expression = elements[i].type == jbvBinary ? fhir_json_get_string(c, "expression") : NULL;
		if (list[i].definition == NULL || list[i].expression == NULL)
			refuse(psprintf("component[%d]", i), "a component needs a definition and an expression", NULL, NULL);
	}
	p->components = list;
	p->ncomponents = n;
}

static void
read_definition(JsonbContainer *doc, ModelParam *p)
{
	char *type = fhir_json_get_string(doc, "type");
	int kind = type ? store_params_kind(type) : -1;

	memset(p, 0, sizeof(*p));
	p->code = fhir_json_get_string(doc, "code");
	check_code(p->code);
	p->url = fhir_json_get_string(doc, "url");
	if (p->url == NULL)
		refuse("url", "it has no url", NULL, NULL);
	if (kind < 0)
		refuse("type", "its type is not known", psprintf("Type \"%.100s\".", type ? type : ""), NULL);
	p->type = kind;
	p->expression = fhir_json_get_string(doc, "expression");
	p->bases = concrete_bases(doc);
	p->targets = targets(doc);
	components(doc, p);
}

/* Is this one of R4's definitions? It is served already; a changed one is refused, for R4's is what is compiled in. */
static bool
is_published(const ModelParam *p)
{
	const ModelParam *own = model_param_by_url(p->url);

	if (own == NULL)
		return false;
	if (strcmp(own->code, p->code) != 0 || own->type != p->type ||
		(own->expression && p->expression && strcmp(own->expression, p->expression) != 0))
		refuse("url", "R4 defines the parameter of this url otherwise", psprintf("URL \"%.200s\".", p->url),
			   "Give your parameter a url and a code of its own.");
	return true;
}

/* ---- clashes ---- */

static void
check_published_codes(const ModelParam *p)
{
	for (const ModelTypeId *b = p->bases; *b != MODEL_NONE; b++) {
		const ModelType *t = model_type_by_id(*b);
		const ModelParam *own = model_param(t, p->code, strlen(p->code));

		if (own != NULL)
			refuse("code", psprintf("R4 defines \"%s\" of %s", p->code, t->name), psprintf("It is %s.", own->url), "Choose another code.");
	}
}

static Datum
type_names(const ModelTypeId *list)
{
	Datum *names;
	int n = 0;

	while (list[n] != MODEL_NONE)
		n++;
	names = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
		names[i] = CStringGetTextDatum(model_type_by_id(list[i])->name);
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
check_other_users(const ModelParam *p, int64 rid)
{
	Oid types[3] = {INT8OID, TEXTOID, TEXTARRAYOID};
	Datum values[3] = {Int64GetDatum(rid), CStringGetTextDatum(p->code), type_names(p->bases)};

	PushActiveSnapshot(GetLatestSnapshot());
	store_spi(psprintf("SELECT id FROM %s.search_param WHERE rid <> $1 AND active AND code = $2 AND bases && $3", store_schema()), 3, types,
			  values, NULL, true, SPI_OK_SELECT);
	PopActiveSnapshot();
	if (SPI_processed > 0)
		refuse("code", psprintf("another SearchParameter has the code \"%s\" for a base of it", p->code),
			   psprintf("It is SearchParameter/%s.", SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)),
			   "Choose another code, or retire that one.");
}

/* ---- rows ---- */

static Datum
component_list(const ModelParam *p)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoChar(&s, '[');
	for (int i = 0; i < p->ncomponents; i++) {
		appendStringInfoString(&s, i ? ",{\"definition\":" : "{\"definition\":");
		fhir_json_write_string(&s, p->components[i].definition, strlen(p->components[i].definition));
		appendStringInfoString(&s, ",\"expression\":");
		fhir_json_write_string(&s, p->components[i].expression, strlen(p->components[i].expression));
		appendStringInfoChar(&s, '}');
	}
	appendStringInfoChar(&s, ']');
	return JsonbPGetDatum(fhir_json_parse_own(s.data, s.len));
}

static const char *const kinds[] = {"number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"};

/* A definition that says the same as before leaves the keys as they are. */
static void
make_live(const ModelParam *p, int64 rid, const char *id, int32 version)
{
	Oid types[11] = {INT8OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTARRAYOID, JSONBOID, TEXTOID};
	Datum values[11] = {Int64GetDatum(rid), Int32GetDatum(version), CStringGetTextDatum(id), CStringGetTextDatum(p->url),
						CStringGetTextDatum(p->code), CStringGetTextDatum(kinds[p->type]), type_names(p->bases),
						CStringGetTextDatum(p->expression), type_names(p->targets), component_list(p),
						CStringGetTextDatum(fhir_base_url ? fhir_base_url : "")};

	store_spi(psprintf("INSERT INTO %s.search_param AS s (rid, version, active, id, url, code, kind, bases, expression, targets, components,"
					   " scope, state, \"position\", done, base_url, queued)"
					   " VALUES ($1, $2, true, $3, $4, $5, $6, $7, $8, $9, $10, $7, 'waiting', 0, 0, $11, clock_timestamp())"
					   " ON CONFLICT (rid) DO UPDATE SET version = $2, id = $3, url = $4",
					   store_schema()),
			  11, types, values, NULL, false, SPI_OK_INSERT);
	store_spi(psprintf("UPDATE %s.search_param SET active = true, code = $5, kind = $6, bases = $7, expression = $8, targets = $9, components = $10,"
					   " scope = ARRAY(SELECT DISTINCT x FROM unnest(scope || bases || $7) x ORDER BY x), state = 'waiting', \"position\" = 0, done = 0, total = NULL,"
					   " base_url = $11, queued = clock_timestamp(), started = NULL, finished = NULL, error = NULL"
					   " WHERE rid = $1 AND (NOT active OR state = 'failed' OR (code, kind, expression) IS DISTINCT FROM ($5, $6, $8)"
					   " OR bases <> $7 OR targets <> $9 OR components <> $10)",
					   store_schema()),
			  11, types, values, NULL, false, SPI_OK_UPDATE);
}

static void
end_live(int64 rid, int32 version)
{
	Oid types[3] = {INT8OID, INT4OID, TEXTOID};
	Datum values[3] = {Int64GetDatum(rid), Int32GetDatum(version), CStringGetTextDatum(fhir_base_url ? fhir_base_url : "")};

	store_spi(psprintf("UPDATE %s.search_param SET version = $2, active = false, state = 'waiting', \"position\" = 0, done = 0, total = NULL,"
					   " base_url = $3, queued = clock_timestamp(), started = NULL, finished = NULL, error = NULL WHERE rid = $1 AND active",
					   store_schema()),
			  3, types, values, NULL, false, SPI_OK_UPDATE);
}

/* ---- composites and their components ---- */

static void
note_written(Writing *w, int64 rid)
{
	MemoryContext old = MemoryContextSwitchTo(w->context);
	int64 *copy = palloc(sizeof(int64));

	*copy = rid;
	w->parameters = lappend(w->parameters, copy);
	MemoryContextSwitchTo(old);
}

static bool
was_written(const Writing *w, int64 rid)
{
	ListCell *cell;

	foreach(cell, w->parameters)
		if (*(int64 *) lfirst(cell) == rid)
			return true;
	return false;
}

/* Which of those that were written has that URL, or had it: 0: none. */
static int64
written_with_url(const Writing *w, const char *url)
{
	Oid types[1] = {TEXTOID};
	Datum values[1] = {CStringGetTextDatum(url)};
	int64 found = 0;
	bool null;

	SPI_connect();
	store_spi(psprintf("SELECT rid FROM %s.search_param WHERE url = $1", store_schema()), 1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed && found == 0; i++) {
		int64 rid = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));

		found = was_written(w, rid) ? rid : 0;
	}
	SPI_finish();
	/* it may have another one now */
	return found == 0 && list_length(w->parameters) == 1 ? *(int64 *) linitial(w->parameters) : found;
}

/* What was written just now has taken something from a composite that stays as it is. */
static void
require_components(Writing *w, const KeyUserSet *set, const ModelParam *composite)
{
	for (const ModelTypeId *base = composite->bases; *base != MODEL_NONE; base++)
		for (int i = 0; i < composite->ncomponents; i++) {
			const char *refusal = keys_component_refusal(set, composite, i, model_type_by_id(*base));

			if (refusal == NULL)
				continue;
			w->culprit = written_with_url(w, composite->components[i].definition);
			ereport(ERROR,
					errcode(FH409),
					errmsg("the SearchParameter is a component of composite parameter \"%s\"", composite->code),
					errdetail("%s is active; without this parameter as it was, %s. Definition \"%s\".", composite->url, refusal,
							  composite->components[i].definition),
					errhint("Retire or change the composite first, or in the same transaction Bundle."),
					fhir_issue("conflict", NULL));
		}
}

/* Composites whose components are to be indexed are indexed with them. A running job shall not take them for what it began with: see start_job. */
static void
requeue_composites(Writing *w, Oid params)
{
	Oid types[1] = {INT8ARRAYOID};
	int64 *rids = palloc(list_length(w->parameters) * sizeof(int64));
	Datum values[1];
	int n = 0;
	ListCell *cell;

	foreach(cell, w->parameters)
		rids[n++] = *(int64 *) lfirst(cell);
	values[0] = store_int8_array(rids, n);
	SPI_connect();
	store_spi(psprintf("UPDATE %1$s.search_param c SET version = - abs(version) - 1, state = 'waiting', \"position\" = 0, done = 0, total = NULL,"
					   " queued = clock_timestamp(), started = NULL, finished = NULL, error = NULL"
					   " WHERE active AND kind = 'composite' AND rid <> ALL ($1) AND EXISTS (SELECT FROM %1$s.search_param p,"
					   " jsonb_array_elements(c.components) x WHERE p.rid = ANY ($1) AND p.state = 'waiting' AND p.url = x->>'definition')",
					   store_schema()),
			  1, types, values, NULL, false, SPI_OK_UPDATE);
	if (SPI_processed > 0)
		CacheInvalidateRelcacheByRelid(params);
	SPI_finish();
}

void
search_parameter_settle(Writing *w)
{
	const KeyUserSet *set;

	CommandCounterIncrement();
	set = store_key_context().user;
	for (int i = 0; set != NULL && i < set->n; i++) {
		const KeyUserParam *p = &set->params[i];

		if (p->model.type != PARAM_COMPOSITE)
			continue;
		if (was_written(w, p->rid)) {
			w->culprit = p->rid;
			keys_user_check_components(set, &p->model);
			w->culprit = 0;
		} else
			require_components(w, set, &p->model);
	}
	requeue_composites(w, w->store->params);
}

void
search_parameter_written(Writing *w, int64 rid, const char *id, int32 version, JsonbContainer *doc)
{
	StoreCatalog *cat = w->store;
	char *status = doc ? fhir_json_get_string(doc, "status") : NULL;
	uint64 lock = fhir_hash(&cat->namespace, sizeof(Oid), 0x5ea2c4);
	ModelParam p;
	bool live = status && strcmp(status, "active") == 0; /* later: has anything changed? */

	if (live) {
		read_definition(doc, &p);
		live = !is_published(&p);
	}
	if (!OidIsValid(cat->params)) {
		if (live)
			ereport(ERROR,
					errcode(FH501),
					errmsg("store \"%s\" takes no SearchParameters of its own", cat->name),
					errdetail("It has no table search_param: it was made by an earlier version."), errhint("Make a new store with fhir_store_create() and move the resources there."),
					fhir_issue("not-supported", NULL));
		return;
	}
	SPI_connect();
	if (live) {
		condition_lock(lock);
		check_published_codes(&p);
		keys_user_check(&p);
		check_other_users(&p, rid);
		make_live(&p, rid, id, version);
	} else {
		end_live(rid, version);
		live = SPI_processed > 0;
	}
	SPI_finish();
	if (!live)
		return;
	note_written(w, rid);
	CacheInvalidateRelcacheByRelid(cat->params);
	store_reindex_want();
}
