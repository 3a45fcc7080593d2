/*
 * query_composite.c: composite values (a$b) of one branch, answered as KeyComposite in keys.h says.
 */
#include "base/base.h"

#include "search/query/query.h"
#include "search/query/query_internal.h"
#include "store/catalog/catalog.h"

/* One token of a query value: `code`, `|code`, `sys|code`, `sys|`. */
typedef struct TokenText {
	char *system, *code;
	int slen, clen;
} TokenText;

static void
split_token(const char *code, const char *value, TokenText *t)
{
	char **parts;
	int n = search_split(value, '|', &parts);

	if (n > 2)
		search_bad_value(code, value, "more than one |", "Write a | within a value as \\|.");
	t->code = search_unescape(parts[n - 1]);
	t->clen = strlen(t->code);
	t->system = n == 2 ? search_unescape(parts[0]) : NULL;
	t->slen = n == 2 ? strlen(t->system) : -1;
	if (n == 2 && t->clen == 0)
		t->clen = -1;
}

/* The AND of the parts, each on the places where its values stand. */
static Crit *
parts_and(const KeyParam *p, const KeyComposite *c, char **values)
{
	Crit *all = NULL;

	for (int i = 0; i < c->nparts; i++) {
		Crit *any = NULL;
		const KeyParam *component = p->components[i];

		for (int k = 0; k < c->parts[i].nsources; k++) {
			KeyLeg leg = {0};

			leg.source = c->parts[i].sources[k];
			any = crit_join(CRIT_OR, any, search_one_value(component, &leg, NULL, values[i]));
		}
		all = crit_join(CRIT_AND, all, any ? any : crit_new(CRIT_FALSE));
	}
	return all;
}

static Crit *
by_equality(const KeyParam *p, const KeySource *s, char **values)
{
	const KeyComposite *c = s->composite;
	uint64 hashes[KEYS_MAX_PARTS];
	Crit *crit;

	for (int i = 0; i < c->nparts; i++) {
		KeyAnswer answer;

		if (c->parts[i].type == PARAM_TOKEN) {
			TokenText t;

			split_token(p->code, values[i], &t);
			answer = keys_part_token(s, i, t.system, t.slen, t.code, t.clen, &hashes[i]);
		} else {
			char *ref = search_unescape(values[i]);

			if (c->parts[i].type != PARAM_REFERENCE || strchr(ref, '/') == NULL)
				return NULL;
			answer = keys_part_reference(store_key_context(), s, i, ref, strlen(ref), &hashes[i]);
		}
		if (answer == KEYS_NEVER)
			return crit_new(CRIT_FALSE);
		if (answer != KEYS_BY_KEY)
			return NULL;
	}
	crit = crit_new(CRIT_KEYS);
	crit_add_key(crit, keys_composite(s, hashes, c->nparts));
	return crit;
}

static Crit *
by_order(const KeyParam *p, const KeySource *s, char **values)
{
	const KeyComposite *c = s->composite;
	TokenText t;
	uint64 hash;
	KeyAnswer answer;
	Crit *crit = crit_new(CRIT_ORDERED);

	split_token(p->code, values[0], &t);
	if (c->root) {
		/* The rows know the code alone; a system is looked for in the part's own keys. */
		if (t.clen < 0)
			return NULL;
		hash = keys_code(s, t.code, t.clen);
	} else {
		answer = keys_part_token(s, 0, t.system, t.slen, t.code, t.clen, &hash);
		if (answer == KEYS_NEVER)
			return crit_new(CRIT_FALSE);
		if (answer != KEYS_BY_KEY)
			return NULL;
	}
	if (c->parts[1].type == PARAM_QUANTITY) {
		if (search_quantity_boxes(crit, p->code, s, &hash, values[1]))
			return NULL;
	} else if (c->parts[1].type == PARAM_DATE)
		search_date_boxes(crit, p->code, keys_composite_ordered(s, hash, keys_ordered(s)), values[1]);
	else
		search_number_boxes(crit, p->code, keys_composite_ordered(s, hash, keys_ordered(s)), values[1]);
	if (crit->nboxes == 0)
		return crit_new(CRIT_FALSE);
	if (c->root && t.slen >= 0) {
		Crit *any = NULL;

		for (int k = 0; k < c->parts[0].nsources; k++) {
			KeyLeg leg = {0};

			leg.source = c->parts[0].sources[k];
			any = crit_join(CRIT_OR, any, search_one_value(p->components[0], &leg, NULL, values[0]));
		}
		crit = crit_join(CRIT_AND, crit, any ? any : crit_new(CRIT_FALSE));
	}
	return crit;
}

Crit *
search_composite(const KeyParam *p, const KeyLeg *leg, const char *value)
{
	const KeyComposite *c = leg->source->composite;
	char **values;
	int n = search_split(value, '$', &values);
	Crit *crit = NULL, *recheck;
	bool exact = c->root;

	if (n != c->nparts)
		search_bad_value(p->code, value,
						 psprintf("%d part%s, but the parameter has %d components", n, n == 1 ? "" : "s", c->nparts),
						 "Write the parts with $ between them, for example 8480-6$gt140.");
	for (int i = 0; i < n; i++)
		if (*values[i] == '\0')
			search_bad_value(p->code, value, "a part is empty", NULL);
	if (c->kind == KEYS_COMPOSITE_ORDERED)
		crit = by_order(p, leg->source, values);
	else if (c->kind == KEYS_COMPOSITE_EQ && !c->root)
		crit = by_equality(p, leg->source, values);
	if (crit)
		return crit;
	crit = parts_and(p, c, values);
	/* `||unit` is compared on the document by the component's parameter, which may look at other places, too
	 * (combo-) */
	for (int i = 0; i < n; i++)
		exact = exact && strstr(values[i], "||") == NULL;
	if (exact || crit->kind == CRIT_FALSE)
		return crit;
	recheck = crit_new(CRIT_DOC);
	recheck->type = p->base;
	recheck->code = p->code;
	crit_add_value(recheck, pstrdup(value));
	return crit_join(CRIT_AND, crit, recheck);
}
