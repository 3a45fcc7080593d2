/*
 * fhirpath_fn_exists.c: existence, counting and types (FHIRPath N1 sections 5.1 and 6.3).
 */
#include "fhirpath/fhirpath_fn.h"

void
fp_fn_empty(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_bool(x, out, in->n == 0);
}

void
fp_fn_exists(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	bool found = n->nargs == 0 && in->n > 0;

	for (int i = 0; n->nargs > 0 && i < in->n && !found; i++)
		found = fp_eval_item_boolean(x, n->right, s, &in->items[i], i) == 1;
	fp_push_bool(x, out, found);
}

void
fp_fn_all(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	bool all = true;

	for (int i = 0; i < in->n && all; i++)
		all = fp_eval_item_boolean(x, n->right, s, &in->items[i], i) == 1;
	fp_push_bool(x, out, all);
}

/* How many of the items are true (or false); all must be Booleans. */
static int
count_bools(FpExec *x, const FpNode *n, const FpList *in, bool value)
{
	int count = 0;

	for (int i = 0; i < in->n; i++) {
		const FpItem *item = &in->items[i];

		if (item->kind != FP_BOOLEAN || item->json.type != jbvBool)
			fp_error(x, item, psprintf("%s() takes Booleans, not %s", n->fn->name, fp_kind_name(item)), NULL);
		count += item->json.val.boolean == value;
	}
	return count;
}

void
fp_fn_allTrue(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_bool(x, out, count_bools(x, n, in, true) == in->n);
}

void
fp_fn_anyTrue(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_bool(x, out, count_bools(x, n, in, true) > 0);
}

void
fp_fn_allFalse(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_bool(x, out, count_bools(x, n, in, false) == in->n);
}

void
fp_fn_anyFalse(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_bool(x, out, count_bools(x, n, in, false) > 0);
}

static bool
contains_all(FpExec *x, const FpList *big, const FpList *small)
{
	for (int i = 0; i < small->n; i++)
		if (!fp_contains(x, big, &small->items[i]))
			return false;
	return true;
}

static void
subset(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out, bool super)
{
	FpScope outer = *s;
	FP_LIST_ON_STACK(other);

	fp_eval(x, n->right, &outer, &other);
	fp_push_bool(x, out, super ? contains_all(x, in, &other) : contains_all(x, &other, in));
	FP_LIST_FREE(other);
}

void
fp_fn_subsetOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	subset(x, n, s, in, out, false);
}

void
fp_fn_supersetOf(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	subset(x, n, s, in, out, true);
}

void
fp_fn_count(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_push_int(x, out, in->n);
}

void
fp_fn_distinct(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_distinct(x, in, out);
}

void
fp_fn_isDistinct(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FP_LIST_ON_STACK(d);

	fp_distinct(x, in, &d);
	fp_push_bool(x, out, d.n == in->n);
	FP_LIST_FREE(d);
}

void
fp_fn_not(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	int b = fp_boolean(x, in, "not()");

	if (b >= 0)
		fp_push_bool(x, out, !b);
}

/* ---- types ---- */

void
fp_is(FpExec *x, const FpTypeSpec *t, const FpList *in, FpList *out)
{
	const FpItem *i = fp_single(x, in, "is");

	if (i != NULL)
		fp_push_bool(x, out, fp_item_is(i, t));
}

/* Do all items come from one place in the model that is no choice? Then they are of one type and `as` picks
 * nothing. */
static bool
uniform(const FpList *in)
{
	const ModelProperty *p = in->items[0].property;

	for (int i = 1; i < in->n; i++)
		if (in->items[i].property != p)
			return false;
	return p == NULL || !p->is_choice;
}

/*
 * `as` takes one item. Published search parameters and invariants apply it to several, and mean a filter
 * (useContext.value as Quantity; descendants().as(canonical)): choice elements and mixed collections are
 * filtered, others refused.
 */
void
fp_as(FpExec *x, const FpTypeSpec *t, const FpList *in, FpList *out)
{
	if (in->n > 1 && uniform(in))
		fp_single(x, in, "as");
	for (int i = 0; i < in->n; i++)
		if (fp_item_as(&in->items[i], t))
			*fp_push(x, out) = in->items[i];
}

void
fp_fn_is(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_is(x, &n->type, in, out);
}

void
fp_fn_as(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	fp_as(x, &n->type, in, out);
}

void
fp_fn_ofType(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	for (int i = 0; i < in->n; i++)
		if (fp_item_as(&in->items[i], &n->type))
			*fp_push(x, out) = in->items[i];
}

void
fp_fn_type(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	for (int i = 0; i < in->n; i++) {
		FpTypeInfo *t = palloc(sizeof(FpTypeInfo));
		FpItem *item = fp_push(x, out);

		*t = fp_item_typeinfo(&in->items[i]);
		memset(item, 0, sizeof(FpItem));
		item->kind = FP_TYPEINFO;
		item->json.type = jbvNull;
		item->priv = t;
	}
}

void
fp_fn_comparable(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = fp_single(x, in, "comparable()");
	FpItem other;
	FpQuantity a, b;

	if (i == NULL || !fp_arg(x, n, s, 0, &other))
		return;
	if (!fp_to_quantity(i, &a) || !fp_to_quantity(&other, &b))
		fp_error(x, i, "comparable() takes quantities", NULL);
	fp_push_bool(x, out, fp_quantity_comparable(&a, &b));
}
