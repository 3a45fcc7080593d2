/*
 * fhirpath_fn_filter.c: filtering, projection, subsetting, combining, navigation and control (FHIRPath N1
 * sections 5.2 to 5.4, 5.8, 5.9, 7).
 */
#include "fhirpath/fhirpath_fn.h"

void
fp_fn_where(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	for (int i = 0; i < in->n; i++)
		if (fp_eval_item_boolean(x, n->right, s, &in->items[i], i) == 1)
			*fp_push(x, out) = in->items[i];
}

void
fp_fn_select(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	for (int i = 0; i < in->n; i++)
		fp_eval_item(x, n->right, s, &in->items[i], i, out);
}

/* Breadth first over what the projection finds; `all` keeps repeated items, otherwise each counts once. */
static void
repeat(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out, bool all)
{
	int from = out->n, next;
	FP_LIST_ON_STACK(found);

	for (int i = 0; i < in->n; i++)
		fp_eval_item(x, n->right, s, &in->items[i], i, &found);
	if (all)
		fp_append(x, out, &found);
	else
		fp_distinct(x, &found, out);
	for (next = from; next < out->n; next++) {
		FpItem item = out->items[next];

		found.n = 0;
		fp_eval_item(x, n->right, s, &item, next - from, &found);
		for (int i = 0; i < found.n; i++) {
			FpList seen = {out->items + from, out->n - from, 0};

			if (all || !fp_contains(x, &seen, &found.items[i]))
				*fp_push(x, out) = found.items[i];
		}
		fp_tick(x, 0);
	}
	FP_LIST_FREE(found);
}

void
fp_fn_repeat(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	repeat(x, n, s, in, out, false);
}

void
fp_fn_repeatAll(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	repeat(x, n, s, in, out, true);
}

/* ---- subsetting ---- */

static void
slice(FpExec *x, const FpList *in, int64 from, int64 to, FpList *out)
{
	for (int64 i = Max(from, 0); i < Min(to, in->n); i++)
		*fp_push(x, out) = in->items[i];
}

void
fp_fn_first(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	slice(x, in, 0, 1, out);
}

void
fp_fn_last(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	slice(x, in, in->n - 1, in->n, out);
}

void
fp_fn_tail(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	slice(x, in, 1, in->n, out);
}

void
fp_fn_skip(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	int64 k;

	if (fp_arg_int(x, n, s, 0, &k))
		slice(x, in, k, in->n, out);
}

void
fp_fn_take(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	int64 k;

	if (fp_arg_int(x, n, s, 0, &k))
		slice(x, in, 0, k, out);
}

void
fp_fn_single(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *i = fp_single(x, in, "single()");

	if (i != NULL)
		*fp_push(x, out) = *i;
}

/* ---- combining ---- */

void
fp_fn_intersect(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpScope outer = *s;
	FP_LIST_ON_STACK(other);
	FP_LIST_ON_STACK(shared);

	fp_eval(x, n->right, &outer, &other);
	for (int i = 0; i < in->n; i++)
		if (fp_contains(x, &other, &in->items[i]))
			*fp_push(x, &shared) = in->items[i];
	fp_distinct(x, &shared, out);
	FP_LIST_FREE(other);
	FP_LIST_FREE(shared);
}

void
fp_fn_exclude(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpScope outer = *s;
	FP_LIST_ON_STACK(other);

	fp_eval(x, n->right, &outer, &other);
	for (int i = 0; i < in->n; i++)
		if (!fp_contains(x, &other, &in->items[i]))
			*fp_push(x, out) = in->items[i];
	FP_LIST_FREE(other);
}

static void
both(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out, bool distinct)
{
	FpScope outer = *s;
	FP_LIST_ON_STACK(l);

	fp_append(x, &l, in);
	fp_eval(x, n->right, &outer, &l);
	if (distinct)
		fp_distinct(x, &l, out);
	else
		fp_append(x, out, &l);
	FP_LIST_FREE(l);
}

void
fp_fn_union(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	both(x, n, s, in, out, true);
}

/* The order of input, then argument, is always kept: preserveOrder asks for what happens anyway. */
void
fp_fn_combine(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	both(x, n, s, in, out, false);
}

/* ---- navigation ---- */

void
fp_fn_children(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	for (int i = 0; i < in->n; i++)
		fp_children(x, &in->items[i], out);
}

/* Level by level, as repeat(children()) would. */
void
fp_fn_descendants(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	int next = out->n;

	for (int i = 0; i < in->n; i++)
		fp_children(x, &in->items[i], out);
	for (; next < out->n; next++) {
		FpItem item = out->items[next];

		fp_children(x, &item, out);
		fp_tick(x, 0);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- control ---- */

void
fp_fn_coalesce(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	int before = out->n;

	for (const FpNode *a = n->right; a != NULL && out->n == before; a = a->next) {
		FpScope outer = *s;

		fp_eval(x, a, &outer, out);
	}
}

/* The branch that is not taken is not evaluated. $this is the input. */
void
fp_fn_iif(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const FpItem *this = fp_single(x, in, "iif()");
	const FpNode *branch;
	int c = fp_eval_item_boolean(x, n->right, s, this, s->index);

	branch = fp_argn(n, c == 1 ? 1 : 2);
	if (branch != NULL)
		fp_eval_item(x, branch, s, this, s->index, out);
}

static void
trace_items(FpExec *x, const char *name, int len, const FpList *l)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < l->n && i < 100; i++) {
		if (i > 0)
			appendStringInfoString(&text, ", ");
		if (!fp_item_text(&l->items[i], &text))
			appendStringInfoString(&text, fp_kind_name(&l->items[i]));
	}
	if (l->n > 100)
		appendStringInfoString(&text, ", ...");
	ereport(DEBUG1,
			(errmsg("FHIRPath trace %.*s: %d item%s: %s", len, name, l->n, l->n == 1 ? "" : "s", text.data)));
	pfree(text.data);
}

