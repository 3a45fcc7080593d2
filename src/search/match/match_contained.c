/*
 * match_contained.c: criteria on contained resources: _contained, _containedType, and chains that lead to "#id".
 *
 * A container carries the keys of all that it contains (keys_contained). The index answers a superset with them: the
 * criteria may be met by different contained resources together, and negations say nothing. Exact is the evaluation
 * of the criteria on each contained resource by itself: its keys are extracted from the document, as they are for a
 * resource of its own, and the tree of criteria is walked over them. So both ways know the same features.
 *
 * The statement calls fhir_contained_count(document, number) for that. The number names a program of this backend,
 * which lives as long as its search.
 *
 * A contained resource is no resource of the store: nothing refers to it from outside (_has, _list), and it has no
 * _lastUpdated. Parameters that users have added have no keys in containers: there all containers are looked at.
 *
 * A chain over a place where resources stand themselves (Bundle.entry[0].resource) leads into them in the same way. From there
 * references also lead to other entries of the Bundle, by their fullUrl or their type and id.
 */
#include "base/base.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "search/exec/exec.h"
#include "store/pack/pack.h"
#include "store/rows/rows.h"

/* ---- programs ---- */

typedef struct Program {
	int64 number;
	const ModelType *const *types; /* what is searched among the contained resources */
	int ntypes;
	const KeySource *via; /* only those that this place of the container refers to; NULL: all */
	Crit *crit;
	struct Program *next;
} Program;

static Program *programs = NULL; /* of the searches that are running, newest first */
static int64 last_number = 0;

static void
forget_program(void *arg)
{
	for (Program **p = &programs; *p; p = &(*p)->next)
		if (*p == arg) {
			*p = (*p)->next;
			return;
		}
}

static Program *
add_program(SearchRequest *req, const ModelType *const *types, int ntypes, const KeySource *via, Crit *crit)
{
	Program *p = MemoryContextAllocZero(req->context, sizeof(Program));
	MemoryContextCallback *end = MemoryContextAlloc(req->context, sizeof(MemoryContextCallback));

	p->number = ++last_number;
	p->types = types;
	p->ntypes = ntypes;
	p->via = via;
	p->crit = crit;
	p->next = programs;
	programs = p;
	end->func = forget_program;
	end->arg = p;
	MemoryContextRegisterResetCallback(req->context, end);
	return p;
}

static const Program *
find_program(int64 number)
{
	for (const Program *p = programs; p; p = p->next)
		if (p->number == number)
			return p;
	ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("no search of this session is running with number " INT64_FORMAT, number),
			errhint("This function is called by searches only."));
}

/* ---- evaluation on one resource ---- */

typedef struct Subject {
	const ModelType *type;
	const char *id;
	const JsonbValue *value;
	JsonbContainer *doc, *container; /* value's own, and what it is contained in */
	JsonbContainer *bundle;			 /* whose entry it or its container is, or NULL */
	KeySet keys;
} Subject;

static int matching(const Program *p, JsonbContainer *container, JsonbContainer *bundle, JsonbContainer *referring, int **which);

static bool
has_key(const KeySet *set, uint64 key)
{
	int lo = 0, hi = set->neq - 1;

	while (lo <= hi) {
		int mid = (lo + hi) / 2;

		if (set->eq[mid] == key)
			return true;
		if (set->eq[mid] < key)
			lo = mid + 1;
		else
			hi = mid - 1;
	}
	return false;
}

static bool
has_ordered(const KeySet *set, const Crit *c)
{
	for (int i = 0; i < set->nordered; i++)
		for (int k = 0; k < c->nboxes; k++) {
			const OrderedKey *o = &set->ordered[i];
			const OrdBox *b = &c->boxes[k];

			if (o->key == b->key && o->lo >= b->lo_min && o->lo <= b->lo_max && o->hi >= b->hi_min &&
				o->hi <= b->hi_max)
				return true;
		}
	return false;
}

static bool
contains(const char *text, int len, const char *part, int plen)
{
	for (int i = 0; i + plen <= len; i++)
		if (memcmp(text + i, part, plen) == 0)
			return true;
	return false;
}

static bool
text_fits(StringMode mode, const char *text, int len, const char *value, int vlen)
{
	int order = memcmp(text, value, Min(len, vlen));

	order = order ? order : len - vlen;
	switch (mode) {
		case STRING_PREFIX:
			return len >= vlen && memcmp(text, value, vlen) == 0;
		case STRING_CONTAINS:
			return contains(text, len, value, vlen);
		case STRING_EQUAL:
			return order == 0;
		case STRING_SUFFIX:
			return len >= vlen && memcmp(text + len - vlen, value, vlen) == 0;
		case STRING_GT:
			return order > 0;
		case STRING_LT:
			return order < 0;
		case STRING_GE:
			return order >= 0;
		case STRING_LE:
			return order <= 0;
	}
	return false;
}

