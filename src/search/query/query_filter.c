/*
 * query_filter.c: _filter (R4, Search, 3.1.3): boolean expressions over criteria.
 *
 *   filter = term { ("and" | "or") term }        from left to right, neither binds tighter
 *   term   = "not" term | "(" filter ")" | path op value
 *   path   = name [ ":" Type ] { [ "[" filter "]" ] "." name } | "_has:" Type ":" name ":" name     brackets after the first name, or
 *            after one of an element
 *   op     = eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re
 *   value  = "string" | token, number or date
 *
 * Each comparison becomes an ordinary criterion; so it is as exact and as indexed as the parameter itself
 * (query_filter_op.c). A filter in brackets after a reference is on the resource that it leads to, together with
 * the rest of the path; after another parameter it is on the elements that the parameter looks at, by the names
 * of elements, decided on the document (match_filter.c).
 */
#include "base/base.h"

#include "miscadmin.h"

#include "search/query/query_filter.h"
#include "search/query/query.h"
#include "search/query/query_internal.h"

typedef struct Filter {
	SearchRequest *req;
	const ModelType *const *types;
	int ntypes, depth;
	FilterText text;
	bool probing; /* only look whether the types know the names */
	bool unknown; /* they don't */
} Filter;

static Crit *expression(Filter *f);

/* ---- comparisons ---- */

static Crit *
plain_comparison(Filter *f, const char *path, const char *op, const char *value)
{
	/* ss: the value subsumes one of the concepts; sb: it is subsumed by one */
	static const char *const modifiers[][2] = {{"ss", "below"}, {"sb", "above"}, {"in", "in"}, {"ni", "not-in"}};
	char *name = psprintf("%s:~%s", path, op);

	if (f->probing) {
		for (int i = 0; i < f->ntypes; i++)
			f->unknown |= !search_knows(f->types[i], path);
		return crit_new(CRIT_TRUE);
	}
	if (strcmp(op, "pr") == 0) {
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			filter_fail(&f->text, "pr needs true or false");
		return search_resolve_criterion(f->req, f->types, f->ntypes, psprintf("%s:missing", path),
										value[0] == 't' ? "false" : "true", f->depth);
	}
	for (int i = 0; i < lengthof(modifiers); i++)
		if (strcmp(op, modifiers[i][0]) == 0)
			name = psprintf("%s:%s", path, modifiers[i][1]);
	return search_resolve_criterion(f->req, f->types, f->ntypes, name, value, f->depth);
}

static bool
names_known(Filter *f, const ModelType *target, const FilterText *inner)
{
	Filter probe = {f->req, &target, 1, f->depth + 1, *inner, true, false};

	(void) expression(&probe);
	return !probe.unknown;
}

static Crit *path_from(Filter *f, const char *prefix, const char *first);

/* reference[filter].rest: of one resource that it leads to. */
static Crit *
through_reference(Filter *f, const KeyParam *p, const char *type, const FilterText *inner, const FilterText *rest)
{
	const ModelType **targets;
	int n = search_chain_targets(p, type, &targets);
	Crit *c = NULL;

	for (int i = 0; i < n; i++) {
		Filter condition = {f->req, &targets[i], 1, f->depth + 1, *inner, f->probing, false};
		Filter path = {f->req, &targets[i], 1, f->depth + 1, *rest, true, false};
		Crit *arg;

		if (!search_reference_allows(p, targets[i]) || !names_known(f, targets[i], inner))
			continue;
		(void) path_from(&path, NULL, filter_typed_name(&path.text));
		if (path.unknown)
			continue;
		path.text = *rest;
		path.probing = f->probing;
		arg = crit_join(CRIT_AND, expression(&condition),
						path_from(&path, NULL, filter_typed_name(&path.text)));
		f->text.at = path.text.at;
		c = search_chain_link(c, p, targets[i], arg);
	}
	if (c == NULL)
		ereport(ERROR, errcode(FH400), errmsg("invalid _filter: no type that \"%s\" may refer to has these parameters", p->code),
				errdetail("In \"%.*s\".", 100, inner->at), errhint("Name the type, for example subject:Patient.name."), fhir_issue("not-supported", NULL));
	return c;
}

/* On the elements at the place of p: the text up to the value goes to match_filter.c as it is. */
static Crit *
on_elements(Filter *f, const KeyParam *p, const char *start)
{
	FilterText t = f->text;

	t.at = start;
	(void) filter_skip_comparison(&t);
	f->text.at = t.at;
	start = pnstrdup(start, t.at - start);
	match_filter_check(start);
	return search_filter_elements(p, start);
}

