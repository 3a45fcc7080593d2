/*
 * query_crit.c: building criteria: lists of alternatives, AND, OR and NOT of others, simplified on the way.
 */
#include "base/base.h"

#include "search/query/query.h"
#include "search/query/query_internal.h"

Crit *
crit_new(CritKind kind)
{
	Crit *c = palloc0(sizeof(Crit));

	c->kind = kind;
	c->matches = -1;
	return c;
}

void
crit_add_key(Crit *c, uint64 key)
{
	if ((c->nkeys & (c->nkeys - 1)) == 0) /* at powers of two */
		c->keys = c->keys ? repalloc(c->keys, c->nkeys * 2 * sizeof(uint64)) : palloc(sizeof(uint64));
	c->keys[c->nkeys++] = key;
}

void
crit_add_value(Crit *c, char *value)
{
	if ((c->nvalues & (c->nvalues - 1)) == 0)
		c->values = c->values ? repalloc(c->values, c->nvalues * 2 * sizeof(char *)) : palloc(sizeof(char *));
	c->values[c->nvalues++] = value;
}

void
crit_add_box(Crit *c, uint64 key, int64 lo_min, int64 lo_max, int64 hi_min, int64 hi_max)
{
	OrdBox *b;

	/* lo <= hi always */
	lo_max = Min(lo_max, hi_max);
	hi_min = Max(hi_min, lo_min);
	if (lo_min > lo_max || hi_min > hi_max)
		return;
	if ((c->nboxes & (c->nboxes - 1)) == 0)
		c->boxes = c->boxes ? repalloc(c->boxes, c->nboxes * 2 * sizeof(OrdBox)) : palloc(sizeof(OrdBox));
	b = &c->boxes[c->nboxes++];
	*b = (OrdBox){key, lo_min, lo_max, hi_min, hi_max};
}

void
crit_add_arg(Crit *c, Crit *arg)
{
	if ((c->nargs & (c->nargs - 1)) == 0)
		c->args = c->args ? repalloc(c->args, c->nargs * 2 * sizeof(Crit *)) : palloc(sizeof(Crit *));
	c->args[c->nargs++] = arg;
}

/* Can b's alternatives be appended to those of a? */
static bool
mergeable(const Crit *a, const Crit *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
		case CRIT_KEYS:
		case CRIT_ORDERED:
		case CRIT_UPDATED:
		case CRIT_ID:
			return true;
		default:
			return false;
	}
}

/* a OP b, simplified; either may be NULL. OR-ed lists of one kind become one list. a may be changed. */
Crit *
crit_join(CritKind kind, Crit *a, Crit *b)
{
	CritKind unit = kind == CRIT_AND ? CRIT_TRUE : CRIT_FALSE;
	CritKind zero = kind == CRIT_AND ? CRIT_FALSE : CRIT_TRUE;
	Crit *c;

	if (a == NULL || (b && a->kind == unit))
		return b;
	if (b == NULL || b->kind == unit || a->kind == zero)
		return a;
	if (b->kind == zero)
		return b;
	if (kind == CRIT_OR && a->kind == CRIT_OR) {
		/* try the alternatives that are there */
		for (int i = 0; i < a->nargs; i++)
			if (mergeable(a->args[i], b)) {
				a->args[i] = crit_join(CRIT_OR, a->args[i], b);
				return a;
			}
	}
	if (kind == CRIT_OR && mergeable(a, b)) {
		a->single = a->single && b->single && a->position == b->position;
		for (int i = 0; i < b->nkeys; i++)
			crit_add_key(a, b->keys[i]);
		for (int i = 0; i < b->nvalues; i++)
			crit_add_value(a, b->values[i]);
		for (int i = 0; i < b->nboxes; i++)
			crit_add_box(a, b->boxes[i].key, b->boxes[i].lo_min, b->boxes[i].lo_max, b->boxes[i].hi_min,
						 b->boxes[i].hi_max);
		return a;
	}
	if (a->kind == kind)
		c = a;
	else {
		c = crit_new(kind);
		crit_add_arg(c, a);
	}
	if (b->kind == kind)
		for (int i = 0; i < b->nargs; i++)
			c = crit_join(kind, c, b->args[i]);
	else
		crit_add_arg(c, b);
	return c;
}

Crit *
crit_not(Crit *a)
{
	Crit *c;

	if (a->kind == CRIT_TRUE || a->kind == CRIT_FALSE)
		return crit_new(a->kind == CRIT_TRUE ? CRIT_FALSE : CRIT_TRUE);
	if (a->kind == CRIT_NOT)
		return a->args[0];
	c = crit_new(CRIT_NOT);
	crit_add_arg(c, a);
	return c;
}
