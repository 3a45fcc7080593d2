/*
 * fhirpath_fn_math.c: math on numbers and quantities, and sum, min, max, avg (FHIRPath N1 section 5.7, 3.0
 * aggregates).
 */
#include "fhirpath/fhirpath_fn.h"

#include "utils/builtins.h"

#define MAX_DIGITS 1000 /* beyond this a result is out of range: empty */

static Numeric
call1(PGFunction f, Numeric v)
{
	return DatumGetNumeric(DirectFunctionCall1(f, NumericGetDatum(v)));
}

static Numeric
call2(PGFunction f, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(f, NumericGetDatum(a), NumericGetDatum(b)));
}

/* The input as a number or a quantity; false when empty. */
static bool
input(FpExec *x, const FpNode *n, const FpList *in, bool quantities, FpKind *kind, FpQuantity *q)
{
	const FpItem *i = fp_single(x, in, psprintf("%s()", n->fn->name));

	if (i == NULL || (i->json.type == jbvNull && i->kind != FP_QUANTITY && i->kind != FP_TYPEINFO))
		return false;
	*kind = fp_is_number(i) ? i->kind : FP_QUANTITY;
	if (i->kind == FP_STRING || (!quantities && *kind == FP_QUANTITY) || !fp_to_quantity(i, q))
		fp_error(x, i,
				 psprintf("%s() takes a number%s, not %s", n->fn->name, quantities ? " or a quantity" : "",
						  fp_kind_name(i)),
				 NULL);
	return true;
}

/* A number of the kind, or the quantity with the new value. */
static void
push(FpExec *x, FpList *out, FpKind kind, FpQuantity *q, Numeric v)
{
	if (kind == FP_QUANTITY) {
		q->value = v;
		fp_push_quantity(x, out, q);
	} else if (kind == FP_INTEGER && (fp_numeric_cmp(v, fp_numeric(PG_INT32_MAX)) > 0 ||
									  fp_numeric_cmp(v, fp_numeric(PG_INT32_MIN)) < 0)) {
		return; /* overflow: empty */
	} else
		fp_push_numeric(x, out, kind, v);
}

void
fp_fn_abs(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;

	if (input(x, n, in, true, &kind, &q))
		push(x, out, kind, &q, call1(numeric_abs, q.value));
}

static void
to_whole(FpExec *x, const FpNode *n, FpList *in, FpList *out, PGFunction f)
{
	FpQuantity q;
	FpKind kind;

	if (input(x, n, in, true, &kind, &q))
		push(x, out, kind == FP_QUANTITY ? kind : FP_INTEGER, &q, call1(f, q.value));
}

void
fp_fn_ceiling(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	to_whole(x, n, in, out, numeric_ceil);
}

void
fp_fn_floor(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	to_whole(x, n, in, out, numeric_floor);
}

void
fp_fn_truncate(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;

	if (input(x, n, in, true, &kind, &q))
		push(x, out, kind == FP_QUANTITY ? kind : FP_INTEGER, &q,
			 DatumGetNumeric(DirectFunctionCall2(numeric_trunc, NumericGetDatum(q.value), Int32GetDatum(0))));
}

/* Halves go away from zero. */
void
fp_fn_round(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;
	int64 digits = 0;

	if (!input(x, n, in, true, &kind, &q) || (n->nargs > 0 && !fp_arg_int(x, n, s, 0, &digits)))
		return;
	if (digits < 0)
		fp_error(x, NULL, "round() takes a precision of 0 or more", NULL);
	push(x, out, kind == FP_QUANTITY ? kind : FP_DECIMAL, &q,
		 fp_numeric_round(q.value, Min(digits, MAX_DIGITS)));
}

void
fp_fn_exp(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;

	if (input(x, n, in, false, &kind, &q) && fp_numeric_cmp(q.value, fp_numeric(2000)) <= 0 &&
		fp_numeric_cmp(q.value, fp_numeric(-2000)) >= 0)
		fp_push_numeric(x, out, FP_DECIMAL, fp_numeric_trim(call1(numeric_exp, q.value)));
}

static bool
positive(Numeric v)
{
	return fp_numeric_cmp(v, fp_numeric(0)) > 0;
}

void
fp_fn_ln(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;

	if (input(x, n, in, false, &kind, &q) && positive(q.value))
		fp_push_numeric(x, out, FP_DECIMAL, fp_numeric_trim(call1(numeric_ln, q.value)));
}

static bool
number_arg(FpExec *x, const FpNode *n, FpScope *s, Numeric *v)
{
	FpItem i;

	if (!fp_arg(x, n, s, 0, &i))
		return false;
	if (!fp_is_number(&i))
		fp_error(x, &i, psprintf("%s() takes a number, not %s", n->fn->name, fp_kind_name(&i)), NULL);
	*v = i.json.val.numeric;
	return true;
}