static bool
has_string(const KeySet *set, const Crit *c)
{
	for (int i = 0; i < set->nstrings; i++) {
		const StringKey *s = &set->strings[i];
		bool here = false;

		for (int k = 0; k < c->nkeys && !here; k++)
			here = c->keys[k] == s->key;
		for (int v = 0; v < c->nvalues && here; v++) {
			int len = strlen(c->values[v]);

			if (text_fits(c->mode, s->value, s->len, c->values[v], len))
				return true;
		}
	}
	return false;
}

static bool
has_position(const KeySet *set, const Crit *c)
{
	int64 *ord = palloc((set->nordered * 3 + 1) * sizeof(int64));

	for (int i = 0; i < set->nordered; i++) {
		ord[i * 3] = (int64) set->ordered[i].key;
		ord[i * 3 + 1] = set->ordered[i].lo;
		ord[i * 3 + 2] = set->ordered[i].hi;
	}
	return DatumGetBool(DirectFunctionCall6(
		fhir_near, sql_int8_array(ord, set->nordered * 3), Int64GetDatum((int64) c->keys[0]),
		Int64GetDatum((int64) keys_more(c->keys[0])), Float8GetDatum(c->near[0]), Float8GetDatum(c->near[1]),
		Float8GetDatum(c->near[2])));
}

static bool
satisfies(const Subject *s, const Crit *c)
{
	check_stack_depth();
	switch (c->kind) {
		case CRIT_TRUE:
			return true;
		case CRIT_FALSE:
		case CRIT_UPDATED: /* it has no meta.lastUpdated */
		case CRIT_HAS:
		case CRIT_REFERRED:
		case CRIT_LIST:
		case CRIT_ROWS:
			return false;
		case CRIT_TYPE:
			return c->type == s->type;
		case CRIT_KEYS:
			for (int i = 0; i < c->nkeys; i++)
				if (has_key(&s->keys, c->keys[i]))
					return true;
			return false;
		case CRIT_ORDERED:
			return has_ordered(&s->keys, c);
		case CRIT_STRING:
			return has_string(&s->keys, c);
		case CRIT_ID:
			for (int i = 0; i < c->nvalues; i++)
				if (s->id && strcmp(s->id, c->values[i]) == 0)
					return true;
			return false;
		case CRIT_NEAR:
			return has_position(&s->keys, c);
		case CRIT_WORD:
		case CRIT_DOC:
			return search_document_matches(
				JsonbValueToJsonb((JsonbValue *) s->value), c->modifier ? psprintf("%s:%s", c->code, c->modifier) : c->code,
				c->values[0]);
		case CRIT_CONTAINED: /* its references lead to other resources of its container */
			return matching(find_program(c->program), s->container, s->bundle, s->doc, NULL) > 0;
		case CRIT_AND:
			for (int i = 0; i < c->nargs; i++)
				if (!satisfies(s, c->args[i]))
					return false;
			return true;
		case CRIT_OR:
			for (int i = 0; i < c->nargs; i++)
				if (satisfies(s, c->args[i]))
					return true;
			return false;
		case CRIT_NOT:
			return !satisfies(s, c->args[0]);
		case CRIT_TERM:
		case CRIT_SIDE:
		case CRIT_CHAIN:
			break;
	}
	elog(ERROR, "search criterion %d can't be evaluated on a contained resource", c->kind);
}

/* ---- the resources within one document ---- */

typedef struct RefIds {
	List *ids;	/* of char *: of "#id" */
	List *urls; /* of char *: all else, without a version */
} RefIds;

static void
note_reference(const char *ref, int len, void *arg)
{
	RefIds *r = arg;
	char *copy = pnstrdup(ref, len), *version;

	if (len > 1 && *ref == '#')
		r->ids = lappend(r->ids, copy + 1);
	else if (len > 0) {
		if ((version = strstr(copy, "/_history/")) != NULL)
			*version = '\0';
		r->urls = lappend(r->urls, copy);
	}
}

static bool
is_among(const List *ids, const char *id)
{
	ListCell *c;

	foreach(c, ids)
		if (id && strcmp(lfirst(c), id) == 0)
			return true;
	return false;
}

