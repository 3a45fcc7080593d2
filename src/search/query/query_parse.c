/*
 * query_parse.c: application/x-www-form-urlencoded text -> decoded pairs, and the result controls (_count,
 * _total, _summary ...).
 *
 * A pair stays in its decoded form with the escapes of its value (\, \| \$ \\) in place: only the code that
 * knows a parameter's type may split it. Whatever is refused here is refused by name.
 */
#include "base/base.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "search/query/query.h"
#include "search/query/query_internal.h"

int
search_split(const char *s, char sep, char ***parts)
{
	int n = 1;
	char *copy = pstrdup(s);

	for (const char *p = s; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == sep)
			n++;
	}
	*parts = palloc(n * sizeof(char *));
	n = 0;
	(*parts)[n++] = copy;
	for (char *p = copy; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == sep) {
			*p = '\0';
			(*parts)[n++] = p + 1;
		}
	}
	return n;
}

char *
search_unescape(const char *s)
{
	char *out = palloc(strlen(s) + 1), *o = out;

	for (; *s; s++) {
		if (*s == '\\' && s[1] && strchr(",|$\\", s[1]) != NULL)
			s++;
		*o++ = *s;
	}
	*o = '\0';
	return out;
}

void
search_nearest_offer(SearchNearest *n, const char *candidate)
{
	int len = strlen(n->name), clen = strlen(candidate);
	int bound = n->best ? n->distance - 1 : Max(1, Min(4, len / 3));
	int d;

	if (strcmp(n->name, candidate) == 0)
		return; /* known, but not there */
	/* names are case-sensitive, those who write them are not */
	if (pg_strcasecmp(n->name, candidate) == 0) {
		n->best = candidate;
		n->distance = 0;
		return;
	}
	if (len > 200 || clen > 200 || abs(len - clen) > bound)
		return;
	d = varstr_levenshtein_less_equal(n->name, len, candidate, clen, 1, 1, 1, bound, true);
	if (d <= bound) {
		n->best = candidate;
		n->distance = d;
	}
}

/* ---- result controls ---- */

static int
parse_count(const char *value)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0')
		search_bad_value("_count", value, "not a number of resources", "Use _count=0 ... or leave it out.");
	return (int) Min(n, (long) PG_INT32_MAX - 1);
}

static SearchTotal
parse_total(const char *value)
{
	if (strcmp(value, "none") == 0)
		return TOTAL_NONE;
	if (strcmp(value, "estimate") == 0)
		return TOTAL_ESTIMATE;
	if (strcmp(value, "accurate") == 0)
		return TOTAL_ACCURATE;
	search_bad_value("_total", value, "unknown code", "Use none, estimate or accurate.");
}

static SearchSummary
parse_summary(const char *value)
{
	static const char *const names[] = {"false", "true", "text", "data", "count"};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(value, names[i]) == 0)
			return (SearchSummary) i;
	search_bad_value("_summary", value, "unknown code", "Use true, text, data, count or false.");
}

static SearchContained
parse_contained(const char *value)
{
	if (strcmp(value, "false") == 0)
		return CONTAINED_FALSE;
	if (strcmp(value, "true") == 0)
		return CONTAINED_TRUE;
	if (strcmp(value, "both") == 0)
		return CONTAINED_BOTH;
	search_bad_value("_contained", value, "unknown code", "Use true, false or both.");
}

/* True for "contained". */
static bool
parse_contained_type(const char *value)
{
	if (strcmp(value, "contained") != 0 && strcmp(value, "container") != 0)
		search_bad_value("_containedType", value, "unknown code", "Use container or contained.");
	return strcmp(value, "contained") == 0;
}

/* Unless it tells its type, a name is one of the type searched for. */
static void
check_element(const ModelType *type, const char *name, const char *value)
{
	const ModelProperty *p[1];

	if (*name == '\0')
		search_bad_value("_elements", value, "an element's name is empty", NULL);
	if (type && !model_property(type, name, strlen(name)) && model_element(type, name, strlen(name), p, 1) == 0)
		search_bad_value("_elements", value, psprintf("%s has no element \"%s\"", type->name, name), NULL);
}

/* A name alone is an element of the matches, "Patient.name" one of the Patients, be they matches or included. */
static void
parse_elements(SearchRequest *req, const char *value)
{
	char **parts;
	int n = search_split(value, ',', &parts);

	req->elements = req->elements ? repalloc(req->elements, (req->nelements + n) * sizeof(SearchElement))
								  : palloc(n * sizeof(SearchElement));
	for (int i = 0; i < n; i++) {
		const char *name = parts[i], *dot = strchr(name, '.');
		const ModelType *type = dot ? model_resource(name, dot - name) : NULL;

		if (type)
			name = dot + 1;
		check_element(type ? type : req->type, name, value);
		req->elements[req->nelements++] = (SearchElement){type, name};
	}
}