void
fp_fn_log(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;
	Numeric base;

	if (!input(x, n, in, false, &kind, &q) || !number_arg(x, n, s, &base))
		return;
	if (positive(q.value) && positive(base) && fp_numeric_cmp(base, fp_numeric(1)) != 0)
		fp_push_numeric(x, out, FP_DECIMAL, fp_numeric_trim(call2(numeric_log, base, q.value)));
}

/* Would the result have more than MAX_DIGITS digits? */
static bool
too_large(Numeric base, Numeric exponent)
{
	Numeric a = call1(numeric_abs, base), digits;

	if (fp_numeric_is_zero(a) || fp_numeric_is_zero(exponent))
		return false;
	if (fp_numeric_cmp(call1(numeric_abs, exponent), fp_numeric(1000000)) > 0)
		return fp_numeric_cmp(a, fp_numeric(1)) != 0;
	digits = call1(numeric_abs, fp_mul(call2(numeric_log, fp_numeric(10), a), exponent));
	if (fp_numeric_cmp(digits, fp_numeric(MAX_DIGITS)) > 0)
		return true;
	/* an exact power of a decimal has that many times its digits after the point */
	return fp_numeric_cmp(fp_mul(fp_numeric(fp_numeric_scale(base)), call1(numeric_abs, exponent)),
						  fp_numeric(20 * MAX_DIGITS)) > 0;
}

void
fp_fn_power(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;
	Numeric e, r;

	if (!input(x, n, in, false, &kind, &q) || !number_arg(x, n, s, &e) || too_large(q.value, e))
		return;
	if (fp_numeric_is_zero(q.value) && fp_numeric_cmp(e, fp_numeric(0)) < 0)
		return;
	if (!positive(q.value) && !fp_numeric_is_zero(q.value) && fp_numeric_scale(e) > 0)
		return;
	r = fp_numeric_trim(call2(numeric_power, q.value, e));
	push(x, out,
		 kind != FP_DECIMAL && fp_numeric_scale(r) == 0 && fp_numeric_cmp(e, fp_numeric(0)) >= 0 &&
				 fp_numeric_scale(e) == 0
			 ? FP_INTEGER
			 : FP_DECIMAL,
		 &q, r);
}

void
fp_fn_sqrt(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FpKind kind;

	if (input(x, n, in, false, &kind, &q) && fp_numeric_cmp(q.value, fp_numeric(0)) >= 0)
		fp_push_numeric(x, out, FP_DECIMAL, fp_numeric_trim(call1(numeric_sqrt, q.value)));
}

/* ---- aggregates ---- */

static void
add_all(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *sum)
{
	FpNode plus = *n;
	FpList total = {0};

	plus.op = FP_OP_ADD;
	for (int i = 0; i < in->n; i++) {
		FpList one = {&in->items[i], 1, 1}, next = {0};

		if (!fp_is_number(&in->items[i]) && in->items[i].kind != FP_QUANTITY &&
			in->items[i].kind != FP_ELEMENT)
			fp_error(x, &in->items[i],
					 psprintf("%s() takes numbers and quantities, not %s", n->fn->name,
							  fp_kind_name(&in->items[i])),
					 NULL);
		if (i == 0)
			fp_append(x, &next, &one);
		else
			fp_arith(x, &plus, &total, &one, &next);
		total = next;
		fp_tick(x, 1);
	}
	fp_append(x, sum, &total);
}

void
fp_fn_sum(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	add_all(x, n, s, in, out);
}

void
fp_fn_avg(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	FpQuantity q;
	FP_LIST_ON_STACK(sum);

	add_all(x, n, s, in, &sum);
	if (sum.n == 1 && fp_to_quantity(&sum.items[0], &q))
		push(x, out, fp_is_number(&sum.items[0]) ? FP_DECIMAL : FP_QUANTITY, &q,
			 fp_div(q.value, fp_numeric(in->n)));
}

/* An undecidable comparison makes the result empty. */
static void
extreme(FpExec *x, FpList *in, FpList *out, int sign)
{
	int best = 0, cmp;

	for (int i = 1; i < in->n; i++) {
		if (!fp_compare(x, &in->items[i], &in->items[best], &cmp))
			return;
		if (cmp * sign > 0)
			best = i;
		fp_tick(x, 1);
	}
	if (in->n > 0)
		*fp_push(x, out) = in->items[best];
}

void
fp_fn_min(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	extreme(x, in, out, -1);
}

void
fp_fn_max(FpExec *x, const FpNode *n, FpScope *s, FpList *in, FpList *out)
{
	extreme(x, in, out, 1);
}
