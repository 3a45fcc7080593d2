/*
 * fhirpath_equal.c: equality, equivalence and order of items (FHIRPath N1 sections 6.1 and 6.2).
 *
 * Partial dates, times without a zone beside times with one, and quantities of different dimensions make the
 * answer undecidable (empty).
 */
#include "fhirpath/fhirpath_int.h"

#include "mb/pg_wchar.h"

static bool equivalent_json(FpExec *x, const JsonbValue *a, const JsonbValue *b);

int
fp_string_cmp(const char *a, int alen, const char *b, int blen)
{
	int c = memcmp(a, b, Min(alen, blen));

	return c != 0 ? (c < 0 ? -1 : 1) : alen == blen ? 0
								   : alen < blen	? -1
													: 1;
}

static bool
is_quantity(const FpItem *i)
{
	FpQuantity q;

	if (i->kind == FP_ELEMENT && i->type == MODEL_NONE)
		return fp_to_quantity(i, &q);
	return i->kind == FP_QUANTITY ||
		   (i->kind == FP_ELEMENT && i->type != MODEL_NONE && model_is_a(i->type, MODEL_T_Quantity));
}

/* Both temporal, of kinds that can be compared: a time only with a time. */
static bool
both_temporal(const FpItem *a, const FpItem *b, FhirDateTime *da, FhirDateTime *db)
{
	return fp_is_temporal(a) && fp_is_temporal(b) && (a->kind == FP_TIME) == (b->kind == FP_TIME) &&
		   fp_date_parse(a->kind, a->json.val.string.val, a->json.val.string.len, da) &&
		   fp_date_parse(b->kind, b->json.val.string.val, b->json.val.string.len, db);
}

static bool
same_bytes(const FpItem *a, const FpItem *b)
{
	return a->json.val.string.len == b->json.val.string.len &&
		   memcmp(a->json.val.string.val, b->json.val.string.val, a->json.val.string.len) == 0;
}

int
fp_equal(FpExec *x, const FpItem *a, const FpItem *b)
{
	FpQuantity qa, qb;
	FhirDateTime da, db;
	int cmp;

	if (fp_is_string(a) && fp_is_string(b))
		return same_bytes(a, b);
	if (fp_is_number(a) && fp_is_number(b))
		return fp_numeric_cmp(a->json.val.numeric, b->json.val.numeric) == 0;
	if (a->json.type == jbvBool && b->json.type == jbvBool)
		return a->json.val.boolean == b->json.val.boolean;
	if (a->kind == FP_ELEMENT && b->kind == FP_ELEMENT) {
		if (a->json.val.binary.data == b->json.val.binary.data)
			return 1;
		return compareJsonbContainers(a->json.val.binary.data, b->json.val.binary.data) == 0;
	}
	if (both_temporal(a, b, &da, &db)) {
		if (a->kind == b->kind && same_bytes(a, b))
			return 1;
		return fp_date_compare(&da, &db, &cmp) ? cmp == 0 : -1;
	}
	if ((is_quantity(a) || is_quantity(b)) && fp_to_quantity(a, &qa) && fp_to_quantity(b, &qb))
		return fp_quantity_equal(&qa, &qb);
	if (a->kind == FP_TYPEINFO && b->kind == FP_TYPEINFO) {
		FpTypeInfo *ta = a->priv, *tb = b->priv;

		return strcmp(ta->ns, tb->ns) == 0 && strcmp(ta->name, tb->name) == 0;
	}
	if (a->json.type == jbvNull && b->json.type == jbvNull && a->ext != NULL && b->ext != NULL)
		return compareJsonbContainers(a->ext, b->ext) == 0;
	/* texts that are no valid date */
	if (a->json.type == jbvString && b->json.type == jbvString && a->kind == b->kind)
		return same_bytes(a, b);
	return 0;
}

int
fp_equal_lists(FpExec *x, const FpList *a, const FpList *b)
{
	int result = 1;

	if (a->n == 0 || b->n == 0)
		return -1;
	if (a->n != b->n)
		return 0;
	fp_tick(x, a->n);
	for (int i = 0; i < a->n; i++) {
		int r = fp_equal(x, &a->items[i], &b->items[i]);

		if (r == 0)
			return 0;
		if (r < 0)
			result = -1;
	}
	return result;
}

/* ---- equivalence ---- */

/* Both rounded to the lesser of their precisions, trailing zeros aside. */
static bool
equivalent_numbers(Numeric a, Numeric b)
{
	int scale = Min(fp_numeric_scale(a), fp_numeric_scale(b));

	return fp_numeric_cmp(fp_numeric_round(a, scale), fp_numeric_round(b, scale)) == 0;
}

/* Case and the width of white space do not count. */
static bool
equivalent_strings(const char *a, int alen, const char *b, int blen)
{
	int na, nb;
	char *fa, *fb;

	if (alen == blen && memcmp(a, b, alen) == 0)
		return true;
	fa = fp_fold_string(a, alen, &na);
	fb = fp_fold_string(b, blen, &nb);
	return na == nb && memcmp(fa, fb, na) == 0;
}

static int
collect(JsonbContainer *c, JsonbValue *out, bool keys)
{
	JsonbIterator *it = JsonbIteratorInit(c);
	JsonbIteratorToken tok;
	JsonbValue v;
	int n = 0;

	JsonbIteratorNext(&it, &v, true);
	while ((tok = JsonbIteratorNext(&it, &v, true)) == WJB_KEY || tok == WJB_VALUE || tok == WJB_ELEM)
		if (keys == (tok == WJB_KEY))
			out[n++] = v;
	return n;
}