const char *
search_nearest_type(const char *name)
{
	SearchNearest near = {name};

	for (int m = 1; m < model_ntypes; m++)
		if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract)
			search_nearest_offer(&near, model_types[m].name);
	return near.best ? psprintf("Perhaps \"%s\"?", near.best) : NULL;
}

static void
parse_include(SearchRequest *req, const char *name, const char *value)
{
	SearchInclude inc = {0};
	const char *modifier = strchr(name, ':');
	char **parts;
	int n;

	inc.reverse = strncmp(name, "_revinclude", 11) == 0;
	if (modifier) {
		if (strcmp(modifier, ":iterate") != 0 && strcmp(modifier, ":recurse") != 0)
			search_bad_modifier(inc.reverse ? "_revinclude" : "_include", modifier + 1, "iterate");
		inc.iterate = true;
	}
	n = search_split(value, ':', &parts);
	if (n > 3 || (n == 1 && strcmp(value, "*") != 0))
		search_bad_value(name, value, "not of the form Type:parameter or Type:parameter:Target",
						 psprintf("For example %s=Observation:subject.", name));
	if (n > 1) {
		inc.source = model_resource(parts[0], strlen(parts[0]));
		if (!inc.source)
			search_bad_value(name, value, psprintf("\"%s\" is no resource type", parts[0]),
							 search_nearest_type(parts[0]));
		if (strcmp(parts[1], "*") != 0) {
			const KeyParam *p = search_param(inc.source, parts[1], strlen(parts[1]));

			if (!p)
				search_unknown_param(inc.source, parts[1]);
			if (p->type != PARAM_REFERENCE)
				search_bad_value(
					name, value,
					psprintf("\"%s\" is no reference parameter of %s", parts[1], inc.source->name), NULL);
			inc.code = p->code;
		}
	}
	if (n > 2 && *parts[2]) {
		inc.target = model_resource(parts[2], strlen(parts[2]));
		if (!inc.target)
			search_bad_value(name, value, psprintf("\"%s\" is no resource type", parts[2]),
							 search_nearest_type(parts[2]));
		inc.targets[0] = inc.target->id;
	}
	req->includes =
		req->includes ? repalloc(req->includes, (req->nincludes + 1) * sizeof(inc)) : palloc(sizeof(inc));
	req->includes[req->nincludes++] = inc;
}

/* Parameters of other versions of FHIR, and those that R4 defines and this server does not have: by name, so
 * that nobody waits. */
static void
refuse_known(const char *name, const char *value)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{"_maxresults", "It belongs to FHIR R5; use _count."},
		{"_graph", "It belongs to FHIR R5; use _include and _revinclude."},
		{"_in", "It belongs to FHIR R5; use _list."},
		{"_language", "It belongs to FHIR R5; R4 has no parameter for the language of a resource."},
		{"_score", "It belongs to what is answered; use _sort=_score."},
		{"_offset", "Pages are reached by the links of the Bundle: next, previous."},
		{"_page", "Pages are reached by the links of the Bundle: next, previous."},
	};
	int len = strcspn(name, ":.");

	if (strcmp(name, "_query") == 0)
		ereport(ERROR, errcode(FH400),
				errmsg("named query \"%.*s\" is unknown", pg_mbcliplen(value, strlen(value), 80), value),
				errdetail("Named queries (_query) are defined by servers; this one has none."), errhint("Leave _query out, and give criteria."),
				fhir_issue("not-supported", NULL));
	if (strcmp(name, "_has") == 0)
		ereport(ERROR, errcode(FH400), errmsg("incomplete parameter \"_has\""),
				errhint("The form is _has:Type:reference:parameter=value."), fhir_issue("invalid", NULL));

	for (int i = 0; i < lengthof(refused); i++)
		if (strlen(refused[i].name) == len && strncmp(name, refused[i].name, len) == 0)
			ereport(ERROR, errcode(FH400),
					errmsg("search parameter \"%s\" is not supported", refused[i].name),
					errdetail("%s", refused[i].why), errhint("Leave it out; with handling=lenient it is passed by."), fhir_issue("not-supported", NULL));
}