/* Is it, of all types, a parameter that leads to no other resource? Then names after it are those of elements. */
static bool
has_elements(const Filter *f, const char *name)
{
	for (int i = 0; i < f->ntypes; i++) {
		const KeyParam *p = search_param(f->types[i], name, strlen(name));

		if (p == NULL || p->type == PARAM_REFERENCE || p->nlegs == 0)
			return false;
	}
	return f->ntypes > 0;
}

/* name.element..., with or without brackets further on. */
static Crit *
elements(Filter *f, const char *name)
{
	const char *start = f->text.at;
	Crit *c = NULL;

	for (int i = 0; i < f->ntypes; i++) {
		f->text.at = start;
		c = crit_join(CRIT_OR, c, on_elements(f, search_param(f->types[i], name, strlen(name)), start));
	}
	return c;
}

/* name[filter].rest, behind a chain of other names. */
static Crit *
bracketed(Filter *f, const char *prefix, const char *name)
{
	const char *start = f->text.at;
	FilterText inner, rest;
	SearchName parts = search_split_name(name);
	const KeyParam *p;
	Crit *c = NULL;

	if (prefix)
		filter_fail(&f->text, "[ ] stands after the first name of a path, or after another [ ]");
	f->text.at++;
	inner = f->text;
	/* where the bracket ends: filter_skip_comparison reads over it */
	for (int depth = 1; depth > 0; f->text.at++) {
		if (*f->text.at == '\0')
			filter_fail(&f->text, "a ] is missing");
		if (*f->text.at == '"') {
			(void) filter_value(&f->text);
			f->text.at--;
		} else if (*f->text.at == '[')
			depth++;
		else if (*f->text.at == ']')
			depth--;
	}
	filter_expect(&f->text, '.');
	rest = f->text;
	for (int i = 0; i < f->ntypes; i++) {
		p = search_param(f->types[i], parts.code, strlen(parts.code));
		if (p == NULL && f->probing) {
			f->unknown = true;
			f->text.at = start;
			(void) filter_skip_comparison(&f->text);
			return crit_new(CRIT_TRUE);
		}
		if (p == NULL)
			search_unknown_param(f->types[i], parts.code);
		c = crit_join(CRIT_OR, c,
					  p->type == PARAM_REFERENCE ? through_reference(f, p, parts.modifier, &inner, &rest)
												 : on_elements(f, p, start));
	}
	return c;
}

/* The rest of a path after `first`, then operator and value. prefix: names before it, with dots. */
static Crit *
path_from(Filter *f, const char *prefix, const char *first)
{
	const char *path = prefix ? psprintf("%s.%s", prefix, first) : first;
	char *op;

	check_stack_depth();
	if (*f->text.at == '[')
		return bracketed(f, prefix, first);
	if (prefix == NULL && *f->text.at == '.' && has_elements(f, first))
		return elements(f, first);
	if (filter_accept_char(&f->text, '.'))
		return path_from(f, path, filter_typed_name(&f->text));
	op = filter_word(&f->text);
	filter_check_operator(&f->text, op);
	return plain_comparison(f, path, op, filter_value(&f->text));
}

static Crit *
comparison(Filter *f)
{
	FilterText start = f->text;
	char *word = filter_word(&f->text), *op;

	if (*word == '\0')
		filter_fail(&f->text, "a parameter is missing");
	if (strncmp(word, "_has:", 5) == 0) {
		op = filter_word(&f->text);
		filter_check_operator(&f->text, op);
		return plain_comparison(f, word, op, filter_value(&f->text));
	}
	f->text = start;
	return path_from(f, NULL, filter_typed_name(&f->text));
}

static Crit *
term(Filter *f)
{
	Crit *c;

	check_stack_depth();
	if (filter_accept(&f->text, "not"))
		return crit_not(term(f));
	if (!filter_accept_char(&f->text, '('))
		return comparison(f);
	c = expression(f);
	filter_expect(&f->text, ')');
	return c;
}

static Crit *
expression(Filter *f)
{
	Crit *c = term(f);

	for (;;) {
		if (filter_accept(&f->text, "and"))
			c = crit_join(CRIT_AND, c, term(f));
		else if (filter_accept(&f->text, "or"))
			c = crit_join(CRIT_OR, c, term(f));
		else
			return c;
	}
}

Crit *
search_filter(SearchRequest *req, const ModelType *const *types, int ntypes, const char *text)
{
	Filter f = {req, types, ntypes, 0, {text, text}, false, false};
	Crit *c = expression(&f);

	if (*filter_word(&f.text) || *f.text.at)
		filter_fail(&f.text, "text after its end");
	return c;
}