static JsonbContainer *
array_of(JsonbContainer *doc, const char *name)
{
	JsonbValue v;

	return fhir_json_get(doc, name, strlen(name), &v) && v.type == jbvBinary && JsonContainerIsArray(v.val.binary.data)
			   ? v.val.binary.data
			   : NULL;
}

static bool
is_of_type(JsonbContainer *doc, const ModelType *type)
{
	char *name = fhir_json_get_string(doc, "resourceType");

	return name && strcmp(name, type->name) == 0;
}

/* Does one resource satisfy the program? container: in which its "#id" are; NULL: itself. */
static bool
fits(const Program *p, const JsonbValue *value, JsonbContainer *container, JsonbContainer *bundle)
{
	Subject s = {.value = value, .bundle = bundle};
	bool searched = false;
	char *name;

	s.doc = value->val.binary.data;
	s.container = container ? container : s.doc;
	name = fhir_json_get_string(s.doc, "resourceType");
	s.type = name ? model_resource(name, strlen(name)) : NULL;
	s.id = fhir_json_get_string(s.doc, "id");
	for (int k = 0; s.type && k < p->ntypes && !searched; k++)
		searched = p->types[k] == s.type;
	if (!searched)
		return false;
	keys_extract(store_key_context(), s.type, s.doc, &s.keys);
	return satisfies(&s, p->crit);
}

typedef struct Inside {
	const Program *program;
	JsonbContainer *bundle;
	int n;
} Inside;

static void
count_inside(const JsonbValue *resource, void *arg)
{
	Inside *in = arg;

	in->n += fits(in->program, resource, NULL, in->bundle);
}

/* Is the entry what one of the references means? As a relative one it stands for the end of a fullUrl, or for type and id. */
static bool
is_referred(JsonbContainer *entry, JsonbContainer *resource, const List *urls)
{
	const char *full = fhir_json_get_string(entry, "fullUrl"), *type = fhir_json_get_string(resource, "resourceType"),
			   *id = fhir_json_get_string(resource, "id"), *own = type && id ? psprintf("%s/%s", type, id) : NULL;
	size_t flen = full ? strlen(full) : 0, olen = own ? strlen(own) : 0;

	if (is_among(urls, full))
		return true;
	/* under another fullUrl it is another resource */
	if (full && own && (flen <= olen || full[flen - olen - 1] != '/' || strcmp(full + flen - olen, own) != 0))
		return false;
	return is_among(urls, own);
}

/* How many other entries of the Bundle that the references name satisfy the program. */
static int
matching_entries(const Program *p, JsonbContainer *bundle, const List *urls)
{
	JsonbContainer *entries = urls ? array_of(bundle, "entry") : NULL;
	int n = 0;

	for (uint32 i = 0; entries && i < JsonContainerSize(entries); i++) {
		JsonbValue *e = getIthJsonbValueFromContainer(entries, i), resource;

		CHECK_FOR_INTERRUPTS();
		if (e->type == jbvBinary && JsonContainerIsObject(e->val.binary.data) &&
			fhir_json_get_lit(e->val.binary.data, "resource", &resource) && resource.type == jbvBinary &&
			JsonContainerIsObject(resource.val.binary.data) && is_referred(e->val.binary.data, resource.val.binary.data, urls))
			n += fits(p, &resource, NULL, bundle);
	}
	return n;
}

/*
 * How many resources within the document satisfy the program; of contained ones their positions into *which. referring: whose
 * references the program's `via` are; NULL or the container, or one that it contains. bundle: whose entry the container is, or NULL.
 */
static int
matching(const Program *p, JsonbContainer *container, JsonbContainer *bundle, JsonbContainer *referring, int **which)
{
	JsonbContainer *array = array_of(container, "contained");
	RefIds refs = {NIL, NIL};
	int n = 0, size = array ? JsonContainerSize(array) : 0;
	bool referred = p->via && is_of_type(referring, p->via->type);

	if (which)
		*which = palloc((size + 1) * sizeof(int));
	if (p->via && !referred)
		return 0;
	if (referred && p->via->resources) {
		Inside in = {p, is_of_type(referring, model_type_by_id(MODEL_T_Bundle)) ? referring : NULL};

		search_resources_inside(p->via, referring, count_inside, &in);
		return in.n;
	}
	if (referred && (size || bundle))
		search_plain_references(p->via, referring, note_reference, &refs);
	for (int i = 0; i < size && (!referred || refs.ids); i++) {
		JsonbValue *e = getIthJsonbValueFromContainer(array, i);

		if (e->type != jbvBinary || !JsonContainerIsObject(e->val.binary.data) ||
			(referred && !is_among(refs.ids, fhir_json_get_string(e->val.binary.data, "id"))) || !fits(p, e, container, bundle))
			continue;
		if (which)
			(*which)[n] = i;
		n++;
	}
	return n + (bundle ? matching_entries(p, bundle, refs.urls) : 0);
}