/* A control that has no modifiers, with one. */
static void
refuse_modifier(const char *name)
{
	static const char *const plain[] = {"_count", "_total", "_summary", "_elements", "_sort", "_type", "_contained", "_containedType",
										"_cursor", "_format", "_pretty"};
	size_t len = strcspn(name, ":");

	for (int i = 0; name[len] && i < lengthof(plain); i++)
		if (strlen(plain[i]) == len && strncmp(name, plain[i], len) == 0)
			ereport(ERROR, errcode(FH400), errmsg("modifier \"%s\" can't be used with \"%s\"", name + len, plain[i]),
					strcmp(plain[i], "_sort") == 0 ? errhint("For descending order write a - before a key: _sort=-date.")
												   : errhint("Leave it out: this parameter has no modifiers."),
					fhir_issue("not-supported", NULL));
}

/* A control that has one value. */
static bool
parse_single(SearchRequest *req, const char *name, const char *value)
{
	if (strcmp(name, "_count") == 0) {
		req->count_given = parse_count(value);
		req->count = Min(req->count_given, fhir_max_count);
	} else if (strcmp(name, "_total") == 0)
		req->total = parse_total(value);
	else if (strcmp(name, "_summary") == 0)
		req->summary = parse_summary(value);
	else if (strcmp(name, "_contained") == 0)
		req->contained = parse_contained(value);
	else if (strcmp(name, "_containedType") == 0)
		req->contained_alone = parse_contained_type(value);
	else if (strcmp(name, "_cursor") == 0)
		req->cursor = value;
	else
		return false;
	return true;
}

/* Of a control that has one value the last counts: the links tell no other. */
static void
supersede(SearchRequest *req, const char *name)
{
	for (SearchPair *p = req->pairs; p->name != name; p++)
		if (strcmp(p->name, name) == 0)
			p->used = false;
}

/* True if the pair was a result control. */
static bool
parse_control(SearchRequest *req, const char *name, const char *value)
{
	if (name[0] != '_')
		return false;
	if (strcmp(name, "_elements") == 0)
		parse_elements(req, value);
	else if (strcmp(name, "_sort") == 0)
		search_resolve_sort(req, value);
	else if (strncmp(name, "_include", 8) == 0 && (name[8] == '\0' || name[8] == ':'))
		parse_include(req, name, value);
	else if (strncmp(name, "_revinclude", 11) == 0 && (name[11] == '\0' || name[11] == ':'))
		parse_include(req, name, value);
	else if (strcmp(name, "_format") == 0 || strcmp(name, "_pretty") == 0)
		return true; /* the REST layer's */
	else if (parse_single(req, name, value))
		supersede(req, name);
	else {
		refuse_modifier(name);
		refuse_known(name, value);
		return false;
	}
	return true;
}

/* _type first: what the other parameters mean depends on it. */
static void
parse_types(SearchRequest *req)
{
	int max = 8;

	req->types = palloc(max * sizeof(ModelType *));
	if (req->type)
		req->types[req->ntypes++] = req->type;
	for (int i = 0; i < req->npairs; i++) {
		char **parts;
		int n;

		if (strcmp(req->pairs[i].name, "_type") != 0)
			continue;
		if (req->type && req->handling == SEARCH_LENIENT) {
			req->pairs[i].control = true;
			req->ignored = lappend(req->ignored, pstrdup("the search has its type already: _type"));
			continue;
		}
		if (req->ntypes > 0)
			search_bad_value("_type", req->pairs[i].value,
							 req->type ? "the search has its type already" : "given twice", NULL);
		n = search_split(req->pairs[i].value, ',', &parts);
		for (int k = 0; k < n; k++) {
			const ModelType *t = model_resource(parts[k], strlen(parts[k]));

			if (!t)
				search_bad_value("_type", parts[k], "no resource type", search_nearest_type(parts[k]));
			if (req->ntypes == max)
				req->types = repalloc(req->types, (max *= 2) * sizeof(ModelType *));
			req->types[req->ntypes++] = t;
		}
		req->pairs[i].used = true;
	}
}

static int
compare_types(const void *a, const void *b)
{
	return strcmp((*(const ModelType *const *) a)->name, (*(const ModelType *const *) b)->name);
}

/* Sorted by name, once each; every type if none was named. */
static void
settle_types(SearchRequest *req)
{
	if (req->ntypes == 0) {
		req->all_types = true;
		req->types = repalloc(req->types, model_ntypes * sizeof(ModelType *));
		for (int m = 1; m < model_ntypes; m++)
			if (model_types[m].kind == MODEL_RESOURCE && !model_types[m].abstract &&
				(!req->compartment || req->compartment == &model_types[m] ||
				 model_compartment(req->compartment->name, &model_types[m]) != NULL))
				req->types[req->ntypes++] = &model_types[m];
		if (req->compartment)
			req->all_types = false;
	}
	search_sort_types(req);
}

