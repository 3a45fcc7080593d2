/*
 * search_filter.c: _filter (R4, Search, 3.1.3): boolean expressions over criteria.
 *
 *   filter    = term { ("and" | "or") term }        "and" binds tighter
 *   term      = "not"? ( "(" filter ")" | path op value )
 *   path      = name { "." name }, with [filter] after a reference being refused
 *   op        = eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re
 *   value     = "string" | token, number or date
 *
 * Each comparison becomes an ordinary criterion; so it is as exact and as indexed as the parameter itself.
 */
#include "base/compat.h"

#include <ctype.h>

#include "miscadmin.h"

#include "base/error.h"
#include "search/search_internal.h"

typedef struct Filter {
	SearchRequest *req;
	const ModelType *const *types;
	int ntypes;
	const char *text, *at;
} Filter;

static void pg_attribute_noreturn()
fail(Filter *f, const char *why)
{
	ereport(ERROR, errcode(FH400), errmsg("invalid _filter: %s", why),
	        errdetail("At position %d, before \"%.40s\".", (int)(f->at - f->text) + 1, f->at),
	        errhint("For example: _filter=given eq \"peter\" and birthdate ge 2014-10-10."),
	        fhir_issue("invalid", NULL));
}

static void
skip_space(Filter *f)
{
	while (isspace((unsigned char)*f->at))
		f->at++;
}

/* A word up to white space or a parenthesis; palloc'd, empty at the end. */
static char *
word(Filter *f)
{
	const char *start;

	skip_space(f);
	start = f->at;
	while (*f->at && !isspace((unsigned char)*f->at) && *f->at != '(' && *f->at != ')')
		f->at++;
	return pnstrdup(start, f->at - start);
}

static bool
take_keyword(Filter *f, const char *keyword)
{
	const char *start = f->at;
	char *w = word(f);

	if (strcmp(w, keyword) == 0)
		return true;
	f->at = start;
	return false;
}

/* Escaped as a value of a parameter, so that , and $ in it are literal; | of a token stays. */
static char *
value(Filter *f, bool *quoted)
{
	StringInfoData out;

	initStringInfo(&out);
	skip_space(f);
	*quoted = *f->at == '"';
	if (!*quoted) {
		for (const char *w = word(f); *w; w++) {
			if (*w == ',' || *w == '\\')
				appendStringInfoChar(&out, '\\');
			appendStringInfoChar(&out, *w);
		}
		if (out.len == 0)
			fail(f, "a value is missing");
		return out.data;
	}
	for (f->at++; *f->at != '"'; f->at++) {
		if (*f->at == '\0')
			fail(f, "a string is not closed");
		if (*f->at == '\\' && f->at[1])
			f->at++;
		if (strchr(",|$\\", *f->at) != NULL)
			appendStringInfoChar(&out, '\\');
		appendStringInfoChar(&out, *f->at);
	}
	f->at++;
	return out.data;
}

static Crit *
negate(Crit *a)
{
	Crit *c = crit_new(CRIT_NOT);

	c->args = palloc(sizeof(Crit *));
	c->args[c->nargs++] = a;
	return c;
}

static Crit *
comparison(Filter *f)
{
	static const char prefixes[] = " gt lt ge le ap sa eb ";
	/* ss: the value subsumes one of the concepts; sb: it is subsumed by one */
	static const char *const terminology[][2] = {
	    {"ss", "below"}, {"sb", "above"}, {"in", "in"}, {"ni", "not-in"}};
	char *path = word(f), *op, *v;
	bool quoted;
	const KeyParam *p;
	const char *dot = strrchr(path, '.');

	if (*path == '\0')
		fail(f, "a parameter is missing");
	if (strchr(path, '[') || strchr(path, ':'))
		fail(f, "filters and modifiers within a path are not supported");
	op = word(f);
	if (*op == '\0')
		fail(f, "an operator is missing");
	v = value(f, &quoted);
	if (strcmp(op, "pr") == 0) {
		if (strcmp(v, "true") != 0 && strcmp(v, "false") != 0)
			fail(f, "pr needs true or false");
		return search_resolve_criterion(f->req, f->types, f->ntypes, psprintf("%s:missing", path),
		                                v[0] == 't' ? "false" : "true", 0);
	}
	p = dot ? NULL : search_param(f->types[0], path, strlen(path));
	if (strcmp(op, "eq") == 0 || (strcmp(op, "re") == 0 && (!p || p->type == PARAM_REFERENCE))) {
		if (p && p->type == PARAM_STRING)
			path = psprintf("%s:exact", path);
		return search_resolve_criterion(f->req, f->types, f->ntypes, path, v, 0);
	}
	if (strcmp(op, "ne") == 0) {
		if (p && p->type == PARAM_STRING)
			path = psprintf("%s:exact", path);
		return negate(search_resolve_criterion(f->req, f->types, f->ntypes, path, v, 0));
	}
	if (strcmp(op, "sw") == 0 || strcmp(op, "co") == 0) {
		if (p && p->type != PARAM_STRING)
			fail(f, "sw and co need a string parameter");
		return search_resolve_criterion(f->req, f->types, f->ntypes,
		                                op[0] == 's' ? path : psprintf("%s:contains", path), v, 0);
	}
	if (strlen(op) == 2 && strstr(prefixes, psprintf(" %s ", op)) != NULL) {
		if (p && p->type != PARAM_DATE && p->type != PARAM_NUMBER && p->type != PARAM_QUANTITY)
			fail(f, "this operator needs a date, number or quantity parameter");
		return search_resolve_criterion(f->req, f->types, f->ntypes, path, psprintf("%s%s", op, v), 0);
	}
	for (int i = 0; i < lengthof(terminology); i++)
		if (strcmp(op, terminology[i][0]) == 0) {
			if (p && p->type != PARAM_TOKEN)
				fail(f, "ss, sb, in and ni need a token parameter");
			return search_resolve_criterion(f->req, f->types, f->ntypes,
			                                psprintf("%s:%s", path, terminology[i][1]), v, 0);
		}
	fail(f, psprintf("operator \"%s\" is unknown or not supported here", op));
	return NULL;
}

static Crit *disjunction(Filter *f);

static Crit *
term(Filter *f)
{
	Crit *c;

	check_stack_depth();
	if (take_keyword(f, "not"))
		return negate(term(f));
	skip_space(f);
	if (*f->at != '(')
		return comparison(f);
	f->at++;
	c = disjunction(f);
	skip_space(f);
	if (*f->at != ')')
		fail(f, "a ) is missing");
	f->at++;
	return c;
}

static Crit *
conjunction(Filter *f)
{
	Crit *c = term(f);

	while (take_keyword(f, "and"))
		c = crit_join(CRIT_AND, c, term(f));
	return c;
}

static Crit *
disjunction(Filter *f)
{
	Crit *c = conjunction(f);

	while (take_keyword(f, "or"))
		c = crit_join(CRIT_OR, c, conjunction(f));
	return c;
}

Crit *
search_filter(SearchRequest *req, const ModelType *const *types, int ntypes, const char *text)
{
	Filter f = {req, types, ntypes, text, text};
	Crit *c = disjunction(&f);

	skip_space(&f);
	if (*f.at)
		fail(&f, "text after its end");
	return c;
}