int
search_contained_which(int64 program, JsonbContainer *doc, JsonbContainer **array, int **which)
{
	*array = array_of(doc, "contained");
	return matching(find_program(program), doc, NULL, doc, which);
}

PG_FUNCTION_INFO_V1(fhir_contained_count);
Datum
fhir_contained_count(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "fhir contained", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Jsonb *doc = store_unpack(PG_GETARG_DATUM(0));
	int n = matching(find_program(PG_GETARG_INT64(1)), &doc->root, NULL, &doc->root, NULL);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	PG_RETURN_INT32(n);
}

void
sql_contained(SqlText *s, const char *alias, int64 program)
{
	appendStringInfo(&s->sql,
					 "%s.fhir_contained_count((SELECT d.doc FROM %s.version d WHERE d.rid" OP(
						 "=") "%s.rid AND d.version" OP("=") "%s.version), ",
					 store_extension_schema(), store_schema(), alias, alias);
	sql_param(s, INT8OID, Int64GetDatum(program));
	appendStringInfoChar(&s->sql, ')');
}

/* ---- criteria on containers ---- */

/* What a container must have, as the index knows it, if one that it contains satisfies c: a superset. */
static Crit *
superset(const Crit *c)
{
	Crit *out;

	check_stack_depth();
	switch (c->kind) {
		case CRIT_FALSE:
		case CRIT_UPDATED:
		case CRIT_HAS:
		case CRIT_REFERRED:
		case CRIT_LIST:
		case CRIT_ROWS:
			return crit_new(CRIT_FALSE);
		case CRIT_KEYS:
		case CRIT_STRING:
			out = crit_new(c->kind);
			for (int i = 0; i < c->nvalues; i++)
				crit_add_value(out, c->values[i]);
			out->mode = c->mode;
			for (int i = 0; i < c->nkeys; i++)
				crit_add_key(out, keys_contained(c->keys[i]));
			return out;
		case CRIT_ORDERED:
			out = crit_new(CRIT_ORDERED);
			for (int i = 0; i < c->nboxes; i++) {
				const OrdBox *b = &c->boxes[i];

				crit_add_box(out, keys_contained(b->key), b->lo_min, b->lo_max, b->hi_min, b->hi_max);
			}
			return out->nboxes ? out : crit_new(CRIT_FALSE);
		case CRIT_TYPE:
			out = crit_new(CRIT_KEYS);
			crit_add_key(out, keys_contained_type(c->type));
			return out;
		case CRIT_AND:
		case CRIT_OR:
			out = NULL;
			for (int i = 0; i < c->nargs; i++)
				out = crit_join(c->kind, out, superset(c->args[i]));
			return out;
		default:
			return crit_new(CRIT_TRUE);
	}
}

/* Criteria without what runs as a search of its own. Shared parts are copied: running the one for resources of
 * their own must not change it. */
Crit *
search_contained_copy(const Crit *c)
{
	Crit *out = palloc(sizeof(Crit));

	check_stack_depth();
	*out = *c;
	if (c->nkeys) {
		out->keys = palloc(pg_nextpower2_32(c->nkeys) * sizeof(uint64));
		memcpy(out->keys, c->keys, c->nkeys * sizeof(uint64));
	}
	if (c->nvalues) {
		out->values = palloc(pg_nextpower2_32(c->nvalues) * sizeof(char *));
		memcpy(out->values, c->values, c->nvalues * sizeof(char *));
	}
	if (c->nboxes) {
		out->boxes = palloc(pg_nextpower2_32(c->nboxes) * sizeof(OrdBox));
		memcpy(out->boxes, c->boxes, c->nboxes * sizeof(OrdBox));
	}
	if (c->nargs) {
		out->args = palloc(pg_nextpower2_32(c->nargs) * sizeof(Crit *));
		for (int i = 0; i < c->nargs; i++)
			out->args[i] = search_contained_copy(c->args[i]);
	}
	if (c->nlinks) {
		out->links = palloc(c->nlinks * sizeof(CritLink));
		for (int i = 0; i < c->nlinks; i++) {
			out->links[i] = c->links[i];
			/* links of one type share their argument */
			if (i > 0 && c->links[i - 1].arg == c->links[i].arg)
				out->links[i].arg = out->links[i - 1].arg;
			else
				out->links[i].arg = search_contained_copy(c->links[i].arg);
		}
	}
	return out;
}