void
search_sort_types(SearchRequest *req)
{
	int n = 0;

	qsort(req->types, req->ntypes, sizeof(ModelType *), compare_types);
	for (int i = 0; i < req->ntypes; i++)
		if (n == 0 || req->types[n - 1] != req->types[i])
			req->types[n++] = req->types[i];
	req->ntypes = n;
}

static void
split_pairs(SearchRequest *req, const char *query)
{
	int max = 16;

	if (*query == '?')
		query++;
	req->pairs = palloc(max * sizeof(SearchPair));
	while (*query) {
		int len = strcspn(query, "&");
		const char *eq = memchr(query, '=', len);

		if (len > 0) {
			SearchPair p = {0};

			p.name = fhir_percent_decode(query, eq ? eq - query : len, true);
			p.value = eq ? fhir_percent_decode(eq + 1, len - (eq + 1 - query), true) : pstrdup("");
			if (req->npairs == max)
				req->pairs = repalloc(req->pairs, (max *= 2) * sizeof(SearchPair));
			req->pairs[req->npairs++] = p;
		}
		query += len;
		if (*query)
			query++;
	}
	if (req->npairs > fhir_max_search_parameters)
		ereport(ERROR, errcode(FH400), errmsg("the query has too many parameters"),
				errdetail("%d parameters; fhir.max_search_parameters is %d.", req->npairs,
						  fhir_max_search_parameters),
				errhint("Join values by commas where one of them is enough, or raise the setting."),
				fhir_issue("too-costly", NULL));
}

/*
 * Under handling=lenient an error about the query (FH400) becomes a note, anything else passes. Only pure
 * computation runs inside, so that no subtransaction is needed. Of a list with one wrong name nothing is taken:
 * the links lack all of it.
 */
static void
control_leniently(SearchRequest *req, SearchPair *p)
{
	MemoryContext cxt = CurrentMemoryContext;
	int nsorts = req->nsorts, nelements = req->nelements;

	PG_TRY();
	{
		p->control = p->used = parse_control(req, p->name, p->value);
	}
	PG_CATCH();
	{
		p->control = true;
		req->nsorts = nsorts;
		req->nelements = nelements;
		search_ignore(req, cxt);
	}
	PG_END_TRY();
}

void
search_ignore(SearchRequest *req, MemoryContext cxt)
{
	ErrorData *e;
	bool near;

	MemoryContextSwitchTo(cxt);
	e = CopyErrorData();
	if (e->sqlerrcode != FH400)
		PG_RE_THROW();
	FlushErrorState();
	fhir_issues_reset();
	near = e->hint && strncmp(e->hint, "Perhaps ", 8) == 0;
	req->ignored = lappend(req->ignored, psprintf("%s%s%s%s%s%s", e->message, e->detail ? ": " : "", e->detail ? e->detail : "",
												  near ? " (" : "", near ? e->hint : "", near ? ")" : ""));
}

static void
ignore_includes(SearchRequest *req)
{
	for (int i = 0; i < req->npairs; i++)
		if (strncmp(req->pairs[i].name, "_include", 8) == 0 || strncmp(req->pairs[i].name, "_revinclude", 11) == 0)
			req->pairs[i].used = false;
	req->nincludes = 0;
	req->ignored = lappend(req->ignored, pstrdup("_include and _revinclude can't be used with _summary=text"));
}

void
search_parse(SearchRequest *req, const char *query)
{
	split_pairs(req, query);
	parse_types(req);
	settle_types(req);
	req->count = Min(fhir_default_count, fhir_max_count);
	for (int i = 0; i < req->npairs; i++) {
		SearchPair *p = &req->pairs[i];
		const char *own = strstr(p->name, ":~");

		if (own) /* this server's own spelling of the operators of _filter */
			search_bad_modifier(pnstrdup(p->name, own - p->name), own + 1, NULL);
		if (p->used) /* _type */
			p->control = true;
		if (p->control)
			continue;
		if (req->handling == SEARCH_LENIENT)
			control_leniently(req, p);
		else
			p->control = p->used = parse_control(req, p->name, p->value);
	}
	if (req->summary == SUMMARY_TEXT && req->nincludes > 0 && req->handling == SEARCH_LENIENT)
		ignore_includes(req);
	else if (req->summary == SUMMARY_TEXT && req->nincludes > 0)
		ereport(ERROR, errcode(FH400), errmsg("_include and _revinclude can't be used with _summary=text"),
				errhint("Leave out one of them, or use _summary=true."), fhir_issue("invalid", NULL));
}