/* Arrays match in any order, objects key by key. */
static bool
equivalent_containers(FpExec *x, JsonbContainer *a, JsonbContainer *b)
{
	int n = JsonContainerSize(a);
	JsonbValue *va, *vb, other;
	bool *used;

	check_stack_depth();
	fp_tick(x, n);
	if (n != JsonContainerSize(b) || JsonContainerIsObject(a) != JsonContainerIsObject(b))
		return false;
	va = palloc((n + 1) * sizeof(JsonbValue));
	vb = palloc((n + 1) * sizeof(JsonbValue));
	if (JsonContainerIsObject(a)) {
		collect(a, va, true);
		collect(a, vb, false);
		for (int i = 0; i < n; i++)
			if (!fp_get(b, va[i].val.string.val, va[i].val.string.len, &other) ||
				!equivalent_json(x, &vb[i], &other))
				return false;
		return true;
	}
	collect(a, va, false);
	collect(b, vb, false);
	used = palloc0(n + 1);
	for (int i = 0; i < n; i++) {
		int j = 0;

		while (j < n && (used[j] || !equivalent_json(x, &va[i], &vb[j])))
			j++;
		if (j == n)
			return false;
		used[j] = true;
	}
	return true;
}

static bool
equivalent_json(FpExec *x, const JsonbValue *a, const JsonbValue *b)
{
	fp_tick(x, 1);
	if (a->type != b->type)
		return false;
	switch (a->type) {
		case jbvNull:
			return true;
		case jbvBool:
			return a->val.boolean == b->val.boolean;
		case jbvNumeric:
			return equivalent_numbers(a->val.numeric, b->val.numeric);
		case jbvString:
			return equivalent_strings(a->val.string.val, a->val.string.len, b->val.string.val,
									  b->val.string.len);
		default:
			return equivalent_containers(x, a->val.binary.data, b->val.binary.data);
	}
}

bool
fp_equivalent(FpExec *x, const FpItem *a, const FpItem *b)
{
	FpQuantity qa, qb;
	FhirDateTime da, db;
	int cmp;

	if (fp_is_string(a) && fp_is_string(b))
		return equivalent_strings(a->json.val.string.val, a->json.val.string.len, b->json.val.string.val,
								  b->json.val.string.len);
	if (fp_is_number(a) && fp_is_number(b))
		return equivalent_numbers(a->json.val.numeric, b->json.val.numeric);
	if (both_temporal(a, b, &da, &db))
		return fp_date_compare(&da, &db, &cmp) && cmp == 0;
	if ((is_quantity(a) || is_quantity(b)) && fp_to_quantity(a, &qa) && fp_to_quantity(b, &qb))
		return fp_quantity_equivalent(&qa, &qb);
	if (a->kind == FP_ELEMENT && b->kind == FP_ELEMENT)
		return equivalent_json(x, &a->json, &b->json);
	return fp_equal(x, a, b) == 1;
}

/* In any order; two empty collections are equivalent. */
bool
fp_equivalent_lists(FpExec *x, const FpList *a, const FpList *b)
{
	bool *used;

	if (a->n != b->n)
		return false;
	if (a->n == 1)
		return fp_equivalent(x, &a->items[0], &b->items[0]);
	used = palloc0(b->n + 1);
	for (int i = 0; i < a->n; i++) {
		int j = 0;

		fp_tick(x, b->n);
		while (j < b->n && (used[j] || !fp_equivalent(x, &a->items[i], &b->items[j])))
			j++;
		if (j == b->n)
			return false;
		used[j] = true;
	}
	return true;
}

/* ---- order ---- */

static bool
has_no_value(const FpItem *i)
{
	return i->json.type == jbvNull && i->kind != FP_QUANTITY && i->kind != FP_TYPEINFO;
}

bool
fp_compare(FpExec *x, const FpItem *a, const FpItem *b, int *cmp)
{
	FpQuantity qa, qb;
	FhirDateTime da, db;

	if (has_no_value(a) || has_no_value(b))
		return false;
	if (fp_is_number(a) && fp_is_number(b)) {
		*cmp = fp_numeric_cmp(a->json.val.numeric, b->json.val.numeric);
		return true;
	}
	if (fp_is_string(a) && fp_is_string(b)) {
		*cmp = fp_string_cmp(a->json.val.string.val, a->json.val.string.len, b->json.val.string.val,
							 b->json.val.string.len);
		return true;
	}
	if (both_temporal(a, b, &da, &db))
		return fp_date_compare(&da, &db, cmp);
	if ((is_quantity(a) || is_quantity(b)) && (is_quantity(a) || fp_is_number(a)) &&
		(is_quantity(b) || fp_is_number(b)))
		return fp_to_quantity(a, &qa) && fp_to_quantity(b, &qb) && fp_quantity_compare(&qa, &qb, cmp);
	if (fp_is_temporal(a) && fp_is_temporal(b) && (a->kind == FP_TIME) == (b->kind == FP_TIME))
		return false; /* one is no valid date */
	fp_error(x, a, psprintf("cannot compare %s with %s", fp_kind_name(a), fp_kind_name(b)), NULL);
}

bool
fp_contains(FpExec *x, const FpList *l, const FpItem *item)
{
	fp_tick(x, l->n);
	for (int i = 0; i < l->n; i++)
		if (fp_equal(x, &l->items[i], item) == 1)
			return true;
	return false;
}

/* Appends the items of l that equal none before them in l. */
void
fp_distinct(FpExec *x, const FpList *l, FpList *out)
{
	int from = out->n;

	for (int i = 0; i < l->n; i++) {
		FpList seen = {out->items + from, out->n - from, 0};

		if (i == 0 || !fp_contains(x, &seen, &l->items[i]))
			*fp_push(x, out) = l->items[i];
	}
}