/* The criterion of a program. */
static Crit *
contained(const Program *p)
{
	Crit *c = crit_new(CRIT_CONTAINED);

	c->program = p->number;
	return c;
}

/* ---- chains ---- */

/* Does any resource refer so to one that it contains? */
static bool
any_carries(SearchRequest *req, Crit *markers)
{
	SqlText s;
	bool found;

	sql_init(&s);
	appendStringInfo(&s.sql, "SELECT 1 FROM %s.resource r WHERE r.keys" OP("&&"), store_schema());
	sql_param(&s, INT8ARRAYOID, sql_int8_array((int64 *) markers->keys, markers->nkeys));
	appendStringInfoString(&s.sql, " LIMIT 1");
	search_run(req, &s, "chain: does any lead to contained resources?");
	found = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return found;
}

Crit *
search_contained_chain(SearchRequest *req, const CritLink *links, int nlinks, bool inside)
{
	Crit *all = NULL;

	if (!inside) {
		Crit *markers = crit_new(CRIT_KEYS);

		for (int i = 0; i < nlinks; i++)
			crit_add_key(markers, keys_contained_link(links[i].source, links[i].type));
		if (nlinks == 0 || !any_carries(req, markers))
			return NULL;
	}
	for (int i = 0; i < nlinks; i++) {
		Crit *arg = search_contained_copy(links[i].arg), *one;
		const ModelType **type = palloc(sizeof(ModelType *));

		*type = links[i].type;
		plan_subqueries_inside(req, arg);
		one = contained(add_program(req, type, 1, links[i].source, arg));
		if (!inside) {
			Crit *marker = crit_new(CRIT_KEYS);

			crit_add_key(marker, keys_contained_link(links[i].source, links[i].type));
			if (!req->user_params)
				marker = crit_join(CRIT_AND, marker, superset(arg));
			one = crit_join(CRIT_AND, marker, one);
		}
		all = crit_join(CRIT_OR, all, one);
	}
	return all;
}

/* ---- _contained ---- */

static Crit *
any_type(const SearchRequest *req)
{
	Crit *c = NULL;

	for (int i = 0; i < req->ntypes; i++) {
		Crit *type = crit_new(CRIT_TYPE);

		type->type = req->types[i];
		c = crit_join(CRIT_OR, c, type);
	}
	return c;
}

/* All of c->where as one criterion; a copy. */
static Crit *
all_criteria(const SearchRequest *req)
{
	Crit *c = crit_new(CRIT_TRUE);

	for (int i = 0; i < req->nwhere; i++)
		c = crit_join(CRIT_AND, c, search_contained_copy(req->where[i]));
	return c;
}

/* The index's part: of criteria on users' parameters nothing. */
static Crit *
container_criteria(const SearchRequest *req, Crit *inner)
{
	Crit *marker = crit_new(CRIT_KEYS);

	for (int i = 0; i < req->ntypes; i++)
		crit_add_key(marker, keys_contained_type(req->types[i]));
	return req->user_params ? marker : crit_join(CRIT_AND, marker, superset(inner));
}

void
search_contained_prepare(SearchRequest *req)
{
	Crit *inner, *c;
	const Program *p;

	if (req->contained == CONTAINED_FALSE)
		return;
	inner = all_criteria(req);
	plan_subqueries_inside(req, inner);
	p = add_program(req, req->types, req->ntypes, NULL, inner);
	c = crit_join(CRIT_AND, container_criteria(req, inner), contained(p));
	if (req->contained == CONTAINED_BOTH) {
		req->own = all_criteria(req);
		if (!req->all_types)
			req->own = crit_join(CRIT_AND, any_type(req), req->own);
		/* a copy for the page: sets turn it into rows */
		c = crit_join(CRIT_OR, search_contained_copy(req->own), c);
	}
	c->label = req->nwhere ? "the criteria, on contained resources" : "contained resources";
	req->where = palloc(sizeof(Crit *));
	req->where[0] = c;
	req->nwhere = 1;
	req->program = p->number;
	req->inside_types = req->types;
	req->ninside_types = req->ntypes;
	/* containers are of any type */
	req->types = palloc(model_ntypes * sizeof(ModelType *));
	req->ntypes = 0;
	req->all_types = true;
	for (int m = 1; m < model_ntypes; m++)
		if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract)
			req->types[req->ntypes++] = &model_types[m];
	search_sort_types(req);
}