/* Goes to the log at DEBUG1: client_min_messages or log_min_messages decide who sees it. */
void
fp_fn_trace(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	const char *name = "";
	int len = 0;
	FP_LIST_ON_STACK(shown);

	fp_arg_string(x, n, s, 0, &name, &len);
	if (n->nargs > 1)
		for (int i = 0; i < in->n; i++)
			fp_eval_item(x, n->right->next, s, &in->items[i], i, &shown);
	if (message_level_is_interesting(DEBUG1))
		trace_items(x, name, len, n->nargs > 1 ? &shown : in);
	fp_append(x, out, in);
	FP_LIST_FREE(shown);
}

void
fp_fn_aggregate(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpList total = {0}, next;
	FpScope outer = *s;

	if (n->nargs > 1)
		fp_eval(x, n->right->next, &outer, &total);
	for (int i = 0; i < in->n; i++) {
		FpScope inner = {&in->items[i], 1, i, &total, s->vars};

		memset(&next, 0, sizeof(next));
		fp_eval(x, n->right, &inner, &next);
		total = next;
	}
	fp_append(x, out, &total);
}

/* Seen by what follows in the same expression; a name may be given once, and not that of a variable of the
 * system. */
void
fp_fn_defineVariable(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	static const char *const reserved[] = {"context", "resource", "rootResource", "sct", "loinc", "ucum"};
	FpVar *var = palloc0(sizeof(FpVar));

	if (!fp_arg_string(x, n, s, 0, &var->name, &var->len))
		fp_error(x, NULL, "defineVariable() needs a name", NULL);
	for (FpVar *v = s->vars; v != NULL; v = v->next)
		if (v->len == var->len && memcmp(v->name, var->name, v->len) == 0)
			fp_error(x, NULL, psprintf("the variable %%%.*s is defined already", var->len, var->name), NULL);
	for (int i = 0; i < lengthof(reserved); i++)
		if (strlen(reserved[i]) == var->len && memcmp(reserved[i], var->name, var->len) == 0)
			fp_error(x, NULL, psprintf("the variable %%%s cannot be defined anew", reserved[i]), NULL);
	if (n->nargs > 1) {
		FpScope inner = {in->items, in->n, s->index, s->total, s->vars};

		fp_eval(x, n->right->next, &inner, &var->value);
	} else
		fp_append(x, &var->value, in);
	var->next = s->vars;
	s->vars = var;
	fp_append(x, out, in);
}

/* ---- sort ---- */

typedef struct SortState {
	FpExec *x;
	FpList *keys; /* nkeys lists per item */
	const bool *desc;
	int nkeys;
} SortState;

/* An empty key comes first, an undecidable order counts as equal. */
static int
compare_items(SortState *st, int a, int b)
{
	int cmp;

	for (int k = 0; k < st->nkeys; k++) {
		const FpList *la = &st->keys[a * st->nkeys + k], *lb = &st->keys[b * st->nkeys + k];
		const FpItem *ia = fp_single(st->x, la, "a sort key"), *ib = fp_single(st->x, lb, "a sort key");

		if (ia == NULL || ib == NULL)
			cmp = (ia != NULL) - (ib != NULL);
		else if (!fp_compare(st->x, ia, ib, &cmp))
			cmp = 0;
		if (cmp != 0)
			return st->desc[k] ? -cmp : cmp;
	}
	return 0;
}

/* Stable, and safe against an order that is none (merge sort never reads out of bounds). */
static void
merge_sort(SortState *st, int *order, int *tmp, int n)
{
	int half = n / 2, i = 0, j = half, k = 0;

	if (n < 2)
		return;
	merge_sort(st, order, tmp, half);
	merge_sort(st, order + half, tmp, n - half);
	fp_tick(st->x, n);
	while (i < half && j < n)
		tmp[k++] = compare_items(st, order[i], order[j]) <= 0 ? order[i++] : order[j++];
	while (i < half)
		tmp[k++] = order[i++];
	while (j < n)
		tmp[k++] = order[j++];
	memcpy(order, tmp, n * sizeof(int));
}

/* Is the key of the form -path? Then it asks for descending order, whatever its type. */
static const FpNode *
sort_key(const FpNode *a, bool *desc)
{
	*desc = (a->flags & FP_NODE_DESC) != 0;
	if (a->op == FP_OP_NEGATE) {
		*desc = !*desc;
		return a->left;
	}
	return a;
}

void
fp_fn_sort(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	int nkeys = Max(n->nargs, 1), *order = palloc((in->n + 1) * sizeof(int)), k = 0;
	bool *desc = palloc0(nkeys * sizeof(bool));
	SortState st = {x, palloc0(((Size) in->n * nkeys + 1) * sizeof(FpList)), desc, nkeys};

	for (int i = 0; i < in->n; i++) {
		order[i] = i;
		if (n->nargs == 0)
			st.keys[i] = (FpList){&in->items[i], 1, 1};
	}
	for (const FpNode *a = n->right; a != NULL; a = a->next, k++) {
		const FpNode *key = sort_key(a, &desc[k]);

		for (int i = 0; i < in->n; i++)
			fp_eval_item(x, key, s, &in->items[i], i, &st.keys[i * nkeys + k]);
	}
	merge_sort(&st, order, palloc((in->n + 1) * sizeof(int)), in->n);
	for (int i = 0; i < in->n; i++)
		*fp_push(x, out) = in->items[order[i]];
}
